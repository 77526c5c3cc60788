"""How much of its rate one guest's media may take, judged by what its clicks feel.

Clicks go first. A queue that media fill is felt by the PINGs of the control session before anything is lost: when their
round trip rises over the best of the last half minute, or two in a row stay unanswered, the media's share is halved. It
comes back slowly. One PING that is lost means nothing: on a lossy network that is the weather, and less video would not
mend it.
"""

from __future__ import annotations

from typing import Final

RISE_SECONDS: Final = 0.030
RISE_SHARE: Final = 0.5
"""The round trip may lie this much over its best, whichever is more."""
UNANSWERED: Final = 2
HALVED_EVERY: Final = 0.5
"""Seconds at least between two halvings: the first takes a round trip to be felt."""
CALM: Final = 2.0
"""Seconds without trouble after which the share grows."""
GROWTH: Final = 0.05
"""… by this much of the whole each second."""
LEAST: Final = 1 / 64
REMEMBERED: Final = 15.0
"""Seconds. A round trip counts as the best for one to two of these: networks change."""


class Governor:
    """It owns no clock: `now` is passed in."""

    def __init__(self) -> None:
        self.share = 1.0
        """Of the rate that the network seems to carry."""
        self._path = ""
        self._heard_at = float("-inf")
        self._unanswered = 0
        self._bests = (float("inf"), float("inf"))
        """The shortest round trips of this stretch of time and of the one before."""
        self._stretch_ends = float("-inf")
        self._halved_at = self._troubled_at = self._grown_at = float("-inf")

    def observe(self, path: str, round_trip: float | None, heard_at: float | None, unanswered: int, now: float) -> None:
        """What is known of the path that clicks take: its last round trip and when that was measured, and how many
        PINGs in a row stayed unanswered since."""
        if path != self._path:
            self._path, self._bests, self._unanswered = path, (float("inf"), float("inf")), 0
        is_troubled = unanswered >= UNANSWERED and unanswered > self._unanswered
        self._unanswered = unanswered
        if round_trip is not None and heard_at is not None and heard_at > self._heard_at:
            self._heard_at = heard_at
            is_troubled |= self._is_slow(round_trip, now)
        if is_troubled:
            self._trouble(now)
        elif now - self._troubled_at >= CALM:
            self.share = min(1.0, self.share + GROWTH * min(1.0, now - self._grown_at))
            self._grown_at = now

    def _is_slow(self, round_trip: float, now: float) -> bool:
        if now >= self._stretch_ends:
            self._bests = (float("inf"), self._bests[0])
            self._stretch_ends = now + REMEMBERED
        self._bests = (min(self._bests[0], round_trip), self._bests[1])
        best = min(self._bests)
        return round_trip - best > max(RISE_SECONDS, RISE_SHARE * best)

    def _trouble(self, now: float) -> None:
        self._troubled_at = self._grown_at = now
        if now - self._halved_at >= HALVED_EVERY:
            self._halved_at = now
            self.share = max(LEAST, self.share / 2)
