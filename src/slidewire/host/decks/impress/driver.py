"""The deck driver for LibreOffice Impress: its own programming interface, no keystrokes.

The work is done by `uno_helper`, a process on the Python that can `import uno`; this file finds LibreOffice and that
Python, starts the helper, and turns its lines into the words of `driver.py`. LibreOffice tells of every change by
itself, so the state is right however a slide was changed, and an intent is answered when its effect was seen.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import logging
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from slidewire.control.intents import Intent, Outcome, Point, Reason, Status, Verb
from slidewire.control.parts import PICTURE_BYTES
from slidewire.host.decks.driver import (
    Build,
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
from slidewire.host.decks.impress import agreement
from slidewire.host.decks.impress.isolation import confinement, make_profile, own_profile, scratch
from slidewire.host.decks.impress.linked_media import cut_links, find_links
from slidewire.host.decks.impress.uno_helper.office import office_running
from slidewire.host.desktop.environment import System, has_desktop, this_system
from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.x11.probe import probe as probe_x11
from slidewire.system.directories import state_directory

if TYPE_CHECKING:
    from slidewire.host.decks.impress.dialogs import DialogCloser

log = logging.getLogger(__name__)

HELPER = Path(__file__).with_name("uno_helper")
LINE_BYTES = 32 * 2**20
"""The longest line a helper writes: a picture."""
PICTURES_KEPT = 200
MAIN_PARTS = ("content.xml", "styles.xml", "ppt/presentation.xml", "[Content_Types].xml", "_rels/.rels")
"""Without these LibreOffice shows nothing, but asks what it is to do."""
MAX_QUESTIONS = 20
"""Of one LibreOffice. A deck that makes it ask on and on is not shown."""

OPEN_SECONDS = 90.0
"""More than the helper's own patience with LibreOffice, so that its sentence comes first."""
READY_SECONDS = 15.0
PERFORM_SECONDS = 5.0
PICTURE_SECONDS = 15.0
POINT_SECONDS = 1 / 60
"""From one move of the pointer to the next: LibreOffice needs some time to draw, too."""
CLOSE_SECONDS = 12.0
STARTING_SECONDS = 10.0
"""After the show began: as long as the editor's window may come late."""

NO_DESKTOP = (
    "LibreOffice needs a desktop, and there is none here (DISPLAY is not set). Start this on the computer that shows "
    "the slides, or export the slides as a PDF and give that: the web deck needs no display."
)
INSTALL = "sudo apt-get install libreoffice-impress libreoffice-gtk3 python3-uno"


class HelperGone(Exception):
    """The helper process ended."""


