"""Make docs/images/presenter.png: `python -m tools.make_readme_picture`, with what the tests need installed.

It is a photograph, not a drawing: a real LibreOffice show of the demo deck on one side, after taps on a real presenter
page, which is on the other. Only the frames around the two are painted here.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.async_api import expect

from tests.support.browser import PHONE, canvas, chromium, connected, difference, picture, says, tap, until, visitors
from tests.support.programs import programs
from tests.support.xserver import x_client, x_server

ROOT = Path(__file__).resolve().parent.parent
DECK = ROOT / "src" / "slidewire" / "host" / "decks" / "demo" / "demo.odp"
PICTURE = ROOT / "docs" / "images" / "presenter.png"

SIZE = (1200, 620)
SCALE = 2
"""Painted larger and made smaller at the end, so that round corners are round."""
BACKGROUND, FRAME, EDGE = "#e9edf3", "#0b0e14", "#c3cad6"
SCREEN_AT, SCREEN_WIDTH = (40, 90), 800
PHONE_AT, PHONE_WIDTH = (895, 30), 258


async def take() -> tuple[Image.Image, Image.Image]:
    """The audience's screen and the speaker's phone after two taps."""
    with tempfile.TemporaryDirectory() as folder, x_server() as display:
        home = Path(folder)
        environment = {"DISPLAY": display, "HOME": folder}
        async with programs(home / "slidewire") as start, chromium() as browser, visitors(browser) as people:
            host = await start.start("up", str(DECK), "--listen", "127.0.0.1", "--port", "0", environment=environment)
            ready = await host.wait_for(60, event="ready")
            page = await connected(await people.open(ready["presenter_link"], PHONE), "directly")
            for receipt in ("1 → 2", "2 → 3"):
                await tap(page, "next")
                await says(page, receipt)
            with x_client(display) as client:

                async def settled() -> bool:
                    return difference(await canvas(page), client.picture()) < 3

                await until(settled, "phone and screen show the same slide")
                # The button is let go, the next slide's picture is there, and the clock has something to show.
                await expect(page.get_by_test_id("elapsed")).to_have_text("0:05")
                return client.picture(), await picture(page)


def compose(screen: Image.Image, phone: Image.Image) -> Image.Image:
    whole = Image.new("RGB", (SIZE[0] * SCALE, SIZE[1] * SCALE), BACKGROUND)
    _framed(whole, screen, SCREEN_AT, SCREEN_WIDTH, bezel=12, corner=10)
    foot = ImageDraw.Draw(whole)
    middle = SCREEN_AT[0] + SCREEN_WIDTH // 2
    bottom = SCREEN_AT[1] + round(SCREEN_WIDTH * screen.height / screen.width) + 12
    for left, right, top, height in ((50, 50, 0, 34), (130, 130, 34, 8)):
        box = [middle - left, bottom + top, middle + right, bottom + top + height]
        foot.rounded_rectangle([value * SCALE for value in box], radius=3 * SCALE, fill=FRAME)
    _framed(whole, phone, PHONE_AT, PHONE_WIDTH, bezel=9, corner=30)
    return whole.resize(SIZE, Image.Resampling.LANCZOS)


def _framed(whole: Image.Image, shot: Image.Image, at: tuple[int, int], width: int, bezel: int, corner: int) -> None:
    """The picture on a device: a dark frame with round corners around it."""
    x, y = at[0] * SCALE, at[1] * SCALE
    size = width * SCALE, round(width * SCALE * shot.height / shot.width)
    bezel, corner = bezel * SCALE, corner * SCALE
    frame = [x - bezel, y - bezel, x + size[0] + bezel, y + size[1] + bezel]
    ImageDraw.Draw(whole).rounded_rectangle(frame, radius=corner, fill=FRAME, outline=EDGE, width=SCALE)
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle([0, 0, size[0] - 1, size[1] - 1], radius=max(corner - bezel, 0), fill=255)
    whole.paste(shot.resize(size, Image.Resampling.LANCZOS), (x, y), mask)


def main() -> None:
    image = compose(*asyncio.run(take()))
    data = io.BytesIO()
    image.save(data, "PNG", optimize=True)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_bytes(data.getvalue())
    print(f"{PICTURE.relative_to(ROOT)}: {image.width} × {image.height}, {len(data.getvalue()) // 1024} KB")


if __name__ == "__main__":
    main()
