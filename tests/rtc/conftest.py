"""One Chromium for all tests of this folder that look at media from a browser's side."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.support import browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with browser.chromium(*browser.MEDIA) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """An empty page that sees its own addresses."""
    context = await chromium.new_context()
    try:
        yield await context.new_page()
    finally:
        await context.close()
