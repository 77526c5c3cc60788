"""Stock Chromium's camera and microphone to a media peer, through a bad network."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import av
import pytest
from playwright.async_api import Page

from slidewire.media.frames import Codec, Frame, Line
from slidewire.testing.network import NetworkConditions
from tests.support.capture_page import capture, secure
from tests.support.media_page import Connected, connected
from tests.support.timing import Timing
from tests.support.weather_relay import weather

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LINES = [Line.CAMERA, Line.MICROPHONE]


async def test_what_chromium_sends_under_loss_is_recovered(page: Page, timing: Timing) -> None:
    """RED with ULPFEC and RED of Opus, unasked; what is missing then comes by retransmission."""
    await secure(page)
    async with weather() as relay:
        relay.set(NetworkConditions(delay=0.05))
        async with connected(page, LINES, before_offer=capture(1280, 720), relay=relay) as both:
            await until(both, lambda camera, _: camera["frames"] > 10)
            relay.set(NetworkConditions(delay=0.05, loss=0.05))
            await until(
                both,
                lambda camera, microphone: (
                    camera["recovered"] >= 15 and camera["repairs"] >= 100 and microphone["recovered"] >= 8
                ),
            )
            statistics = both.peer.statistics()
            reports = await round_trips(both)
            (pair,) = [each for each in await both.stats("candidate-pair") if each.get("nominated")]
    camera, microphone = statistics["camera"], statistics["microphone"]
    assert camera["dropped"] == camera["malformed"] == microphone["malformed"] == 0
    assert microphone["recovered"] > 0.6 * microphone["lost"] and microphone["dropped"] < 0.4 * microphone["lost"]
    for report in reports.values():
        assert report["roundTripTime"] > 0.04, "our reports repeat the times of the page's own"
        timing.within(report["roundTripTime"], 0.16, "the round trip")
        assert report["packetsLost"] > 0
    assert pair["availableOutgoingBitrate"] > 300_000, "our transport-wide feedback lets it send"
    check(both.frames)


async def round_trips(both: Connected) -> dict[str, Any]:
    """Chromium's remote reports, by kind, once it knows a round trip for each."""
    async with asyncio.timeout(20):
        while True:
            reports = {report["kind"]: report for report in await both.stats("remote-inbound-rtp")}
            if len(reports) == 2 and all("roundTripTime" in report for report in reports.values()):
                return reports
            await asyncio.sleep(0.1)


def check(frames: Sequence[tuple[Line, Frame]]) -> None:
    """What a player would see and hear: everything can be decoded, and both lines are on one clock."""
    pictures = [frame for line, frame in frames if line is Line.CAMERA]
    sounds = [frame for line, frame in frames if line is Line.MICROPHONE]
    assert pictures[0].is_key
    assert {frame.codec for frame in pictures} == {Codec.VP8} and {frame.codec for frame in sounds} == {Codec.OPUS}
    assert decoded("libvpx", pictures) == len(pictures)
    assert decoded("libopus", sounds) == len(sounds)
    for before, after in pairwise(sounds):
        assert (after.timestamp - before.timestamp) % 960 == 0
    seen, heard = pictures[-1].captured, sounds[-1].captured
    assert seen is not None and heard is not None and abs(seen - heard) < 0.5, "as they arrived"


def decoded(name: str, frames: Sequence[Frame]) -> int:
    decoder: Any = av.CodecContext.create(name, "r")
    return sum(len(decoder.decode(av.Packet(frame.data))) for frame in frames)


async def until(both: Connected, holds: Any, seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while True:
            statistics = both.peer.statistics()
            if holds(statistics["camera"], statistics["microphone"]):
                return
            await asyncio.sleep(0.1)


async def test_a_camera_that_is_switched_off_and_on_again(page: Page, timing: Timing) -> None:
    """As pages do it, by `replaceTrack`: the same stream goes on, its timestamps grow with the time that went by."""
    await secure(page)
    async with connected(page, LINES, before_offer=capture(320, 240)) as both:
        await until(both, lambda camera, microphone: camera["frames"] > 10 and microphone["frames"] > 10)
        await page.evaluate("""async () => {
          globalThis.kept = pc.getSenders().map(sender => sender.track);
          for (const sender of pc.getSenders()) await sender.replaceTrack(null);
        }""")
        before = await still(both)
        await asyncio.sleep(1.5)
        await page.evaluate(
            "async () => { for (const [i, s] of pc.getSenders().entries()) await s.replaceTrack(kept[i]); }"
        )
        await until(both, lambda camera, _: camera["frames"] > before + 10)
        pictures = [frame for line, frame in both.frames if line is Line.CAMERA]
        assert decoded("libvpx", pictures) == len(pictures)
        pauses = [after.timestamp - earlier.timestamp for earlier, after in pairwise(pictures)]
        assert max(pauses) > 1.4 * 90_000
        timing.within(max(pauses) / 90_000, 6, "the pause by the page's timestamps")


async def still(both: Connected) -> int:
    """How many frames there were when they stopped coming."""
    seen = -1
    async with asyncio.timeout(10):
        while (frames := both.peer.statistics()["camera"]["frames"]) != seen:
            seen = frames
            await asyncio.sleep(0.4)
    return seen
