"""The everyday run is the same every day: what is drawn at random is drawn in the long run alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

DRAWN: list[int] = []


@settings(max_examples=20, database=None)
@given(st.integers())
def note(number: int) -> None:
    DRAWN.append(number)


def test_examples_are_the_same_each_time_but_in_the_long_run(pytestconfig: pytest.Config) -> None:
    runs = []
    for _ in range(2):
        DRAWN.clear()
        note()
        runs.append(tuple(DRAWN))
    assert (runs[0] != runs[1]) == (pytestconfig.getoption("markexpr") == "")
