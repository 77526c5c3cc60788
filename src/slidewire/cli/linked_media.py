"""Ask the person at the host, once for each deck, whether it may show the media in its folder that it links to."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from slidewire.cli.output import complain


def _is_file(deck: Path) -> bool:
    try:
        return deck.is_file()
    except OSError:  # why it cannot be read is said when it is opened
        return False


def consider_links(deck: Path | None, driver: str, state: Path | None, *, agreed: bool) -> None:
    """`agreed`: by an option. Else a person at a terminal is asked: without an answer such media
    are not shown, and the show goes on."""
    if deck is None or driver not in ("auto", "impress") or not _is_file(deck):
        return
    from slidewire.host.decks.impress import agreement
    from slidewire.host.decks.impress.linked_media import find_links
    from slidewire.host.decks.registry import OFFICE_FILES
    from slidewire.system.directories import state_directory

    if driver == "auto" and deck.suffix.lower() not in OFFICE_FILES:
        return
    folder = state or state_directory()
    try:
        if not agreed:
            if not (sys.stdin.isatty() and sys.stderr.isatty()) or agreement.is_agreed(deck, folder):
                return
            links = find_links(deck)
            if not agreement.allowed(links, agreed=True):
                return
            question = f"{deck.name} shows {len(links.media)} file(s) of its folder: {links.told_media()}. Allow that?"
            if not click.confirm(question, default=False, err=True):
                return
        agreement.agree(deck, folder)
    except OSError as error:
        complain(f"linked media are not shown: {error}")
