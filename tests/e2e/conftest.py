"""Fixtures of the end-to-end tests. All of them run on one event loop, because they share one Chromium."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser

from tests.support import browser
from tests.support.programs import Programs, programs


@pytest_asyncio.fixture(loop_scope="session")
async def slidewire(tmp_path: Path) -> AsyncIterator[Programs]:
    """Starts Slidewire's programs in a home of their own."""
    async with programs(tmp_path / "home") as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with browser.chromium() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def camera() -> AsyncIterator[Browser]:
    """A Chromium that has a camera and a microphone, and gives them to whoever asks."""
    async with browser.chromium(*browser.MEDIA) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def crew(camera: Browser) -> AsyncIterator[browser.Visitors]:
    """Visitors who may be seen and heard."""
    async with browser.visitors(camera) as everybody:
        yield everybody


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(chromium: Browser) -> AsyncIterator[browser.Visitors]:
    """The people with browsers in this test; it fails if a page of theirs complains."""
    async with browser.visitors(chromium) as everybody:
        yield everybody
