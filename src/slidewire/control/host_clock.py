"""What the presenter knows of the host's session clock (protocol/control.md §5): it is never ahead of the truth.

A PONG was written before it arrived, so the host's clock is at least what it says, plus the time since. The greatest
of these bounds is the truest. A bound ages by a millisecond every two seconds (500 ppm), because no two clocks agree.

A PONG was also written after the PING it answers was sent, so the host's clock is at most what it says, plus the round
trip. A bound above that cannot be true: one of the two clocks was set, or stood still while its machine slept. It is
replaced by the PONG's.
"""

from __future__ import annotations

AGES_EVERY = 2000
"""Milliseconds in which a bound loses one: 100 ppm for each crystal, and kernels set a clock right by up to 500."""
ROUNDING = 3
"""Milliseconds by which three rounded readings may contradict each other."""


def serial_difference(a: int, b: int) -> int:
    """a - b for 32-bit values that wrap (RFC 1982)."""
    return (a - b + 0x80000000) % 0x100000000 - 0x80000000


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000) & 0xFFFFFFFF


class HostClock:
    """`now` is in seconds of the presenter's own monotonic clock, the host's clock in milliseconds modulo 2^32."""

    def __init__(self, clock: int, now: float) -> None:
        self._bound = clock
        self._since = milliseconds(now)

    def learn(self, clock: int, stamp: int, now: float) -> None:
        """A PONG has just arrived: the host's `clock`, and the `stamp` of the PING that it answers."""
        ahead = serial_difference(self.read(now), clock)
        round_trip = serial_difference(milliseconds(now), stamp)
        if ahead < 0 or 0 <= round_trip + round_trip // AGES_EVERY + ROUNDING < ahead:
            self._bound, self._since = clock, milliseconds(now)

    def read(self, now: float) -> int:
        """The greatest lower bound of the host's clock."""
        elapsed = serial_difference(milliseconds(now), self._since)
        return (self._bound + elapsed - elapsed // AGES_EVERY) & 0xFFFFFFFF
