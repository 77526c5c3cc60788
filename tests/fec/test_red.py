from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.fec import red
from slidewire.fec.red import Block
from slidewire.rtp.packet import Packet

RED, OPUS = 63, 111


def audio(count: int, first: int = 65534, size: int = 20) -> list[Packet]:
    dice = random.Random(2)
    return [
        Packet(OPUS, (first + index) & 0xFFFF, (960 * index - 960) & 0xFFFFFFFF, 5, dice.randbytes(size))
        for index in range(count)
    ]


def test_rfc_2198_section_5_the_example() -> None:
    """A primary block of DVI4 (PT 5) and a redundant one of LPC (PT 7), 14 bytes long; the field values of the RFC's
    picture, with a timestamp offset of 1000."""
    payload = red.build([Block(7, 1000, b"l" * 14), Block(5, 0, b"d" * 84)])
    assert payload[:5] == bytes([0x87, 1000 >> 6, (1000 & 0x3F) << 2 | 14 >> 8, 14, 5])
    assert red.parse(payload) == (Block(7, 1000, b"l" * 14), Block(5, 0, b"d" * 84))


def test_a_video_packet_is_one_block() -> None:
    packet = Packet(96, 1, 2, 3, b"vp8", marker=True)
    wrapped = red.wrap(packet, 118)
    assert wrapped == packet._replace(payload_type=118, payload=b"\x60vp8")
    assert red.unwrap(wrapped) == packet


@pytest.mark.parametrize("payload", [b"", b"\xef", b"\xef\x00\x00", b"\xef\x00\x00\x02", b"\xef\x00\x00\x02\x60a"])
def test_cut_off_payloads(payload: bytes) -> None:
    assert red.parse(payload) is None
    assert red.unwrap(Packet(RED, 0, 0, 0, payload)) is None


def test_blocks_that_do_not_fit_are_refused() -> None:
    for block in (Block(1, 1 << 14, b""), Block(1, -1, b""), Block(1, 0, bytes(1024))):
        with pytest.raises(ValueError, match="1023"):
            red.build([block, Block(1, 0, b"")])


@given(st.lists(st.builds(Block, st.integers(0, 127), st.integers(0, 16383), st.binary(max_size=50)), max_size=9),
       st.integers(0, 127), st.binary(max_size=50))  # fmt: skip
def test_what_is_built_is_parsed(redundant: list[Block], payload_type: int, data: bytes) -> None:
    blocks = (*redundant, Block(payload_type, 0, data))
    assert red.parse(red.build(blocks)) == blocks


@given(st.binary(max_size=60))
def test_garbage_is_refused_or_read(payload: bytes) -> None:
    blocks = red.parse(payload)
    assert blocks is None or sum(len(block.data) for block in blocks) < len(payload)


class TestAudio:
    def test_distance_one_survives_every_other_loss(self) -> None:
        packets = audio(20)
        sender, receiver = red.Sender(RED), red.Receiver(RED)
        sent = [sender.protect(packet) for packet in packets]
        arrived = [packet for index, packet in enumerate(sent) if index % 2 == 0]
        assert receiver.recover(arrived) == [packet for index, packet in enumerate(packets) if index % 2 and index < 19]
        assert [red.unwrap(packet) for packet in arrived] == packets[::2]

    def test_distance_three_survives_bursts_of_three(self) -> None:
        packets = audio(12)
        sender, receiver = red.Sender(RED, distance=3), red.Receiver(RED)
        sent = [sender.protect(packet) for packet in packets]
        assert receiver.recover([sent[0], sent[4], sent[5], sent[9]]) == packets[1:4] + packets[6:9]
        assert receiver.counts.recovered == 6 and receiver.counts.useless == 3

    def test_reordered_packets_are_not_given_twice(self) -> None:
        packets = audio(3)
        sender, receiver = red.Sender(RED), red.Receiver(RED)
        first, second, third = [sender.protect(packet) for packet in packets]
        assert receiver.recover([first, third]) == packets[1:2]
        assert receiver.recover([second]) == []

    def test_after_a_gap_only_neighbours_are_repeated(self) -> None:
        """Else the receiver, which counts blocks, would take them for other packets."""
        sender = red.Sender(RED, distance=3)
        packets = audio(5)
        for index in (0, 1, 3):
            sender.protect(packets[index])
        blocks = red.parse(sender.protect(packets[4]).payload)
        assert blocks is not None and [block.data for block in blocks] == [packets[3].payload, packets[4].payload]

    def test_what_does_not_fit_the_header_is_left_out(self) -> None:
        sender = red.Sender(RED, distance=2)
        old, long, now = (
            Packet(OPUS, 1, 0, 5, b"a"),
            Packet(OPUS, 2, 960, 5, bytes(1024)),
            Packet(OPUS, 3, 1920, 5, b"c"),
        )
        for packet in (old, long):
            sender.protect(packet)
        assert sender.protect(now).payload == bytes([OPUS]) + b"c"
        sender = red.Sender(RED)
        sender.protect(old)
        assert sender.protect(Packet(OPUS, 2, 16384, 5, b"b")).payload == bytes([OPUS]) + b"b"

    def test_malformed_and_foreign_packets(self) -> None:
        receiver = red.Receiver(RED)
        assert receiver.recover([Packet(RED, 1, 0, 5, b"\xff"), Packet(OPUS, 2, 0, 5, b"\xff")]) == []
        assert receiver.counts.malformed == 1
