"""The small interface every deck stands behind: an intent in, an observed outcome out.

A driver is the only thing that knows its presentation program. It is opened once, performs one intent at a time (the
agent queues them), and calls `changed` whenever the deck's state changes, also when somebody used the host's own
keyboard. It never types or does anything but what an `Intent` names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from slidewire.control.intents import Intent, Outcome, Point


class DeckError(Exception):
    """A deck that cannot be opened. The message is for a person: what is wrong, and what to do about it."""


class DeckStatus(StrEnum):
    RUNNING = "running"
    NO_SHOW = "no_show"
    """The deck is open, but its slide show is not running."""
    NO_DECK = "no_deck"
    """Nothing is there to show slides, or it was closed."""


@dataclass(frozen=True, slots=True)
class Build:
    """Where the animation steps of the current slide stand: `position` of `count` are shown."""

    position: int
    count: int


@dataclass(frozen=True, slots=True)
class DeckState:
    """What is known of the deck now. Slides count from 1; `None` means this deck cannot tell."""

    status: DeckStatus
    title: str = ""
    slide: int | None = None
    count: int | None = None
    build: Build | None = None
    blank: str | None = None
    """"black", "white" or None."""
    notes: str | None = None
    slide_title: str | None = None
    next_title: str | None = None
    drawable: bool = True
    """False: no picture can be made of this slide. A page shows it as such, never as the slide before."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A slide as an encoded image."""

    media_type: str
    """"image/jpeg" or "image/png"."""
    data: bytes


class Deck(Protocol):
    """What the host agent asks of a deck driver. All coroutines run on the agent's event loop and never block it."""

    driver: str
    """"impress", "web" or "keys": said in `state` and in `doctor`."""
    can: frozenset[str]
    """The words of the intents it can do, and "laser" if it can show a pointer itself."""
    pictures: bool
    """Whether `picture` ever answers."""
    changed: Callable[[], None]
    """Set by the agent before `open`; called on the event loop whenever `state()` would answer differently."""

    async def open(self) -> None:
        """Make the deck ready. Raises `DeckError`, with advice, if it cannot be."""

    async def perform(self, intent: Intent) -> Outcome:
        """Do it and say what was seen. What a presenter can cause never raises: it is an `Outcome` with a reason."""

    def state(self) -> DeckState:
        """What is known now, without waiting."""

    async def picture(self, slide: int, width: int) -> Picture | None:
        """That slide about `width` pixels wide, or None if there is no such slide or this deck has no pictures."""

    def point(self, at: Point | None) -> bool:
        """Show the deck's own laser there, or take it away (None). False: this deck has none, use the overlay."""

    async def close(self) -> None:
        """Let go of the deck. What the driver itself started is ended; what was there before stays as it is."""
