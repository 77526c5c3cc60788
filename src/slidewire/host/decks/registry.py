"""Which deck drivers there are, and which one shows what. To add a driver: a file of its own, and a row here.

| deck                       | driver                                                                                 |
|----------------------------|----------------------------------------------------------------------------------------|
| .odp .pptx .ppt …          | impress: LibreOffice opens it; where it cannot run, a sentence says to give a PDF      |
| .pdf, a folder of pictures | web: the built-in web deck                                                             |
| none                       | keys, for whatever presentation is in front; where it cannot run, web with a demo deck |

Drivers are imported only when they are wanted: each needs libraries and programs that another machine may not have.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from pkgutil import resolve_name
from typing import Final

from slidewire.host.decks.driver import DeckDriver, DeckError, DeckOptions, Reports

log = logging.getLogger(__name__)

OFFICE_FILES: Final = frozenset(
    {".odp", ".otp", ".fodp", ".pptx", ".pptm", ".ppt", ".pps", ".ppsx", ".ppsm", ".pot", ".potx", ".potm", ".key"}
)


class Needs(StrEnum):
    """What a driver cannot work without."""

    DESKTOP = "desktop"
    PROGRAM = "program"
    """A presentation program, which has to be installed."""


@dataclass(frozen=True, slots=True)
class DriverRow:
    name: str
    factory: str
    """The class, as `module:name`."""
    suffixes: frozenset[str]
    """The files it is the driver for."""
    needs: frozenset[Needs]
    is_for_no_file: bool = False
    """Whether it is chosen where no deck is given, if it can run here."""

    @property
    def driver(self) -> type[DeckDriver]:
        found: type[DeckDriver] = resolve_name(self.factory)
        return found

    @property
    def reports(self) -> Reports:
        return self.driver.reports

    @property
    def hold_at_end(self) -> bool:
        return self.driver.hold_at_end

    def probe(self) -> str | None:
        """None if it can work on this computer; else a sentence that says why not and what to do."""
        return self.driver.probe()


ROWS: Final = (
    DriverRow(
        "impress",
        "slidewire.host.decks.impress.driver:ImpressDeck",
        OFFICE_FILES,
        frozenset({Needs.DESKTOP, Needs.PROGRAM}),
    ),
    DriverRow(
        "keys",
        "slidewire.host.decks.keys.driver:KeysDeck",
        frozenset(),
        frozenset({Needs.DESKTOP, Needs.PROGRAM}),
        is_for_no_file=True,
    ),
    # The last one also takes what no other is for: a folder, or a file that it may say a sentence about.
    DriverRow(
        "web",
        "slidewire.host.decks.web.driver:WebDeck",
        frozenset({".pdf"}),
        frozenset(),
        is_for_no_file=True,
    ),
)
AUTO: Final = "auto"
DRIVERS: Final = (AUTO, *(row.name for row in ROWS))


def choose_driver(options: DeckOptions) -> DriverRow:
    """The driver for this deck where none is named."""
    if options.path is not None:
        suffix = options.path.suffix.lower()
        return next((row for row in ROWS if suffix in row.suffixes), ROWS[-1])
    *preferred, last = (row for row in ROWS if row.is_for_no_file)
    for row in preferred:
        if (remedy := row.probe()) is None:
            return row
        log.info("no deck was given, and the %s driver cannot be used: %s", row.name, remedy)
    return last


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        raise DeckError(
            f"{path}: this user may not look into its folder. Change its permissions, or copy it."
        ) from None


def make_deck(driver: str, options: DeckOptions) -> DeckDriver:
    """The deck behind a driver's name or `auto`. Raises `DeckError`, also for a driver that cannot work here."""
    if options.path is not None and not _is_there(options.path):
        raise DeckError(f"There is no {options.path}. Check the path of the deck.")
    row = choose_driver(options) if driver == AUTO else next(row for row in ROWS if row.name == driver)
    if (remedy := row.probe()) is not None:
        raise DeckError(remedy)
    return row.driver.make(options)
