"""How long it takes from a tap to a sharp slide on the deck page, for photos that fill the screen.

    python -m benchmarks.slide_pictures [--widths 1920,2560,3840] [--photos 8] [--write] [--shots FOLDER]

Needs root, for network namespaces. The deck is a PDF of full-bleed photos with film grain, 3840 pixels wide. The deck
page runs in a Chromium behind the network, `slidewire up` and the presenter before it. A tap is made in three ways:
after a while on the slide, so that the neighbours are there; half a second after another tap; and to a slide far away.
With --shots the page is also photographed 0.3, 1 and 3 s after taps to slides far away.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.async_api import Page, ViewportSize, async_playwright

from benchmarks import machine as here
from benchmarks.clicks_under_loss import CHROMIUM, FIRST
from benchmarks.quantiles import quantile
from slidewire.testing.network import NetworkConditions
from tests.support.lab import Lab
from tests.support.programs import Programs

RESULTS = Path(__file__).parent / "results"
NETWORKS = {
    "good: 50 Mbit/s, 20 ms": NetworkConditions(delay=0.01, rate=6_250_000),
    "bad: 1 Mbit/s, 50 ms": NetworkConditions(delay=0.025, rate=125_000, queue=0.5),
}
WAYS = ("after a while", "at once", "far away")
SETTLED = 10.0
"""Seconds after a tap in which pictures are counted."""
SHOTS = (0.3, 1.0, 3.0)

WATCH = """
(() => {
  globalThis.drawings = []
  const drawImage = CanvasRenderingContext2D.prototype.drawImage
  CanvasRenderingContext2D.prototype.drawImage = function (picture, ...rest) {
    const drawing = [performance.now(), picture.width]
    drawings.push(drawing)
    queueMicrotask(() => drawing.push(document.getElementById('picture').ariaLabel)) // it is changed after the picture
    return drawImage.call(this, picture, ...rest)
  }
})()
"""


@dataclass(frozen=True)
class Tap:
    pictures: list[tuple[float, int]]
    """Milliseconds since the tap, and width, of each picture of its slide that was shown."""

    def until(self, width: float) -> float:
        """A picture at least so wide."""
        return next((at for at, wide in self.pictures if wide >= width), math.inf)


@dataclass(frozen=True)
class Row:
    network: str
    screen: int
    way: str
    taps: list[Tap]

    def line(self) -> str:
        first = quantile([tap.until(0) for tap in self.taps], 0.5)
        half = quantile([tap.until(self.screen / 2) for tap in self.taps], 0.5)
        last = quantile([tap.pictures[-1][0] if tap.pictures else math.inf for tap in self.taps], 0.5)
        seen = [tap.pictures for tap in self.taps if tap.pictures]
        narrow = min((pictures[0][1] for pictures in seen), default=0)
        wide = min((pictures[-1][1] for pictures in seen), default=0)
        head = f"| {self.network} | {self.screen} | {self.way} |"
        return f"{head} {first:.0f} ({narrow}) | {half:.0f} | {last:.0f} ({wide}) |"


def photos(count: int, path: Path) -> None:
    """Soft shapes, detail, grain, and a number."""
    dice = random.Random(1)
    pages = []
    for number in range(1, count + 1):
        coarse = Image.frombytes("RGB", (16, 9), dice.randbytes(16 * 9 * 3)).resize(
            (3840, 2160), Image.Resampling.BICUBIC
        )
        fine = Image.frombytes("RGB", (640, 360), dice.randbytes(640 * 360 * 3)).resize((3840, 2160))
        photo = Image.blend(coarse, fine, 0.25)
        grain = Image.effect_noise((3840, 2160), 40).convert("RGB")
        photo = Image.blend(photo, grain, 0.15)
        ImageDraw.Draw(photo).text((200, 200), f"Photo {number}", fill="white", font_size=600)
        pages.append(photo)
    pages[0].save(path, "PDF", save_all=True, append_images=pages[1:], quality=90, resolution=288)


class Setup:
    """The lab: the deck page's browser behind a network, `slidewire up` and a presenter before it."""

    def __init__(self, count: int) -> None:
        self._open = contextlib.AsyncExitStack()
        self._lab = self._open.enter_context(Lab(1))
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="photos-")))
        self._server = self._lab.machine("server")
        self._count = count
        self.screen = self._lab.machine("screen", NetworkConditions())

    async def __aenter__(self) -> Setup:
        deck = self._folder / "photos.pdf"
        photos(self._count, deck)
        self.mebibytes = deck.stat().st_size / 2**20
        programs = Programs(self._folder / "home")
        self._open.push_async_callback(programs.close)
        first = self._server.command("setsid", "sh", "-c", f'{FIRST}; exec "$@"', "sh")
        up = await programs.start("up", "--listen", self._server.address, "--port", "8443", str(deck), within=first)
        ready = await up.ready()
        self._deck_link: str = ready["deck_link"]
        self._presenter = await programs.start("present", ready["presenter_link"], within=first)
        await self._presenter.wait_for(event="connected")
        playwright = await self._open.enter_async_context(async_playwright())
        self.browser = await playwright.chromium.launch(
            executable_path=self.screen.program(CHROMIUM, first=FIRST),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        self._open.push_async_callback(self.browser.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @contextlib.asynccontextmanager
    async def page(self, width: int) -> AsyncIterator[Page]:
        """The deck page on a screen of this width, on slide 1."""
        await self.go_to(1)
        size = ViewportSize(width=width, height=width * 9 // 16)
        context = await self.browser.new_context(viewport=size, ignore_https_errors=True)
        try:
            page = await context.new_page()
            await page.add_init_script(WATCH)
            await page.goto(self._deck_link)
            await page.wait_for_function("() => drawings.length > 0", timeout=60_000)
            await asyncio.sleep(SETTLED)
            yield page
        finally:
            await context.close()

    async def go_to(self, slide: int) -> None:
        before = len(self._presenter.events)
        await self._presenter.say(f"goto {slide}")
        await self._presenter.wait_for(after=before, event="receipt")

    async def tap(self, page: Page, slide: int) -> float:
        """When it was made, by the page's clock."""
        began = float(await page.evaluate("performance.now()"))
        await self.go_to(slide)
        return began

    async def pictures(self, page: Page, slide: int, began: float) -> Tap:
        await asyncio.sleep(SETTLED)
        drawn = await page.evaluate("drawings")
        mine = f"Slide {slide}:"
        return Tap([(at - began, wide) for at, wide, label in drawn if at >= began and label.startswith(mine)])


async def measure(widths: list[int], count: int, shots: Path | None) -> tuple[list[Row], str]:
    rows = []
    async with Setup(count) as setup:
        for network, conditions in NETWORKS.items():
            setup.screen.link.set(conditions)
            for width in widths:
                async with setup.page(width) as page:
                    for way, taps in (await _measure_ways(setup, page)).items():
                        rows.append(Row(network, width, way, taps))
                        print(rows[-1].line(), flush=True)
                    if shots is not None:
                        await _photograph(setup, page, count, shots / f"{network.split(':')[0]}-{width}")
        return rows, f"Chromium {setup.browser.version}, PDF of {setup.mebibytes:.0f} MiB"


async def _measure_ways(setup: Setup, page: Page) -> dict[str, list[Tap]]:
    """Slides that were not seen yet, so that each picture is drawn and sent for this tap."""
    taps: dict[str, list[Tap]] = {way: [] for way in WAYS}
    for slide in (2, 3):
        taps[WAYS[0]].append(await setup.pictures(page, slide, await setup.tap(page, slide)))
    for slide in (5, 8):
        await setup.go_to(slide - 1)
        await asyncio.sleep(0.5)
        taps[WAYS[1]].append(await setup.pictures(page, slide, await setup.tap(page, slide)))
    for slide in (11, 14):
        taps[WAYS[2]].append(await setup.pictures(page, slide, await setup.tap(page, slide)))
    return taps


async def _photograph(setup: Setup, page: Page, count: int, name: Path) -> None:
    for seconds, slide in zip(SHOTS, (count - 5, count - 3, count - 1), strict=True):
        await page.reload()
        await setup.go_to(1)
        await page.wait_for_function("() => drawings.length > 0", timeout=60_000)
        await asyncio.sleep(SETTLED)
        await setup.go_to(slide)
        await asyncio.sleep(seconds)
        await page.screenshot(path=f"{name}-{seconds:g}s.jpg", type="jpeg", quality=60)


def report(rows: list[Row], where: str) -> str:
    lines = ["# From a tap to a sharp slide", ""]
    lines += ["Made by `python -m benchmarks.slide_pictures`; what is measured is in [its README](../README.md).", ""]
    lines += ["Milliseconds from the tap, the median of the taps; in brackets the width of that picture in pixels.", ""]
    lines += [
        "| network | screen | tap | first picture | half as wide as the screen | finest |",
        "|---|--:|---|--:|--:|--:|",
    ]
    lines += [row.line() for row in rows]
    return "\n".join([*lines, "", where.replace("\n", "  \n"), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", default="1920,2560,3840")
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--shots", type=Path, help="a folder for pictures of the page")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/slide_pictures.md")
    options = parser.parse_args()
    if options.shots is not None:
        options.shots.mkdir(parents=True, exist_ok=True)
    widths = [int(width) for width in options.widths.split(",")]
    rows, what = asyncio.run(measure(widths, options.photos, options.shots))
    said = report(rows, here.say(here.describe(measured=what)))
    print(said)
    if options.write:
        (RESULTS / "slide_pictures.md").write_text(said, encoding="utf-8")


if __name__ == "__main__":
    main()
