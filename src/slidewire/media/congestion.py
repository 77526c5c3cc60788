"""How much the way to the page carries, from its transport-wide feedback: rate, loss, length of bursts, round trip.

**Queue.** The transit time of a packet (arrival less departure, on two clocks that differ by something constant) is
that of the empty way plus what it waited in queues. The least one of the last half minute stands for the empty way; the
least one of the last quarter of a second, less that, is what even the luckiest packet had to wait: the *standing
queue*. Bursts of our own and the jitter of Wi-Fi do not show in it, a way that is too narrow does.

    above 30 ms    the rate becomes 0.85 × what has been arriving, or less if the queue is long, so that it is gone in
                   about two seconds; and again if it does not shrink. If it only stays as it is, whatever we do, the
                   way itself has become longer
    below 12 ms    if the rate was lowered: nine tenths of what was arriving then, for that is what the way carries;
                   near that it grows by 3 % a second, farther away by 8 %, and before it was ever too much by half
    between        it stays

**Loss.** Random loss says nothing about capacity: up to 20 % changes nothing here, repair packets and retransmissions
deal with it. Above, the rate shrinks by half of what is beyond 10 %, for there are queues too short to be seen.

**Silence.** Without feedback while packets leave, the rate shrinks by a fifth each half second.

A rate above `UNPROVEN` does not grow unless at least half of it is used: a still picture proves nothing about the way.
Below, and while nothing is sent at all, it does, by a quarter a second until near what was too much. All this is
simpler than Google's congestion control (draft-ietf-rmcat-gcc), which looks at the trend of the delay, not its level.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from slidewire.fec.policy import Network
from slidewire.rtp.transport_feedback import TransportFeedback

START: Final = 500_000.0
"""With twice as much, the first picture stood in the queue of 1 Mbit/s for a quarter of a second, and every click with
it; where there is more, it takes a second and a half to find out."""
LEAST: Final = 50_000.0
MOST: Final = 12_000_000.0
QUEUED: Final = 0.030
EMPTY: Final = 0.012
"""Seconds of standing queue: too much; as good as none."""
STANDS: Final = 0.12
"""Seconds after which it is no hiccup."""
PAUSE: Final = 0.12
"""Seconds by which one packet takes longer than the one before it."""
RECENT: Final = 0.25
MOST_RECENT: Final = 1024
"""Packets that came in it: three times what leaves at the highest rate. The page's clock need not go on."""
LONG: Final = 30.0
SHRINK: Final = 0.85
DRAINED: Final = 1.5
"""Seconds in which a queue is to be gone, if that does not take less than a fifth of the rate."""
TO_NO_AVAIL: Final = 4
UNPROVEN: Final = 200_000.0
TOLERATED: Final = 0.20
"""Loss up to which nothing changes."""
EXPECTED: Final = 0.10
"""What of more loss is taken for the way's own."""
SILENCE: Final = 1.5
LATELY: Final = 1.0
MEMORY: Final = 6.0
"""Seconds after which a loss counts a third."""
_REMEMBERED: Final = 8192
_ENOUGH: Final = 8
"""Packets that say how much arrives."""
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


