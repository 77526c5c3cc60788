"""When each frame of a recording is to be shown.

A frame says when it was captured, on a clock that the audio and video of its source have in common, and that has
nothing to do with ours or with another source's. So for each source one number is added to that clock, found when
its first frame comes, and lips stay with voices. What is before a sender's first report has no time yet: it is held,
and dated back once there is one; if there is none for too long, by when it came.

Frames are given out in order and a little late, because repaired frames come late. Where a source's clock is out of
its mind, it is set anew by ours.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from slidewire.media.frames import Frame

BEHIND: Final = 1.0
"""Seconds from a frame's time until it is given out: as long as a frame may be repaired."""
HELD: Final = 7.0
"""Seconds that a frame may wait for its source's first report. Browsers report sound every five seconds."""
WRONG: Final = 5.0
"""Seconds by which a frame may be off from when it came."""
STEADY: Final = 0.010
"""Sound follows its own timestamps as long as they are that close to the clock: every report moves that a little."""
TICK: Final = 0.001
"""Frames of one kind are at least so far apart: it is the finest that the file can say."""


class Placed(NamedTuple):
    time: float
    """Seconds from the beginning of the recording."""
    order: int
    frame: Frame


@dataclass(slots=True)
class _Kind:
    """Video or audio of the present source."""

    held: list[tuple[Frame, float]] = field(default_factory=list)
    without_clock: float | None = None
    """What to add to the timestamp, in seconds, where no report ever came."""
    newest: int = 0
    """Timestamp of the frame that came last."""
    last: tuple[int, float] | None = None
    """Timestamp and time of the frame that was placed last."""


class RecordingClock:
    def __init__(self) -> None:
        self._ahead: float | None = None
        """The recording's clock less the source's."""
        self._kinds = {True: _Kind(), False: _Kind()}
        self._waiting: list[Placed] = []
        self._order = 0
        self._given = {True: -TICK, False: -TICK}
        """Times of the last frames that were given out."""

    def follow(self) -> None:
        """What comes now is of another source."""
        self._place_all_held()
        self._ahead = None
        self._kinds = {True: _Kind(), False: _Kind()}

    def take(self, frame: Frame, now: float) -> None:
        """`now`: seconds since the recording began."""
        kind = self._kinds[frame.codec.is_video]
        if frame.timestamp < kind.newest:  # the same source by another connection: its timestamps began anew
            self._place_held(kind)
            kind.without_clock = None
        kind.newest = frame.timestamp
        if frame.captured is not None:
            kind.without_clock = None
            held, kind.held = kind.held, []
            for earlier, came in held:
                back = (frame.timestamp - earlier.timestamp) / frame.codec.clock_rate
                self._place(kind, earlier, frame.captured - back, came)
            self._place(kind, frame, frame.captured, now)
        elif kind.without_clock is not None:
            self._place_without_clock(kind, frame, now)
        else:
            kind.held.append((frame, now))

    def ready(self, now: float) -> list[Placed]:
        """What can be written by now, in order."""
        for kind in self._kinds.values():
            if kind.held and now - kind.held[0][1] > HELD:  # perhaps nothing more comes of it: the rest cannot wait
                self._place_held(kind)
        until = min([now, *(kind.held[0][1] for kind in self._kinds.values() if kind.held)]) - BEHIND
        return self._give(until)

    def rest(self) -> list[Placed]:
        """Everything: nothing comes any more."""
        self._place_all_held()
        return self._give(float("inf"))

    def _place(self, kind: _Kind, frame: Frame, captured: float, came: float) -> None:
        if self._ahead is None or abs(captured + self._ahead - came) > WRONG:
            self._ahead = came - captured
        time = captured + self._ahead
        if not frame.codec.is_video and kind.last is not None:
            timestamp, before = kind.last
            follows = before + (frame.timestamp - timestamp) / frame.codec.clock_rate
            if abs(follows - time) < STEADY:
                time = follows
        self._put(kind, frame, time)

    def _place_held(self, kind: _Kind) -> None:
        held, kind.held = kind.held, []
        for frame, came in held:
            self._place_without_clock(kind, frame, came)

    def _place_without_clock(self, kind: _Kind, frame: Frame, came: float) -> None:
        time = frame.timestamp / frame.codec.clock_rate
        if kind.without_clock is None or abs(kind.without_clock + time - came) > WRONG:
            kind.without_clock = came - time
        self._put(kind, frame, kind.without_clock + time)

    def _place_all_held(self) -> None:
        for kind in self._kinds.values():
            self._place_held(kind)

    def _put(self, kind: _Kind, frame: Frame, time: float) -> None:
        kind.last = frame.timestamp, time
        self._order += 1
        heapq.heappush(self._waiting, Placed(time, self._order, frame))

    def _give(self, until: float) -> list[Placed]:
        given = []
        while self._waiting and self._waiting[0].time <= until:
            placed = heapq.heappop(self._waiting)
            is_video = placed.frame.codec.is_video
            time = max(placed.time, self._given[is_video] + TICK)
            self._given[is_video] = time
            given.append(placed._replace(time=time))
        return given
