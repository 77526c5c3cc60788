"""What the presenter knows of the host's session clock (protocol/control.md §5): it is never ahead of the truth.

Every PONG was written before it arrived, so the host's clock is at least what it says, plus the time since. The
greatest of these bounds is the truest. A bound ages by a millisecond every five seconds (200 ppm), because no two
crystals agree.
"""

from __future__ import annotations

AGES_EVERY = 5000
"""Milliseconds in which a bound loses one."""


def serial_difference(a: int, b: int) -> int:
    """a - b for 32-bit values that wrap (RFC 1982)."""
    return (a - b + 0x80000000) % 0x100000000 - 0x80000000


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000) & 0xFFFFFFFF


class HostClock:
    """`now` is in seconds of the presenter's own monotonic clock, the host's clock in milliseconds modulo 2^32."""

    def __init__(self, clock: int, now: float) -> None:
        self._since = milliseconds(now)
        self._ahead = serial_difference(clock, self._since)

    def learn(self, clock: int, now: float) -> None:
        """A clock reading of the host has just arrived."""
        age = serial_difference(milliseconds(now), self._since) // AGES_EVERY
        self._since += age * AGES_EVERY
        self._ahead -= age
        self._ahead += max(0, serial_difference(clock, self.read(now)))

    def read(self, now: float) -> int:
        """The greatest lower bound of the host's clock."""
        return (milliseconds(now) + self._ahead) & 0xFFFFFFFF
