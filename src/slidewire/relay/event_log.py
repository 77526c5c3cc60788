"""The relay's log of events: one JSON object a line, without secrets, passwords or personal data.

A user is a pseudonym that holds until the program ends, made with a key that is never stored; addresses are left out.
`people=True` writes users and addresses as they are, for an operator who has to find out who it was.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import Any, Final

from slidewire.aio import clock
from slidewire.base.rates import Rate
from slidewire.turn.effects import Report

LINES: Final = Rate(50, 500)
"""Any client with a login can cause lines. What is beyond this rate is counted."""

Say = Callable[[dict[str, Any]], object]


class TurnLog:
    def __init__(self, say: Say, *, people: bool = False) -> None:
        self._say = say
        self._people = people
        self._key = os.urandom(32)
        self._full_at = 0.0
        self._unsaid = 0

    def __call__(self, report: Report) -> None:
        if report.event == "peer refused" and not self._people:
            return  # browsers ask for every private address they have; the metrics count them
        now = clock.monotonic()
        full_at = LINES.take(self._full_at, now)
        if full_at is None:
            self._unsaid += 1
            return
        self._full_at = full_at
        line: dict[str, Any] = {"event": report.event.replace(" ", "_"), "time": round(clock.wall(), 3)}
        if report.user:
            line["user"] = report.user if self._people else self._pseudonym(report.user)
        if self._people:
            line["client"] = str(report.client.address)
        line["transport"] = report.client.transport.value
        facts = dict(report.facts)
        if (since := facts.pop("since", None)) is not None:
            line["seconds"] = round(now - float(since), 1)
        line.update(facts)
        if self._unsaid:
            line["unsaid"], self._unsaid = self._unsaid, 0
        self._say(line)

    def _pseudonym(self, user: str) -> str:
        return hmac.digest(self._key, user.encode(), "sha256")[:6].hex()
