"""What a screen share looks like through a bad network: host → stock Chromium, with repair packets, without, and as the
library sends by itself.

    python -m benchmarks.media_loss [--cells 5:300,10:100:4] [--seconds 30] [--write]

A cell is loss in per cent, round trip in milliseconds and, if there are bursts, their mean length in packets. All ways
of a cell run at once, each with a page of its own and weather of its own from the same seed. Everything is VP8 of
640 × 480 at 25 pictures a second, encoded beforehand, so that no encoder takes part.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

from benchmarks.bad_network import Measurement, bars, drawing, page_and_relay, passed
from benchmarks.cell import Cell
from benchmarks.stock_sender import StockSender
from slidewire.media.frames import Frame, Line
from tests.support import browser
from tests.support.camera import Camera, Projector, filming
from tests.support.media_page import Connected, connected

WIDTH, HEIGHT, RATE, BITRATE, FILM = 640, 480, 25, 800_000, 20.0
SETTLES = 6.0
WITHOUT_FEC = """
pc.getTransceivers()[0].setCodecPreferences(
  RTCRtpReceiver.getCapabilities('video').codecs.filter(codec => !/flexfec/.test(codec.mimeType)))
"""
WAYS = ("FlexFEC", "retransmission only", "the library alone")
COUNTED = ("packetsReceived", "packetsLost", "fecPacketsReceived", "fecBytesReceived", "retransmittedPacketsReceived",
           "framesDecoded", "freezeCount", "totalFreezesDuration", "jitterBufferDelay",
           "jitterBufferEmittedCount", "keyFramesDecoded")  # fmt: skip


Found = dict[str, float]


async def measure(chromium: Browser, cell: Cell, ways: Sequence[str], film: list[Frame], seconds: float) -> list[Found]:
    async with AsyncExitStack() as stack:
        running = [await start(stack, chromium, cell, way, film) for way in ways]
        await asyncio.sleep(SETTLES)
        before = [await look(both) for both in running]
        began = time.monotonic()
        await asyncio.sleep(seconds)
        after = [await look(both) for both in running]
        took = time.monotonic() - began
    return [passed(was, now) | {"seconds": took} for was, now in zip(before, after, strict=True)]


async def start(stack: AsyncExitStack, chromium: Browser, cell: Cell, way: str, film: list[Frame]) -> Connected:
    page, relay = await page_and_relay(stack, chromium)
    camera = Projector(film, RATE)

    def key_wanted(_: Line) -> None:
        camera.key_wanted = True

    offer = WITHOUT_FEC if way == WAYS[1] else ""
    options: dict[str, Any] = {"make_peer": StockSender} if way == WAYS[2] else {}
    both = await stack.enter_async_context(
        connected(page, [Line.SCREEN], before_offer=offer, relay=relay, on_key=key_wanted, **options)
    )
    relay.set(cell.weather)
    stack.enter_context(filming(camera, lambda frame: both.peer.send(Line.SCREEN, frame)))
    return both


async def look(both: Connected) -> Found:
    """What the page counts, and what the sender does."""
    (seen,) = await both.stats()
    sent = both.peer.statistics().get("screen", {})
    return {name: float(seen.get(name, 0)) for name in COUNTED} | {
        "sent": sent.get("packets", 0), "bytes": sent.get("bytes", 0), "repairs": sent.get("fec_sent", 0),
        "repair bytes": sent.get("fec_bytes", 0), "again": sent.get("retransmitted", 0),
    }  # fmt: skip


HEAD = ("network", "way", "frozen", "freezes", "pictures shown", "repair bytes", "repair packets seen by Chromium",
        "packets sent again", "buffer")  # fmt: skip


def row(found: Found) -> list[str]:
    buffered = found["jitterBufferDelay"] / max(1, found["jitterBufferEmittedCount"]) * 1000
    overhead = f"{found['repair bytes'] / found['bytes']:.1%}" if found["bytes"] else "–"
    shown = f"{found['framesDecoded'] / (found['seconds'] * RATE):.0%}"
    return [
        f"{found['totalFreezesDuration']:.2f} s", f"{found['freezeCount']:.0f}", shown, overhead,
        f"{found['fecPacketsReceived']:.0f}", f"{found['retransmittedPacketsReceived']:.0f}", f"{buffered:.0f} ms",
    ]  # fmt: skip


def picture(found: dict[tuple[Cell, str], Found], path: Path) -> None:
    with drawing(path, panels=1, width=10) as (freezes,):
        bars(freezes, found, lambda each: 100 * each["totalFreezesDuration"] / each["seconds"])
        freezes.set_ylabel("per cent of the time frozen")
        freezes.set_title("Loss each way and round trip: 640 × 480, 25 pictures a second", fontsize=10)
        freezes.legend(frameon=False)


async def each_cell(
    cells: Sequence[Cell], ways: Sequence[str], seconds: float
) -> AsyncIterator[tuple[Cell, str, Found]]:
    film = Camera(WIDTH, HEIGHT, RATE, BITRATE).film(FILM)
    async with browser.chromium(*browser.MEDIA) as chromium:
        for cell in cells:
            for way, found in zip(ways, await measure(chromium, cell, ways, film, seconds), strict=True):
                yield cell, way, found


MEDIA_LOSS = Measurement(
    name="media_loss",
    ways=WAYS,
    cells="0:100,2:100,5:100,10:100,5:100:4,0:300,2:300,5:300,10:300,5:300:4",
    seconds=30.0,
    settles=SETTLES,
    head=HEAD,
    row=row,
    measure=each_cell,
    picture=("Share of the time that the picture was frozen", picture),
)

if __name__ == "__main__":
    MEDIA_LOSS.main(__doc__)