class HelperFailure(Exception):
    """The helper answered with an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Helper:
    """The helper process: requests with ids, answers, events."""

    def __init__(self, process: asyncio.subprocess.Process, on_event: Callable[[dict[str, Any]], None]) -> None:
        self._process = process
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read(), name="uno helper")

    @classmethod
    async def start(cls, on_event: Callable[[dict[str, Any]], None], soffice: str) -> Helper:
        """On the first Python that can `import uno`. Raises `DeckError` if none can."""
        for python in pythons(soffice):
            # In a session of its own, with whatever it starts: Ctrl-C in our terminal must not end the show before
            # `close` does, and the group is what we end if it hangs.
            try:
                process = await asyncio.create_subprocess_exec(
                    python,
                    "-E",
                    str(HELPER),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    limit=LINE_BYTES,
                    start_new_session=True,
                )
            except OSError:
                continue
            assert process.stdout is not None
            try:
                first = await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)
            except TimeoutError:
                first = b""
            if b'"ready"' in first:
                return cls(process, on_event)
            await end(process)
        raise DeckError(f"LibreOffice is here, but no Python that can talk to it (python3-uno). Install it: {INSTALL}")

    async def ask(self, do: str, patience: float, **arguments: Any) -> dict[str, Any]:
        """Raises `HelperGone`, `HelperFailure` or `TimeoutError`."""
        if self._reading.done():
            raise HelperGone
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "do": do, **arguments}).encode() + b"\n")
        try:
            async with asyncio.timeout(patience):
                return await answer
        finally:
            self._waiting.pop(number, None)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """Ask it to end what it started, and see to it that it did."""
        try:
            await self.ask("close", CLOSE_SECONDS)
        except HelperGone:
            await end(self._process)  # it may have left what it started
        except (HelperFailure, TimeoutError):
            log.warning("LibreOffice did not let itself be closed: its processes are ended")
            await end(self._process)
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 2.0)
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while line := await self._process.stdout.readline():
                message = json.loads(line)
                if "event" in message:
                    self._on_event(message)
                elif (answer := self._waiting.get(message["id"])) is not None and not answer.done():
                    if "ok" in message:
                        answer.set_result(message["ok"])
                    else:
                        answer.set_exception(HelperFailure(**message["error"]))
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(HelperGone())
            self._on_event({"event": "gone"})


class ImpressDeck(DeckDriver):
    """A presentation in LibreOffice Impress: a file, which is opened, or whatever is open there already."""

    driver = "impress"
    can = frozenset({"next", "previous", "first", "last", "goto", "start", "stop", "black", "white", "laser"})
    reports = Reports(show=Reported.PUSHED, slide=Reported.PUSHED)
    hold_at_end = True
    pictures = True

    @classmethod
    def probe(cls) -> str | None:
        if not has_desktop():
            return NO_DESKTOP
        return None if find_soffice() is not None else not_installed()

    @classmethod
    def make(cls, options: DeckOptions) -> Self:
        return cls(options.path, state=options.state)

    def __init__(
        self,
        path: Path | None = None,
        *,
        profile: Path | None = None,
        start_show: bool = True,
        state: Path | None = None,
    ) -> None:
        """`path`: None for the presentation that is open in a running LibreOffice, now or later. `profile`: the folder
        of the user profile; without it, the user's own for what is open already, and one in the state directory for a
        file. `start_show`: of a file that we open."""
        self._changed: Callable[[], None] = not_told
        self._path = path
        self._profile = profile
        self._held = contextlib.ExitStack()
        """The profile in the state directory, as long as it is ours."""
        self._state_directory = state or state_directory()
        self._dialogs: DialogCloser | None = None
        self._opening = True
        self._questions = 0
        self._started_until = 0.0
        self._start_show = start_show
        self._helper: Helper | None = None
        self._state = DeckState(DeckStatus.NO_DECK)
        self._kept: dict[tuple[int, int], Picture] = {}
        self._edition = 0
        """Counts the document's modifications, so that no older picture is kept."""
        self._pointed: Point | None = None
        self._pointing: asyncio.Task[None] | None = None

    async def open(self, changed: Callable[[], None] = not_told) -> None:
        self._changed = changed
        soffice = find_soffice()
        if soffice is None:
            raise DeckError(not_installed())
        if self._path is not None:
            await asyncio.to_thread(check_readable, self._path)
        if not has_desktop():
            raise DeckError(NO_DESKTOP)
        path, confine = None, None
        try:
            if self._path is not None:
                path, confine = await asyncio.to_thread(self._isolate, soffice, self._path.resolve())
            helper = await Helper.start(self._on_event, soffice)
        except (DeckError, asyncio.CancelledError):
            self._held.close()
            raise
        self._helper = helper
        if self._path is not None:
            self._watch_for_dialogs()
        try:
            await helper.ask(
                "open",
                OPEN_SECONDS,
                soffice=soffice,
                profile=str(self._profile.resolve()) if self._profile else None,
                path=str(path) if path else None,
                start_show=self._start_show,
                confine=confine,
            )
            self._opening = False
        except HelperFailure as failure:
            await self.close()
            raise DeckError(str(failure)) from None
        except (HelperGone, TimeoutError):
            await self.close()
            raise DeckError("LibreOffice did not answer. Close its dialogs, or end it, and try again.") from None
        except asyncio.CancelledError:
            await self.close()
            raise

    def _isolate(self, soffice: str, deck: Path) -> tuple[Path, dict[str, Any] | None]:
        """The file to open, which is a copy if the deck links to others; and what LibreOffice may do besides. Raises
        `DeckError`."""
        if self._profile is None:
            self._profile = self._held.enter_context(own_profile(self._state_directory))
        elif office_running(str(self._profile.resolve())):
            return deck, None  # another user's own, who opened it before us
        profile = self._profile.resolve()
        try:
            links, agreed = find_links(deck), agreement.is_agreed(deck, self._state_directory)
            if links.damaged in MAIN_PARTS:
                raise DeckError(
                    f"{deck.name} cannot be read: its {links.damaged} is damaged, or protected with a password. Save a "
                    "copy without a password, or export the slides again."
                )
            media = agreement.allowed(links, agreed)
            make_profile(profile, links=bool(media))
            if said := agreement.notice(links, agreed):
                log.warning("%s", said)
            if links.complete and (links or links.followed):
                deck, original = scratch(profile) / deck.name, deck
                cut_links(original, deck, media)
        except (OSError, ValueError) as error:
            raise DeckError(
                f"{deck.name} cannot be made ready ({error}). Copy it to this computer's own disk."
            ) from None
        return deck, confinement(deck, profile, soffice, media.values())

    def _watch_for_dialogs(self) -> None:
        if self._profile is None:
            return
        if (remedy := probe_x11(None, "there is no X11 display")) is not None:
            log.info("what LibreOffice may ask on this screen is not seen: %s", remedy)
            return
        from slidewire.host.decks.impress.dialogs import DialogCloser

        try:
            self._dialogs = DialogCloser(
                self._profile.resolve(), asyncio.get_running_loop(), self._wants_closed, self._is_starting
            )
        except DesktopError as error:
            log.info("what LibreOffice may ask on this screen is not seen: %s", error)

    def _is_starting(self) -> bool:
        return asyncio.get_running_loop().time() < self._started_until

    def _wants_closed(self, title: str, again: bool) -> bool:
        """Whether a dialog is in the way. What a person does in LibreOffice after the show is not. `again`: it is one
        that did not let itself be closed."""
        if not self._opening and self._state.status is not DeckStatus.RUNNING:
            return False
        self._questions += 1
        if self._questions == MAX_QUESTIONS and self._helper is not None:
            log.warning("LibreOffice asks one question after the other: it is ended")
            self._helper.kill()
        if not again:
            log.warning(
                "LibreOffice asked something on the screen%s: it was answered with no", f" ({title})" if title else ""
            )
        return True

    async def perform(self, intent: Intent) -> Outcome:
        helper = self._helper
        if helper is None:
            return Outcome(Status.REFUSED, reason=Reason.NO_DECK)
        # Starting may mean starting LibreOffice once more.
        patience = OPEN_SECONDS if intent.verb is Verb.START else PERFORM_SECONDS
        try:
            seen = await helper.ask("perform", patience, verb=intent.verb.word, slide=intent.argument)
        except HelperGone:
            return Outcome(Status.REFUSED, reason=Reason.NO_DECK)
        except (HelperFailure, TimeoutError) as error:
            log.warning("%s failed: %s", intent, str(error) or "LibreOffice does not answer")
            return Outcome(Status.FAILED, self._state.slide, self._state.slide, Reason.DECK_ERROR)
        return Outcome(Status[seen["status"].upper()], seen["before"], seen["after"], Reason[seen["reason"].upper()])

    def state(self) -> DeckState:
        return self._state

    async def picture(self, slide: int, width: int, most: int = PICTURE_BYTES) -> Picture | None:
        kept = self._kept.pop((slide, width), None)
        if kept is None:
            if self._helper is None:
                return None
            edition = self._edition
            try:
                answer = await self._helper.ask("picture", PICTURE_SECONDS, slide=slide, width=width)
            except (HelperGone, HelperFailure, TimeoutError):
                return None
            if answer["jpeg"] is None:
                return None
            kept = Picture("image/jpeg", base64.b64decode(answer["jpeg"]))
            if edition != self._edition:
                return kept
        # Taken out and put back: the one unused for longest is the first.
        self._kept[slide, width] = kept
        if len(self._kept) > PICTURES_KEPT:
            del self._kept[next(iter(self._kept))]
        return kept

    def point(self, at: Point | None) -> bool:
        self._pointed = at
        if self._helper is not None and self._pointing is None:
            self._pointing = asyncio.create_task(self._point(self._helper), name="impress pointer")
        return True

    async def _point(self, helper: Helper) -> None:
        """One move at a time, always the newest: a slow LibreOffice leaves positions out and never lags behind."""
        try:
            while True:
                at = self._pointed
                await helper.ask("point", PERFORM_SECONDS, at=[at.x, at.y] if at else None)
                await asyncio.sleep(POINT_SECONDS)
                if at == self._pointed:
                    return
        except (HelperGone, HelperFailure, TimeoutError) as error:
            log.debug("the pointer was not moved: %s", error)
        finally:
            self._pointing = None

    async def close(self) -> None:
        helper, self._helper = self._helper, None
        if helper is not None:
            await helper.close()
        if self._dialogs is not None:
            self._dialogs.close()
        self._held.close()

    def _on_event(self, event: dict[str, Any]) -> None:
        kind = event.pop("event")
        if kind == "modified":
            self._edition += 1
            self._kept.clear()
            return
        if kind == "confined":
            say_sandbox(event["network"], event["files"])
            return
        state = read_state(event) if kind == "state" else DeckState(DeckStatus.NO_DECK)
        if (state.status is DeckStatus.NO_DECK) or state.title != self._state.title:
            self._edition += 1
            self._kept.clear()
        if state != self._state:
            if state.status is DeckStatus.RUNNING and self._state.status is not state.status:
                self._started_until = asyncio.get_running_loop().time() + STARTING_SECONDS
                if self._dialogs is not None:
                    self._dialogs.bring_show_to_front()
            self._state = state
            self._changed()


