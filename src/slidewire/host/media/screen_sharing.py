"""The shared screen: on or off, as operators want it, and what each page gets of it.

Opening a screen takes a moment and may fail; nothing waits for it. What is wrong with it is a sentence for operators.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from slidewire.aio.tasks import Tasks
from slidewire.media.frames import Codec, Sink

WHOLE: Final = "screen"
"""All that one sees."""


class SharingError(Exception):
    """The screen cannot be shared. The message is for a person."""


class Viewer(Protocol):
    """One who watches the screen."""

    def set_rate(self, bits: float) -> None: ...
    def want_key(self) -> None: ...
    def leave(self) -> None: ...


class Screen(Protocol):
    """A screen that is looked at and encoded (`host.screen.share`)."""

    problem: str | None
    changed: Callable[[], None]

    def watch(self, sink: Sink, codec: Codec, rate: float) -> Viewer: ...
    async def stop(self) -> None: ...


OpenScreen = Callable[[str], Awaitable[Screen]]


async def open_screen(choice: str) -> Screen:
    """`screen`, a monitor's number, or a part of a window's title. Raises `SharingError`."""
    from slidewire.host.desktop.adapters import open_screen as open_source
    from slidewire.host.desktop.errors import ScreenError
    from slidewire.host.media.screen.share import ScreenShare

    try:
        source = await asyncio.to_thread(open_source, choice)
    except ScreenError as error:
        raise SharingError(f"The screen is not shared: {error}.") from None
    screen = ScreenShare(source)
    screen.start()
    return screen


class View:
    """The screen as one page watches it: the `Source` of one subscription."""

    def __init__(self, screen: Screen, codec: Codec, rate: float) -> None:
        self.screen = screen
        self._codec = codec
        self._rate = rate
        self._viewer: Viewer | None = None

    def subscribe(self, sink: Sink) -> None:
        self._viewer = self.screen.watch(sink, self._codec, self._rate)

    def unsubscribe(self, sink: Sink) -> None:
        if self._viewer is not None:
            self._viewer.leave()
            self._viewer = None

    def want_key(self) -> None:
        if self._viewer is not None:
            self._viewer.want_key()

    def set_rate(self, bits_per_second: float) -> None:
        self._rate = bits_per_second
        if self._viewer is not None:
            self._viewer.set_rate(bits_per_second)


class Sharing:
    def __init__(self, open_: OpenScreen, changed: Callable[[], None]) -> None:
        """`changed` is called when `screen` or `problem` has changed."""
        self.screen: Screen | None = None
        self.problem: str | None = None
        self._open = open_
        self._changed = changed
        self._is_wanted = self._is_opening = False
        self._working = Tasks()

    async def begin(self, choice: str) -> None:
        """Raises `SharingError`."""
        self._is_wanted = self._is_opening = True
        try:
            screen = await self._open(choice)
        finally:
            self._is_opening = False
        if not self._is_wanted:
            await screen.stop()  # it was switched off meanwhile
            return
        self.screen = screen
        screen.changed = self._screen_changed
        self._changed()

    def switch(self, on: bool, choice: str) -> None:
        """As an operator wants it. That it cannot be is said in `problem`."""
        had_problem = self.problem is not None
        self._is_wanted, self.problem = on, None
        if had_problem:
            self._changed()
        if not on:
            self._end()
        elif self.screen is None and not self._is_opening:
            self._working.start(self._begin_or_say(choice))

    async def close(self) -> None:
        self._is_wanted = False
        self._end()
        await self._working.finish()

    async def _begin_or_say(self, choice: str) -> None:
        try:
            await self.begin(choice)
        except SharingError as error:
            self.problem = str(error)
            self._changed()

    def _end(self) -> None:
        screen, self.screen = self.screen, None
        if screen is not None:
            self._changed()
            self._working.start(screen.stop())

    def _screen_changed(self) -> None:
        """It cannot be seen any more, or can again."""
        if self.screen is not None:
            said = self.screen.problem
            self.problem = None if said is None else f"Presenters may see nothing new: {said}."
            self._changed()
