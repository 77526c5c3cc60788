"""One media connection without its transport: packets and frames in, effects out; no clock, no socket.

    page → host:  receive → Incoming, one for each line from the page → FrameArrived
                          → Arrivals: the transport-wide feedback that we send
    host → page:  send → Outgoing, one for each line to the page → Pacer → SendPacket
                  the page's feedback → Congestion → the pace, the frames' rate, and how much is protected

It finds the line that a packet is for, stamps packets as they leave, joins what the lines have to say into datagrams of
RTCP (reduced-size ones for feedback, RFC 5506; once a second a full report with its CNAME, RFC 3550 §6.1), and asks
each part for its timer. When the way is too narrow for video, audio goes on without it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from slidewire.media.congestion import Congestion
from slidewire.media.effects import Effect, KeyWanted, RateChanged, SendPacket, SendRtcp
from slidewire.media.frames import Frame, Line
from slidewire.media.offer_answer import MID, Negotiated
from slidewire.media.pacer import OUTSIDE, Pacer, Packet
from slidewire.media.rtp_receiver import RtpReceiver
from slidewire.media.rtp_sender import RtpSender
from slidewire.media.twcc_feedback import TwccFeedback
from slidewire.rtp import extensions, rtcp
from slidewire.rtp import packet as rtp
from slidewire.rtp.extensions import TRANSPORT_WIDE
from slidewire.rtp.transport_feedback import TransportFeedback

REPORT_EVERY: Final = 1.0
"""Seconds from one full report to the next."""
ADAPT_EVERY: Final = 0.25
"""Seconds after which the frames' rate and the protection follow what was measured."""
DATAGRAM: Final = 1200
"""Bytes of RTCP in one datagram, at most."""
VIDEO_STOPS: Final = 80_000.0
VIDEO_GOES_ON: Final = 110_000.0
"""Bits per second for all frames together."""
QUEUE_FULL: Final = 1.0
"""Seconds of packets that wait to leave, after which no further video frame is taken."""
GIVES_WAY_EVERY: Final = 0.5
CHANGE: Final = 0.05
"""What share of the rate another one has to differ by to be told."""
_SSRCS: Final = 64
"""How many are remembered. A page has a handful; a hostile script might think of many."""


