"""Frames go from publications to subscriptions: the participants' media, and what each page gets of it.

A *publication* is one line of one participant, its camera for example. A *subscription* is one line from the host to
one page. It has one source at a time, and which one follows from the state of the room (`router.py`). When that
changes, the subscription asks the new source for a key frame and lets nothing pass before it. (That the page gets one
stream, whose timestamps only grow, is the connection's work.)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from slidewire.media.frames import Frame, Line, Sink, Source

log = logging.getLogger(__name__)

KEY_EVERY: Final = 1.0
"""Seconds between two key frames that a source is asked for, however many watch it: each costs as much as a second."""
SILENCE: Final = 1.0
"""Seconds without a sound after which another operator may speak."""
SILENT_BYTES: Final = 3
"""An Opus packet up to this size is discontinuous transmission's: there is silence (RFC 6716 §2.1.9)."""

Clock = Callable[[], float]


class Publication:
    """What one line of one participant brings. It is a `Source`, and takes the frames of the participant's
    connection."""

    def __init__(self, ask: Callable[[], None], clock: Clock) -> None:
        """`ask` has the participant send a key frame."""
        self._ask = ask
        self._clock = clock
        self._asked_at = float("-inf")
        self._sinks: list[Sink] = []

    def subscribe(self, sink: Sink) -> None:
        self._sinks.append(sink)

    def unsubscribe(self, sink: Sink) -> None:
        if sink in self._sinks:
            self._sinks.remove(sink)

    def want_key(self) -> None:
        now = self._clock()
        if now - self._asked_at >= KEY_EVERY:
            self._asked_at = now
            self._ask()

    def take(self, frame: Frame) -> None:
        for sink in tuple(self._sinks):
            try:
                sink.take(frame)
            except Exception:
                # One watcher's trouble: the others, and who is watched, go on.
                log.exception("a watcher failed, and gets no more of this")
                self.unsubscribe(sink)


class Subscription:
    """One line of ours towards one page."""

    def __init__(self, line: Line, send: Callable[[Line, Frame], None]) -> None:
        self.line = line
        self.source: Source | None = None
        self._send = send
        self._awaits_key = True

    def switch_to(self, source: Source | None) -> None:
        """From now on its frames come from this source."""
        if source is self.source:
            return
        if self.source is not None:
            self.source.unsubscribe(self)
        self.source, self._awaits_key = source, True
        if source is not None:
            source.subscribe(self)
            self.want_key()

    def want_key(self) -> None:
        """The page lost something, or has just come."""
        if self.source is not None and self.line.is_video:
            self.source.want_key()

    def take(self, frame: Frame) -> None:
        if self._awaits_key and not frame.is_key:
            self.want_key()
        else:
            self._awaits_key = False
            self._send(self.line, frame)


class Talkback:
    """One operator speaks at a time: who began first, until a second of silence or the end of its connection."""

    def __init__(self) -> None:
        self.speaker: int | None = None
        self._heard_at = float("-inf")

    def receive(self, who: int, frame: Frame, now: float) -> bool:
        """Whether the speaker changed by this."""
        if len(frame.data) <= SILENT_BYTES:
            return False
        if self.speaker is not None and self.speaker != who and now - self._heard_at < SILENCE:
            return False
        changed = self.speaker != who
        self.speaker, self._heard_at = who, now
        return changed

    def ends(self, who: int) -> bool:
        """Whether the speaker changed by this."""
        if self.speaker != who:
            return False
        self.speaker = None
        return True
