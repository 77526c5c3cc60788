"""The codec on any bytes: `stun`, the requests made of its messages, and the frames of a stream."""

from __future__ import annotations

import random
from typing import Final

from slidewire.stun import attributes as a
from slidewire.stun.message import HEADER_BYTES, Message, message_type, parse, split_type
from slidewire.turn.five_tuple import FiveTuple, Transport
from slidewire.turn.requests import METHODS, understand, understand_send
from slidewire.turn.streams import NotTurn, Stream, split_channel_data
from tests.fuzz import mutation
from tests.stun import test_vectors as vectors

SEEDS: Final[tuple[bytes, ...]] = (
    *vectors.VECTORS, vectors.CHROMIUM_BINDING, vectors.CHROMIUM_ALLOCATE, vectors.COTURN_ALLOCATE,
    b"\x40\x00\x00\x05hello\0\0\0",
)  # fmt: skip
_ROUNDS: Final = 200
_STREAM: Final = FiveTuple(Transport.TCP, ("192.0.2.1", 1), ("198.51.100.1", 3478))


def run(seed: int) -> int:
    """A few hundred inputs. Raises AssertionError, or whatever escaped."""
    dice = random.Random(seed)
    for _ in range(_ROUNDS):
        kind = dice.random()
        if kind < 0.35:
            data = mutation.mutated(dice.choice(SEEDS), dice, dice.choice(SEEDS))
        elif kind < 0.7:
            data = mutation.mutated(mutation.message(dice), dice, dice.choice(SEEDS))
        elif kind < 0.95:
            data = mutation.message(dice)
        else:
            data = dice.randbytes(dice.choice((0, 1, 3, 4, 19, 20, 24, 200)))
        check_message(data)
        check_stream(data, dice)
    return _ROUNDS


def check_message(data: bytes) -> None:
    frame = split_channel_data(data)
    assert frame is None or data[4 : 4 + len(frame[1])] == frame[1]
    message = parse(data)
    if message is None:
        return
    assert len(data) % 4 == 0 and data[:1] < b"\x40"
    type_ = int.from_bytes(data[:2], "big")
    assert message_type(*split_type(type_)) == type_ and split_type(type_) == (message.method, message.class_)
    assert sum(4 + len(value) for _, value in message.attributes) <= len(data) - HEADER_BYTES
    for row in mutation.ROWS:
        check_value(message, row)
    for key in (b"", b"key", vectors.ICE_PASSWORD):
        message.integrity_holds(key)
        message.integrity_sha256_holds(key)
    message.fingerprint_holds()
    message.unknown(frozenset())
    understand_send(message)
    if message.method in METHODS:
        understand(message)


def check_value(message: Message, row: a.Attribute[object]) -> None:
    """What can be read can be written, and read again as the same."""
    try:
        value = message.get(row)
    except ValueError:
        value = None
    if value is None:
        return
    transaction = message.transaction
    assert row.unpack(row.pack(value, transaction), transaction) == value, row.name
    try:
        message.get_all(row)
    except ValueError:
        pass


def check_stream(data: bytes, dice: random.Random) -> None:
    """However a stream is cut into pieces, the same frames come out of it, and it ends at the same place."""
    largest = dice.choice((64, 4096, 70_000))
    whole = frames_of([data + data[:7]], largest)
    cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randint(0, 5)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert frames_of([*pieces, data[:7]], largest) == whole


def frames_of(pieces: list[bytes], largest: int) -> tuple[list[bytes], bool]:
    stream = Stream(_STREAM, b"", 0.0)
    frames: list[bytes] = []
    try:
        for piece in pieces:
            stream.buffer += piece
            while (frame := stream.next_frame(largest)) is not None:
                assert 4 <= len(frame) <= largest
                frames.append(frame)
            assert len(stream.buffer) < largest
    except NotTurn:
        return frames, False
    return frames, True
