"""One stream from the page: packets as they come, repaired in every way that was agreed on, to frames in order.

Sans-I/O. `receive` takes packets of the line, `sender_report` what the sender reports; then `next_effect` is called
until None, now and after each `handle_timer`. What a packet goes through:

    RTX (RFC 4588)  → the packet it carries again, under its old sequence number and payload type
    RED (RFC 2198)  → of video: media or a repair packet; of audio: also the packets before it, if they did not come
    ULPFEC          → packets that follow from repair packets
    what is still missing is asked for (NACK) until it comes or would be too late
    assembly        → frames; what cannot be decoded is left out, and a key frame asked for (PLI)

What comes is from the page of a presenter, and may be anything: no packet makes this raise or grow.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from slidewire.fec import red, ulpfec
from slidewire.media.effects import FrameArrived, SendRtcp
from slidewire.media.frame_assembler import AudioAssembler, FrameAssembler, VideoAssembler, piece
from slidewire.media.frames import Frame
from slidewire.media.nack_tracker import NackTracker
from slidewire.media.offer_answer import Negotiated
from slidewire.media.receive_statistics import ReceiveStatistics, SenderClock
from slidewire.rtp import extensions
from slidewire.rtp import packet as rtp
from slidewire.rtp.rtcp import Nack, PictureLoss, ReportBlock, SenderReport
from slidewire.rtp.sequence import TIMESTAMP_BITS, Unwrapper

VIDEO_PATIENCE: Final = 1.0
"""Seconds that later frames wait for a packet."""
AUDIO_PATIENCE: Final = 0.12
"""The same for audio, which is not asked for: the packets that carry it again are right behind it, or lost, too."""
KEY_AGAIN: Final = 0.5
"""Seconds between two requests for a key frame, at least."""
FARTHEST_AHEAD: Final = 3000
FARTHEST_BEHIND: Final = 1000
"""RFC 3550 A.1: sequence numbers farther away are another stream's, if a second one follows them."""
REMEMBERED: Final = 2048


@dataclass(slots=True)
class Statistics:
    packets: int = 0
    """Packets that the network delivered, without retransmissions and duplicates."""
    bytes: int = 0
    lost: int = 0
    """Packets that the network did not deliver, repaired or not."""
    recovered: int = 0
    """By forward error correction: RED, ULPFEC."""
    retransmitted: int = 0
    """Missing packets that came by retransmission."""
    repairs: int = 0
    """Repair packets that came; of audio, redundant blocks."""
    given_up: int = 0
    duplicates: int = 0
    malformed: int = 0
    nacks: int = 0
    """Packets asked for, each time."""
    plis: int = 0
    frames: int = 0
    keys: int = 0
    dropped: int = 0
    """Frames that were sent, and could not be given out."""
    jitter: float = 0.0
    round_trip: float = 0.0


