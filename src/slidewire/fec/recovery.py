"""The receiver's half of every XOR scheme: which source packets follow from what came.

Each repair packet is an equation: the XOR of what is under it. Whatever of that is known is taken out at once, so that
what waits is only about missing packets. An equation with one missing packet gives it (peeling, which is all that
libwebrtc does); where every equation has several, those that share a missing packet are solved together (Gaussian
elimination), which recovers what peeling must leave.

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
"""Repair packets that wait. The oldest goes."""


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
    missing: set[Place]
    bits: int
    size: int


@dataclass(slots=True)
class Recovery:
    """`source` and `repair` take what came and give what follows from it, as RTP packets.

    `mutable`: header extensions that change on the way (slidewire.rtp.extensions.without).
    """

    mutable: Mapping[int, int] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    _known: OrderedDict[Place, int] = field(default_factory=OrderedDict)
    _waiting: OrderedDict[int, _Equation] = field(default_factory=OrderedDict)
    _over: dict[Place, set[int]] = field(default_factory=dict)
    """Missing packet → the equations that wait for it."""
    _unwrappers: dict[int, Unwrapper] = field(default_factory=dict)
    _next: int = 0

    def source(self, packet: bytes) -> list[bytes]:
        """A source packet came. It must have a whole RTP header."""
        place = self._place(int.from_bytes(packet[8:12], "big"), int.from_bytes(packet[2:4], "big"))
        if place in self._known:
            return []
        touched = self._learn(place, fold(without(packet, self.mutable)))
        return self._solve(touched)

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
        missing = set()
        for ssrc, base, offsets in under:
            _, start = self._place(ssrc, base)
            for offset in offsets:
                place = ssrc, start + offset
                known = self._known.get(place)
                if known is None:
                    missing.add(place)
                else:
                    bits ^= known
        if not missing:
            self.counts.useless += 1
            return []
        number = self._next
        self._next += 1
        self._waiting[number] = _Equation(missing, bits, len(combined) - RECOVERY_BYTES)
        for place in missing:
            self._over.setdefault(place, set()).add(number)
        if len(self._waiting) > REPAIRS:
            self._drop(next(iter(self._waiting)))
        return self._solve({number})

    def _place(self, ssrc: int, sequence_number: int) -> Place:
        unwrapper = self._unwrappers.get(ssrc)
        if unwrapper is None:
            unwrapper = self._unwrappers[ssrc] = Unwrapper()
        return ssrc, unwrapper.unwrap(sequence_number)

    def _learn(self, place: Place, bits: int) -> set[int]:
        """Take a packet out of the equations it is in; the ones that still wait."""
        self._known[place] = bits
        if len(self._known) > SOURCES:
            self._known.popitem(last=False)
        touched = self._over.pop(place, set())
        for number in tuple(touched):
            equation = self._waiting[number]
            equation.missing.discard(place)
            equation.bits ^= bits
            if not equation.missing:
                del self._waiting[number]
                touched.discard(number)
        return touched

    def _drop(self, number: int) -> None:
        equation = self._waiting.pop(number)
        for place in equation.missing:
            over = self._over[place]
            over.discard(number)
            if not over:
                del self._over[place]

    def _solve(self, touched: set[int]) -> list[bytes]:
        """Everything that follows, given that only these equations have news."""
        found: list[bytes] = []
        while touched:
            single = next((number for number in touched if len(self._waiting[number].missing) == 1), None)
            if single is None:
                single = self._eliminate(touched)
                if single is None:
                    break
            equation = self._waiting[single]
            (place,) = equation.missing
            ssrc, number = place
            bits, size = equation.bits, equation.size
            self._drop(single)
            touched.discard(single)
            packet = unfold(bits, size, ssrc, number & 0xFFFF)
            if packet is None:
                self.counts.malformed += 1
                for other in tuple(self._over.get(place, ())):  # they contradict each other: none can be trusted
                    self._drop(other)
                    touched.discard(other)
                continue
            self.counts.recovered += 1
            found.append(packet)
            touched |= self._learn(place, bits)
            touched &= self._waiting.keys()
        return found

    def _eliminate(self, touched: set[int]) -> int | None:
        """Rewrite the equations that hang together with these until one has a single missing packet; which, or None."""
        group = self._component(touched)
        if len(group) < 2:
            return None
        places = sorted({place for number in group for place in self._waiting[number].missing})
        bit = {place: 1 << index for index, place in enumerate(places)}
        pivots: list[tuple[int, int, int, int]] = []  # missing, as bits; its highest; the XOR; its size
        for number in sorted(group):
            equation = self._waiting[number]
            missing = sum(bit[place] for place in equation.missing)
            bits, size = equation.bits, equation.size
            for other, top, other_bits, other_size in pivots:
                if missing & top:
                    missing, bits, size = missing ^ other, bits ^ other_bits, max(size, other_size)
            if not missing:
                self._drop(number)  # it says nothing that the others do not
                touched.discard(number)
                continue
            top = 1 << missing.bit_length() - 1
            pivots = [
                (other ^ missing, other_top, other_bits ^ bits, max(other_size, size))
                if other & top
                else (other, other_top, other_bits, other_size)
                for other, other_top, other_bits, other_size in pivots
            ]
            pivots.append((missing, top, bits, size))
        solved = None
        for missing, top, bits, size in pivots:
            if missing == top:
                place = places[top.bit_length() - 1]
                solved, self._next = self._next, self._next + 1
                self._waiting[solved] = _Equation({place}, bits, size)
                self._over[place].add(solved)
                touched.add(solved)
        return solved

    def _component(self, touched: set[int]) -> set[int]:
        group: set[int] = set()
        look = list(touched)
        while look:
            number = look.pop()
            if number not in group:
                group.add(number)
                for place in self._waiting[number].missing:
                    look.extend(self._over[place] - group)
        return group
