from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.fec import masks, red, ulpfec
from slidewire.fec.parity import combine
from slidewire.rtp.packet import Packet
from tests.fec.packets import SSRC, frame, without

RED, ULPFEC = 118, 120


def test_libwebrtcs_small_header() -> None:
    """Field values of its ulpfec_header_reader_writer_unittest.cc, ReadsSmallHeader; there the protection length is
    made up, here it is the payload's."""
    repair = ulpfec.parse(bytes.fromhex("0012abcd 12345678 abcd0004 3344 00000000"))
    assert repair is not None
    assert repair.base == 0xABCD
    assert repair.offsets == (2, 3, 6, 7, 9, 13)
    assert repair.combined == bytes.fromhex("0012 abcd 12345678 00000000")


def test_libwebrtcs_large_header() -> None:
    """The same, ReadsLargeHeader."""
    repair = ulpfec.parse(bytes.fromhex("4012abcd 12345678 abcd0004 334455667788 00000000"))
    assert repair is not None
    assert (repair.base, repair.combined[:2]) == (0xABCD, b"\x40\x12")
    assert repair.offsets[:6] == (2, 3, 6, 7, 9, 13) and repair.offsets[-1] == 44


def test_rfc_5109_section_10_1_the_example() -> None:
    """Four packets A to D under one repair packet; the RFC prints its header's fields (§10.1)."""
    lengths_and_times = ((200, 3), (140, 5), (100, 7), (340, 9))
    packets = [
        Packet(payload_type, 8 + index, time, 2, bytes(length), marker=marker).build()
        for index, ((length, time), payload_type, marker) in enumerate(
            zip(lengths_and_times, (11, 18, 11, 18), (True, False, True, False), strict=True)
        )
    ]
    (combined,) = combine(packets, [(0, 1, 2, 3)])
    data = ulpfec.Repair(8, (0, 1, 2, 3), combined).build()
    assert data[0] & 0x3F == 0, "P, X and CC recovery are 0"
    assert data[1] == 0, "so are M and PT recovery"
    assert data[2:4] == b"\x00\x08", "SN base is 8"
    assert int.from_bytes(data[4:8], "big") == 8, "TS recovery"
    assert int.from_bytes(data[8:10], "big") == 372, "length recovery"
    assert int.from_bytes(data[10:12], "big") == 340, "protection length"
    assert data[12:14] == b"\xf0\x00", "mask"


@pytest.mark.parametrize("padding", [0, 4, 255])
def test_one_packet_alone_comes_back_with_its_padding(padding: int) -> None:
    """RFC 5109 §7.3, §8.1: the P bit is recovered, and padding is part of what is protected and of its length."""
    packet = Packet(96, 65535, 90_000, SSRC, b"slide", marker=True, padding=padding)
    (repair,) = ulpfec.Sender(RED, ULPFEC).protect([packet.build()], [(0,)], 0)
    inner = red.unwrap(repair)
    assert inner is not None and inner.payload[0] == 0x20 * bool(padding)
    assert int.from_bytes(inner.payload[8:10], "big") == len(b"slide") + padding
    assert ulpfec.Receiver(RED, ULPFEC).recover([repair.build()]) == [packet.build()]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0012abcd 12345678 abcd0000 33",
        "8012abcd 12345678 abcd0004 3344 00000000",  # E
        "0012abcd 12345678 abcd0004 0000 00000000",  # covers nothing
        "0012abcd 12345678 abcd0005 3344 00000000",  # longer than it is
        "4012abcd 12345678 abcd0000 3344",
    ],
)
def test_what_is_no_repair_packet(text: str) -> None:
    assert ulpfec.parse(bytes.fromhex(text)) is None


def sent(k: int, m: int, mutable: dict[int, int] | None = None) -> tuple[list[bytes], list[bytes]]:
    """Source packets without RED; and everything in RED as it is sent."""
    sources = frame(random.Random(k * 100 + m), k)
    repairs = ulpfec.Sender(RED, ULPFEC, mutable or {}).protect(
        [packet.build() for packet in sources], masks.spread(k, m), (sources[-1].sequence_number + 1) & 0xFFFF
    )
    media = [red.wrap(packet, RED) for packet in sources]
    return [packet.build() for packet in sources], [packet.build() for packet in (*media, *repairs)]


