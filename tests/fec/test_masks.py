from __future__ import annotations

import pytest

from slidewire.fec import masks
from slidewire.fec.masks import Mask


def covers_all(mask: Mask, k: int) -> bool:
    return {index for row in mask for index in row} == set(range(k)) and all(mask)


def test_spread_covers_every_packet_for_every_size() -> None:
    for k in range(1, masks.MOST + 1):
        for m in range(1, k + 1):
            mask = masks.spread(k, m)
            assert len(mask) == m and covers_all(mask, k), (k, m)
            assert all(list(row) == sorted(set(row)) and row[-1] < k for row in mask), (k, m)


def test_one_repair_packet_is_the_parity_of_all() -> None:
    for k in range(1, masks.MOST + 1):
        assert masks.spread(k, 1) == (tuple(range(k)),)


@pytest.mark.parametrize("k", [1, 5, 12, 30])
@pytest.mark.parametrize("m", [1, 2, 3, 7])
def test_the_regular_shapes_cover_every_packet_once(k: int, m: int) -> None:
    for shape in (masks.interleaved, masks.consecutive):
        mask = shape(k, m)
        assert covers_all(mask, k) and sum(map(len, mask)) == k and len(mask) == min(k, m)


def test_bursts_hit_interleaved_rows_once() -> None:
    mask = masks.interleaved(20, 4)
    for start in range(17):
        burst = set(range(start, start + 4))
        assert all(len(burst & set(row)) == 1 for row in mask)


def test_grid_as_in_rfc_8627() -> None:
    """§1.1.4: L columns, D rows; row parity over SN base + r L …, column parity over SN base + c, + L, …"""
    assert masks.grid(3, 2) == ((0, 1, 2), (3, 4, 5), (0, 3), (1, 4), (2, 5))
    assert masks.columns(3, 2) == ((0, 3), (1, 4), (2, 5))


def test_dealt_blocks_are_their_own_masks() -> None:
    mask = masks.dealt(14, 6, 3)
    assert len(mask) == 6 and covers_all(mask, 14)
    for at, row in enumerate(mask):
        assert {index % 3 for index in row} == {at % 3}
    first = tuple(tuple(index // 3 for index in row) for row in mask[::3])
    assert first == masks.spread(5, 2)
    assert masks.dealt(9, 3, 1) == masks.spread(9, 3)


@pytest.mark.parametrize(("k", "m"), [(0, 1), (1, 0), (3, 4), (49, 1)])
def test_sizes_without_a_mask_are_refused(k: int, m: int) -> None:
    with pytest.raises(ValueError, match="packet"):
        masks.spread(k, m)
