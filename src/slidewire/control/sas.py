"""Verification words (protocol/control.md §2): two people read them to each other, to know that it is the other's
device that theirs talks to."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# fmt: off
ALPHABET = (
    "alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima", "mike",
    "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango", "uniform", "victor", "whiskey", "xray", "yankee",
    "zulu",
)
# fmt: on
WORDS = 5


def short_authentication_string(handshake_hash: bytes, presenter_nonce: bytes, host_nonce: bytes) -> str:
    """Five words, the same at both ends of one handshake."""
    material = handshake_hash + presenter_nonce + host_nonce
    derived = HKDF(hashes.SHA256(), 4 * WORDS, b"slidewire/1", b"words").derive(material)
    # 32 bits for each: 2^32 is no multiple of 26, but the bias is less than one in a hundred million.
    numbers = (int.from_bytes(derived[at : at + 4], "big") for at in range(0, 4 * WORDS, 4))
    return " ".join(ALPHABET[number % len(ALPHABET)] for number in numbers)