@pytest.mark.parametrize(("k", "m"), [(1, 1), (3, 1), (4, 2), (12, 4), (20, 5), (48, 12)])
def test_each_loss_is_recovered_byte_for_byte(k: int, m: int) -> None:
    sources, packets = sent(k, m)
    for lost in range(k):
        receiver = ulpfec.Receiver(RED, ULPFEC)
        assert receiver.recover(without(packets, {lost})) == [sources[lost]]
        assert receiver.counts.malformed == 0


def test_each_pair_that_is_recovered_is_right() -> None:
    sources, packets = sent(10, 5)
    whole = 0
    for pair in itertools.combinations(range(15), 2):
        found = ulpfec.Receiver(RED, ULPFEC).recover(without(packets, pair))
        wanted = [sources[index] for index in pair if index < 10]
        assert set(found) <= set(wanted)
        whole += len(found) == len(wanted)
    assert whole >= 100, "of 105"


def test_the_repair_packet_looks_like_the_last_source_packet() -> None:
    sources = frame(random.Random(1), 4)
    (repair,) = ulpfec.Sender(RED, ULPFEC).protect([packet.build() for packet in sources], masks.spread(4, 1), 9)
    last = sources[-1]
    assert repair._replace(payload=b"") == last._replace(
        payload=b"", payload_type=RED, sequence_number=9, marker=False, padding=0
    )
    assert repair.payload[0] == ULPFEC


def test_media_without_red_counts_as_well() -> None:
    sources, packets = sent(4, 1)
    arrived = [sources[0], sources[2], packets[3], packets[4]]
    assert ulpfec.Receiver(RED, ULPFEC).recover(arrived) == [sources[1]]


def test_gaps_in_the_sequence_are_no_packets() -> None:
    """Repair packets share the sequence numbers: the next block's source packets need not follow each other."""
    first, last = frame(random.Random(5), 2, first=10), frame(random.Random(6), 2, first=30)
    sources = [packet.build() for packet in first + last]
    (repair,) = ulpfec.Sender(RED, ULPFEC).protect(sources, masks.spread(4, 1), 40)
    assert repair.payload[1] & 0x40, "a long mask"
    assert ulpfec.Receiver(RED, ULPFEC).recover([*sources[:3], repair.build()]) == [sources[3]]
    with pytest.raises(ValueError, match="48"):
        ulpfec.Sender(RED, ULPFEC).protect([sources[0], frame(random.Random(7), 1, first=58)[0].build()], [(0, 1)], 60)


def test_extensions_that_change_on_the_way_do_not_harm() -> None:
    sources, packets = sent(4, 1, {3: 0})
    arrived = [packet[:12] + packet[12:].replace(b"\x32", b"\x32", 1) for packet in without(packets, {1})]
    changed = bytearray(arrived[2])  # the fourth packet: no CSRC, extension of ID 3
    assert changed[16] == 0x32
    changed[17:20] = b"\xff\xff\xff"
    arrived[2] = bytes(changed)
    (found,) = ulpfec.Receiver(RED, ULPFEC, {3: 0}).recover(arrived)
    expected = bytearray(sources[1])
    expected[21:24] = bytes(3)  # one CSRC before its extension
    assert found == bytes(expected)


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_garbage_is_counted_and_gives_no_fault(datagrams: list[bytes]) -> None:
    receiver = ulpfec.Receiver(RED, ULPFEC)
    receiver.recover(datagrams)
    head = bytes([0x80, RED]) + bytes(6) + SSRC.to_bytes(4, "big") + bytes([ULPFEC])
    receiver.recover(head + data for data in datagrams)
    assert receiver.counts.recovered + receiver.counts.malformed <= 2 * len(datagrams)
