from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.fec import flexfec, masks
from slidewire.fec.flexfec import Fixed, Layout, Under
from slidewire.fec.parity import combine
from slidewire.fec.recovery import MISSING
from tests.fec.packets import SSRC, frame, without

FEC_SSRC, PAYLOAD_TYPE = 0x0000F1EC, 49
DRAFT, RFC = Layout.DRAFT_03, Layout.RFC_8627


def offsets(ulpfec_mask: str) -> tuple[int, ...]:
    """Of a mask as libwebrtc's tests write what they expect: without k, packed."""
    mask = bytes.fromhex(ulpfec_mask)
    return tuple(index for index in range(8 * len(mask)) if mask[index // 8] >> 7 - index % 8 & 1)


class TestVectors:
    """Headers of libwebrtc's flexfec_03_header_reader_writer_unittest.cc and flexfec_header_reader_writer_unittest.cc:
    what is written there on the wire, and which packets it says that means."""

    DRAFT_HEAD = "007babcd 01234567 01000000 11223344 aabb"
    RFC_HEAD = "007babcd 01234567"

    @pytest.mark.parametrize(
        ("mask", "means"),
        [
            ("8881", "1102"),
            ("4881 82110021", "9102 08440084"),
            ("4881 02110021 8111111111111111", "9102 08440084 0888888888888888"),
        ],
    )
    def test_draft_03(self, mask: str, means: str) -> None:
        payload = bytes.fromhex(self.DRAFT_HEAD + mask + "00000000")
        repair = flexfec.parse(DRAFT, payload)
        assert repair is not None
        assert repair.under == (Under(0x11223344, 0xAABB, offsets(means)),)
        assert repair.combined == bytes.fromhex("007babcd 01234567 00000000")
        assert flexfec.build(DRAFT, repair.under, repair.combined) == payload

    @pytest.mark.parametrize(
        ("mask", "means"),
        [
            ("0881", "1102"),
            ("c881 02110021", "9102 08440084"),
            ("c881 82110021 0111111111111111", "9102 08440084 0444444444444444"),
        ],
    )
    def test_rfc_8627(self, mask: str, means: str) -> None:
        payload = bytes.fromhex(self.RFC_HEAD + "0102" + mask + "00000000")
        repair = flexfec.parse(RFC, payload, [1])
        assert repair is not None
        assert repair.under == (Under(1, 0x0102, offsets(means)),)
        assert flexfec.build(RFC, repair.under, repair.combined) == payload

    def test_rfc_8627_two_streams(self) -> None:
        payload = bytes.fromhex(self.RFC_HEAD + "0102 0881 0304 0441 00000000")
        repair = flexfec.parse(RFC, payload, [1, 2])
        assert repair is not None
        assert repair.under == (Under(1, 0x0102, offsets("1102")), Under(2, 0x0304, offsets("0882")))
        assert flexfec.build(RFC, repair.under, repair.combined) == payload


@pytest.mark.parametrize("layout", Layout)
def test_every_offset_has_its_bit(layout: Layout) -> None:
    for offset in range(layout.reach):
        payload = flexfec.build(layout, [Under(1, 5, (offset,))], bytes(12))
        size = {Layout.DRAFT_03: 18, Layout.RFC_8627: 10}[layout] + (2 if offset < 15 else 6 if offset < 46 else 14)
        assert len(payload) == size + 4
        repair = flexfec.parse(layout, payload, [1])
        assert repair is not None and repair.under == (Under(1, 5, (offset,)),)
    with pytest.raises(ValueError, match=str(layout.reach)):
        flexfec.build(layout, [Under(1, 5, (layout.reach,))], bytes(12))


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (DRAFT, ""),
        (DRAFT, "807babcd 01234567 01000000 11223344 aabb 8881 00"),  # R
        (DRAFT, "407babcd 01234567 01000000 11223344 aabb 8881 00"),  # F
        (DRAFT, "007babcd 01234567 00000000 11223344 aabb 8881 00"),  # no SSRC
        (DRAFT, "007babcd 01234567 01000000 11223344 aabb 8000 00"),  # covers nothing
        (DRAFT, "007babcd 01234567 01000000 11223344 aabb 0881"),  # its mask goes on
        (DRAFT, "007babcd 01234567 01000000 11223344 aabb 0881 01111111 0111111111111111"),  # and never ends
        (RFC, "007babcd 01234567 aabb 8881"),
        (RFC, "007babcd 01234567 aabb 8881 81111111 01"),
        (RFC, "c07babcd 01234567 aabb 0881"),
        (RFC, "407babcd 01234567 aabb 0002"),  # L = 0 covers nothing
    ],
)
def test_what_is_no_repair_packet(layout: Layout, text: str) -> None:
    assert flexfec.parse(layout, bytes.fromhex(text), [1]) is None


