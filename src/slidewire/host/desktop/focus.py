"""Which windows there are and which of them would get a key. No policy: whose keys they may be is the deck's matter."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from slidewire.host.desktop.geometry import Rectangle


@dataclass(frozen=True, slots=True)
class Window:
    """A top-level window of some program, as it was when it was looked at."""

    id: int
    title: str
    wm_class: str
    """Instance and class as X11 has them, with a space between: `"soffice Soffice"`."""
    process: str
    """The name of the program that owns it, or "" if that is not known."""
    area: Rectangle
    """Its inside, in desktop pixels."""
    full_screen: bool


class Focus(Protocol):
    """The windows of one desktop."""

    def front(self) -> Window | None:
        """The window that a key typed now would go to; looked up anew each time."""

    def under_pointer(self) -> Window | None:
        """The window that a click would go to; looked up anew each time."""

    def windows(self) -> list[Window]:
        """Every window that is managed, the topmost first."""

    def is_hidden(self, window: Window) -> bool:
        """Whether it cannot be seen: another window lies over all of it, or a screen saver has the screen."""

    def bring_to_front(self, window: Window) -> None:
        """Ask for it to be raised and focused. It takes a moment, and the desktop may refuse."""

    def held(self) -> AbstractContextManager[None]:
        """While this lasts no other program can change the focus, where the system has a way to say so.

        Looking and typing inside leaves no gap on X11. It stops every program's drawing: be brief.
        """
