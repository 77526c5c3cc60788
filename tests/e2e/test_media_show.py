"""A presenter's camera on its way to the stage: sent by one page, put on air by another, shown by a third; and the
clicks beside it."""

from __future__ import annotations

import base64
import io
import signal
from typing import Any

import pytest
import xcffib.xproto as xproto
from PIL import Image
from playwright.async_api import CDPSession, Page, expect

from tests.support import browser, decks
from tests.support.browser import (
    LAPTOP,
    PHONE,
    SCREEN,
    Visitors,
    barriers,
    click_as_fast_as_it_takes_them,
    connected,
    note_receipts,
    noted_receipts,
    picture,
    says,
    tap,
    until,
)
from tests.support.onair import hears, plays, turn_on
from tests.support.programs import LOOPBACK, NO_DISPLAY, Programs
from tests.support.xserver import XClient, x_client, x_server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def sends_camera(visitors: Visitors, ready: dict[str, Any]) -> Page:
    page = await connected(await visitors.open(ready["presenter_link"]))
    await turn_on(page, "camera", "microphone")
    await expect(page.get_by_test_id("media-chips")).to_contain_text("Camera onMic on")
    await page.get_by_role("button", name="Close").click()
    return page


async def test_a_camera_on_air_and_clicks_beside_it(slidewire: Programs, crew: Visitors) -> None:
    host = await slidewire.start("up", str(decks.numbered_pdf(40)), *LOOPBACK, environment=NO_DISPLAY)
    ready = await host.ready()
    stage = await crew.open(ready["program_link"], SCREEN)
    ada = await sends_camera(crew, ready)
    await expect(ada.get_by_test_id("media-chips")).to_contain_text("On air")  # the first one is, by itself
    await plays(stage, "program")
    await hears(stage, "program")
    await picture(stage, "media-participant")
    assert await stage.evaluate("getComputedStyle(document.querySelector('main')).cursor") == "none"
    assert not await stage.get_by_test_id("program").evaluate("video => video.controls || video.muted")
    assert await barriers(stage) == []

    await note_receipts(ada)
    await click_as_fast_as_it_takes_them(ada, "next", 10)
    clicked = [f"{slide} → {slide + 1}" for slide in range(1, 11)]
    assert await noted_receipts(ada, clicked[-1]) == clicked
    await plays(stage, "program")

    operator = await connected(await crew.open(ready["operator_link"], LAPTOP))
    ben = await sends_camera(crew, ready)
    rows = operator.get_by_test_id("presenters").get_by_role("listitem")
    await operator.get_by_test_id("watch").click()
    await plays(operator, "air-video")
    assert await operator.get_by_test_id("air-video").evaluate("video => video.muted"), "until it is switched on"
    await picture(operator, "media-operator")
    assert await barriers(operator) == []
    await rows.get_by_role("button", name="Put on air").click()
    await expect(ben.get_by_test_id("media-chips")).to_contain_text("On air")
    await expect(ada.get_by_test_id("media-chips")).not_to_contain_text("On air")
    await plays(stage, "program")

    await operator.get_by_test_id("talk").hover()
    await operator.mouse.down()
    await expect(operator.get_by_test_id("talk")).to_have_text("Presenters hear you")
    await operator.mouse.up()
    await expect(operator.get_by_test_id("talk")).to_have_text("Hold to talk")

    await rows.get_by_role("button", name="Take off air").click()
    await expect(stage.get_by_test_id("program")).to_be_hidden()
    assert (await picture(stage)).getextrema() == ((0, 0),) * 3
    await expect(ben.get_by_test_id("media-chips")).not_to_contain_text("On air")
    await expect(operator.get_by_test_id("air-who")).to_have_text("Nobody is on air")


async def _has_light(devtools: CDPSession) -> bool:
    """Looked at from outside."""
    shot = base64.b64decode((await devtools.send("Page.captureScreenshot"))["data"])
    return max(Image.open(io.BytesIO(shot)).convert("L").tobytes()) > 100


@pytest.mark.long
async def test_a_browser_that_keeps_the_sound_off(slidewire: Programs, crew: Visitors) -> None:
    """OBS and vMix play what they are given; a browser wants a click first, and is told so in one line."""
    host = await slidewire.start("up", str(decks.numbered_pdf(5)), *LOOPBACK, environment=NO_DISPLAY)
    ready = await host.ready()
    await sends_camera(crew, ready)
    address, _, secret = ready["program_link"].partition("#")
    async with (
        browser.chromium("--autoplay-policy=document-user-activation-required") as strict,
        browser.visitors(strict) as others,
    ):
        stage = await others.newcomer(SCREEN)
        devtools = await stage.context.new_cdp_session(stage)
        await others.visit(stage, f"{address}?fit=cover#{secret}")
        await until(lambda: _has_light(devtools), "a picture, muted")
        # Whatever is asked of a page from here on counts as a touch: it came too late for the sound.
        assert await stage.get_by_test_id("program").evaluate("video => getComputedStyle(video).objectFit") == "cover"
        line = stage.get_by_test_id("unmute")
        await expect(line).to_be_visible()
        await picture(stage, "media-participant-silent")
        assert await barriers(stage) == []
        await line.click()
        await expect(line).to_be_hidden()
        assert not await stage.get_by_test_id("program").evaluate("video => video.muted")
        await hears(stage, "program")


