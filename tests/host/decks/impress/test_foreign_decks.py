"""A deck from somebody else, in the real LibreOffice: what it links to stays where it is."""

import asyncio
import contextlib
import logging
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from PIL import Image

from slidewire.control.intents import Intent, Verb
from slidewire.host.decks.driver import DeckError, DeckStatus
from slidewire.host.decks.impress import agreement
from slidewire.host.decks.impress import driver as impress
from slidewire.host.decks.impress.driver import ImpressDeck
from slidewire.host.decks.impress.linked_media import Links
from tests.support import office
from tests.support.decks import colour
from tests.support.foreign import Requests, frame, listeners, make, on_click
from tests.support.xserver import XClient, until, x_client

pytestmark = [pytest.mark.desktop, pytest.mark.timeout(180)]

RED = (255, 0, 0)
PLACE = (30, 690)
"""A point of the screen where a numbered slide shows its background only."""


@pytest.fixture(scope="module")
def kept_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory: with its profile LibreOffice starts quicker than without."""
    return tmp_path_factory.mktemp("host") / "state"


@pytest.fixture
def state(kept_state: Path, display: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    (kept_state / agreement.FILE).unlink(missing_ok=True)
    yield kept_state
    office.end(kept_state / "libreoffice-profile")


@pytest.fixture
def screen(display: str) -> Iterator[XClient]:
    with x_client(display) as client:
        yield client


@pytest.fixture
def web() -> Iterator[Requests]:
    with Requests().listening() as requests:
        yield requests


@contextlib.asynccontextmanager
async def shown(deck: Path, state: Path) -> AsyncIterator[ImpressDeck]:
    driver = ImpressDeck(deck, state=state)
    await driver.open()
    try:
        yield driver
    finally:
        await driver.close()


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deck is of a kind whose links cannot be found, as .ppt is: the sandbox is alone."""
    monkeypatch.setattr(impress, "find_links", lambda deck: Links(complete=False))


def red_picture(path: Path) -> Path:
    Image.new("RGB", (64, 64), RED).save(path)
    return path


def everything(url: str, folder: Path) -> tuple[str, str]:
    """Shapes and scripts that reach for a server and for a file in every way but one: see `film`."""
    target = url + "/of."
    shapes = "".join(
        [
            frame("image", target + "picture.png"),
            frame("image", target.replace("http:", "vnd.sun.star.webdav:") + "webdav.png"),
            frame("image", target.replace("http:", "ftp:") + "ftp.png"),
            frame("image", target.replace("http:", "smb:") + "smb.png"),
            frame("image", "file://127.0.0.1/share/picture.png"),
            frame("image", "file:///etc/hostname"),
            frame("image", "../../outside/red.png"),
            frame("floating-frame", target + "frame.html"),
            frame("object", target + "object.odg"),
            frame("object-ole", target + "ole.bin"),
            frame("applet", target + "applet.class", more='draw:code="Applet.class"'),
            frame("plugin", target + "plugin", more='draw:mime-type="application/x-shockwave-flash"'),
        ]
    )
    shapes += f'<draw:a xlink:href={url + "/a"!r} xlink:type="simple">{frame("image", target + "linked.png")}</draw:a>'
    climb = "../" * 12
    macro = f"vnd.sun.star.script:{climb}{str(folder / 'macro.py').lstrip('/')}$go?language=Python&location=share"
    return shapes, listeners(macro)


def shows_red(screen: XClient) -> bool:
    return RED in [pixel for _, pixel in screen.picture().getcolors(2**24) or []]


def film(url: str) -> str:
    """Whose player LibreOffice waits for, for a very long time, while it holds everything up."""
    return frame("plugin", url + "/film.mp4", more='draw:mime-type="application/vnd.sun.star.media"')


def foreign_folder(tmp_path: Path) -> Path:
    folder, outside = tmp_path / "deck", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    red_picture(outside / "red.png")
    (folder / "macro.py").write_text(f"def go(*a):\n    open({str(folder / 'ran')!r}, 'w').write('x')\n")
    return folder


