"""Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): which packets came, and when.

    |      base sequence number     |      packet status count      |
    |                 reference time                | fb pkt. count |
    |          packet chunk         |         packet chunk         …|
    |         recv delta            |  recv delta  …                |

A chunk says for a run of packets (§3.1.3) or for the next 14 or 7 (§3.1.4) what a delta of theirs will look like:
none (not received), one byte, or two bytes with a sign. Deltas are in units of 250 µs, each from the packet received
before; the first one is from the reference time, which is in units of 64 ms.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Self

TICK: Final = 0.00025
REFERENCE_TICKS: Final = 256
"""Ticks of a delta in one of the reference time."""
MOST: Final = 2048
"""Packets that a feedback may be about, to be read. Its format has room for 65,535, which a run says in sixteen bytes:
a datagram full of those would keep whoever reads it for most of a second."""
_NOT_RECEIVED, _SMALL, _LARGE = 0, 1, 2
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
    deltas: tuple[int | None, ...]
    """One per packet from `base` on, in ticks; None for those that did not come."""

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
        deltas: list[int | None] = []
        for number in range(first, last + 1):
            if number not in arrivals:
                deltas.append(None)
                continue
            then = round(arrivals[number] / TICK)
            if not -0x8000 <= then - at <= 0x7FFF:
                raise ValueError("arrivals too far apart for one feedback packet")
            deltas.append(then - at)
            at = then
        signed = (reference + 0x800000) % 0x1000000 - 0x800000
        return cls(sender, media, first & 0xFFFF, signed, packet_count & 0xFF, tuple(deltas))

    def arrivals(self) -> dict[int, float]:
        """Sequence numbers (16 bits) of what came, and the seconds of the sender's clock, modulo 2^24 times 64 ms."""
        at = self.reference * REFERENCE_TICKS
        found = {}
        for index, delta in enumerate(self.deltas):
            if delta is not None:
                at += delta
                found[(self.base + index) & 0xFFFF] = at * TICK
        return found

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """From what follows the RTCP header. ValueError or struct.error if it is malformed."""
        sender, media, base, total, reference, count = struct.unpack_from("!IIHH3sB", body)
        if total > MOST:
            raise ValueError("about too many packets")
        symbols: list[int] = []
        at = 16
        while len(symbols) < total:
            (chunk,) = struct.unpack_from("!H", body, at)
            at += 2
            symbols.extend(_symbols(chunk, total - len(symbols)))
        deltas: list[int | None] = []
        for symbol in symbols[:total]:
            if symbol == _NOT_RECEIVED:
                deltas.append(None)
            elif symbol in (_SMALL, _LARGE):
                deltas.append(struct.unpack_from("!B" if symbol == _SMALL else "!h", body, at)[0])
                at += symbol
            else:
                raise ValueError("a reserved packet status")
        return cls(sender, media, base, int.from_bytes(reference, "big", signed=True), count, tuple(deltas))

    def build(self) -> bytes:
        """What follows the RTCP header, without padding."""
        parts = [
            struct.pack("!IIHH", self.sender, self.media, self.base, len(self.deltas)),
            self.reference.to_bytes(3, "big", signed=True),
            bytes([self.packet_count]),
        ]
        parts += (struct.pack("!H", chunk) for chunk in _chunks([_symbol(delta) for delta in self.deltas]))
        for delta in self.deltas:
            if delta is not None:
                parts.append(struct.pack("!B" if 0 <= delta <= 0xFF else "!h", delta))
        return b"".join(parts)


def _symbol(delta: int | None) -> int:
    if delta is None:
        return _NOT_RECEIVED
    return _SMALL if 0 <= delta <= 0xFF else _LARGE


def _symbols(chunk: int, most: int) -> list[int]:
    if not chunk & 0x8000:
        return [chunk >> 13 & 3] * min(chunk & _RUN, most) or _empty_run()
    if not chunk & 0x4000:
        return [chunk >> bit & 1 for bit in range(13, -1, -1)]
    return [chunk >> bit & 3 for bit in range(12, -1, -2)]


def _empty_run() -> list[int]:
    """A run of none would let a short packet keep us for long."""
    raise ValueError("a run of no packets")


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
