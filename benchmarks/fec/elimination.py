"""What a receiver that solves equations recovers beyond peeling, in the patterns where peeling left something."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.fec.erasures import Rows


def eliminate(rows: Rows, lost: Sequence[int], left: Sequence[int]) -> int:
    """Source packets that stay lost, over all patterns. `left`: what peeling leaves, crosswise as `lost` is."""
    stuck = 0
    for packet in left:
        stuck |= packet
    k = len(left)
    total = 0
    while stuck:
        bit = stuck & -stuck
        stuck ^= bit
        place = bit.bit_length() - 1
        missing = sum(1 << index for index in range(k) if left[index] >> place & 1)
        total += _undetermined(
            missing,
            [
                sum(1 << index for index in row) & missing
                for row, repair in zip(rows, lost[k:], strict=True)
                if not repair >> place & 1
            ],
        )
    return total


def _undetermined(missing: int, equations: Sequence[int]) -> int:
    pivots: list[int] = []
    for equation in equations:
        for pivot in pivots:
            equation = min(equation, equation ^ pivot)  # noqa: PLW2901
        if equation:
            top = 1 << equation.bit_length() - 1
            pivots = [pivot ^ equation if pivot & top else pivot for pivot in pivots]
            pivots.append(equation)
            pivots.sort(reverse=True)
    return missing.bit_count() - sum(pivot.bit_count() == 1 for pivot in pivots)
