"""A few seconds of what `python -m tests.fuzz` does for an hour."""

from __future__ import annotations

import time

import pytest

from tests.fuzz.__main__ import TARGETS, hunt

SECONDS = {"codec": 10.0, "core": 10.0, "order": 3.0, "signaling": 7.0, "control": 7.0, "media": 4.0, "bodies": 2.0}


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found_in_a_few_seconds(target: str) -> None:
    said: list[str] = []
    assert hunt(target, time.time_ns() % 10**9, SECONDS[target], None, said.append) == [], "\n".join(said)
    assert said, "it ran"
