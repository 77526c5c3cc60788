"""TURN's methods, error codes and attributes (RFC 8656 §17 to §19), in rows like those of `stun.attributes`."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any, Final, NamedTuple

from slidewire.stun.attributes import (
    Attribute,
    Error,
    flag,
    number,
    opaque,
    pack_error,
    unpack_error,
    xor_address,
)


class Method(IntEnum):
    """§17."""

    ALLOCATE = 0x003
    REFRESH = 0x004
    SEND = 0x006
    DATA = 0x007
    CREATE_PERMISSION = 0x008
    CHANNEL_BIND = 0x009


class TurnError(IntEnum):
    """§19."""

    FORBIDDEN = 403
    ALLOCATION_MISMATCH = 437
    ADDRESS_FAMILY_NOT_SUPPORTED = 440
    WRONG_CREDENTIALS = 441
    UNSUPPORTED_TRANSPORT = 442
    PEER_ADDRESS_FAMILY_MISMATCH = 443
    ALLOCATION_QUOTA_REACHED = 486
    INSUFFICIENT_CAPACITY = 508


class AddressError(NamedTuple):
    """The value of ADDRESS-ERROR-CODE."""

    family: int
    error: Error


FIRST_CHANNEL: Final = 0x4000
LAST_CHANNEL: Final = 0x4FFF
"""§12."""
LAST_CHANNEL_RFC5766: Final = 0x7FFF
"""The end of the range before RFC 8656 reserved most of it. Clients of that time choose from all of it."""
UDP: Final = 17
"""The protocol number that REQUESTED-TRANSPORT asks for."""


def _pack_even_port(value: bool, _: bytes) -> bytes:
    return b"\x80" if value else b"\0"


def _unpack_even_port(value: bytes, _: bytes) -> bool:
    if len(value) != 1:
        raise ValueError(f"EVEN-PORT has {len(value)} bytes")
    return bool(value[0] & 0x80)


def _pack_address_error(value: AddressError, transaction: bytes) -> bytes:
    return struct.pack("!B", value.family) + pack_error(value.error, transaction)[1:]


def _unpack_address_error(value: bytes, transaction: bytes) -> AddressError:
    return AddressError(value[0] if value else 0, unpack_error(value, transaction))


CHANNEL_NUMBER = number(0x000C, "CHANNEL-NUMBER", "RFC 8656 §18.1", "!Hxx")
LIFETIME = number(0x000D, "LIFETIME", "RFC 8656 §18.2", "!I")
XOR_PEER_ADDRESS = xor_address(0x0012, "XOR-PEER-ADDRESS", "RFC 8656 §18.3")
DATA = opaque(0x0013, "DATA", "RFC 8656 §18.4")
XOR_RELAYED_ADDRESS = xor_address(0x0016, "XOR-RELAYED-ADDRESS", "RFC 8656 §18.5")
REQUESTED_ADDRESS_FAMILY = number(0x0017, "REQUESTED-ADDRESS-FAMILY", "RFC 8656 §18.6", "!Bxxx")
EVEN_PORT = Attribute(0x0018, "EVEN-PORT", "RFC 8656 §18.7", _pack_even_port, _unpack_even_port)
"""True asks for the next port to be kept as well (the R bit)."""
REQUESTED_TRANSPORT = number(0x0019, "REQUESTED-TRANSPORT", "RFC 8656 §18.8", "!Bxxx")
DONT_FRAGMENT = flag(0x001A, "DONT-FRAGMENT", "RFC 8656 §18.9")
RESERVATION_TOKEN = opaque(0x0022, "RESERVATION-TOKEN", "RFC 8656 §18.10", 8, 8)
ADDITIONAL_ADDRESS_FAMILY = number(0x8000, "ADDITIONAL-ADDRESS-FAMILY", "RFC 8656 §18.11", "!Bxxx")
DRAFT_ADDITIONAL_ADDRESS_FAMILY = number(0x8032, "ADDITIONAL-ADDRESS-FAMILY", "before RFC 8656", "!Bxxx")
"""The number it had before the RFC. coturn 4.6 still sends it; nothing else has that number."""
ADDRESS_ERROR_CODE = Attribute(
    0x8001, "ADDRESS-ERROR-CODE", "RFC 8656 §18.12", _pack_address_error, _unpack_address_error
)

ATTRIBUTES: Final[tuple[Attribute[Any], ...]] = (
    CHANNEL_NUMBER, LIFETIME, XOR_PEER_ADDRESS, DATA, XOR_RELAYED_ADDRESS, REQUESTED_ADDRESS_FAMILY, EVEN_PORT,
    REQUESTED_TRANSPORT, DONT_FRAGMENT, RESERVATION_TOKEN, ADDITIONAL_ADDRESS_FAMILY, DRAFT_ADDITIONAL_ADDRESS_FAMILY,
    ADDRESS_ERROR_CODE,
)  # fmt: skip
