"""The built-in web deck: the host itself holds the position, and browser pages follow it.

Nothing is driven here, so every outcome is exact: what a presenter asks for has happened when `perform` returns, or it
is refused with its reason. Pages that show the deck hear of it through `changed`, and fetch their pictures from
`picture`.

Drawing is slow and PDFium takes one caller at a time, so all of it is done by one thread of the deck's own. The slide
that is shown and its neighbours are drawn ahead in every size that somebody recently asked for; hence the next slide
is there before it is wanted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from slidewire.aio.tasks import Tasks
from slidewire.control.intents import Intent, Outcome, Point, Reason, Status, Verb
from slidewire.host.decks.driver import DeckState, DeckStatus, Picture
from slidewire.host.decks.web.slides import Slides, open_slides

WIDTHS = (160, 320, 480, 640, 960, 1280, 1920, 2560, 3840)
"""A wish is rounded up to one of these, so that a few cached sizes serve every screen."""
KEPT_PICTURES = 48
KEPT_WIDTHS = 3

_Key = tuple[int, int]
"""Slide and width."""


def _give_way() -> None:
    """Clicks come first: this thread has the processor when nothing else wants it."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)


class WebDeck:
    """The `Deck` of a PDF or a folder of pictures; of the demo deck if no path is given."""

    driver = "web"
    can = frozenset({"next", "previous", "first", "last", "goto", "start", "stop", "black", "white", "laser"})
    pictures = True

    def __init__(self, path: Path | None = None) -> None:
        self.changed: Callable[[], None] = lambda: None
        self.laser: Point | None = None
        """Where the pages are to show the laser. The agent passes it on to them."""
        self._path = path
        self._slides: Slides | None = None
        self._running = False
        self._slide = 1
        self._blank: str | None = None
        self._titles: dict[int, str | None] = {}
        self._drawn: OrderedDict[_Key, asyncio.Future[Picture | None]] = OrderedDict()
        self._widths: OrderedDict[int, None] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slides", initializer=_give_way)
        self._background = Tasks()
        self._drawing_ahead = False

    async def open(self) -> None:
        """The show is running on slide 1 at once. Raises `DeckError`."""
        self._slides = await asyncio.get_running_loop().run_in_executor(self._thread, open_slides, self._path)
        self._running = True
        self._background.start(self._read_titles(self._slides))
        self.changed()

    async def close(self) -> None:
        slides, self._slides = self._slides, None
        self._running, self._blank, self.laser = False, None, None
        await self._background.cancel()
        self._drawn.clear()
        if slides is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, slides.close)
            self.changed()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def state(self) -> DeckState:
        if self._slides is None:
            return DeckState(DeckStatus.NO_DECK)
        if not self._running:
            return DeckState(DeckStatus.NO_SHOW, title=self._slides.name, count=self._slides.count)
        return DeckState(
            DeckStatus.RUNNING,
            title=self._slides.name,
            slide=self._slide,
            count=self._slides.count,
            blank=self._blank,
            notes=self._slides.notes.get(self._slide),
            slide_title=self._titles.get(self._slide),
            next_title=self._titles.get(self._slide + 1),
        )

    def point(self, at: Point | None) -> bool:
        self.laser = at
        return True

    # Intents

    async def perform(self, intent: Intent) -> Outcome:
        earlier = self.state()
        reason = self._move(intent)
        now = self.state()
        if now != earlier:
            self.changed()
            self._draw_ahead()
        status = Status.PERFORMED if reason is Reason.NONE else Status.REFUSED
        return Outcome(status, earlier.slide, now.slide, reason)

    def _move(self, intent: Intent) -> Reason:
        """Do it, or leave everything as it was and say why."""
        if self._slides is None:
            return Reason.NO_DECK
        if intent.verb.word not in self.can:
            return Reason.UNSUPPORTED
        if not self._running and intent.verb is not Verb.START:
            return Reason.NO_SHOW
        match intent.verb:
            case Verb.START:  # where it was; on a blank screen it brings the slide back
                self._running, self._blank = True, None
            case Verb.STOP:
                self._running, self._blank = False, None
            case Verb.BLACK | Verb.WHITE:
                self._blank = None if self._blank == intent.verb.word else intent.verb.word
            case Verb.NEXT | Verb.PREVIOUS if self._blank:
                self._blank = None  # as everywhere: the first press brings back the slide that was hidden
            case Verb.NEXT:
                return self._go(self._slide + 1, Reason.AT_END)
            case Verb.PREVIOUS:
                return self._go(self._slide - 1, Reason.AT_START)
            case Verb.FIRST:
                return self._go(1, Reason.RANGE)
            case Verb.LAST:
                return self._go(self._slides.count, Reason.RANGE)
            case Verb.GOTO:
                return self._go(intent.argument, Reason.RANGE)
        return Reason.NONE

    def _go(self, slide: int, otherwise: Reason) -> Reason:
        assert self._slides is not None
        if not 1 <= slide <= self._slides.count:
            return otherwise
        self._slide, self._blank = slide, None
        return Reason.NONE

    # Pictures

    async def picture(self, slide: int, width: int) -> Picture | None:
        if self._slides is None or not 1 <= slide <= self._slides.count:
            return None
        size = next((step for step in WIDTHS if step >= width), WIDTHS[-1])
        self._widths[size] = None
        self._widths.move_to_end(size)
        while len(self._widths) > KEPT_WIDTHS:
            self._widths.popitem(last=False)
        # Shielded, because the same drawing may be awaited by others.
        drawn = await asyncio.shield(self._draw(self._slides, slide, size))
        self._draw_ahead()
        return drawn

    def _draw(self, slides: Slides, slide: int, width: int) -> asyncio.Future[Picture | None]:
        key = (slide, width)
        if key not in self._drawn:
            loop = asyncio.get_running_loop()
            self._drawn[key] = loop.run_in_executor(self._thread, slides.draw, slide, width)
        self._drawn.move_to_end(key)
        while len(self._drawn) > KEPT_PICTURES:
            self._drawn.popitem(last=False)
        return self._drawn[key]

    def _draw_ahead(self) -> None:
        if self._slides is not None and not self._drawing_ahead:
            self._drawing_ahead = True
            self._background.start(self._draw_around(self._slides))

    async def _draw_around(self, slides: Slides) -> None:
        """One picture at a time, looking anew each time at what is wanted: a presenter may be racing on."""
        try:
            while missing := next((key for key in self._wanted(slides) if key not in self._drawn), None):
                await asyncio.shield(self._draw(slides, *missing))
        finally:
            self._drawing_ahead = False

    def _wanted(self, slides: Slides) -> Iterator[_Key]:
        for slide in (self._slide, self._slide + 1, self._slide - 1):
            if 1 <= slide <= slides.count:
                yield from ((slide, width) for width in reversed(self._widths))

    # Titles

    async def _read_titles(self, slides: Slides) -> None:
        """One slide after another, so that a picture somebody waits for never waits for more than one title."""
        for slide in range(1, slides.count + 1):
            title = await asyncio.get_running_loop().run_in_executor(self._thread, slides.title, slide)
            earlier = self.state()
            self._titles[slide] = title
            if self.state() != earlier:
                self.changed()
