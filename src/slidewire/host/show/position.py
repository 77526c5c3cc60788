"""Where a show stands, kept with the room's links, so that a host that is started again goes on there.

Only for a deck that begins anew with the host: what a presentation program shows already stays as it is. A deck whose
file has changed begins at its first slide.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from slidewire.host.decks.driver import DeckState, DeckStatus
from slidewire.host.participants.links import Room, ShowPosition

GOOD_FOR = 12 * 3600.0
"""Seconds, as long as a server keeps a room that has no host."""
KEPT_AFTER = 0.25
"""Seconds after a change: slides that are leafed through are kept once."""


def fingerprint(name: str, deck: Path | None) -> str:
    """Another one when the deck's file, or a picture of its folder, was changed. Blocks. `name`: of the deck. Raises
    OSError."""
    if deck is None:
        return name
    files = sorted(deck.iterdir()) if deck.is_dir() else [deck]
    marks = [(file.name, (status := file.stat()).st_size, status.st_mtime_ns) for file in files]
    return f"{name} {hashlib.sha256(repr(marks).encode(errors='surrogateescape')).hexdigest()[:32]}"


class PositionKeeper:
    """`find` first, then `note` whatever changes."""

    def __init__(
        self, room: Room, deck: str, wall: Callable[[], float], look_again: Callable[[], str] | None = None
    ) -> None:
        """`deck`: its fingerprint; empty where the position is not to be kept. `look_again`: what it is now, where the
        show goes on with a newer edition of the file."""
        self._room, self._deck, self._wall = room, deck, wall
        self._look_again = look_again
        self._edition = 0
        self._noted: ShowPosition | None = None
        self._pending: asyncio.TimerHandle | None = None
        self._is_found = False

    def find(self) -> ShowPosition | None:
        """Where this very deck stood when the last host of the room ended, if that is not too long ago."""
        self._is_found = True
        position = self._room.position
        if position is None or position.deck != self._deck or not 0 <= self._wall() - position.kept < GOOD_FOR:
            return None
        return position

    def note(self, state: DeckState, started: float) -> None:
        """`started`: by the wall clock, when the show began."""
        if not self._is_found or not self._deck or self._room.is_anothers:
            return
        if state.status is not DeckStatus.RUNNING or state.slide is None:
            return
        if state.edition != self._edition and self._look_again is not None:
            self._edition, self._deck, self._noted = state.edition, self._look_again(), None
        if self._noted is not None and self._noted.slide == state.slide:
            return
        self._noted = ShowPosition(self._deck, state.slide, started, self._wall())
        if self._pending is None:
            self._pending = asyncio.get_running_loop().call_later(KEPT_AFTER, self._keep)

    def close(self) -> None:
        if self._pending is not None:
            self._keep()

    def _keep(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        self._room.keep_position(self._noted)
