"""The attributes of RFC 8489 §14, one row each: type, name, clause, and how its value becomes bytes and back.

A row knows its own bytes only. Whether an attribute must be there, and what follows from it, is for its user. Rows of
other documents (TURN's are in `turn.attributes`) are made from the same pieces.

`unpack` raises ValueError for a value that the clause does not allow; `Message.get` passes that on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Generic, NamedTuple, TypeVar

from slidewire.base.addresses import IPV4, IPV6, Address, pack_host, unpack_host

T = TypeVar("T")

MAGIC_COOKIE: Final = 0x2112A442
_COOKIE: Final = MAGIC_COOKIE.to_bytes(4, "big")

Pack = Callable[[T, bytes], bytes]
"""(value, transaction id) -> bytes"""
Unpack = Callable[[bytes, bytes], T]
"""(bytes, transaction id) -> value; raises ValueError"""


@dataclass(frozen=True, slots=True)
class Attribute(Generic[T]):
    type: int
    name: str
    clause: str
    pack: Pack[T]
    unpack: Unpack[T]

    @property
    def comprehension_required(self) -> bool:
        """§14: types below 0x8000 must be understood, or the message is not."""
        return self.type < 0x8000


class Error(NamedTuple):
    """The value of ERROR-CODE."""

    code: int
    reason: str = ""


class ErrorCode(IntEnum):
    """§14.8."""

    TRY_ALTERNATE = 300
    BAD_REQUEST = 400
    UNAUTHENTICATED = 401
    UNKNOWN_ATTRIBUTE = 420
    STALE_NONCE = 438
    SERVER_ERROR = 500


class PasswordAlgorithm(IntEnum):
    """§18.5."""

    MD5 = 1
    SHA256 = 2


class Algorithm(NamedTuple):
    """One entry of PASSWORD-ALGORITHMS. None of the registered algorithms has parameters."""

    number: int
    parameters: bytes = b""


# --- kinds of values --------------------------------------------------------------------------------------------------


def opaque(type_: int, name: str, clause: str, smallest: int = 0, largest: int = 0xFFFF) -> Attribute[bytes]:
    """Bytes of a bounded length."""

    def check(value: bytes, _: bytes) -> bytes:
        if not smallest <= len(value) <= largest:
            raise ValueError(f"{name} has {len(value)} bytes")
        return value

    return Attribute(type_, name, clause, check, check)


def text(type_: int, name: str, clause: str, largest: int) -> Attribute[str]:
    """UTF-8 of at most that many bytes."""

    def pack(value: str, _: bytes) -> bytes:
        packed = value.encode()
        if len(packed) > largest:
            raise ValueError(f"{name} has {len(packed)} bytes")
        return packed

    def unpack(value: bytes, _: bytes) -> str:
        if len(value) > largest:
            raise ValueError(f"{name} has {len(value)} bytes")
        return value.decode()

    return Attribute(type_, name, clause, pack, unpack)


def number(type_: int, name: str, clause: str, layout: str) -> Attribute[int]:
    """One unsigned number; `layout` as in `struct`."""
    packer = struct.Struct(layout)

    def pack(value: int, _: bytes) -> bytes:
        return packer.pack(value)

    def unpack(value: bytes, _: bytes) -> int:
        if len(value) != packer.size:
            raise ValueError(f"{name} has {len(value)} bytes")
        return int(packer.unpack(value)[0])

    return Attribute(type_, name, clause, pack, unpack)


def flag(type_: int, name: str, clause: str) -> Attribute[bool]:
    """Has no value: it is there or not."""

    def pack(value: bool, _: bytes) -> bytes:
        if not value:
            raise ValueError(f"{name} is left out to say no")
        return b""

    def unpack(value: bytes, _: bytes) -> bool:
        if value:
            raise ValueError(f"{name} has {len(value)} bytes")
        return True

    return Attribute(type_, name, clause, pack, unpack)


#  0                   1                   2                   3
#  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
# |0 0 0 0 0 0 0 0|    Family     |           Port                |
# |                 Address (32 bits or 128 bits)                 |


def _pack_address(value: Address, _: bytes) -> bytes:
    host = pack_host(value.host)
    return struct.pack("!BBH", 0, IPV4 if len(host) == 4 else IPV6, value.port) + host


def _unpack_address(value: bytes, _: bytes) -> Address:
    if len(value) < 4 or (value[1], len(value)) not in ((IPV4, 8), (IPV6, 20)):
        raise ValueError("an address of no known family, or of a wrong length")
    return Address(unpack_host(value[4:]), value[2] << 8 | value[3])


_XOR4: Final = struct.Struct("!xBHI")


def _xor(value: bytes, transaction: bytes) -> bytes:
    """§14.2: the port with the cookie's first half, the address with the cookie and the transaction id."""
    mask = b"\0\0" + _COOKIE[:2] + _COOKIE + transaction
    size = len(value)
    return (int.from_bytes(value, "big") ^ int.from_bytes(mask[:size], "big")).to_bytes(size, "big")


def address(type_: int, name: str, clause: str) -> Attribute[Address]:
    return Attribute(type_, name, clause, _pack_address, _unpack_address)


def xor_address(type_: int, name: str, clause: str) -> Attribute[Address]:
    def pack(value: Address, transaction: bytes) -> bytes:
        host = pack_host(value.host)
        if len(host) == 4:  # the same in fewer steps
            return _XOR4.pack(IPV4, value.port ^ MAGIC_COOKIE >> 16, int.from_bytes(host, "big") ^ MAGIC_COOKIE)
        return _xor(_pack_address(value, transaction), transaction)

    def unpack(value: bytes, transaction: bytes) -> Address:
        if len(value) not in (8, 20):
            raise ValueError(f"{name} has {len(value)} bytes")
        return _unpack_address(_xor(value, transaction), transaction)

    return Attribute(type_, name, clause, pack, unpack)


