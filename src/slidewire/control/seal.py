"""Sealed frames (protocol/control.md §3): every frame numbered, sealed, and accepted at most once.

    03 | session (4) | counter (4) | ChaCha20-Poly1305 ciphertext, tag (16)

Frames look the same on every path and may arrive in any order by any of them.
"""

from __future__ import annotations

import struct
from enum import Enum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from slidewire.control.noise import TAG_BYTES, nonce

HELLO, WELCOME, SEALED, NO_SESSION = 1, 2, 3, 4
"""The first byte of everything the two ends say to each other."""

WINDOW = 1024
LAST_COUNTER = 2**32 - 1

_HEADER = struct.Struct("!BII")
OVERHEAD = _HEADER.size + TAG_BYTES


class Rejection(Enum):
    """Why a frame did not open. Each is counted by name; none is ever answered."""

    MALFORMED = "malformed"
    OTHER_SESSION = "other_session"
    REPLAYED = "replayed"
    FORGED = "forged"


class CounterExhausted(Exception):
    """2^32 frames were sent in one direction: shake hands again."""


def peek_session(data: bytes) -> int | None:
    """The session a sealed frame (or a NO_SESSION hint) names, before anything is known to be true about it."""
    if len(data) >= 5 and data[0] in (SEALED, NO_SESSION):
        return int.from_bytes(data[1:5], "big")
    return None


def no_session(session: int) -> bytes:
    return struct.pack("!BI", NO_SESSION, session)


class Sealer:
    """One direction's outgoing half."""

    def __init__(self, session: int, key: bytes) -> None:
        self._session = session
        self._cipher = ChaCha20Poly1305(key)
        self._counter = 0

    def seal(self, plaintext: bytes) -> bytes:
        counter = self._counter
        if counter > LAST_COUNTER:
            raise CounterExhausted
        self._counter = counter + 1
        header = _HEADER.pack(SEALED, self._session, counter)
        return header + self._cipher.encrypt(nonce(counter), plaintext, header)


class Opener:
    """One direction's incoming half, with the window that lets each counter through once."""

    def __init__(self, session: int, key: bytes) -> None:
        self._session = session
        self._cipher = ChaCha20Poly1305(key)
        self._highest = -1
        self._seen = 0  # bit n: counter `highest - n` was accepted

    def open(self, data: bytes) -> bytes | Rejection:
        if len(data) < OVERHEAD or data[0] != SEALED:
            return Rejection.MALFORMED
        _, session, counter = _HEADER.unpack_from(data)
        if session != self._session:
            return Rejection.OTHER_SESSION
        if self._is_old(counter):
            return Rejection.REPLAYED
        try:
            plaintext = self._cipher.decrypt(nonce(counter), data[_HEADER.size :], data[: _HEADER.size])
        except InvalidTag:
            return Rejection.FORGED
        self._mark(counter)  # only what opened moves the window: a forger cannot push it
        return plaintext

    def _is_old(self, counter: int) -> bool:
        behind = self._highest - counter
        return behind >= WINDOW or (behind >= 0 and bool(self._seen >> behind & 1))

    def _mark(self, counter: int) -> None:
        if counter > self._highest:
            ahead = counter - self._highest  # up to 2^32: the sender may leave any number of counters out
            self._seen = (self._seen << ahead | 1) & ((1 << WINDOW) - 1) if ahead < WINDOW else 1
            self._highest = counter
        else:
            self._seen |= 1 << (self._highest - counter)
