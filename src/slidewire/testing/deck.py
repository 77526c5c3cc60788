"""A deck for tests, behind the interface that real ones stand behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from slidewire.control.intents import Intent, Outcome, Point, Reason, Status, Verb
from slidewire.control.parts import PICTURE_BYTES
from slidewire.host.decks.driver import DeckDriver, DeckState, DeckStatus, Picture, Reported, Reports, not_told


class MemoryDeck(DeckDriver):
    """`count` slides in memory. `performed` remembers every intent, `delay` makes it slow, `broken` makes it fail."""

    driver = "memory"
    can = frozenset({"next", "previous", "first", "last", "goto", "start", "stop", "black", "laser"})
    reports = Reports(show=Reported.PUSHED, slide=Reported.PUSHED)
    hold_at_end = True
    pictures = True

    def __init__(self, count: int = 250) -> None:
        self._changed: Callable[[], None] = not_told
        self.count = count
        self.slide = 1
        self.delay = 0.0
        self.broken = False
        self.performed: list[Intent] = []
        self.laser: list[Point | None] = []
        self.picture_bytes = 30_000
        self.is_open = False

    async def open(self, changed: Callable[[], None] = not_told) -> None:
        self._changed = changed
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    def state(self) -> DeckState:
        return DeckState(DeckStatus.RUNNING, "Memory", self.slide, self.count, notes=f"Notes of slide {self.slide}")

    async def perform(self, intent: Intent) -> Outcome:
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.broken:
            raise RuntimeError("this deck is broken")
        before = self.slide
        match intent.verb:
            case Verb.NEXT if before == self.count:
                return Outcome(Status.REFUSED, before, before, Reason.AT_END)
            case Verb.NEXT:
                self.slide += 1
            case Verb.PREVIOUS if before == 1:
                return Outcome(Status.REFUSED, before, before, Reason.AT_START)
            case Verb.PREVIOUS:
                self.slide -= 1
            case Verb.GOTO if intent.argument > self.count:
                return Outcome(Status.REFUSED, before, before, Reason.RANGE)
            case Verb.GOTO:
                self.slide = intent.argument
            case Verb.FIRST | Verb.LAST | Verb.START | Verb.STOP | Verb.BLACK:
                pass
            case _:
                return Outcome(Status.REFUSED, before, before, Reason.UNSUPPORTED)
        self.performed.append(intent)
        self._changed()
        return Outcome(Status.PERFORMED, before, self.slide)

    async def picture(self, slide: int, width: int, most: int = PICTURE_BYTES) -> Picture | None:
        if not 1 <= slide <= self.count:
            return None
        return Picture("image/jpeg", bytes([slide % 256]) * self.picture_bytes)

    def point(self, at: Point | None) -> bool:
        self.laser.append(at)
        return True
