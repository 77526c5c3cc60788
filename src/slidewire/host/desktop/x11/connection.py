"""One connection to an X server: requests, properties, monitors, and its events on the asyncio loop.

A request answers in about 0.1 ms over the local socket, so calls are made on the loop's thread and wait for it.
Imported only where X11 is wanted: it needs the library xcffib.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import xcffib
import xcffib.randr
from xcffib import xproto

from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.geometry import Rectangle


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the library raises into a sentence for a person. Also a decorator."""
    try:
        yield
    except xcffib.XcffibException as error:
        raise DesktopError(
            "the X server does not answer as it should, or its session ended: start this again in the new session"
        ) from error


class XServer:
    """The connection. Several parts may share it; each adds its own listener for events."""

    def __init__(self, display: str | None = None) -> None:
        # The library ships without annotations: it is Any here, and its replies are given types where they leave.
        connect: Any = xcffib.connect
        try:
            self.connection: Any = connect(display=display)
        except xcffib.XcffibException:
            raise DesktopError(
                f"the X11 display {display or 'in DISPLAY'} cannot be opened: check DISPLAY and XAUTHORITY, and that "
                "this runs as the user whose desktop shows the slides"
            ) from None
        self.core = self.connection.core
        self.screen = self.connection.get_setup().roots[self.connection.pref_screen]
        self.root: int = self.screen.root
        self.listeners: list[Callable[[Any], None]] = []
        """Called with each event, and with None when the server is gone."""
        self._atoms: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fd: int = self.connection.get_file_descriptor()
        self._closed = False
        try:
            self._randr: Any = self.extension(xcffib.randr.key, "RANDR")
        except DesktopError:
            self._randr = None

    def extension(self, key: Any, name: str) -> Any:
        """An extension of the protocol, if the server has it."""
        if not self.core.QueryExtension(len(name), name).reply().present:
            raise DesktopError(f"this X server lacks the extension {name}: start it without disabling that")
        return self.connection(key)

    def atom(self, name: str) -> int:
        if name not in self._atoms:
            self._atoms[name] = self.core.InternAtom(False, len(name), name).reply().atom
        return self._atoms[name]

    def ask(self, window: int, name: str) -> Any:
        """Request a property; `numbers` and `text` wait for it. Ask for several before waiting for the first."""
        return self.core.GetProperty(False, window, self.atom(name), xproto.GetPropertyType.Any, 0, 4096)

    @staticmethod
    def numbers(asked: Any) -> list[int]:
        """A property of 32-bit values; empty if the window does not have it."""
        reply = asked.reply()
        return list(reply.value.to_atoms()) if reply.format == 32 else []

    @staticmethod
    def text(asked: Any) -> str:
        """A property of text; zero bytes between parts become spaces."""
        reply = asked.reply()
        raw = bytes(reply.value.buf()) if reply.format == 8 else b""
        return raw.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")

    def area(self, window: int) -> Rectangle:
        """The inside of a window, in pixels of the whole desktop."""
        size = self.core.GetGeometry(window)
        place = self.core.TranslateCoordinates(window, self.root, 0, 0)
        size, place = size.reply(), place.reply()
        return Rectangle(place.dst_x, place.dst_y, size.width, size.height)

    def monitors(self) -> list[Rectangle]:
        """Every monitor, the primary one first; the whole desktop if the server knows of none."""
        found = list(self._randr.GetMonitors(self.root, True).reply().monitors) if self._randr else []
        found.sort(key=lambda monitor: not monitor.primary)
        return [Rectangle(it.x, it.y, it.width, it.height) for it in found] or [self.area(self.root)]

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Deliver events to the listeners from now on."""
        self._loop = loop
        loop.add_reader(self._fd, self.pump)
        loop.call_soon(self.pump)

    def pump(self) -> None:
        """Deliver what has arrived. The library reads events along with replies, so also call it after those."""
        while not self._closed:
            try:
                event = self.connection.poll_for_event()
            except xcffib.Error:
                continue  # the late answer to a request without a reply: its window was gone
            except xcffib.XcffibException:
                self.close()
                for listener in tuple(self.listeners):
                    listener(None)
                return
            if event is None:
                return
            for listener in tuple(self.listeners):
                listener(event)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._loop is not None:
            self._loop.remove_reader(self._fd)
        self.connection.disconnect()
