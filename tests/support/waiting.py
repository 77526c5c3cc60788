"""Waiting, in a coroutine, for something that another process does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE = 10.0


async def soon(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Until it is so, while the loop goes on; it fails if that takes too long."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain: {what}"
        await asyncio.sleep(0.005)
