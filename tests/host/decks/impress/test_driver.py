"""The real LibreOffice Impress, asked by itself and looked at on the screen."""

import asyncio
import contextlib
import io
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from slidewire.control.intents import Intent, Outcome, Point, Reason, Status, Verb
from slidewire.host.decks.driver import Build, DeckError, DeckState, DeckStatus
from slidewire.host.decks.impress import driver as impress
from slidewire.host.decks.impress.driver import ImpressDeck
from slidewire.host.decks.impress.uno_helper.__main__ import read_request
from tests.support import office
from tests.support.decks import colour, notes, numbered_odp, numbered_pdf
from tests.support.xserver import XClient, x_client

desktop = pytest.mark.desktop
slow = pytest.mark.timeout(180)

PLACE = (30, 690)
"""A point of the screen where a numbered slide shows its background only."""
STEP = (220, 640)
"""A point inside the first step of a slide with steps, beside its words."""
COPIES = "len({document.RuntimeUID for document in documents})"
"""How many documents are open (one with a show has two windows)."""
KEYS = {"Right": 0xFF53, "Left": 0xFF51, "Escape": 0xFF1B, "F5": 0xFFC2, "b": ord("b")}


@pytest.fixture(scope="module")
def kept_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LibreOffice makes a profile at its first start; it is faster with one that is there."""
    return tmp_path_factory.mktemp("office") / "profile"


@pytest.fixture
def profile(kept_profile: Path, display: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    yield kept_profile
    office.end(kept_profile)


@pytest.fixture
def screen(display: str) -> Iterator[XClient]:
    with x_client(display) as client:
        yield client


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """A deck of five slides that somebody else may open, lock and leave locked."""
    return Path(shutil.copy(numbered_odp(5), tmp_path / "talk.odp"))


@contextlib.asynccontextmanager
async def opened(
    path: Path | None,
    profile: Path,
    *,
    start_show: bool = True,
    changed: Callable[[ImpressDeck], None] = lambda deck: None,
) -> AsyncIterator[ImpressDeck]:
    deck = ImpressDeck(path, profile=profile, start_show=start_show)
    await deck.open(lambda: changed(deck))
    try:
        yield deck
    finally:
        await deck.close()


async def soon(condition: Callable[[], bool], what: str, patience: float = 20.0) -> None:
    deadline = asyncio.get_running_loop().time() + patience
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited {patience:g} s in vain: {what}"
        await asyncio.sleep(0.005)


DROPPED = 5.0
"""Seconds after which a key was dropped, and is not just late."""


async def pressed_until(screen: XClient, key: str, condition: Callable[[], bool], patience: float = 1.0) -> None:
    """Press a key again if nothing comes of it: LibreOffice drops keys while a slide changes, and its editor needs a
    moment until it listens. With a key that would do harm twice one waits until it must have been dropped."""
    for _ in range(20):
        press(screen, key)
        with contextlib.suppress(AssertionError):
            await soon(condition, key, patience)
            return
    raise AssertionError(f"{key} was pressed in vain")


async def shows(screen: XClient, seen: tuple[int, int, int], what: str) -> None:
    await soon(lambda: screen.pixel(*PLACE) == seen, f"{what} on the screen")


async def ask(profile: Path, question: str) -> object:
    return await asyncio.to_thread(office.ask, profile, question)


async def is_open(profile: Path, talk: Path) -> None:
    """Somebody else's LibreOffice has come up with its document."""
    await soon(lambda: talk.with_name(f".~lock.{talk.name}#").exists(), "LibreOffice opens the document", 60)
    async with asyncio.timeout(60):
        while await ask(profile, COPIES) != 1:
            await asyncio.sleep(0.05)


