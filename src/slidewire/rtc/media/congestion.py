"""How much the way to the page carries, from its transport-wide feedback: rate, loss, length of bursts, round trip.

**Queue.** The transit time of a packet (arrival less departure, on two clocks that differ by something constant) is
that of the empty way plus what it waited in queues. The least one of the last ten seconds stands for the empty way; the
least one of the last quarter of a second, less that, is what even the luckiest packet had to wait: the *standing
queue*. Bursts of our own and the jitter of Wi-Fi do not show in it, a way that is too narrow does.

    standing queue above 30 ms     rate := 0.85 × what has been arriving (never less than half at once), then wait
    below 12 ms                    rate grows: by half each second until the first time it was too much, then by 8 %,
                                   and by 3 % near the rate that was too much
    between                        stays

**Loss.** Random loss says nothing about capacity: up to 15 % changes nothing here, repair packets and retransmissions
deal with it. Above, the rate shrinks by half of what is beyond 10 %, for there are queues too short to be seen.

**Silence.** Without feedback while packets leave, the rate shrinks by a fifth each half second.

The rate does not grow beyond what is being used (a still picture proves nothing about the way). It is simpler than
Google's congestion control (draft-ietf-rmcat-gcc), which looks at the trend of the delay instead of its level.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from slidewire.fec.policy import Network
from slidewire.rtp.sequence import Unwrapper
from slidewire.rtp.transport_feedback import TransportFeedback

START: Final = 1_000_000.0
LEAST: Final = 50_000.0
MOST: Final = 12_000_000.0
QUEUED: Final = 0.030
EMPTY: Final = 0.012
"""Seconds of standing queue: too much; as good as none."""
RECENT: Final = 0.25
LONG: Final = 10.0
SHRINK: Final = 0.85
TOLERATED: Final = 0.15
"""Loss up to which nothing changes."""
EXPECTED: Final = 0.10
"""What of more loss is taken for the way's own."""
SILENCE: Final = 1.5
DELIVERY: Final = 0.5
"""Seconds that what has been arriving is counted over."""
MEMORY: Final = 6.0
"""Seconds after which a loss counts a third."""
_REMEMBERED: Final = 8192
_REPORTED: Final = 100
"""Packets that a receiver report counts for: it does not say."""


@dataclass(slots=True)
class _Sent:
    at: float
    size: int
    arrived: bool | None = None
    """None: nothing was said about it."""


@dataclass(slots=True)
class _Losses:
    """Of the last seconds; older ones fade."""

    memory: float
    packets: float = 0.0
    lost: float = 0.0
    runs: float = 0.0
    at: float = 0.0

    def fade(self, now: float) -> None:
        kept = 0.5 ** (max(0.0, now - self.at) / (self.memory * 0.63))
        self.packets, self.lost, self.runs, self.at = self.packets * kept, self.lost * kept, self.runs * kept, now

    @property
    def share(self) -> float:
        return self.lost / self.packets if self.packets >= 1 else 0.0

    @property
    def burst(self) -> float:
        return self.lost / self.runs if self.runs >= 2 else 1.0


