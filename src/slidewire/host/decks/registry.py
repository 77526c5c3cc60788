"""Which deck driver shows what, when nobody says so.

| deck                       | desktop | driver                                                       |
|----------------------------|---------|--------------------------------------------------------------|
| .odp .pptx .ppt …          | yes     | impress: LibreOffice opens it                                |
| .odp .pptx .ppt …          | no      | none: a sentence says to export a PDF                        |
| .pdf, a folder of pictures | any     | web: the built-in web deck                                   |
| none                       | yes     | keys, for whatever presentation is in front (`up`: the demo) |
| none                       | no      | web, with the demo deck                                      |
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from slidewire.host.decks.driver import Deck, DeckError

DRIVERS = ("auto", "impress", "keys", "web")
OFFICE_FILES = frozenset(
    {".odp", ".otp", ".fodp", ".pptx", ".pptm", ".ppt", ".pps", ".ppsx", ".ppsm", ".pot", ".potx", ".potm", ".key"}
)


def has_desktop() -> bool:
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY"))


def choose_driver(deck: Path | None, desktop: bool) -> str:
    """The driver's name. Raises `DeckError` where there is none for this deck."""
    if deck is None:
        return "keys" if desktop else "web"
    if deck.suffix.lower() in OFFICE_FILES:
        if not desktop:
            raise DeckError(
                f"{deck.name} needs LibreOffice on a desktop, and there is no display here (DISPLAY is not set). "
                "Export the deck as a PDF and give that: the built-in web deck needs no display."
            )
        return "impress"
    return "web"


def make_deck(
    driver: str, deck: Path | None, window: str | None = None, raise_window: bool = False, state: Path | None = None
) -> Deck:
    """The deck behind a driver's name. Raises `DeckError`. The drivers are imported only when they are wanted: each
    needs libraries and programs that another machine may not have. `state`: the state directory, if not the usual."""
    if deck is not None and not deck.exists():
        raise DeckError(f"There is no {deck}. Check the path of the deck.")
    if driver == "auto":
        driver = choose_driver(deck, has_desktop())
    if driver == "web":
        from slidewire.host.decks.web.driver import WebDeck

        return WebDeck(deck)
    if driver == "impress":
        from slidewire.host.decks.impress.driver import ImpressDeck

        return ImpressDeck(deck, state=state)
    from slidewire.host.decks.keys.driver import KeysDeck
    from slidewire.host.decks.keys.keymaps import Target

    if deck is not None:
        raise DeckError("The keys driver drives a presentation that is already open: start it without a deck.")
    return KeysDeck(Target(window) if window else None, raise_window=raise_window)
