"""Camera, microphone and screen between real programs: Chromium with a camera that is not there, an X server with a
picture on it, and the pages that see them, while somebody clicks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import av
import av.container
import pytest
from playwright.async_api import Page, expect

from tests.support import decks
from tests.support.browser import LAPTOP, SCREEN, Visitors, connected, says, tap, until
from tests.support.onair import hears, plays, turn_on
from tests.support.programs import LOOPBACK, NO_DISPLAY, Program, Programs
from tests.support.xserver import TestWindow, x_client, x_server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ORANGE, TEAL = (240, 120, 0), (0, 120, 120)


async def show(slidewire: Programs, *options: str, display: str = "") -> tuple[Program, dict[str, Any]]:
    deck = str(decks.numbered_pdf(30))
    environment = {**NO_DISPLAY, "DISPLAY": display}
    host = await slidewire.start("up", deck, *LOOPBACK, "--no-turn", *options, environment=environment)
    return host, await host.ready()


async def colour_of(page: Page, test_id: str) -> tuple[int, ...]:
    """Of a video, where no pointer is."""
    found: list[int] = await page.get_by_test_id(test_id).evaluate(
        """video => {
          const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext('2d')
          const { videoWidth: width, videoHeight: height } = video
          context.drawImage(video, width / 4, height / 4, 1, 1, 0, 0, 1, 1)
          return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)]
        }"""
    )
    return tuple(found)


async def test_a_camera_is_seen_heard_and_recorded_until_its_presenter_is_removed(
    slidewire: Programs, crew: Visitors, tmp_path: Path
) -> None:
    host, ready = await show(slidewire, "--record", str(tmp_path / "videos"))
    ada = await connected(await crew.open(ready["presenter_link"]))
    boss = await crew.open(ready["operator_link"], LAPTOP)
    participant = await crew.open(ready["program_link"], SCREEN)
    await turn_on(ada, "camera", "microphone")
    await plays(participant, "program", pictures=10)
    await expect(boss.get_by_test_id("presenters")).to_contain_text("on air, camera and microphone on")
    await hears(participant, "program")
    await expect(ada.get_by_test_id("media-chips")).to_contain_text("Recording")
    await ada.keyboard.press("Escape")
    for slide in range(1, 6):
        await tap(ada, "next")
        await says(ada, f"{slide} → {slide + 1}")
    row = boss.get_by_test_id("presenters").locator("li").filter(has_text="on air, camera")
    await row.get_by_role("button", name="Remove").click()
    await boss.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(participant.get_by_test_id("program")).to_be_hidden()
    await host.stop()
    (video,) = (tmp_path / "videos").iterdir()
    with av.open(video) as file:
        seconds = {kind: float(packets[-1].pts * packets[-1].time_base) for kind, packets in by_kind(file).items()}
    assert seconds["video"] > 2 and abs(seconds["video"] - seconds["audio"]) < 1
    assert "Traceback" not in host.errors


def by_kind(file: av.container.InputContainer) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for packet in file.demux():
        if packet.size:
            found.setdefault(packet.stream.type, []).append(packet)
    return found


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--share-screen",), 1, "The screen is not shared: there is no screen to share (DISPLAY is not set)"),
        (("--record", __file__), 1, "a file is in the way"),
        (("--no-media", "--share-screen"), 2, "--no-media turns off"),
        (("--share-screen", __file__), 2, "Put the deck before it"),
    ],
)
async def test_what_cannot_be_is_said_at_the_start(
    slidewire: Programs, options: tuple[str, ...], code: int, words: str
) -> None:
    host = await slidewire.start("up", *LOOPBACK, "--no-turn", *options, environment=NO_DISPLAY)
    async with asyncio.timeout(30):
        assert await host.process.wait() == code
    assert words in host.errors and "Traceback" not in host.errors


async def test_the_screen_is_seen_live_while_somebody_clicks(slidewire: Programs, crew: Visitors) -> None:
    with x_server("1280x720", window_manager=False) as display, x_client(display) as client:
        host, ready = await show(slidewire, "--share-screen", display=display)
        TestWindow(client, "orange", colour=0xF07800, area=(0, 0, 1280, 720))
        ada = await connected(await crew.open(ready["presenter_link"]))
        await ada.get_by_test_id("live").tap()
        await expect(ada.get_by_test_id("live-picture")).to_be_visible()

        async def shows(wanted: tuple[int, int, int]) -> None:
            async def does() -> bool:
                seen = await colour_of(ada, "live-picture")
                return all(abs(a - b) < 12 for a, b in zip(seen, wanted, strict=True))

            await until(does, f"the live picture is {wanted}")

        await shows(ORANGE)
        clicking = asyncio.create_task(tap(ada, "next"))
        TestWindow(client, "teal", colour=0x007878, area=(0, 0, 1280, 720))
        await shows(TEAL)
        await clicking
        await says(ada, "1 → 2")
    assert "Traceback" not in host.errors