class RtpReceiver:
    def __init__(self, agreed: Negotiated, sender: int) -> None:
        """`sender`: the SSRC in whose name feedback is given."""
        self._line = agreed.line
        self._is_video = agreed.line.is_video
        self._clock_rate = agreed.codec.clock_rate
        self._sender = sender
        self._absolute_send_time = agreed.extensions.get(extensions.ABSOLUTE_SEND_TIME)
        self._codecs = {format_.payload_type: format_.codec for format_ in agreed.formats}
        self._red, self._ulpfec, self._mutable = agreed.red, agreed.ulpfec, agreed.mutable
        self._carried = {
            again: what
            for again, what in (
                *((each.rtx, each.payload_type) for each in agreed.formats),
                (agreed.red_rtx, agreed.red),
            )
            if again is not None and what is not None
        }
        """Payload type of retransmissions → of what they carry."""
        self._asks_for_keys = self._is_video and "nack pli" in agreed.feedback
        self._statistics = Statistics()
        self._effects: deque[FrameArrived | SendRtcp] = deque()
        self._key_wanted = False
        self._key_due = 0.0
        self._came_since_key_request = True
        self._stream: _Stream | None = None
        self._stranger: int | None = None
        """Sequence number that would follow one that was far off."""
        self._last: tuple[int, float] | None = None
        """Timestamp of the last frame, and when it was given out."""

    @property
    def ssrc(self) -> int | None:
        """Of the media, once some came."""
        return self._stream.ssrc if self._stream is not None else None

    def receive(self, data: bytes, now: float) -> None:
        """An RTP packet of this line."""
        packet = rtp.parse(data)
        if packet is None:
            self._statistics.malformed += 1
            return
        carried = self._carried.get(packet.payload_type)
        if carried is not None:
            self._retransmission(packet, carried, now)
        elif packet.payload_type == self._red or packet.payload_type in self._codecs:
            self._original(packet, data, now)
        self._go_on(now)

    def sender_report(self, report: SenderReport, now: float) -> None:
        stream = self._stream
        if stream is not None and report.ssrc == stream.ssrc:
            stream.reception.sender_report(report, now)
            stream.clock.sender_report(report.ntp_time, stream.timestamps.peek(report.rtp_timestamp))

    def want_key(self, now: float) -> None:
        """A new viewer needs a key frame."""
        self._key_wanted = self._asks_for_keys
        self._came_since_key_request = True
        self._go_on(now)

    def report_blocks(self, now: float) -> tuple[ReportBlock, ...]:
        """For a report that leaves now."""
        stream = self._stream
        return () if stream is None else (stream.reception.block(stream.ssrc, now),)

    def next_effect(self) -> FrameArrived | SendRtcp | None:
        return self._effects.popleft() if self._effects else None

    def get_timer(self) -> float | None:
        if self._stream is None:
            return None
        timer = self._stream.missing.get_timer()
        if self._needs_key():
            timer = self._key_due if timer is None else min(timer, self._key_due)
        return timer

    def handle_timer(self, now: float) -> None:
        self._go_on(now)

    def statistics(self) -> dict[str, Any]:
        return asdict(self.counts())

    def counts(self) -> Statistics:
        """As of now, of all that came since the beginning."""
        kept, stream = self._statistics, self._stream
        if stream is None:
            return replace(kept)
        return replace(
            kept,
            packets=kept.packets + stream.reception.packets,
            bytes=kept.bytes + stream.reception.octets,
            lost=kept.lost + stream.reception.lost,
            repairs=kept.repairs + stream.repairs,
            given_up=kept.given_up + stream.missing.given_up,
            dropped=kept.dropped + stream.assembly.dropped,
            jitter=stream.reception.jitter,
            round_trip=stream.missing.round_trip,
        )

    # --- packets ------------------------------------------------------------------------------------------------------

    def _original(self, packet: rtp.Packet, data: bytes, now: float) -> None:
        stream = self._stream
        if stream is None or packet.ssrc != stream.ssrc:
            stream = self._begin(packet, now)
        place = stream.numbers.peek(packet.sequence_number)
        if not -FARTHEST_BEHIND < place - stream.highest < FARTHEST_AHEAD:
            if packet.sequence_number != self._stranger:
                self._stranger = (packet.sequence_number + 1) & 0xFFFF
                return
            stream = self._begin(packet, now)
            place = packet.sequence_number
        self._stranger = None
        stream.numbers.unwrap(packet.sequence_number)
        if place in stream.came:
            self._statistics.duplicates += 1
            return
        self._came_since_key_request = True
        timestamp = stream.timestamps.unwrap(packet.timestamp)
        stream.reception.note(place, timestamp, len(data), now)
        if place > stream.highest:
            if not self._is_video and (sent := self._send_time(packet)) is not None:
                stream.clock.sent(timestamp, sent, now)
            stream.missing.notice(stream.highest + 1, place, now)
            stream.highest = place
        stream.note(place)
        self._take(stream, place, packet, data, now)

    def _send_time(self, packet: rtp.Packet) -> float | None:
        """abs-send-time: 24 bits, of which 18 are fractions of a second."""
        for id_, data in extensions.parse(packet.extension):
            if id_ == self._absolute_send_time and len(data) == 3:
                return int.from_bytes(data, "big") / (1 << 18)
        return None

    def _retransmission(self, packet: rtp.Packet, payload_type: int, now: float) -> None:
        """Padding in its place is usual, as are packets that were not asked for: with both, senders probe the path."""
        stream = self._stream
        if stream is None or len(packet.payload) <= 2:
            return
        number = int.from_bytes(packet.payload[:2], "big")
        place = stream.numbers.peek(number)
        if place not in stream.missing:
            return
        original = packet._replace(
            payload_type=payload_type, sequence_number=number, ssrc=stream.ssrc, payload=packet.payload[2:], padding=0
        )
        self._statistics.retransmitted += 1
        self._take(stream, place, original, original.build(), now, retransmitted=True)

    def _take(
        self,
        stream: _Stream,
        place: int,
        packet: rtp.Packet,
        data: bytes,
        now: float,
        *,
        retransmitted: bool = False,
    ) -> None:
        """A packet that was not there, with its place, its payload type perhaps RED."""
        stream.missing.came(place, now, retransmitted=retransmitted)
        inner: rtp.Packet | None = packet
        if packet.payload_type == self._red:
            inner = red.unwrap(packet)
            if inner is None:
                self._statistics.malformed += 1
        codec = self._codecs.get(inner.payload_type) if inner is not None else None
        stream.assembly.insert(place, piece(codec, inner) if codec is not None and inner is not None else None)
        shape = [(element.id, len(element.data)) for element in extensions.parse(packet.extension)]
        if not retransmitted:
            stream.shape = shape
        elif shape != stream.shape:
            return  # it is not the packet that was sent first, and what would follow from it is garbage
        for recovered in stream.recover(packet, data):
            self._recovered(stream, recovered, now)

    def _recovered(self, stream: _Stream, packet: rtp.Packet, now: float) -> None:
        codec = self._codecs.get(packet.payload_type)
        place = stream.numbers.peek(packet.sequence_number)
        if codec is not None and place in stream.missing:
            stream.missing.came(place, now, retransmitted=False)
            stream.assembly.insert(place, piece(codec, packet))
            self._statistics.recovered += 1

    # --- what follows -------------------------------------------------------------------------------------------------

    def _go_on(self, now: float) -> None:
        stream = self._stream
        if stream is None:
            return
        asked = stream.missing.handle_timer(now)
        while (whole := stream.assembly.next_frame(stream.missing)) is not None:
            raw = stream.timestamps.peek(whole.timestamp)
            timestamp = raw + stream.shift
            if self._last is not None:
                timestamp = max(timestamp, self._last[0] + 1)
            self._last = timestamp, now
            self._statistics.frames += 1
            self._statistics.keys += whole.is_key
            if whole.is_key:
                self._key_wanted = False
            frame = Frame(whole.codec, whole.data, timestamp, whole.is_key, stream.clock.at(raw))
            self._effects.append(FrameArrived(self._line, frame))
        stream.missing.forget_before(stream.assembly.head)
        if asked := [place for place in asked if place in stream.missing]:
            self._statistics.nacks += len(asked)
            numbers = tuple(place & 0xFFFF for place in asked)
            self._effects.append(SendRtcp((Nack(self._sender, stream.ssrc, numbers),)))
        if self._needs_key() and now >= self._key_due:
            self._statistics.plis += 1
            self._effects.append(SendRtcp((PictureLoss(self._sender, stream.ssrc),)))
            self._key_due = now + max(KEY_AGAIN, 2 * stream.missing.round_trip)
            self._came_since_key_request = False

    def _needs_key(self) -> bool:
        """A key frame that has begun to come is not asked for."""
        if not self._asks_for_keys or self._stream is None or not self._came_since_key_request:
            return False
        assembly = self._stream.assembly
        return not assembly.has_key and (assembly.is_broken or self._key_wanted)

    def _begin(self, packet: rtp.Packet, now: float) -> _Stream:
        """The first packet of all, or of a sender that began anew: its timestamps have another beginning."""
        self._statistics = self.counts()
        stream = _Stream(packet.ssrc, packet.sequence_number, self._is_video, self._clock_rate, self._recovers_by())
        if self._last is not None:
            timestamp, then = self._last
            stream.shift = timestamp + round((now - then) * self._clock_rate) - packet.timestamp
        if self._stream is not None:
            stream.missing.round_trip = self._stream.missing.round_trip
        self._stream = stream
        return stream

    def _recovers_by(self) -> red.Receiver | ulpfec.Receiver | None:
        if self._red is None:
            return None
        if not self._is_video:
            return red.Receiver(self._red)
        return ulpfec.Receiver(self._red, self._ulpfec, self._mutable) if self._ulpfec is not None else None


