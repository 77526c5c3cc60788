"""When packets came, told to their sender several times a second (draft-holmer-rmcat-transport-wide-cc-extensions-01).

The numbers are those of the transport, over all streams of a connection; from the feedback the sender works out how
much the path carries. Each feedback goes on where the last one ended, so that what did not come is told as well; a
packet that came late makes it begin there again, and repeat what came since. A sender whose numbers jump gets a
new beginning.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from slidewire.media.effects import SendRtcp
from slidewire.rtp.sequence import Unwrapper
from slidewire.rtp.transport_feedback import TransportFeedback

INTERVAL: Final = 0.05
KEPT_SECONDS: Final = 0.5
"""How long an arrival that was told may be told again."""
LONGEST: Final = 4.0
"""Seconds that one feedback may be about, if it comes as late as that: its format has room for eight."""
KEPT: Final = 2000
FARTHEST_AHEAD: Final = 3000
FARTHEST_BEHIND: Final = 1000
IN_ONE: Final = 500
"""Packets in one feedback: it has to fit into a datagram, at two bytes each at worst."""


class TwccFeedback:
    def __init__(self, sender: int) -> None:
        """`sender`: the SSRC in whose name feedback is given."""
        self._sender = sender
        self._media = 0
        self._numbers = Unwrapper()
        self._highest: int | None = None
        self._next = 0
        """The first number that was not told about."""
        self._came: dict[int, float] = {}
        self._new: list[int] = []
        self._due: float | None = None
        self._not_before = 0.0
        self._count = 0
        self._effects: deque[SendRtcp] = deque()

    def note(self, number: int, ssrc: int, now: float) -> None:
        """A packet of this stream came with this transport-wide sequence number."""
        place = self._numbers.peek(number)
        if self._highest is None or not -FARTHEST_BEHIND < place - self._highest < FARTHEST_AHEAD:
            self._numbers = Unwrapper()
            self._came.clear()
            self._new.clear()
            self._highest = self._next = place = number
        self._numbers.unwrap(number)
        self._highest = max(self._highest, place)
        if place in self._came:
            return
        self._media = ssrc
        self._came[place] = now
        self._new.append(place)
        if len(self._came) > KEPT:
            del self._came[next(iter(self._came))]
        if self._due is None:
            self._due = max(now, self._not_before)

    def next_effect(self) -> SendRtcp | None:
        return self._effects.popleft() if self._effects else None

    def get_timer(self) -> float | None:
        return self._due

    def handle_timer(self, now: float) -> None:
        if self._due is None or now < self._due:
            return
        self._due, self._not_before = None, now + INTERVAL
        self._forget_before(now - LONGEST)
        start = min(self._next, *self._new) if self._new else self._next
        part: dict[int, float] = {}
        for place in sorted(place for place in self._came if place >= start):
            if part and place >= start + IN_ONE:
                start = self._tell(part, start)
                part = {}
            if not part and place >= start + IN_ONE:
                start = place  # nothing of so many: the sender sees from what follows that they are lost
            part[place] = self._came[place]
        if part:
            start = self._tell(part, start)
        self._next = max(self._next, start)
        self._new.clear()
        self._forget_before(now - KEPT_SECONDS)

    def _tell(self, part: dict[int, float], start: int) -> int:
        """Where the next feedback begins."""
        feedback = TransportFeedback.of(self._sender, self._media, self._count, part, base=start)
        self._effects.append(SendRtcp((feedback,)))
        self._count = (self._count + 1) & 0xFF
        return max(part) + 1

    def _forget_before(self, time: float) -> None:
        """What came first stands first."""
        while self._came and self._came[first := next(iter(self._came))] < time:
            del self._came[first]
