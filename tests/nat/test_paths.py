"""A network fails in the middle of a show, between real programs: the next tap lands over what is left, and none twice.

Every speaker is a round trip of 50 ms away from host and server. Each bound is made of round trips and the constants of
protocol/control.md, and what a busy machine adds; the long run asserts them. What was measured is kept in
tests/artifacts/survival.jsonl.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from playwright.async_api import Page

from slidewire.testing.network import NetworkConditions
from tests.support.browser import ARTIFACTS, SOCKET_FAILS, chromium, picture, visitors
from tests.support.decks import numbered_pdf
from tests.support.lab import UDP, Lab, Machine
from tests.support.programs import NO_DISPLAY, Program, Programs, programs
from tests.support.timing import Timing

ROUND_TRIP = 0.050
BUSY = 0.150
"""What a machine adds that has other things to do."""
AT_ONCE = ROUND_TRIP + BUSY
JUDGED = 2 * ROUND_TRIP + 0.150
"""A path that swallowed a tap is known to be dead, and a second socket is opened beside the first …"""
NEW_SOCKET = 4 * ROUND_TRIP
"""… which takes TCP, TLS, the WebSocket's upgrade, and `resume`; and then the tap goes out again."""
ANOTHER_ADDRESS = JUDGED + NEW_SOCKET + ROUND_TRIP + 3 * BUSY
HOST_LOOKS = 1.0
"""How often a program compares its socket's address with its computer's."""
STATE_FOLLOWS = JUDGED + 2 * ROUND_TRIP + 3 * BUSY
"""What the host said by the dead path is asked for again by the other."""
PICTURE_FOLLOWS = 2.0
DIRECT_AGAIN = 3.0
"""Seconds from a path for messages to a direct path: an offer and its answer, ICE, DTLS and SCTP are some ten round
trips, and an offer is not made more often than once a second."""
CARRIES_AGAIN = JUDGED + 1.0 + NEW_SOCKET + ROUND_TRIP + 2 * BUSY
"""Where nothing went through when the second socket was opened: TCP says SYN again after a second. SCTP and the first
socket, which have been losing for longer, may take longer than that to try again."""
TIME_TO_LIVE = 2.0
PATIENCE = 40
SLIDES = 250
NETWORK_CHANGED = "ERR_NETWORK_CHANGED|ERR_CONNECTION|ERR_ADDRESS|ERR_INTERNET|ERR_TIMED_OUT"

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Landed:
    text: str
    """"1 → 2" for one step; otherwise what else was said."""
    seconds: float


class Speaker(Protocol):
    async def connected(self, *paths: str) -> None:
        """Wait until one of these is the path that the speaker is told of: direct, relayed or signaling."""

    async def told(self) -> list[str]:
        """The paths of which the speaker was told one after the other."""

    async def tap(self) -> Landed:
        """Tap "next" and wait for what became of it."""

    async def sees(self, slide: int, seconds: float) -> None:
        """Wait until the speaker is told that this slide is shown, and shown it."""

    async def look(self, name: str) -> None:
        """Keep what the speaker sees."""


