"""FlexFEC: XOR repair packets on a stream of their own. RFC 8627, and the draft -03 that browsers negotiate.

Both carry the recovery fields of slidewire.fec.parity, then for each protected stream where its packets are, then the
body. R, F and k differ in meaning:

    draft -03   |0|0|P|X|  CC   |M| PT recovery |        length recovery        |
                |                          TS recovery                          |
                |   SSRC count  |                    reserved                   |
      per SSRC: |                             SSRC                              |
                |            SN base            |k|         mask [0-14]         |   k = 1: the mask ends here
                |k|                       mask [15-45]                          |   likewise
                |k|                       mask [46-108], 63 bits                |   always 1

    RFC 8627    |0|0|P|X|  CC   |M| PT recovery |        length recovery        |   the protected SSRCs are the
                |                          TS recovery                          |   repair packet's CSRCs
      per CSRC: |            SN base            |k|         mask [0-14]         |   k = 1: the mask goes on
                |k|                       mask [15-45]                          |   likewise
                |                         mask [46-109], 64 bits                |
      F = 1:    |            SN base            |  L (columns)  |   D (rows)    |   instead of k and masks (§4.2.2.2)
      R = 1:    the packet after the first two bits is a source packet again      (§4.2.2.3)

What libwebrtc does not read (R, F, other than one SSRC in the draft) is not written in the draft's layout.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from slidewire.fec.parity import RECOVERY_BYTES, Rows, combine
from slidewire.fec.recovery import Counts, Recovery
from slidewire.rtp import packet as rtp
from slidewire.rtp.extensions import without

_WORDS: Final = ((15, 2), (31, 4), (64, 8))
"""Bits of the mask in each word of it, and the word's bytes. The draft's last word has a bit less."""


class Layout(Enum):
    DRAFT_03 = 109
    RFC_8627 = 110

    @property
    def reach(self) -> int:
        """Sequence numbers that a mask covers."""
        return self.value


class Under(NamedTuple):
    """Which packets of one stream are under a repair packet."""

    ssrc: int
    base: int
    offsets: tuple[int, ...]


class Fixed(NamedTuple):
    """RFC 8627 §4.2.2.2: the packets of a row (D is 0 or 1) or of a column (D above 1) of a block L packets wide."""

    columns: int
    rows: int

    def offsets(self) -> tuple[int, ...]:
        """None for no columns, which is reserved."""
        if self.rows > 1 and self.columns:
            return tuple(range(0, self.columns * self.rows, self.columns))
        return tuple(range(self.columns))


class Repair(NamedTuple):
    """What a repair packet says, without the RTP header around it."""

    under: tuple[Under, ...]
    combined: bytes
    retransmitted: bytes | None = None
    """§4.2.2.3: the packet is a source packet again; then the others are empty."""


def build(layout: Layout, under: Sequence[Under], combined: bytes) -> bytes:
    """A repair packet's payload. ValueError if a mask does not reach that far."""
    parts = [bytes([combined[0] & 0x3F]), combined[1:RECOVERY_BYTES]]
    if layout is Layout.DRAFT_03:
        if len(under) != 1:
            raise ValueError("in the draft's layout a repair packet protects one stream: no browser reads another")
        parts.append(struct.pack("!B3xI", 1, under[0].ssrc))
    for _, base, offsets in under:
        parts += (base.to_bytes(2, "big"), _write_mask(layout, offsets))
    return b"".join((*parts, combined[RECOVERY_BYTES:]))


def build_fixed(base: int, fixed: Fixed, combined: bytes) -> bytes:
    """The same for a row or a column (RFC 8627 only), which needs no mask."""
    head = bytes([combined[0] & 0x3F | 0x40]) + combined[1:RECOVERY_BYTES]
    return head + struct.pack("!HBB", base, fixed.columns, fixed.rows) + combined[RECOVERY_BYTES:]


def build_retransmission(source: bytes) -> bytes:
    """A source packet as a repair packet's payload (RFC 8627 only)."""
    return bytes([source[0] & 0x3F | 0x80]) + source[1:]


def parse(layout: Layout, payload: bytes, csrcs: Sequence[int] = ()) -> Repair | None:
    """None if it is cut off, or of a form that is not for us. `csrcs`: the repair packet's own, for RFC 8627."""
    if len(payload) < 12:
        return None
    retransmission, fixed = payload[0] & 0x80, payload[0] & 0x40
    at = RECOVERY_BYTES
    if layout is Layout.DRAFT_03:
        if retransmission or fixed or payload[8] == 0:
            return None
        at = 12
        count = payload[8]
    elif retransmission:
        return None if fixed else Repair((), b"", bytes([payload[0] & 0x3F | 0x80]) + payload[1:])
    else:
        count = len(csrcs)
    streams = []
    for index in range(count):
        ssrc = csrcs[index] if layout is Layout.RFC_8627 else int.from_bytes(payload[at : at + 4], "big")
        at += 4 * (layout is Layout.DRAFT_03)
        if at + 4 > len(payload):
            return None
        base = int.from_bytes(payload[at : at + 2], "big")
        at += 2
        if fixed:
            offsets = Fixed(payload[at], payload[at + 1]).offsets()
            at += 2
        else:
            mask = _read_mask(layout, payload, at)
            if mask is None:
                return None
            offsets, at = mask
        streams.append(Under(ssrc, base, offsets))
    if not any(stream.offsets for stream in streams):
        return None
    return Repair(tuple(streams), payload[:RECOVERY_BYTES] + payload[at:])