class _Stream:
    """What there is to know about one SSRC, from its first packet on."""

    def __init__(
        self,
        ssrc: int,
        first: int,
        asks: bool,
        clock_rate: int,
        receiver: red.Receiver | ulpfec.Receiver | None,
    ) -> None:
        self.ssrc = ssrc
        self.numbers = Unwrapper()
        self.timestamps = Unwrapper(TIMESTAMP_BITS)
        self.shift = 0
        """What makes its timestamps follow those of the stream before it."""
        self.highest = first - 1
        self.reception = ReceiveStatistics(clock_rate)
        self.clock = SenderClock(clock_rate)
        self.missing = NackTracker(patience=VIDEO_PATIENCE if asks else AUDIO_PATIENCE, ask=asks)
        self.assembly: FrameAssembler = VideoAssembler(first) if asks else AudioAssembler(first)
        self.came: dict[int, None] = {}
        """Places of packets that the network delivered; the latest ones."""
        self.shape: list[tuple[int, int]] = []
        """IDs and sizes of the last packet's header extensions. Retransmissions may have one more, their line's."""
        self._receiver = receiver

    @property
    def repairs(self) -> int:
        return self._receiver.counts.repairs if self._receiver is not None else 0

    def note(self, place: int) -> None:
        self.came[place] = None
        if len(self.came) > REMEMBERED:
            del self.came[next(iter(self.came))]

    def recover(self, packet: rtp.Packet, data: bytes) -> list[rtp.Packet]:
        """What follows from this packet and all before it, without RED."""
        match self._receiver:
            case red.Receiver() as receiver:
                return receiver.recover([packet])
            case ulpfec.Receiver() as receiver:
                return [found for found in map(rtp.parse, receiver.recover([data])) if found is not None]
            case _:
                return []
