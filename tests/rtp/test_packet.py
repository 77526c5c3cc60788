from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.rtp.packet import Extension, Packet, is_rtcp, parse

# The bytes of libwebrtc's rtp_packet_unittest.cc (kPacket), with payload type 100 and sequence number 0x1234.
WHOLE = bytes.fromhex("b2641234 65431278 12345678 34567890 32435465 bede0001 120056ce 7061796c6f6164 70616464696e6708")


def test_every_part_of_a_packet() -> None:
    packet = parse(WHOLE)
    assert packet == Packet(
        payload_type=100,
        sequence_number=0x1234,
        timestamp=0x65431278,
        ssrc=0x12345678,
        payload=b"payload",
        csrcs=(0x34567890, 0x32435465),
        extension=Extension(0xBEDE, b"\x12\x00\x56\xce"),
        padding=8,
    )
    assert packet.build() == WHOLE[:-8] + bytes(7) + b"\x08"


def test_the_smallest_packet() -> None:
    data = bytes.fromhex("80e41234654312781234 5678")
    packet = parse(data)
    assert packet == Packet(100, 0x1234, 0x65431278, 0x12345678, marker=True)
    assert packet.build() == data


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_no_packet_that_is_cut_off_makes_a_fault(end: int) -> None:
    cut = parse(WHOLE[:end])
    assert cut is None or cut.build()[: end - cut.padding] == WHOLE[: end - cut.padding]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        WHOLE[:11],
        b"\x40" + WHOLE[1:],
        WHOLE[:-1] + b"\x00",  # padding of no bytes
        WHOLE[:-1] + b"\xff",  # more padding than packet
        b"\x8f" + WHOLE[1:40],  # more CSRCs than packet
        WHOLE[:22] + b"\xff\xff" + WHOLE[24:],  # more extension than packet
    ],
)
def test_what_is_no_packet(data: bytes) -> None:
    assert parse(data) is None


@pytest.mark.parametrize(
    "packet",
    [
        Packet(128, 0, 0, 0),
        Packet(1, 65536, 0, 0),
        Packet(1, 0, 1 << 32, 0),
        Packet(1, 0, 0, 0, csrcs=(0,) * 16),
        Packet(1, 0, 0, 0, extension=Extension(0xBEDE, b"\0")),
        Packet(1, 0, 0, 0, padding=256),
    ],
)
def test_fields_that_do_not_fit_are_refused(packet: Packet) -> None:
    with pytest.raises(ValueError, match=r"fit|words|seven|bytes"):
        packet.build()


words = st.binary(max_size=24).map(lambda data: data + bytes(-len(data) % 4))
packets = st.builds(
    Packet,
    payload_type=st.integers(0, 127),
    sequence_number=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=60),
    marker=st.booleans(),
    csrcs=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
    extension=st.none() | st.builds(Extension, st.integers(0, 0xFFFF), words),
    padding=st.integers(0, 255),
)


@given(packets)
def test_what_is_built_is_parsed(packet: Packet) -> None:
    assert parse(packet.build()) == packet


@given(st.binary(max_size=80), st.booleans())
def test_garbage_is_none_or_builds_the_same_but_for_padding(data: bytes, looks_right: bool) -> None:
    if looks_right and data:
        data = bytes([0x80 | data[0] & 0x3F]) + data[1:]
    packet = parse(data)
    if packet is not None:
        assert packet.build()[: len(data) - packet.padding] == data[: len(data) - packet.padding]
        assert len(packet.build()) == len(data)


def test_rtcp_is_told_from_rtp() -> None:
    assert is_rtcp(bytes.fromhex("80c80006")) and is_rtcp(bytes.fromhex("8fcd0006"))
    assert not is_rtcp(WHOLE) and not is_rtcp(b"\x80") and not is_rtcp(bytes.fromhex("00c80006"))
