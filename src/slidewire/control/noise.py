"""Noise_NNpsk0_25519_ChaChaPoly_SHA256 (the Noise Protocol Framework, revision 34).

    NNpsk0:
      -> psk, e
      <- e, ee

Both ends know a pre-shared key; each brings a fresh X25519 key. What comes out is a pair of ChaCha20-Poly1305 keys
that cannot be computed later from the pre-shared key alone. Section numbers are those of the Noise specification.
The ephemeral private keys come in as values, so that vectors can be replayed.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import struct
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PROTOCOL_NAME = b"Noise_NNpsk0_25519_ChaChaPoly_SHA256"
DH_BYTES = 32
TAG_BYTES = 16


class HandshakeError(Exception):
    """A handshake message that does not open: another secret, another link, or altered on the way."""


@dataclass(frozen=True, slots=True)
class TransportKeys:
    """What a finished handshake gives one end."""

    send: bytes = field(repr=False)
    receive: bytes = field(repr=False)
    handshake_hash: bytes
    """The same at both ends, and different for every handshake: what verification words are made from. It is made of
    what was sent and of the pre-shared key: who has that key and a recording can compute it."""
    exported: bytes = field(repr=False)
    """A third output beside the two keys: known to these two ends alone as the keys are, and no part of them."""


def nonce(counter: int) -> bytes:
    """§12.3: 32 bits of zeros, then the counter as 64 bits, little-endian."""
    return struct.pack("<IQ", 0, counter)


class _SymmetricState:
    """§5.2, with the CipherState of §5.1 inside: a handshake of two messages never counts past two."""

    def __init__(self, prologue: bytes) -> None:
        # The protocol name is longer than HASHLEN, so h starts as its hash.
        self._hash = hashlib.sha256(PROTOCOL_NAME).digest()
        self._chaining_key = self._hash
        self._cipher: ChaCha20Poly1305 | None = None
        self._counter = 0
        self.mix_hash(prologue)

    @property
    def handshake_hash(self) -> bytes:
        return self._hash

    def mix_hash(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def mix_key(self, material: bytes) -> None:
        self._chaining_key, key = _hkdf(self._chaining_key, material, 2)
        self._initialize_key(key)

    def mix_key_and_hash(self, material: bytes) -> None:
        self._chaining_key, hashed, key = _hkdf(self._chaining_key, material, 3)
        self.mix_hash(hashed)
        self._initialize_key(key)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        assert self._cipher is not None, "NNpsk0 has a key from its first token on"
        ciphertext = self._cipher.encrypt(nonce(self._counter), plaintext, self._hash)
        self._counter += 1
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        assert self._cipher is not None, "NNpsk0 has a key from its first token on"
        try:
            plaintext = self._cipher.decrypt(nonce(self._counter), ciphertext, self._hash)
        except InvalidTag:
            raise HandshakeError("the message does not open with this link's secret") from None
        self._counter += 1
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[bytes, bytes, bytes]:
        """Split(), whose two outputs stay what they are if HKDF is asked for a third."""
        first, second, third = _hkdf(self._chaining_key, b"", 3)
        return first, second, third

    def _initialize_key(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)
        self._counter = 0


def _hkdf(chaining_key: bytes, material: bytes, outputs: int) -> tuple[bytes, ...]:
    """§4.3. This is HMAC in a chain, not RFC 5869's interface to it."""
    secret = hmac.digest(chaining_key, material, "sha256")
    derived: list[bytes] = []
    previous = b""
    for index in range(1, outputs + 1):
        previous = hmac.digest(secret, previous + bytes([index]), "sha256")
        derived.append(previous)
    return tuple(derived)


def _public_bytes(key: X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class Initiator:
    """The presenter's end: `write_message_1`, then `read_message_2`."""

    def __init__(self, psk: bytes, prologue: bytes, ephemeral: bytes) -> None:
        self._psk = psk
        self._state = _SymmetricState(prologue)
        self._ephemeral = X25519PrivateKey.from_private_bytes(ephemeral)

    def write_message_1(self, payload: bytes) -> bytes:
        """-> psk, e"""
        self._state.mix_key_and_hash(self._psk)
        public = _public_bytes(self._ephemeral)
        self._state.mix_hash(public)
        self._state.mix_key(public)  # §9.2: with a psk, the token "e" mixes the public key in as well
        return public + self._state.encrypt_and_hash(payload)

    def fork(self) -> Initiator:
        """A copy to try a message on, so that one that does not open leaves this handshake as it was."""
        twin = copy.copy(self)
        twin._state = copy.copy(self._state)  # all its fields are immutable values
        return twin

    def read_message_2(self, message: bytes) -> tuple[bytes, TransportKeys]:
        """<- e, ee. The payload and the keys; raises `HandshakeError`."""
        public, sealed = _split_message(message)
        self._state.mix_hash(public)
        self._state.mix_key(public)
        self._state.mix_key(_exchange(self._ephemeral, public))
        payload = self._state.decrypt_and_hash(sealed)
        send, receive, exported = self._state.split()
        return payload, TransportKeys(send, receive, self._state.handshake_hash, exported)


class Responder:
    """The host's end: `read_message_1`, then `write_message_2`."""

    def __init__(self, psk: bytes, prologue: bytes, ephemeral: bytes) -> None:
        self._psk = psk
        self._state = _SymmetricState(prologue)
        self._ephemeral = X25519PrivateKey.from_private_bytes(ephemeral)
        self._remote = b""

    def read_message_1(self, message: bytes) -> bytes:
        """-> psk, e. The payload; raises `HandshakeError`."""
        public, sealed = _split_message(message)
        self._state.mix_key_and_hash(self._psk)
        self._state.mix_hash(public)
        self._state.mix_key(public)
        payload = self._state.decrypt_and_hash(sealed)
        self._remote = public
        return payload

    def write_message_2(self, payload: bytes) -> tuple[bytes, TransportKeys]:
        """<- e, ee. The message and the keys; raises `HandshakeError` for a public key of low order."""
        public = _public_bytes(self._ephemeral)
        self._state.mix_hash(public)
        self._state.mix_key(public)
        self._state.mix_key(_exchange(self._ephemeral, self._remote))
        message = public + self._state.encrypt_and_hash(payload)
        receive, send, exported = self._state.split()
        return message, TransportKeys(send, receive, self._state.handshake_hash, exported)


def _split_message(message: bytes) -> tuple[bytes, bytes]:
    if len(message) < DH_BYTES + TAG_BYTES:
        raise HandshakeError("the message is too short")
    return message[:DH_BYTES], message[DH_BYTES:]


def _exchange(private: X25519PrivateKey, public: bytes) -> bytes:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:  # §12.1 leaves all-zero outputs to the implementation; the library refuses them, and so do we
        raise HandshakeError("the other end's public key is of low order") from None
