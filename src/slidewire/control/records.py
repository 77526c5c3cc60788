"""Records: what is inside a sealed frame (protocol/control.md §4).

    type (1) | length (2) | body

`decode` gives the records of a frame, or None for a malformed frame. What only a later version has costs nothing beside
it: a record of an unknown type is an `UnknownRecord`, an intent that this version does not have an `UnknownIntent`, an
unknown status `UNKNOWN`, an unknown reason `NONE`. Fields that were added to the end of a body are ignored.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple

from slidewire.control.intents import Intent, Point, Reason, Status, Verb
from slidewire.control.introduction import NONCE_BYTES


class Ping(NamedTuple):
    stamp: int


class Pong(NamedTuple):
    stamp: int
    clock: int
    version: int


class IntentRecord(NamedTuple):
    sequence: int
    deadline: int
    intent: Intent


class UnknownIntent(NamedTuple):
    """An intent of a later version: this one does not have the verb, or not with this argument."""

    sequence: int
    deadline: int
    verb: int
    argument: int


class Receipt(NamedTuple):
    sequence: int
    status: Status
    before: int | None
    after: int | None
    reason: Reason


class Ack(NamedTuple):
    sequence: int


class WindowBase(NamedTuple):
    sequence: int


class Laser(NamedTuple):
    sequence: int
    deadline: int
    points: tuple[Point, ...]
    """Oldest first; empty: the pointer is off."""


class LaserReceipt(NamedTuple):
    sequence: int
    status: Status
    reason: Reason


class Part(NamedTuple):
    stream: int
    id: int
    number: int
    """Counted from 0."""
    total: int
    data: bytes


class IntroductionRecord(NamedTuple):
    data: bytes
    """`introduction.py` says what is in it."""


class IntroductionAck(NamedTuple):
    """The introduction was read; and the host's own nonce."""

    nonce: bytes


class Unsupported(NamedTuple):
    """The host answers records of these types with it: it does not know them, and read everything beside them."""

    types: bytes
    """One byte each."""


class UnknownRecord(NamedTuple):
    """A record of a later version."""

    type: int


Record = (
    Ping
    | Pong
    | IntentRecord
    | UnknownIntent
    | Receipt
    | Ack
    | WindowBase
    | Laser
    | LaserReceipt
    | Part
    | IntroductionRecord
    | IntroductionAck
    | Unsupported
    | UnknownRecord
)

MAX_POINTS = 16
MAX_RECORDS = 64
"""Of one frame. Both ends put at most 32 intents and a few others into one."""
_SCALE = 65535

_HEAD = struct.Struct("!BH")
_U32 = struct.Struct("!I")
_PONG = struct.Struct("!IIH")
_INTENT = struct.Struct("!IIBH")
_RECEIPT = struct.Struct("!IBHHB")
_LASER = struct.Struct("!IIB")
_POINT = struct.Struct("!HH")
_LASER_RECEIPT = struct.Struct("!IBB")
_PART = struct.Struct("!BHHH")


def _body(record: Record) -> tuple[int, bytes]:
    match record:
        case Ping(stamp):
            return 1, _U32.pack(stamp)
        case Pong(stamp, clock, version):
            return 2, _PONG.pack(stamp, clock, version)
        case IntentRecord(sequence, deadline, Intent(verb, argument)) | UnknownIntent(
            sequence, deadline, verb, argument
        ):
            return 3, _INTENT.pack(sequence, deadline, verb, argument)
        case Receipt(sequence, status, before, after, reason):
            return 4, _RECEIPT.pack(sequence, status, before or 0, after or 0, reason)
        case Ack(sequence):
            return 5, _U32.pack(sequence)
        case WindowBase(sequence):
            return 7, _U32.pack(sequence)
        case Laser(sequence, deadline, points):
            packed = b"".join(_POINT.pack(int(p.x * _SCALE + 0.5), int(p.y * _SCALE + 0.5)) for p in points)
            return 8, _LASER.pack(sequence, deadline, len(points)) + packed
        case LaserReceipt(sequence, status, reason):
            return 9, _LASER_RECEIPT.pack(sequence, status, reason)
        case Part(stream, id_, number, total, data):
            return 10, _PART.pack(stream, id_, number, total) + data
        case IntroductionRecord(data):
            return 11, data
        case IntroductionAck(nonce):
            return 12, nonce
        case Unsupported(types):
            return 13, types
        case UnknownRecord(type_):
            return type_, b""


def encode(records: Iterable[Record]) -> bytes:
    """The plaintext of one frame, records in the order given."""
    pieces = []
    for record in records:
        kind, body = _body(record)
        pieces.append(_HEAD.pack(kind, len(body)) + body)
    return b"".join(pieces)


def _read_intent(body: bytes) -> Record:
    sequence, deadline, verb, argument = _INTENT.unpack_from(body)
    try:
        return IntentRecord(sequence, deadline, Intent(Verb(verb), argument))
    except ValueError:
        return UnknownIntent(sequence, deadline, verb, argument)


def _read_receipt(body: bytes) -> Record:
    sequence, status, before, after, reason = _RECEIPT.unpack_from(body)
    return Receipt(sequence, Status(status), before or None, after or None, Reason(reason))


def _read_laser(body: bytes) -> Record:
    sequence, deadline, count = _LASER.unpack_from(body)
    if count > MAX_POINTS:
        raise ValueError("more laser points than a frame may carry")
    flat = struct.unpack_from(f"!{2 * count}H", body, _LASER.size)
    points = zip(flat[::2], flat[1::2], strict=True)
    return Laser(sequence, deadline, tuple(Point(x / _SCALE, y / _SCALE) for x, y in points))


def _read_laser_receipt(body: bytes) -> Record:
    sequence, status, reason = _LASER_RECEIPT.unpack_from(body)
    return LaserReceipt(sequence, Status(status), Reason(reason))


def _read_part(body: bytes) -> Record:
    stream, id_, number, total = _PART.unpack_from(body)
    return Part(stream, id_, number, total, body[_PART.size :])


_READERS: dict[int, Callable[[bytes], Record]] = {
    1: lambda body: Ping(*_U32.unpack_from(body)),
    2: lambda body: Pong(*_PONG.unpack_from(body)),
    3: _read_intent,
    4: _read_receipt,
    5: lambda body: Ack(*_U32.unpack_from(body)),
    7: lambda body: WindowBase(*_U32.unpack_from(body)),
    8: _read_laser,
    9: _read_laser_receipt,
    10: _read_part,
    11: IntroductionRecord,
    12: lambda body: IntroductionAck(body[:NONCE_BYTES]),
    13: Unsupported,
}


def decode(plaintext: bytes) -> list[Record] | None:
    """The first `MAX_RECORDS` records of a frame in their order, or None if any of these is malformed."""
    records: list[Record] = []
    offset = 0
    try:
        while offset < len(plaintext) and len(records) < MAX_RECORDS:
            kind, length = _HEAD.unpack_from(plaintext, offset)
            offset += _HEAD.size
            body = plaintext[offset : offset + length]
            if len(body) < length:
                return None
            offset += length
            reader = _READERS.get(kind)
            records.append(UnknownRecord(kind) if reader is None else reader(body))
    except (struct.error, ValueError):  # ValueError: more laser points than a frame may carry
        return None
    return records
