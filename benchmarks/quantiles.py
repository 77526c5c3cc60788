"""What is said of many measurements: the middle, the unlucky hundredth, and the worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Summary", "median", "quantile", "ratio", "summarise"]


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest measurement that at least this share of all does not exceed (nearest rank, nothing made up between
    two measurements)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """How many times `b` is `a`, by their medians: what survives when a machine is slower today than yesterday."""
    return median(a) / median(b)


@dataclass(frozen=True, slots=True)
class Summary:
    count: int
    p50: float
    p99: float
    max: float


def summarise(values: Sequence[float]) -> Summary:
    return Summary(len(values), quantile(values, 0.5), quantile(values, 0.99), max(values))
