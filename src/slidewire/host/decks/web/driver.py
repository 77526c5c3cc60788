"""The built-in web deck: the host itself holds the position, and browser pages follow it.

Nothing is driven here, so every outcome is exact: what a presenter asks for has happened when `perform` returns, or it
is refused with its reason. Pages that show the deck are told of it through `changed`, and fetch their pictures from
`picture`.

A slide's number is its place in the file: of the page, or of the picture among those shown. None is hidden.

Drawing is slow, and what draws may fail, so a process of the deck's own does all of it (`process.py`). The slide that
is shown and its neighbours are drawn ahead in every size that was recently asked for; hence the next slide is there
before it is wanted. A slide that takes too much is drawn once more in a smaller size; after that it is told as one that
cannot be drawn, and not tried again.

A file that is written anew during the show is opened beside the one that is shown. `start` shows it, from the same
slide on; until then nothing changes. One that cannot be opened is not offered.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from slidewire.aio.tasks import Tasks
from slidewire.control.intents import Intent, Outcome, Point, Reason, Status, Verb
from slidewire.control.parts import PICTURE_BYTES
from slidewire.host.decks.driver import (
    DeckDriver,
    DeckError,
    DeckOptions,
    DeckState,
    DeckStatus,
    Picture,
    Reported,
    Reports,
    not_told,
)
from slidewire.host.decks.web.deck_file import DeckFile, mark_of, read_deck
from slidewire.host.decks.web.messages import Described, Opened
from slidewire.host.decks.web.page_layout import Side
from slidewire.host.decks.web.process import LIMITS, Exceeded, Gone, Limits, SlideProcess

log = logging.getLogger(__name__)

WIDTHS = (160, 320, 480, 640, 960, 1280, 1920, 2560, 3840)
"""A wish is rounded up to one of these, so that a few cached sizes serve every screen."""
SECOND_TRY = 1280
"""The width in which a slide is drawn that takes too much in a larger one."""
LEAST_BYTES = 2**14
"""A limit of a picture's bytes is rounded down to this, doubled some times."""
KEPT_PICTURES = 48
KEPT_BYTES = 24 * 2**20
KEPT_SIZES = 4
MAX_TITLES = 2000
MAX_FAILED_TITLES = 3
"""After so many slides whose text takes too much to read, no more of them are read."""
MAX_REMARKS, MAX_REMARK = 8, 600

_Size = tuple[int, int]
"""Width, and the most bytes."""
_Key = tuple[int, _Size]
"""A slide in a size."""


LOOK_EVERY = 2.0
_NOTHING = Described(None, None)


@dataclass(frozen=True, slots=True)
class _Loaded:
    file: DeckFile
    process: SlideProcess
    slides: Opened


def _length(drawing: asyncio.Future[Picture | None]) -> int:
    picture = drawing.result() if drawing.done() and not drawing.cancelled() and not drawing.exception() else None
    return 0 if picture is None else len(picture.data)


