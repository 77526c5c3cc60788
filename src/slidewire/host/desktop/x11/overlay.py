"""The dot on X11: one small window in the shape of a disc.

It is override-redirect, so no window manager puts it below a full-screen show; its input shape is empty, so every click
goes through it; and it is a shape and not a translucent sheet, so it needs no compositor. A move is one request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import xcffib
import xcffib.shape
from xcffib import xproto

from slidewire.control.intents import Point
from slidewire.host.desktop.geometry import Rectangle, picture_in, pixel
from slidewire.host.desktop.overlay import SILENCE
from slidewire.host.desktop.x11.connection import XServer, translated

log = logging.getLogger(__name__)

RED = (0xFF, 0x14, 0x14)
WHITE = (0xFF, 0xFF, 0xFF)
"""The rim: a red dot is to be seen on a red slide too."""
DOTS_PER_HEIGHT = 40
SMALLEST = 16
TOP = int(xproto.StackMode.Above)
RAISES = 20
"""How often the dot comes back to the top between two moves. Two windows that both insist must not fight for ever."""


class XOverlay:
    """The dot. It has a connection of its own, so that nothing waits behind a move."""

    def __init__(
        self,
        server: XServer,
        loop: asyncio.AbstractEventLoop,
        area: Callable[[], Rectangle | None],
        aspect: float | None,
    ) -> None:
        self._server = server
        self._loop = loop
        self._area = area
        self._aspect = aspect
        self._picture: Rectangle | None = None
        """Where the slide is on the screen while the dot is shown; None while it is not."""
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._raises = 0
        self._lost = False
        with translated():
            self._size = max(SMALLEST, server.monitors()[0].height // DOTS_PER_HEIGHT)
            self._window = self._create()
            mask = xproto.EventMask.SubstructureNotify
            server.core.ChangeWindowAttributes(server.root, xproto.CW.EventMask, [mask])
            server.connection.flush()
        server.listeners.append(self._on_event)

    def show(self, at: Point) -> None:
        self._safely(lambda: self._show(at))

    def hide(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._picture is not None:
            self._picture = None
            self._safely(lambda: self._server.core.UnmapWindow(self._window))

    def close(self) -> None:
        self.hide()
        self._lost = True
        self._server.close()

    def _safely(self, draw: Callable[[], Any]) -> None:
        """Draw, and if the X server is gone say so once and draw no more: a laser must not end a show."""
        if self._lost:
            return
        try:
            draw()
            self._server.connection.flush()
        except xcffib.XcffibException:
            self._lost = True
            self._picture = None
            log.warning("the laser dot cannot be drawn: the X server does not answer; the slides are not affected")

    def _show(self, at: Point) -> None:
        appears = self._picture is None
        if self._picture is None:
            self._picture = picture_in(self._area() or self._server.monitors()[0], self._aspect)
        x, y = pixel(at, self._picture)
        half = self._size // 2
        where = xproto.ConfigWindow.X | xproto.ConfigWindow.Y | xproto.ConfigWindow.StackMode
        self._raises = 0
        self._server.core.ConfigureWindow(self._window, where, [x - half, y - half, TOP])
        if appears:
            self._server.core.MapWindow(self._window)
        self._until = self._loop.time() + SILENCE
        if self._timer is None:
            self._timer = self._loop.call_at(self._until, self._on_timer)

    def _on_timer(self) -> None:
        """Hide, unless points came since: one timer follows any number of them."""
        self._timer = None
        if self._loop.time() < self._until:
            self._timer = self._loop.call_at(self._until, self._on_timer)
        else:
            self.hide()

    def _on_event(self, event: Any) -> None:
        """Come back to the top when another window was put above. Our own moves are told here too: no reason."""
        if self._picture is None or self._raises >= RAISES:
            return
        if isinstance(event, xproto.ConfigureNotifyEvent | xproto.MapNotifyEvent) and event.window != self._window:
            self._raises += 1
            above = xproto.ConfigWindow.StackMode
            self._safely(lambda: self._server.core.ConfigureWindow(self._window, above, [TOP]))

    def _create(self) -> int:
        """The window with its picture as background, so that the server repaints it by itself."""
        server, size = self._server, self._size
        core = server.core
        window, disc, mask = (int(server.connection.generate_id()) for _ in range(3))
        core.CreatePixmap(server.screen.root_depth, disc, server.root, size, size)
        self._fill_disc(disc, 0, size, self._pixel_value(WHITE))
        self._fill_disc(disc, size // 8, size - 2 * (size // 8), self._pixel_value(RED))
        core.CreatePixmap(1, mask, server.root, size, size)
        self._fill_square(mask, 0)
        self._fill_disc(mask, 0, size, 1)
        core.CreateWindow(
            server.screen.root_depth, window, server.root, -size, -size, size, size, 0,
            xproto.WindowClass.InputOutput, server.screen.root_visual,
            xproto.CW.BackPixmap | xproto.CW.OverrideRedirect | xproto.CW.SaveUnder, [disc, 1, 1],
        )  # fmt: skip
        name = b"slidewire\0Slidewire\0"
        core.ChangeProperty(
            xproto.PropMode.Replace, window, xproto.Atom.WM_CLASS, xproto.Atom.STRING, 8, len(name), name
        )
        shape = server.extension(xcffib.shape.key, "SHAPE")
        shape.Mask(xcffib.shape.SO.Set, xcffib.shape.SK.Bounding, window, 0, 0, mask)
        shape.Rectangles(xcffib.shape.SO.Set, xcffib.shape.SK.Input, 0, window, 0, 0, 0, [])
        core.FreePixmap(disc)
        core.FreePixmap(mask)
        return window

    def _pixel_value(self, colour: tuple[int, int, int]) -> int:
        channels = (channel * 0x101 for channel in colour)
        return int(self._server.core.AllocColor(self._server.screen.default_colormap, *channels).reply().pixel)

    def _fill_disc(self, drawable: int, inset: int, diameter: int, pixel_value: int) -> None:
        arcs: Any = xproto.ARC
        with_colour = self._context(drawable, pixel_value)
        circle = arcs.synthetic(inset, inset, diameter - 1, diameter - 1, 0, 360 * 64)
        self._server.core.PolyFillArc(drawable, with_colour, 1, [circle])
        self._server.core.FreeGC(with_colour)

    def _fill_square(self, drawable: int, pixel_value: int) -> None:
        rectangles: Any = xproto.RECTANGLE
        with_colour = self._context(drawable, pixel_value)
        whole = [rectangles.synthetic(0, 0, self._size, self._size)]
        self._server.core.PolyFillRectangle(drawable, with_colour, 1, whole)
        self._server.core.FreeGC(with_colour)

    def _context(self, drawable: int, pixel_value: int) -> int:
        context = int(self._server.connection.generate_id())
        self._server.core.CreateGC(context, drawable, xproto.GC.Foreground, [pixel_value])
        return context
