"""A real Evince under a real screen locker and a menu: not one key arrives, anywhere."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import xcffib.screensaver

from slidewire.control.intents import Intent, Outcome, Reason, Status, Verb
from slidewire.host.decks.driver import DeckStatus
from slidewire.host.decks.keys import driver
from slidewire.host.decks.keys.driver import KeysDeck
from tests.support.decks import colour, numbered_pdf
from tests.support.xserver import TestWindow, XClient, until, x_client, x_server

pytestmark = [pytest.mark.desktop, pytest.mark.timeout(600)]

SLIDES = 40
STARTING = 60.0
UNSEEN = Outcome(Status.PERFORMED, reason=Reason.UNSEEN)
REFUSED = Outcome(Status.REFUSED, reason=Reason.GRABBED)
CLICKS = (
    Intent(Verb.NEXT), Intent(Verb.PREVIOUS), Intent(Verb.GOTO, 12), Intent(Verb.BLACK), Intent(Verb.LAST),
    Intent(Verb.STOP),
)  # fmt: skip


@pytest.fixture
def display() -> Iterator[str]:
    with x_server() as name:
        yield name


@pytest.fixture
def evince(display: str, tmp_path: Path) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    environment = {**os.environ, "DISPLAY": display, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    command = ["dbus-run-session", "--", "evince", "--presentation", str(numbered_pdf(SLIDES))]
    program = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        program.terminate()
        program.wait(30)


@pytest.fixture
async def deck(display: str, evince: None) -> AsyncIterator[KeysDeck]:
    """The driver of a show that is running, at slide 1."""
    deck = KeysDeck(display=display)
    changed = asyncio.Event()
    await deck.open(changed.set)
    try:
        async with asyncio.timeout(STARTING):
            while deck.state().status is not DeckStatus.RUNNING:
                await changed.wait()
                changed.clear()
        yield deck
    finally:
        await deck.close()


def is_shown(client: XClient, slide: int) -> bool:
    return client.pixel(30, 690) == colour(slide)


def quiet_for(client: XClient) -> float:
    """Seconds since any key, click or move of the pointer, as the X server counts them."""
    saver: Any = client.connection(xcffib.screensaver.key)
    return float(saver.QueryInfo(client.root).reply().ms_since_user_input) / 1000


@contextmanager
def i3lock(display: str, client: XClient) -> Iterator[None]:
    locker = subprocess.Popen(["i3lock", "-n", "-c", "400000"], env={**os.environ, "DISPLAY": display})
    try:
        until(lambda: client.pixel(30, 690) == (0x40, 0, 0), "the screen is locked")
        yield
    finally:
        locker.terminate()
        locker.wait(10)


@contextmanager
def menu(display: str, client: XClient) -> Iterator[None]:
    with x_client(display) as theirs:
        window = TestWindow(theirs, "menu", area=(10, 10, 200, 200), managed=False)
        window.grab_keyboard()
        yield
        assert window.key_events() == []


async def click_in_vain(deck: KeysDeck, others: XClient, times: int) -> None:
    began = time.monotonic()
    for at in range(times):
        assert await deck.perform(CLICKS[at % len(CLICKS)]) == REFUSED
    # The server has seen no key since before the first of them.
    assert quiet_for(others) >= time.monotonic() - began


async def show_goes_on(deck: KeysDeck, others: XClient, slide: int) -> None:
    async with asyncio.timeout(30):
        while not is_shown(others, slide):
            await asyncio.sleep(0.01)
        while await deck.perform(Intent(Verb.NEXT)) != UNSEEN:  # the locker's grab ends a moment after its window
            await asyncio.sleep(0.01)
        while not is_shown(others, slide + 1):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "times", [pytest.param(12), pytest.param(1000, marks=pytest.mark.long)], ids=["a few", "a thousand"]
)
async def test_no_key_arrives_while_the_screen_is_locked_or_a_menu_is_open(
    display: str, deck: KeysDeck, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "PATIENCE", 0.0)
    with x_client(display) as others:
        await show_goes_on(deck, others, 1)
        with i3lock(display, others):
            await click_in_vain(deck, others, times)
        await show_goes_on(deck, others, 2)
        with menu(display, others):
            await click_in_vain(deck, others, times)
        await show_goes_on(deck, others, 3)
