"""Authentication: the long-term mechanism of RFC 8489 §9.2 over the credentials of `credentials`.

The server challenges with a realm and a nonce; the client answers with its username, the nonce, and an HMAC over the
request. The nonce says when it was made and holds a keyed hash of that and the five-tuple. So the server stores nothing
until it comes back, and it is of no use at another address:

    nonce  base64(time (4 bytes) | BLAKE2b with the key, of time and five-tuple (8 bytes)), 16 characters

Unknown, expired and revoked users and wrong passwords get the same 401 after the same work.

SHA-256 (PASSWORD-ALGORITHMS, MESSAGE-INTEGRITY-SHA256) is offered only if asked for: no browser uses it yet, and
offering it makes the challenge longer than what was sent to get it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final, NamedTuple

from slidewire.stun.attributes import (
    NONCE,
    PASSWORD_ALGORITHM,
    PASSWORD_ALGORITHMS,
    REALM,
    USERHASH,
    USERNAME,
    Algorithm,
    ErrorCode,
    PasswordAlgorithm,
)
from slidewire.stun.message import Builder, Message, long_term_key, packed, userhash
from slidewire.turn.credentials import Credentials
from slidewire.turn.five_tuple import FiveTuple

ALGORITHMS: Final = (Algorithm(PasswordAlgorithm.SHA256), Algorithm(PasswordAlgorithm.MD5))
"""In the order of our preference."""
COOKIE: Final = b"obMatJos2" + base64.b64encode(bytes((0x80, 0, 0)))
"""RFC 8489 §9.2: the nonce cookie with the bit "Password algorithms", bit 0, the most significant one."""

_NONCE_BYTES: Final = 12
_CLOCKS_DIFFER: Final = 60
"""Servers that share a nonce key may disagree about the time by this much."""
_UNKNOWN_USER: Final = "0:nobody"


class Nonces:
    """Makes them and knows its own. `now` is wall time: servers of a fleet may share the key."""

    def __init__(self, key: bytes, lifetime: float, prefix: bytes = b"") -> None:
        self._key = key
        self._lifetime = lifetime
        self._prefix = prefix

    def make(self, client: FiveTuple, now: float) -> bytes:
        stamp = (int(now) & 0xFFFFFFFF).to_bytes(4, "big")
        return self._prefix + base64.b64encode(stamp + self._tag(stamp, client))

    def valid(self, nonce: bytes, client: FiveTuple, now: float) -> bool:
        if not nonce.startswith(self._prefix):
            return False
        try:
            raw = base64.b64decode(nonce[len(self._prefix) :], validate=True)
        except ValueError:
            return False
        if len(raw) != _NONCE_BYTES or not hmac.compare_digest(raw[4:], self._tag(raw[:4], client)):
            return False
        return -_CLOCKS_DIFFER <= now - int.from_bytes(raw[:4], "big") <= self._lifetime

    def _tag(self, stamp: bytes, client: FiveTuple) -> bytes:
        transport, ours, theirs = client.transport, client.server, client.client
        who = f"{transport.value} {ours[0]} {ours[1]} {theirs[0]} {theirs[1]}".encode()
        return hashlib.blake2b(stamp + who, digest_size=8, key=self._key).digest()


class Identity(NamedTuple):
    """A client that has proved that it knows the password."""

    username: str
    key: bytes
    sha256: bool = False
    """The algorithm was negotiated: answers are signed with SHA-256 then, and only then (§9.2.4)."""

    def sign(self, answer: Builder, *, fingerprint: bool = False) -> bytes:
        """The answer, with all that belongs at its end."""
        signed = answer.sign_sha256(self.key) if self.sha256 else answer.sign(self.key)
        return (signed.fingerprint() if fingerprint else signed).encode()


class Authenticator:
    def __init__(self, realm: str, credentials: Credentials, nonces: Nonces, *, sha256: bool = False) -> None:
        self._realm = realm
        self._realm_packed = packed(REALM, realm)
        self._credentials = credentials
        self._nonces = nonces
        self._sha256 = sha256
        self._hashes: dict[bytes, str] = {}

    def introduce(self, username: str, now: float) -> None:
        """Make a username known, so that USERHASH finds it. Those that others minted cannot be found by their hash."""
        self._hashes = {hash_: name for hash_, name in self._hashes.items() if self._credentials.valid(name, now)}
        self._hashes[userhash(username, self._realm)] = username

    def challenge(self, answer: Builder, client: FiveTuple, now: float) -> Builder:
        """What 401 and 438 carry."""
        answer.extend(self._realm_packed).add(NONCE, self._nonces.make(client, now))
        return answer.add(PASSWORD_ALGORITHMS, ALGORITHMS) if self._sha256 else answer

    def proves_address(self, message: Message, client: FiveTuple, now: float) -> bool:
        """Whether the request carries a nonce that we sent to this address."""
        try:
            nonce = message.get(NONCE)
        except ValueError:
            return False
        return nonce is not None and self._nonces.valid(nonce, client, now)

    def authenticate(
        self, message: Message, now: float, owner: Identity | None, *, fresh: bool
    ) -> Identity | ErrorCode:
        """The checks of §9.2.4 in their order. `owner` is whose allocation this five-tuple already has, if any, and
        `fresh` what `proves_address` said."""
        if message.integrity_at is None and message.integrity_sha256_at is None:
            return ErrorCode.UNAUTHENTICATED
        try:
            username, hash_ = message.get(USERNAME), message.get(USERHASH)
            realm, nonce = message.get(REALM), message.get(NONCE)
            algorithm = self._algorithm(message, nonce)
        except ValueError:
            return ErrorCode.BAD_REQUEST
        if (username is None and hash_ is None) or realm is None or nonce is None or algorithm is None:
            return ErrorCode.BAD_REQUEST
        if username is None:
            username = self._name_behind(hash_ or b"", owner)
        identity = self._verify(message, username, algorithm, now, owner)
        if identity is None or realm != self._realm:
            return ErrorCode.UNAUTHENTICATED
        return identity if fresh else ErrorCode.STALE_NONCE

    def _algorithm(self, message: Message, nonce: bytes | None) -> tuple[str, bool] | None:
        """The hash the key is made with, and whether the client chose it; None if it does not repeat what it was
        offered."""
        if not self._sha256 or nonce is None or not nonce.startswith(COOKIE):
            return "md5", False
        chosen, offered = message.get(PASSWORD_ALGORITHM), message.get(PASSWORD_ALGORITHMS)
        if chosen is None and offered is None:
            return "md5", False
        if chosen not in ALGORITHMS or offered != ALGORITHMS:
            return None
        return "sha256" if chosen.number == PasswordAlgorithm.SHA256 else "md5", True

    def _name_behind(self, hash_: bytes, owner: Identity | None) -> str:
        if owner is not None and hmac.compare_digest(hash_, userhash(owner.username, self._realm)):
            return owner.username
        return self._hashes.get(hash_, _UNKNOWN_USER)

    def _verify(
        self, message: Message, username: str, algorithm: tuple[str, bool], now: float, owner: Identity | None
    ) -> Identity | None:
        """Try every key that may be right. A live allocation keeps its own, even when its credential has expired."""
        hash_, chosen = algorithm
        holds = message.integrity_holds if message.integrity_sha256_at is None else message.integrity_sha256_holds
        if owner is not None and owner.username == username and not self._credentials.revoked(username):
            return Identity(username, owner.key, chosen) if holds(owner.key) else None
        found: Identity | None = None
        for password in self._credentials.passwords(username):
            key = long_term_key(username, self._realm, password, hash_)
            if holds(key):
                found = Identity(username, key, chosen)
        return found if self._credentials.valid(username, now) else None
