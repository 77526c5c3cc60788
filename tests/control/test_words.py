"""Verification words: the same at both ends, the same in both languages, and without favourites."""

import hashlib
import hmac
import json
import random
from collections import Counter
from pathlib import Path

from slidewire.control.handshake import Admission, Door, PresenterHandshake
from slidewire.control.intents import Role
from slidewire.control.words import ALPHABET, WORDS, verification_words
from slidewire.testing.pair import LINK_ID, PSK, Pair

VECTORS = json.loads((Path(__file__).parents[2] / "protocol/vectors/control.json").read_text())["words"]


def by_hand(handshake_hash: bytes) -> str:
    """From RFC 5869 §2 and control.md §2: 20 bytes are one block of SHA-256."""
    pseudorandom = hmac.digest(b"slidewire/1", handshake_hash, "sha256")
    block = hmac.digest(pseudorandom, b"words\x01", "sha256")
    return " ".join(ALPHABET[int.from_bytes(block[at : at + 4], "big") % 26] for at in (0, 4, 8, 12, 16))


def test_the_vectors() -> None:
    assert len(VECTORS) >= 3
    for vector in VECTORS:
        value = bytes.fromhex(vector["handshake_hash"])
        assert verification_words(value) == vector["words"] == by_hand(value)


def test_both_ends_of_a_handshake_have_the_same_words() -> None:
    pair = Pair(seed=1)
    words = verification_words(pair.presenter.wire.handshake_hash)
    assert words == verification_words(pair.host.wire.handshake_hash)
    assert words != verification_words(Pair(seed=2).host.wire.handshake_hash)


def test_who_is_in_the_middle_with_the_secret_has_different_words_on_either_side() -> None:
    rng = random.Random(3)
    presenter = PresenterHandshake(LINK_ID, PSK, rng.randbytes(32), "Ada", "phone")
    towards_presenter = Door(lambda _: Admission(PSK, Role.CLICK), rng.randbytes).receive_hello(presenter.hello, 0.0)
    towards_host = PresenterHandshake(LINK_ID, PSK, rng.randbytes(32), "Ada", "phone")
    host = Door(lambda _: Admission(PSK, Role.CLICK), rng.randbytes).receive_hello(towards_host.hello, 0.0)
    assert towards_presenter is not None and host is not None and host.session is not None
    welcome = presenter.read_welcome(towards_presenter.welcome)
    assert welcome is not None
    assert verification_words(welcome.keys.handshake_hash) != verification_words(host.session.wire.handshake_hash)


def test_there_are_twenty_six_words_and_none_is_preferred() -> None:
    assert [word[0] for word in ALPHABET] == [chr(letter) for letter in range(ord("a"), ord("z") + 1)]
    drawn: Counter[str] = Counter()
    for number in range(2000):
        words = verification_words(hashlib.sha256(number.to_bytes(4, "big")).digest()).split()
        assert len(words) == WORDS
        drawn.update(words)
    expected = 2000 * WORDS / 26
    chi_squared = sum((drawn[word] - expected) ** 2 / expected for word in ALPHABET)
    assert chi_squared < 52.6, "25 degrees of freedom: exceeded by chance once in a thousand"
