"""The deck driver for any presentation program: keys into its window, and into no other.

It cannot see slides, only windows: a receipt says `unseen`, and the slide number stays unknown. Before anything is
typed the window in front must be the deck's. That look and the keys happen while the desktop is held still, so on X11
there is no moment between them in which another window could come to the front. Nothing is typed either while another
program has grabbed the keyboard, as screen lockers and open menus do, nor while the show is hidden by a screen saver.

Some programs drop a key that comes while they still change slides. A key map says how long they need, and the next
intent waits for that; whether it was enough cannot be seen from here either.

If a modifier is held at the host's own keyboard, nothing is typed: the key would mean something else. Nor is it let go
for its owner, because letting go of Alt may finish a switch to another window.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Self

from slidewire.control.intents import Intent, Outcome, Reason, Status, Verb
from slidewire.host.decks.driver import (
    DeckDriver,
    DeckError,
    DeckOptions,
    DeckState,
    DeckStatus,
    Reported,
    Reports,
    not_told,
)
from slidewire.host.decks.keys.keymaps import GENERIC, KEY_MAPS, Sighting, Step, Target
from slidewire.host.decks.keys.windows import Recipient, find_recipient, find_shows
from slidewire.host.desktop.adapters import Desktop, open_desktop, probe_desktop
from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.geometry import Rectangle
from slidewire.host.desktop.keyboard import Button

log = logging.getLogger(__name__)

PASSING = frozenset({Reason.GRABBED, Reason.MODIFIER})
"""What may be over in a moment: a key that is let go, a menu that closes."""
PATIENCE = 0.25
"""Seconds to wait for that, and no longer: the intent must not land late."""
RAISING = 0.5
"""Seconds within which a window that was asked to come to the front must be there."""
LOOK_AGAIN = 0.01


def refused(reason: Reason) -> Outcome:
    return Outcome(Status.REFUSED, reason=reason)


class KeysDeck(DeckDriver):
    """Types into the deck's window on this desktop."""

    driver = "keys"
    reports = Reports(show=Reported.PUSHED, slide=Reported.NONE)
    hold_at_end = False

    @classmethod
    def probe(cls) -> str | None:
        return probe_desktop()

    @classmethod
    def make(cls, options: DeckOptions) -> Self:
        if options.path is not None:
            raise DeckError("The keys driver drives a presentation that is already open: start it without a deck.")
        return cls(Target(options.window) if options.window else None, raise_window=options.raise_window)

    def __init__(self, target: Target | None = None, *, raise_window: bool = False, display: str | None = None) -> None:
        """`raise_window`: bring the deck to the front by ourselves when it is not there. `display`: an X11 name."""
        self.can = GENERIC.can
        self._changed: Callable[[], None] = not_told
        self._target = target or Target()
        self._raise_window = raise_window
        self._display = display
        self._desktop: Desktop | None = None
        self._deck: Sighting | None = None
        self._state = DeckState(DeckStatus.NO_DECK)
        self._refreshing = False
        self._free_at = 0.0
        """When, by the loop's clock, the deck takes keys again."""

    async def open(self, changed: Callable[[], None] = not_told) -> None:
        self._changed = changed
        check(self._target)
        try:
            self._desktop = open_desktop(asyncio.get_running_loop(), self._refresh_soon, self._display)
            self._look(self._desktop)
        except DesktopError as error:
            await self.close()
            raise DeckError(str(error)) from error

    async def close(self) -> None:
        if self._desktop is not None:
            desktop, self._desktop = self._desktop, None
            desktop.close()

    def state(self) -> DeckState:
        return self._state

    def area(self) -> Rectangle | None:
        """Where the deck's window is now; None if there is no such window."""
        if self._desktop is None:
            return None
        try:
            self._look(self._desktop)
        except DesktopError:
            return None
        return self._deck.window.area if self._deck else None

    async def perform(self, intent: Intent) -> Outcome:
        if self._desktop is None:
            return refused(Reason.NO_DECK)
        try:
            return await self._perform(intent, self._desktop)
        except DesktopError as error:
            log.warning("%s was not typed: %s", intent, error)
            return Outcome(Status.FAILED, reason=Reason.DECK_ERROR)

    async def _perform(self, intent: Intent, desktop: Desktop) -> Outcome:
        await asyncio.sleep(self._free_at - asyncio.get_running_loop().time())
        front = desktop.focus.front()
        in_front = self._target.recognise(front) if front is not None else None
        sightings = self._sightings(desktop)
        if in_front is None and not sightings:
            return refused(Reason.NO_DECK)
        recipient = find_recipient(in_front, sightings)
        if intent.verb is Verb.START:
            if recipient is not None:
                return Outcome(Status.PERFORMED)  # it runs already: nothing is left to do
            editor = in_front or sightings[0]
            recipient = Recipient(editor, editor)
        if recipient is None:
            return refused(Reason.NO_SHOW)
        steps = recipient.window.key_map.steps(intent, desktop.keyboard.can_type)
        if steps is None:
            return refused(Reason.UNSUPPORTED)
        if self._raise_window and not desktop.keyboard.is_grabbed() and not self._is_front(recipient, desktop):
            desktop.focus.bring_to_front(recipient.window.window)
            await soon(lambda: self._is_front(recipient, desktop), RAISING)
        await soon(lambda: self._obstacle(recipient, desktop) not in PASSING, PATIENCE)
        return self._type(steps, recipient, desktop)

    def _type(self, steps: tuple[Step, ...], recipient: Recipient, desktop: Desktop) -> Outcome:
        """Look once more and type, with no gap between."""
        keyboard, focus, window = desktop.keyboard, desktop.focus, recipient.window.window
        with focus.held():
            if (obstacle := self._obstacle(recipient, desktop)) is not None:
                return refused(obstacle)
            for step in steps:
                if isinstance(step, Button):
                    keyboard.move(*window.area.middle)
                    under = focus.under_pointer()
                    if under is None or under.id != window.id:
                        return refused(Reason.FOCUS)
                    keyboard.click(step)
                else:
                    keyboard.press(step)
        self._free_at = asyncio.get_running_loop().time() + recipient.window.key_map.pace
        return Outcome(Status.PERFORMED, reason=Reason.UNSEEN)

    def _obstacle(self, recipient: Recipient, desktop: Desktop) -> Reason | None:
        """Why a key typed now would not reach the deck, or not as that key, or would change what cannot be seen."""
        if desktop.keyboard.is_grabbed():
            return Reason.GRABBED
        if not self._is_front(recipient, desktop):
            return Reason.FOCUS
        if desktop.keyboard.modifiers_held():
            return Reason.MODIFIER
        return Reason.GRABBED if desktop.focus.is_hidden(recipient.show.window) else None

    def _is_front(self, recipient: Recipient, desktop: Desktop) -> bool:
        """Whether that very window is in front, and still what it was (a browser's window changes with its tab)."""
        front, expected = desktop.focus.front(), recipient.window
        seen = self._target.recognise(front) if front is not None and front.id == expected.window.id else None
        return seen is not None and seen.key_map is expected.key_map and seen.showing is expected.showing

    def _sightings(self, desktop: Desktop) -> list[Sighting]:
        return [it for it in map(self._target.recognise, desktop.focus.windows()) if it is not None]

    def _look(self, desktop: Desktop) -> None:
        """Find the deck among the windows: what the audience sees before an editor, and the topmost."""
        sightings = self._sightings(desktop)
        self._deck = next(iter(find_shows(sightings) or sightings), None)
        if self._deck is None:
            self._state = DeckState(DeckStatus.NO_DECK)
            return
        status = DeckStatus.RUNNING if self._deck.showing else DeckStatus.NO_SHOW
        self._state = DeckState(status, title=self._deck.window.title)
        self.can = self._deck.key_map.can

    def _refresh_soon(self) -> None:
        """The windows changed. Changes come in bursts: look once, after them."""
        if not self._refreshing:
            self._refreshing = True
            asyncio.get_running_loop().call_soon(self._refresh)

    def _refresh(self) -> None:
        """Look, and tell the host if that makes a difference."""
        self._refreshing = False
        if self._desktop is None:
            return
        before = self._state, self.can
        try:
            self._look(self._desktop)
        except DesktopError:
            self._deck, self._state = None, DeckState(DeckStatus.NO_DECK)
        if (self._state, self.can) != before:
            self._changed()


def check(target: Target) -> None:
    """Say what is wrong with a target before a show depends on it."""
    try:
        re.compile(target.window)
    except re.error as error:
        raise DeckError(f"the window pattern {target.window!r} is not a regular expression: {error}") from None
    names = [key_map.name for key_map in KEY_MAPS]
    if target.key_map and target.key_map.casefold() not in [name.casefold() for name in names]:
        raise DeckError(f"there is no key map {target.key_map!r}: choose one of {', '.join(names)}")
    if target.key_map and not target.window:
        alone = next(it for it in KEY_MAPS if it.name.casefold() == target.key_map.casefold())
        if alone.named_only:
            raise DeckError(
                f"the key map {alone.name!r} needs the window to be named too: give a pattern for its title"
            )


async def soon(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it holds now, or at least before that time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(LOOK_AGAIN)
    return True
