"""A tap on the phone moves a real LibreOffice show, and LibreOffice itself and the screen are asked whether it did."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from playwright.async_api import Page, expect

from tests.support import decks, office
from tests.support.browser import (
    Visitors,
    canvas,
    click_as_fast_as_it_takes_them,
    connected,
    difference,
    keep,
    note_receipts,
    noted_receipts,
    picture,
    says,
    tap,
)
from tests.support.programs import Program, Programs
from tests.support.xserver import x_client, x_server

pytestmark = [pytest.mark.browser, pytest.mark.desktop, pytest.mark.asyncio(loop_scope="session")]


WHERE = "show.getCurrentSlideIndex() + 1"


class Show:
    """`slidewire up deck.odp` on a screen, LibreOffice in it, and a phone that is connected."""

    def __init__(self, host: Program, ready: dict[str, Any], display: str, profile: Path) -> None:
        self.host = host
        self.presenter_link: str = ready["presenter_link"]
        self._display = display
        self._profile = profile

    def asked(self, question: str = WHERE) -> Any:
        """What LibreOffice itself says, over a connection of its own."""
        return office.ask(self._profile, question)

    def screen(self) -> Image.Image:
        with x_client(self._display) as client:
            return client.picture()

    def press(self, key: str) -> None:
        """On the keyboard of the computer that shows the slides."""
        subprocess.run(["xdotool", "key", key], check=True, timeout=10)

    def kill_libreoffice(self) -> None:
        """As a crash would."""
        home = f"HOME={self._profile.parents[2]}".encode()
        killed = 0
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if not folder.name.isdigit() or (folder / "comm").read_text().strip() != "soffice.bin":
                    continue
                if home in (folder / "environ").read_bytes().split(b"\0"):
                    os.kill(int(folder.name), signal.SIGKILL)
                    killed += 1
        assert killed == 1


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user profile that the host has for LibreOffice, in a state directory of this module: made in the first test,
    and quick in the others."""
    return tmp_path_factory.mktemp("home") / "data" / "slidewire" / "libreoffice-profile"


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with x_server() as name:
        yield name


Start = Callable[[int], Awaitable[Show]]


@pytest.fixture
def start_show(slidewire: Programs, profile: Path, display: str, monkeypatch: pytest.MonkeyPatch) -> Start:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("HOME", str(profile.parents[2]))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    async def start(slides: int) -> Show:
        deck = str(decks.numbered_odp(slides))
        options = ["--listen", "127.0.0.1", "--port", "0", "-v", "--state-dir", str(profile.parent)]
        host = await slidewire.start("up", deck, *options)
        return Show(host, await host.wait_for(60, event="ready"), display, profile)

    return start


async def test_a_tap_moves_the_real_show(start_show: Start, visitors: Visitors) -> None:
    show = await start_show(20)
    page = await connected(await visitors.open(show.presenter_link))
    await shows(show, 1)
    before = show.screen()

    await tap(page, "next")
    await says(page, "1 → 2")
    assert show.asked() == 2
    await shows(show, 2)
    assert difference(before, show.screen()) > 40
    await says(page, "2 / 20", "slide-number")
    await says(page, "Notes for slide 2.", "notes")
    await says(page, "naïve café ☕", "notes")
    # What the speaker sees is what the audience sees.
    await until(async_difference(page, show), "the phone's picture is the screen's")
    await picture(page, "impress-presenter")
    keep(show.screen(), "impress-screen")

    await tap(page, "next")
    await says(page, "2 → 3")
    await tap(page, "previous")
    await says(page, "3 → 2")
    assert show.asked() == 2
    await shows(show, 2)

    await tap(page, "goto")
    await page.get_by_role("spinbutton", name="Go to slide").fill("17")
    await picture(page, "impress-goto")
    await page.get_by_role("button", name="Go", exact=True).tap()
    await says(page, "2 → 17")
    assert show.asked() == 17
    await shows(show, 17)

    await tap(page, "black")
    await says(page, "Black: done")
    assert show.asked("show.isPaused()") is True
    await until(lambda: show.screen().getextrema() == ((0, 0),) * 3, "the screen is black")
    await expect(page.get_by_test_id("black")).to_have_attribute("aria-pressed", "true")
    await picture(page, "impress-black")
    await tap(page, "black")
    await expect(page.get_by_test_id("black")).to_have_attribute("aria-pressed", "false")
    assert show.asked("show.isPaused()") is False
    await shows(show, 17)


async def test_the_laser_is_impress_s_own_pointer(start_show: Start, visitors: Visitors) -> None:
    show = await start_show(5)
    page = await connected(await visitors.open(show.presenter_link))
    await shows(show, 1)
    await until_picture(page)
    clean = show.screen()
    await point_at(page, 0.25, 0.8)

    def arrived() -> bool:
        seen = spot(clean, show.screen())
        return seen is not None and abs(seen[0] - 0.25 * 1280) < 25 and abs(seen[1] - 0.8 * 720) < 25

    try:
        await until(arrived, "the pointer is where the finger is")
    finally:
        keep(show.screen(), "impress-laser-screen")
        await picture(page, "impress-laser-presenter")
    await page.mouse.up()
    await until(lambda: spot(clean, show.screen()) is None, "the pointer is gone")
    assert show.asked() == 1, "a drag is no click"
    await tap(page, "next")
    await says(page, "1 → 2")
    await shows(show, 2)