class Wall:
    """A window over the whole screen, in one colour."""

    def __init__(self, client: XClient) -> None:
        self._client = client
        self._window = int(client.connection.generate_id())
        width, height = client.screen.width_in_pixels, client.screen.height_in_pixels
        place = (client.root, 0, 0, width, height, 0, xproto.WindowClass.InputOutput, 0)
        unmanaged = (xproto.CW.OverrideRedirect, [1])
        client.core.CreateWindow(0, self._window, *place, *unmanaged)
        client.core.MapWindow(self._window)

    def paint(self, colour: int) -> None:
        self._client.core.ChangeWindowAttributes(self._window, xproto.CW.BackPixel, [colour])
        self._client.core.ClearArea(False, self._window, 0, 0, 0, 0)
        self._client.sync()


async def _is_seen(page: Page, colour: int) -> bool:
    """Where the slide is, beside the pointer in its middle."""
    box = await page.get_by_test_id("laser-pad").bounding_box()
    assert box is not None
    scale = PHONE["device_scale_factor"]
    at = int((box["x"] + box["width"] / 4) * scale), int((box["y"] + box["height"] / 2) * scale)
    seen = (await picture(page)).getpixel(at)
    wanted = colour.to_bytes(3, "big")
    return isinstance(seen, tuple) and all(abs(a - b) < 40 for a, b in zip(seen, wanted, strict=True))


@pytest.mark.long
@pytest.mark.desktop
async def test_a_live_screen_that_stalls_is_a_slide_until_it_is_live_again(slidewire: Programs, crew: Visitors) -> None:
    orange, blue = 0xE06000, 0x2040E0
    with x_server(window_manager=False) as display, x_client(display) as client:
        wall = Wall(client)
        wall.paint(orange)
        desktop = {"DISPLAY": display, "WAYLAND_DISPLAY": ""}
        deck = str(decks.numbered_pdf(40))
        host = await slidewire.start("up", deck, "--driver", "web", *LOOPBACK, environment=desktop)
        ready = await host.ready()
        operator = await connected(await crew.open(ready["operator_link"], LAPTOP))
        page = await connected(await crew.open(ready["presenter_link"]))
        await expect(page.get_by_test_id("live")).to_be_hidden()
        await operator.get_by_test_id("share").click()
        await page.get_by_test_id("live").click()
        live = page.get_by_test_id("live-picture")
        await expect(live).to_be_visible()
        await until(lambda: _is_seen(page, orange), "the screen, live")
        await picture(page, "media-live")
        assert await barriers(page) == []

        client.core.GrabServer()  # nobody else gets a picture of it from here on
        client.sync()
        await expect(page.get_by_text("No live picture at the moment")).to_be_visible()
        await expect(live).to_be_hidden()
        await tap(page, "next")
        await says(page, "1 → 2")
        await picture(page, "media-live-stalled")
        wall.paint(blue)
        client.core.UngrabServer()
        client.sync()
        await expect(live).to_be_visible()
        await until(lambda: _is_seen(page, blue), "the screen again, as it is now")

        await operator.get_by_test_id("share").click()
        await expect(live).to_be_hidden()
        await expect(page.get_by_text("The screen is no longer shared")).to_be_visible()
        await expect(page.get_by_test_id("live")).to_be_hidden()


@pytest.mark.long
async def test_media_come_back_by_themselves(slidewire: Programs, crew: Visitors) -> None:
    """A host that stands still, as in a sleep, and one that is killed and started again."""
    server = await slidewire.start("serve", *LOOPBACK)
    command = ["host", str(decks.numbered_pdf(5)), "--server", (await server.ready())["https"]]
    host = await slidewire.start(*command, environment=NO_DISPLAY)
    ready = await host.ready()
    stage = await crew.open(ready["program_link"], SCREEN)
    ada = await sends_camera(crew, ready)
    await plays(stage, "program")

    host.process.send_signal(signal.SIGSTOP)
    await expect(stage.get_by_test_id("program")).to_be_hidden()  # a still is no lie for longer than it takes to notice
    await expect(ada.get_by_test_id("media-chips")).to_contain_text("Picture and sound interrupted")
    host.process.send_signal(signal.SIGCONT)
    await plays(stage, "program")
    await expect(ada.get_by_test_id("media-chips")).to_have_text("On airCamera onMic on")

    await host.kill()
    await expect(stage.get_by_test_id("program")).to_be_hidden()
    await (await slidewire.start(*command, environment=NO_DISPLAY)).ready()
    await plays(stage, "program")
    await expect(ada.get_by_test_id("media-chips")).to_have_text("On airCamera onMic on")
    await tap(ada, "next")
    await says(ada, "1 → 2")
