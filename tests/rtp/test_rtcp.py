from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.rtp import rtcp
from slidewire.rtp.rtcp import Compound, build, parse
from tests.rtp.feedback import feedback


def only(text: str) -> rtcp.Rtcp:
    compound = parse(bytes.fromhex(text))
    assert compound.malformed == 0
    (packet,) = compound.packets
    return packet


class TestVectors:
    """Bytes and their meaning from libwebrtc's unit tests (rtcp_packet/*_unittest.cc)."""

    NACK = "81cd0003 12345678 23456789 00008085"
    NACK_WRAPPED = "81cd0006 12345678 23456789 ffdc8000 fffe0017 00140000 00640000"
    REMB = "8fce0007 12345678 00000000 52454d42 0307fb93 23456789 2345678a 2345678b"

    def test_nack(self) -> None:
        nack = rtcp.Nack(0x12345678, 0x23456789, (0, 1, 3, 8, 16))
        assert only(self.NACK) == nack
        assert build([nack]).hex() == self.NACK.replace(" ", "")

    def test_nack_across_the_wrap(self) -> None:
        lost = (0xFFDC, 0xFFEC, 0xFFFE, 0xFFFF, 0x0000, 0x0001, 0x0003, 0x0014, 0x0064)
        nack = rtcp.Nack(0x12345678, 0x23456789, lost)
        assert only(self.NACK_WRAPPED) == nack
        assert build([nack]).hex() == self.NACK_WRAPPED.replace(" ", "")

    def test_remb(self) -> None:
        remb = rtcp.Remb(0x12345678, 522022, (0x23456789, 0x2345678A, 0x2345678B))
        assert only(self.REMB) == remb
        assert build([remb]).hex() == self.REMB.replace(" ", "")

    def test_remb_too_large_for_its_mantissa(self) -> None:
        remb = rtcp.Remb(1, 0x3FB93 << 30, ())
        assert parse(build([remb])) == Compound((remb,), 0)

    def test_picture_loss(self) -> None:
        assert only("81ce0002 12345678 23456789") == rtcp.PictureLoss(0x12345678, 0x23456789)

    def test_nack_without_items_is_malformed(self) -> None:
        assert parse(bytes.fromhex("81cd0002 12345678 23456789")) == Compound((), 1)


def test_a_report_with_negative_losses() -> None:
    block = rtcp.ReportBlock(ssrc=9, fraction_lost=255, lost=-3, highest_sequence=70000, jitter=4, last_sender_report=5,
                             delay_since_last=6)  # fmt: skip
    report = rtcp.SenderReport(1, 0x83AA7E80_80000000, 90000, 10, 11, (block,))
    data = build([report])
    assert data[:2] == b"\x81\xc8" and data[32:36] == b"\xff\xff\xff\xfd"
    assert parse(data) == Compound((report,), 0)


def test_losses_that_do_not_fit_stay_at_the_end_of_the_field() -> None:
    block = rtcp.ReportBlock(1, 0, 1 << 30, 0, 0, 0, 0)
    (report,) = parse(build([rtcp.ReceiverReport(1, (block,))])).packets
    assert isinstance(report, rtcp.ReceiverReport) and report.blocks[0].lost == 0x7FFFFF


def test_a_compound_with_what_we_do_not_know() -> None:
    app = rtcp.Unknown(204, 3, b"\0\0\0\x01name")
    packets = (rtcp.ReceiverReport(1), rtcp.SourceDescription(1, "host"), app, rtcp.Goodbye((1, 2)))
    assert parse(build(packets)) == Compound(packets, 0)


def test_one_malformed_packet_does_not_hide_the_next() -> None:
    good = build([rtcp.PictureLoss(1, 2)])
    short_report = bytes.fromhex("82c90001 00000001")  # two blocks promised
    assert parse(short_report + good) == Compound((rtcp.PictureLoss(1, 2),), 1)


def test_a_length_that_leads_astray_ends_it() -> None:
    good = build([rtcp.PictureLoss(1, 2)])
    assert parse(good + b"\x81\xce\x00\x09" + good) == Compound((rtcp.PictureLoss(1, 2),), 1)


def test_padding_is_taken_off() -> None:
    assert only("a1ce0003 00000001 00000002 00000004") == rtcp.PictureLoss(1, 2)
    assert parse(bytes.fromhex("a1ce0003 00000001 00000002 00000044")).malformed == 1
    assert parse(bytes.fromhex("a0c90000")).malformed == 1


word = st.integers(0, 0xFFFFFFFF)
short = st.integers(0, 0xFFFF)
blocks = st.lists(
    st.builds(rtcp.ReportBlock, word, st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), word, word, word, word),
    max_size=31,
).map(tuple)
kinds: st.SearchStrategy[rtcp.Rtcp] = st.one_of(
    st.builds(rtcp.SenderReport, word, st.integers(0, 2**64 - 1), word, word, word, blocks),
    st.builds(rtcp.ReceiverReport, word, blocks),
    st.builds(rtcp.SourceDescription, word, st.text(max_size=60)),
    st.builds(rtcp.Goodbye, st.lists(word, max_size=31).map(tuple)),
    st.builds(rtcp.PictureLoss, word, word),
    st.builds(rtcp.FullIntraRequest, word, st.lists(st.tuples(word, st.integers(0, 255)), max_size=9).map(tuple)),
    st.builds(rtcp.Remb, word, st.integers(0, 0x3FFFF), st.lists(word, max_size=9).map(tuple)),
    st.builds(
        feedback,
        word,
        word,
        short,
        st.integers(-0x800000, 0x7FFFFF),
        st.integers(0, 255),
        st.lists(st.none() | st.integers(-0x8000, 0x7FFF) | st.integers(0, 255), min_size=1, max_size=60).map(tuple),
    ),
)


@given(st.lists(kinds, max_size=5))
def test_what_is_built_is_parsed(packets: list[rtcp.Rtcp]) -> None:
    data = build(packets)
    assert len(data) % 4 == 0
    assert parse(data) == Compound(tuple(packets), 0)


@given(short, st.sets(st.integers(0, 300), min_size=1))
def test_nacks_name_the_same_packets(first: int, ahead: set[int]) -> None:
    lost = tuple((first + distance) & 0xFFFF for distance in sorted(ahead))
    assert parse(build([rtcp.Nack(1, 2, lost)])) == Compound((rtcp.Nack(1, 2, lost),), 0)


@given(st.binary(max_size=120))
def test_garbage_is_counted(data: bytes) -> None:
    compound = parse(data)
    assert bool(data) == bool(compound.packets or compound.malformed)


@given(st.sampled_from([200, 201, 202, 203, 205, 206]), st.integers(0, 63), st.binary(max_size=80))
def test_every_whole_packet_of_garbage_is_understood_or_counted(type_: int, first: int, body: bytes) -> None:
    body += bytes(-len(body) % 4)
    compound = parse(struct.pack("!BBH", 0x80 | first, type_, len(body) // 4) + body)
    assert len(compound.packets) + compound.malformed == 1


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(struct.error):
        build([rtcp.PictureLoss(-1, 0)])
