"""The vectors for both languages' connection cores are what this code does."""

from __future__ import annotations

import json

import pytest

from tools import make_connection_vectors


@pytest.mark.parametrize(
    "show", json.loads(make_connection_vectors.TARGET.read_text())["shows"], ids=lambda show: show["seed"]
)
def test_the_vectors_are_this_code_s(show: dict[str, object]) -> None:
    seed = show["seed"]
    assert isinstance(seed, int)
    played = json.loads(json.dumps(make_connection_vectors.play(seed)))
    assert played == show["steps"], "run tools/make_connection_vectors.py and read the diff"
