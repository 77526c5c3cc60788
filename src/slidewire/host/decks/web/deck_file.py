"""The deck on the disk, as the host reads it: it says what is wrong, and parses nothing.

A PDF is held in memory, so the show outlives the memory stick it was opened from. A folder of pictures stays where it
is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from slidewire.host.decks.driver import DeckError

DEMO = Path(__file__).parents[1] / "demo" / "demo.pdf"
MAX_PDF = 2**30


@dataclass(frozen=True, slots=True)
class DeckFile:
    path: Path
    pdf: bytes | None = field(repr=False)
    """None for a folder of pictures."""

    @property
    def name(self) -> str:
        name = self.path.resolve().name if self.pdf is None else self.path.stem
        return os.fsencode(name).decode(errors="replace")  # it need not be text


def read_deck(path: Path | None) -> DeckFile:
    """This file or folder; the demo deck if none is named. Blocks. Raises `DeckError`."""
    path = (path or DEMO).absolute()
    try:
        if path.is_dir():
            return DeckFile(path, None)
        with path.open("rb") as file:
            head = file.read(1024)
            if path.suffix.lower() != ".pdf" and b"%PDF-" not in head:
                raise DeckError(
                    f"{path}: the web deck shows PDF files and folders of pictures. "
                    "Export the slides as a PDF, or show them with their own program and let Slidewire drive that."
                )
            content = head + file.read(MAX_PDF)
            if len(content) > MAX_PDF:
                raise DeckError(f"{path}: this PDF is larger than a gigabyte. Export it with smaller pictures.")
            return DeckFile(path, content)
    except OSError as error:
        raise DeckError(unreadable(path, error)) from None


def unreadable(path: Path, error: OSError) -> str:
    """What is wrong with this file, and what to do."""
    match error:
        case FileNotFoundError():
            return f"{path}: there is no such file or folder. Check the name and where you are."
        case PermissionError():
            return f"{path}: this user may not read it. Change its permissions, or copy it elsewhere."
    return f"{path}: cannot be read ({error.strerror}). Copy it to this computer's own disk."
