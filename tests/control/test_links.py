"""Links: what a person pastes, and what both ends derive from it."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from slidewire.base.base64url import decode_base64url, encode_base64url
from slidewire.control.links import Link, LinkError, commit, derive_join_token, derive_psk, new_link_id, parse_link

VECTORS = json.loads((Path(__file__).parents[2] / "protocol/vectors/control.json").read_text())
SECRET = bytes(range(16))


def rfc5869(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 for one block, written from RFC 5869 §2."""
    pseudorandom = hmac.digest(salt, secret, "sha256")
    return hmac.digest(pseudorandom, info + b"\x01", "sha256")[:length]


def test_derivations_follow_rfc_5869_and_the_vectors() -> None:
    (vector,) = VECTORS["derive"]
    link_id, secret = vector["link_id"], decode_base64url(vector["secret"])
    token = derive_join_token(link_id, secret)
    assert token == rfc5869(secret, b"slidewire/1", f"join {link_id}".encode(), 16)
    assert derive_psk(link_id, secret) == rfc5869(secret, b"slidewire/1", f"psk {link_id}".encode(), 32)
    assert encode_base64url(token) == vector["join_token"]
    assert encode_base64url(commit(token)) == vector["commit"] == encode_base64url(hashlib.sha256(token).digest())
    assert derive_psk(link_id, secret).hex() == vector["psk"]


@pytest.mark.parametrize("page", ["p", "operator", "deck"])
@pytest.mark.parametrize("server", ["https://clicker.example", "https://[2001:db8::1]:8443", "http://127.0.0.1:80"])
def test_a_link_survives_being_pasted(page: str, server: str) -> None:
    link = Link(server, page, "abcdefgh23", SECRET)
    assert parse_link(f"  {link.url}\n") == link


def test_the_secret_is_in_the_fragment_and_nowhere_in_the_repr() -> None:
    link = Link("https://clicker.example", "p", "abcdefgh23", SECRET)
    before, _, fragment = link.url.partition("#")
    assert fragment == encode_base64url(SECRET)
    assert fragment not in before and fragment not in repr(link) and "secret" not in repr(link)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "https://"),
        ("clicker.example/p/abcdefgh23#x", "https://"),
        ("https://clicker.example/p/abcdefgh23", "after # is missing"),
        ("https://clicker.example/p/abcdefgh23#", "after # is missing"),
        ("https://clicker.example/p/abcdefgh23#AAAA", "cut off"),
        ("https://clicker.example/p/abcdefgh23#AAEC AwQFBgcICQoLDA0ODw", "cut off"),
        ("https://clicker.example/p/ABC#AAECAwQFBgcICQoLDA0ODw", "not a Slidewire link"),
        ("https://clicker.example/other/abcdefgh23#AAECAwQFBgcICQoLDA0ODw", "not a Slidewire link"),
        ("https://clicker.example:99999/p/abcdefgh23#AAECAwQFBgcICQoLDA0ODw", "not a web address"),
        ("https://[::1/p/abcdefgh23#AAECAwQFBgcICQoLDA0ODw", "not a web address"),
    ],
)
def test_a_bad_link_gets_advice(text: str, advice: str) -> None:
    with pytest.raises(LinkError, match=advice):
        parse_link(text)


def test_link_ids_use_their_whole_alphabet_of_letters_that_survive_dictation() -> None:
    ids = {new_link_id(hashlib.sha256(bytes([n])).digest()) for n in range(200)}
    assert len(ids) == 200
    assert set("".join(ids)) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert {len(link_id) for link_id in ids} == {10}