def protected(layout: Layout, k: int, mask: masks.Mask) -> tuple[list[bytes], list[bytes]]:
    sources = [packet.build() for packet in frame(random.Random(k), k)]
    sender = flexfec.Sender(FEC_SSRC, PAYLOAD_TYPE, 65535, layout)
    return sources, sources + [packet.build() for packet in sender.protect(sources, mask, 77)]


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize(("k", "m"), [(1, 1), (4, 2), (15, 3), (16, 3), (46, 8), (48, 16)])
def test_each_loss_is_recovered_byte_for_byte(layout: Layout, k: int, m: int) -> None:
    sources, packets = protected(layout, k, masks.spread(k, m))
    for lost in range(k):
        receiver = flexfec.Receiver(FEC_SSRC, [SSRC], layout)
        assert receiver.recover(without(packets, {lost})) == [sources[lost]]
        assert receiver.counts.malformed == 0


@pytest.mark.parametrize("layout", Layout)
def test_the_widest_mask(layout: Layout) -> None:
    k = layout.reach
    sources, packets = protected(layout, k, masks.interleaved(k, 4))
    for start in range(k - 3):
        burst = range(start, start + 4)
        found = flexfec.Receiver(FEC_SSRC, [SSRC], layout).recover(without(packets, burst))
        assert sorted(found) == sorted(sources[index] for index in burst)
    with pytest.raises(ValueError, match=str(k)):
        protected(layout, k + 1, masks.interleaved(k + 1, 1))


def test_repair_packets_number_themselves() -> None:
    _, packets = protected(DRAFT, 6, masks.spread(6, 3))
    assert [packet[2:4].hex() for packet in packets[6:]] == ["ffff", "0000", "0001"]
    assert all(packet[1] == PAYLOAD_TYPE and packet[8:12].hex() == "0000f1ec" for packet in packets[6:])


def test_a_grid_recovers_what_rows_or_columns_alone_do_not() -> None:
    sources, packets = protected(DRAFT, 12, masks.grid(4, 3))
    lost = {0, 1, 4}  # two in a row, two in a column
    found = flexfec.Receiver(FEC_SSRC, [SSRC]).recover(without(packets, lost))
    assert sorted(found) == sorted(sources[index] for index in lost)
    square = {0, 1, 4, 5}
    assert flexfec.Receiver(FEC_SSRC, [SSRC]).recover(without(packets, square)) == []


def test_elimination_recovers_what_peeling_leaves() -> None:
    """Every repair packet has two or three of these missing; together they give all three."""
    mask = ((0, 1, 3), (1, 2, 3), (0, 1, 2, 3))
    sources, packets = protected(DRAFT, 4, mask)
    found = flexfec.Receiver(FEC_SSRC, [SSRC]).recover(without(packets, {0, 1, 2}))
    assert sorted(found) == sorted(sources[:3])


@pytest.mark.parametrize(("k", "m"), [(10, 4), (12, 6)])
def test_up_to_four_losses_against_a_solver_of_equations(k: int, m: int) -> None:
    """Recovered is exactly what the equations over the field of two determine, found here in another way: a packet is
    determined if no combination of lost packets that leaves every repair packet unchanged contains it."""
    mask = masks.spread(k, m)
    sources, packets = protected(DRAFT, k, mask)
    patterns = [lost for count in (2, 3, 4) for lost in itertools.combinations(range(k + m), count)]
    for lost in random.Random(3).sample(patterns, 150):
        missing = [index for index in lost if index < k]
        rows = [set(row) for number, row in enumerate(mask) if k + number not in lost]
        ambiguous: set[int] = set()
        for size in range(1, len(missing) + 1):
            for change in itertools.combinations(missing, size):
                if all(len(row & set(change)) % 2 == 0 for row in rows):
                    ambiguous |= set(change)
        found = flexfec.Receiver(FEC_SSRC, [SSRC]).recover(without(packets, lost))
        assert sorted(found) == sorted(sources[index] for index in missing if index not in ambiguous), lost


@given(st.randoms(use_true_random=False), st.sets(st.integers(0, 19), max_size=6))
def test_order_and_duplicates_do_not_matter(dice: random.Random, lost: set[int]) -> None:
    sources, packets = protected(DRAFT, 14, masks.spread(14, 6))
    arrived = without(packets, lost)
    in_order = flexfec.Receiver(FEC_SSRC, [SSRC]).recover(arrived)
    shuffled = arrived + dice.sample(arrived, 3)
    dice.shuffle(shuffled)
    found = flexfec.Receiver(FEC_SSRC, [SSRC]).recover(shuffled)
    # What comes late may have been recovered before it came; what never came is the same.
    never = {sources[index] for index in lost if index < 14}
    assert sorted(set(found) & never) == sorted(in_order)
    assert len(found) == len(set(found)) and set(found) <= set(sources)


def test_late_source_packets_complete_what_waited() -> None:
    sources, packets = protected(DRAFT, 6, masks.spread(6, 1))
    receiver = flexfec.Receiver(FEC_SSRC, [SSRC])
    assert receiver.recover([*packets[2:6], packets[6]]) == []
    assert receiver.recover([packets[0]]) == [sources[1]]