def read_state(event: dict[str, Any]) -> DeckState:
    """The helper's `state` event in the driver's words."""
    build = event.pop("build")
    return DeckState(status=DeckStatus(event.pop("status")), build=Build(*build) if build else None, **event)


def say_sandbox(network: bool, files: bool) -> None:
    """What the system does not do is left to LibreOffice's settings, and the person at the host may want to know."""
    if not network:
        log.info("LibreOffice runs beside the network here: only its settings keep a deck from it")
    if not files:
        log.info("LibreOffice may read this user's files here: only its settings keep a deck from them")


def find_soffice() -> str | None:
    """LibreOffice's launcher; None if it is not installed. Where it is on macOS and Windows it is on no other
    system."""
    places = ["soffice", "libreoffice", "/Applications/LibreOffice.app/Contents/MacOS/soffice"]
    places += [
        str(Path(os.environ[root]) / "LibreOffice" / "program" / "soffice.exe")
        for root in ("PROGRAMFILES", "PROGRAMFILES(X86)")
        if root in os.environ
    ]
    return next((found for place in places if (found := shutil.which(place))), None)


def not_installed() -> str:
    where = INSTALL if this_system() is System.LINUX else "https://www.libreoffice.org/"
    return f"LibreOffice is not installed here. Give a PDF, which the web deck shows without it, or install it: {where}"


def pythons(soffice: str) -> list[str]:
    """The Pythons that may know UNO: the system's, and the one LibreOffice brings along."""
    program = Path(soffice).resolve().parent
    places = [
        Path("/usr/bin/python3"),
        program / "python",
        program / "python.exe",
        program.parent / "Resources" / "python",
        Path("/usr/local/bin/python3"),
    ]
    return [str(place) for place in places if place.is_file()]


def check_readable(path: Path) -> None:
    """Raises `DeckError` for a file that cannot be read."""
    if not path.exists():
        raise DeckError(f"There is no file {path}. Check its name.")
    if not path.is_file():
        raise DeckError(f"{path} is not a file. Give the presentation's own file.")
    if not os.access(path, os.R_OK):
        raise DeckError(f"{path} may not be read by this user. Change its permissions, or copy it.")


async def end(process: asyncio.subprocess.Process) -> None:
    """End a helper with all it started, first asking, then not."""
    for kind in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        try:
            if hasattr(os, "killpg"):
                os.killpg(process.pid, kind)
            else:  # Windows
                process.kill()
        except ProcessLookupError:
            break
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 3.0)