class _Window:
    """What came in the last `RECENT` seconds, by the page's clock and in its order, and what is to be known of it: each
    packet is looked at when it comes and when it goes, never in between."""

    def __init__(self) -> None:
        self._came: deque[tuple[float, _Sent, bool]] = deque()
        """With each: whether it took longer than the one before it by a pause."""
        self._lows: deque[tuple[float, float]] = deque()
        """Transits of those after which none was less, and when these came."""
        self.size = 0
        """Bytes."""
        self.pauses = 0
        """Something held packets up at once: a busy computer, a radio asleep. In a queue each waits a little longer."""

    def __len__(self) -> int:
        return len(self._came)

    @property
    def first(self) -> tuple[float, _Sent]:
        return self._came[0][:2]

    @property
    def last(self) -> tuple[float, _Sent]:
        return self._came[-1][:2]

    @property
    def least(self) -> float:
        """The least transit."""
        return self._lows[0][1]

    def append(self, at: float, sent: _Sent) -> None:
        transit = at - sent.at
        is_pause = bool(self._came) and transit - (self.last[0] - self.last[1].at) > PAUSE
        self._came.append((at, sent, is_pause))
        self.size += sent.size
        self.pauses += is_pause
        while self._lows and self._lows[-1][1] >= transit:
            self._lows.pop()
        self._lows.append((at, transit))
        while self._came[0][0] < at - RECENT or len(self._came) > MOST_RECENT:
            self._drop()

    def _drop(self) -> None:
        at, sent, is_pause = self._came.popleft()
        self.size -= sent.size
        self.pauses -= is_pause
        if self._lows[0] == (at, at - sent.at):
            self._lows.popleft()
        if self._came and self._came[0][2]:  # there is no packet before it any more
            self._came[0] = (*self.first, False)
            self.pauses -= 1


