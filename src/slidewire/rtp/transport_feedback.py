"""Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): which packets came, and when.

    |      base sequence number     |      packet status count      |
    |                 reference time                | fb pkt. count |
    |          packet chunk         |         packet chunk         …|
    |         recv delta            |  recv delta  …                |

A chunk says for a run of packets (§3.1.3) or for the next 14 or 7 (§3.1.4) what a delta of theirs will look like:
none (not received), one byte, or two bytes with a sign. Deltas are in units of 250 µs, each from the packet received
before; the first one is from the reference time, which is in units of 64 ms.

A run of packets that did not come takes two bytes, however long it is. So what is read holds only what came, of which
each packet takes a byte at least, and how many packets it is about: nothing here goes through the others.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Self

TICK: Final = 0.00025
REFERENCE_TICKS: Final = 256
"""Ticks of a delta in one of the reference time."""
_NOT_RECEIVED, _SMALL, _LARGE, _RESERVED = 0, 1, 2, 3
_RUN: Final = 0x1FFF


class TransportFeedback(NamedTuple):
    sender: int
    media: int
    base: int
    """The first packet's transport-wide sequence number."""
    reference: int
    """24 bits with a sign, of 64 ms each."""
    packet_count: int
    """Which feedback packet this is, modulo 256."""
    total: int
    """Packets that it is about, from `base` on."""
    received: tuple[tuple[int, int], ...]
    """Those of them that came: how far behind `base`, in order, and the delta in ticks."""

    @classmethod
    def of(
        cls, sender: int, media: int, packet_count: int, arrivals: Mapping[int, float], base: int | None = None
    ) -> Self:
        """From unwrapped sequence numbers and the seconds at which they came. `base`: where to begin, if what was
        expected first did not come.

        ValueError if two in a row are more than eight seconds apart: then there should have been a feedback in between.
        """
        earliest, last = min(arrivals), max(arrivals)
        first = earliest if base is None else min(base, earliest)
        at = round(arrivals[earliest] / TICK)
        reference = at // REFERENCE_TICKS
        at = reference * REFERENCE_TICKS
        received: list[tuple[int, int]] = []
        for number in sorted(arrivals):
            then = round(arrivals[number] / TICK)
            if not -0x8000 <= then - at <= 0x7FFF:
                raise ValueError("arrivals too far apart for one feedback packet")
            received.append((number - first, then - at))
            at = then
        signed = (reference + 0x800000) % 0x1000000 - 0x800000
        return cls(sender, media, first & 0xFFFF, signed, packet_count & 0xFF, last - first + 1, tuple(received))

    def arrivals(self) -> dict[int, float]:
        """Sequence numbers (16 bits) of what came, and the seconds of the sender's clock, modulo 2^24 times 64 ms."""
        at = self.reference * REFERENCE_TICKS
        found = {}
        for offset, delta in self.received:
            at += delta
            found[(self.base + offset) & 0xFFFF] = at * TICK
        return found

    @property
    def deltas(self) -> tuple[int | None, ...]:
        """One per packet from `base` on, in ticks; None for those that did not come."""
        found = dict(self.received)
        return tuple(found.get(offset) for offset in range(self.total))

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """From what follows the RTCP header. ValueError or struct.error if it is malformed."""
        sender, media, base, total, reference, count = struct.unpack_from("!IIHH3sB", body)
        came: list[tuple[int, int]] = []
        seen, at = 0, 16
        while seen < total:
            (chunk,) = struct.unpack_from("!H", body, at)
            at += 2
            room = len(body) - len(came)
            seen += _read_chunk(chunk, seen, min(total, seen + room + 1), came)
            if len(came) > len(body):
                raise ValueError("more packets came than there are deltas")
        received: list[tuple[int, int]] = []
        for offset, symbol in came:
            if offset < total:
                received.append((offset, struct.unpack_from("!B" if symbol == _SMALL else "!h", body, at)[0]))
                at += symbol
        signed = int.from_bytes(reference, "big", signed=True)
        return cls(sender, media, base, signed, count, total, tuple(received))

    def build(self) -> bytes:
        """What follows the RTCP header, without padding."""
        parts = [
            struct.pack("!IIHH", self.sender, self.media, self.base, self.total),
            self.reference.to_bytes(3, "big", signed=True),
            bytes([self.packet_count]),
        ]
        parts += (struct.pack("!H", chunk) for chunk in _chunks([_symbol(delta) for delta in self.deltas]))
        parts += (struct.pack("!B" if 0 <= delta <= 0xFF else "!h", delta) for _, delta in self.received)
        return b"".join(parts)


def _symbol(delta: int | None) -> int:
    if delta is None:
        return _NOT_RECEIVED
    return _SMALL if 0 <= delta <= 0xFF else _LARGE


def _read_chunk(chunk: int, first: int, end: int, came: list[tuple[int, int]]) -> int:
    """How many packets it is about. Those from `first` on that came are added to `came`, with their symbols; of a run
    only as far as `end`: each of them has a delta behind the chunks, and there is no room for more."""
    if not chunk & 0x8000:
        length, symbol = chunk & _RUN, chunk >> 13
        if not length:
            raise ValueError("a run of no packets")  # it would let a short packet keep us for long
        if symbol == _RESERVED:
            raise ValueError("a reserved packet status")
        if symbol != _NOT_RECEIVED:
            came += ((offset, symbol) for offset in range(first, min(first + length, end)))
        return length
    if not chunk & 0x4000:
        came += ((first + index, _SMALL) for index in range(14) if chunk >> 13 - index & 1)
        return 14
    for index in range(7):
        symbol = chunk >> 12 - 2 * index & 3
        if symbol == _RESERVED and first + index < end:
            raise ValueError("a reserved packet status")
        if symbol != _NOT_RECEIVED:
            came.append((first + index, symbol))
    return 7


def _chunks(symbols: Sequence[int]) -> list[int]:
    """Greedily: whichever chunk says more about what is left, a run or a vector."""
    chunks = []
    at = 0
    while at < len(symbols):
        run = 1
        while at + run < len(symbols) and symbols[at + run] == symbols[at] and run < _RUN:
            run += 1
        narrow = symbols[at : at + 14]
        fits = 14 if _LARGE not in narrow else 7
        if run >= min(fits, len(symbols) - at):
            chunks.append(symbols[at] << 13 | run)
            at += run
        elif fits == 14:
            chunks.append(0x8000 | sum(symbol << 13 - index for index, symbol in enumerate(narrow)))
            at += 14
        else:
            wide = symbols[at : at + 7]
            chunks.append(0xC000 | sum(symbol << 12 - 2 * index for index, symbol in enumerate(wide)))
            at += 7
    return chunks
