"""A media peer against stock Chromium."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from slidewire.rtc.media.frames import Codec, Line
from tests.support.media_page import connected

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_chromium_connects_and_agrees_on_everything(page: Page) -> None:
    lines = [Line.SCREEN, Line.CAMERA, Line.MICROPHONE, Line.SOUND]
    async with connected(page, lines) as both:
        assert [both.peer.codec(line) for line in lines] == [Codec.VP8, Codec.VP8, Codec.OPUS, Codec.OPUS]
        assert both.peer.codec(Line.GUEST) is None
        assert await page.evaluate("pc.connectionState") == "connected"
        answer = both.answer
        assert "flexfec-03/90000" in answer and "FEC-FR" in answer and "ulpfec/90000" in answer
        directions = await page.evaluate("pc.getTransceivers().map(each => each.currentDirection)")
        assert directions == ["recvonly", "sendonly", "sendonly", "recvonly"]
        sent = await page.evaluate("pc.getSenders()[2].getParameters().codecs.map(each => each.mimeType)")
        assert sent[0] == "audio/red", "what stands first is what it sends"
