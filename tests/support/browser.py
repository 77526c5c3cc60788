"""Chromium as presenters, operators and audiences use it: one browser for the whole run, a fresh context per visitor.

What a page complains about, by an uncaught error or on its console, fails the test, unless the test broke something on
purpose and said so. What is looked at is also kept as a picture in tests/artifacts.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.support.lab import Machine

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "tests" / "artifacts"
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"

PATIENCE = 15_000
"""Milliseconds a page may take for anything at all; what must be faster is measured where that is promised."""
CHROMIUM = "/usr/bin/chromium"
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
LAPTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
SCREEN: dict[str, Any] = {"viewport": {"width": 1280, "height": 720}}

NO_WEBRTC = "delete window.RTCPeerConnection"
"""A script for a page that shall reach its host through the server alone."""
SOCKET_FAILS = r"WebSocket connection to '[^']*' failed"
"""What Chromium itself writes on the console when there is no server."""
GIVEN_UP = r"WebSocket connection to '[^']*' failed: WebSocket is closed before the connection is established"
"""… and when a page closes one that it does not need any more."""

expect.set_options(timeout=PATIENCE)


MEDIA = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)
"""Flags for tests of media: a camera and a microphone that are not there, and addresses that tests can read."""


@contextlib.asynccontextmanager
async def chromium(*flags: str, on: Machine | None = None) -> AsyncIterator[Browser]:
    """The system's own Chromium, headless. `on`: a machine of the lab."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=on.program(CHROMIUM) if on else CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", *flags],
        )
        try:
            yield browser
        finally:
            await browser.close()


class Visitors:
    """The people of one test. Each has a browser profile of its own, and what their pages complain about is noted."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._tolerated = [GIVEN_UP]
        self.complaints: list[str] = []

    async def open(self, link: str, screen: dict[str, Any] = PHONE, script: str | None = None) -> Page:
        """A newcomer with this device opens the link; `script` runs before the page's own."""
        return await self.visit(await self.newcomer(screen, script), link)

    async def newcomer(self, screen: dict[str, Any] = PHONE, script: str | None = None) -> Page:
        """Somebody with an empty page."""
        context = await self._browser.new_context(ignore_https_errors=True, **screen)
        context.set_default_timeout(PATIENCE)
        self._contexts.append(context)
        if script is not None:
            await context.add_init_script(script)
        page = await context.new_page()
        self._listen(page)
        return page

    @staticmethod
    async def visit(page: Page, link: str) -> Page:
        await page.goto(link, wait_until="domcontentloaded")
        return page

    def tolerate(self, pattern: str) -> None:
        """The test breaks something, and a browser says so on the console."""
        self._tolerated.append(pattern)

    def _listen(self, page: Page) -> None:
        def complain(text: str) -> None:
            if not any(re.search(pattern, text) for pattern in self._tolerated):
                self.complaints.append(text)

        page.on("pageerror", lambda error: complain(f"uncaught: {error}"))
        page.on("console", lambda said: complain(said.text) if said.type in ("error", "warning") else None)

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()


@contextlib.asynccontextmanager
async def visitors(browser: Browser) -> AsyncIterator[Visitors]:
    everybody = Visitors(browser)
    try:
        yield everybody
    finally:
        await everybody.close()
    assert not everybody.complaints, f"a page complained: {everybody.complaints}"


# The presenter page


async def connected(page: Page, how: str = "Connected") -> Page:
    """Wait until the page says that it is."""
    await expect(page.get_by_test_id("connection")).to_contain_text(how)
    return page


async def tap(page: Page, button: str) -> None:
    """With a finger where the device has fingers."""
    await page.get_by_test_id(button).tap()


async def click_as_fast_as_it_takes_them(page: Page, button: str, times: int) -> None:
    """Clicks at one place, each as soon as the button can be pressed again after the one before."""
    there = page.get_by_test_id(button)
    box = await there.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    handle = await there.element_handle()
    for _ in range(times):
        await page.wait_for_function("button => !button.disabled", arg=handle)
        await page.mouse.click(*middle)


async def says(page: Page, words: str, test_id: str = "receipt") -> None:
    await expect(page.get_by_test_id(test_id)).to_contain_text(words)


NOTE_RECEIPTS = """() => {
  window.receipts = []
  new MutationObserver((changes) => {
    for (const change of changes)
      for (const node of change.addedNodes) window.receipts.push(node.textContent)
  }).observe(document.getElementById('receipt-text'), { childList: true })
}"""


async def note_receipts(page: Page) -> None:
    """From now on, keep every text that the receipt ever shows."""
    await page.evaluate(NOTE_RECEIPTS)


async def noted_receipts(page: Page, last: str) -> list[str]:
    """All of them, once this one was shown."""
    await page.wait_for_function("last => window.receipts.at(-1) === last", arg=last)
    return list(await page.evaluate("window.receipts"))


async def canvas(page: Page, test_id: str = "slide-picture") -> Image.Image:
    """What the page has drawn of a slide."""
    data = await page.get_by_test_id(test_id).evaluate("canvas => canvas.toDataURL('image/png')")
    return image(data.partition(",")[2])


def image(data: str) -> Image.Image:
    """From base64."""
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE / 1000) -> None:
    """Wait for something that no element says, and fail if it does not come."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        await asyncio.sleep(0.03)


# Looking at a page


async def picture(page: Page, name: str | None = None) -> Image.Image:
    """The page as it looks, kept under this name."""
    data = await page.screenshot(path=_artifact(name) if name else None)
    return Image.open(io.BytesIO(data)).convert("RGB")


def keep(taken: Image.Image, name: str) -> None:
    taken.save(_artifact(name))


def _artifact(name: str) -> Path:
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS / f"{name}.png"


def difference(one: Image.Image, other: Image.Image) -> float:
    """How unlike two pictures of one shape are, from 0 (alike) to 255; what scaling does to fine lines is left out."""
    size = (64, 36)
    pixels = zip(one.resize(size).tobytes(), other.resize(size).tobytes(), strict=True)
    return sum(abs(a - b) for a, b in pixels) / (size[0] * size[1] * 3)


async def barriers(page: Page) -> list[str]:
    """What keeps people from using this page, by axe-core: its serious and critical findings."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {rule['help']}: {json.dumps([node['html'] for node in rule['nodes']])}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    ]
