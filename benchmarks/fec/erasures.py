"""What a parity code leaves lost, for many loss patterns at once.

A pattern says which of a block's k source and m repair packets are lost. Patterns are held crosswise: one integer per
packet, whose bit i says whether pattern i loses it, so that one XOR or AND of Python integers works on all patterns.
Peeling (repair what is the only one missing under some repair packet, again and again) is what libwebrtc's receiver
does; it needs about four such operations per one of the mask and round.

Patterns come in strata of equal weight, the number of packets lost. A code's residual at weight w is a property of the
code alone, and its residual at any loss rate p follows:

    residual(p) = sum over w of C(n, w) p^w (1-p)^(n-w) * (source packets still lost at weight w, on average) / k

Strata with few patterns are listed whole, the others are drawn; with every stratum whole, the residual is exact.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from functools import lru_cache
from math import comb

Rows = Sequence[Sequence[int]]
"""One entry per repair packet: the indices of the source packets under it."""


def peel(rows: Rows, lost: Sequence[int], full: int) -> list[int]:
    """What is still lost of the source packets. `lost`: source packets first, then repair packets; `full`: all ones."""
    count = len(lost) - len(rows)
    left = list(lost[:count])
    received = [full ^ repair for repair in lost[count:]]
    under: list[list[int]] = [[] for _ in range(count)]
    for row, members in enumerate(rows):
        for member in members:
            under[member].append(row)
    waiting = set(range(len(rows)))
    while waiting:
        row = waiting.pop()
        some = several = 0
        for member in rows[row]:
            missing = left[member]
            several |= some & missing
            some |= missing
        repaired = (some ^ several) & received[row]
        if not repaired:
            continue
        for member in rows[row]:
            now = left[member] & repaired
            if now:
                left[member] ^= now
                waiting.update(under[member])
        waiting.discard(row)
    return left


def whole(n: int, weight: int) -> tuple[list[int], int]:
    """Every pattern of that weight, crosswise, and how many they are."""
    rows = [bytearray(-(-comb(n, weight) // 8)) for _ in range(n)]
    index = 0
    for index, pattern in enumerate(itertools.combinations(range(n), weight)):
        byte, bit = index >> 3, 1 << (index & 7)
        for packet in pattern:
            rows[packet][byte] |= bit
    return [int.from_bytes(row, "little") for row in rows], index + 1


def drawn(n: int, weight: int, count: int, seed: int) -> tuple[list[int], int]:
    """`count` patterns of that weight, at random."""
    dice = random.Random(f"{seed} {n} {weight}")
    rows = [bytearray(-(-count // 8)) for _ in range(n)]
    packets = range(n)
    for index in range(count):
        byte, bit = index >> 3, 1 << (index & 7)
        for packet in dice.sample(packets, weight):
            rows[packet][byte] |= bit
    return [int.from_bytes(row, "little") for row in rows], count


@lru_cache(maxsize=256)
def strata(n: int, most: int, count: int, seed: int) -> tuple[tuple[int, list[int], int], ...]:
    """(weight, patterns crosswise, how many) for weights from 1 to `most`; whole where `count` suffices for that."""
    return tuple(
        (weight, *(whole(n, weight) if comb(n, weight) <= count else drawn(n, weight, count, seed)))
        for weight in range(1, min(most, n) + 1)
    )


def heaviest(n: int, loss: float, tail: float = 1e-7) -> int:
    """The weight above which patterns are too rare at this loss to matter."""
    left = 1.0
    for weight in range(n + 1):
        left -= comb(n, weight) * loss**weight * (1 - loss) ** (n - weight)
        if left < tail:
            return weight
    return n


Spectrum = dict[int, float]
"""Weight → source packets that stay lost, on average over the patterns of that weight."""


def spectrum(rows: Rows, k: int, most: int, count: int, seed: int = 1) -> Spectrum:
    found = {}
    for weight, lost, patterns in strata(k + len(rows), most, count, seed):
        left = peel(rows, lost, (1 << patterns) - 1)
        found[weight] = sum(map(int.bit_count, left)) / patterns
    return found


def residual(found: Spectrum, k: int, m: int, loss: float) -> float:
    """Share of the source packets that stays lost. Weights that the spectrum lacks count as wholly lost."""
    n = k + m
    total = 0.0
    for weight in range(1, n + 1):
        chance = comb(n, weight) * loss**weight * (1 - loss) ** (n - weight)
        total += chance * found.get(weight, weight * k / n)
    return total / k


def optimum(k: int, m: int, loss: float) -> float:
    """An MDS code's (Reed-Solomon's) residual: losses stay only where more than m packets of the block are lost."""
    return residual(
        {weight: 0.0 if weight <= m else weight * k / (k + m) for weight in range(1, k + m + 1)}, k, m, loss
    )
