"""Numbers that wrap (RFC 3550 §A.1): sequence numbers of 16 bits, timestamps of 32.

Two such numbers say which is newer only as long as they are less than half the range apart; `Unwrapper` turns a stream
of them into integers that go on growing.
"""

from __future__ import annotations

from typing import Final

SEQUENCE_BITS: Final = 16
TIMESTAMP_BITS: Final = 32


def difference(newer: int, older: int, bits: int = SEQUENCE_BITS) -> int:
    """How far `newer` is ahead, from -2^(bits-1) to 2^(bits-1) - 1: negative if it is the older one after all."""
    half = 1 << bits - 1
    return (newer - older + half) % (1 << bits) - half


def is_newer(sequence_number: int, than: int) -> bool:
    return difference(sequence_number, than) > 0


class Unwrapper:
    """Gives each number that comes the place nearest to the highest one so far, in numbers that never wrap."""

    def __init__(self, bits: int = SEQUENCE_BITS) -> None:
        self._bits = bits
        self._highest: int | None = None

    def unwrap(self, value: int) -> int:
        place = self.peek(value)
        if self._highest is None or place > self._highest:
            self._highest = place
        return place

    def peek(self, value: int) -> int:
        """The same, but what comes next is not judged by it."""
        if self._highest is None:
            return value
        return self._highest + difference(value, self._highest % (1 << self._bits), self._bits)
