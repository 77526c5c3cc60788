"""Messages larger than a frame (protocol/control.md §7): cut into PARTs, and put together again.

A half-received message is only memory until its last part comes, so how much there may be of it is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from slidewire.control.paths import PathKind
from slidewire.control.records import Part

JSON_STREAM, PICTURE_STREAM = 0, 1
PART_BYTES = 8192
SMALL_PART_BYTES = 1100
"""What fits into one packet: by `bulk`, where a tap's receipt could not pass a part of which half is out."""
MOST_PARTS = 1024
MESSAGE_BYTES = 1 << 20
MOST_PICTURE_PARTS = 4096
PICTURE_BYTES = 1 << 22
"""Of a picture for which so much was asked: a photo that fills a screen of 3840 pixels."""
PRESENTER_MESSAGE_BYTES = 160 * 1024
"""What a host puts together of a presenter: a description of 64 KiB, as JSON may write it."""
HALF_MESSAGES = 8


def split(stream: int, id_: int, data: bytes, by: PathKind) -> Iterator[Part]:
    """The parts of one message, as they go by this kind of path. Raises ValueError where it is too long."""
    size = SMALL_PART_BYTES if by is PathKind.BULK else PART_BYTES
    most = PICTURE_BYTES if stream == PICTURE_STREAM else MESSAGE_BYTES
    if len(data) > most:
        raise ValueError(f"a message may have {most} bytes, this one has {len(data)}")
    total = max(1, -(-len(data) // size))
    for number in range(total):
        yield Part(stream, id_, number, total, data[number * size : (number + 1) * size])


@dataclass(slots=True)
class _Half:
    total: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    size: int = 0


class Assembler:
    """Collects parts in any order. The oldest half message gives way when there are more than `HALF_MESSAGES`, or when
    together they are longer than two of the longest may be."""

    def __init__(self, message_bytes: int = MESSAGE_BYTES, picture_bytes: int = 0) -> None:
        """`picture_bytes` 0: no pictures come here."""
        self._most = {JSON_STREAM: message_bytes, PICTURE_STREAM: picture_bytes}
        self._most_together = 2 * max(message_bytes, picture_bytes)
        self._halves: dict[tuple[int, int], _Half] = {}
        self._size = 0

    def add(self, part: Part) -> bytes | None:
        """The whole message when this was its last missing part, else None. What contradicts others is dropped."""
        if not 0 <= part.number < part.total or len(part.data) > PART_BYTES:
            return None
        most = self._most.get(part.stream, 0)
        if part.total > (MOST_PICTURE_PARTS if part.stream == PICTURE_STREAM else MOST_PARTS):
            return None
        if part.total == 1:
            return part.data if len(part.data) <= most else None
        if not part.data:
            return None
        key = (part.stream, part.id)
        half = self._halves.get(key)
        if half is None or half.total != part.total:
            self._drop(key)
            if len(self._halves) >= HALF_MESSAGES:
                self._drop(next(iter(self._halves)))
            half = self._halves[key] = _Half(part.total)
        if part.number not in half.pieces:
            half.pieces[part.number] = part.data
            half.size += len(part.data)
            self._size += len(part.data)
        if half.size > most:
            self._drop(key)
            return None
        if len(half.pieces) < half.total:
            while self._size > self._most_together:
                self._drop(next(iter(self._halves)))
            return None
        self._drop(key)
        return b"".join(half.pieces[number] for number in range(half.total))

    def _drop(self, key: tuple[int, int]) -> None:
        half = self._halves.pop(key, None)
        if half is not None:
            self._size -= half.size
