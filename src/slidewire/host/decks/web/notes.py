"""Speaker notes from the files beside a deck.

`talk.notes.md` beside `talk.pdf`, or `notes.md` inside a folder of pictures:

    ### 1
    Welcome everybody.
    ### 2
    …

and `talk.pdfpc`, which pdfpc and some typesetting systems write: JSON today, sections in brackets in older versions.
Text is UTF-8, UTF-16 or Windows-1252, whichever it can be. A file that is not there, or cannot be read, means no notes:
the show matters more.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from slidewire.host.decks.web.page_layout import Side

MAX_NOTES = 4 * 2**20
"""Bytes of a file that are read."""


@dataclass(frozen=True, slots=True)
class NotesFile:
    notes: dict[int, str] = field(default_factory=dict)
    """By slide, from 1."""
    side: Side | None = None
    """Where it says that each page has notes; None: it does not say."""


def notes_path(deck: Path) -> Path:
    return deck.with_suffix(".notes.md")


def pdfpc_path(deck: Path) -> Path:
    return deck.with_suffix(".pdfpc")


def is_within(file: Path, folder: Path) -> bool:
    """A regular file that a symbolic link has not brought here from elsewhere."""
    try:
        return file.is_file() and file.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False


def read_notes(path: Path) -> dict[int, str]:
    return _sections(_read(path))


def read_pdfpc(path: Path, labels: Sequence[str]) -> NotesFile:
    """`labels`: of the pages. Pages in a row with one label are the steps of one slide, to which pdfpc's older format
    gives the notes."""
    text = _read(path)
    try:
        deck = msgspec.json.decode(text, type=_Pdfpc)
    except msgspec.MsgspecError:
        return _read_sections(text, labels)
    notes = {page.idx + 1: page.note.strip() for page in deck.pages if page.idx >= 0 and page.note.strip()}
    return NotesFile(notes, Side.read(deck.side))


class _PdfpcPage(msgspec.Struct):
    idx: int = -1
    note: str = ""


class _Pdfpc(msgspec.Struct, rename={"side": "beamerNotePosition"}):
    pages: list[_PdfpcPage] = []
    side: str = ""


def _read_sections(text: str, labels: Sequence[str]) -> NotesFile:
    parts = re.split(r"^\[([a-z_]+)\][ \t]*$", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    by_slide = _sections(sections.get("notes", ""))
    notes, slide = {}, 0
    for page, label in enumerate(labels):
        slide += page == 0 or not label or label != labels[page - 1]
        if slide in by_slide:
            notes[page + 1] = re.sub(r"\\([\[\]#])", r"\1", by_slide[slide])
    return NotesFile(notes, Side.read(sections.get("notes_position", "").strip()))


def _sections(text: str) -> dict[int, str]:
    parts = re.split(r"^###[ \t]+(\d{1,5})[ \t]*$", text, flags=re.MULTILINE)
    return {int(number): body.strip() for number, body in zip(parts[1::2], parts[2::2], strict=True) if body.strip()}


def _read(path: Path) -> str:
    if not is_within(path, path.parent):
        return ""
    try:
        with path.open("rb") as file:
            return "\n".join(decode_text(file.read(MAX_NOTES)).splitlines())
    except OSError:
        return ""


def decode_text(data: bytes) -> str:
    """What an editor has written, by its byte order mark, or by what it can be."""
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :].decode("utf-8", errors="replace")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    start = data[:1024]
    if start.count(0) * 3 > len(start):  # text without a mark, of which every other byte is nothing
        return data.decode("utf-16-be" if start[:1] == b"\0" else "utf-16-le", errors="replace")
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data)  # the last character may be cut off
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
