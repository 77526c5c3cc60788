"""One line to the page: frames become packets, lost packets are sent again, repair packets go along.

    send(frame)   → packets, for the pacer
    left(packet)  → a packet leaves: from now on it can be asked for again, and counts for its block of protection;
                    when the block is full, its repair packets
    nack(…)       → retransmissions (RFC 4588) of what was asked for

Packets are kept as they are before they leave: the header extensions that are stamped on leaving (send time,
transport-wide number) are zeros in them, which is how a receiver looks at packets when it recovers others from them.

A block is as many frames as `fec.policy` says, and ends early when it has as many packets as a mask reaches, or has
waited for the next frame longer than a block may last. While there is something to protect against, packets are made
smaller (`SMALL`): a mask over forty packets leaves far less lost than one over sixteen, at the same overhead.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from slidewire.fec import flexfec, policy, red
from slidewire.media.frames import Codec, Frame, Line
from slidewire.media.offer_answer import Format, Negotiated, Sources
from slidewire.media.pacer import Kind, Packet
from slidewire.media.packet_header import PacketHeader, SourceClock
from slidewire.rtp import h264, rtcp, vp8
from slidewire.rtp import packet as rtp

LARGEST: Final = 1200
"""Bytes of an RTP packet of ours, repair packets' included."""
FEC_HEADER: Final = 32
"""Bytes, at most, by which a repair packet is longer than the longest packet under it."""
SMALL: Final = 500
"""Bytes of a payload, at least, where packets are made smaller."""
PER_BLOCK: Final = 40
"""Packets that a block is to have, if packets of `SMALL` bytes make that many."""
KEPT_SECONDS: Final = 3.0
KEPT_PACKETS: Final = 2048
AGAIN_SHARE: Final = 0.3
AGAIN_AT_ONCE: Final = 50_000.0
"""Bytes of media that may be sent again for each that is sent, and at once: what a queue delays is asked for, too."""
STANDS_STILL: Final = 0.03
"""The share of time in which a picture would stand still, from which on the page waits for retransmissions: a round
trip for each packet that repair packets are expected to leave lost, which is on the safe side by twice and more."""
RETRANSMITTED_WITHIN: Final = 0.08
"""Seconds beyond a round trip: until the page asks, and until its answer has left."""
MOST_PATIENCE: Final = 0.5
PATIENT_FOR: Final = 10.0
KEY_EVERY: Final = 0.3
"""Seconds, at least, from one key frame that is asked of the source to the next."""
LIMITS: Final = policy.Limits()
_RED_FROM: Final = 0.01
"""Loss from which audio carries its last packets again."""


@dataclass(slots=True)
class Counts:
    frames: int = 0
    key_frames: int = 0
    dropped: int = 0
    """Frames that were not sent: the way is too narrow, or they could not be decoded without an earlier one."""
    packets: int = 0
    bytes: int = 0
    retransmitted: int = 0
    retransmitted_bytes: int = 0
    repairs: int = 0
    repair_bytes: int = 0
    nacks: int = 0
    key_requests: int = 0
    lost: int = 0
    """As the page reports: repaired ones are among them."""


@dataclass(slots=True)
class _Kept:
    packet: bytes
    at: float
    """When it last left."""


@dataclass(slots=True)
class _Average:
    """Of the last few dozen values."""

    value: float | None = None

    def take(self, value: float) -> None:
        self.value = value if self.value is None else self.value + (value - self.value) / 16


@dataclass(slots=True)
class _Block:
    packets: list[bytes] = field(default_factory=list)
    frames: int = 0
    began: float = 0.0


