"""The laser dot over whatever the host's screen shows: what it promises, and which one this machine can have."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Protocol

from slidewire.control.intents import Point
from slidewire.host.desktop.adapters import DesktopError, require_x11
from slidewire.host.desktop.geometry import Rectangle

SILENCE = 1.0
"""Seconds after the last point at which the dot goes away by itself."""


class Overlay(Protocol):
    """A dot that is above every window, takes no click and no focus, and goes away after `SILENCE`."""

    def show(self, at: Point) -> None:
        """Put the dot there. Never raises: a laser that cannot be drawn must not end a show."""

    def hide(self) -> None:
        """Take the dot away."""

    def close(self) -> None:
        """Let go of the screen."""


def open_overlay(
    loop: asyncio.AbstractEventLoop,
    area: Callable[[], Rectangle | None] = lambda: None,
    aspect: float | None = None,
    display: str | None = None,
) -> Overlay:
    """An overlay for this desktop. Raises `DesktopError`.

    `area` answers where the deck's window is, asked whenever the dot appears; None: the whole primary monitor.
    `aspect` is the slides' width / height; None: they fill that window. `display` is an X11 name.
    """
    if sys.platform in ("win32", "darwin") or not (display or os.environ.get("DISPLAY")):
        raise DesktopError(
            "there is no X11 display to show a laser dot on: use the laser of the impress or the web deck"
        )
    require_x11()
    from slidewire.host.desktop.x11.connection import XServer
    from slidewire.host.desktop.x11.overlay import XOverlay

    server = XServer(display)
    try:
        overlay = XOverlay(server, loop, area, aspect)
    except BaseException:
        server.close()
        raise
    server.watch(loop)
    return overlay
