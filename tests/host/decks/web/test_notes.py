from __future__ import annotations

import json
from pathlib import Path

import pytest

from slidewire.host.decks.web.notes import NotesFile, decode_text, read_notes, read_pdfpc
from slidewire.host.decks.web.page_layout import Side

TEXT = "### 1\nPrêt ?\n### 2\nWait.\n"
NOTES = {1: "Prêt ?", 2: "Wait."}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"], ids=str
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["unix", "windows", "mac"])
def test_notes_in_whatever_an_editor_writes(tmp_path: Path, encoding: str, newline: str) -> None:
    path = tmp_path / "talk.notes.md"
    path.write_bytes(TEXT.replace("\n", newline).encode(encoding))
    assert read_notes(path) == NOTES


def test_a_character_that_is_cut_off_at_the_end_changes_nothing_else() -> None:
    assert decode_text("naïve café ☕".encode()[:-1]) == "naïve café "
    assert decode_text("ab".encode("utf-16")[:-1]).startswith("a")


def test_pdfpc_files_as_they_are_written_today(tmp_path: Path) -> None:
    path = tmp_path / "talk.pdfpc"
    pages = [
        {"idx": 0, "label": "1", "overlay": 0, "note": "Prêt ?"},
        {"idx": 1, "label": "2", "overlay": 0, "forcedOverlay": True},
        {"idx": 4, "label": "3", "overlay": 1, "note": " Wait. \n"},
    ]
    path.write_text(json.dumps({"pdfpcFormat": 2, "duration": 20, "beamerNotePosition": "left", "pages": pages}))
    assert read_pdfpc(path, ["1"] * 5) == NotesFile({1: "Prêt ?", 5: "Wait."}, Side.LEFT)
    path.write_text('{"pdfpcFormat": 2, "pages": [{"idx": "one"}]}')
    assert read_pdfpc(path, ["1"]) == NotesFile(), "what cannot be read means no notes"


def test_pdfpc_files_of_older_versions_count_the_steps_of_a_slide_once(tmp_path: Path) -> None:
    path = tmp_path / "talk.pdfpc"
    path.write_text(
        "[file]\ntalk.pdf\n[duration]\n20\n[notes_position]\nright\n[notes]\n### 1\nA \\#1 \\[x\\]\n### 2\nB\n"
    )
    labels = ["i", "1", "1", "1", "2"]
    assert read_pdfpc(path, labels) == NotesFile({1: "A #1 [x]", 2: "B", 3: "B", 4: "B"}, Side.RIGHT)
    assert read_pdfpc(path, ["", "", ""]).notes == {1: "A #1 [x]", 2: "B"}


def test_no_file_no_notes(tmp_path: Path) -> None:
    assert read_notes(tmp_path / "absent.notes.md") == {}
    assert read_pdfpc(tmp_path / "absent.pdfpc", ["1"]) == NotesFile()
