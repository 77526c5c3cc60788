"""Bytes that are almost right: messages with any attributes, and any bytes with something wrong about them."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from typing import Any, Final

from slidewire.base.addresses import IPV4, IPV6, Address
from slidewire.stun import attributes as a
from slidewire.stun.message import BINDING, HEADER_BYTES, Builder, Class
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method

ROWS: Final[tuple[a.Attribute[Any], ...]] = a.ATTRIBUTES + t.ATTRIBUTES
METHODS: Final = (BINDING, *Method)

HOSTS: Final = (
    "8.8.4.4", "8.8.8.8", "1.1.1.1", "127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "255.255.255.255",
    "198.51.100.1", "2606:4700::1111", "::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2001:db8:100::1", "ff02::1",
)  # fmt: skip
_EDGES: Final = (0, 1, 2, 3, 4, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFC, 0xFFFF)


def address(dice: random.Random) -> Address:
    return Address(dice.choice(HOSTS), dice.choice((0, 22, 80, 1023, 1024, 3478, 5000, 50_001, 65_535)))


def _algorithm(dice: random.Random) -> a.Algorithm:
    return a.Algorithm(dice.randint(0, 3), dice.randbytes(dice.randint(0, 5)))


def _text(dice: random.Random) -> str:
    return "".join(dice.choice("a:1\u30de\0") for _ in range(dice.randint(0, 40)))


_VALUES: Final[dict[str, Callable[[random.Random], Any]]] = {
    "MAPPED-ADDRESS": address,
    "XOR-MAPPED-ADDRESS": address,
    "ALTERNATE-SERVER": address,
    "XOR-PEER-ADDRESS": address,
    "XOR-RELAYED-ADDRESS": address,
    "ERROR-CODE": lambda dice: a.Error(dice.randint(300, 699), "x" * dice.randint(0, 9)),
    "ADDRESS-ERROR-CODE": lambda dice: t.AddressError(dice.choice((IPV4, IPV6)), a.Error(dice.randint(300, 699))),
    "UNKNOWN-ATTRIBUTES": lambda dice: tuple(dice.randrange(0x10000) for _ in range(dice.randint(0, 9))),
    "PASSWORD-ALGORITHMS": lambda dice: (_algorithm(dice), _algorithm(dice)),
    "PASSWORD-ALGORITHM": _algorithm,
    "REQUESTED-TRANSPORT": lambda dice: dice.choice((t.UDP, t.UDP, 6, 0)),
    "REQUESTED-ADDRESS-FAMILY": lambda dice: dice.choice((IPV4, IPV6, IPV6, 0, 3)),
    "ADDITIONAL-ADDRESS-FAMILY": lambda dice: dice.choice((IPV4, IPV6, IPV6, 0, 3)),
    "CHANNEL-NUMBER": lambda dice: dice.choice((0x4000, 0x4001, 0x4FFF, 0x5000, 0x7FFF, 0x3FFF, 0x8000, 0)),
    "LIFETIME": lambda dice: dice.choice((0, 1, 600, 777, 3600, 10**6, 0xFFFFFFFF)),
    "FINGERPRINT": lambda dice: dice.getrandbits(32),
    "EVEN-PORT": lambda dice: dice.random() < 0.5,
    "DONT-FRAGMENT": lambda dice: True,
    "USERNAME": _text,
    "REALM": _text,
    "SOFTWARE": _text,
    "ALTERNATE-DOMAIN": _text,
    "MESSAGE-INTEGRITY": lambda dice: dice.randbytes(20),
    "MESSAGE-INTEGRITY-SHA256": lambda dice: dice.randbytes(dice.choice((16, 20, 32))),
    "USERHASH": lambda dice: dice.randbytes(32),
    "RESERVATION-TOKEN": lambda dice: dice.randbytes(8),
}


def value(row: a.Attribute[Any], dice: random.Random) -> Any:
    """Something that the row can hold, often something it is really sent with."""
    make = _VALUES.get(row.name)
    return dice.randbytes(dice.choice((0, 1, 3, 4, 16, 100, 700))) if make is None else make(dice)


def message(dice: random.Random, *, key: bytes = b"key") -> bytes:
    """A whole message with any attributes, perhaps signed, perhaps with something behind the signature."""
    builder = Builder(
        dice.choice(METHODS) if dice.random() < 0.9 else dice.randrange(0x1000),
        Class(dice.choice((0, 0, 0, 1, 2, 3))),
        dice.randbytes(12),
    )
    for _ in range(dice.choice((0, 1, 2, 3, 5, 8))):
        row = dice.choice(ROWS)
        if row.type not in (0x0008, 0x001C, 0x8028):
            builder.add(row, value(row, dice))
    if dice.random() < 0.5:
        builder.sign(key)
    if dice.random() < 0.3:
        builder.sign_sha256(key)
    if dice.random() < 0.3:
        builder.fingerprint()
    data = builder.encode()
    return append(data, attribute(dice)) if dice.random() < 0.2 else data


def attribute(dice: random.Random) -> bytes:
    """Header, value and padding; the value need not be one the type allows."""
    type_ = dice.choice(ROWS).type if dice.random() < 0.8 else dice.randrange(0x10000)
    content = dice.randbytes(dice.choice((0, 1, 3, 4, 8, 20, 32, 64)))
    return struct.pack("!HH", type_, len(content)) + content + dice.randbytes(-len(content) % 4)


def append(data: bytes, tail: bytes) -> bytes:
    """Behind everything, with the header's length put right."""
    whole = data + tail
    return whole[:2] + struct.pack("!H", (len(whole) - HEADER_BYTES) & 0xFFFF) + whole[4:]


def fingerprinted(data: bytes) -> bytes:
    """With a FINGERPRINT that holds, whatever else is wrong."""
    covered = append(data, bytes(8))[: len(data)]
    crc = zlib.crc32(covered) ^ 0x5354554E
    return covered + struct.pack("!HHI", 0x8028, 4, crc)


def mutated(data: bytes, dice: random.Random, other: bytes = b"") -> bytes:
    """One to four faults: bits, edges, cuts, repetitions, pieces of another message."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at = dice.randrange(len(changed) + 1)
        match dice.randrange(9):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << dice.randrange(8)
            case 1 if changed:
                changed[at % len(changed)] = dice.randrange(256)
            case 2 if len(changed) >= 2:
                at = min(at, len(changed) - 2) & ~1
                changed[at : at + 2] = struct.pack("!H", dice.choice(_EDGES))
            case 3:
                del changed[at:]
            case 4:
                changed[at:at] = dice.randbytes(dice.randint(1, 9))
            case 5:
                del changed[at : at + dice.randint(1, 9)]
            case 6:
                changed[at:at] = changed[at : at + 24]
            case 7:
                start = dice.randrange(len(other) + 1)
                changed[at:] = other[start:]
            case _:
                changed = bytearray(append(bytes(changed), attribute(dice)))
    if len(changed) >= HEADER_BYTES and dice.random() < 0.6:
        changed = bytearray(append(bytes(changed[: len(changed) & ~3]), b""))
    result = bytes(changed[:0xFFFF])
    return fingerprinted(result) if len(result) >= HEADER_BYTES and dice.random() < 0.1 else result
