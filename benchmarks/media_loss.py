"""What a screen share looks like through a bad network: host → stock Chromium, with repair packets, without, and as the
library sends by itself.

    python -m benchmarks.media_loss [--cells 5:300,10:100:4] [--seconds 30] [--write]

A cell is loss in per cent, round trip in milliseconds and, if there are bursts, their mean length in packets. All ways
of a cell run at once, each with a page of its own and weather of its own from the same seed. Everything is VP8 of
640 × 480 at 25 pictures a second, encoded beforehand, so that no encoder takes part.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

from benchmarks import machine
from benchmarks.stock_sender import StockSender
from slidewire.rtc.media.frames import Frame, Line
from slidewire.testing.network import Weather
from tests.support import browser
from tests.support.camera import Camera, Projector, filming
from tests.support.media_page import Connected, connected
from tests.support.weather_relay import weather

RESULTS = Path(__file__).parent / "results"
WIDTH, HEIGHT, RATE, BITRATE, FILM = 640, 480, 25, 800_000, 20.0
SETTLES = 6.0
CELLS = "0:100,2:100,5:100,10:100,5:100:4,0:300,2:300,5:300,10:300,5:300:4"
WITHOUT_FEC = """
pc.getTransceivers()[0].setCodecPreferences(
  RTCRtpReceiver.getCapabilities('video').codecs.filter(codec => !/flexfec/.test(codec.mimeType)))
"""
WAYS = ("FlexFEC", "retransmission only", "the library alone")
COUNTED = ("packetsReceived", "packetsLost", "fecPacketsReceived", "fecBytesReceived", "retransmittedPacketsReceived",
           "framesDecoded", "freezeCount", "totalFreezesDuration", "jitterBufferDelay",
           "jitterBufferEmittedCount", "keyFramesDecoded")  # fmt: skip


@dataclass(frozen=True)
class Cell:
    loss: float
    round_trip: int
    burst: float = 1.0

    @classmethod
    def read(cls, text: str) -> Cell:
        loss, round_trip, *burst = text.split(":")
        return cls(float(loss), int(round_trip), float(burst[0]) if burst else 1.0)

    def __str__(self) -> str:
        bursts = f" in bursts of {self.burst:g}" if self.burst > 1 else ""
        return f"{self.loss:g} %{bursts}, {self.round_trip} ms"

    @property
    def weather(self) -> Weather:
        return Weather(delay=self.round_trip / 2000, loss=self.loss / 100, burst=self.burst)


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
    found = []
    for was, now in zip(before, after, strict=True):
        passed = {name: now.get(name, 0.0) - was.get(name, 0.0) for name in now}
        found.append(passed | {"seconds": took})
    return found


async def start(stack: AsyncExitStack, chromium: Browser, cell: Cell, way: str, film: list[Frame]) -> Connected:
    context = await chromium.new_context()
    stack.push_async_callback(context.close)
    page = await context.new_page()
    relay = await stack.enter_async_context(weather(seed=1))
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


def row(cell: Cell, way: str, found: Found) -> list[str]:
    buffered = found["jitterBufferDelay"] / max(1, found["jitterBufferEmittedCount"]) * 1000
    overhead = f"{found['repair bytes'] / found['bytes']:.1%}" if found["bytes"] else "–"
    shown = f"{found['framesDecoded'] / (found['seconds'] * RATE):.0%}"
    return [
        str(cell), way, f"{found['totalFreezesDuration']:.2f} s", f"{found['freezeCount']:.0f}", shown, overhead,
        f"{found['fecPacketsReceived']:.0f}", f"{found['retransmittedPacketsReceived']:.0f}", f"{buffered:.0f} ms",
    ]  # fmt: skip


def table(rows: Sequence[Sequence[str]]) -> str:
    lines = [HEAD, ["---", "---", *(["--:"] * (len(HEAD) - 2))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def picture(found: dict[tuple[Cell, str], Found], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "media_loss"
    cells = list(dict.fromkeys(cell for cell, _ in found))
    ways = [way for way in WAYS if any(each == way for _, each in found)]
    figure, axes = plt.subplots(figsize=(10, 4.2), layout="constrained")
    width = 0.8 / len(ways)
    for index, (way, colour) in enumerate(zip(ways, ("#0b7285", "#f59f00", "#868e96"), strict=False)):
        shares = [100 * found[cell, way]["totalFreezesDuration"] / found[cell, way]["seconds"] for cell in cells]
        axes.bar([place + width * index for place in range(len(cells))], shares, width, label=way, color=colour)
    names = [str(cell).replace(", ", ",\n").replace(" in ", "\nin ") for cell in cells]
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(cells))], names, fontsize=8)
    axes.set_ylabel("per cent of the time frozen")
    axes.set_title("Loss each way and round trip: 640 × 480, 25 pictures a second", fontsize=10)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def report(found: dict[tuple[Cell, str], Found], described: dict[str, str]) -> str:
    rows = [row(cell, way, values) for (cell, way), values in found.items()]
    lines = [
        "# media_loss: results",
        "",
        "By `python -m benchmarks.media_loss --write`; [the README](../README.md#media_loss) explains it.",
        "",
        "![Share of the time that the picture was frozen](media_loss.svg)",
        "",
        table(rows),
        *(f"- {name}: {value}" for name, value in described.items()),
    ]
    return "\n".join(lines) + "\n"


async def run(cells: Sequence[Cell], ways: Sequence[str], seconds: float) -> dict[tuple[Cell, str], Found]:
    film = Camera(WIDTH, HEIGHT, RATE, BITRATE).film(FILM)
    found: dict[tuple[Cell, str], Found] = {}
    print(table([]), end="", flush=True)
    async with browser.chromium(*browser.MEDIA) as chromium:
        for cell in cells:
            for way, values in zip(ways, await measure(chromium, cell, ways, film, seconds), strict=True):
                found[cell, way] = values
                print(f"| {' | '.join(row(cell, way, values))} |", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default=CELLS)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/media_loss.md and .svg")
    options = parser.parse_args()
    cells = [Cell.read(text) for text in options.cells.split(",")]
    described = machine.describe(
        chromium=machine.program_version("chromium", "--version"),
        aiortc=machine.versions("aiortc")["aiortc"],
        measured=f"{options.seconds:g} s of each, after {SETTLES:g} s",
    )
    found = asyncio.run(run(cells, options.ways.split(","), options.seconds))
    described["load"] += f"; {machine.load():.2f} at the end"
    print(machine.say(described))
    if options.write:
        (RESULTS / "media_loss.md").write_text(report(found, described), encoding="utf-8")
        picture(found, RESULTS / "media_loss.svg")


if __name__ == "__main__":
    main()