async def test_a_deck_reaches_nothing(
    state: Path, screen: XClient, web: Requests, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = foreign_folder(tmp_path)
    shapes, scripts = everything(web.url, folder)
    deck = make(folder / "talk.odp", shapes + film(web.url), scripts)
    with caplog.at_level(logging.INFO):
        async with shown(deck, state) as driver:
            await asyncio.to_thread(until, lambda: screen.pixel(*PLACE) == colour(1), "the show", 30)
            assert driver.state().title == "talk.odp"
            assert (await driver.perform(Intent(Verb.NEXT))).after == 2
            assert not shows_red(screen)
    assert web.seen == []
    assert not (folder / "ran").exists()
    said = [record.getMessage() for record in caplog.records]
    assert any("This deck links to 14 files outside of itself, not shown: http://127.0.0.1" in line for line in said)
    assert not any("asked something" in line for line in said), "nothing was left to ask about"
    assert not any("keep a deck from" in line for line in said), "the system does both here"


async def test_the_sandbox_alone_is_enough(
    state: Path, screen: XClient, web: Requests, tmp_path: Path, unread: None
) -> None:
    folder = foreign_folder(tmp_path)
    shapes, scripts = everything(web.url, folder)
    async with shown(make(folder / "talk.odp", shapes, scripts), state) as driver:
        await asyncio.to_thread(until, lambda: screen.pixel(*PLACE) == colour(1), "the show", 30)
        assert (await driver.perform(Intent(Verb.NEXT))).after == 2
    assert web.seen == []
    assert not (folder / "ran").exists()


SVG = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="64">
<rect width="64" height="64" fill="#00ff00"/><image width="64" height="64" xlink:href="{}"/></svg>"""


@pytest.mark.parametrize("sandbox_alone", [False, True], ids=["cut", "sandbox"])
async def test_a_drawing_in_the_deck_reads_no_file(
    state: Path, screen: XClient, tmp_path: Path, sandbox_alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LibreOffice loads what an SVG links to without looking at whether links are blocked."""
    if sandbox_alone:
        monkeypatch.setattr(impress, "find_links", lambda deck: Links(complete=False))
    folder = foreign_folder(tmp_path)
    drawing = SVG.format((tmp_path / "outside" / "red.png").as_uri())
    members = {"Pictures/drawing.svg": drawing.encode()}
    deck = make(folder / "talk.odp", frame("image", "Pictures/drawing.svg"), members=members)
    async with shown(deck, state):
        await asyncio.to_thread(until, lambda: screen.pixel(80, 100) == (0, 255, 0), "the drawing", 30)
        assert not shows_red(screen)


async def test_media_in_its_own_folder_are_shown_after_an_agreement(
    state: Path, screen: XClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = foreign_folder(tmp_path)
    red_picture(folder / "red.png")
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "outside" / "blue.png")
    (folder / "out.png").symlink_to(tmp_path / "outside" / "blue.png")
    shapes = (
        frame("image", "../red.png") + frame("image", "../out.png", 5) + frame("image", "../../outside/blue.png", 9)
    )
    deck = make(folder / "talk.odp", shapes)
    async with shown(deck, state):
        await asyncio.to_thread(until, lambda: screen.pixel(*PLACE) == colour(1), "the show", 30)
        assert not shows_red(screen)
    assert "start with --allow-linked-media" in caplog.text
    agreement.agree(deck, state)
    caplog.clear()
    async with shown(deck, state):
        await asyncio.to_thread(until, lambda: shows_red(screen), "the picture from its own folder", 30)
        assert (0, 0, 255) not in [pixel for _, pixel in screen.picture().getcolors(2**24) or []]
    assert "This deck links to 2 files outside of itself, not shown" in caplog.text


@pytest.mark.parametrize("sandbox_alone", [False, True], ids=["cut", "sandbox"])
async def test_a_click_on_the_slide_starts_no_program_and_no_browser(
    state: Path, screen: XClient, tmp_path: Path, sandbox_alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sandbox_alone:
        monkeypatch.setattr(impress, "find_links", lambda deck: Links(complete=False))
    folder, ran = foreign_folder(tmp_path), tmp_path / "ran"
    program = folder / "program.sh"
    browser = tmp_path / "bin" / "xdg-open"
    browser.parent.mkdir()
    for path in (program, browser):
        path.write_text(f"#!/bin/sh\necho $0 >> {ran}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{browser.parent}:{Path('/usr/bin')}:/bin")
    shapes = on_click("execute", program.as_uri()) + on_click("show", "http://127.0.0.1:1/page")
    for shape in (shapes, on_click("execute", program.as_uri())):
        deck = make(folder / "talk.odp", shape)
        async with shown(deck, state) as driver:
            await asyncio.to_thread(until, lambda: screen.pixel(*PLACE) == colour(1), "the show", 30)
            screen.fake(6, 0, 640, 100)
            screen.fake(4, 1)
            screen.fake(5, 1)
            await asyncio.sleep(2)
            assert driver.state().status is DeckStatus.RUNNING
            assert (await driver.perform(Intent(Verb.LAST))).after == 3
    assert not ran.exists()


async def test_a_question_is_answered_with_no(
    state: Path, screen: XClient, tmp_path: Path, unread: None, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged file, of which LibreOffice tells in a dialog of its own."""
    deck, damaged = make(tmp_path / "talk.odp"), tmp_path / "damaged.odp"
    with zipfile.ZipFile(deck) as source, zipfile.ZipFile(damaged, "w") as out:
        for item in source.infolist():
            data = source.read(item)
            out.writestr(item, data[: len(data) // 2] if item.filename == "content.xml" else data)
    with pytest.raises(DeckError, match=r"damaged\.odp"):
        await ImpressDeck(damaged, state=state).open()
    assert "LibreOffice asked something on the screen" in caplog.text
    assert office.processes(state / "libreoffice-profile") == []
