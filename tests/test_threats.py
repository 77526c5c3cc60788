"""What the documents on security name exists: a defence whose test was renamed or removed is a claim."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [str(path.relative_to(ROOT)) for path in (ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md")))]


def names_there_are() -> set[str]:
    pattern = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
    return {name for path in (ROOT / "tests").rglob("*.py") for name in pattern.findall(path.read_text())}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_a_document_names_exists(document: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / document).read_text()))
    assert named - names_there_are() == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_of_tests_that_a_document_names_exists(document: str) -> None:
    named = set(re.findall(r"`((?:tests|web)/[\w/.-]+\.(?:py|ts))`", (ROOT / document).read_text()))
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_attack_has_a_test() -> None:
    text = (ROOT / "docs/design/threats.md").read_text()
    text = re.sub(r"<!-- made by benchmarks.*?<!-- end -->", "", text, flags=re.DOTALL)  # figures, no attacks
    rows = [
        line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| attack |", "| asset "))
    ]
    attacks = rows[8:]
    assert len(attacks) >= 30
    assert [row for row in attacks if "`test_" not in row] == []
