"""ULPFEC (RFC 5109) as libwebrtc sends and receives it: level 0 only, over whole packets, inside RED.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   |E|L|P|X|  CC   |M| PT recovery |            SN base            |
   |                          TS recovery                          |
   |        length recovery        |       protection length       |
   |             mask              |                               |   16 bits, or 48 if L is set

Source packets are those without RED: the media's own payload type, no RED header. A repair packet travels in RED with
the RTP header of the last source packet, its marker unset, and the next sequence number of the media.

A source packet's padding is under its repair packets (RFC 5109 §8.1: the length is that of CSRC list, extension,
payload and padding), and its P bit is recovered with it (§7.3). GStreamer 1.22 cannot recover padded packets, its own
encoder's as little as ours: its RED decoder takes padding off before the FEC decoder sees a packet. Nor does it recover
anything before it has seen a packet of the media.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from slidewire.fec import red
from slidewire.fec.parity import RECOVERY_BYTES, Rows, combine
from slidewire.fec.recovery import Counts, Recovery
from slidewire.rtp import packet as rtp
from slidewire.rtp.extensions import without

SHORT_MASK: Final = 16
LONG_MASK: Final = 48
_FIXED: Final = 12


class Repair(NamedTuple):
    """What a repair packet says, without RED and RTP around it."""

    base: int
    offsets: tuple[int, ...]
    combined: bytes
    """Recovery fields and body, in the order of slidewire.fec.parity."""

    def build(self) -> bytes:
        """ValueError if the mask does not reach that far."""
        width = SHORT_MASK if max(self.offsets) < SHORT_MASK else LONG_MASK
        if max(self.offsets) >= LONG_MASK:
            raise ValueError(f"a ULPFEC mask reaches over {LONG_MASK} sequence numbers")
        mask = sum(1 << width - 1 - offset for offset in self.offsets)
        first = self.combined[0] & 0x3F | (width == LONG_MASK) << 6
        return b"".join(
            (
                bytes((first, self.combined[1])),
                self.base.to_bytes(2, "big"),
                self.combined[4:8],
                self.combined[2:4],
                (len(self.combined) - RECOVERY_BYTES).to_bytes(2, "big"),
                mask.to_bytes(width // 8, "big"),
                self.combined[RECOVERY_BYTES:],
            )
        )


def parse(data: bytes) -> Repair | None:
    """None if it is cut off, extended (E is reserved), covers nothing, or protects only a part of the packets.

    Levels above 0 would follow level 0's payload; they are for unequal protection, and ignored.
    """
    if len(data) < _FIXED + 2 or data[0] & 0x80:
        return None
    width = LONG_MASK if data[0] & 0x40 else SHORT_MASK
    start = _FIXED + width // 8
    base, length, protected = struct.unpack_from("!2xH4xHH", data)
    mask = int.from_bytes(data[_FIXED:start], "big")
    body = data[start : start + protected]
    if not mask or len(data) < start or len(body) < protected:
        return None
    offsets = tuple(offset for offset in range(width) if mask >> width - 1 - offset & 1)
    return Repair(base, offsets, b"".join((data[:2], length.to_bytes(2, "big"), data[4:8], body)))


@dataclass(slots=True)
class Sender:
    red_payload_type: int
    payload_type: int
    mutable: Mapping[int, int] = field(default_factory=dict)

    def protect(self, source_packets: Sequence[bytes], rows: Rows, sequence_number: int) -> list[rtp.Packet]:
        """Repair packets in RED, the first with that sequence number, the others following.

        Source packets are of one SSRC, in their order, without RED; `rows` says which are under which repair packet.
        """
        packets = [without(packet, self.mutable) for packet in source_packets]
        last = rtp.parse(source_packets[-1])
        if last is None:
            raise ValueError("a source packet is no RTP packet")
        places = [int.from_bytes(packet[2:4], "big") for packet in packets]
        head = last._replace(payload_type=self.red_payload_type, marker=False, padding=0)
        repairs: list[rtp.Packet] = []
        for row, combined in zip(rows, combine(packets, rows), strict=True):
            offsets = tuple((places[index] - places[0]) & 0xFFFF for index in row)
            payload = bytes([self.payload_type]) + Repair(places[0], offsets, combined).build()
            number = (sequence_number + len(repairs)) & 0xFFFF
            repairs.append(head._replace(sequence_number=number, payload=payload))
        return repairs


class Receiver:
    """Takes RED packets of one SSRC as they came; packets of other payload types are source packets without RED."""

    def __init__(self, red_payload_type: int, payload_type: int, mutable: Mapping[int, int] | None = None) -> None:
        self.red_payload_type, self.payload_type = red_payload_type, payload_type
        self._recovery = Recovery(mutable or {})

    @property
    def counts(self) -> Counts:
        return self._recovery.counts

    def recover(self, received: Iterable[bytes]) -> list[bytes]:
        """Source packets that did not come, without RED."""
        found: list[bytes] = []
        for data in received:
            packet = rtp.parse(data)
            if packet is None:
                self.counts.malformed += 1
                continue
            if packet.payload_type != self.red_payload_type:
                found += self._recovery.source(data)
                continue
            inner = red.unwrap(packet)
            if inner is None:
                self.counts.malformed += 1
            elif inner.payload_type != self.payload_type:
                found += self._recovery.source(_without_red(data, packet, inner))
            else:
                repair = parse(inner.payload)
                if repair is None:
                    self.counts.malformed += 1
                else:
                    found += self._recovery.repair([(packet.ssrc, repair.base, repair.offsets)], repair.combined)
        return found


def _without_red(data: bytes, packet: rtp.Packet, inner: rtp.Packet) -> bytes:
    """The source packet's own bytes: padding included as it came, since it is under the repair packet as well."""
    end = len(data) - packet.padding
    return b"".join(
        (
            data[:1],
            bytes([data[1] & 0x80 | inner.payload_type]),
            data[2 : end - len(packet.payload)],
            inner.payload,
            data[end:],
        )
    )
