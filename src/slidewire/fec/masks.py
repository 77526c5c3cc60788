"""Which source packets each repair packet is the XOR of: the shape of an XOR code.

A browser's receiver reads the mask in each repair packet, so that the shape is the sender's to choose. Shapes:

- `spread`: for losses at random. Found by search (slidewire.fec.mask_table), for a receiver that only peels.
- `interleaved`: repair packet r over source packets r, r + m, r + 2m, …: a burst of up to m losses hits each once.
- `consecutive`: repair packet r over a run of neighbours: as good as `interleaved` at random, worse in bursts, but a
  loss can be repaired as soon as its run is over.
- `dealt`: source packets are dealt in turn to several blocks, each with a `spread` mask of its own: for bursts, where
  there are packets enough that each block is a good one.
- `grid`: rows and columns of a rectangle (RFC 8627 §1.1.4), `columns` being the interleaved half of it.

Every source packet is under one repair packet at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from slidewire.fec.mask_table import MASKS

Mask = tuple[tuple[int, ...], ...]
"""For each repair packet the indices of the source packets under it."""

MOST: Final = 48
"""Source packets that `spread` knows masks for, and that a ULPFEC mask or a browser's FlexFEC decoder reaches."""


@lru_cache(maxsize=256)
def spread(k: int, m: int) -> Mask:
    """m repair packets for k source packets, m at most k, k at most MOST."""
    _check(k, m)
    if m > k or k > MOST:
        raise ValueError(f"from 1 to {MOST} source packets, and no more repair packets than that")
    size = next(size for size in MASKS if size >= k)
    columns = _columns(MASKS[size].split(), m, size)[:k]
    return tuple(tuple(index for index in range(k) if columns[index] >> row & 1) for row in range(m))


def interleaved(k: int, m: int) -> Mask:
    _check(k, m)
    return tuple(tuple(range(row, k, m)) for row in range(min(k, m)))


def dealt(k: int, m: int, blocks: int) -> Mask:
    """Source packet i belongs to block i mod `blocks`; the repair packets come from the blocks in turn as well."""
    _check(k, m)
    blocks = min(blocks, k, m)
    shares = [spread(len(range(block, k, blocks)), len(range(block, m, blocks))) for block in range(blocks)]
    return tuple(
        tuple(block + blocks * index for index in shares[block][row])
        for row in range(-(-m // blocks))
        for block in range(blocks)
        if row < len(shares[block])
    )


def consecutive(k: int, m: int) -> Mask:
    """Runs as equal as can be."""
    _check(k, m)
    m = min(k, m)
    return tuple(tuple(range(row * k // m, (row + 1) * k // m)) for row in range(m))


def columns(width: int, height: int) -> Mask:
    """Of a rectangle filled row by row: one repair packet for each column."""
    return interleaved(width * height, width)


def grid(width: int, height: int) -> Mask:
    """One repair packet for each row of the rectangle, then one for each column."""
    return consecutive(width * height, height) + columns(width, height)


def _check(k: int, m: int) -> None:
    if k < 1 or m < 1:
        raise ValueError("a block has at least one source packet and one repair packet")


def _columns(masks: Sequence[str], m: int, count: int) -> list[int]:
    digits = -(-m // 4)
    text = masks[m - 1]
    return [int(text[at : at + digits], 16) for at in range(0, digits * count, digits)]
