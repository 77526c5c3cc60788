"""Fixtures of the end-to-end tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.programs import Programs, programs


@pytest.fixture
async def slidewire(tmp_path: Path) -> AsyncIterator[Programs]:
    """Starts Slidewire's programs in a home of their own."""
    async with programs(tmp_path / "home") as started:
        yield started