class Session:
    def __init__(self, agreed: Sequence[Negotiated], cname: str, entropy: Callable[[int], bytes], now: float) -> None:
        self._lines = {each.line: each for each in agreed}
        self._cname = cname
        self._own = int.from_bytes(entropy(4), "big") or 1
        """As whom we speak in RTCP where it is not about a stream of ours."""
        self._effects: deque[Effect] = deque()
        self._said: list[rtcp.Rtcp] = []
        self._next_report = now + REPORT_EVERY
        self._by_ssrc: dict[int, Line] = {
            ssrc: each.line for each in agreed if each.line.from_page for ssrc in each.remote
        }
        self._by_mid = {each.mid.encode(): each.line for each in agreed if each.line.from_page}
        ids = {uri: id_ for each in agreed for uri, id_ in each.extensions.items()}
        self._mid, self._transport_wide = ids.get(MID), ids.get(TRANSPORT_WIDE)
        self._incoming = {each.line: RtpReceiver(each, self._own) for each in agreed if each.line.from_page}
        tells = any("transport-cc" in each.feedback for each in agreed if each.line.from_page)
        self._arrivals = TwccFeedback(self._own) if tells else None
        self._outgoing = {each.line: RtpSender(each, entropy) for each in agreed if each.local is not None}
        self._numbered = any("transport-cc" in each.feedback for each in agreed if each.local is not None)
        self._congestion = Congestion(now)
        self._pacer = Pacer(self._congestion.rate, now)
        self._next_number = 0
        """Transport-wide, unwrapped."""
        self._next_adaptation = now + ADAPT_EVERY
        self._gave_way = now - GIVES_WAY_EVERY
        self._video_stopped = False
        self.rate = self._congestion.rate
        """Bits per second for the frames of all lines to the page together."""
        self._told_rate = self.rate

    # --- In ---

    def opened(self, now: float) -> None:
        """Packets can leave from now on."""
        for line, each in self._outgoing.items():
            if each.needs_key and each.want_key(now):
                self._effects.append(KeyWanted(line))

    def receive(self, data: bytes, now: float) -> None:
        """RTP or RTCP, as it was before SRTP."""
        if rtp.is_rtcp(data):
            self._receive_rtcp(data, now)
        elif (packet := rtp.parse(data)) is not None:
            elements = dict(extensions.parse(packet.extension))
            number = elements.get(self._transport_wide or -1)
            if number is not None and len(number) == 2 and self._arrivals is not None:
                self._arrivals.note(int.from_bytes(number, "big"), packet.ssrc, now)
            line = self._line_of(packet, elements.get(self._mid or -1))
            if line is not None and line in self._incoming:
                self._incoming[line].receive(data, now)
        self._go_on(now)

    def want_key(self, line: Line, now: float) -> None:
        """Ask the page for a key frame of a line of its."""
        if line in self._incoming:
            self._incoming[line].want_key(now)
            self._go_on(now)

    def send(self, line: Line, frame: Frame, now: float) -> None:
        """A frame for the page. Video is left out while the way is too narrow for it."""
        outgoing = self._outgoing.get(line)
        if outgoing is None:
            return
        if line.is_video and (self._video_stopped or self._pacer.delay > QUEUE_FULL):
            outgoing.drop()
            return
        self._queue(outgoing.send(frame, now))
        if outgoing.needs_key and outgoing.want_key(now):
            self._effects.append(KeyWanted(line))
        self._go_on(now)

    def queue(self, now: float) -> float | None:
        """Seconds that our packets wait in queues on the way; None while no feedback says so."""
        return self._congestion.queue_now(now) if self._congestion.is_measured else None

    def give_way(self, now: float) -> None:
        """Something more important is in need: half the rate, until it grows again."""
        if now - self._gave_way >= GIVES_WAY_EVERY:
            self._gave_way = now
            self._congestion.halve(now)
            self._adapt(now)

    # --- Out ---

    def next_effect(self) -> Effect | None:
        return self._effects.popleft() if self._effects else None

    def get_timer(self) -> float:
        timers = [timer for each in self._parts() if (timer := each.get_timer()) is not None]
        return min([self._next_report, self._next_adaptation, *timers])

    def handle_timer(self, now: float) -> None:
        for each in self._incoming.values():
            each.handle_timer(now)
        if self._arrivals is not None:
            self._arrivals.handle_timer(now)
        for outgoing in self._outgoing.values():
            self._queue(outgoing.handle_timer(now))
        if self._next_adaptation <= now:
            self._next_adaptation = now + ADAPT_EVERY
            self._adapt(now)
        if self._next_report <= now:
            self._next_report = now + REPORT_EVERY
            self._report(now)
        self._go_on(now)

    def statistics(self) -> dict[str, Any]:
        network = self._congestion.network
        lines: dict[str, Any] = {line.value: each.statistics() for line, each in self._incoming.items()}
        lines |= {line.value: each.statistics() for line, each in self._outgoing.items()}
        return lines | {
            "loss": network.loss,
            "burst": network.burst,
            "rtt": network.round_trip,
            "rate": self.rate,
            "queue": self._congestion.queue,
        }

    # --- Lines ---

    def _parts(self) -> Iterator[RtpReceiver | TwccFeedback | RtpSender | Pacer]:
        yield from self._incoming.values()
        yield from self._outgoing.values()
        yield self._pacer
        if self._arrivals is not None:
            yield self._arrivals

    def _line_of(self, packet: rtp.Packet, mid: bytes | None) -> Line | None:
        """RFC 8843 §9.2: by SSRC; one that is new is known by its MID, or else by a payload type of one line alone."""
        line = self._by_ssrc.get(packet.ssrc)
        if line is None:
            if mid is not None:
                line = self._by_mid.get(mid)
            else:
                fits = [each for each in self._lines.values() if packet.payload_type in each.payload_types]
                fits = [each for each in fits if each.line.from_page]
                line = fits[0].line if len(fits) == 1 else None
            if line is not None and len(self._by_ssrc) < _SSRCS:
                self._by_ssrc[packet.ssrc] = line
        return line

    def _sending(self, ssrc: int) -> RtpSender | None:
        return next((each for each in self._outgoing.values() if each.ssrcs.media == ssrc), None)

    # --- Packets that leave ---

    def _queue(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            self._pacer.push(packet)

    def _go_on(self, now: float) -> None:
        """Let leave what may, and say what is to be said."""
        while (packet := self._pacer.pop(now)) is not None:
            outgoing = self._outgoing[packet.line]
            self._queue(outgoing.left(packet, now))
            if outgoing.stamp.is_numbered:
                self._congestion.sent(self._next_number, len(packet.data) + OUTSIDE, now)
            self._effects.append(SendPacket(outgoing.stamp.leave(packet.data, self._next_number, now)))
            self._next_number += outgoing.stamp.is_numbered
        self._collect()

    def _adapt(self, now: float) -> None:
        """The frames get what repair packets, retransmissions and headers leave of the rate."""
        congestion = self._congestion
        congestion.idle(now)
        self._pacer.rate = congestion.rate
        share = 1.0
        for outgoing in self._outgoing.values():
            if congestion.is_measured:
                outgoing.adapt(congestion.network, now)
            if outgoing.line.is_video:
                size = outgoing.payload_limit
                share = min(share, size / (size + OUTSIDE + 30) / (1 + outgoing.overhead))
        self.rate = congestion.rate * share
        self._video_stopped = self.rate < (VIDEO_GOES_ON if self._video_stopped else VIDEO_STOPS)
        if abs(self.rate - self._told_rate) > CHANGE * self._told_rate:
            self._told_rate = self.rate
            self._effects.append(RateChanged(self.rate))

    # --- RTCP ---

    def _receive_rtcp(self, data: bytes, now: float) -> None:
        for packet in rtcp.parse(data).packets:
            match packet:
                case rtcp.SenderReport(ssrc=ssrc, blocks=blocks):
                    line = self._by_ssrc.get(ssrc)
                    if line is not None and line in self._incoming:
                        self._incoming[line].sender_report(packet, now)
                    self._reported(blocks, now)
                case rtcp.ReceiverReport(blocks=blocks):
                    self._reported(blocks, now)
                case rtcp.Nack(media=media, sequence_numbers=numbers):
                    if (outgoing := self._sending(media)) is not None:
                        self._queue(outgoing.nack(numbers, self._congestion.round_trip, now))
                case rtcp.PictureLoss(media=media):
                    self._asked_for_key(media, None, now)
                case rtcp.FullIntraRequest(entries=entries):
                    for media, number in entries:
                        self._asked_for_key(media, number, now)
                case TransportFeedback():
                    self._congestion.feedback(packet, now)

    def _asked_for_key(self, ssrc: int, number: int | None, now: float) -> None:
        outgoing = self._sending(ssrc)
        if outgoing is not None and outgoing.asked_for_key(now, number):
            self._effects.append(KeyWanted(outgoing.line))

    def _reported(self, blocks: Iterable[rtcp.ReportBlock], now: float) -> None:
        for block in blocks:
            outgoing = self._sending(block.ssrc)
            if outgoing is None:
                continue
            round_trip = outgoing.reported(block, now)
            if round_trip is not None:
                self._congestion.exact_round_trip(round_trip)
            if not self._numbered:
                self._congestion.reported(block.fraction_lost / 256, now)

    def _collect(self) -> None:
        """Take what the parts want done; all their feedback goes into as few datagrams as it fits in."""
        parts: list[RtpReceiver | TwccFeedback] = [*self._incoming.values()]
        if self._arrivals is not None:
            parts.append(self._arrivals)
        for each in parts:
            while (effect := each.next_effect()) is not None:
                if isinstance(effect, SendRtcp):
                    self._said += effect.packets
                else:
                    self._effects.append(effect)
        self._say(self._said)
        self._said = []

    def _report(self, now: float) -> None:
        """A sender report for each stream that has begun, or a receiver report if there is none."""
        blocks = tuple(block for each in self._incoming.values() for block in each.report_blocks(now))[:31]
        sent = [report for each in self._outgoing.values() if (report := each.sender_report(now)) is not None]
        reports: list[rtcp.SenderReport | rtcp.ReceiverReport] = [*sent] or [rtcp.ReceiverReport(self._own)]
        reports[0] = reports[0]._replace(blocks=blocks)
        self._say([*reports, *(rtcp.SourceDescription(report.ssrc, self._cname) for report in reports)])

    def _say(self, packets: Sequence[rtcp.Rtcp]) -> None:
        datagram = b""
        for packet in packets:
            built = rtcp.build([packet])
            if datagram and len(datagram) + len(built) > DATAGRAM:
                self._effects.append(SendPacket(datagram))
                datagram = b""
            datagram += built
        if datagram:
            self._effects.append(SendPacket(datagram))
