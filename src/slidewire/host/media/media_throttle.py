"""When the media of one participant have to give way, judged by what its clicks feel.

Clicks go first. A queue that media fill is felt by the PINGs of the control session before anything is lost. When two
of them in a row take longer than the best of the last half minute, or two in a row stay unanswered, the media's rate is
halved; how it grows again is the business of the media's own congestion control. One PING that is late or lost means
nothing: on a wireless network that is the weather, and less video would not mend it. Nor would it where the media's own
packets find no queue on their way: then it is a computer that is busy, not the network.
"""

from __future__ import annotations

from typing import Final

RISE_SECONDS: Final = 0.030
RISE_SHARE: Final = 0.5
"""The round trip may lie this much over its best, whichever is more."""
IN_A_ROW: Final = 2
NO_QUEUE: Final = 0.012
"""Seconds that packets may wait on their way, and it is as good as empty."""
EVERY: Final = 0.5
"""Seconds at least from one time to the next: it takes a round trip to be felt."""
REMEMBERED: Final = 15.0
"""Seconds. A round trip counts as the best for one to two of these: networks change."""


class MediaThrottle:
    """It owns no clock: `now` is passed in."""

    def __init__(self) -> None:
        self._path = ""
        self._heard_at = float("-inf")
        self._unanswered = 0
        self._slow = 0
        """PINGs in a row that took too long."""
        self._bests = (float("inf"), float("inf"))
        """The shortest round trips of this stretch of time and of the one before."""
        self._stretch_ends = float("-inf")
        self._gave_way = float("-inf")

    def must_give_way(
        self,
        path: str,
        round_trip: float | None,
        heard_at: float | None,
        unanswered: int,
        queue: float | None,
        now: float,
    ) -> bool:
        """What is known of the path that clicks take: its last round trip and when that was measured, and how many
        PINGs in a row stayed unanswered since. `queue` is what the media know of theirs: how long their packets wait on
        it; None: nothing. True: media give way, once, now."""
        if path != self._path:
            self._path, self._bests, self._unanswered, self._slow = path, (float("inf"), float("inf")), 0, 0
        is_troubled = unanswered >= IN_A_ROW and unanswered > self._unanswered
        self._unanswered = unanswered
        if round_trip is not None and heard_at is not None and heard_at > self._heard_at:
            self._heard_at = heard_at
            self._slow = self._slow + 1 if self._is_slow(round_trip, now) else 0
            is_troubled |= self._slow >= IN_A_ROW
        is_ours = queue is None or queue > NO_QUEUE
        if not (is_troubled and is_ours) or now - self._gave_way < EVERY:
            return False
        self._gave_way = now
        return True

    def _is_slow(self, round_trip: float, now: float) -> bool:
        if now >= self._stretch_ends:
            self._bests = (float("inf"), self._bests[0])
            self._stretch_ends = now + REMEMBERED
        self._bests = (min(self._bests[0], round_trip), self._bests[1])
        best = min(self._bests)
        return round_trip - best > max(RISE_SECONDS, RISE_SHARE * best)
