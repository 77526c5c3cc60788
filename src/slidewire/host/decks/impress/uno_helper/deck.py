"""The deck: which document of which LibreOffice, whether its show runs, and what to tell about it.

Everything here happens on the main thread, but for the few methods that say so.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import Any

from .office import START_SECONDS, Office, Trouble, document_name, modify_listener, office_running, same_file
from .show import Show, outcome

RETURN_SECONDS = 1.0
"""How often we look whether a LibreOffice that went has come back."""
SCREEN_SECONDS = 1.0
SETTLE_SECONDS = 0.1
SETTLE_LOOKS = 10
"""A document or a view came or went: LibreOffice says so while it still happens, so we look a few times."""


class Deck:
    """From its opening to its closing."""

    def __init__(
        self,
        emit: Callable[[dict[str, Any]], None],
        soon: Callable[[Callable[[], object]], None],
        idle: Callable[[Callable[[], object]], None],
    ) -> None:
        """`soon` and `idle` put a job on the main thread's queue, before or after everything else."""
        self._emit = emit
        self._soon = soon
        self._idle = idle
        self._soffice = ""
        self._profile: str | None = None
        self._path: str | None = None
        self._confine: dict[str, Any] | None = None
        self._office: Office | None = None
        self._document: Any = None
        self._watch: Any = None
        """Our listener at the document."""
        self._title = ""
        self._slides: list[int] | None = None
        """The document's pages that are not hidden: what a show would have."""
        self._show: Show | None = None
        self._loaded = False
        """We loaded the document."""
        self._started = False
        """We started the show."""
        self._screen = (0, 0)
        """The size of where it is shown, which may still grow when a show begins."""
        self._screen_until = 0.0
        self._edited = False
        """The document was modified, and that is still to be taken in."""
        self._looks = 0
        self._telling = threading.Lock()
        self._told: dict[str, Any] | None = None
        self.closed = False

    # --- opening and finding

    def open(
        self, soffice: str, profile: str | None, path: str | None, start_show: bool, confine: dict[str, Any] | None
    ) -> dict[str, Any]:
        """A file: it is loaded, unless it is open there already, and presented. No file: what LibreOffice has open.
        If it fails, `close` is still to be asked."""
        self._soffice, self._profile, self._path, self._confine = soffice, profile, path, confine
        if path is not None or office_running(profile) is not False:
            self._connect()
            if path is not None:
                self._present(start_show)
        self.tell()
        return {}

    def _connect(self) -> None:
        office = Office(self._soffice, self._profile, self._confine)
        self._office = office
        office.connect(lambda: self._soon(lambda: self._lost(office)), lambda: self._soon(self._stir))
        if office.held is not None:
            self._emit({"event": "confined", **office.held})
        self.look()

    def _present(self, start_show: bool) -> None:
        assert self._office is not None
        if self._document is None:
            assert self._path is not None
            self._office.load(self._path)
            self._loaded = True
            self.look()
        if start_show and self._show is None:
            self._survey()
            if self._slides == []:
                raise Trouble(
                    "all_hidden",
                    f"Every slide of {self._title} is hidden, so there is nothing to show. Unhide one in LibreOffice.",
                )
            self._start()

    def _start(self) -> None:
        """Where it begins is Impress's own choice: the first slide, or the one its editor stands on."""
        self._document.Presentation.start()
        deadline = time.monotonic() + START_SECONDS
        while self._show is None:
            controller = self._document.Presentation.getController()
            if controller is not None and controller.isRunning():
                self._enter(controller, fresh=True)
            elif time.monotonic() > deadline:
                raise Trouble("no_show", "LibreOffice did not start the slide show. Is a dialog open in its window?")
            else:
                time.sleep(0.005)
        self._started = True

    def _enter(self, controller: Any, fresh: bool = False) -> None:
        self._screen_until = 0.0
        self._show = show = Show(controller, self.tell, lambda: self._idle(lambda: self._learn(show)), fresh)
        self.tell()
        self._idle(lambda: self._learn(show))

    def look_again_in(self) -> float | None:
        """Seconds until the next look, if nothing else happens."""
        if self._office is None:
            return RETURN_SECONDS
        return SETTLE_SECONDS if self._looks else None

    def _stir(self) -> None:
        self._looks = SETTLE_LOOKS
        self.look()

    def look(self) -> None:
        """Take in what is there now."""
        self._looks = max(0, self._looks - 1)
        if self._office is None:
            # It is not started unasked. If a person started it, it is followed again.
            if self._soffice and office_running(self._profile):
                self._connect()
            return
        if self._show is not None and self._show.over:
            self._show, self._started = None, False
        if self._show is None:
            self._adopt(self._find())
            if self._document is not None and self._document.Presentation.isRunning():
                controller = self._document.Presentation.getController()
                if controller is not None and controller.isRunning():
                    self._enter(controller)
        self.tell()

    def _find(self) -> Any:
        """The document of our file; without a file the one that is presented, or in front, or any."""
        assert self._office is not None
        best, rank = None, 0
        for document in self._office.documents():
            if self._path is not None:
                ours = 3 if same_file(document.URL, self._path) else 0
            elif document.Presentation.isRunning():
                ours = 3
            else:
                ours = 2 if self._office.in_front(document) else 1
            if ours > rank:
                best, rank = document, ours
        return best

    def _adopt(self, document: Any) -> None:
        if document is None:
            self._document = None
        elif document != self._document:
            self._document = document
            self._title = document_name(document)
            self._watch = modify_listener(self._modified, lambda: self._soon(self._stir))
            document.addModifyListener(self._watch)
            self._slides = None
            self._idle(self._survey)

    def _survey(self) -> None:
        if self._document is not None and self._slides is None:
            pages = self._document.DrawPages
            self._slides = [number for number in range(pages.Count) if pages.getByIndex(number).Visible]
            self.tell()

    def _modified(self) -> None:
        """(On UNO's threads.) One change to the document comes as dozens of these."""
        if not self._edited:
            self._edited = True
            self._idle(self._take_edit)

    def _take_edit(self) -> None:
        """Titles, notes, pictures and the order may be others now."""
        self._edited = False
        self._emit({"event": "modified"})
        self._slides = None
        self._survey()
        if self._show is not None:
            self._show.forget()
            self._learn(self._show)

    def _lost(self, office: Office) -> None:
        if office is self._office:
            self._office = self._document = self._show = None
            self._loaded = self._started = False
            self.tell()

    # --- telling

    def tell(self) -> None:
        """(Also on UNO's threads.) Push the state, if it is another than before."""
        with self._telling:
            state = self._state()
            if state != self._told:
                self._told = state
                self._emit(state)

    def _state(self) -> dict[str, Any]:
        show, open_ = self._show, self._document is not None
        state: dict[str, Any] = {
            "event": "state",
            "status": "no_show" if open_ else "no_deck",
            "title": self._title if open_ else "",
            "slide": None,
            "count": len(self._slides) if open_ and self._slides is not None else None,
            "build": None,
            "blank": None,
            "notes": None,
            "slide_title": None,
            "next_title": None,
        }
        if show is None or not open_:
            return state
        with show.seen:
            if show.over:
                return state
            index, position, blank = show.index, show.position, show.blank
        title, notes, clicks = show.details.get(index, (None, None, 0))
        return {
            **state,
            "status": "running",
            "slide": index + 1,
            "count": show.count,
            "build": [min(position, clicks), clicks] if clicks and position is not None else None,
            "blank": blank,
            "notes": notes,
            "slide_title": title,
            "next_title": show.details.get(index + 1, (None,))[0],
        }

    def _learn(self, show: Show) -> None:
        """Title and notes of the current slide, then of the next, when there is nothing else to do."""
        index = show.index
        for number in (index, index + 1):
            # Taps come first: a slide that is not the current one any more is left to its own job.
            if show.over or show is not self._show or show.index != index or number >= show.count:
                return
            show.learn(number)
            self.tell()

    # --- requests

    def perform(self, verb: str, slide: int = 0) -> dict[str, Any]:
        if verb == "start":
            return self._perform_start()
        show = self._show
        try:
            if show is None or show.over:
                return self._refused()
            if verb == "stop":
                before = show.here()
                self._document.Presentation.end()
                seen = show.wait_for(lambda: show.over)
                return outcome("performed", before, None, "none" if seen else "unseen")
            return show.perform(verb, slide)
        except Trouble:
            raise
        except Exception:
            # The show, the document or LibreOffice went while we asked: the listeners say which.
            if show is not None and show.wait_for(lambda: show.over or self._show is not show):
                return self._refused()
            raise

    def _refused(self) -> dict[str, Any]:
        return outcome("refused", None, None, "no_show" if self._document is not None else "no_deck")

    def _perform_start(self) -> dict[str, Any]:
        before = self._show.here() if self._show is not None else None
        if before is not None:
            return outcome("performed", before, before)
        if self._office is None and self._path is not None:
            self._connect()
        if self._office is not None:
            self.look()
        if self._path is not None:
            self._present(start_show=True)
        elif self._document is not None:
            self._start()
        else:
            return self._refused()
        return outcome("performed", None, self._show.here() if self._show is not None else None)

    def picture(self, slide: int, width: int) -> dict[str, Any]:
        office, show, page = self._office, self._show, None
        if show is not None and not show.over:
            if 0 < slide <= show.count:
                page = show.page(slide - 1)
        elif self._document is not None:
            self._survey()
            if self._slides is not None and 0 < slide <= len(self._slides):
                page = self._document.DrawPages.getByIndex(self._slides[slide - 1])
        if office is None or page is None:
            return {"jpeg": None}
        data = office.export(page, width)
        return {"jpeg": base64.b64encode(data).decode("ascii") if data else None}

    def point(self, at: list[float] | None) -> dict[str, Any]:
        show, office = self._show, self._office
        if show is None or show.over or office is None:
            return {"shown": False}
        if time.monotonic() > self._screen_until:
            self._screen, self._screen_until = office.screen_size(), time.monotonic() + SCREEN_SECONDS
        shown: list[bool] = []
        # From another thread than LibreOffice's own it sooner or later stops the show from drawing anything ever again.
        office.in_its_own_thread(lambda: shown.append(show.point(at, self._screen)))
        return {"shown": shown == [True]}

    def close(self) -> dict[str, Any]:
        """End what we started: the show, the document, LibreOffice."""
        self.closed = True
        office, document, show = self._office, self._document, self._show
        try:
            if self._started and show is not None and not show.over:
                document.Presentation.end()
                show.wait_for(lambda: show.over)
            if self._loaded and document is not None:
                document.close(True)
        except Exception:  # noqa: BLE001, S110 (whatever it was, LibreOffice itself comes next)
            pass
        if office is not None:
            office.close()
        return {}
