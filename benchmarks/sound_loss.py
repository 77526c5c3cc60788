"""What sound from the host is like in a page through a bad network: with RED, with Opus's own repair, with neither.

    python -m benchmarks.sound_loss [--cells 5:100,10:100:4] [--seconds 20] [--write]

A cell is loss in per cent, round trip in milliseconds and, if there are bursts, their mean length in packets. All ways
of a cell run at once, each with a page of its own and weather of its own from the same seed. What is counted is what
stock Chromium had to make up: `concealedSamples` of all samples that it played.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from playwright.async_api import Browser

from benchmarks import machine
from benchmarks.media_loss import Cell, Found
from slidewire.rtc.media.frames import Frame, Line
from tests.support import browser
from tests.support.camera import voice
from tests.support.media_page import Connected, connected
from tests.support.weather_relay import weather

RESULTS = Path(__file__).parent / "results"
SETTLES = 6.0
CELLS = "0:100,2:100,5:100,10:100,5:100:4,5:300"
WITHOUT_RED = """
pc.getTransceivers()[0].setCodecPreferences(
  RTCRtpReceiver.getCapabilities('audio').codecs.filter(codec => !/red/.test(codec.mimeType)))
"""
WAYS = ("RED", "Opus's own repair", "neither")
COUNTED = ("packetsReceived", "packetsLost", "concealedSamples", "totalSamplesReceived", "fecPacketsReceived")
HEAD = ("network", "way", "packets lost on the way", "made up by Chromium", "packets repaired with", "bytes sent")


async def measure(chromium: Browser, cell: Cell, seconds: float) -> list[Found]:
    async with AsyncExitStack() as stack:
        running = [await start(stack, chromium, cell, way) for way in WAYS]
        said = [voice(10.0, in_band=way == WAYS[1]) for way in WAYS]
        speaking = [asyncio.create_task(speak(both, frames)) for both, frames in zip(running, said, strict=True)]
        await asyncio.sleep(SETTLES)
        before = [await look(both) for both in running]
        await asyncio.sleep(seconds)
        after = [await look(both) for both in running]
        for each in speaking:
            each.cancel()
        await asyncio.gather(*speaking, return_exceptions=True)
    return [{name: now[name] - was[name] for name in now} for was, now in zip(before, after, strict=True)]


async def start(stack: AsyncExitStack, chromium: Browser, cell: Cell, way: str) -> Connected:
    context = await chromium.new_context()
    stack.push_async_callback(context.close)
    relay = await stack.enter_async_context(weather(seed=1))
    offer = "" if way == WAYS[0] else WITHOUT_RED
    both = await stack.enter_async_context(
        connected(await context.new_page(), [Line.SOUND], before_offer=offer, relay=relay)
    )
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


def row(cell: Cell, way: str, found: Found) -> list[str]:
    packets = found["packetsReceived"] + found["packetsLost"]
    return [
        str(cell),
        way,
        f"{found['packetsLost'] / max(1, packets):.1%}",
        f"{found['concealedSamples'] / max(1, found['totalSamplesReceived']):.2%}",
        f"{found['fecPacketsReceived']:.0f}",
        f"{found['bytes'] / 1000:.0f} kB",
    ]


def table(rows: Sequence[Sequence[str]]) -> str:
    lines = [HEAD, ["---", "---", *(["--:"] * (len(HEAD) - 2))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


async def run(cells: Sequence[Cell], seconds: float) -> list[list[str]]:
    rows = []
    async with browser.chromium(*browser.MEDIA) as chromium:
        for cell in cells:
            for way, found in zip(WAYS, await measure(chromium, cell, seconds), strict=True):
                rows.append(row(cell, way, found))
                print(f"| {' | '.join(rows[-1])} |", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default=CELLS)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/sound_loss.md")
    options = parser.parse_args()
    described = machine.describe(
        chromium=machine.program_version("chromium", "--version"),
        measured=f"{options.seconds:g} s of each, after {SETTLES:g} s",
    )
    rows = asyncio.run(run([Cell.read(text) for text in options.cells.split(",")], options.seconds))
    described["load"] += f"; {machine.load():.2f} at the end"
    lines = [
        "# sound_loss: results",
        "",
        "By `python -m benchmarks.sound_loss --write`; [the README](../README.md#sound_loss) explains it.",
        "",
        table(rows),
        *(f"- {name}: {value}" for name, value in described.items()),
    ]
    print("\n".join(lines))
    if options.write:
        (RESULTS / "sound_loss.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
