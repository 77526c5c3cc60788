"""What the audience sees of decks that are hard to show."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.async_api import Page, expect

from tests.support.browser import Visitors, canvas, connected, tap, until
from tests.support.pdf import PdfPage, filled, words, write_pdf
from tests.support.programs import NO_DISPLAY, Programs

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.browser]

SCREEN = {"viewport": {"width": 1920, "height": 1080}}


async def show(slidewire: Programs, visitors: Visitors, deck: Path) -> tuple[Page, Page]:
    """The screen for the audience, and the speaker's page."""
    host = await slidewire.start("up", str(deck), "--listen", "127.0.0.1", "--port", "0", environment=NO_DISPLAY)
    ready = await host.ready()
    screen, speaker = await visitors.open(ready["deck_link"], SCREEN), await visitors.open(ready["presenter_link"])
    return screen, await connected(speaker)


async def test_a_photo_of_more_than_a_mebibyte_is_shown_sharp(
    slidewire: Programs, visitors: Visitors, tmp_path: Path
) -> None:
    photo = Image.effect_noise((1920, 1080), 120).convert("RGB")
    title = Image.new("RGB", (1920, 1080), "navy")
    ImageDraw.Draw(title).text((100, 100), "Title", fill="white", font_size=200)
    title.save(tmp_path / "talk.pdf", "PDF", save_all=True, append_images=[photo], quality=98, resolution=144)
    screen, speaker = await show(slidewire, visitors, tmp_path / "talk.pdf")
    await tap(speaker, "next")

    async def is_grey() -> bool:
        shown = await canvas(screen)
        corner = (
            shown.convert("L").crop((shown.width // 2, shown.height // 2, shown.width, shown.height)).resize((1, 1))
        )
        return shown.width == 1920 and corner.tobytes()[0] > 90  # the title is much darker

    await until(is_grey, "the photo")


async def test_no_audience_sees_notes_beside_a_slide(slidewire: Programs, visitors: Visitors, tmp_path: Path) -> None:
    pages = [
        PdfPage(960, 270, filled(0.8, 0, 0, 0, 0, 480, 270) + words(f"Slide {number}", 40, 100) + words("Hi", 520, 100))
        for number in (1, 2)
    ]
    (tmp_path / "talk.pdf").write_bytes(write_pdf(pages))
    screen, speaker = await show(slidewire, visitors, tmp_path / "talk.pdf")

    async def is_red() -> bool:
        shown = await canvas(screen)
        corner = shown.convert("RGB").crop((shown.width - 9, 0, shown.width, 9)).getextrema()
        return shown.width / shown.height == 16 / 9 and corner[0][0] > 190 and corner[1][1] < 20  # type: ignore[index]

    await until(is_red, "the slide's half")
    await expect(speaker.get_by_test_id("notes")).to_have_text("Hi")
