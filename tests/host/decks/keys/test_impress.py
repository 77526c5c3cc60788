"""A real LibreOffice slide show, moved by keys: what the audience sees is what was asked for."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slidewire.control.intents import Intent, Outcome, Point, Reason, Status, Verb
from slidewire.host.decks.driver import DeckStatus
from slidewire.host.decks.keys.driver import KeysDeck
from slidewire.host.desktop.adapters import open_overlay
from tests.support.decks import colour, numbered_odp
from tests.support.xserver import TestWindow, XClient, x_client, x_server

pytestmark = [pytest.mark.desktop, pytest.mark.timeout(240)]

STARTING = 120.0
SPEAKING = 0.3
"""Seconds between clicks: LibreOffice drops a key that comes while it changes slides, which nothing here can see."""
PLACE = (30, 690)
"""A pixel that has nothing on it but the slide's background."""
UNSEEN = Outcome(Status.PERFORMED, reason=Reason.UNSEEN)


@pytest.fixture
def display() -> Iterator[str]:
    with x_server() as name:
        yield name


@pytest.fixture
def impress(display: str, tmp_path: Path) -> Iterator[None]:
    """A show of five slides, started the way a user starts it."""
    deck = shutil.copy(numbered_odp(5), tmp_path / "talk.odp")
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    quiet = ["--norestore", "--nologo", "--nodefault", "--nofirststartwizard"]
    environment = {**os.environ, "DISPLAY": display}
    with (tmp_path / "soffice.log").open("w") as output:
        # Its first process takes the real one along when it is asked to end.
        program = subprocess.Popen(
            ["soffice", profile, *quiet, "--show", deck], env=environment, stdout=output, stderr=output
        )
        try:
            yield
        finally:
            program.terminate()
            program.wait(30)


async def test_a_real_show_moves_as_it_is_told(display: str, impress: None) -> None:
    deck = KeysDeck(display=display)
    changed = asyncio.Event()
    await deck.open(changed.set)
    with x_client(display) as others:
        async with asyncio.timeout(STARTING):
            while deck.state().status is not DeckStatus.RUNNING:
                await changed.wait()
                changed.clear()
        assert deck.state().title == "Presenting: talk"
        await shows(others, colour(1), "the first slide", STARTING)

        for intent, slide in [
            (Intent(Verb.NEXT), 2),
            (Intent(Verb.NEXT), 3),
            (Intent(Verb.PREVIOUS), 2),
            (Intent(Verb.LAST), 5),
            (Intent(Verb.FIRST), 1),
            (Intent(Verb.GOTO, 4), 4),
        ]:
            await asyncio.sleep(SPEAKING)
            assert await deck.perform(intent) == UNSEEN
            await shows(others, colour(slide), f"{intent} shows slide {slide}")
        for verb, seen in [(Verb.BLACK, (0, 0, 0)), (Verb.BLACK, colour(4)), (Verb.WHITE, (255, 255, 255))]:
            await asyncio.sleep(SPEAKING)
            assert await deck.perform(Intent(verb)) == UNSEEN
            await shows(others, seen, f"{verb.word} shows {seen}")
        assert await deck.perform(Intent(Verb.WHITE)) == UNSEEN
        await shows(others, colour(4), "the slide again")

        overlay = open_overlay(asyncio.get_running_loop(), deck.area, 16 / 9, display)
        overlay.show(Point(0.25, 0.9))
        await soon(lambda: others.pixel(320, 648) == (0xFF, 0x14, 0x14), "the laser above the show")
        overlay.close()

        chat = await asyncio.to_thread(TestWindow, others, "Team chat")
        assert await deck.perform(Intent(Verb.NEXT)) == Outcome(Status.REFUSED, reason=Reason.FOCUS)
        assert chat.key_events() == []
        chat.close()
        await soon(lambda: others.focus() != chat.id, "the chat is gone")
        assert on_screen(others) == colour(4), "nothing moved while another window was in front"

        assert await deck.perform(Intent(Verb.STOP)) == UNSEEN
        async with asyncio.timeout(30):
            while deck.state().status is DeckStatus.RUNNING:
                await changed.wait()
                changed.clear()
        assert (await deck.perform(Intent(Verb.NEXT))).status is Status.REFUSED
    await deck.close()


def on_screen(client: XClient) -> tuple[int, int, int]:
    return client.pixel(*PLACE)


async def shows(client: XClient, seen: tuple[int, int, int], what: str, patience: float = 10.0) -> None:
    await soon(lambda: on_screen(client) == seen, what, patience)


async def soon(condition: Callable[[], bool], what: str, patience: float = 10.0) -> None:
    """Wait for it while the loop goes on."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain: {what}"
        await asyncio.sleep(0.005)
