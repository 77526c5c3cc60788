"""The deck on the disk, as the host reads it: it says what is wrong, and parses nothing.

A PDF and a single picture are held in memory, so the show outlives the memory stick it was opened from. A folder of
pictures stays where it is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from slidewire.host.decks.driver import DeckError

DEMO = Path(__file__).parents[1] / "demo" / "demo.pdf"
MAX_FILE = 2**30

PICTURE_SUFFIXES: Final = frozenset(
    {
        *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif"),
        *(".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif"),
    }
)
LEFT_OUT_SUFFIXES: Final = frozenset(
    {
        *(
            ".heic",
            ".heif",
            ".hif",
            ".svg",
            ".svgz",
            ".jxl",
            ".jp2",
            ".j2k",
            ".jpx",
            ".psd",
            ".xcf",
            ".eps",
            ".ps",
            ".ai",
        ),
        *(".emf", ".wmf", ".tga", ".ico", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
        *(".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".pdf"),
    }
)
"""Files that are meant to be seen, and cannot be shown: of a folder they are named."""


class DeckKind(StrEnum):
    PDF = "pdf"
    PICTURE = "picture"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class DeckFile:
    path: Path
    kind: DeckKind
    content: bytes = field(default=b"", repr=False)
    """Of a PDF or a picture."""

    @property
    def name(self) -> str:
        name = self.path.resolve().name if self.kind is DeckKind.FOLDER else self.path.stem
        return os.fsencode(name).decode(errors="replace")  # it need not be text


def read_deck(path: Path | None) -> DeckFile:
    """This file or folder; the demo deck if none is named. Blocks. Raises `DeckError`."""
    path = (path or DEMO).absolute()
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            return DeckFile(path, DeckKind.FOLDER)
        with path.open("rb") as file:
            head = file.read(1024)
            kind = DeckKind.PDF
            if suffix != ".pdf" and b"%PDF-" not in head:
                kind = DeckKind.PICTURE
                if suffix not in PICTURE_SUFFIXES:
                    raise DeckError(f"{printable(path)}: {_not_shown(suffix)}")
            content = head + file.read(MAX_FILE)
            if len(content) > MAX_FILE:
                raise DeckError(f"{printable(path)}: this file is larger than a gigabyte. Export it smaller.")
            return DeckFile(path, kind, content)
    except OSError as error:
        raise DeckError(unreadable(path, error)) from None


def mark_of(path: Path) -> object:
    """Something that is another when the file, or a picture of the folder, was written anew; None: it is not there.
    Blocks."""
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        return [(file.name, (status := file.stat()).st_size, status.st_mtime_ns) for file in files]
    except OSError:
        return None


def _not_shown(suffix: str) -> str:
    if suffix in LEFT_OUT_SUFFIXES:
        return f"{suffix.removeprefix('.').upper()} files cannot be shown. Save it as PNG, JPEG or PDF."
    return (
        "the web deck shows PDF files and folders of pictures, and single pictures. "
        "Export the slides as a PDF, or show them with their own program and let Slidewire drive that."
    )


def printable(path: Path) -> str:
    """As text, whatever its bytes are."""
    return os.fsencode(path).decode(errors="replace")


def unreadable(path: Path, error: OSError) -> str:
    """What is wrong with this file, and what to do."""
    name = printable(path)
    match error:
        case FileNotFoundError():
            return f"{name}: there is no such file or folder. Check the name and where you are."
        case PermissionError():
            return f"{name}: this user may not read it. Change its permissions, or copy it elsewhere."
    return f"{name}: cannot be read ({error.strerror}). Copy it to this computer's own disk."