# |           Reserved, should be 0         |Class|     Number    |
# |      Reason Phrase (variable)                                ..


def pack_error(value: Error, _: bytes) -> bytes:
    hundreds, rest = divmod(value.code, 100)
    reason = value.reason.encode()
    if not 3 <= hundreds <= 6 or len(reason) > 763:
        raise ValueError("an error code outside 300 to 699, or too long a reason")
    return bytes((0, 0, hundreds, rest)) + reason


def unpack_error(value: bytes, _: bytes) -> Error:
    if not 4 <= len(value) <= 767 or not 3 <= value[2] & 7 <= 6 or value[3] > 99:
        raise ValueError("an error code outside 300 to 699")
    return Error((value[2] & 7) * 100 + value[3], value[4:].decode())


def _pack_types(value: tuple[int, ...], _: bytes) -> bytes:
    return struct.pack(f"!{len(value)}H", *value)


def _unpack_types(value: bytes, _: bytes) -> tuple[int, ...]:
    if len(value) % 2:
        raise ValueError("half an attribute type")
    return struct.unpack(f"!{len(value) // 2}H", value)


# |          Algorithm           |  Algorithm Parameters Length   |
# |                    Algorithm Parameters (variable, padded)    |


def _pack_algorithms(value: tuple[Algorithm, ...], _: bytes) -> bytes:
    return b"".join(
        struct.pack("!HH", each.number, len(each.parameters)) + each.parameters + bytes(-len(each.parameters) % 4)
        for each in value
    )


def _unpack_algorithms(value: bytes, _: bytes) -> tuple[Algorithm, ...]:
    found: list[Algorithm] = []
    at = 0
    while at < len(value):
        if at + 4 > len(value):
            raise ValueError("half an algorithm")
        number_, length = struct.unpack_from("!HH", value, at)
        parameters = value[at + 4 : at + 4 + length]
        if len(parameters) < length:
            raise ValueError("algorithm parameters cut short")
        found.append(Algorithm(number_, parameters))
        at += 4 + length + -length % 4
    return tuple(found)


def _pack_algorithm(value: Algorithm, transaction: bytes) -> bytes:
    return _pack_algorithms((value,), transaction)


def _unpack_algorithm(value: bytes, transaction: bytes) -> Algorithm:
    found = _unpack_algorithms(value, transaction)
    if len(found) != 1:
        raise ValueError("PASSWORD-ALGORITHM names one algorithm")
    return found[0]


# --- the table --------------------------------------------------------------------------------------------------------

MAPPED_ADDRESS = address(0x0001, "MAPPED-ADDRESS", "RFC 8489 §14.1")
USERNAME = text(0x0006, "USERNAME", "RFC 8489 §14.3", 763)
MESSAGE_INTEGRITY = opaque(0x0008, "MESSAGE-INTEGRITY", "RFC 8489 §14.5", 20, 20)
ERROR_CODE = Attribute(0x0009, "ERROR-CODE", "RFC 8489 §14.8", pack_error, unpack_error)
UNKNOWN_ATTRIBUTES = Attribute(0x000A, "UNKNOWN-ATTRIBUTES", "RFC 8489 §14.13", _pack_types, _unpack_types)
REALM = text(0x0014, "REALM", "RFC 8489 §14.9", 763)
NONCE = opaque(0x0015, "NONCE", "RFC 8489 §14.10", 0, 763)
MESSAGE_INTEGRITY_SHA256 = opaque(0x001C, "MESSAGE-INTEGRITY-SHA256", "RFC 8489 §14.6", 16, 32)
PASSWORD_ALGORITHM = Attribute(0x001D, "PASSWORD-ALGORITHM", "RFC 8489 §14.12", _pack_algorithm, _unpack_algorithm)
USERHASH = opaque(0x001E, "USERHASH", "RFC 8489 §14.4", 32, 32)
XOR_MAPPED_ADDRESS = xor_address(0x0020, "XOR-MAPPED-ADDRESS", "RFC 8489 §14.2")
PASSWORD_ALGORITHMS = Attribute(0x8002, "PASSWORD-ALGORITHMS", "RFC 8489 §14.11", _pack_algorithms, _unpack_algorithms)
ALTERNATE_DOMAIN = text(0x8003, "ALTERNATE-DOMAIN", "RFC 8489 §14.16", 255)
SOFTWARE = text(0x8022, "SOFTWARE", "RFC 8489 §14.14", 763)
ALTERNATE_SERVER = address(0x8023, "ALTERNATE-SERVER", "RFC 8489 §14.15")
FINGERPRINT = number(0x8028, "FINGERPRINT", "RFC 8489 §14.7", "!I")

ATTRIBUTES: Final[tuple[Attribute[Any], ...]] = (
    MAPPED_ADDRESS, USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, UNKNOWN_ATTRIBUTES, REALM, NONCE,
    MESSAGE_INTEGRITY_SHA256, PASSWORD_ALGORITHM, USERHASH, XOR_MAPPED_ADDRESS, PASSWORD_ALGORITHMS, ALTERNATE_DOMAIN,
    SOFTWARE, ALTERNATE_SERVER, FINGERPRINT,
)  # fmt: skip
