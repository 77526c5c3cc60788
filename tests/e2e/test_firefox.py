"""The pages in the other browser engine: Firefox, as people use it. What only the page itself decides is tested in
Chromium every day (test_browser.py and its neighbours); here is what a browser can do differently."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.support import decks
from tests.support.browser import NO_WEBRTC, difference, until
from tests.support.firefox import DOWN, LAPTOP, SCREEN, UP, Firefox, Tab, find, firefox
from tests.support.programs import LOOPBACK, NO_DISPLAY, Programs

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

Record = Callable[[str, object], None]
SOCKET_FAILS = r"can.t establish a connection to the server at wss:"
"""What Firefox itself writes on the console when there is no server."""

CAMERA = {"media.navigator.streams.fake": True, "media.navigator.permission.disabled": True}
"""One with a picture and a tone, which everybody may have."""
KEEP = """globalThis.peers = []
globalThis.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...all) { super(...all); peers.push(this) }
}"""
HEARS = """async () => {
  const reports = await Promise.all(peers.map(async (peer) => [...(await peer.getStats()).values()]))
  return reports.flat().some(({ type, totalAudioEnergy }) => type === 'inbound-rtp' && totalAudioEnergy > 0)
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def browser() -> AsyncIterator[Firefox]:
    """One for each test, so that each has its own complaints; it starts in seconds."""
    async with firefox() as started:
        yield started


async def up(slidewire: Programs, *more: str, slides: int = 250) -> dict[str, Any]:
    deck = str(decks.numbered_pdf(slides))
    return await (await slidewire.start("up", deck, *LOOPBACK, *more, environment=NO_DISPLAY)).ready()


async def connected(page: Tab, how: str = "Connected") -> Tab:
    await page.says(how, "connection")
    return page


async def shows(screen: Tab, slide: int) -> None:
    wanted = decks.colour(slide)

    async def does() -> bool:
        corner = (await screen.picture()).getpixel((30, 30))
        return isinstance(corner, tuple) and all(abs(a - b) <= 4 for a, b in zip(corner, wanted, strict=True))

    await until(does, f"slide {slide} is on the screen")


async def test_speaker_audience_and_operator(slidewire: Programs, browser: Firefox, record_property: Record) -> None:
    record_property("firefox", browser.version)
    ready = await up(slidewire)
    screen = await browser.open(ready["deck_link"], SCREEN)
    operator = await connected(await browser.open(ready["operator_link"], LAPTOP))
    page = await connected(await browser.open(ready["presenter_link"]), "Connected directly")
    await shows(screen, 1)
    await page.tap("next")
    await page.says("1 → 2")
    await page.says("2 / 250", "slide-number")
    await shows(screen, 2)
    await operator.says("2", "slide-number")

    async def alike() -> bool:
        return difference(await page.canvas(), await screen.picture()) < 4

    await until(alike, "speaker and audience see the same")
    await page.picture("firefox-presenter")
    await operator.picture("firefox-operator")

    await page.tap("goto")
    await page.until("document.getElementById('goto-slide').matches(':focus')", "the number can be typed")
    for key in ("4", "2", "Enter"):
        await page.press(key)
    await page.says("2 → 42")
    await shows(screen, 42)
    await page.tap("black")
    await page.says("Black: done")
    await screen.until(f"{find('blank')}.checkVisibility()", "the screen is black")
    assert (await screen.picture()).getextrema() == ((0, 0),) * 3
    await page.tap("black")
    await page.says("Slide shown again")
    await shows(screen, 42)


async def test_the_laser_is_seen_and_fades(slidewire: Programs, browser: Firefox) -> None:
    ready = await up(slidewire)
    screen = await browser.open(ready["deck_link"], SCREEN)
    page = await connected(await browser.open(ready["presenter_link"]))
    await shows(screen, 1)
    pad = await page.box("laser-pad")

    def at(x: float, y: float, milliseconds: int = 0) -> dict[str, Any]:
        there = {"x": round(pad["x"] + x * pad["width"]), "y": round(pad["y"] + y * pad["height"])}
        return {"type": "pointerMove", "duration": milliseconds, **there}

    await page.finger([at(0.5, 0.5), DOWN, at(0.25, 0.8, 300)])

    async def in_place() -> bool:
        dot = await screen.box("laser-dot")
        middle = dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2
        return abs(middle[0] - 0.25 * 1280) < 15 and abs(middle[1] - 0.8 * 720) < 15

    await until(in_place, "the dot is where the finger is")

    async def is_red() -> bool:
        lit = (await screen.picture("firefox-deck-laser")).getpixel((320, 576))
        return isinstance(lit, tuple) and lit[0] > 200 and lit[1] < 120

    await until(is_red, "red, and nothing else")
    await page.finger([UP])
    await screen.until(f"!{find('laser-dot')}.checkVisibility()", "the dot goes with the finger")


async def test_two_hundred_taps_are_two_hundred_steps(slidewire: Programs, browser: Firefox) -> None:
    page = await connected(await browser.open((await up(slidewire))["presenter_link"]))
    await page.note_receipts()
    await page.tap("next", times=200)
    await page.says("201 / 250", "slide-number")
    assert await page.evaluate("window.receipts") == [f"{slide} → {slide + 1}" for slide in range(1, 201)]
    await page.tap("previous")
    await page.says("201 → 200")


async def test_every_key_a_clicker_has(slidewire: Programs, browser: Firefox) -> None:
    page = await connected(await browser.open((await up(slidewire))["presenter_link"], LAPTOP))
    moves = {
        "PageDown": "1 → 2", "ArrowRight": "2 → 3", "ArrowDown": "3 → 4", "Space": "4 → 5", "PageUp": "5 → 4",
        "ArrowLeft": "4 → 3", "ArrowUp": "3 → 2", "End": "2 → 250", "Home": "250 → 1",
    }  # fmt: skip
    for key, receipt in moves.items():
        await page.press(key)
        await page.says(receipt)
    for pressed in ("true", "false"):
        await page.press("b")
        await page.until(f"{find('black')}.ariaPressed === '{pressed}'", f"black: {pressed}")
    await page.picture("firefox-presenter-laptop")

    await page.tap("next")  # the button has the keyboard now, and Firefox presses it by itself
    await page.says("1 → 2")
    await page.note_receipts()
    for key, receipt in {"Space": "2 → 3", "Enter": "3 → 4"}.items():
        await page.press(key, held=8)
        await page.says(receipt)
    await page.press("End", held=8)
    await page.says("4 → 250")
    assert await page.evaluate("window.receipts") == ["2 → 3", "3 → 4", "4 → 250"], "held down, each is one step"


async def test_the_server_is_killed_and_comes_back(slidewire: Programs, browser: Firefox) -> None:
    browser.tolerate(SOCKET_FAILS)
    server = await slidewire.start("serve", *LOOPBACK)
    where = await server.ready()
    deck = str(decks.numbered_pdf(250))
    host = await slidewire.start("host", deck, "--server", where["https"], environment=NO_DISPLAY)
    link = (await host.ready())["presenter_link"]
    page = await connected(await browser.open(link), "Connected directly")
    through_server = await connected(await browser.open(link, script=NO_WEBRTC), "Connected through the server")

    await server.kill()
    for slide in range(1, 6):
        await page.tap("next")
        await page.says(f"{slide} → {slide + 1}")
    await page.says("Connected directly", "connection")
    await through_server.says("Reconnecting", "connection")
    await through_server.tap("next")
    await through_server.says("tap")
    await through_server.picture("firefox-server-gone")

    await (await slidewire.start("serve", "--listen", "127.0.0.1", "--port", str(where["port"]))).ready()
    newcomer = await connected(await browser.open(link))
    await connected(through_server, "Connected through the server")
    await newcomer.says("6 / 250", "slide-number")
    for slide, somebody in enumerate((newcomer, through_server, page), start=6):
        await somebody.tap("next")
        await somebody.says(f"{slide} → {slide + 1}")


async def test_the_page_is_reloaded_and_left_and_comes_back(slidewire: Programs, browser: Firefox) -> None:
    """Left by the browser's Back: Firefox keeps the page as it is, and every connection of it is cut."""
    ready = await up(slidewire)
    page = await connected(await browser.open(ready["presenter_link"]), "Connected directly")
    await page.tap("next")
    await page.says("1 → 2")
    await page.reload()
    await connected(page)
    assert await page.evaluate("location.href") == ready["presenter_link"].partition("#")[0]
    await page.tap("next")
    await page.says("2 → 3")
    await page.visit(ready["https"] + "/trust")
    await page.back()
    await page.tap("next")
    await page.says("3 → 4")
    await page.says("4 / 250", "slide-number")


async def test_a_camera_and_a_microphone_reach_participant_and_operator(slidewire: Programs) -> None:
    async with firefox(CAMERA) as browser:
        ready = await up(slidewire)
        participant = await browser.open(ready["program_link"], SCREEN, script=KEEP)
        operator = await connected(await browser.open(ready["operator_link"], LAPTOP))
        page = await connected(await browser.open(ready["presenter_link"]), "Connected directly")
        await page.tap("media")
        await page.tap("send-camera")
        await page.tap("send-microphone")
        await page.says("on air: the room sees and hears you", "media-status")
        await page.tap("next")
        await page.says("1 → 2")
        await operator.says("on air, camera and microphone on", "presenters")
        await operator.tap("watch")
        for watcher, video in ((participant, "program"), (operator, "air-video")):
            await watcher.until(f"{find(video)}.videoWidth > 0", "there is a picture")
            for _ in range(10):
                await watcher.evaluate(f"new Promise(done => {find(video)}.requestVideoFrameCallback(() => done()))")
        await participant.until(f"({HEARS})()", "there is sound, and it is not silence")
        await page.picture("firefox-on-air")
        await participant.picture("firefox-participant")
        await operator.picture("firefox-operator-on-air")

        await page.press("Escape")
        await page.tap("compare")
        before = await page.evaluate(
            "getComputedStyle(document.querySelector('#compare-dialog .switch'), '::before').content"
        )
        assert before == "none", "one switch, and not the panel's as well"
