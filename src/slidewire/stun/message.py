"""A STUN message (RFC 8489 §5): parsed from bytes, or built.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   |0 0|     Message Type          |         Message Length        |
   |                    Magic Cookie, 0x2112A442                   |
   |                     Transaction ID (96 bits)                  |
   |            Type               |            Length             |   one attribute, …
   |                         Value (variable, padded to 4)         |

`parse` meets any bytes with one of two fates: a message whose frame is whole, or None. What the attributes hold is
parsed when they are asked for (`get`), so that a message that is understood but wrong can still be answered.

§9: attributes after MESSAGE-INTEGRITY are ignored, but for MESSAGE-INTEGRITY-SHA256 and FINGERPRINT; the parser leaves
them out, so that none is honoured by mistake.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple, Self, TypeVar

from slidewire.stun.attributes import (
    FINGERPRINT,
    MAGIC_COOKIE,
    MESSAGE_INTEGRITY,
    MESSAGE_INTEGRITY_SHA256,
    Attribute,
)

T = TypeVar("T")

HEADER_BYTES: Final = 20
MAX_ATTRIBUTES: Final = 128
"""More than any request has use for. §5 sets no bound; a datagram could carry sixteen thousand empty ones."""
BINDING: Final = 0x001

_HEADER: Final = struct.Struct("!HHI12s")
_ATTRIBUTE: Final = struct.Struct("!HH")
_LENGTH: Final = struct.Struct("!H")
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
"""By a value's length modulo 4."""
_Hash = Callable[..., "hashlib._Hash"]
"""Given to `hmac` itself: it takes a microsecond to find one by its name."""
_FINGERPRINT_XOR: Final = 0x5354554E  # "STUN", §14.7
_FINGERPRINT_BYTES: Final = 8


class Class(IntEnum):
    """§5: the two class bits."""

    REQUEST = 0
    INDICATION = 1
    SUCCESS = 2
    ERROR = 3


_CLASSES: Final = tuple(Class)


Raw = tuple[int, bytes]
"""An attribute as it stands in the message: its type, and its value without the padding."""


def message_type(method: int, class_: Class) -> int:
    """§5, figure 3: the class bits sit between the method's."""
    return (method & 0xF80) << 2 | (method & 0x70) << 1 | method & 0xF | (class_ & 2) << 7 | (class_ & 1) << 4


def split_type(type_: int) -> tuple[int, Class]:
    """The opposite of `message_type`, for types below 0x4000."""
    method = type_ >> 2 & 0xF80 | type_ >> 1 & 0x70 | type_ & 0xF
    return method, _CLASSES[type_ >> 7 & 2 | type_ >> 4 & 1]


class Message(NamedTuple):
    """What came. `integrity_at` and its like are the attributes' offsets in `data`; None where there is none."""

    method: int
    class_: Class
    transaction: bytes
    attributes: tuple[Raw, ...]
    first: dict[int, bytes]
    """The first value of each type."""
    data: bytes
    integrity_at: int | None = None
    integrity_sha256_at: int | None = None
    fingerprint_at: int | None = None

    def get(self, attribute: Attribute[T]) -> T | None:
        """The first one's value (§14: later ones may be ignored); ValueError if it is malformed."""
        value = self.first.get(attribute.type)
        return None if value is None else attribute.unpack(value, self.transaction)

    def get_all(self, attribute: Attribute[T]) -> list[T]:
        """For attributes that may come several times. ValueError if any is malformed."""
        wanted = attribute.type
        return [attribute.unpack(value, self.transaction) for type_, value in self.attributes if type_ == wanted]

    def has(self, attribute: Attribute[T]) -> bool:
        return attribute.type in self.first

    def unknown(self, known: frozenset[int]) -> tuple[int, ...]:
        """Types that would have to be understood (§14) and are not among `known`, each once, in their order."""
        if known.issuperset(self.first):
            return ()
        return tuple([type_ for type_ in self.first if type_ < 0x8000 and type_ not in known])

    def integrity_holds(self, key: bytes) -> bool:
        """§14.5. False as well if there is no MESSAGE-INTEGRITY."""
        return self._holds(self.integrity_at, MESSAGE_INTEGRITY, key, hashlib.sha1, 20)

    def integrity_sha256_holds(self, key: bytes) -> bool:
        """§14.6. False as well if there is none, or if it is truncated: no usage here allows that."""
        return self._holds(self.integrity_sha256_at, MESSAGE_INTEGRITY_SHA256, key, hashlib.sha256, 32)

    def _holds(self, at: int | None, attribute: Attribute[bytes], key: bytes, algorithm: _Hash, size: int) -> bool:
        if at is None:
            return False
        value = self.first[attribute.type]
        if len(value) != size:
            return False
        # All before it, with a length as if it were the last attribute.
        covered = self.data[:2] + _LENGTH.pack(at + 4 + size - HEADER_BYTES) + self.data[4:at]
        return hmac.compare_digest(hmac.digest(key, covered, algorithm), value)

    def fingerprint_holds(self) -> bool | None:
        """§14.7. None if there is no FINGERPRINT."""
        at = self.fingerprint_at
        if at is None:
            return None
        expected = zlib.crc32(self.data[:at]) ^ _FINGERPRINT_XOR
        return self.data[at:] == _ATTRIBUTE.pack(FINGERPRINT.type, 4) + expected.to_bytes(4, "big")


