"""A presenter's camera and microphone in Chromium, through a bad network, into a file, and what a player sees of it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from slidewire.host.media.recorder import Recorder
from slidewire.media.frames import Line
from slidewire.testing.network import NetworkConditions
from tests.support import browser, pattern
from tests.support.capture_page import secure
from tests.support.media_page import connected
from tests.support.weather_relay import weather

pytestmark = pytest.mark.browser

WRONG = 25
"""Of 255 levels of grey, by which no cell of any picture may be off. Compression costs up to ten."""


@pytest.mark.parametrize("seconds", [8, pytest.param(120, marks=[pytest.mark.long, pytest.mark.timeout(400)])])
async def test_a_recording_through_loss_plays_without_breakage(tmp_path: Path, seconds: int) -> None:
    async with browser.chromium(*browser.MEDIA) as chromium, weather() as relay:
        page = await (await chromium.new_context()).new_page()
        await secure(page)
        lines = [Line.CAMERA, Line.MICROPHONE]
        recorder = Recorder(tmp_path / "camera.webm")
        async with connected(
            page, lines, before_offer=pattern.SEND, relay=relay, on_frame=lambda line, frame: recorder.take(frame)
        ) as both:
            relay.set(NetworkConditions(delay=0.05, loss=0.05))
            start = await page.evaluate("drawn()")
            await asyncio.sleep(seconds)
            drawn = await page.evaluate("drawn()") - start
            await recorder.close()
            statistics = both.peer.statistics()
    assert statistics["camera"]["lost"] > seconds and statistics["microphone"]["lost"] > seconds
    assert recorder.problem is None
    seen, heard = play(recorder.path)
    numbers = [number for _, number, _ in seen]
    assert max(wrong for _, _, wrong in seen) < WRONG, "something is left of another picture"
    assert all(before <= after for before, after in pairwise(numbers)), "in the wrong order"
    assert len(numbers) > 0.85 * min(drawn, seconds * 25) - 30
    flashes = [when for when, number, _ in seen if number % pattern.FLASH_EVERY == 0]
    apart = sorted(min(abs(tone - flash) for tone in heard) for flash in flashes[1:-1])
    assert len(apart) > 0.7 * seconds - 4
    # A page that draws and speaks on a busy machine does not do both at once itself.
    assert seconds < 120 or apart[int(0.9 * len(apart))] < 0.040, f"lips and voice: {apart}"


def play(path: Path) -> tuple[list[tuple[float, int, float]], list[float]]:
    """Of each picture: when, its number, by how much its worst cell is off. And when each tone begins."""
    seen: list[tuple[float, int, float]] = []
    tones: list[float] = []
    silent_since = 0.0
    with av.open(path) as container:
        for packet in container.demux():
            for frame in packet.decode():
                assert isinstance(frame, av.VideoFrame | av.AudioFrame) and frame.time is not None
                if isinstance(frame, av.VideoFrame):
                    assert frame.format.name == "yuv420p"
                    seen.append((frame.time, *pattern.read(frame.to_ndarray()[: frame.height])))
                    continue
                loud = np.flatnonzero(np.abs(frame.to_ndarray()).max(axis=0) > 0.1)
                if len(loud):
                    first = frame.time + loud[0] / frame.sample_rate
                    if first - silent_since > 0.3:
                        tones.append(first)
                    silent_since = frame.time + loud[-1] / frame.sample_rate
    return seen, tones