def _write_mask(layout: Layout, offsets: Sequence[int]) -> bytes:
    if not offsets or min(offsets) < 0 or max(offsets) >= layout.reach:
        raise ValueError(f"a mask reaches over {layout.reach} sequence numbers, and covers one at least")
    words = []
    first = 0
    for bits, size in _WORDS:
        with_k = size < 8 or layout is Layout.DRAFT_03
        width = 8 * size - with_k
        word = sum(1 << width - 1 - (offset - first) for offset in offsets if first <= offset < first + bits)
        first += bits
        last = first > max(offsets)
        if with_k and last == (layout is Layout.DRAFT_03):
            word |= 1 << width
        words.append(word.to_bytes(size, "big"))
        if last:
            break
    return b"".join(words)


def _read_mask(layout: Layout, payload: bytes, at: int) -> tuple[tuple[int, ...], int] | None:
    """The offsets, and where what follows the mask begins."""
    offsets: list[int] = []
    first = 0
    for bits, size in _WORDS:
        if at + size > len(payload):
            return None
        word = int.from_bytes(payload[at : at + size], "big")
        at += size
        with_k = size < 8 or layout is Layout.DRAFT_03
        width = 8 * size - with_k
        offsets.extend(first + bit for bit in range(width) if word >> width - 1 - bit & 1)
        first += bits
        if with_k and (word >> width & 1) == (layout is Layout.DRAFT_03):
            return tuple(offsets), at
        if not with_k:
            return tuple(offsets), at
    return None  # the draft's last word without its k: a mask that does not end


@dataclass(slots=True)
class Sender:
    """Repair packets for source packets of one stream (either layout) or of several (RFC 8627)."""

    ssrc: int
    payload_type: int
    sequence_number: int
    """Of the next repair packet."""
    layout: Layout = Layout.DRAFT_03
    mutable: Mapping[int, int] = field(default_factory=dict)

    def protect(self, source_packets: Sequence[bytes], rows: Rows, timestamp: int) -> list[rtp.Packet]:
        """Source packets are in their order; `rows` says which are under which repair packet."""
        packets = [without(packet, self.mutable) for packet in source_packets]
        names = [(int.from_bytes(packet[8:12], "big"), int.from_bytes(packet[2:4], "big")) for packet in packets]
        repairs = []
        for row, combined in zip(rows, combine(packets, rows), strict=True):
            under = _under([names[index] for index in row])
            csrcs = tuple(stream.ssrc for stream in under) if self.layout is Layout.RFC_8627 else ()
            payload = build(self.layout, under, combined)
            repairs.append(self._packet(payload, timestamp, csrcs))
        return repairs

    def retransmit(self, source: bytes, timestamp: int) -> rtp.Packet:
        """RFC 8627 §4.2.2.3. ValueError in the draft's layout, which no browser would read."""
        if self.layout is not Layout.RFC_8627:
            raise ValueError("retransmissions are of RFC 8627's layout")
        return self._packet(build_retransmission(source), timestamp, (int.from_bytes(source[8:12], "big"),))

    def _packet(self, payload: bytes, timestamp: int, csrcs: tuple[int, ...]) -> rtp.Packet:
        number = self.sequence_number
        self.sequence_number = (number + 1) & 0xFFFF
        return rtp.Packet(self.payload_type, number, timestamp, self.ssrc, payload, csrcs=csrcs)


def _under(names: Iterable[tuple[int, int]]) -> tuple[Under, ...]:
    """Grouped by stream; a stream's base is its first packet's sequence number."""
    streams: dict[int, list[int]] = {}
    for ssrc, number in names:
        streams.setdefault(ssrc, []).append(number)
    return tuple(
        Under(ssrc, numbers[0], tuple((number - numbers[0]) & 0xFFFF for number in numbers))
        for ssrc, numbers in streams.items()
    )


class Receiver:
    """Takes the packets of a repair stream and of the streams that it protects, as they came."""

    def __init__(
        self,
        ssrc: int,
        sources: Iterable[int],
        layout: Layout = Layout.DRAFT_03,
        mutable: Mapping[int, int] | None = None,
    ) -> None:
        self.ssrc, self.layout = ssrc, layout
        self.sources = frozenset(sources)
        self._recovery = Recovery(mutable or {})

    @property
    def counts(self) -> Counts:
        return self._recovery.counts

    def recover(self, received: Iterable[bytes]) -> list[bytes]:
        """Source packets that did not come. Packets of other streams are passed over."""
        found: list[bytes] = []
        for data in received:
            packet = rtp.parse(data)
            if packet is None:
                self.counts.malformed += 1
            elif packet.ssrc in self.sources:
                found += self._recovery.source(data)
            elif packet.ssrc == self.ssrc:
                found += self._repair(packet)
        return found

    def _repair(self, packet: rtp.Packet) -> list[bytes]:
        repair = parse(self.layout, packet.payload, packet.csrcs)
        if repair is None or any(stream.ssrc not in self.sources for stream in repair.under):
            self.counts.malformed += 1
            return []
        if repair.retransmitted is None:
            return self._recovery.repair(repair.under, repair.combined)
        source = rtp.parse(repair.retransmitted)
        if source is None or source.ssrc not in self.sources:
            self.counts.malformed += 1
            return []
        return self._recovery.again(repair.retransmitted)
