from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.fec import reed_solomon as rs
from slidewire.fec.galois import invert

DICE = random.Random(8)


def block(k: int, longest: int = 40) -> list[bytes]:
    return [DICE.randbytes(DICE.randrange(longest + 1)) for _ in range(k)]


@pytest.mark.parametrize(("k", "m"), [(1, 1), (1, 4), (4, 4), (10, 4), (7, 6), (5, 1), (12, 3)])
def test_every_loss_of_up_to_m_packets_is_recovered(k: int, m: int) -> None:
    packets = block(k)
    sent = rs.sources(packets, m, 7) + rs.protect(packets, m, 7)
    for count in range(m + 1):
        for lost in itertools.combinations(range(k + m), count):
            receiver = rs.Receiver()
            found = receiver.recover(data for index, data in enumerate(sent) if index not in lost)
            assert found == [packets[index] for index in lost if index < k]
            assert receiver.counts.malformed == 0


def test_one_loss_too_many_recovers_nothing() -> None:
    packets = block(6)
    sent = rs.sources(packets, 3, 1) + rs.protect(packets, 3, 1)
    for lost in itertools.combinations(range(9), 4):
        assert rs.Receiver().recover(data for index, data in enumerate(sent) if index not in lost) == []


@pytest.mark.parametrize(("k", "m"), [(4, 4), (6, 5), (3, 8)])
def test_every_square_part_of_the_matrix_has_an_inverse(k: int, m: int) -> None:
    """Which is what makes the code MDS, proven for these sizes whole."""
    rows = rs.matrix(k, m)
    for size in range(1, min(k, m) + 1):
        for chosen in itertools.combinations(range(m), size):
            for columns in itertools.combinations(range(k), size):
                invert([[rows[row][column] for column in columns] for row in chosen])


def test_the_largest_block() -> None:
    k, m = 200, 55
    packets = block(k, 20)
    sent = rs.sources(packets, m, 1) + rs.protect(packets, m, 1)
    lost = set(DICE.sample(range(k), m))
    found = rs.Receiver().recover(data for index, data in enumerate(sent) if index not in lost)
    assert found == [packets[index] for index in sorted(lost)]
    with pytest.raises(ValueError, match="255"):
        rs.protect(packets, 56, 1)


def test_the_first_repair_packet_is_the_xor() -> None:
    assert rs.matrix(10, 3)[0] == (1,) * 10
    assert rs.encode([b"\x0f\xf0", b"\xff"], 1) == [b"\xf0\xf0"]


def test_the_header() -> None:
    assert rs.sources([b"ab"], 1, 0x0102)[0] == b"\x01\x02\x00\x01\x01ab"
    assert rs.protect([b"ab"], 1, 0x0102)[0] == b"\x01\x02\x01\x01\x01\x00\x02ab"


@given(st.data())
def test_any_order_any_loss_duplicates_and_other_blocks(data: st.DataObject) -> None:
    m = data.draw(st.integers(0, 5))
    blocks = [data.draw(st.lists(st.binary(max_size=30), min_size=1, max_size=9)) for _ in range(2)]
    sent = [
        piece
        for number, packets in enumerate(blocks)
        for piece in rs.sources(packets, m, number) + rs.protect(packets, m, number)
    ]
    arrived = data.draw(st.lists(st.sampled_from(sent), max_size=40))
    receiver = rs.Receiver()
    found = receiver.recover(arrived)
    expected = []
    for number, packets in enumerate(blocks):
        came = {piece.number for piece in map(rs.parse, arrived) if piece is not None and piece.block == number}
        if len(came) >= len(packets):
            # As soon as k are there the block is solved; sources that come later were recovered before.
            first = list(dict.fromkeys(
                piece.number for piece in map(rs.parse, arrived) if piece is not None and piece.block == number
            ))[: len(packets)]  # fmt: skip
            expected += [packets[index] for index in range(len(packets)) if index not in first]
    assert sorted(found) == sorted(expected)
    assert receiver.counts.malformed == 0


@given(st.lists(st.binary(max_size=30), max_size=30))
def test_garbage_is_counted_or_waits(datagrams: list[bytes]) -> None:
    receiver = rs.Receiver()
    for packet in receiver.recover(datagrams):
        assert isinstance(packet, bytes)
    assert receiver.counts.malformed >= sum(rs.parse(data) is None for data in datagrams)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.binary(max_size=9)), max_size=30))
def test_plausible_garbage(pieces: list[tuple[int, int, bytes]]) -> None:
    receiver = rs.Receiver()
    receiver.recover(rs.Piece(number, index, 3, 3, data).build() for number, index, data in pieces)
    assert receiver.counts.repairs <= len(pieces)


def test_old_blocks_are_forgotten() -> None:
    receiver = rs.Receiver()
    packets = block(2)
    sent = rs.sources(packets, 1, 0) + rs.protect(packets, 1, 0)
    receiver.recover(sent[:1])
    receiver.recover(rs.Piece(number, 0, 2, 1, b"x").build() for number in range(1, rs.BLOCKS + 1))
    assert receiver.recover(sent[2:]) == []
