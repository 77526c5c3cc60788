"""Wycheproof's cases for the two algorithms of the seal, against what `noise` and `seal` use."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from slidewire.control import noise

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors" / "wycheproof"


def cases(name: str) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads(gzip.decompress((VECTORS / f"{name}.json.gz").read_bytes()))
    return read


def test_chacha20_poly1305() -> None:
    counts = {"valid": 0, "invalid": 0}
    for case in cases("chacha20_poly1305"):
        key, nonce, associated, plain, sealed, tag = (
            bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")
        )
        cipher = ChaCha20Poly1305(key)
        if case["result"] == "valid":
            assert cipher.encrypt(nonce, plain, associated) == sealed + tag, case["tcId"]
            assert cipher.decrypt(nonce, sealed + tag, associated) == plain, case["tcId"]
        else:
            # A nonce of another size is a ValueError: neither end lets anybody choose one.
            with pytest.raises(ValueError if "ivSize" in case else InvalidTag):
                cipher.decrypt(nonce, sealed + tag, associated)
        counts[case["result"]] += 1
    assert min(counts.values()) > 50


def test_x25519() -> None:
    agreed = refused = 0
    for case in cases("x25519"):
        private = X25519PrivateKey.from_private_bytes(bytes.fromhex(case["private"]))
        public = X25519PublicKey.from_public_bytes(bytes.fromhex(case["public"]))
        if int(case["shared"], 16) == 0:
            # RFC 7748 §6.1: such a key says nothing of a secret, and is refused.
            with pytest.raises(ValueError, match=r"shared key|shared secret|[Ee]rror"):
                private.exchange(public)
            refused += 1
        else:
            assert private.exchange(public).hex() == case["shared"], case["tcId"]
            agreed += 1
    assert agreed > 400 and refused > 10


def test_a_key_of_small_order_is_a_refused_handshake() -> None:
    """What leads to no secret, from whoever knows the link: a `HandshakeError`, no traceback."""
    psk, ours = bytes(32), bytes(range(32))
    small = [bytes.fromhex(case["public"]) for case in cases("x25519") if int(case["shared"], 16) == 0]
    for public in small:
        state = noise._SymmetricState(b"")
        state.mix_key_and_hash(psk)
        state.mix_hash(public)
        state.mix_key(public)
        responder = noise.Responder(psk, b"", ours)
        message = public + state.encrypt_and_hash(b"hello")
        assert responder.read_message_1(message) == b"hello"
        with pytest.raises(noise.HandshakeError):
            responder.write_message_2(b"")
