"""What every deck driver is to the host: an intent in, an observed outcome out.

A driver is the only thing that knows its presentation program. It is opened once, performs one intent at a time (the
show controller queues them), and reports changes of the deck's state, also when the host's own keyboard made them. It
does nothing but what an `Intent` names. Drivers are listed in `registry.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol, Self

from slidewire.control.intents import Intent, Outcome, Point
from slidewire.control.parts import PICTURE_BYTES
from slidewire.host.desktop.geometry import Rectangle


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
    slide_label: str | None = None
    """What the deck itself calls the slide, where that is not its number: `iv`, `A-3`."""
    edition: int = 0
    """Another one: what is known of the slides, and their pictures, is of another file."""
    has_newer: bool = False
    """The deck's file was written anew, and `start` shows what is in it now."""
    drawable: bool = True
    """False: no picture can be made of this slide. A page shows it as such, never as the slide before."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A slide as an encoded image."""

    media_type: str
    """"image/jpeg" or "image/png"."""
    data: bytes


class Reported(StrEnum):
    """How the host learns that something of the deck has changed."""

    PUSHED = "pushed"
    """The driver calls `changed`."""
    POLLED = "polled"
    """`state` is asked now and then."""
    NONE = "none"
    """Not at all: the deck cannot tell."""


@dataclass(frozen=True, slots=True)
class Reports:
    show: Reported
    """Whether a show is running, and its title."""
    slide: Reported
    """Which slide of how many it shows."""


@dataclass(frozen=True, slots=True)
class DeckOptions:
    """What the operator asked for when the host was started."""

    path: Path | None = None
    """A file or a folder; None: what is open already, or a demo."""
    window: str | None = None
    """A pattern of a window's title, for a driver that looks for one."""
    raise_window: bool = False
    """Bring that window to the front when it is not there."""
    state: Path | None = None
    """The state directory, if not the usual one."""
    notes: str | None = None
    """Where a PDF's pages have notes: none, left, right, top or bottom; None: it is found out."""


def not_told() -> None:
    """For a deck whose changes are of no interest."""


class DeckDriver(Protocol):
    """A driver inherits from this, and overrides at least what has no body here. All coroutines run on the host's event
    loop and never block it."""

    driver: str
    """Its name in the registry; `state` says it."""
    can: frozenset[str]
    """The words of the intents it can do, and "laser" if it can show a pointer itself."""
    reports: ClassVar[Reports]
    hold_at_end: ClassVar[bool]
    """Whether `next` after the last slide is refused (`at_end`) and the slide stays. If not, the program decides, and
    may end its show."""
    pictures: bool = False
    """Whether `picture` ever answers."""

    @classmethod
    def probe(cls) -> str | None:
        """None if it can work on this computer; else a sentence that says why not and what to do. No side effects."""
        return None

    @classmethod
    def make(cls, options: DeckOptions) -> Self:
        """As the options say. Raises `DeckError` if this driver is not for that."""
        return cls()

    async def open(self, changed: Callable[[], None] = not_told) -> None:
        """Make the deck ready. Raises `DeckError`, with advice, if it cannot be. `changed` is to be called on the event
        loop whenever `state()` would answer differently, as far as `reports` promises that."""
        ...

    async def perform(self, intent: Intent) -> Outcome:
        """Do it and say what was seen. What a presenter can cause never raises: it is an `Outcome` with a reason."""
        ...

    def state(self) -> DeckState:
        """What is known now, without waiting."""
        ...

    async def picture(self, slide: int, width: int, most: int = PICTURE_BYTES) -> Picture | None:
        """That slide about `width` pixels wide, or None if there is no such slide or this deck has no pictures. A deck
        that can make it coarser, or smaller, sees to it that it has at most `most` bytes."""
        return None

    def point(self, at: Point | None) -> bool:
        """Show the deck's own laser there, or take it away (None). False: this deck has none, use the overlay."""
        return False

    def area(self) -> Rectangle | None:
        """Where its window is on the screen, for the overlay; None: the whole primary monitor."""
        return None

    async def close(self) -> None:
        """Let go of the deck. What the driver itself started is ended; what was there before stays as it is."""
        ...
