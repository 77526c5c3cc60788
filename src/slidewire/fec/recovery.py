"""The receiver's half of every XOR scheme: which source packets follow from what came.

Each repair packet is an equation: the XOR of what is under it. Whatever of that is known is taken out at once, so that
what waits is only about missing packets. The equations that wait are kept in reduced row echelon form: each has a
missing packet of its own, its pivot, which is in no other. One in which nothing but the pivot is missing gives that
packet. So everything is recovered that follows at all, not only what peeling finds (which is all that libwebrtc does),
and a packet that comes costs one pass over the equations, at most `REPAIRS` of them, whatever came before.

Packets are known by their place: SSRC, and sequence number unwrapped. Nothing here knows a wire format.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from slidewire.fec.parity import RECOVERY_BYTES, fold, unfold
from slidewire.rtp.extensions import without
from slidewire.rtp.sequence import Unwrapper

Place = tuple[int, int]

SOURCES: Final = 512
"""Source packets kept, as what repair packets are relative to: more than four blocks of the widest mask."""
REPAIRS: Final = 192
"""Equations that wait. The oldest goes."""
MISSING: Final = 1024
"""Missing packets that they are about. With more, the oldest equations go until it is half as many."""


@dataclass(slots=True)
class Counts:
    recovered: int = 0
    repairs: int = 0
    useless: int = 0
    """Repair packets under which nothing was missing."""
    malformed: int = 0
    """Repair packets that could not be read, or whose equation gave no packet that can be."""


@dataclass(slots=True)
class _Equation:
    missing: int
    """One bit for each missing packet."""
    bits: int
    size: int
    pivot: int = 0

    def add(self, other: _Equation) -> None:
        self.missing ^= other.missing
        self.bits ^= other.bits
        self.size = max(self.size, other.size)


@dataclass(slots=True)
class Recovery:
    """`source` and `repair` take what came and give what follows from it, as RTP packets.

    `mutable`: header extensions that change on the way (slidewire.rtp.extensions.without).
    """

    mutable: Mapping[int, int] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    _known: OrderedDict[Place, int] = field(default_factory=OrderedDict)
    _waiting: list[_Equation] = field(default_factory=list)
    _bits: dict[Place, int] = field(default_factory=dict)
    """Missing packet → its bit."""
    _free: list[int] = field(default_factory=list)
    """Bits that are free again."""
    _unwrappers: dict[int, Unwrapper] = field(default_factory=dict)

    def source(self, packet: bytes) -> list[bytes]:
        """A source packet came. It must have a whole RTP header."""
        place = self._place(int.from_bytes(packet[8:12], "big"), int.from_bytes(packet[2:4], "big"))
        if place in self._known:
            return []
        bits = fold(without(packet, self.mutable))
        self._know(place, bits)
        bit = self._bits.get(place)
        if bit is None:
            return []
        freed = None
        for equation in self._waiting:
            if equation.missing & bit:
                equation.missing ^= bit
                equation.bits ^= bits
                if equation.pivot == bit:
                    freed = equation
        self._release(place)
        if freed is not None:
            self._waiting.remove(freed)
            self._insert(freed)
        return self._solved()

    def again(self, packet: bytes) -> list[bytes]:
        """A source packet came a second time, inside a repair packet. It is among the result if it was missing."""
        self.counts.repairs += 1
        place = self._place(int.from_bytes(packet[8:12], "big"), int.from_bytes(packet[2:4], "big"))
        if place in self._known:
            self.counts.useless += 1
            return []
        self.counts.recovered += 1
        return [packet, *self.source(packet)]

    def repair(self, under: Iterable[tuple[int, int, Iterable[int]]], combined: bytes) -> list[bytes]:
        """A repair packet came. `under`: SSRC, base sequence number and offsets from it. `combined`: the recovery
        fields and the body, in the order of slidewire.fec.parity."""
        self.counts.repairs += 1
        bits = int.from_bytes(combined, "little")
        missing = 0
        for ssrc, base, offsets in under:
            _, start = self._place(ssrc, base)
            for offset in offsets:
                place = ssrc, start + offset
                known = self._known.get(place)
                if known is None:
                    missing |= self._bit(place)
                else:
                    bits ^= known
        if not missing:
            self.counts.useless += 1
            return []
        self._insert(_Equation(missing, bits, len(combined) - RECOVERY_BYTES))
        found = self._solved()
        if len(self._waiting) > REPAIRS:
            del self._waiting[0]
        if len(self._bits) > MISSING:
            self._forget()
        return found

    def _place(self, ssrc: int, sequence_number: int) -> Place:
        unwrapper = self._unwrappers.get(ssrc)
        if unwrapper is None:
            unwrapper = self._unwrappers[ssrc] = Unwrapper()
        return ssrc, unwrapper.unwrap(sequence_number)

    def _know(self, place: Place, bits: int) -> None:
        self._known[place] = bits
        if len(self._known) > SOURCES:
            self._known.popitem(last=False)

    def _bit(self, place: Place) -> int:
        bit = self._bits.get(place)
        if bit is None:
            bit = self._bits[place] = self._free.pop() if self._free else 1 << len(self._bits)
        return bit

    def _release(self, place: Place) -> None:
        self._free.append(self._bits.pop(place))

    def _insert(self, new: _Equation) -> None:
        """Take the others' pivots out of it, and its own out of the others. It may say nothing that they do not."""
        for equation in self._waiting:
            if new.missing & equation.pivot:
                new.add(equation)
        if not new.missing:
            return
        new.pivot = 1 << new.missing.bit_length() - 1
        for equation in self._waiting:
            if equation.missing & new.pivot:
                equation.add(new)
        self._waiting.append(new)

    def _solved(self) -> list[bytes]:
        """Everything that follows. No other equation has these pivots, so that nothing more follows from it."""
        solved = {equation.pivot: equation for equation in self._waiting if equation.missing == equation.pivot}
        if not solved:
            return []
        self._waiting = [equation for equation in self._waiting if equation.pivot not in solved]
        found: list[bytes] = []
        for place in sorted(place for place, bit in self._bits.items() if bit in solved):
            equation = solved[self._bits[place]]
            self._release(place)
            packet = unfold(equation.bits, equation.size, place[0], place[1] & 0xFFFF)
            if packet is None:
                self.counts.malformed += 1
                continue
            self.counts.recovered += 1
            self._know(place, equation.bits)
            found.append(packet)
        return found

    def _forget(self) -> None:
        """Missing packets that no equation is about any more, and the oldest equations while there are too many."""
        while True:
            used = 0
            for equation in self._waiting:
                used |= equation.missing
            if used.bit_count() <= MISSING // 2:
                break
            del self._waiting[: len(self._waiting) // 4 + 1]
        for place in [place for place, bit in self._bits.items() if not bit & used]:
            self._release(place)