def pixel(jpeg: bytes, width: int) -> tuple[int, ...]:
    """One of the background, near the lower left corner of a picture."""
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.format == "JPEG" and image.size == (width, width * 9 // 16)
        found = image.convert("RGB").getpixel((8, image.height - 8))
    assert isinstance(found, tuple)
    return found


def in_front(screen: XClient) -> str:
    """The title of the window that gets the keys."""
    active = screen.numbers(screen.root, "_NET_ACTIVE_WINDOW")
    if not active or not active[0]:
        return ""
    reply = screen.core.GetProperty(False, active[0], screen.atom("_NET_WM_NAME"), 0, 0, 1024).reply()
    return bytes(reply.value.buf()).decode()


def press(screen: XClient, key: str) -> None:
    """The host's own keyboard."""
    code = screen.key_code(KEYS[key])
    screen.fake(2, code)
    screen.fake(3, code)


def performed(before: int | None, after: int | None) -> Outcome:
    return Outcome(Status.PERFORMED, before, after)


def refused(slide: int | None, reason: Reason) -> Outcome:
    return Outcome(Status.REFUSED, slide, slide, reason)


# --- the words of the helper's lines


def test_a_request_is_an_object_with_an_id_and_a_verb() -> None:
    assert read_request('{"id": 7, "do": "perform", "verb": "goto", "slide": 3}') == (
        7,
        "perform",
        {"verb": "goto", "slide": 3},
    )


@pytest.mark.parametrize("line", ["", "{", "[]", "7", '{"id": 1}', '{"do": "close"}', '{"id": true, "do": "x"}'])
def test_anything_else_is_not_a_request(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_request(line)


def test_a_state_is_read_in_the_words_of_the_driver() -> None:
    event = {"status": "running", "title": "talk.odp", "slide": 3, "count": 9, "build": [1, 2], "blank": "white"}
    texts = {"notes": None, "slide_title": "Three", "next_title": "Four"}
    state = DeckState(DeckStatus.RUNNING, "talk.odp", 3, 9, Build(1, 2), "white", None, "Three", "Four")
    assert impress.read_state({**event, **texts}) == state


# --- what cannot be opened


async def test_without_a_display_it_says_where_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(impress, "find_soffice", lambda: "soffice")
    with pytest.raises(DeckError, match="DISPLAY is not set"):
        await ImpressDeck().open()


async def test_without_libreoffice_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeckError, match="apt-get install libreoffice-impress libreoffice-gtk3 python3-uno"):
        await ImpressDeck().open()


async def test_a_python_without_uno_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """This test's own Python cannot import uno; it runs the helper, which says so."""
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(impress, "find_soffice", lambda: "soffice")
    monkeypatch.setattr(impress, "pythons", lambda soffice: [str(Path("/nowhere/python")), sys.executable])
    with pytest.raises(DeckError, match="python3-uno"):
        await ImpressDeck().open()


async def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(impress, "find_soffice", lambda: "soffice")
    with pytest.raises(DeckError, match=r"There is no file .*talk\.odp"):
        await ImpressDeck(tmp_path / "talk.odp").open()
    with pytest.raises(DeckError, match="is not a file"):
        await ImpressDeck(tmp_path).open()


@desktop
@slow
async def test_what_is_not_a_presentation_is_refused_and_nothing_is_left(profile: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.odp"
    broken.write_bytes(b"PK\x03\x04 nothing of a presentation")
    with pytest.raises(DeckError, match=r"broken\.odp"):
        await ImpressDeck(broken, profile=profile).open()
    drawing = tmp_path / "paper.pdf"
    shutil.copy(numbered_pdf(3), drawing)
    with pytest.raises(DeckError, match=r"paper\.pdf is not a presentation .* web deck"):
        await ImpressDeck(drawing, profile=profile).open()
    assert office.processes(profile) == []


# --- the show


@desktop
@slow
async def test_every_intent_is_answered_with_what_libreoffice_did(profile: Path, screen: XClient) -> None:
    async with opened(numbered_odp(5, builds=True, end_builds=True), profile) as deck:

        async def do(verb: Verb, slide: int = 0) -> Outcome:
            return await deck.perform(Intent(verb, slide))

        state = deck.state()
        assert (state.status, state.slide, state.count) == (DeckStatus.RUNNING, 1, 5)
        await shows(screen, colour(1), "the first slide")
        assert await do(Verb.PREVIOUS) == refused(1, Reason.AT_START)
        assert await do(Verb.NEXT) == performed(1, 2)
        await shows(screen, colour(2), "the second slide")
        assert await ask(profile, "show.getCurrentSlideIndex()") == 1

        # Two steps on slide 3.
        assert await do(Verb.NEXT) == performed(2, 3)
        await soon(lambda: deck.state().build == Build(0, 2), "no step is played")
        await soon(lambda: screen.pixel(*STEP) == colour(3), "nothing where the first step will be")
        assert await do(Verb.NEXT) == performed(3, 3)
        await soon(lambda: deck.state().build == Build(1, 2), "one step is played")
        await soon(lambda: screen.pixel(*STEP) == (255, 255, 255), "the first step on the screen")
        assert await do(Verb.NEXT) == performed(3, 3)
        assert await do(Verb.NEXT) == performed(3, 4)
        assert deck.state().build is None
        assert await do(Verb.PREVIOUS) == performed(4, 3)
        await soon(lambda: deck.state().build == Build(2, 2), "back on a slide, all its steps are played")

        # The end, where nobody falls out of the show.
        assert await do(Verb.LAST) == performed(3, 5)
        assert await do(Verb.NEXT) == performed(5, 5)
        assert await do(Verb.NEXT) == performed(5, 5)
        for _ in range(3):
            assert await do(Verb.NEXT) == refused(5, Reason.AT_END)
        await shows(screen, colour(5), "the last slide")
        assert await ask(profile, "[show.getCurrentSlideIndex(), show.isRunning(), show.isPaused()]") == [
            4,
            True,
            False,
        ]

        assert await do(Verb.FIRST) == performed(5, 1)
        assert await do(Verb.GOTO, 4) == performed(1, 4)
        assert await do(Verb.GOTO, 4) == performed(4, 4)
        assert await do(Verb.GOTO, 6) == refused(4, Reason.RANGE)
        assert await ask(profile, "show.getCurrentSlideIndex()") == 3

        assert await do(Verb.START) == performed(4, 4)
        assert await do(Verb.STOP) == performed(4, None)
        assert deck.state().status is DeckStatus.NO_SHOW
        assert await ask(profile, "document.Presentation.isRunning()") is False
        for verb in (Verb.NEXT, Verb.PREVIOUS, Verb.LAST, Verb.BLACK, Verb.STOP):
            assert await do(verb) == refused(None, Reason.NO_SHOW)
        started = await do(Verb.START)
        assert started.status is Status.PERFORMED and started.before is None and started.after == deck.state().slide


@desktop
@slow
async def test_dark_and_light_again(profile: Path, screen: XClient) -> None:
    async with opened(numbered_odp(5), profile) as deck:

        async def do(verb: Verb, slide: int = 0) -> Outcome:
            return await deck.perform(Intent(verb, slide))

        await do(Verb.NEXT)
        for verb, seen, blank in (
            (Verb.BLACK, (0, 0, 0), "black"),
            (Verb.BLACK, colour(2), None),
            (Verb.BLACK, (0, 0, 0), "black"),
            (Verb.WHITE, (255, 255, 255), "white"),
            (Verb.NEXT, colour(2), None),
            (Verb.WHITE, (255, 255, 255), "white"),
            (Verb.PREVIOUS, colour(2), None),
        ):
            assert await do(verb) == performed(2, 2)
            assert deck.state().blank == blank
            await shows(screen, seen, f"{blank} after {verb.word}")
        await do(Verb.BLACK)
        assert await do(Verb.GOTO, 5) == performed(2, 5)
        assert deck.state().blank is None
        await shows(screen, colour(5), "goto out of the dark")


@desktop
@slow
async def test_two_hundred_taps_are_two_hundred_slides_and_back(profile: Path) -> None:
    async with opened(numbered_odp(250), profile) as deck:
        for slide in range(1, 201):
            assert await deck.perform(Intent(Verb.NEXT)) == performed(slide, slide + 1)
        assert await ask(profile, "show.getCurrentSlideIndex()") == 200
        for slide in range(201, 1, -1):
            assert await deck.perform(Intent(Verb.PREVIOUS)) == performed(slide, slide - 1)
        assert await ask(profile, "show.getCurrentSlideIndex()") == 0


@desktop
@slow
async def test_a_slide_with_a_transition_is_seen_as_well(profile: Path, screen: XClient) -> None:
    async with opened(numbered_odp(5, fade=True), profile) as deck:
        for slide in range(1, 5):
            assert await deck.perform(Intent(Verb.NEXT)) == performed(slide, slide + 1)
        assert await deck.perform(Intent(Verb.NEXT)) == refused(5, Reason.AT_END)
        await shows(screen, colour(5), "the last slide")


@desktop
@slow
async def test_hidden_slides_are_not_counted_as_in_impress_itself(profile: Path, screen: XClient) -> None:
    async with opened(numbered_odp(6, hidden=frozenset({1, 3, 6})), profile) as deck:
        assert (deck.state().slide, deck.state().count) == (1, 3)
        await shows(screen, colour(2), "the first slide that is not hidden")
        assert await deck.perform(Intent(Verb.PREVIOUS)) == refused(1, Reason.AT_START)
        assert await deck.perform(Intent(Verb.NEXT)) == performed(1, 2)
        await shows(screen, colour(4), "the second one")
        assert await deck.perform(Intent(Verb.LAST)) == performed(2, 3)
        await shows(screen, colour(5), "the last one")
        assert await deck.perform(Intent(Verb.NEXT)) == refused(3, Reason.AT_END)
        assert await deck.perform(Intent(Verb.GOTO, 4)) == refused(3, Reason.RANGE)
        shown = await deck.picture(2, 320)
        assert await deck.perform(Intent(Verb.STOP)) == performed(3, None)
        await soon(lambda: deck.state().count == 3, "the count without a show")
        assert shown is not None and pixel(shown.data, 320) == pytest.approx(colour(4), abs=6)


@desktop
@slow
async def test_the_hosts_own_keyboard_is_told_without_asking(profile: Path, screen: XClient) -> None:
    told: list[DeckState] = []
    async with opened(numbered_odp(5), profile, changed=lambda deck: told.append(deck.state())) as deck:
        await soon(lambda: deck.state().next_title == "Slide 2", "the titles")
        assert (deck.state().slide_title, deck.state().notes) == ("Slide 1", notes(1))
        await soon(lambda: in_front(screen).startswith("Presenting"), "the show has the keyboard")
        await shows(screen, colour(1), "the first slide")
        await pressed_until(screen, "Right", lambda: deck.state().slide == 2, DROPPED)
        await soon(lambda: deck.state().notes == notes(2) and deck.state().next_title == "Slide 3", "its notes")
        await shows(screen, colour(2), "the second slide")
        await pressed_until(screen, "b", lambda: deck.state().blank == "black", DROPPED)
        await pressed_until(screen, "b", lambda: deck.state().blank is None, DROPPED)
        assert told[-1] == deck.state()

        await deck.perform(Intent(Verb.LAST))
        await shows(screen, colour(5), "the last slide")
        # Impress's own end screen:
        await pressed_until(screen, "Right", lambda: deck.state().blank == "black", DROPPED)
        assert await deck.perform(Intent(Verb.NEXT)) == refused(5, Reason.AT_END)
        assert await deck.perform(Intent(Verb.BLACK)) == refused(5, Reason.AT_END)
        assert await deck.perform(Intent(Verb.PREVIOUS)) == performed(5, 5)
        await shows(screen, colour(5), "the last slide again")

        await pressed_until(screen, "Escape", lambda: deck.state().status is DeckStatus.NO_SHOW)
        assert await deck.perform(Intent(Verb.NEXT)) == refused(None, Reason.NO_SHOW)
        await pressed_until(screen, "F5", lambda: deck.state().status is DeckStatus.RUNNING)
        await soon(lambda: deck.state().slide is not None, "it knows its slide")
        before = deck.state().slide
        assert before is not None
        assert (await deck.perform(Intent(Verb.GOTO, 3))) == performed(before, 3)


@desktop
@slow
async def test_a_document_that_is_closed_is_no_deck_until_it_is_started_again(profile: Path) -> None:
    async with opened(numbered_odp(5), profile) as deck:
        # Another window keeps LibreOffice there.
        script = 'desktop.loadComponentFromURL("private:factory/simpress", "_blank", 0, ())\ndocument.close(True)'
        await asyncio.to_thread(office.run, profile, script)
        await soon(lambda: deck.state().status is DeckStatus.NO_DECK, "the document is closed")
        assert await deck.perform(Intent(Verb.NEXT)) == refused(None, Reason.NO_DECK)
        assert await deck.perform(Intent(Verb.START)) == performed(None, 1)
        assert await deck.perform(Intent(Verb.NEXT)) == performed(1, 2)


@desktop
@slow
async def test_a_killed_libreoffice_is_no_deck_until_it_is_started_again(profile: Path, screen: XClient) -> None:
    async with opened(numbered_odp(5), profile) as deck:
        for pid in office.processes(profile):
            os.kill(pid, signal.SIGKILL)
        await soon(lambda: deck.state().status is DeckStatus.NO_DECK, "LibreOffice is gone")
        for verb in (Verb.NEXT, Verb.STOP, Verb.WHITE):
            assert await deck.perform(Intent(verb)) == refused(None, Reason.NO_DECK)
        assert await deck.picture(1, 320) is None
        assert await deck.perform(Intent(Verb.START)) == performed(None, 1)
        assert await deck.perform(Intent(Verb.NEXT)) == performed(1, 2)
        await shows(screen, colour(2), "the show again")
    assert office.processes(profile) == []


# --- somebody else's LibreOffice


@desktop
@slow
async def test_a_show_that_runs_already_is_driven_and_left_as_it_was(profile: Path, talk: Path) -> None:
    with office.running(profile, "--show", str(talk)):
        await soon(lambda: office.processes(profile) != [], "LibreOffice starts")
        async with opened(None, profile) as deck:
            await soon(lambda: deck.state().status is DeckStatus.RUNNING, "the show is found", 60)
            assert await deck.perform(Intent(Verb.GOTO, 4)) == performed(1, 4)
        assert await ask(profile, "[show.isRunning(), show.getCurrentSlideIndex()]") == [True, 3]


@desktop
@slow
async def test_a_libreoffice_that_comes_later_is_found(profile: Path, talk: Path) -> None:
    async with opened(None, profile) as deck:
        assert deck.state() == DeckState(DeckStatus.NO_DECK)
        assert await deck.perform(Intent(Verb.START)) == refused(None, Reason.NO_DECK)
        assert office.processes(profile) == [], "nobody asked for a LibreOffice"
        with office.running(profile, str(talk)):
            await soon(lambda: deck.state().status is DeckStatus.NO_SHOW, "the document is found", 60)
            await soon(lambda: deck.state().count == 5, "its slides are counted")
            assert await deck.perform(Intent(Verb.START)) == performed(None, 1)
            assert await deck.perform(Intent(Verb.NEXT)) == performed(1, 2)
        await soon(lambda: deck.state().status is DeckStatus.NO_DECK, "LibreOffice is gone")


@desktop
@slow
async def test_a_file_that_is_open_already_is_not_opened_twice(profile: Path, talk: Path) -> None:
    with office.running(profile, str(talk)):
        await is_open(profile, talk)
        async with opened(talk, profile) as deck:
            assert await deck.perform(Intent(Verb.NEXT)) == performed(1, 2)
            assert await ask(profile, COPIES) == 1
        answer = await ask(profile, f"[{COPIES}, document.Presentation.isRunning()]")
        assert answer == [1, False], "the show was ours, the document is not"


# --- pictures and the pointer


@desktop
@slow
async def test_pictures_are_slides_and_kept_until_the_deck_is_edited(profile: Path, talk: Path) -> None:
    with office.running(profile, str(talk)):
        await is_open(profile, talk)
        async with opened(talk, profile, start_show=False) as deck:
            assert deck.state().status is DeckStatus.NO_SHOW
            for slide in (1, 4):
                picture = await deck.picture(slide, 640)
                assert picture is not None and picture.media_type == "image/jpeg"
                assert pixel(picture.data, 640) == pytest.approx(colour(slide), abs=6)
                assert await deck.picture(slide, 640) is picture
            assert await deck.picture(0, 640) is None
            assert await deck.picture(6, 640) is None
            old = await deck.picture(1, 640)
            edit = "title = document.DrawPages.getByIndex(0).getByIndex(0); place = title.Position\n"
            edit += "place.Y += 3000; title.Position = place"
            await asyncio.to_thread(office.run, profile, edit)
            async with asyncio.timeout(20):
                while (new := await deck.picture(1, 640)) == old:  # its notice is on its way
                    await asyncio.sleep(0.01)
            assert old is not None and new is not None and new.data != old.data


@desktop
@slow
async def test_the_pointer_is_impresss_own(profile: Path, screen: XClient) -> None:
    at = Point(0.25, 0.9)
    here = (round(at.x * 1280), round(at.y * 720))
    async with opened(numbered_odp(5), profile) as deck:
        await shows(screen, colour(1), "the first slide")
        # A finger that rests is repeated, too: Impress may not draw the first one while it draws its first slide.
        await soon(lambda: deck.point(at) and screen.pixel(*here) != colour(1), "the pointer on the screen")
        for step in range(300):  # many more than LibreOffice draws in the time: none waits behind
            assert deck.point(Point(0.3 + step / 1000, 0.2))
        assert await deck.perform(Intent(Verb.NEXT)) == performed(1, 2)
        assert deck.point(None)
        await shows(screen, colour(2), "the second slide")
        await soon(lambda: screen.pixel(*here) == colour(2), "no pointer")


@desktop
@slow
async def test_a_pointer_in_motion_does_not_stop_the_show(profile: Path, screen: XClient) -> None:
    """LibreOffice 7.4 never draws again if its pointer is moved by another thread than its own at a bad moment."""
    async with opened(numbered_odp(20), profile) as deck:
        await shows(screen, colour(1), "the first slide")
        for slide in range(1, 16):
            for step in range(12):
                assert deck.point(Point(0.2 + step / 20, 0.9 - step / 20))
                await asyncio.sleep(1 / 60)
            assert await deck.perform(Intent(Verb.NEXT)) == performed(slide, slide + 1)
            await shows(screen, colour(slide + 1), f"slide {slide + 1}")


# --- the end


@desktop
@slow
async def test_nothing_is_left_behind(profile: Path, tmp_path: Path) -> None:
    path = tmp_path / "a deck – naïve.odp"
    shutil.copy(numbered_odp(5), path)
    async with opened(path, profile) as deck:
        assert deck.state().title == path.name
        assert office.processes(profile) != []
    assert office.processes(profile) == []
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert await deck.perform(Intent(Verb.NEXT)) == refused(None, Reason.NO_DECK)
    await deck.close()


@desktop
@slow
async def test_opening_can_be_given_up(profile: Path) -> None:
    opening = asyncio.create_task(ImpressDeck(numbered_odp(5), profile=profile).open())
    await soon(lambda: office.processes(profile) != [], "LibreOffice starts")
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await soon(lambda: office.processes(profile) == [], "LibreOffice has ended")


@desktop
@slow
async def test_a_helper_that_dies_is_no_deck_and_takes_its_libreoffice_along(profile: Path) -> None:
    """The helper's own end, by the end of its input, is what happens when this program is killed."""
    async with opened(numbered_odp(5), profile) as deck:
        helper = deck._helper
        assert helper is not None and helper._process.stdin is not None
        helper._process.stdin.close()
        await soon(lambda: deck.state().status is DeckStatus.NO_DECK, "the helper is gone")
        await soon(lambda: office.processes(profile) == [], "and LibreOffice with it")
        assert await deck.perform(Intent(Verb.NEXT)) == refused(None, Reason.NO_DECK)
