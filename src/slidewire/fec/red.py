"""RED, redundant data (RFC 2198): several blocks in one RTP payload, older ones first, the packet's own last.

    |1|   block PT  |   timestamp offset (14)   | block length (10) |   a redundant block's header
    |0|   block PT  |                                                  the primary block's

Audio carries its last packets again (RFC 2198's own use). Video has one block per packet, and RED only says whether it
is media or ULPFEC; both then share one SSRC and one sequence-number space.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from slidewire.fec.recovery import Counts
from slidewire.rtp import packet as rtp
from slidewire.rtp.sequence import Unwrapper

LONGEST_OFFSET: Final = (1 << 14) - 1
LONGEST_BLOCK: Final = (1 << 10) - 1


class Block(NamedTuple):
    payload_type: int
    timestamp_offset: int
    """How much older it is than the packet that carries it; 0 for the primary block."""
    data: bytes


def parse(payload: bytes) -> tuple[Block, ...] | None:
    """The blocks, the primary one last. None if the payload is cut off."""
    heads: list[tuple[int, int, int]] = []
    at = 0
    while at < len(payload) and payload[at] & 0x80:
        if at + 4 > len(payload):
            return None
        rest = int.from_bytes(payload[at + 1 : at + 4], "big")
        heads.append((payload[at] & 0x7F, rest >> 10, rest & 0x3FF))
        at += 4
    if at >= len(payload):
        return None
    primary = payload[at] & 0x7F
    at += 1
    blocks = []
    for payload_type, offset, length in heads:
        if at + length > len(payload):
            return None
        blocks.append(Block(payload_type, offset, payload[at : at + length]))
        at += length
    return (*blocks, Block(primary, 0, payload[at:]))


def build(blocks: Sequence[Block]) -> bytes:
    """A payload of these, the last of which is the primary one. ValueError if a redundant block does not fit."""
    *redundant, primary = blocks
    heads = []
    for payload_type, offset, data in redundant:
        if not 0 <= offset <= LONGEST_OFFSET or len(data) > LONGEST_BLOCK:
            raise ValueError("a redundant block is at most 1023 bytes long and 16383 ticks old")
        heads.append(bytes([0x80 | payload_type]) + (offset << 10 | len(data)).to_bytes(3, "big"))
    return b"".join((*heads, bytes([primary.payload_type]), *(block.data for block in blocks)))


def wrap(packet: rtp.Packet, payload_type: int) -> rtp.Packet:
    """A packet in RED, on its own: what a video packet becomes where ULPFEC is negotiated."""
    return packet._replace(payload_type=payload_type, payload=bytes([packet.payload_type]) + packet.payload)


def unwrap(packet: rtp.Packet) -> rtp.Packet | None:
    """The packet that this RED packet is about, as it would have been without RED. None if it is malformed."""
    blocks = parse(packet.payload)
    if blocks is None:
        return None
    return packet._replace(payload_type=blocks[-1].payload_type, payload=blocks[-1].data)


class Sender:
    """Each audio packet with the `distance` ones before it.

    As libwebrtc does, older packets are left out that do not fit their header fields, and with them those before them:
    the receiver counts back one sequence number per block.
    """

    def __init__(self, payload_type: int, distance: int = 1) -> None:
        self.payload_type = payload_type
        self._last: deque[rtp.Packet] = deque(maxlen=distance)

    def protect(self, packet: rtp.Packet) -> rtp.Packet:
        blocks = [Block(packet.payload_type, 0, packet.payload)]
        expected = packet.sequence_number
        for older in reversed(self._last):
            expected = (expected - 1) & 0xFFFF
            offset = (packet.timestamp - older.timestamp) & 0xFFFFFFFF
            if older.sequence_number != expected or offset > LONGEST_OFFSET or len(older.payload) > LONGEST_BLOCK:
                break
            blocks.insert(0, Block(older.payload_type, offset, older.payload))
        self._last.append(packet)
        return packet._replace(payload_type=self.payload_type, payload=build(blocks))


class Receiver:
    """Finds in redundant blocks what did not come by itself.

    RFC 2198 does not carry the old packets' sequence numbers. Blocks are taken to be the packets right before, in
    order, which is how libwebrtc and `Sender` make them; the marker of a recovered packet is unknown and left unset.
    """

    def __init__(self, payload_type: int, remember: int = 128) -> None:
        self.payload_type = payload_type
        self.counts = Counts()
        self._seen: dict[int, None] = {}
        self._remember = remember
        self._unwrapper = Unwrapper()

    def recover(self, received: Iterable[rtp.Packet]) -> list[rtp.Packet]:
        """Packets that had not come so far, as they were before RED; not those that `unwrap` gives."""
        found: list[rtp.Packet] = []
        for packet in received:
            here = self._unwrapper.unwrap(packet.sequence_number)
            self._note(here)
            if packet.payload_type != self.payload_type:
                continue
            blocks = parse(packet.payload)
            if blocks is None:
                self.counts.malformed += 1
                continue
            before = blocks[:-1]
            self.counts.repairs += len(before)
            for back, block in zip(range(len(before), 0, -1), before, strict=True):
                if here - back in self._seen or not block.data:
                    self.counts.useless += 1
                    continue
                self._note(here - back)
                self.counts.recovered += 1
                found.append(
                    rtp.Packet(
                        block.payload_type,
                        (here - back) & 0xFFFF,
                        (packet.timestamp - block.timestamp_offset) & 0xFFFFFFFF,
                        packet.ssrc,
                        block.data,
                        csrcs=packet.csrcs,
                    )
                )
        return found

    def _note(self, place: int) -> None:
        self._seen[place] = None
        if len(self._seen) > self._remember:
            del self._seen[next(iter(self._seen))]
