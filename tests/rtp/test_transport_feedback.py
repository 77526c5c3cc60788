from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.rtp.transport_feedback import TICK, TransportFeedback


def received(numbers: dict[int, float]) -> TransportFeedback:
    return TransportFeedback.of(1, 2, 3, numbers)


def test_a_packet_by_hand() -> None:
    """Two packets, one missing, one late: one vector of two-bit symbols, a small delta, a small one, a large one."""
    feedback = received({65535: 0.066, 65536: 0.06625, 65538: 0.5})
    assert feedback == TransportFeedback(1, 2, 65535, 1, 3, 4, ((0, 8), (1, 1), (3, 1735)))
    assert feedback.deltas == (8, 1, None, 1735)
    assert feedback.build() == bytes.fromhex("00000001 00000002 ffff0004 00000103 d480 08 01 06c7")
    assert TransportFeedback.parse(feedback.build()) == feedback


@pytest.mark.parametrize(
    ("numbers", "each", "size"),
    [
        # What libwebrtc's transport_feedback_unittest.cc expects, without its 4 bytes of RTCP header: 16 bytes, 2 for
        # each chunk, 1 or 2 for each delta.
        ((1, 2, 7, 8, 9, 10, 13), 0.001, 16 + 2 + 7),
        ((1, 2, 7, 8, 9, 10, 13, 14), 0.001, 16 + 2 + 8),
        ((65533, 65534, 65535, 65536, 65537, 65538), 0.001, 16 + 2 + 6),
        ((65533, 65534, 65537, 65538), 0.001, 16 + 2 + 4),
        ((1, 2, 6, 7), 0.064, 16 + 2 + 4 * 2),
        ((1, 2, 6, 7, 8), 0.064, 16 + 2 * 2 + 5 * 2),
    ],
)
def test_as_small_as_libwebrtc_makes_them(numbers: tuple[int, ...], each: float, size: int) -> None:
    arrivals = {number: 0.0625 + each * index for index, number in enumerate(numbers)}
    feedback = received(arrivals)
    if each > 0.0637:  # the first delta is what the reference time leaves over, and may be small
        size -= 1
    assert len(feedback.build()) <= size
    assert TransportFeedback.parse(feedback.build()) == feedback


def test_long_gaps_are_runs() -> None:
    feedback = received({0: 0.001, 8191 + 14: 0.002})
    assert len(feedback.build()) == 16 + 3 * 2 + 2


def test_arrivals_come_back_to_a_tick() -> None:
    arrivals = {100: 5.00013, 101: 5.1, 103: 5.05, 104: 5.9}
    back = received(arrivals).arrivals()
    assert back.keys() == arrivals.keys()
    assert all(abs(back[number] - at) <= TICK / 2 + 1e-9 for number, at in arrivals.items())


def test_too_far_apart_is_for_two_feedbacks() -> None:
    with pytest.raises(ValueError, match="apart"):
        received({1: 0.0, 2: 9.0})


@pytest.mark.parametrize("chunk", ["0000", "6001"])
def test_a_run_of_none_and_the_reserved_status_are_malformed(chunk: str) -> None:
    with pytest.raises(ValueError, match=r"run|reserved"):
        TransportFeedback.parse(bytes.fromhex("00000001 00000002 00010001 00000100" + chunk + "0000"))


def test_what_says_much_in_a_few_bytes_is_read_as_little() -> None:
    head = bytes.fromhex("00000001 00000002 0000 ffff 00000000")
    lost = TransportFeedback.parse(head + bytes.fromhex("1fff") * 9)
    assert (lost.total, lost.received) == (0xFFFF, ())
    for chunks in ("3fff" * 9, "5fff" * 9, "2400" * 64, "bfff" * 4682, "eaaa" * 9363):
        with pytest.raises((ValueError, struct.error)):
            TransportFeedback.parse(head + bytes.fromhex(chunks) + bytes(900))


@given(st.binary(max_size=200), st.integers(0, 0xFFFF))
def test_no_more_is_read_than_there_are_bytes(rest: bytes, total: int) -> None:
    try:
        read = TransportFeedback.parse(struct.pack("!IIHHI", 1, 2, 3, total, 4) + rest)
    except (ValueError, struct.error):
        return
    assert len(read.received) <= len(rest) and read.total == total
    assert all(0 <= offset < total for offset, _ in read.received)
    again = TransportFeedback.parse(read.build())
    assert again == read


@given(
    st.dictionaries(st.integers(0, 400), st.floats(0, 100), min_size=1).map(
        lambda found: {number: at / 100 for number, at in sorted(found.items())}
    ),
    st.integers(0, 70000),
)
def test_what_is_built_is_parsed(arrivals: dict[int, float], first: int) -> None:
    feedback = received({number + first: at for number, at in arrivals.items()})
    assert TransportFeedback.parse(feedback.build()) == feedback
    assert feedback.arrivals().keys() == {(number + first) & 0xFFFF for number in arrivals}