class Congestion:
    def __init__(self, now: float, rate: float = START) -> None:
        self.rate = rate
        """Bits per second on the wire, everything included."""
        self.queue = 0.0
        """The standing queue, in seconds."""
        self._sent: dict[int, _Sent] = {}
        self._next = self._told = 0
        """The number that leaves next; up to which one was told what came and what did not."""
        self._came = _Window()
        self._floors: deque[tuple[float, float]] = deque()
        """The same of the last `LONG` seconds, only those that nothing newer is below."""
        self._losses, self._recent = _Losses(MEMORY), _Losses(MEMORY / 2)
        self._round_trip: float | None = None
        self._is_exact = False
        self._left = -LONG
        self._heard = now
        self._changed = now
        """When the rate was last lowered."""
        self._grown = now
        self._was_too_much: float | None = None
        """What was arriving when a queue stood."""
        self._drains_from: float | None = None
        """The standing queue when the rate was last lowered for it, or looked at since."""
        self._look_again = self._stands_since = now
        self._in_vain = 0

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
        if now - self._left > SILENCE:
            self._heard = now  # from now on something can be told of
        self._left = now
        self._next = number + 1
        self._sent[number] = _Sent(now, size)
        if len(self._sent) > _REMEMBERED:
            del self._sent[next(iter(self._sent))]
        if now - self._heard > SILENCE and now - self._changed > 0.5:
            self._lower(self.rate * 0.8, now)

    def idle(self, now: float) -> None:
        """To be called from time to time: while nothing leaves, nothing is told of either."""
        if now - self._left > 0.5:
            if self._drains_from is not None and now >= self._look_again:
                self._drained()
            elif self.rate < UNPROVEN:
                self._grow(now)
            self._grown = now

    def feedback(self, feedback: TransportFeedback, now: float) -> None:
        """What it says of packets that left and were not told of before; of the rest nothing is believed, nor looked
        at. So it costs no more than the bytes that it is made of and the packets that we sent."""
        newest: _Sent | None = None
        start = self._number(feedback.base)
        came = {self._number(wrapped): at for wrapped, at in feedback.arrivals().items()}
        for number in range(max(start, self._told), min(start + feedback.total, self._next)):
            if number not in came and (sent := self._sent.get(number)) is not None:
                self._lost(number, sent, now)
        self._told = max(self._told, min(start + feedback.total, self._next))
        for number, at in came.items():
            sent = self._sent.get(number)
            if sent is not None and not sent.arrived:
                self._arrive(sent, at, now)
                newest = sent
        if newest is None:
            return
        self._heard = now
        if not self._is_exact:
            # Feedback waits a little before it leaves; the luckiest one did not.
            self._round_trip = min(now - newest.at, self._round_trip or LONG)
        self._judge(now)

    def _number(self, wrapped: int) -> int:
        """Unwrapped: the last one that left."""
        return self._next - 1 - ((self._next - 1 - wrapped) & 0xFFFF)

    def queue_now(self, now: float) -> float:
        """The standing queue; nothing waits there if nothing of ours was told of for a second."""
        return self.queue if now - self._heard < LATELY else 0.0

    def exact_round_trip(self, seconds: float) -> None:
        """From a receiver report, which says how long it had waited there."""
        if not 0 <= seconds < 10:
            return
        before = self._round_trip
        if before is None or not self._is_exact:
            self._round_trip = seconds
        else:  # a queue that builds up should be believed sooner than one lucky packet
            self._round_trip = before + (seconds - before) / (8 if seconds < before else 2)
        self._is_exact = True

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

    def _arrive(self, sent: _Sent, at: float, now: float) -> None:
        for losses in (self._losses, self._recent):
            losses.fade(now)
            if sent.arrived is None:
                losses.packets += 1
            else:  # it was only late
                losses.lost = max(0.0, losses.lost - 1)
        sent.arrived = True
        if self._came and abs(at - self._came.last[0]) > LONG:
            self._came = _Window()  # the page's clock began anew
            self._floors.clear()
        self._came.append(at, sent)
        transit = at - sent.at
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

    def _judge(self, now: float) -> None:
        while self._floors[0][0] < now - LONG:
            self._floors.popleft()
        self.queue = self._came.least - self._floors[0][1]
        self._shrink_for_loss(now)
        delivered = self._came.size * 8 / RECENT
        if self.queue <= QUEUED or self._came.pauses:
            self._stands_since = now
        if self.queue > QUEUED:
            if now - self._stands_since > STANDS:
                self._relieve(delivered, now)
        elif self._drains_from is not None:
            if self.queue < EMPTY or now >= self._look_again:
                self._drained()
        elif self.queue < EMPTY and (delivered > 0.5 * self.rate or self.rate < UNPROVEN):
            self._grow(now)
        self._grown = now

    def _drained(self) -> None:
        self._drains_from, self._in_vain = None, 0
        self.rate = max(self.rate, 0.9 * (self._was_too_much or 0))

    def _relieve(self, delivered: float, now: float) -> None:
        if now < self._look_again:
            return  # what was sent before is still on its way, and in the queue
        self._look_again = now + self.round_trip + self.queue + RECENT
        before, self._drains_from = self._drains_from, self.queue
        if before is not None and self.queue < 0.9 * before:
            return
        if before is not None and self.queue < 1.1 * before and self._recent.share < TOLERATED:
            self._in_vain += 1
            if self._in_vain == TO_NO_AVAIL:
                self._drains_from, self._in_vain = None, 0
                self._floors = deque([(now, self.queue + self._floors[0][1])])
                return
        took = self._came.last[0] - self._came.first[0]
        left_in = self._came.last[1].at - self._came.first[1].at
        least = 0.0
        if len(self._came) >= _ENOUGH and (delivered > self.rate / 2 or took > 1.1 * left_in):
            self._was_too_much = delivered
        else:
            least = self.rate / 2  # the path is filled by the traffic of others
        share = min(SHRINK, max(0.2, 1 - self.queue / DRAINED))
        self._lower(max(share * delivered, least), now)

    def _grow(self, now: float) -> None:
        if self._was_too_much is None:
            growth = 1.5
        elif 0.8 < self.rate / self._was_too_much < 1.2:
            growth = 1.03
        elif self.rate < min(UNPROVEN, self._was_too_much):
            growth = 1.25
        else:
            growth = 1.08
        self.rate = min(MOST, self.rate * growth ** min(0.5, now - self._grown))

    def _shrink_for_loss(self, now: float) -> None:
        loss = self._recent.share
        if loss > TOLERATED and self._recent.packets >= 50:
            if self.queue < QUEUED:
                self._was_too_much = self.rate
            self._lower(self.rate * (1 - (loss - EXPECTED) / 2), now)
            self._recent = _Losses(self._recent.memory)  # these have had their effect

    def _lower(self, rate: float, now: float) -> None:
        self.rate = max(LEAST, min(self.rate, rate))
        self._changed = now