class AtTerminal:
    def __init__(self, program: Program) -> None:
        self._program = program

    async def connected(self, *paths: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while (await self.told())[-1:] not in ([path] for path in paths):
                await asyncio.sleep(0.02)

    async def told(self) -> list[str]:
        return [event["path"] for event in self._program.events if event["event"] == "connected"]

    async def tap(self) -> Landed:
        mark = len(self._program.events)
        await self._program.say("next")
        receipt = await self._program.wait_for(event="receipt", after=mark)
        if receipt["status"] != "performed":
            return Landed(receipt["status"], receipt["ms"] / 1000)
        return Landed(f"{receipt['from']} → {receipt['to']}", receipt["ms"] / 1000)

    async def sees(self, slide: int, seconds: float) -> None:
        pass  # a terminal shows receipts, and no slides

    async def look(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        told = "\n".join(json.dumps(event, ensure_ascii=False) for event in self._program.events)
        (ARTIFACTS / f"lab-{name}.jsonl").write_text(told + "\n")


WATCH = """() => {
  window.tapped = 0; window.landed = []; window.told = []
  const connection = document.getElementById('connection')
  new MutationObserver(() => {
    const words = connection.textContent
    if (words && words !== window.told.at(-1)) window.told.push(words)
  }).observe(connection, { childList: true, characterData: true, subtree: true })
  document.addEventListener('pointerdown', () => { window.tapped = performance.now() }, true)
  new MutationObserver(() => {
    const text = document.getElementById('receipt-text').textContent
    if (text) window.landed.push({ text, seconds: (performance.now() - window.tapped) / 1000 })
  }).observe(document.getElementById('receipt-text'), { childList: true, characterData: true, subtree: true })
}"""


SAYS = "every => every.some(words => document.getElementById('connection').textContent.includes(words))"
SEES = """number => document.getElementById('number').textContent === number
  && !document.getElementById('pad').classList.contains('waiting')"""
WORDS = {
    "direct": "Connected directly",
    "relayed": "Connected through a relay",
    "signaling": "Connected through the server",
}


class InBrowser:
    def __init__(self, page: Page) -> None:
        self._page = page

    async def connected(self, *paths: str) -> None:
        words = [WORDS[path] for path in paths]
        await self._page.wait_for_function(SAYS, arg=words, timeout=PATIENCE * 1000)

    async def told(self) -> list[str]:
        told = await self._page.evaluate("window.told")
        return [path for words in told for path, word in WORDS.items() if word in words]

    async def tap(self) -> Landed:
        before = await self._page.evaluate("window.landed.length")
        await self._page.get_by_test_id("next").tap()
        await self._page.wait_for_function("before => window.landed.length > before", arg=before)
        return Landed(**await self._page.evaluate("window.landed.at(-1)"))

    async def sees(self, slide: int, seconds: float) -> None:
        await self._page.wait_for_function(SEES, arg=f"{slide} / {SLIDES}", timeout=seconds * 1000)

    async def look(self, name: str) -> None:
        await picture(self._page, f"lab-{name}")


class Show:
    """A server, a host and a speaker, each on a machine of its own."""

    def __init__(self, lab: Lab, started: Programs, timing: Timing) -> None:
        self.programs = started
        self.timing = timing
        self.server_machine = lab.machine("server")
        self.host_machine = lab.machine("host")
        self.speaker_machine = lab.machine("speaker", NetworkConditions(delay=ROUND_TRIP / 2))
        self.server: Program
        self.host: Program
        self.speaker: Speaker

    async def begin(self) -> str:
        """The presenter link."""
        self.server = await self._start(self.server_machine, "serve", "--listen", self.server_machine.address)
        address = (await self.server.ready())["https"]
        deck = str(numbered_pdf(SLIDES))
        self.host = await self._start(self.host_machine, "host", deck, "--server", address)
        return str((await self.host.ready())["presenter_link"])

    async def _start(self, machine: Machine, *arguments: str) -> Program:
        return await self.programs.start(*arguments, environment=NO_DISPLAY, within=machine.command())

    async def terminal(self, link: str) -> AtTerminal:
        return AtTerminal(await self._start(self.speaker_machine, "present", link))

    @property
    def link(self) -> Callable[..., None]:
        return self.speaker_machine.link.set


@contextlib.asynccontextmanager
async def browser_on(machine: Machine, link: str) -> AsyncIterator[InBrowser]:
    async with chromium(on=machine) as browser, visitors(browser) as everybody:
        everybody.tolerate(SOCKET_FAILS)
        everybody.tolerate(NETWORK_CHANGED)
        page = await everybody.open(link)
        await page.evaluate(WATCH)
        yield InBrowser(page)


@pytest.fixture(params=["terminal", pytest.param("browser", marks=pytest.mark.browser)])
async def show(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path, timing: Timing) -> AsyncIterator[Show]:
    async with programs(tmp_path / "home") as started, contextlib.AsyncExitStack() as stack:
        made = Show(lab, started, timing)
        link = await made.begin()
        if request.param == "terminal":
            made.speaker = await made.terminal(link)
        else:
            made.speaker = await stack.enter_async_context(browser_on(made.speaker_machine, link))
        await made.speaker.connected("direct")
        assert (await made.speaker.tap()).text == "1 → 2"
        yield made


def keep(show: Show, what: str, seconds: float) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    with (ARTIFACTS / "survival.jsonl").open("a") as file:
        file.write(
            json.dumps({"speaker": type(show.speaker).__name__, "what": what, "ms": round(seconds * 1000)}) + "\n"
        )


async def next_tap(show: Show, what: str, slide: int, within: float) -> None:
    """It lands, by a single step from this slide, and within that many seconds."""
    landed = await show.speaker.tap()
    keep(show, what, landed.seconds)
    assert landed.text == f"{slide} → {slide + 1}", landed
    show.timing.within(landed.seconds, within, what)


async def until(show: Show, what: str, happens: Awaitable[None], within: float) -> None:
    start = time.monotonic()
    await happens
    took = time.monotonic() - start
    keep(show, what, took)
    show.timing.within(took, within, what)


async def test_udp_is_blocked_mid_show(show: Show) -> None:
    show.speaker_machine.link.block(UDP)
    await next_tap(show, "UDP blocked: first tap", 2, AT_ONCE)
    await until(show, "UDP blocked: state", show.speaker.sees(3, PATIENCE), STATE_FOLLOWS)
    for slide in range(3, 7):
        await next_tap(show, "UDP blocked: a later tap", slide, AT_ONCE)
    # None of the pictures that come now was asked for before.
    await until(show, "UDP blocked: picture", show.speaker.sees(7, PATIENCE), PICTURE_FOLLOWS)
    await show.speaker.connected("signaling", "relayed")  # the server has a relay that speaks TCP
    await show.speaker.look("udp-blocked")
    await next_tap(show, "UDP blocked: a later tap", 7, AT_ONCE)


async def test_the_server_is_killed_mid_show(show: Show) -> None:
    await show.server.kill()
    for slide in range(2, 7):
        await next_tap(show, "server killed: a tap", slide, AT_ONCE)
    await until(show, "server killed: picture", show.speaker.sees(7, PATIENCE), PICTURE_FOLLOWS)
    await show.speaker.look("server-killed")


async def test_the_speakers_address_changes_mid_show(show: Show) -> None:
    show.speaker_machine.change_address("203.0.113.99")
    await next_tap(show, "another address: first tap", 2, ANOTHER_ADDRESS)
    landed = time.monotonic()
    await show.speaker.look("address-changed")
    await until(show, "another address: state", show.speaker.sees(3, PATIENCE), STATE_FOLLOWS)
    await show.speaker.connected("direct")
    took = time.monotonic() - landed
    keep(show, "another address: direct again", took)
    show.timing.within(took, DIRECT_AGAIN, "another address: direct again")
    await next_tap(show, "another address: tap on the direct path", 3, AT_ONCE)
    await show.speaker.look("address-changed-direct-again")


async def test_the_hosts_address_changes_mid_show(show: Show) -> None:
    before = len(await show.speaker.told())
    show.host_machine.change_address("203.0.113.98")
    # The host's way to the server has no delay in this lab.
    await next_tap(show, "the host's other address: first tap", 2, HOST_LOOKS + AT_ONCE + BUSY)
    landed = time.monotonic()
    # Until then the speaker is told of the direct path that was.
    while (paths := (await show.speaker.told())[before:])[-1:] != ["direct"] or set(paths) == {"direct"}:
        assert time.monotonic() - landed < PATIENCE, paths
        await asyncio.sleep(0.02)
    show.timing.within(time.monotonic() - landed, JUDGED + AT_ONCE + DIRECT_AGAIN, "direct again")
    await next_tap(show, "the host's other address: tap on the direct path", 3, AT_ONCE)
    await until(show, "the host's other address: picture", show.speaker.sees(4, PATIENCE), PICTURE_FOLLOWS)


@pytest.mark.long
async def test_the_host_sleeps_for_twenty_seconds(show: Show) -> None:
    show.host.process.send_signal(signal.SIGSTOP)
    try:
        assert (await show.speaker.tap()).text in ("unknown", "Unknown"), "nobody can say yet that it did not happen"
        await show.speaker.look("host-asleep")
        await asyncio.sleep(20 - TIME_TO_LIVE - 1.5)
    finally:
        show.host.process.send_signal(signal.SIGCONT)
    awake = time.monotonic()
    landed = await show.speaker.tap()
    keep(show, "host awake: first tap", landed.seconds)
    assert landed.text == "2 → 3", "what was tapped while it slept is not made up for"
    await until(show, "host awake: picture", show.speaker.sees(3, PATIENCE), PICTURE_FOLLOWS)
    await show.speaker.connected("direct")
    keep(show, "host awake: direct again", time.monotonic() - awake)
    await next_tap(show, "host awake: tap on the direct path", 3, AT_ONCE)
    await show.speaker.look("host-awake")


async def test_nothing_goes_through_for_two_seconds(show: Show) -> None:
    show.link(NetworkConditions(loss=1.0))
    start = time.monotonic()
    await asyncio.sleep(1.0)
    in_the_dark = asyncio.create_task(show.speaker.tap())
    await asyncio.sleep(start + 2.0 - time.monotonic())
    show.link(NetworkConditions(delay=ROUND_TRIP / 2))
    landed = await in_the_dark
    keep(show, "two seconds of nothing: from their end to the receipt", landed.seconds - 1.0)
    assert landed.text == "2 → 3", landed
    show.timing.within(landed.seconds, CARRIES_AGAIN, "two seconds of nothing: the tap in the dark")
    await next_tap(show, "two seconds of nothing: a later tap", 3, AT_ONCE)
    await show.speaker.look("after-the-blackout")


async def test_what_was_tapped_too_long_before_the_network_came_back_is_not_performed(show: Show) -> None:
    show.link(NetworkConditions(loss=1.0))
    start = time.monotonic()
    lost = asyncio.create_task(show.speaker.tap())
    await asyncio.sleep(start + TIME_TO_LIVE + 0.3 - time.monotonic())
    show.link(NetworkConditions(delay=ROUND_TRIP / 2))
    assert "→" not in (await lost).text
    landed = await show.speaker.tap()
    assert landed.text == "2 → 3", "late taps are not made up for"
