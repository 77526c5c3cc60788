"""Keeping the screen on: what a system promises. Several may work on one desktop, and then all of them are asked: each
stops another timer."""

from __future__ import annotations

from typing import Final, Protocol

APPLICATION: Final = "Slidewire"
REASON: Final = "A slide show is running"
"""What a desktop may show beside the name, where it lists who keeps it awake."""


class Inhibitor(Protocol):
    """Whatever it holds ends with this program as well, however that ends."""

    async def hold(self) -> None:
        """From now on no screen saver, no lock, and no sleep for want of input. Raises `DesktopError`."""

    async def release(self) -> None:
        """As before. Does nothing if nothing is held; never raises."""