class Congestion:
    def __init__(self, now: float, rate: float = START) -> None:
        self.rate = rate
        """Bits per second on the wire, everything included."""
        self.queue = 0.0
        """The standing queue, in seconds."""
        self._sent: dict[int, _Sent] = {}
        self._unwrapper = Unwrapper()
        self._transits: deque[tuple[float, float]] = deque()
        """(when it was told of, transit time), of the last `RECENT` seconds."""
        self._floors: deque[tuple[float, float]] = deque()
        """The same of the last `LONG` seconds, only those that nothing newer is below."""
        self._arrived: deque[tuple[float, int]] = deque()
        self._losses, self._recent = _Losses(MEMORY), _Losses(1.5)
        self._round_trip: float | None = None
        self._exact_at = -LONG
        self._heard = now
        self._changed = now
        """When the rate was last lowered."""
        self._grown = now
        self._was_too_much: float | None = None

    @property
    def network(self) -> Network:
        """As `fec.policy` wants it."""
        return Network(self._losses.share, self._losses.burst, self.round_trip)

    @property
    def round_trip(self) -> float:
        return self._round_trip if self._round_trip is not None else 0.1

    @property
    def is_measured(self) -> bool:
        return self._losses.packets >= 20

    def sent(self, number: int, size: int, now: float) -> None:
        """A packet left, with this transport-wide sequence number (unwrapped)."""
        if not self._sent:
            self._heard = now  # from now on something can be told of
        self._sent[number] = _Sent(now, size)
        if len(self._sent) > _REMEMBERED:
            del self._sent[next(iter(self._sent))]
        if now - self._heard > SILENCE and now - self._changed > 0.5:
            self._lower(self.rate * 0.8, now)

    def feedback(self, feedback: TransportFeedback, now: float) -> None:
        arrivals = feedback.arrivals()
        newest: _Sent | None = None
        for index in range(len(feedback.deltas)):
            wrapped = (feedback.base + index) & 0xFFFF
            number = self._unwrapper.unwrap(wrapped)
            sent = self._sent.get(number)
            if sent is None:
                continue
            if wrapped not in arrivals:
                self._lost(number, sent, now)
            elif not sent.arrived:
                self._came(sent, arrivals[wrapped] - sent.at, now)
                newest = sent
        if newest is None:
            return
        self._heard = now
        if now - self._exact_at > 5.0:
            self._take_round_trip(now - newest.at)
        self._judge(now)

    def exact_round_trip(self, seconds: float, now: float) -> None:
        """From a receiver report, which says how long it had waited there."""
        self._exact_at = now
        self._take_round_trip(seconds)

    def reported(self, fraction: float, now: float) -> None:
        """From a receiver report, for a page without transport-wide feedback: then loss is all there is to go by."""
        for losses in (self._losses, self._recent):
            losses.fade(now)
            losses.packets += _REPORTED
            losses.lost += fraction * _REPORTED
            losses.runs += fraction * _REPORTED
        self._shrink_for_loss(now)
        if self._recent.share < EXPECTED:
            self._grow(now)
        self._grown = now

    def halve(self, now: float) -> None:
        """Something more important is in need."""
        self._lower(self.rate / 2, now)

    def _came(self, sent: _Sent, transit: float, now: float) -> None:
        for losses in (self._losses, self._recent):
            losses.fade(now)
            if sent.arrived is None:
                losses.packets += 1
            else:  # it was only late
                losses.lost = max(0.0, losses.lost - 1)
        sent.arrived = True
        self._arrived.append((now, sent.size))
        self._transits.append((now, transit))
        while self._floors and self._floors[-1][1] >= transit:
            self._floors.pop()
        self._floors.append((now, transit))

    def _lost(self, number: int, sent: _Sent, now: float) -> None:
        if sent.arrived is not None:
            return
        sent.arrived = False
        before = self._sent.get(number - 1)
        is_new_run = before is None or before.arrived is not False
        for losses in (self._losses, self._recent):
            losses.fade(now)
            losses.packets += 1
            losses.lost += 1
            losses.runs += is_new_run

    def _take_round_trip(self, seconds: float) -> None:
        if 0 <= seconds < 10:
            before = self._round_trip
            self._round_trip = seconds if before is None else before + (seconds - before) / 8

    def _judge(self, now: float) -> None:
        while self._transits and self._transits[0][0] < now - RECENT:
            self._transits.popleft()
        while self._floors and self._floors[0][0] < now - LONG:
            self._floors.popleft()
        while self._arrived and self._arrived[0][0] < now - DELIVERY:
            self._arrived.popleft()
        self.queue = min(transit for _, transit in self._transits) - self._floors[0][1]
        self._shrink_for_loss(now)
        delivered = sum(size for _, size in self._arrived) * 8 / DELIVERY
        if self.queue > QUEUED:
            # What was sent before the rate was lowered is still on its way, and in the queue.
            if now - self._changed > self.round_trip + RECENT:
                self._was_too_much = delivered
                self._lower(max(SHRINK * delivered, self.rate / 2), now)
        elif self.queue < EMPTY and delivered > 0.5 * self.rate:
            self._grow(now)
        self._grown = now

    def _grow(self, now: float) -> None:
        if self._was_too_much is None:
            growth = 1.5
        elif 0.8 < self.rate / self._was_too_much < 1.2:
            growth = 1.03
        else:
            growth = 1.08
        self.rate = min(MOST, self.rate * growth ** min(0.5, now - self._grown))

    def _shrink_for_loss(self, now: float) -> None:
        loss = self._recent.share
        if loss > TOLERATED and self._recent.packets >= 30 and now - self._changed > max(0.5, self.round_trip):
            self._was_too_much = self.rate
            self._lower(self.rate * (1 - (loss - EXPECTED) / 2), now)

    def _lower(self, rate: float, now: float) -> None:
        self.rate = max(LEAST, min(self.rate, rate))
        self._changed = now
