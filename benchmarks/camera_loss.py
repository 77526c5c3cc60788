"""What a presenter's camera looks like at the host through a bad network: stock Chromium → host, with the repair
packets that Chromium sends if it may, without them, and to the library by itself.

    python -m benchmarks.camera_loss [--cells 5:100,10:100:4] [--seconds 20] [--write]

A cell is loss in per cent, round trip in milliseconds and, if there are bursts, their mean length in packets. The ways
of a cell take turns, each with a browser of its own, through weather from the same seed in both directions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

from benchmarks.bad_network import Measurement, bars, drawing, page_and_relay, passed
from benchmarks.cell import Cell
from benchmarks.stock_receiver import StockReceiver
from slidewire.media.frames import Frame, Line
from tests.support import browser
from tests.support.capture_page import secure
from tests.support.media_page import Connected, connected

SETTLES = 10.0
"""Seconds: browsers begin at 300 kbit/s and look what more there is."""
WAYS = ("RED, ULPFEC", "retransmission only", "the library alone")
FREEZE = 0.15
"""Seconds longer than usual between two pictures: what browsers count as a freeze."""
WITHOUT_FEC = """
for (const transceiver of pc.getTransceivers()) {
  const all = RTCRtpSender.getCapabilities(transceiver.receiver.track.kind).codecs;
  transceiver.setCodecPreferences(all.filter(codec => !/red|ulpfec/.test(codec.mimeType)));
}
"""
SOURCE = """
const canvas = document.createElement('canvas');
canvas.width = 640; canvas.height = 480;
const paint = canvas.getContext('2d');
let number = 0;
setInterval(() => {
  number++;
  paint.fillStyle = 'white';
  paint.fillRect(0, 0, 640, 480);
  for (let i = 0; i < 60; i++) {
    paint.fillStyle = `hsl(${(i * 31 + number * 3) % 360} 90% 50%)`;
    paint.fillRect((i * 97 + number * (3 + i % 5)) % 640, (i * 53 + number * (1 + i % 3)) % 480, 40, 30);
  }
}, 40);
const stream = await navigator.mediaDevices.getUserMedia({audio: true});
const [camera, microphone] = pc.getTransceivers();
await camera.sender.replaceTrack(canvas.captureStream(25).getVideoTracks()[0]);
await microphone.sender.replaceTrack(stream.getAudioTracks()[0]);
"""


@dataclass
class Way:
    """One page and what came of it."""

    both: Connected
    came: list[tuple[float, Line, Frame]] = field(default_factory=list)


@dataclass
class Found:
    seconds: float
    page: dict[str, float]
    host: dict[str, float]
    sound: dict[str, float]
    pictures: list[float]
    """When they came."""
    bytes: int
    """Of pictures."""

    @property
    def frozen(self) -> float:
        """Seconds, as browsers count them."""
        gaps = [after - before for before, after in pairwise(self.pictures)]
        if not gaps:
            return self.seconds
        usual = sum(gaps) / len(gaps)
        return sum(gap for gap in gaps if gap > max(3 * usual, usual + FREEZE))


async def measure(chromium: Browser, cell: Cell, name: str, seconds: float) -> Found:
    async with AsyncExitStack() as stack:
        way = await start(stack, chromium, cell, name)
        await asyncio.sleep(SETTLES)
        began = time.monotonic()
        before = await look(way)
        await asyncio.sleep(seconds)
        after = await look(way)
        took = time.monotonic() - began
    page, host, sound = (passed(was, now) for was, now in zip(before, after, strict=True))
    page["target"] = (before[0]["target"] + after[0]["target"]) / 2
    pictures = [(when, frame) for when, line, frame in way.came if line is Line.CAMERA and when > began]
    size = sum(len(frame.data) for _, frame in pictures)
    return Found(took, page, host, sound, [when for when, _ in pictures], size)


async def start(stack: AsyncExitStack, chromium: Browser, cell: Cell, way: str) -> Way:
    page, relay = await page_and_relay(stack, chromium)
    await secure(page)
    came: list[tuple[float, Line, Frame]] = []
    options: dict[str, Any] = {"make_peer": StockReceiver} if way == WAYS[2] else {}
    both = await stack.enter_async_context(
        connected(
            page,
            [Line.CAMERA, Line.MICROPHONE],
            before_offer=(WITHOUT_FEC if way == WAYS[1] else "") + SOURCE,
            relay=relay,
            on_frame=lambda line, frame: came.append((time.monotonic(), line, frame)),
            **options,
        )
    )
    relay.set(cell.weather)
    return Way(both, came)


async def look(way: Way) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """What the page counts of its camera, and the host of camera and microphone."""
    (sent,) = [each for each in await way.both.stats("outbound-rtp") if each["kind"] == "video"]
    page = {name: float(sent.get(name, 0)) for name in ("bytesSent", "framesEncoded")}
    host = way.both.peer.statistics()
    return page | {"target": float(sent.get("targetBitrate", 0))}, host.get("camera", {}), host.get("microphone", {})


HEAD = ("network", "way", "Chromium's target", "pictures, bare", "pictures received", "frozen", "pictures lost",
        "packets lost", "repaired", "sent again", "repair packets", "sound lost", "of which RED repaired")  # fmt: skip


def row(found: Found) -> list[str]:
    host, sound = found.host, found.sound
    known = bool(host)

    def kilobits(count: float) -> str:
        return f"{count * 8 / found.seconds / 1000:.0f} kbit/s"

    repairs = host.get("repairs", 0) / max(1, host.get("packets", 0))
    return [
        f"{found.page['target'] / 1000:.0f} kbit/s", kilobits(found.bytes) if known else "–",
        f"{len(found.pictures)} of {found.page['framesEncoded']:.0f}", f"{found.frozen:.2f} s",
        f"{host['dropped']:.0f}" if known else "–", f"{host['lost']:.0f}" if known else "–",
        f"{host['recovered']:.0f}" if known else "–", f"{host['retransmitted']:.0f}" if known else "–",
        f"{repairs:.0%}" if known else "–",
        f"{sound['lost']:.0f}" if known else "–", f"{sound['recovered']:.0f}" if known else "–",
    ]  # fmt: skip


def picture(found: dict[tuple[Cell, str], Found], path: Path) -> None:
    with drawing(path, panels=2, width=11) as (targets, freezes):
        bars(targets, found, lambda each: each.page["target"] / 1000)
        targets.set_title("kbit/s that Chromium's encoder aims at", fontsize=10)
        targets.legend(frameon=False)
        bars(freezes, found, lambda each: 100 * each.frozen / each.seconds)
        freezes.set_title("per cent of the time frozen", fontsize=10)


async def each_way(
    cells: Sequence[Cell], ways: Sequence[str], seconds: float
) -> AsyncIterator[tuple[Cell, str, Found]]:
    for cell in cells:
        for way in ways:
            async with browser.chromium(*browser.MEDIA) as chromium:
                found = await measure(chromium, cell, way, seconds)
            yield cell, way, found


CAMERA_LOSS = Measurement(
    name="camera_loss",
    ways=WAYS,
    cells="0:100,2:100,5:100,10:100,5:100:4,5:300",
    seconds=20.0,
    settles=SETTLES,
    head=HEAD,
    row=row,
    measure=each_way,
    picture=("Bitrate and freezes", picture),
)

if __name__ == "__main__":
    CAMERA_LOSS.main(__doc__)
