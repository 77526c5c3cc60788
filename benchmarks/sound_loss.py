"""What sound from the host is like in a page through a bad network: with RED, with Opus's own repair, with neither.

    python -m benchmarks.sound_loss [--cells 5:100,10:100:4] [--seconds 20] [--write]

A cell is loss in per cent, round trip in milliseconds and, if there are bursts, their mean length in packets. All ways
of a cell run at once, each with a page of its own and weather of its own from the same seed. What is counted is what
stock Chromium had to make up: `concealedSamples` of all samples that it played.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

from playwright.async_api import Browser

from benchmarks.bad_network import Measurement, page_and_relay, passed
from benchmarks.cell import Cell
from slidewire.media.frames import Frame, Line
from tests.support import browser
from tests.support.camera import voice
from tests.support.media_page import Connected, connected

SETTLES = 6.0
WITHOUT_RED = """
pc.getTransceivers()[0].setCodecPreferences(
  RTCRtpReceiver.getCapabilities('audio').codecs.filter(codec => !/red/.test(codec.mimeType)))
"""
WAYS = ("RED", "Opus's own repair", "neither")
COUNTED = ("packetsReceived", "packetsLost", "concealedSamples", "totalSamplesReceived", "fecPacketsReceived")
Found = dict[str, float]
HEAD = ("network", "way", "packets lost on the way", "made up by Chromium", "packets repaired with", "bytes sent")


async def measure(chromium: Browser, cell: Cell, ways: Sequence[str], seconds: float) -> list[Found]:
    async with AsyncExitStack() as stack:
        running = [await start(stack, chromium, cell, way) for way in ways]
        said = [voice(10.0, in_band=way == WAYS[1]) for way in ways]
        speaking = [asyncio.create_task(speak(both, frames)) for both, frames in zip(running, said, strict=True)]
        await asyncio.sleep(SETTLES)
        before = [await look(both) for both in running]
        await asyncio.sleep(seconds)
        after = [await look(both) for both in running]
        for each in speaking:
            each.cancel()
        await asyncio.gather(*speaking, return_exceptions=True)
    return [passed(was, now) for was, now in zip(before, after, strict=True)]


async def start(stack: AsyncExitStack, chromium: Browser, cell: Cell, way: str) -> Connected:
    page, relay = await page_and_relay(stack, chromium)
    offer = "" if way == WAYS[0] else WITHOUT_RED
    both = await stack.enter_async_context(connected(page, [Line.SOUND], before_offer=offer, relay=relay))
    relay.set(cell.weather)
    return both


async def speak(both: Connected, frames: Sequence[Frame]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    for number in range(1_000_000):
        both.peer.send(Line.SOUND, Frame(frames[0].codec, frames[number % len(frames)].data, number * 960, True, None))
        due += 0.02
        await asyncio.sleep(max(0.0, due - loop.time()))


async def look(both: Connected) -> Found:
    (seen,) = await both.stats()
    return {name: float(seen.get(name, 0)) for name in COUNTED} | {
        "bytes": float(both.peer.statistics()["sound"]["bytes"])
    }


def row(found: Found) -> list[str]:
    packets = found["packetsReceived"] + found["packetsLost"]
    return [
        f"{found['packetsLost'] / max(1, packets):.1%}",
        f"{found['concealedSamples'] / max(1, found['totalSamplesReceived']):.2%}",
        f"{found['fecPacketsReceived']:.0f}",
        f"{found['bytes'] / 1000:.0f} kB",
    ]


async def each_cell(
    cells: Sequence[Cell], ways: Sequence[str], seconds: float
) -> AsyncIterator[tuple[Cell, str, Found]]:
    async with browser.chromium(*browser.MEDIA) as chromium:
        for cell in cells:
            for way, found in zip(ways, await measure(chromium, cell, ways, seconds), strict=True):
                yield cell, way, found


SOUND_LOSS = Measurement(
    name="sound_loss",
    ways=WAYS,
    cells="0:100,2:100,5:100,10:100,5:100:4,5:300",
    seconds=20.0,
    settles=SETTLES,
    head=HEAD,
    row=row,
    measure=each_cell,
)

if __name__ == "__main__":
    SOUND_LOSS.main(__doc__)
