"""What a receiver tells about one stream (RFC 3550 §6.4.1, A.3, A.8), and what the sender tells it about its clock.

`ReceiveStatistics` counts what the network delivered by itself: repaired packets stay lost here, or the sender would
think that all is well. `SenderClock` says when a frame was captured: sender reports give pairs of the sender's wall
clock and a stream's timestamp, and one wall clock is behind all of its streams, which is how lips meet voices. Each
report is off by some milliseconds, so that the middle one of the last few counts; the drift between a sound card and a
wall clock, 0.1 ms a second at worst, is less than that.
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import Final

from slidewire.rtp.rtcp import ReportBlock, SenderReport

REPORTS_KEPT: Final = 8
STEP: Final = 0.2
"""Seconds by which a report may differ from the ones before it. If by more, the stream has made a jump."""
LAGS_KEPT: Final = 50
"""Packets: a second of sound."""
PAUSE: Final = 0.25
"""Seconds from which on a packet that is late is no late one, but the first one after silence."""
SEND_TIMES: Final = 64.0
"""Seconds after which abs-send-time begins anew."""
_NTP_FRACTION: Final = 1 << 32


class ReceiveStatistics:
    def __init__(self, clock_rate: int) -> None:
        self.packets = 0
        self.octets = 0
        self.jitter = 0.0
        """In seconds."""
        self._clock_rate = clock_rate
        self._first: int | None = None
        self._highest = 0
        self._transit: float | None = None
        self._expected_before = self._packets_before = 0
        self._last_report: tuple[int, float] | None = None
        """Middle 32 bits of the last sender report's time, and when it came."""

    @property
    def expected(self) -> int:
        return 0 if self._first is None else self._highest - self._first + 1

    @property
    def lost(self) -> int:
        return max(0, self.expected - self.packets)

    def note(self, place: int, timestamp: int, octets: int, now: float) -> None:
        """A packet came for the first time; `place`: its sequence number, unwrapped."""
        self.packets += 1
        self.octets += octets
        if self._first is None:
            self._first = self._highest = place
        self._first = min(self._first, place)
        self._highest = max(self._highest, place)
        transit = now - timestamp / self._clock_rate
        if self._transit is not None:
            change = abs(transit - self._transit)
            if change < 1:  # more is a jump of the timestamps, or of the network; it says nothing about jitter
                self.jitter += (change - self.jitter) / 16
        self._transit = transit

    def sender_report(self, report: SenderReport, now: float) -> None:
        self._last_report = report.ntp_time >> 16 & 0xFFFFFFFF, now

    def block(self, ssrc: int, now: float) -> ReportBlock:
        """For a report that is sent now: the fraction is of what came since the last call."""
        expected, packets = self.expected - self._expected_before, self.packets - self._packets_before
        self._expected_before, self._packets_before = self.expected, self.packets
        fraction = 256 * max(0, expected - packets) // expected if expected > 0 else 0
        last, came = self._last_report or (0, now)
        return ReportBlock(
            ssrc,
            min(255, fraction),
            self.expected - self.packets,
            self._highest % (1 << 32),
            min(0xFFFFFFFF, round(self.jitter * self._clock_rate)),
            last,
            min(0xFFFFFFFF, round((now - came) * 65536)) if last else 0,
        )


class SenderClock:
    """Seconds on the sender's wall clock for timestamps of one stream."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._offsets: deque[float] = deque(maxlen=REPORTS_KEPT)
        self._last_sent: tuple[int, float, float] | None = None
        """Of the last packet: its timestamp, when it was sent (the sender's clock), when it came (ours)."""
        self._lags: deque[float] = deque([0.0], LAGS_KEPT)
        """Of the last packets: times of sending less timestamps, from the first packet on."""
        self._length = 0
        """Of a packet that says when it left, in ticks."""

    def sender_report(self, ntp_time: int, timestamp: int) -> None:
        """`timestamp`: unwrapped, as it is asked for."""
        offset = ntp_time / _NTP_FRACTION - timestamp / self._clock_rate - self._lags[-1]
        if self._offsets and abs(offset - statistics.median(self._offsets)) > STEP:
            self._offsets.clear()
        self._offsets.append(offset)

    def sent(self, timestamp: int, send_time: float, now: float) -> None:
        """A packet of sound says when it left, modulo 64 seconds.

        A browser counts samples for timestamps: they stand still while a microphone is off, and slip when the machine
        is busy. And in a report it takes the moment at which it had encoded its last packet for that at which it began
        to hear it. Both shows in the times of sending: the least late one in a second is as good as a clock, and a
        packet cannot be sent before its last sample is recorded.
        """
        if self._last_sent is not None:
            last_timestamp, last_send_time, then = self._last_sent
            if timestamp > last_timestamp:
                self._length = min(self._length or timestamp, timestamp - last_timestamp)
            between = (send_time - last_send_time) % SEND_TIMES
            between += SEND_TIMES * round((now - then - between) / SEND_TIMES)
            lag = between - (timestamp - last_timestamp) / self._clock_rate
            total = self._lags[-1] + lag
            if lag > PAUSE:
                self._lags.clear()
            self._lags.append(total)
        self._last_sent = timestamp, send_time, now

    def at(self, timestamp: int) -> float | None:
        """None: no report so far."""
        if not self._offsets:
            return None
        return statistics.median(self._offsets) + min(self._lags) + (timestamp - self._length) / self._clock_rate
