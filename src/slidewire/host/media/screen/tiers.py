"""Which encoder serves which viewer. Pure.

There are six, and not one for each viewer, because encoding is what a screen share costs: viewers whose networks carry
about as much look at the same frames. Each tier takes half of what the one above takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tier:
    rate: int
    """Bits a second, at most, over more than a moment."""
    width: int
    height: int
    """The picture fits into that."""
    fastest: float
    """Frames a second, at most."""


TIERS = (
    Tier(4_000_000, 1920, 1080, 30),
    Tier(2_000_000, 1920, 1080, 30),
    Tier(1_000_000, 1280, 720, 20),
    Tier(500_000, 1280, 720, 15),
    Tier(250_000, 960, 540, 10),
    Tier(120_000, 640, 360, 5),
)

MARGIN = 1.15
"""How much more than the better tier takes a network must carry before its viewer gets that."""
PATIENCE = 5.0
"""For how many seconds it must carry that. Down is at once."""


def tier_for(rate: float, tiers: Sequence[Tier] = TIERS) -> Tier:
    """The best one that a network of that rate carries; the least if it carries none."""
    return next((tier for tier in tiers if tier.rate <= rate), tiers[-1])


class Ladder:
    """One viewer's way up and down the tiers: down at once, up when its network has proved that it carries more."""

    def __init__(self, rate: float, tiers: Sequence[Tier] = TIERS) -> None:
        self._tiers = tiers
        self.tier = tier_for(rate, tiers)
        self._better_since = math.inf

    def set_rate(self, rate: float, now: float) -> Tier:
        target = tier_for(rate / MARGIN, self._tiers)
        if rate < self.tier.rate:
            self.tier = tier_for(rate, self._tiers)
        if target.rate <= self.tier.rate:
            self._better_since = math.inf
            return self.tier
        self._better_since = min(self._better_since, now)
        if now >= self._better_since + PATIENCE:
            self.tier = target
            self._better_since = math.inf
        return self.tier


def fit(width: int, height: int, into_width: int, into_height: int) -> tuple[int, int]:
    """The size of a picture when it is made small enough, never larger; even, as encoders want it."""
    scale = min(into_width / width, into_height / height, 1.0)
    return max(round(width * scale) // 2 * 2, 2), max(round(height * scale) // 2 * 2, 2)