class RtpSender:
    def __init__(self, agreed: Negotiated, entropy: Callable[[int], bytes]) -> None:
        assert agreed.local is not None
        self.line: Line = agreed.line
        self.stamp = PacketHeader(agreed.extensions, agreed.mid)
        self.plan = policy.NOTHING
        self._limits = LIMITS
        self.patience = 0.0
        """Seconds for which the page is to hold pictures back, at least."""
        self._patient_at = -PATIENT_FOR
        self.counts = Counts()
        self.needs_key = agreed.line.is_video
        """What was sent so far cannot be gone on with."""
        self._agreed = agreed
        self._local: Sources = agreed.local
        self._formats = {each.codec: each for each in agreed.formats}
        self._number, self._rtx_number, fec_number, offset = struct.unpack("!HHHI", entropy(10))
        self._clock = SourceClock(offset)
        self._picture = offset & 0x7FFF
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._fec = flexfec.Sender(self._local.fec, agreed.flexfec, fec_number) if agreed.flexfec is not None else None
        self._block = _Block()
        self._redundancy: red.Sender | None = None
        self._distance = 0
        self._interval, self._size = _Average(), _Average()
        self._again_left = AGAIN_AT_ONCE
        self._key_at = -KEY_EVERY
        self._fir: int | None = None
        self._network = policy.Network(0.0, 1.0, 0.1)
        self._last: tuple[float, int, Frame, int] | None = None
        """When the last frame came, its RTP timestamp, it, and the clock rate."""
        self._longer = 1.1
        """Times that a repair packet is as long as the packets under it; the ceiling on overhead is meant in bytes."""
        self._reports: OrderedDict[int, float] = OrderedDict()
        """Sender reports: the middle of their time → when they left."""

    # --- Frames ---

    def send(self, frame: Frame, now: float) -> list[Packet]:
        """Its packets. None for a frame that the page could not use."""
        format_ = self._formats.get(frame.codec)
        if format_ is None or not frame.data or (self.needs_key and not frame.is_key):
            self.counts.dropped += 1
            return []
        if frame.is_key:
            self.needs_key = False
            self._key_at = now
        timestamp = self._clock.timestamp(frame.timestamp, frame.codec.clock_rate, now)
        if self._last is not None and frame.codec.is_video:
            self._interval.take(min(1.0, max(0.005, now - self._last[0])))
        if not frame.is_key:
            self._size.take(len(frame.data))
        self._last = (now, timestamp, frame, frame.codec.clock_rate)
        self.counts.frames += 1
        self.counts.key_frames += frame.is_key and frame.codec.is_video
        payloads = self._payloads(frame)
        kind = Kind.VIDEO if frame.codec.is_video else Kind.AUDIO
        last = len(payloads) - 1
        return [
            Packet(self.line, kind, self._packet(format_, payload, timestamp, index == last), index == last)
            for index, payload in enumerate(payloads)
        ]

    def drop(self) -> None:
        """A frame was not sent, for reasons of the connection's."""
        self.counts.dropped += 1
        self.needs_key = self.line.is_video

    def left(self, packet: Packet, now: float) -> list[Packet]:
        """A packet of `send`, `left` or `nack` leaves. Repair packets, if its block is full."""
        size = len(packet.data)
        if packet.kind is Kind.REPAIR:
            self.counts.repairs += 1
            self.counts.repair_bytes += size
        elif packet.kind is Kind.RETRANSMISSION:
            self.counts.retransmitted += 1
            self.counts.retransmitted_bytes += size
        else:
            self.counts.packets += 1
            self.counts.bytes += size
            if packet.kind is Kind.VIDEO:
                self._again_left = min(AGAIN_AT_ONCE, self._again_left + AGAIN_SHARE * size)
                self._keep(packet.data, now)
                return self._cover(packet, now)
        return []

    @property
    def payload_limit(self) -> int:
        """Bytes of a payload."""
        most = LARGEST - 12 - len(self.stamp.bytes) - FEC_HEADER * (self._fec is not None) - 2
        if not self.plan.frames or self._size.value is None:
            return most
        return max(SMALL, min(most, int(self._size.value * self.plan.frames / PER_BLOCK) + 8))

    def _payloads(self, frame: Frame) -> list[bytes]:
        match frame.codec:
            case Codec.VP8:
                self._picture = (self._picture + 1) & 0x7FFF
                return vp8.packetize(frame.data, self._picture, self.payload_limit)
            case Codec.H264:
                return h264.packetize(frame.data, self.payload_limit)
            case Codec.OPUS:
                return [frame.data]

    def _packet(self, format_: Format, payload: bytes, timestamp: int, marker: bool) -> bytes:
        number = self._number
        self._number = (number + 1) & 0xFFFF
        payload_type = format_.payload_type
        if not format_.codec.is_video:
            marker = False
            if self._redundancy is not None:
                plain = rtp.Packet(payload_type, number, timestamp, self._local.media, payload)
                wrapped = self._redundancy.protect(plain)
                payload_type, payload = wrapped.payload_type, wrapped.payload
        return self._built(payload_type, number, timestamp, self._local.media, payload, marker)

    def _built(self, payload_type: int, number: int, timestamp: int, ssrc: int, payload: bytes, marker: bool) -> bytes:
        first = 0x90 if self.stamp.bytes else 0x80
        head = struct.pack("!BBHII", first, marker << 7 | payload_type, number, timestamp, ssrc)
        return head + self.stamp.bytes + payload

    # --- What was lost ---

    def nack(self, numbers: tuple[int, ...], round_trip: float, now: float) -> list[Packet]:
        """What is asked for again within a round trip may be on its way already."""
        self.counts.nacks += 1
        found = []
        for number in numbers:
            kept = self._kept.get(number)
            if kept is not None and now - kept.at > 0.7 * round_trip and self._again_left > 0:
                kept.at = now
                self._again_left -= len(kept.packet)
                found.append(Packet(self.line, Kind.RETRANSMISSION, self._again(kept.packet)))
        return found

    def _again(self, packet: bytes) -> bytes:
        payload_type = next((each.rtx for each in self._agreed.formats if each.payload_type == packet[1] & 0x7F), None)
        if payload_type is None:
            return packet
        (timestamp,) = struct.unpack_from("!I", packet, 4)
        payload = packet[2:4] + packet[12 + len(self.stamp.bytes) :]
        number = self._rtx_number
        self._rtx_number = (number + 1) & 0xFFFF
        return self._built(payload_type, number, timestamp, self._local.rtx, payload, bool(packet[1] & 0x80))

    def _keep(self, packet: bytes, now: float) -> None:
        self._kept[int.from_bytes(packet[2:4], "big")] = _Kept(packet, now)
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if len(self._kept) <= KEPT_PACKETS and oldest.at > now - KEPT_SECONDS:
                break
            self._kept.popitem(last=False)

    # --- Protection ---

    def adapt(self, network: policy.Network, now: float) -> None:
        """What is known of the way, from time to time."""
        self._network = network
        if self.line.is_video and self._size.value is not None and self._interval.value is not None:
            limits = LIMITS._replace(overhead=LIMITS.overhead / self._longer)
            frames = max(1.0, int(limits.delay / self._interval.value))
            packets = self._size.value / max(SMALL, min(LARGEST, self._size.value * frames / PER_BLOCK))
            stream = policy.Stream(max(1.0, packets), self._interval.value)
            if self._fec is not None:
                self.plan, self._limits = policy.plan(network, stream, limits), limits
            self._adapt_patience(network, stream, now)
        if self._agreed.red is not None and not self.line.is_video:
            distance = 1 + (network.burst >= policy.SINGLE) + (network.burst >= 2 * policy.SINGLE)
            self._carry(distance if network.loss >= _RED_FROM else 0, self._agreed.red)

    def _carry(self, distance: int, payload_type: int) -> None:
        """How many of the packets before it each audio packet carries again."""
        if distance != self._distance:
            self._distance = distance
            self._redundancy = red.Sender(payload_type, distance) if distance else None

    def _adapt_patience(self, network: policy.Network, stream: policy.Stream, now: float) -> None:
        """Where repair packets leave so much lost that a picture would often stand still for a round trip, the page
        holds pictures back for as long: then what is retransmitted is in time."""
        left = network.loss
        if self.plan.frames and network.burst < policy.SINGLE:
            k = min(LIMITS.reach, max(1, round(self.plan.frames * stream.packets)))
            left = policy.expected(k, int(self.plan.overhead * k), network.loss)
        wanted = network.round_trip + RETRANSMITTED_WITHIN
        if (
            network.loss <= policy.QUIET
            or left * stream.packets / stream.interval * network.round_trip < STANDS_STILL
            or wanted > MOST_PATIENCE
        ):
            wanted = 0.0
        if wanted >= self.patience or now - self._patient_at > PATIENT_FOR:
            if wanted != self.patience and self.stamp.can_wait:
                self.patience = wanted
                self.stamp.wait(wanted)
            self._patient_at = now

    def get_timer(self) -> float | None:
        """When a block has waited long enough for its next frame."""
        return self._block.began + LIMITS.delay if self._block.packets else None

    def handle_timer(self, now: float) -> list[Packet]:
        timer = self.get_timer()
        return self._protected(now) if timer is not None and timer <= now else []

    def _cover(self, packet: Packet, now: float) -> list[Packet]:
        if self._fec is None or not self.plan.frames:
            self._block = _Block()
            return []
        block = self._block
        if not block.packets:
            block.began = now
        block.packets.append(packet.data)
        block.frames += packet.ends_frame
        is_full = len(block.packets) >= LIMITS.reach or block.frames >= self.plan.frames
        return self._protected(now) if is_full else []

    def _protected(self, now: float) -> list[Packet]:
        block, self._block = self._block, _Block()
        rows = self.plan.mask(len(block.packets), self._limits)
        if self._fec is None or not rows:
            return []
        timestamp = int.from_bytes(block.packets[-1][4:8], "big")
        made = self._fec.protect(block.packets, rows, timestamp)
        repairs = [repair._replace(extension=self.stamp.extension).build() for repair in made]
        longer = sum(map(len, repairs)) / len(repairs) * len(block.packets) / sum(map(len, block.packets))
        self._longer += (longer - self._longer) / 16
        step = self.plan.pace(self._interval.value or 0.033) / len(repairs)
        return [
            Packet(self.line, Kind.REPAIR, repair, not_before=now + step * index)
            for index, repair in enumerate(repairs)
        ]

    # --- RTCP ---

    def asked_for_key(self, now: float, fir: int | None = None) -> bool:
        """Whether to ask the source. `fir`: the number of a full intra request, repeated until it is obeyed."""
        self.counts.key_requests += 1
        if fir is not None and fir == self._fir:
            return False
        self._fir = fir if fir is not None else self._fir
        return self.want_key(now)

    def want_key(self, now: float) -> bool:
        if now - self._key_at < KEY_EVERY:
            return False
        self._key_at = now
        return True

    def sender_report(self, now: float) -> rtcp.SenderReport | None:
        """RTP timestamps and the source's clock, side by side: by it a page plays audio and video in step."""
        if self._last is None:
            return None
        at, timestamp, frame, clock_rate = self._last
        since = now - at
        ntp = int(((at if frame.captured is None else frame.captured) + since) * 2**32) & (1 << 64) - 1
        self._reports[ntp >> 16 & 0xFFFFFFFF] = now
        while len(self._reports) > 16:
            self._reports.popitem(last=False)
        return rtcp.SenderReport(
            self._local.media,
            ntp,
            (timestamp + round(since * clock_rate)) & 0xFFFFFFFF,
            self.counts.packets & 0xFFFFFFFF,
            self.counts.bytes & 0xFFFFFFFF,
        )

    def reported(self, block: rtcp.ReportBlock, now: float) -> float | None:
        """What the page says of this stream; the round trip, if it says of which report it speaks."""
        self.counts.lost = block.lost
        left = self._reports.get(block.last_sender_report)
        return None if left is None else max(0.0, now - left - block.delay_since_last / 65536)

    @property
    def ssrcs(self) -> Sources:
        return self._local

    @property
    def overhead(self) -> float:
        """Bytes that go along with each byte of media: repair packets that are planned, and retransmissions."""
        return (self.plan.overhead if self._fec is not None else 0.0) + self._network.loss

    def statistics(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "frames": counts.frames,
            "key_frames": counts.key_frames,
            "dropped": counts.dropped,
            "packets": counts.packets,
            "bytes": counts.bytes,
            "lost": counts.lost,
            "retransmitted": counts.retransmitted,
            "nacks": counts.nacks,
            "plis": counts.key_requests,
            "fec_sent": counts.repairs,
            "fec_bytes": counts.repair_bytes,
            "overhead": counts.repair_bytes / counts.bytes if counts.bytes else 0.0,
            "patience": self.patience,
        }
