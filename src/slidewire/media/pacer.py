"""When each packet leaves: never many at once, and what is more urgent first.

A frame is many packets, and a key frame very many. In a row they would fill the narrowest queue on the way, and clicks
would wait behind them. So packets leave at a little more than the estimated rate (`HEADROOM`), in this order:
retransmissions, which the receiver waits for; audio, which is little and does not wait for the budget; repair packets
whose time has come; video. What a packet costs is paid back at the pace before the next one leaves.
"""

from __future__ import annotations

import heapq
from collections import deque
from enum import IntEnum
from typing import Final, NamedTuple

from slidewire.media.frames import Line

HEADROOM: Final = 1.5
"""Times the rate. Frames come in lumps: at exactly the rate, a lump would not be gone when the next one comes."""
CREDIT: Final = 0.004
"""Seconds of the pace that may be saved up: timers are late by a millisecond or two."""
OUTSIDE: Final = 50
"""Bytes of each packet that are not RTP's: SRTP, UDP, IP."""


class Kind(IntEnum):
    """In the order in which they leave."""

    RETRANSMISSION = 0
    AUDIO = 1
    REPAIR = 2
    VIDEO = 3


class Packet(NamedTuple):
    line: Line
    kind: Kind
    data: bytes
    """An RTP packet; the header extensions that are about its leaving are zeros."""
    ends_frame: bool = False
    not_before: float = 0.0
    """Of repair packets."""


class Pacer:
    def __init__(self, rate: float, now: float) -> None:
        """`rate`: bits per second on the wire."""
        self.rate = rate
        self._queues: dict[Kind, deque[Packet]] = {kind: deque() for kind in Kind if kind is not Kind.REPAIR}
        self._repairs: list[tuple[float, int, Packet]] = []
        self._pushed = 0
        self._debt = 0.0
        """Bytes that left too early; negative: credit."""
        self._settled = now
        self.waiting = 0
        """Bytes."""

    def push(self, packet: Packet) -> None:
        self.waiting += len(packet.data) + OUTSIDE
        if packet.kind is Kind.REPAIR:
            self._pushed += 1
            heapq.heappush(self._repairs, (packet.not_before, self._pushed, packet))
        else:
            self._queues[packet.kind].append(packet)

    def pop(self, now: float) -> Packet | None:
        """The next packet, if it may leave now. To be asked until there is none."""
        self._settle(now)
        packet = self._next(now)
        if packet is not None:
            size = len(packet.data) + OUTSIDE
            self.waiting -= size
            self._debt += size
        return packet

    def get_timer(self) -> float | None:
        if self._queues[Kind.AUDIO]:
            return self._settled
        free = self._settled + max(0.0, self._debt) / self._pace
        if self._queues[Kind.RETRANSMISSION] or self._queues[Kind.VIDEO]:
            return free
        return max(free, self._repairs[0][0]) if self._repairs else None

    @property
    def delay(self) -> float:
        """Seconds until what waits now is gone."""
        return (max(0.0, self._debt) + self.waiting) / self._pace

    @property
    def _pace(self) -> float:
        """Bytes per second."""
        return self.rate * HEADROOM / 8

    def _settle(self, now: float) -> None:
        if now > self._settled:
            self._debt = max(self._debt - (now - self._settled) * self._pace, -CREDIT * self._pace)
            self._settled = now

    def _next(self, now: float) -> Packet | None:
        is_free = self._debt <= 0
        if is_free and self._queues[Kind.RETRANSMISSION]:
            return self._queues[Kind.RETRANSMISSION].popleft()
        if self._queues[Kind.AUDIO]:
            return self._queues[Kind.AUDIO].popleft()
        if is_free and self._repairs and self._repairs[0][0] <= now:
            return heapq.heappop(self._repairs)[2]
        if is_free and self._queues[Kind.VIDEO]:
            return self._queues[Kind.VIDEO].popleft()
        return None
