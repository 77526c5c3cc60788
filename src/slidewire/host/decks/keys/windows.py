"""Which of the windows is the one that the audience sees, and which one takes the keys.

With two screens a presentation program has two windows: the show, and a console with notes for the speaker. The show is
the deck: there is the laser, and its place and title are told. The console obeys the same keys, and mostly has the
focus, so it takes them. It is known by its title, and only beside a show: alone it is like any other window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slidewire.host.decks.keys.keymaps import Sighting


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where the keys go, and what they move."""

    window: Sighting
    show: Sighting


def find_shows(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Those that show slides to the audience, in the order that was given."""
    showing = [it for it in sightings if it.showing]
    return [it for it in showing if not it.console] or showing


def find_recipient(front: Sighting | None, sightings: Sequence[Sighting]) -> Recipient | None:
    """The show in front, or the one whose console is; else the first, to be brought to the front. None: no show is
    running."""
    shows = find_shows([front, *sightings] if front is not None else sightings)
    if not shows:
        return None
    if front is not None and front.console:
        for show in shows:
            if show.key_map is front.key_map:
                return Recipient(front, show)
    return Recipient(shows[0], shows[0])
