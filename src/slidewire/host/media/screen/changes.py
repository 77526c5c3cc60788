"""What changed between two looks at a screen, and what follows from it: when to look again, and when to encode.

Pure. Pictures are compared in bands of rows, because rows lie together in memory: two 1080p pictures take half a
millisecond, less than it takes to fetch one of them. Which columns changed is left to the encoder, which looks anyway.

Nothing moves: nothing is encoded, but the picture as it is, five times in the second after the change and then once a
second. The repeats are small. They sharpen what the first frame of a change had too few bits for, and let a receiver
notice that the packet before was lost, because only a later packet tells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

BAND = 16
"""Rows that are compared together. Even, because two rows share their colour in what encoders take."""

SLOWEST, FASTEST = 5.0, 30.0
"""Looks a second while something moves."""
AT_REST = 15.0
"""Looks a second while nothing moves: a change is seen 33 ms later, on average."""
MOVES_FOR = 0.5
"""Seconds after the last change for which something counts as moving."""
SMALL, LARGE = 0.15, 0.6
"""Shares of the picture: what is smaller moves at `FASTEST`, what is larger at half of that."""
BUSY = 0.5
"""The share of the time that looking and encoding may take while `SLOWEST` allows it. It is time on the wall: what else
wants the processor makes it longer, and that is right."""

REPEATS = (0.15, 0.3, 0.5, 0.75, 1.0)
"""Seconds after a change at which it is encoded again."""
STILL_THERE = 1.0
"""Seconds from one frame to the next while nothing changes."""
KEY_INTERVAL = 1.0
"""Seconds between two key frames that were asked for: those who ask meanwhile share the next one."""
DEBT = 0.25
"""Seconds by which the frames so far may be ahead of their bit rate when another one is encoded."""


def changed_rows(before: bytearray | None, after: bytearray, row: int) -> list[range]:
    """The rows that differ, as whole bands; all of them if there is nothing to compare with. `row` is a row's bytes.

    Slices of a bytearray are copies, and yet this is 30 times quicker than comparing views of it, which CPython does
    byte by byte.
    """
    height = len(after) // row
    if before is None or len(before) != len(after):
        return [range(height)]
    if before == after:
        return []
    return list(_joined(before, after, row, height))


def _joined(before: bytearray, after: bytearray, row: int, height: int) -> Iterator[range]:
    start: int | None = None
    for top in range(0, height, BAND):
        here = slice(top * row, (top + BAND) * row)
        if before[here] == after[here]:
            if start is not None:
                yield range(start, top)
            start = None
        elif start is None:
            start = top
    if start is not None:
        yield range(start, height)


def share_of(rows: list[range], height: int) -> float:
    return sum(map(len, rows)) / height


class Pace:
    """When to look at the screen: the more often, the less of it moves, and never so often that it keeps the computer
    from showing the slides."""

    def __init__(self, fastest: float = FASTEST) -> None:
        self._fastest = fastest
        self._looked = -math.inf
        self._changed = -math.inf
        self._share = 0.0
        self._cost = 0.0

    def due(self) -> float:
        return self._looked + self.interval

    @property
    def interval(self) -> float:
        if self._looked - self._changed > MOVES_FOR:
            return 1 / min(AT_REST, self._fastest)
        large = min(max((self._share - SMALL) / (LARGE - SMALL), 0.0), 1.0)
        wanted = 1 / min(FASTEST * (1 - large / 2), self._fastest)
        return max(wanted, min(self._cost / BUSY, 1 / SLOWEST))

    def looked(self, now: float, share: float) -> None:
        """At the picture, of which that share had changed."""
        # Keep the beat when this look was a little late; begin a new one when it was later than that.
        due = self.due()
        self._looked = due if now < due + self.interval / 2 else now
        if share:
            moves = now - self._changed <= MOVES_FOR
            self._share = 0.7 * self._share + 0.3 * share if moves else share
            self._changed = now

    def took(self, seconds: float) -> None:
        """To look and to encode, after a change."""
        self._cost = 0.8 * self._cost + 0.2 * seconds if self._cost else seconds


class Cadence:
    """When one encoder has something to do. A frame that is due is one of the newest picture: none ever waits."""

    def __init__(self, fastest: float, rate: float) -> None:
        # Looks have the same beat, or half of it, and are not quite even: do not make one wait for the next.
        self._interval = 0.9 / fastest
        self.rate = rate
        """Bits a second."""
        self._encoded = -math.inf
        self._changed: float | None = None
        """Since when there has been a change that is not encoded."""
        self._since = -math.inf
        """When the last change was."""
        self._key_wanted = False
        self._key = -math.inf
        self._debt = 0.0
        """Bits encoded that its rate has not paid for yet, at the time of the last frame."""

    def changed(self, now: float) -> None:
        if self._changed is None:
            self._changed = now
        self._since = now

    def want_key(self) -> None:
        self._key_wanted = True

    @property
    def has_change(self) -> bool:
        """One that is not encoded yet."""
        return self._changed is not None

    def is_key_due(self, now: float) -> bool:
        return self._key_wanted and now >= self._key + KEY_INTERVAL

    def due(self) -> float:
        """When the next frame is due."""
        paid = self._encoded + max(self._debt / self.rate - DEBT, 0.0)
        repeats = (self._since + after for after in REPEATS if self._since + after > self._encoded)
        wanted = min(next(repeats, math.inf), self._encoded + STILL_THERE)
        if self._changed is not None:
            wanted = min(wanted, max(self._changed, self._encoded + self._interval))
        if self._key_wanted:
            wanted = min(wanted, self._key + KEY_INTERVAL)
        return max(wanted, paid)

    def encoded(self, now: float, bits: int, *, is_key: bool) -> None:
        paid = (now - self._encoded) * self.rate
        self._debt = max(self._debt - paid, 0.0) + bits
        self._encoded = now
        self._changed = None
        if is_key:
            self._key, self._key_wanted = now, False
