"""A network fails in the middle of a show, between real programs: the next tap lands over what is left, and none twice.

Every speaker is a round trip of 50 ms away from host and server. What is said about "at once" is that round trip and
what a busy machine adds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from playwright.async_api import Page, async_playwright, expect

from slidewire.testing.network import Weather
from tests.support.browser import ARTIFACTS, SOCKET_FAILS, picture, visitors
from tests.support.decks import numbered_pdf
from tests.support.lab import UDP, Lab, Machine
from tests.support.programs import Program, Programs, programs

ROUND_TRIP = 0.050
AT_ONCE = ROUND_TRIP + 0.150
TIME_TO_LIVE = 2.0
RECONNECTED = 40
"""Seconds until there is a direct path again; an offer that was lost is made again after 15."""
NO_DISPLAY = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}
NETWORK_CHANGED = "ERR_NETWORK_CHANGED|ERR_CONNECTION|ERR_ADDRESS|ERR_INTERNET|ERR_TIMED_OUT"

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Landed:
    text: str
    """"1 → 2" for one step; otherwise what else was said."""
    seconds: float


class Speaker(Protocol):
    async def connected(self, path: str) -> None:
        """Wait until that is the path that the speaker is told of: direct or signaling."""

    async def tap(self) -> Landed:
        """Tap "next" and wait for what became of it."""

    async def look(self, name: str) -> None:
        """Keep what the speaker sees."""


class AtTerminal:
    def __init__(self, program: Program) -> None:
        self._program = program

    async def connected(self, path: str) -> None:
        async with asyncio.timeout(RECONNECTED):
            while [event.get("path") for event in self._program.events if "path" in event][-1:] != [path]:
                await asyncio.sleep(0.02)

    async def tap(self) -> Landed:
        mark = len(self._program.events)
        await self._program.say("next")
        receipt = await self._program.wait_for(event="receipt", after=mark)
        if receipt["status"] != "performed":
            return Landed(receipt["status"], receipt["ms"] / 1000)
        return Landed(f"{receipt['from']} → {receipt['to']}", receipt["ms"] / 1000)

    async def look(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        told = "\n".join(json.dumps(event, ensure_ascii=False) for event in self._program.events)
        (ARTIFACTS / f"lab-{name}.jsonl").write_text(told + "\n")


WATCH = """() => {
  window.tapped = 0; window.landed = []
  document.addEventListener('pointerdown', () => { window.tapped = performance.now() }, true)
  new MutationObserver(() => {
    const text = document.getElementById('receipt-text').textContent
    if (text) window.landed.push({ text, seconds: (performance.now() - window.tapped) / 1000 })
  }).observe(document.getElementById('receipt-text'), { childList: true, characterData: true, subtree: true })
}"""


WORDS = {"direct": "Connected directly", "signaling": "Connected through the server"}


class InBrowser:
    def __init__(self, page: Page) -> None:
        self._page = page

    async def connected(self, path: str) -> None:
        await expect(self._page.get_by_test_id("connection")).to_contain_text(WORDS[path], timeout=RECONNECTED * 1000)

    async def tap(self) -> Landed:
        before = await self._page.evaluate("window.landed.length")
        await self._page.get_by_test_id("next").tap()
        await self._page.wait_for_function("before => window.landed.length > before", arg=before)
        return Landed(**await self._page.evaluate("window.landed.at(-1)"))

    async def look(self, name: str) -> None:
        await picture(self._page, f"lab-{name}")


class Show:
    """A server, a host and a speaker, each on a machine of its own."""

    def __init__(self, lab: Lab, started: Programs) -> None:
        self.programs = started
        self.server_machine = lab.machine("server")
        self.host_machine = lab.machine("host")
        self.speaker_machine = lab.machine("speaker", Weather(delay=ROUND_TRIP / 2))
        self.server: Program
        self.speaker: Speaker

    async def begin(self) -> str:
        """The presenter link."""
        self.server = await self._start(self.server_machine, "serve", "--listen", self.server_machine.address)
        address = (await self.server.ready())["https"]
        deck = str(numbered_pdf(250))
        host = await self._start(self.host_machine, "host", deck, "--server", address)
        return str((await host.ready())["presenter_link"])

    async def _start(self, machine: Machine, *arguments: str) -> Program:
        return await self.programs.start(*arguments, environment=NO_DISPLAY, within=machine.command())

    async def terminal(self, link: str) -> AtTerminal:
        return AtTerminal(await self._start(self.speaker_machine, "present", link))

    @property
    def link(self) -> Callable[..., None]:
        return self.speaker_machine.link.set


@contextlib.asynccontextmanager
async def browser_on(machine: Machine, link: str) -> AsyncIterator[InBrowser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=machine.program("/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        async with visitors(browser) as everybody:
            everybody.tolerate(SOCKET_FAILS)
            everybody.tolerate(NETWORK_CHANGED)
            page = await everybody.open(link)
            await page.evaluate(WATCH)
            yield InBrowser(page)
        await browser.close()


@pytest.fixture(params=["terminal", pytest.param("browser", marks=pytest.mark.browser)])
async def show(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> AsyncIterator[Show]:
    async with programs(tmp_path / "home") as started, contextlib.AsyncExitStack() as stack:
        made = Show(lab, started)
        link = await made.begin()
        if request.param == "terminal":
            made.speaker = await made.terminal(link)
        else:
            made.speaker = await stack.enter_async_context(browser_on(made.speaker_machine, link))
        await made.speaker.connected("direct")
        assert (await made.speaker.tap()).text == "1 → 2"
        yield made


async def test_udp_is_blocked_mid_show(show: Show) -> None:
    show.speaker_machine.link.block(UDP)
    for slide in range(2, 7):
        landed = await show.speaker.tap()
        assert landed.text == f"{slide} → {slide + 1}" and landed.seconds < AT_ONCE, landed
    await show.speaker.connected("signaling")
    landed = await show.speaker.tap()
    assert landed.text == "7 → 8" and landed.seconds < AT_ONCE, landed
    await show.speaker.look("udp-blocked")


async def test_the_server_is_killed_mid_show(show: Show) -> None:
    await show.server.kill()
    for slide in range(2, 7):
        landed = await show.speaker.tap()
        assert landed.text == f"{slide} → {slide + 1}" and landed.seconds < AT_ONCE, landed
    await show.speaker.look("server-killed")


async def test_the_speakers_address_changes_mid_show(show: Show) -> None:
    show.speaker_machine.change_address("203.0.113.99")
    landed = await show.speaker.tap()
    if isinstance(show.speaker, InBrowser) and landed.text == "Unknown":
        # Chromium lets go of the old address's sockets after two seconds, which is as long as a tap lives.
        landed = await show.speaker.tap()
    assert landed.text == "2 → 3" and landed.seconds < TIME_TO_LIVE + ROUND_TRIP, landed
    await show.speaker.look("address-changed")
    await show.speaker.connected("direct")
    landed = await show.speaker.tap()
    assert landed.text == "3 → 4" and landed.seconds < AT_ONCE, landed


async def test_nothing_goes_through_for_two_seconds(show: Show) -> None:
    show.link(Weather(loss=1.0))
    start = time.monotonic()
    await asyncio.sleep(1.0)
    in_the_dark = asyncio.create_task(show.speaker.tap())
    await asyncio.sleep(start + 2.0 - time.monotonic())
    show.link(Weather(delay=ROUND_TRIP / 2))
    landed = await in_the_dark
    assert landed.text == "2 → 3" and landed.seconds < 1.0 + AT_ONCE + 0.1, landed
    landed = await show.speaker.tap()
    assert landed.text == "3 → 4" and landed.seconds < AT_ONCE, landed
    await show.speaker.look("after-the-blackout")


async def test_what_was_tapped_too_long_before_the_network_came_back_is_not_performed(show: Show) -> None:
    show.link(Weather(loss=1.0))
    start = time.monotonic()
    lost = asyncio.create_task(show.speaker.tap())
    await asyncio.sleep(start + TIME_TO_LIVE + 0.3 - time.monotonic())
    show.link(Weather(delay=ROUND_TRIP / 2))
    assert "→" not in (await lost).text
    landed = await show.speaker.tap()
    assert landed.text == "2 → 3", "late taps are not made up for"
