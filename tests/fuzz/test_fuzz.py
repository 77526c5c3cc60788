"""A little of what `python -m tests.fuzz` does for an hour: the same inputs every day, others in each long run."""

from __future__ import annotations

import math
import time

import pytest

from tests.fuzz.__main__ import TARGETS, hunt

SEED = 8656
PLAYS = {
    "codec": 700,
    "core": 150,
    "order": 40,
    "signaling": 200,
    "control": 200,
    "media": 100,
    "bodies": 250,
    "hostile": 10,
}


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found_in_a_few_plays(target: str) -> None:
    said: list[str] = []
    assert hunt(target, SEED, math.inf, PLAYS[target], said.append) == [], "\n".join(said)
    assert said, "it ran"


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found_from_a_seed_that_is_drawn(target: str) -> None:
    said: list[str] = []
    assert hunt(target, time.time_ns() % 10**9, 60.0, None, said.append) == [], "\n".join(said)
    assert said, "it ran, and names the seeds"
