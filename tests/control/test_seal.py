"""Sealed frames: opened once, in any order, and never when anything about them was changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.control.seal import LAST_COUNTER, WINDOW, CounterExhausted, Opener, Rejection, Sealer, peek_session

VECTORS = json.loads((Path(__file__).parents[2] / "protocol/vectors/control.json").read_text())
KEY = bytes(range(32))


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=lambda vector: vector["name"])
def test_frame_vectors(vector: dict[str, Any]) -> None:
    sealer = Sealer(vector["session"], bytes.fromhex(vector["key"]))
    for _ in range(vector["counter"]):
        sealer.seal(b"")
    frame = sealer.seal(bytes.fromhex(vector["records_hex"]))
    assert frame.hex() == vector["frame_hex"]
    opened = Opener(vector["session"], bytes.fromhex(vector["key"])).open(frame)
    assert isinstance(opened, bytes) and opened.hex() == vector["records_hex"]
    assert peek_session(frame) == vector["session"]


@given(st.permutations(range(40)), st.integers(0, 39))
def test_any_order_each_once(order: list[int], again: int) -> None:
    sealer, opener = Sealer(1, KEY), Opener(1, KEY)
    frames = [sealer.seal(bytes([number])) for number in range(40)]
    assert [opener.open(frames[number]) for number in order] == [bytes([number]) for number in order]
    assert opener.open(frames[again]) is Rejection.REPLAYED


def test_what_is_older_than_the_window_is_dropped() -> None:
    sealer, opener = Sealer(1, KEY), Opener(1, KEY)
    frames = [sealer.seal(b"") for _ in range(WINDOW + 1)]
    assert opener.open(frames[WINDOW]) == b""
    assert opener.open(frames[0]) is Rejection.REPLAYED
    assert opener.open(frames[1]) == b""


@given(st.integers(0, 30), st.integers(1, 255))
def test_no_altered_frame_opens_or_moves_the_window(position: int, difference: int) -> None:
    sealer, opener = Sealer(1, KEY), Opener(1, KEY)
    frame = sealer.seal(b"next!!")
    altered = bytearray(frame)
    altered[position] ^= difference
    assert isinstance(opener.open(bytes(altered)), Rejection)
    assert opener.open(frame) == b"next!!"


@given(st.binary(max_size=80))
def test_garbage_is_rejected_by_name(data: bytes) -> None:
    assert isinstance(Opener(1, KEY).open(data), Rejection)


def test_a_frame_of_the_other_direction_or_session_does_not_open() -> None:
    frame = Sealer(1, KEY).seal(b"")
    assert Opener(2, KEY).open(frame) is Rejection.OTHER_SESSION
    assert Opener(1, bytes(32)).open(frame) is Rejection.FORGED


def test_the_counter_never_wraps() -> None:
    sealer = Sealer(1, KEY)
    sealer._counter = LAST_COUNTER
    sealer.seal(b"")
    with pytest.raises(CounterExhausted):
        sealer.seal(b"")
