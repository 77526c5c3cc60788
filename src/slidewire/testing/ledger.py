"""The promises of protocol/control.md §5 as a bookkeeper checks them: what was asked, what was done, what was said.

once, in order, not late, as asked; one receipt for each intent, and each receipt is true; bounded memory
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NoReturn

from slidewire.control.host_session import AHEAD, RECEIPTS_KEPT, HostSession
from slidewire.control.intents import Intent, Outcome, Status
from slidewire.control.parts import HALF_MESSAGES
from slidewire.control.presenter_session import PresenterSession, ReceiptArrived

ALLOWANCE = 0.003
"""Seconds for rounding to milliseconds at both ends."""
DRIFT = 500e-6
"""By how much a second of one clock may differ from a second."""


class Broken(AssertionError):
    """A promise that was not kept."""


@dataclass(slots=True)
class _Entry:
    presenter: int
    intent: Intent
    asked_at: float
    time_to_live: float
    order: int
    """The presenter's taps, counted through all its sessions."""
    done: Outcome | None = None
    status: Status | None = None


class Ledger:
    def __init__(self, reproduce: str) -> None:
        self.statuses: Counter[Status] = Counter()
        self.most_waiting = 0
        self.most_settled = 0
        self._reproduce = reproduce
        self._entries: dict[tuple[int, int], _Entry] = {}
        self._asked: Counter[int] = Counter()
        self._last: dict[tuple[int, str, int], int] = {}

    def asked(self, presenter: int, session: int, sequence: int, intent: Intent, now: float, ttl: float) -> None:
        self._asked[presenter] += 1
        self._entries[session, sequence] = _Entry(presenter, intent, now, ttl, self._asked[presenter])

    def performed(
        self, host: str, process: int, session: int, sequence: int, intent: Intent, outcome: Outcome, now: float
    ) -> None:
        entry = self._entries.get((session, sequence))
        what = f"intent {sequence} of session {session:08x} at {now:.3f}"
        if entry is None or entry.intent != intent:
            self.broken(f"{what}: no presenter asked for {intent}")
        if entry.done is not None:
            self.broken(f"{what}: done twice")
        late = now - entry.asked_at - entry.time_to_live * (1 + DRIFT)
        if late > ALLOWANCE:
            self.broken(f"{what}: done {late * 1000:.1f} ms too late")
        key = (entry.presenter, host, process)
        if self._last.get(key, 0) >= entry.order:
            self.broken(f"{what}: done after a later one")
        if entry.status not in (None, Status.UNKNOWN):
            self.broken(f"{what}: done after it was reported {entry.status}")
        self._last[key] = entry.order
        entry.done = outcome

    def receipt(self, session: int, receipt: ReceiptArrived) -> None:
        entry = self._entries.get((session, receipt.sequence))
        what = f"the receipt of intent {receipt.sequence} of session {session:08x}"
        if entry is None or entry.intent != receipt.intent:
            self.broken(f"{what}: no presenter asked for that")
        if entry.status is not None:
            self.broken(f"{what}: a second one")
        entry.status = receipt.status
        self.statuses[receipt.status] += 1
        if receipt.status is Status.UNKNOWN:
            return
        if receipt.status in (Status.EXPIRED, Status.DUPLICATE):
            if entry.done is not None:
                self.broken(f"{what} says {receipt.status.word}, but it was done")
        elif entry.done != Outcome(receipt.status, receipt.before, receipt.after, receipt.reason):
            self.broken(f"{what} says {receipt}, but the deck's answer was {entry.done}")

    def note_memory(self, session: HostSession) -> None:
        self.most_waiting = max(self.most_waiting, len(session._waiting) + len(session._performing))
        self.most_settled = max(self.most_settled, len(session._settled))
        halves = len(session.wire._assembler._halves)
        if len(session._waiting) > AHEAD or len(session._settled) > RECEIPTS_KEPT or halves > HALF_MESSAGES:
            self.broken("a host's session holds more than it may")
        if session.wire._frames and len(session.wire._frames) > AHEAD:
            self.broken("frames pile up")

    def nothing_is_outstanding(self, session: PresenterSession) -> None:
        if session.outstanding:
            self.broken(f"{session.outstanding} intents were never settled")

    def landed(self, session: int, sequence: int) -> None:
        """It was asked where nothing was in the way."""
        entry = self._entries.get((session, sequence))
        if entry is None or entry.status not in (Status.PERFORMED, Status.REFUSED):
            what = None if entry is None else entry.status
            self.broken(f"the last intent, {sequence} of session {session:08x}, did not land: {what}")

    def close(self) -> None:
        for (session, sequence), entry in self._entries.items():
            if entry.status is None:
                self.broken(f"intent {sequence} of session {session:08x} got no receipt")
        if self.statuses[Status.DUPLICATE]:
            self.broken("a presenter was told `duplicate` about something it asked once")

    def broken(self, sentence: str) -> NoReturn:
        raise Broken(f"{sentence}\nAgain with: {self._reproduce}")
