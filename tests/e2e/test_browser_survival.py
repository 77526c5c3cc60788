"""The show survives: server or host killed, page frozen, socket dead without a word. The next click lands, nothing is
replayed, and nobody needs a new link or even a reload."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.support import decks
from tests.support.browser import (
    LAPTOP,
    NO_WEBRTC,
    SOCKET_FAILS,
    Visitors,
    connected,
    note_receipts,
    picture,
    says,
    tap,
)
from tests.support.programs import LOOPBACK, NO_DISPLAY, Programs
from tests.support.timing import Timing
from tests.support.wire import wire_to

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AFTER_A_SLEEP = 2.0
"""Seconds. A path is known to be dead 150 ms after the tap, a new socket or session takes round trips of a local
network; the rest is Playwright's own tap, and a machine that does other things."""


@pytest.fixture
def deck() -> str:
    return str(decks.numbered_pdf(250))


async def test_the_server_is_killed_and_comes_back(slidewire: Programs, visitors: Visitors, deck: str) -> None:
    visitors.tolerate(SOCKET_FAILS)
    server = await slidewire.start("serve", *LOOPBACK)
    where = await server.ready()
    host = await slidewire.start("host", deck, "--server", where["https"], environment=NO_DISPLAY)
    link = (await host.ready())["presenter_link"]
    page = await connected(await visitors.open(link), "Connected directly")
    through_server = await connected(await visitors.open(link, script=NO_WEBRTC), "Connected through the server")

    await server.kill()
    for slide in range(1, 6):
        await tap(page, "next")
        await says(page, f"{slide} → {slide + 1}")
    await expect(page.get_by_test_id("connection")).to_contain_text("Connected directly")
    await says(through_server, "Reconnecting", "connection")
    await tap(through_server, "next")
    await says(through_server, "tap")
    await picture(through_server, "server-gone")

    await (await slidewire.start("serve", "--listen", "127.0.0.1", "--port", str(where["port"]))).ready()
    # The host is back when a newcomer gets in; both pages come back by themselves.
    newcomer = await connected(await visitors.open(link))
    await connected(through_server, "Connected through the server")
    await says(newcomer, "6 / 250", "slide-number")
    for slide, somebody in enumerate((newcomer, through_server, page), start=6):
        await tap(somebody, "next")
        await says(somebody, f"{slide} → {slide + 1}")


async def test_the_host_is_killed_and_comes_back(slidewire: Programs, visitors: Visitors, deck: str) -> None:
    address = (await (await slidewire.start("serve", *LOOPBACK)).ready())["https"]
    host = await slidewire.start("host", deck, "--server", address, environment=NO_DISPLAY)
    link = (await host.ready())["presenter_link"]
    page = await connected(await visitors.open(link), "Connected directly")
    await tap(page, "next")
    await says(page, "1 → 2")
    await host.kill()
    await says(page, "Host is gone", "connection")
    await note_receipts(page)
    await tap(page, "next")
    await page.wait_for_function("() => window.receipts.length > 0")
    said = await page.evaluate("window.receipts")
    assert said in (["Not sent in time"], ["Unknown"])
    await picture(page, "host-gone")

    again = await slidewire.start("host", deck, "--server", address, environment=NO_DISPLAY)
    assert (await again.ready())["presenter_link"] == link
    await connected(page, "Connected directly")
    await says(page, "1 / 250", "slide-number")
    await tap(page, "next")
    await says(page, "1 → 2")


async def test_a_tap_is_late_or_never_but_not_later(slidewire: Programs, visitors: Visitors, deck: str) -> None:
    """The host stops for a while, as a computer does that swaps: what was tapped meanwhile does not come out after."""
    host = await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)
    page = await connected(await visitors.open((await host.ready())["presenter_link"]), "Connected directly")
    os.kill(host.process.pid, signal.SIGSTOP)
    try:
        await tap(page, "next")
        await expect(page.get_by_test_id("receipt")).to_have_class("receipt pending")
        await says(page, "Unknown")
        await says(page, "look at the slide before you tap again")
        await picture(page, "unknown")
    finally:
        os.kill(host.process.pid, signal.SIGCONT)
    await connected(page)
    await tap(page, "next")
    await says(page, "1 → 2")
    await says(page, "2 / 250", "slide-number")


@pytest.mark.parametrize("way", ["directly", "through the server"])
async def test_the_phone_was_locked(
    slidewire: Programs, visitors: Visitors, deck: str, way: str, timing: Timing
) -> None:
    ready = await (await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)).ready()
    operator = await connected(await visitors.open(ready["operator_link"], LAPTOP))
    script = NO_WEBRTC if way == "through the server" else None
    page = await connected(await visitors.open(ready["presenter_link"], script=script), f"Connected {way}")
    await note_receipts(page)
    await tap(page, "next")
    await says(page, "1 → 2")

    async with locked(page):
        # The host hears nothing any more: what the phone knew of its connections is old.
        await expect(operator.get_by_text("not answering")).to_be_visible()
        await picture(operator, f"operator-phone-locked-{way.replace(' ', '-')}")
    back = time.monotonic()
    await tap(page, "next")
    await says(page, "2 → 3")
    timing.within(time.monotonic() - back, 1.5, "the promise is a second; Playwright's own tap is in it")
    await says(page, "3 / 250", "slide-number")
    assert await page.evaluate("window.receipts") == ["1 → 2", "2 → 3"]