_LAST: Final = {MESSAGE_INTEGRITY.type: 1, MESSAGE_INTEGRITY_SHA256.type: 2, FINGERPRINT.type: 3}
"""Attributes that end a message, in the order in which they may still follow each other."""


def parse(data: bytes) -> Message | None:
    """The message that `data` is, whole and with nothing after it; None if it is none."""
    size = len(data)
    if size < HEADER_BYTES:
        return None
    type_, length, cookie, transaction = _HEADER.unpack_from(data)
    if type_ & 0xC000 or cookie != MAGIC_COOKIE or length & 3 or length != size - HEADER_BYTES:
        return None
    attributes: list[Raw] = []
    first: dict[int, bytes] = {}
    ends: list[int | None] = [None, None, None, None]
    stage, at = 0, HEADER_BYTES
    for _ in range(MAX_ATTRIBUTES):
        if at == size:
            break
        kind, value_length = _ATTRIBUTE.unpack_from(data, at)
        start = at + 4
        after = start + (value_length + 3 & ~3)
        if after > size:
            return None
        rank = _LAST.get(kind, 0)
        if rank > stage or stage == 0:
            value = data[start : start + value_length]
            attributes.append((kind, value))
            if kind not in first:
                first[kind] = value
            if rank:
                stage = rank
                ends[rank] = at
        at = after
    if at != size:
        return None
    if ends[3] is not None and ends[3] != size - _FINGERPRINT_BYTES:
        ends[3] = None  # §14.7: it is the last attribute, or it is not one
    method, class_ = split_type(type_)
    return Message(method, class_, transaction, tuple(attributes), first, data, ends[1], ends[2], ends[3])


class Builder:
    """Builds one message. Attributes first, then integrity, then the fingerprint; another order raises ValueError."""

    def __init__(self, method: int, class_: Class, transaction: bytes) -> None:
        self._type = message_type(method, class_)
        self._transaction = transaction
        self._body = bytearray()
        self._stage = 0

    def add(self, attribute: Attribute[T], value: T) -> Self:
        """Raises ValueError for a value that the attribute cannot hold."""
        return self._append(attribute.type, attribute.pack(value, self._transaction))

    def extend(self, packed: bytes) -> Self:
        """Attributes that are the same in every message: what `packed` made of them."""
        if self._stage:
            raise ValueError("nothing but SHA-256 integrity and the fingerprint may follow the integrity")
        self._body += packed
        return self

    def sign(self, key: bytes) -> Self:
        """MESSAGE-INTEGRITY, §14.5."""
        return self._append(MESSAGE_INTEGRITY.type, hmac.digest(key, self._message(4 + 20), hashlib.sha1))

    def sign_sha256(self, key: bytes) -> Self:
        """MESSAGE-INTEGRITY-SHA256, §14.6."""
        return self._append(MESSAGE_INTEGRITY_SHA256.type, hmac.digest(key, self._message(4 + 32), hashlib.sha256))

    def fingerprint(self) -> Self:
        """FINGERPRINT, §14.7."""
        checksum = zlib.crc32(self._message(_FINGERPRINT_BYTES)) ^ _FINGERPRINT_XOR
        return self._append(FINGERPRINT.type, checksum.to_bytes(4, "big"))

    def encode(self) -> bytes:
        return self._message()

    def _message(self, more: int = 0) -> bytes:
        """What there is of it, with a length as if so many bytes followed."""
        return _HEADER.pack(self._type, len(self._body) + more, MAGIC_COOKIE, self._transaction) + self._body

    def _append(self, type_: int, value: bytes) -> Self:
        rank = _LAST.get(type_, 0)
        if self._stage and rank <= self._stage:
            raise ValueError("nothing but SHA-256 integrity and the fingerprint may follow the integrity")
        self._stage = rank
        size = len(value)
        self._body += _ATTRIBUTE.pack(type_, size) + value + _PADDING[size & 3]
        if len(self._body) > 0xFFFC:
            raise ValueError("a STUN message cannot be longer than its length field")
        return self


def packed(attribute: Attribute[T], value: T) -> bytes:
    """An attribute as it stands in any message: one that does not depend on the transaction."""
    return Builder(0, Class.REQUEST, bytes(12)).add(attribute, value).encode()[HEADER_BYTES:]


def long_term_key(username: str, realm: str, password: str, algorithm: str = "md5") -> bytes:
    """§9.2.2 and §18.5.1: `md5` or `sha256`. OpaqueString (it changes no ASCII) is left to the caller."""
    hash_ = hashlib.md5 if algorithm == "md5" else hashlib.sha256
    return hash_(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).digest()


def userhash(username: str, realm: str) -> bytes:
    """§14.4."""
    return hashlib.sha256(f"{username}:{realm}".encode()).digest()
