"""Which system and which displays this program has. No other file of the host asks `sys.platform` or `DISPLAY`, but
programs that decks run in processes of their own."""

from __future__ import annotations

import os
import sys
from enum import Enum, auto


class System(Enum):
    LINUX = auto()
    """Or another system whose desktop is X11 or Wayland."""
    WINDOWS = auto()
    MACOS = auto()


EVERY_SYSTEM = frozenset(System)


def this_system() -> System:
    return {"win32": System.WINDOWS, "darwin": System.MACOS}.get(sys.platform, System.LINUX)


def x11_display(name: str | None = None) -> str:
    """The name of the X11 display, by default that of this session; empty if there is none."""
    return name or os.environ.get("DISPLAY", "")


def has_wayland() -> bool:
    return bool(os.environ.get("WAYLAND_DISPLAY"))


def has_desktop() -> bool:
    """Whether a program that is started here can show a window."""
    return this_system() is not System.LINUX or bool(x11_display()) or has_wayland()