async def test_the_host_s_own_keyboard_is_seen_on_the_phone(start_show: Start, visitors: Visitors) -> None:
    show = await start_show(5)
    page = await connected(await visitors.open(show.presenter_link))
    await says(page, "1 / 5", "slide-number")
    await shows(show, 1)
    show.press("Next")
    await says(page, "2 / 5", "slide-number")
    await says(page, "Notes for slide 2.", "notes")

    async def is_over() -> bool:
        # LibreOffice itself loses a key that comes right behind another: press it again, as anybody would.
        show.press("Escape")
        with contextlib.suppress(AssertionError):
            await expect(page.get_by_text("The slide show is not running")).to_be_visible(timeout=2000)
            return True
        return False

    await until(is_over, "the page says that the show is over")
    await tap(page, "next")
    await says(page, "Refused")
    await says(page, "no slide show is running")
    await picture(page, "impress-no-show")

    await page.get_by_role("button", name="Start the show").tap()
    await says(page, "Start: done")
    await says(page, "/ 5", "slide-number")
    before = show.asked()
    await tap(page, "next")
    await says(page, f"{before} → {before + 1}")
    await shows(show, before + 1)


async def test_libreoffice_dies_in_the_middle_of_the_show(start_show: Start, visitors: Visitors) -> None:
    show = await start_show(5)
    page = await connected(await visitors.open(show.presenter_link))
    await tap(page, "next")
    await says(page, "1 → 2")
    show.kill_libreoffice()
    await expect(page.get_by_text("No slides are open on the host")).to_be_visible()
    await tap(page, "next")
    await says(page, "Refused")
    await says(page, "no slides are open")
    await picture(page, "impress-killed")
    assert "Traceback" not in show.host.errors
    assert await show.host.stop() == 0
    assert "Traceback" not in show.host.errors


async def test_two_hundred_taps_forward_and_two_hundred_back(start_show: Start, visitors: Visitors) -> None:
    show = await start_show(250)
    page = await connected(await visitors.open(show.presenter_link), "Connected directly")
    await note_receipts(page)
    await click_as_fast_as_it_takes_them(page, "next", 200)
    forward = await noted_receipts(page, "200 → 201")
    assert forward == [f"{slide} → {slide + 1}" for slide in range(1, 201)]
    assert show.asked() == 201
    # Keys are not held up as fingers are. What LibreOffice has not drawn after two seconds would expire: stay near it.
    for press in range(200):
        await page.wait_for_function("seen => window.receipts.length >= seen", arg=200 + press - 10)
        await page.keyboard.press("PageUp")
    back = (await noted_receipts(page, "2 → 1"))[200:]
    assert back == [f"{slide} → {slide - 1}" for slide in range(201, 1, -1)]
    assert show.asked() == 1
    await shows(show, 1)


# What is on the screen


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str, seconds: float = 10.0) -> None:
    """Wait for something that another program does, and fail if it does not."""
    deadline = time.monotonic() + seconds
    while True:
        met = condition()
        if met if isinstance(met, bool) else await met:
            return
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        await asyncio.sleep(0.03)


async def shows(show: Show, slide: int) -> None:
    """The audience's screen has this slide: its colour is no other's near it."""
    wanted = decks.colour(slide)

    def does() -> bool:
        corner = show.screen().getpixel((30, 30))
        return isinstance(corner, tuple) and all(abs(a - b) <= 3 for a, b in zip(corner, wanted, strict=True))

    await until(does, f"slide {slide} is on the screen")


async def until_picture(page: Page) -> None:
    await until(has_picture(page), "the phone has the slide's picture")


def has_picture(page: Page) -> Callable[[], Awaitable[bool]]:
    async def has() -> bool:
        return (await canvas(page)).width > 100

    return has


def async_difference(page: Page, show: Show) -> Callable[[], Awaitable[bool]]:
    async def alike() -> bool:
        return difference(await canvas(page), show.screen()) < 4

    return alike


async def point_at(page: Page, x: float, y: float) -> None:
    """Put a finger on the middle of the laser pad and draw it there."""
    box = await page.get_by_test_id("laser-pad").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.mouse.down()
    await page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=12)


def spot(clean: Image.Image, now: Image.Image) -> tuple[float, float] | None:
    """The middle of what is red now and was not."""
    turned_red = ImageChops.subtract(now.getchannel("R"), clean.getchannel("R")).point(lambda by: 255 * (by > 60))
    box = turned_red.getbbox()
    return None if box is None else ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
