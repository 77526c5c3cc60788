"""One media connection without its transport: packets and frames in, effects out; no clock, no socket.

It finds the line that a packet is for, joins what the lines have to say into RTCP datagrams (reduced-size ones for
feedback, RFC 5506; once a second a full report with its CNAME, RFC 3550 §6.1), and asks each line for its timer.

    page → host: `receive` → Incoming (one for each line from the page) → FrameArrived
                           → Arrivals (transport-wide feedback that we send)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

from slidewire.rtc.media.arrivals import Arrivals
from slidewire.rtc.media.effects import Effect, FrameArrived, SendPacket, SendRtcp
from slidewire.rtc.media.frames import Line
from slidewire.rtc.media.incoming import Incoming
from slidewire.rtc.media.sdp import MID, Negotiated
from slidewire.rtp import extensions, rtcp
from slidewire.rtp import packet as rtp
from slidewire.rtp.extensions import TRANSPORT_WIDE

REPORT_EVERY: Final = 1.0
"""Seconds from one full report to the next."""
DATAGRAM: Final = 1200
"""Bytes of RTCP in one datagram, at most."""


class IncomingStream(Protocol):
    """One line from the page."""

    def receive(self, data: bytes, now: float) -> None:
        """An RTP packet of this line: media, RTX, RED, ULPFEC."""

    def sender_report(self, report: rtcp.SenderReport, now: float) -> None: ...

    def report_blocks(self, now: float) -> tuple[rtcp.ReportBlock, ...]: ...

    def want_key(self, now: float) -> None: ...

    def next_effect(self) -> FrameArrived | SendRtcp | None: ...

    def get_timer(self) -> float | None: ...

    def handle_timer(self, now: float) -> None: ...

    def statistics(self) -> dict[str, Any]: ...


class ArrivalNotes(Protocol):
    """The transport-wide feedback that we send."""

    def note(self, number: int, ssrc: int, now: float) -> None:
        """A packet with this transport-wide sequence number came."""

    def next_effect(self) -> SendRtcp | None: ...

    def get_timer(self) -> float | None: ...

    def handle_timer(self, now: float) -> None: ...


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
        self._incoming: dict[Line, IncomingStream] = {
            each.line: Incoming(each, self._own) for each in agreed if each.line.from_page
        }
        tells = any("transport-cc" in each.feedback for each in agreed if each.line.from_page)
        self._arrivals: ArrivalNotes | None = Arrivals(self._own) if tells else None

    # --- In ---

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
        self._collect(now)

    def want_key(self, line: Line, now: float) -> None:
        """Ask the page for a key frame of a line of its."""
        if line in self._incoming:
            self._incoming[line].want_key(now)
            self._collect(now)

    # --- Out ---

    def next_effect(self) -> Effect | None:
        return self._effects.popleft() if self._effects else None

    def get_timer(self) -> float | None:
        timers = [timer for each in self._parts() if (timer := each.get_timer()) is not None]
        return min([self._next_report, *timers])

    def handle_timer(self, now: float) -> None:
        for each in self._parts():
            timer = each.get_timer()
            if timer is not None and timer <= now:
                each.handle_timer(now)
        if self._next_report <= now:
            self._next_report = now + REPORT_EVERY
            self._report(now)
        self._collect(now)

    def statistics(self) -> dict[str, Any]:
        return {line.value: each.statistics() for line, each in self._incoming.items()}

    # --- Lines ---

    def _parts(self) -> Iterator[IncomingStream | ArrivalNotes]:
        yield from self._incoming.values()
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

    # --- RTCP ---

    def _receive_rtcp(self, data: bytes, now: float) -> None:
        for packet in rtcp.parse(data).packets:
            if isinstance(packet, rtcp.SenderReport):
                line = self._by_ssrc.get(packet.ssrc)
                if line is not None and line in self._incoming:
                    self._incoming[line].sender_report(packet, now)

    def _collect(self, now: float) -> None:
        """Take what the parts want done; all their feedback goes into as few datagrams as it fits in."""
        for each in self._parts():
            while (effect := each.next_effect()) is not None:
                if isinstance(effect, SendRtcp):
                    self._said += effect.packets
                else:
                    self._effects.append(effect)
        self._say(self._said)
        self._said = []

    def _report(self, now: float) -> None:
        blocks = [block for each in self._incoming.values() for block in each.report_blocks(now)]
        self._say([rtcp.ReceiverReport(self._own, tuple(blocks[:31])), rtcp.SourceDescription(self._own, self._cname)])

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


_SSRCS: Final = 64
"""That are remembered. A page has a handful; a stranger's script might think of many."""