@pytest.mark.long
@pytest.mark.parametrize("way", ["directly", "through the server"])
async def test_the_tab_is_hidden_for_a_minute(slidewire: Programs, visitors: Visitors, deck: str, way: str) -> None:
    """Another tab is in front for so long that the browser freezes this one and the server gives its socket up."""
    ready = await (await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)).ready()
    script = NO_WEBRTC if way == "through the server" else None
    page = await connected(await visitors.open(ready["presenter_link"], script=script), f"Connected {way}")
    await note_receipts(page)
    await tap(page, "next")
    await says(page, "1 → 2")
    async with frozen(page):
        await asyncio.sleep(60)
    await picture(page, f"shown-after-a-minute-{way.replace(' ', '-')}")
    back = time.monotonic()
    await tap(page, "next")
    await says(page, "2 → 3")
    assert time.monotonic() - back < AFTER_A_SLEEP
    await says(page, "3 / 250", "slide-number")
    await tap(page, "next")
    await says(page, "3 → 4")
    assert await page.evaluate("window.receipts") == ["1 → 2", "2 → 3", "3 → 4"], "each once"
    await picture(page, f"tapped-after-a-minute-{way.replace(' ', '-')}")


async def test_the_page_is_left_and_comes_back(
    slidewire: Programs, visitors: Visitors, deck: str, timing: Timing
) -> None:
    """By the browser's Back: from its back/forward cache, which cuts every connection of a page that it keeps."""
    visitors.tolerate("404")
    ready = await (await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)).ready()
    page = await connected(await visitors.open(ready["presenter_link"]), "Connected directly")
    await tap(page, "next")
    await says(page, "1 → 2")
    await page.goto(ready["https"] + "/healthz")
    await page.go_back(wait_until="commit")
    back = time.monotonic()
    await tap(page, "next")
    await says(page, "2 → 3")
    timing.within(time.monotonic() - back, AFTER_A_SLEEP, "the tap after it came back")
    await says(page, "3 / 250", "slide-number")
    await picture(page, "back-again")


async def test_a_socket_dies_without_a_word(slidewire: Programs, visitors: Visitors, deck: str, timing: Timing) -> None:
    ready = await (await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)).ready()
    async with wire_to(ready["port"]) as wire:
        link = ready["presenter_link"].replace(f":{ready['port']}/", f":{wire.port}/")
        page = await connected(await visitors.open(link, script=NO_WEBRTC), "Connected through the server")
        await note_receipts(page)
        await tap(page, "next")
        await says(page, "1 → 2")

        # While the page slept; when it comes back it takes another socket.
        await hide(page)
        wire.fall_silent()
        await show(page)
        back = time.monotonic()
        await tap(page, "next")
        await says(page, "2 → 3")
        timing.within(time.monotonic() - back, AFTER_A_SLEEP, "the old socket is not waited for")

        # In the middle of it: the tap that finds it out lands by the socket that takes its place.
        wire.fall_silent()
        back = time.monotonic()
        await tap(page, "next")
        await says(page, "3 → 4")
        timing.within(time.monotonic() - back, AFTER_A_SLEEP, "the tap after it came back")
        assert (await page.evaluate("window.receipts"))[-1] == "3 → 4"
        await says(page, "4 / 250", "slide-number")


async def test_the_rest_of_the_page_cannot_be_loaded_at_first(
    slidewire: Programs, visitors: Visitors, deck: str
) -> None:
    """Whatever the first tap does not need comes when the page is connected, or later if it cannot be had."""
    visitors.tolerate("Failed to load resource")
    ready = await (await slidewire.start("up", deck, *LOOPBACK, environment=NO_DISPLAY)).ready()
    page = await visitors.newcomer()
    await page.route("**/assets/deferred-*", lambda route: route.abort("connectionrefused"))
    async with page.expect_event("requestfailed"):
        await connected(await visitors.visit(page, ready["presenter_link"]))
    await tap(page, "next")
    await says(page, "1 → 2")
    await says(page, "2 / 250", "slide-number")
    await expect(page.get_by_test_id("black")).to_be_disabled()
    await picture(page, "without-the-rest")

    await page.unroute("**/assets/deferred-*")
    await expect(page.get_by_test_id("black")).to_be_enabled()
    await says(page, "0:", "elapsed")
    await tap(page, "black")
    await says(page, "Black: done")


async def set_visibility(page: Page, state: str) -> None:
    await page.evaluate(
        """state => {
          Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state })
          Object.defineProperty(document, 'hidden', { configurable: true, get: () => state === 'hidden' })
          document.dispatchEvent(new Event('visibilitychange'))
        }""",
        state,
    )


async def hide(page: Page) -> None:
    """Another tab is in front. Playwright keeps every page in front, so the page is told what a browser would tell."""
    await set_visibility(page, "hidden")


async def show(page: Page) -> None:
    await set_visibility(page, "visible")


@contextlib.asynccontextmanager
async def frozen(page: Page) -> AsyncIterator[None]:
    """Hidden, and then frozen as Chromium does with a tab that nobody looks at."""
    await hide(page)
    devtools: Any = await page.context.new_cdp_session(page)
    await devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    try:
        yield
    finally:
        await devtools.send("Page.setWebLifecycleState", {"state": "active"})
        await show(page)


@contextlib.asynccontextmanager
async def locked(page: Page) -> AsyncIterator[None]:
    """Hidden, and then stopped as a phone stops a browser: no timer, no message, nothing runs until it is unlocked."""
    await hide(page)
    devtools: Any = await page.context.new_cdp_session(page)
    await devtools.send("Debugger.enable")
    await devtools.send("Debugger.pause")
    try:
        yield
    finally:
        await devtools.send("Debugger.resume")
        await devtools.send("Debugger.disable")
        await show(page)
