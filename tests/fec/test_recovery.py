"""What repair packets lead to is bounded by how many there are, whatever they say."""

from __future__ import annotations

import random

import pytest

from slidewire.fec.recovery import MISSING, REPAIRS, Recovery
from tests.support.work import counted

SSRC = 7


def source(number: int) -> bytes:
    return bytes((0x80, 96)) + (number & 0xFFFF).to_bytes(2, "big") + bytes(4) + SSRC.to_bytes(4, "big") + b"x"


@pytest.mark.parametrize("reach", [2, 5, 48])
@pytest.mark.parametrize("spread", [48, 2000, 60_000])
def test_repair_packets_that_hang_together_are_not_solved_anew_with_each_one(reach: int, spread: int) -> None:
    dice = random.Random(reach * spread)
    recovery = Recovery()
    most = 0
    for _ in range(1500):
        offsets = sorted(dice.sample(range(48), reach))
        with counted() as work:
            recovery.repair([(SSRC, dice.randrange(spread), offsets)], dice.randbytes(9))
        with counted() as more:
            recovery.source(source(dice.randrange(spread)))
        most = max(most, work.lines, more.lines)
        assert len(recovery._waiting) <= REPAIRS and len(recovery._bits) <= MISSING
        assert len(recovery._bits) + len(recovery._free) <= MISSING + 48
    assert most < 12 * REPAIRS + 6 * MISSING


def test_each_equation_has_a_packet_of_its_own() -> None:
    dice = random.Random(3)
    recovery = Recovery()
    for _ in range(400):
        base = dice.randrange(100)
        recovery.repair([(SSRC, base, dice.sample(range(16), 5))], dice.randbytes(9))
        if dice.random() < 0.3:
            recovery.source(source(dice.randrange(116)))
        for equation in recovery._waiting:
            others = [each for each in recovery._waiting if each is not equation]
            assert equation.missing & equation.pivot and not any(each.missing & equation.pivot for each in others)
