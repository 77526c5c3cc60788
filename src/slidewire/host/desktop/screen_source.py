"""Looking at a screen: the whole desktop, one monitor, or one window.

A source takes one picture when it is asked to. What it looks at may vanish or change its size meanwhile: then `grab`
raises `ScreenError`, and a later `grab` works again when it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

WHOLE_SCREEN = "screen"
"""The choice of all monitors together."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What was there at one moment."""

    width: int
    height: int
    pixels: bytearray
    """Rows from the top, without gaps; a pixel is blue, green, red and a byte that means nothing."""
    captured: float
    """When it was asked for, on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Something that can be shared."""

    choice: str
    """What to say to have it."""
    title: str
    width: int
    height: int


class ScreenSource(Protocol):
    """One thread at a time uses it."""

    def grab(self) -> Picture:
        """What is there now. Raises `ScreenError`, and may be asked again."""

    def close(self) -> None:
        """Let go of the screen; the next `grab` opens it again."""
