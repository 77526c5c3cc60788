"""Verification words: the same at both ends, the same in both languages, and without favourites."""

import hashlib
import hmac
import json
from collections import Counter
from pathlib import Path

from slidewire.control.sas import ALPHABET, WORDS, short_authentication_string
from slidewire.testing.pair import Pair

VECTORS = json.loads((Path(__file__).parents[2] / "protocol/vectors/control.json").read_text())["words"]


def by_hand(handshake_hash: bytes, presenter_nonce: bytes, host_nonce: bytes) -> str:
    """From RFC 5869 §2 and control.md §2: 20 bytes are one block of SHA-256."""
    pseudorandom = hmac.digest(b"slidewire/1", handshake_hash + presenter_nonce + host_nonce, "sha256")
    block = hmac.digest(pseudorandom, b"words\x01", "sha256")
    return " ".join(ALPHABET[int.from_bytes(block[at : at + 4], "big") % 26] for at in (0, 4, 8, 12, 16))


def test_the_vectors() -> None:
    assert len(VECTORS) >= 3
    for vector in VECTORS:
        parts = [bytes.fromhex(vector[name]) for name in ("handshake_hash", "presenter_nonce", "host_nonce")]
        assert short_authentication_string(*parts) == vector["words"] == by_hand(*parts)


def test_both_ends_of_a_handshake_have_the_same_words_once_both_have_spoken() -> None:
    pair = Pair(seed=1)
    assert (pair.presenter.sas, pair.host.sas) == (None, None)
    pair.run(1)
    assert pair.presenter.sas == pair.host.sas is not None
    other = Pair(seed=2)
    other.run(1)
    assert pair.host.sas != other.host.sas


def test_there_are_twenty_six_words_and_none_is_preferred() -> None:
    assert [word[0] for word in ALPHABET] == [chr(letter) for letter in range(ord("a"), ord("z") + 1)]
    drawn: Counter[str] = Counter()
    for number in range(2000):
        words = short_authentication_string(
            hashlib.sha256(number.to_bytes(4, "big")).digest(), bytes(16), bytes(16)
        ).split()
        assert len(words) == WORDS
        drawn.update(words)
    expected = 2000 * WORDS / 26
    chi_squared = sum((drawn[word] - expected) ** 2 / expected for word in ALPHABET)
    assert chi_squared < 52.6, "25 degrees of freedom: exceeded by chance once in a thousand"
