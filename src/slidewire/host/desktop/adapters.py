"""Which adapters serve this machine's desktop, and what to do when none does.

The libraries are imported here and not before, so that a host without a desktop needs none of them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from slidewire.host.desktop.focus import Focus
from slidewire.host.desktop.keyboard import Keyboard


class DesktopError(Exception):
    """The desktop cannot be used. The message is for a person: what is wrong, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Desktop:
    """Keys, pointer and windows of one desktop."""

    keyboard: Keyboard
    focus: Focus
    close: Callable[[], None]


def require_x11() -> None:
    """Say now, in a sentence, what would otherwise be an import error."""
    try:
        import xcffib  # noqa: F401
    except ImportError:
        raise DesktopError(
            "the Python library xcffib is missing, which speaks to the X11 desktop: pip install xcffib"
        ) from None
    except OSError:
        raise DesktopError(
            "the system library libxcb is missing, which speaks to the X11 desktop: "
            "install it (Debian and Ubuntu: apt install libxcb1)"
        ) from None


def open_desktop(loop: asyncio.AbstractEventLoop, display: str | None = None) -> Desktop:
    """The desktop this program runs in, or the X11 display of that name. Raises `DesktopError`."""
    if sys.platform in ("win32", "darwin"):
        # The keys exist there (pynput_keyboard), the look at the front window does not yet: never type blind.
        raise DesktopError(
            "the keys deck cannot see yet which window is in front on this system, and does not type without looking: "
            "use the impress or the web deck"
        )
    if not (display or os.environ.get("DISPLAY")):
        raise DesktopError(
            "there is no X11 display (DISPLAY is not set): start this inside the session that shows the slides, "
            "or use the web deck, which needs none"
        )
    require_x11()
    from slidewire.host.desktop.x11.connection import XServer
    from slidewire.host.desktop.x11.focus import XFocus
    from slidewire.host.desktop.x11.keyboard import XKeyboard

    server = XServer(display)
    try:
        desktop = Desktop(XKeyboard(server), XFocus(server), server.close)
    except BaseException:
        server.close()
        raise
    server.watch(loop)
    return desktop