class TestRfc8627:
    def test_two_streams_under_one_repair_packet(self) -> None:
        dice = random.Random(4)
        first, second = frame(dice, 3, ssrc=1, first=100), frame(dice, 3, ssrc=2, first=65535)
        sources = [packet.build() for packet in first + second]
        (repair,) = flexfec.Sender(FEC_SSRC, PAYLOAD_TYPE, 0, RFC).protect(sources, [range(6)], 5)
        assert repair.csrcs == (1, 2)
        for lost in range(6):
            receiver = flexfec.Receiver(FEC_SSRC, [1, 2], RFC)
            assert receiver.recover([*without(sources, {lost}), repair.build()]) == [sources[lost]]
        with pytest.raises(ValueError, match="one stream"):
            flexfec.Sender(FEC_SSRC, PAYLOAD_TYPE, 0, DRAFT).protect(sources, [range(6)], 5)

    def test_fixed_rows_and_columns(self) -> None:
        assert Fixed(4, 0).offsets() == Fixed(4, 1).offsets() == (0, 1, 2, 3)
        assert Fixed(4, 3).offsets() == (0, 4, 8)
        sources = [packet.build() for packet in frame(random.Random(9), 12)]
        base = int.from_bytes(sources[1][2:4], "big")
        (combined,) = combine(sources, [(1, 5, 9)])
        payload = flexfec.build_fixed(base, Fixed(4, 3), combined)
        repair = flexfec.Sender(FEC_SSRC, PAYLOAD_TYPE, 0, RFC)._packet(payload, 0, (SSRC,)).build()
        receiver = flexfec.Receiver(FEC_SSRC, [SSRC], RFC)
        assert receiver.recover([*without(sources, {5}), repair]) == [sources[5]]

    def test_a_retransmission(self) -> None:
        sources = [packet.build() for packet in frame(random.Random(9), 3)]
        repair = flexfec.Sender(FEC_SSRC, PAYLOAD_TYPE, 0, RFC).retransmit(sources[1], 6).build()
        receiver = flexfec.Receiver(FEC_SSRC, [SSRC], RFC)
        assert receiver.recover([sources[0], sources[2], repair, repair]) == [sources[1]]
        assert receiver.counts.useless == 1
        with pytest.raises(ValueError, match="8627"):
            flexfec.Sender(FEC_SSRC, PAYLOAD_TYPE, 0).retransmit(sources[1], 6)


def test_repair_packets_of_other_streams_are_malformed_for_us() -> None:
    sources, packets = protected(DRAFT, 4, masks.spread(4, 1))
    receiver = flexfec.Receiver(FEC_SSRC, [SSRC + 1])
    assert receiver.recover(packets) == [] and receiver.counts.malformed == 1
    assert sources


def test_contradicting_repair_packets_give_nothing_and_end() -> None:
    sources, packets = protected(DRAFT, 4, ((0, 1), (1, 2), (0, 2, 3), (0, 1, 3)))
    spoilt = [packet[:-3] + bytes(3) if index >= 4 else packet for index, packet in enumerate(packets)]
    receiver = flexfec.Receiver(FEC_SSRC, [SSRC])
    receiver.recover(spoilt[4:])
    assert len(receiver.recover([spoilt[3]])) <= 3
    assert sources


@given(
    st.sampled_from(list(Layout)),
    st.lists(st.tuples(st.booleans(), st.binary(max_size=70)), max_size=30),
)
def test_garbage_gives_no_fault_and_is_counted(layout: Layout, datagrams: list[tuple[bool, bytes]]) -> None:
    """Half of it with the headers of a repair packet or of a source packet."""
    receiver = flexfec.Receiver(FEC_SSRC, [SSRC], layout)
    for repair, data in datagrams:
        ssrc = FEC_SSRC if repair else SSRC
        first = 0x81 if repair and layout is RFC else 0x80
        packet = bytes([first, 96]) + data[:2].ljust(2, b"\0") + bytes(4) + ssrc.to_bytes(4, "big")
        if first == 0x81:
            packet += SSRC.to_bytes(4, "big")
        elif repair:
            data = data[:8] + b"\1\0\0\0" + SSRC.to_bytes(4, "big") + b"\0\0" + data[8:]  # noqa: PLW2901
        receiver.recover([packet + data, data])
    counts = receiver.counts
    assert counts.recovered + counts.malformed + counts.useless <= 3 * len(datagrams)


def test_what_waits_is_bounded() -> None:
    sender = flexfec.Sender(FEC_SSRC, PAYLOAD_TYPE, 0)
    receiver = flexfec.Receiver(FEC_SSRC, [SSRC])
    for block in range(300):
        sources = [packet.build() for packet in frame(random.Random(block), 5, first=block * 5)]
        receiver.recover([packet.build() for packet in sender.protect(sources, masks.spread(5, 2), 0)][:1])
    recovery = receiver._recovery
    assert len(recovery._waiting) == 192
    assert len(recovery._bits) <= MISSING
