"""The show controller: one deck, one intent at a time, and the laser.

Clicks come as `IntentRequest`, the same from a sealed session, OSC, the REST interface or the host's own keyboard. They
stand in one fair queue: two clicks at once are two clicks, and a thousand intents of one link delay those of another by
one. Right before an intent is performed, its request is asked whether it is still due and permitted: what grew old in
the queue is not performed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from slidewire.control.intents import Intent, Outcome, Point, Reason, Status, Verb
from slidewire.host.decks.driver import DeckDriver, DeckState, DeckStatus, Reported
from slidewire.host.desktop.overlay import Overlay
from slidewire.host.show.fair_queue import FairQueue

log = logging.getLogger(__name__)

LASER_FADES_AFTER = 1.0
PERFORM_TIMEOUT = 10.0
POLL_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class IntentRequest:
    """One intent that is asked for, and how it is answered."""

    intent: Intent
    is_due: Callable[[], bool]
    """Asked right before it is performed. False: it grew too old, and expires."""
    permit: Callable[[DeckState], Reason]
    """Asked right before it is performed, since it may depend on what the intents before it did: NONE, or why not."""
    done: Callable[[Outcome], None]
    link: str = ""
    session: int = 0
    """Links take turns in the queue, and so do the sessions of one link."""


class ShowController:
    """Owns the deck while the host runs."""

    def __init__(
        self,
        deck: DeckDriver,
        overlay: Overlay | None = None,
        *,
        changed: Callable[[], None] = lambda: None,
        laser_moved: Callable[[], None] = lambda: None,
    ) -> None:
        """`overlay`: a pointer above the screen, for a deck that has none of its own. `changed`: presenters are to be
        told something else of the show; `laser_moved`: of its pointer."""
        self.deck = deck
        self.laser: Point | None = None
        self._changed = changed
        self._laser_moved = laser_moved
        self._overlay = overlay
        self._queue: FairQueue[IntentRequest] = FairQueue()
        self._is_requested = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._fade: asyncio.TimerHandle | None = None
        self._answered_slide: int | None = None
        """Where the deck says it went, while its state does not say so yet."""
        self._polling: asyncio.Task[None] | None = None

    def _deck_changed(self) -> None:
        self._answered_slide = None
        self._changed()

    @property
    def state(self) -> DeckState:
        return self.deck.state()

    @property
    def position(self) -> DeckState:
        """The state to judge the next intent by: a deck may answer an intent before it tells of the change."""
        state = self.deck.state()
        if self._answered_slide is None:
            return state
        return replace(state, slide=self._answered_slide, build=None)

    async def open(self) -> None:
        """Raises `DeckError`."""
        await self.deck.open(self._deck_changed)
        if Reported.POLLED in (self.deck.reports.show, self.deck.reports.slide):
            self._polling = asyncio.create_task(self._poll(self.state), name="deck polling")
        self._worker = asyncio.create_task(self._perform_in_turn(), name="show controller")

    async def resume(self, slide: int) -> None:
        """Before any intent: go to the slide where the show stood, if the deck has one of that number."""
        state = self.deck.state()
        if state.status is DeckStatus.RUNNING and state.slide != slide and slide <= (state.count or slide):
            await self.deck.perform(Intent(Verb.GOTO, slide))

    async def close(self) -> None:
        for task in (self._worker, self._polling):
            if task is not None:
                task.cancel()
        self.point(None)
        if self._overlay is not None:
            self._overlay.close()
        await self.deck.close()

    async def _poll(self, known: DeckState) -> None:
        """Look at a deck that does not tell of its changes itself."""
        while True:
            await asyncio.sleep(POLL_EVERY)
            if (state := self.state) != known:
                known = state
                self._deck_changed()

    def submit(self, request: IntentRequest) -> None:
        """Queue an intent. Its `done` is called once, when it was performed or is not to be."""
        self._queue.put(request.link, request.session, request)
        self._is_requested.set()

    def point_through(self, points: Sequence[Point]) -> None:
        """Move the laser along these points, oldest first; none switches it off."""
        self.point(points[-1] if points else None)

    def point(self, at: Point | None) -> None:
        if self._fade is not None:
            self._fade.cancel()
            self._fade = None
        if at is not None:
            self._fade = asyncio.get_running_loop().call_later(LASER_FADES_AFTER, self.point, None)
        elif self.laser is None:
            return
        self.laser = at
        if not self.deck.point(at) and self._overlay is not None:
            if at is None:
                self._overlay.hide()
            else:
                self._overlay.show(at)
        self._laser_moved()

    async def _perform_in_turn(self) -> None:
        while True:
            await self._is_requested.wait()
            request = self._queue.pop()
            if not self._queue:
                self._is_requested.clear()
            try:
                request.done(await self._answer(request))
            except Exception:
                # What one participant asked must not end the show for the others.
                log.exception("answering %s failed", request.intent)
            await asyncio.sleep(0)  # a quick deck and a long queue keep nothing else waiting

    async def _answer(self, request: IntentRequest) -> Outcome:
        if not request.is_due():
            return Outcome(Status.EXPIRED, reason=Reason.LATE)
        if (reason := request.permit(self.position)) is not Reason.NONE:
            return Outcome(Status.REFUSED, reason=reason)
        outcome = await self._perform(request.intent)
        if outcome.after != self.state.slide:
            self._answered_slide = outcome.after
        return outcome

    async def _perform(self, intent: Intent) -> Outcome:
        if intent.verb.word not in self.deck.can:
            return Outcome(Status.REFUSED, reason=Reason.UNSUPPORTED)
        try:
            # Not `wait_for`: it makes a task of it, and the loop would seal and send the ACK first.
            async with asyncio.timeout(PERFORM_TIMEOUT):
                return await self.deck.perform(intent)
        except TimeoutError:
            log.error("the deck did not answer to %s within %g s", intent, PERFORM_TIMEOUT)
        except Exception:
            # A driver's bug must not end the show: this intent failed, the next may not.
            log.exception("the %s deck failed at %s", self.deck.driver, intent)
        return Outcome(Status.FAILED, reason=Reason.DECK_ERROR)
