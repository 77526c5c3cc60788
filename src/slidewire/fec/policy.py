"""How much protection, and of what shape: from measured loss, burst length and round trip.

A retransmission costs nothing until a packet is lost, but takes a round trip; repair packets cost all the time, and
take no longer than their block. So the longer the round trip, the fewer losses repair packets should leave:

    round trip up to      share of packets that may stay lost after repair
    30 ms                 any: retransmission alone is there within a frame
    100 ms                1 %: what is left is retransmitted in time
    200 ms                0.3 %
    above                 0.1 %

A block is one frame, or as many frames as it takes to reach that goal under the ceiling on overhead (few packets cannot
be protected well: one repair packet for two is already half), as long as the delay allows. Against bursts of b packets
on average it always spans as many frames as the delay allows, and is dealt to b smaller blocks in turn, so that each
sees single losses; its repair packets are best sent between the next block's packets, not in a row (`pace`).

These are estimates that choose; what came of it is measured by the receiver's reports, and chosen again.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from math import comb, inf
from typing import Final, NamedTuple

from slidewire.fec import masks

GOALS: Final = ((0.030, 1.0), (0.100, 0.01), (0.200, 0.003), (inf, 0.001))
"""(round trip up to, in seconds; share of packets that may stay lost)."""

STRENGTH: Final = 0.6
"""What a further repair packet of a mask is worth, beside one of Reed-Solomon's (benchmarks/results/fec.md)."""

QUIET: Final = 0.002
"""Loss below which nothing is protected."""

SINGLE: Final = 1.5
"""Mean burst length below which losses count as random."""


class Network(NamedTuple):
    """As measured. Times are in seconds."""

    loss: float
    """Share of packets, from 0 to 1."""
    burst: float
    """Losses in a row, on average; 1 if they are random."""
    round_trip: float


class Stream(NamedTuple):
    packets: float
    """Of a frame, on average."""
    interval: float
    """Seconds from frame to frame."""


class Limits(NamedTuple):
    overhead: float = 0.35
    """Repair packets for each source packet, at most."""
    delay: float = 0.15
    """Seconds that a block may span, first packet to last."""
    reach: int = masks.MOST
    """Packets of a block, at most."""


class Shape(Enum):
    SPREAD = "spread"
    DEALT = "dealt"


class Plan(NamedTuple):
    retransmit: bool
    frames: int
    """Of a block; 0 if no repair packets are worth while."""
    overhead: float
    """Repair packets for each source packet."""
    shape: Shape = Shape.SPREAD
    blocks: int = 1
    """That a block is dealt to."""

    def pace(self, interval: float) -> float:
        """Seconds to spread a block's repair packets over: as long as the next block takes if losses come in bursts,
        else a quarter of a frame, so that they are no burst themselves."""
        return self.frames * interval if self.blocks > 1 else interval / 4

    def mask(self, packets: int, limits: Limits = Limits()) -> masks.Mask:  # noqa: B008 (it is immutable)
        """What repair packets cover, for a block that turned out to have that many packets. Never above the ceiling."""
        k = min(packets, limits.reach)
        most = int(limits.overhead * k)
        m = min(round(self.overhead * k) or 1, most, k)
        if not self.frames or m < 1:
            return ()
        return masks.spread(k, m) if self.blocks == 1 else masks.dealt(k, m, self.blocks)


NOTHING: Final = Plan(retransmit=True, frames=0, overhead=0.0)


def plan(network: Network, stream: Stream, limits: Limits = Limits()) -> Plan:  # noqa: B008 (it is immutable)
    """What to do from now on. Retransmission is always wanted as well; it has no ceiling of ours."""
    goal = next(share for bound, share in GOALS if network.round_trip <= bound)
    if network.loss <= max(QUIET, goal) or goal >= 1:
        return NOTHING
    most_frames = max(1, int(limits.delay / stream.interval + 1e-9))
    if network.burst >= SINGLE:
        return _against_bursts(network, stream, limits, goal, most_frames)
    best, least = NOTHING, network.loss
    for frames in range(1, most_frames + 1):
        k = max(1, min(round(frames * stream.packets), limits.reach))
        m, left = repairs(k, network.loss, goal, int(limits.overhead * k))
        if m and left < least:
            best, least = Plan(retransmit=True, frames=frames, overhead=m / k), left
        if left <= goal or k == limits.reach:
            break
    return best


def _against_bursts(network: Network, stream: Stream, limits: Limits, goal: float, frames: int) -> Plan:
    """As many frames as the delay and the reach allow: what bursts leave falls with every one of them."""
    frames = max(1, min(frames, int(limits.reach / stream.packets)))
    k = max(1, min(round(frames * stream.packets), limits.reach))
    most = int(limits.overhead * k)
    blocks = min(round(network.burst), most)
    if not blocks:
        return NOTHING
    m, _ = repairs(k, network.loss, goal, most, blocks)
    return Plan(retransmit=True, frames=frames, overhead=max(m, blocks) / k, shape=Shape.DEALT, blocks=blocks)


def repairs(k: int, loss: float, goal: float, most: int, blocks: int = 1) -> tuple[int, float]:
    """The fewest repair packets that reach the goal, or `most`; and what they are expected to leave lost."""
    left = loss
    for m in range(1, most + 1):
        left = expected(k, m, loss, blocks)
        if left <= goal:
            return m, left
    return most, left


@lru_cache(maxsize=4096)
def expected(k: int, m: int, loss: float, blocks: int = 1) -> float:
    """The share of packets that a block's repair packets leave lost, roughly: a mask of m repair packets counts as
    somewhat fewer of Reed-Solomon's."""
    blocks = min(blocks, m)
    k, m = -(-k // blocks), m // blocks
    equal = int(1 + STRENGTH * (m - 1))
    n = k + equal
    return sum(comb(n, lost) * loss**lost * (1 - loss) ** (n - lost) * lost / n for lost in range(equal + 1, n + 1))
