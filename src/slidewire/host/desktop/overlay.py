"""The laser dot over whatever the host's screen shows: what it promises."""

from __future__ import annotations

from typing import Protocol

from slidewire.control.intents import Point

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