class WebDeck(DeckDriver):
    """A PDF, a picture or a folder of pictures; the demo deck if no path is given."""

    driver = "web"
    can = frozenset({"next", "previous", "first", "last", "goto", "start", "stop", "black", "white", "laser"})
    reports = Reports(show=Reported.PUSHED, slide=Reported.PUSHED)
    hold_at_end = True
    pictures = True

    @classmethod
    def make(cls, options: DeckOptions) -> Self:
        return cls(options.path, side=Side.read(options.notes or ""))

    def __init__(
        self,
        path: Path | None = None,
        limits: Limits = LIMITS,
        side: Side | None = None,
        look_every: float = LOOK_EVERY,
    ) -> None:
        """`side`: where the pages have notes; None: it is found out. `look_every`: seconds, for a newer file."""
        self._changed: Callable[[], None] = not_told
        self.laser: Point | None = None
        """Where the pages are to show the laser. The host passes it on to them."""
        self._path = path
        self._limits = limits
        self._side = side
        self._look_every = look_every
        self._opening: SlideProcess | None = None
        self._newer: _Loaded | None = None
        """The file as it is now, where that is another one than is shown."""
        self._edition = 0
        self._file: DeckFile | None = None
        self._process: SlideProcess | None = None
        self._slides: Opened | None = None
        self._running = False
        self._slide = 1
        self._blank: str | None = None
        self._described: dict[int, Described] = {}
        self._drawn: OrderedDict[_Key, asyncio.Future[Picture | None]] = OrderedDict()
        self._failed: dict[int, int] = {}
        """For each slide that could not be drawn, the smallest width in which it was tried."""
        self._sizes: OrderedDict[_Size, None] = OrderedDict()
        self._background = Tasks()
        self._watching = Tasks()
        self._drawing_ahead = False

    async def open(self, changed: Callable[[], None] = not_told) -> None:
        """The show is running on slide 1 at once. Raises `DeckError`."""
        self._changed = changed
        mark = None if self._path is None else await asyncio.to_thread(mark_of, self._path)
        self._show(await self._load())
        self._running = True
        if self._path is not None:
            self._watching.start(self._look_for_newer(self._path, mark))
        self._changed()

    async def _load(self) -> _Loaded:
        """Raises `DeckError`."""
        file = await asyncio.to_thread(read_deck, self._path)
        process = SlideProcess(file, self._limits, self._side)
        self._opening = process
        return _Loaded(file, process, await process.open())

    def _show(self, loaded: _Loaded) -> None:
        self._file, self._process, self._slides = loaded.file, loaded.process, loaded.slides
        if not self._slides.network:
            log.info("the program that draws the deck runs beside the network here")
        if not self._slides.files:
            log.info("the program that draws the deck may read this user's files here")
        for remark in self._slides.remarks[:MAX_REMARKS]:
            log.warning("%s", remark[:MAX_REMARK])
        self._background.start(self._read_texts(self._process, self._slides.count))

    async def close(self) -> None:
        was_open = self._slides is not None
        self._slides, self._running, self._blank, self.laser = None, False, None, None
        await self._watching.cancel()
        newer = None if self._newer is None else self._newer.process
        for process in (self._process, self._opening, newer):
            if process is not None:
                await process.close()
        self._newer = None
        await self._background.cancel()
        await asyncio.gather(*self._drawn.values())
        self._drawn.clear()
        if was_open:
            self._changed()

    def state(self) -> DeckState:
        if self._slides is None or self._file is None:
            return DeckState(DeckStatus.NO_DECK)
        if not self._running:
            return DeckState(
                DeckStatus.NO_SHOW,
                title=self._file.name,
                count=self._slides.count,
                edition=self._edition,
                has_newer=self._newer is not None,
            )
        return DeckState(
            DeckStatus.RUNNING,
            title=self._file.name,
            slide=self._slide,
            count=self._slides.count,
            blank=self._blank,
            notes=self._slides.notes.get(self._slide) or self._text(self._slide).notes,
            slide_title=self._text(self._slide).title,
            next_title=self._text(self._slide + 1).title,
            slide_label=self._slides.labels.get(self._slide),
            drawable=self._narrower(self._slide, WIDTHS[-1]) is not None,
            edition=self._edition,
            has_newer=self._newer is not None,
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
            self._changed()
            self._draw_ahead()
        status = Status.PERFORMED if reason is Reason.NONE else Status.REFUSED
        return Outcome(status, earlier.slide, now.slide, reason)

    def _move(self, intent: Intent) -> Reason:
        """Do it, or leave everything as it was and say why."""
        if intent.verb.word not in self.can:
            return Reason.UNSUPPORTED
        if self._slides is None:
            return Reason.NO_DECK
        if not self._running and intent.verb is not Verb.START:
            return Reason.NO_SHOW
        match intent.verb:
            case Verb.START:  # where it was; on a blank screen it brings the slide back
                self._running, self._blank = True, None
                self._show_newer()
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

    # A newer file

    async def _look_for_newer(self, path: Path, mark: object) -> None:
        seen = mark
        while True:
            await asyncio.sleep(self._look_every)
            now = await asyncio.to_thread(mark_of, path)
            if now is None or now == mark:
                seen = mark
            elif now != seen:
                seen = now  # it may be being written
            else:
                mark = now
                await self._open_newer()

    async def _open_newer(self) -> None:
        try:
            loaded = await self._load()
        except DeckError as error:
            log.info("the deck's file was written anew, and is not shown: %s", error)
            return
        earlier, self._newer = self._newer, loaded
        if earlier is not None:
            await earlier.process.close()
        log.warning("%s was written anew. Start the show once more to show what is in it now.", loaded.file.name)
        self._changed()

    def _show_newer(self) -> None:
        if self._newer is None:
            return
        assert self._process is not None
        self._background.request_cancel()
        self._background.start(self._process.close())
        self._show(self._newer)
        self._newer = None
        self._edition += 1
        self._slide = min(self._slide, self._slides.count if self._slides is not None else 1)
        self._described.clear()
        self._failed.clear()
        self._drawn.clear()

    # Pictures

    async def picture(self, slide: int, width: int, most: int = PICTURE_BYTES) -> Picture | None:
        wanted = next((step for step in WIDTHS if step >= width), WIDTHS[-1])
        size = wanted, LEAST_BYTES << max(0, (min(most, PICTURE_BYTES) // LEAST_BYTES).bit_length() - 1)
        self._sizes[size] = None
        self._sizes.move_to_end(size)
        while len(self._sizes) > KEPT_SIZES:
            self._sizes.popitem(last=False)
        drawn = None
        while drawn is None and self._has(slide) and (narrower := self._narrower(slide, size[0])) is not None:
            # Shielded, because the same drawing may be awaited by others.
            drawn = await asyncio.shield(self._draw(slide, (narrower, size[1])))
            if drawn is None and slide not in self._failed:
                return None
        self._draw_ahead()
        return drawn

    def _has(self, slide: int) -> bool:
        return self._slides is not None and 1 <= slide <= self._slides.count

    def _narrower(self, slide: int, width: int) -> int | None:
        """The width in which this slide is drawn if it is wanted in that one; None: it cannot be drawn."""
        failed = self._failed.get(slide)
        if failed is None:
            return width
        return min(width, SECOND_TRY) if failed > SECOND_TRY else None

    def _draw(self, slide: int, size: _Size) -> asyncio.Future[Picture | None]:
        key = self._finer(slide, size) or (slide, size)
        if key not in self._drawn:
            self._drawn[key] = asyncio.ensure_future(self._draw_now(slide, size))
        self._drawn.move_to_end(key)
        drawing = self._drawn[key]
        self._forget_pictures()
        return drawing

    def _forget_pictures(self) -> None:
        """Those unused for longest, and none that is wanted now: it would be drawn again at once."""
        wanted = set(self._wanted())
        kept = sum(_length(drawing) for drawing in self._drawn.values())
        for key, drawing in list(self._drawn.items())[:-1]:
            if len(self._drawn) <= KEPT_PICTURES and kept <= KEPT_BYTES:
                return
            if key not in wanted:
                del self._drawn[key]
                kept -= _length(drawing)

    def _finer(self, slide: int, size: _Size) -> _Key | None:
        """A picture of this slide that is there, may have more bytes, and has no more than these."""
        width, most = size
        for key, drawing in self._drawn.items():
            if key[0] == slide and key[1][0] == width and key[1][1] >= most and drawing.done():
                picture = drawing.result()
                if picture is not None and len(picture.data) <= most:
                    return key
        return None

    async def _draw_now(self, slide: int, size: _Size) -> Picture | None:
        process, (width, most) = self._process, size
        assert process is not None
        drawn, problem, failed = None, "is damaged", 0
        try:
            drawn = await process.draw(slide, width, most)
        except Exceeded as exceeded:
            problem, failed = str(exceeded), width
        except Gone:
            if process is self._process:
                self._drawn.pop((slide, size), None)
            return None
        if drawn is None and process is self._process:
            self._cannot_draw(slide, failed, problem)
        return drawn

    def _cannot_draw(self, slide: int, width: int, problem: str) -> None:
        earlier = self.state()
        self._failed[slide] = min(width, self._failed.get(slide, width))
        if self._narrower(slide, width) is None:
            log.warning("slide %d cannot be drawn: it %s", slide, problem)
        else:
            log.warning("slide %d cannot be drawn %d pixels wide: it %s", slide, width, problem)
        if self.state() != earlier:
            self._changed()

    def _draw_ahead(self) -> None:
        if self._slides is not None and not self._drawing_ahead:
            self._drawing_ahead = True
            self._background.start(self._draw_neighbours())

    async def _draw_neighbours(self) -> None:
        """One picture at a time, looking anew each time at what is wanted: a presenter may be racing on."""
        try:
            while missing := next((key for key in self._wanted() if self._is_missing(key)), None):
                if await asyncio.shield(self._draw(*missing)) is None and missing[0] not in self._failed:
                    return
        finally:
            self._drawing_ahead = False

    def _is_missing(self, key: _Key) -> bool:
        return key not in self._drawn and self._finer(*key) is None

    def _wanted(self) -> Iterator[_Key]:
        for slide in (self._slide, self._slide + 1, self._slide - 1):
            if self._has(slide):
                for width, most in reversed(self._sizes):
                    if (narrower := self._narrower(slide, width)) is not None:
                        yield slide, (narrower, most)

    # Texts

    def _text(self, slide: int) -> Described:
        return self._described.get(slide, _NOTHING)

    async def _read_texts(self, process: SlideProcess, count: int) -> None:
        """One slide after another, so that a picture that is waited for never waits for more than one."""
        failed = 0
        for slide in range(1, min(count, MAX_TITLES) + 1):
            try:
                described = await process.describe(slide)
            except Exceeded as exceeded:
                log.info("the text of slide %d is not read: it %s", slide, exceeded)
                failed += 1
                if failed == MAX_FAILED_TITLES:
                    return
                continue
            except Gone:
                return
            earlier = self.state()
            self._described[slide] = described
            if self.state() != earlier:
                self._changed()
