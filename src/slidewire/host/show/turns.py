"""Which session to tell next: all that are due, in rotation, as fast as a rate allows.

Sans-I/O. What is told is the newest state of something, so marking a session that is due already costs nothing, and a
session that cannot be told just now (its channel is full) keeps its turn without holding up the others.
"""

from __future__ import annotations

from collections.abc import Callable

from slidewire.base.rates import Bucket, Rate

LOOK_AGAIN = 0.05
"""Seconds until a session that could not be told is looked at again."""


class Turns:
    def __init__(self, rate: Rate, spacing: float = 0.0) -> None:
        """`rate`: of all sessions together. `spacing`: seconds between two turns of one session."""
        self._bucket = Bucket(rate)
        self._spacing = spacing
        self._due: dict[int, None] = {}
        """The next stands first."""
        self._last: dict[int, float] = {}
        """When each session had its turn last."""
        self._next = float("-inf")
        """No session can be told earlier."""

    def mark(self, session: int) -> None:
        self._due.setdefault(session)
        self._next = float("-inf")

    def delay(self, session: int, until: float) -> None:
        """Its next turn is not before."""
        self._last[session] = max(self._last.get(session, until), until - self._spacing)

    def forget(self, session: int) -> None:
        self._due.pop(session, None)
        self._last.pop(session, None)

    def take(self, now: float, may: Callable[[int], bool], most: int) -> list[int]:
        """Up to `most` sessions to tell now, of those that `may` be told. They are due no more."""
        taken: list[int] = []
        self._next = float("inf")
        for session in list(self._due):
            if len(taken) == most:
                self._next = now
                break
            free_at = self._last.get(session, float("-inf")) + self._spacing
            if free_at > now:
                self._next = min(self._next, free_at)
            elif not may(session):
                self._next = min(self._next, now + LOOK_AGAIN)
            elif (wait := self._bucket.take(now)) > 0:
                self._next = min(self._next, now + wait)
                break
            else:
                del self._due[session]
                self._last[session] = now
                taken.append(session)
        return taken

    def get_timer(self) -> float | None:
        """When to ask `take` again; None: no session is due."""
        return self._next if self._due else None
