"""Running a coroutine to its end, and the one alarm every core needs.

uvloop where there is one: a TLS connection costs 55 KB with it and 290 KB with asyncio's own loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from slidewire.aio.clock import monotonic

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


class Alarm:
    """Calls back once at the time that was set last. Setting it again moves it; None turns it off."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._when: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    def set(self, when: float | None) -> None:
        if when == self._when and self._handle is not None:
            return
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._when = when
        if when is not None:
            delay = max(0.0, when - monotonic())
            self._handle = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        self._handle = None
        self._callback()
