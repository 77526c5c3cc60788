"""A media peer against stock Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page

from slidewire.media.frames import Codec, Line
from slidewire.testing.network import NetworkConditions
from tests.support.camera import Camera, Projector, filming, voice
from tests.support.media_page import Connected, connected
from tests.support.timing import Timing
from tests.support.weather_relay import weather

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_chromium_connects_and_agrees_on_everything(page: Page) -> None:
    lines = [Line.SCREEN, Line.CAMERA, Line.MICROPHONE, Line.SOUND]
    async with connected(page, lines) as both:
        assert [both.peer.codec(line) for line in lines] == [Codec.VP8, Codec.VP8, Codec.OPUS, Codec.OPUS]
        assert both.peer.codec(Line.PROGRAM) is None
        assert await page.evaluate("pc.connectionState") == "connected"
        answer = both.answer
        assert "flexfec-03/90000" in answer and "FEC-FR" in answer and "ulpfec/90000" in answer
        directions = await page.evaluate("pc.getTransceivers().map(each => each.currentDirection)")
        assert directions == ["recvonly", "sendonly", "sendonly", "recvonly"]
        sent = await page.evaluate("pc.getSenders()[2].getParameters().codecs.map(each => each.mimeType)")
        assert sent[0] == "audio/red", "what stands first is what it sends"


async def until(is_so: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not await is_so():
            await asyncio.sleep(0.1)


async def video(both: Connected) -> dict[str, Any]:
    """What the page says of the video that comes to it; nothing before its first packet."""
    return next((each for each in await both.stats() if each["kind"] == "video"), {})


async def test_chromium_repairs_what_is_lost_from_our_repair_packets(page: Page, timing: Timing) -> None:
    camera = Projector(Camera(width=320, height=240, rate=25, bitrate=500_000).film(2), 25)

    def key_wanted(_: Line) -> None:
        camera.key_wanted = True

    async with weather() as relay, connected(page, [Line.SCREEN], relay=relay, on_key=key_wanted) as both:
        with filming(camera, lambda frame: both.peer.send(Line.SCREEN, frame)):
            relay.set(NetworkConditions(delay=0.1, loss=0.08))

            async def is_repaired() -> bool:
                seen = await video(both)
                return bool(seen.get("fecPacketsReceived", 0) > 30 and seen.get("retransmittedPacketsReceived", 0) > 3)

            await until(is_repaired)
            seen = await video(both)
        ours = both.peer.statistics()
    assert seen["fecBytesReceived"] > 5000 and seen["framesDecoded"] > 10
    assert both.keys_wanted[0] is Line.SCREEN
    assert ours["screen"]["fec_sent"] >= seen["fecPacketsReceived"]
    assert 0.02 < ours["loss"] < 0.2 and ours["rtt"] > 0.15
    timing.within(ours["rtt"], 0.5, "the round trip")


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.H264])
async def test_chromium_shows_what_is_sent(page: Page, codec: Codec) -> None:
    preferred = (
        f"RTCRtpReceiver.getCapabilities('video').codecs.filter(each => /{codec.value}|rtx/.test(each.mimeType))"
    )
    camera = Camera(width=320, height=240, rate=25, bitrate=500_000, codec=codec)
    offer = f"pc.getTransceivers()[0].setCodecPreferences({preferred})"
    async with connected(page, [Line.SCREEN], before_offer=offer) as both:
        assert both.peer.codec(Line.SCREEN) is codec
        with filming(camera, lambda frame: both.peer.send(Line.SCREEN, frame)):

            async def is_shown() -> bool:
                return bool((await video(both)).get("framesDecoded", 0) >= 10)

            await until(is_shown)
        size = await page.eval_on_selector("video", "video => [video.videoWidth, video.videoHeight]")
    assert size == [320, 240]


async def test_chromium_hears_what_audio_carries_twice(page: Page) -> None:
    """A tenth is lost; with the packet before it in each packet, a hundredth stays lost."""
    said = voice(7)
    async with weather() as relay, connected(page, [Line.SOUND], relay=relay) as both:
        relay.set(NetworkConditions(delay=0.05, loss=0.1))
        loop = asyncio.get_running_loop()
        due = loop.time()
        heard = []
        for number, frame in enumerate(said):
            both.peer.send(Line.SOUND, frame)
            if number in (125, len(said) - 1):
                heard += await both.stats()
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))
    before, after = heard
    lost = after["packetsLost"] - before["packetsLost"]
    concealed = after["concealedSamples"] - before["concealedSamples"]
    assert lost > 8
    assert concealed < 0.6 * lost * 960
