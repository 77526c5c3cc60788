"""The list of OWASP ASVS 5.0's clauses has each of levels 1 and 2 once, and what it says is met names what shows it.

That the tests it names exist, `test_threats` checks; that its links lead somewhere, `test_documents`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs/design/asvs.md"

# By section, the level of each of its clauses in order; -: level 3, which is not on the list.
CLAUSES = """
1.1 22      1.2 111112222-  1.3 11222222222-  1.4 222     1.5 12-
2.1 122     2.2 112         2.3 1222-         2.4 2-
3.1 -       3.2 11-         3.3 1222-         3.4 112222--  3.5 11122---  3.6 -  3.7 22---
4.1 122--   4.2 2----       4.3 22            4.4 1222
5.1 2       5.2 112---      5.3 11-           5.4 222
6.1 122     6.2 111111112222  6.3 1122----    6.4 1122--  6.5 22222---  6.6 222-  6.7 --  6.8 2222
7.1 222     7.2 1111        7.3 22            7.4 11222   7.5 22-  7.6 22
8.1 12--    8.2 112-        8.3 1--           8.4 2-
9.1 111     9.2 1222
10.1 22     10.2 22-        10.3 2222-        10.4 11111222222-----  10.5 22222  10.6 22  10.7 222
11.1 22--   11.2 222--      11.3 112--        11.4 1222   11.5 2-  11.6 2-  11.7 --
12.1 122--  12.2 11         12.3 2222-
13.1 2---   13.2 22222-     13.3 22--         13.4 12222--
14.1 22     14.2 1222----   14.3 122
15.1 122--  15.2 122--      15.3 1222222      15.4 ----
16.1 2      16.2 22222      16.3 2222         16.4 222    16.5 222-
17.1 2-     17.2 2222----   17.3 22
"""


def clauses() -> dict[str, str]:
    words = CLAUSES.split()
    return {
        f"{section}.{number}": level
        for section, levels in zip(words[::2], words[1::2], strict=True)
        for number, level in enumerate(levels, 1)
        if level != "-"
    }


def rows() -> list[list[str]]:
    lines = re.findall(r"^\| \d+\.\d+\.\d+ \|.*\|$", DOCUMENT.read_text(), re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_clause_stands_there_once_with_its_level() -> None:
    assert len(clauses()) == 253
    assert [(clause, level) for clause, level, *_ in rows()] == list(clauses().items())


def test_each_row_says_what_it_is_about_how_it_stands_and_why() -> None:
    assert [row for row in rows() if len(row) != 5 or not all(row)] == []
    assert {status for _, _, _, status, _ in rows()} == {"met", "not met", "n/a"}


def test_the_counts_in_its_first_lines_are_those_of_its_tables() -> None:
    said = re.search(r"(\d+) of (\d+) are met, (\d+) are not, (\d+) speak", DOCUMENT.read_text())
    assert said is not None
    states = [status for _, _, _, status, _ in rows()]
    counts = (states.count("met"), len(states), states.count("not met"), states.count("n/a"))
    assert tuple(map(int, said.groups())) == counts


@pytest.mark.parametrize("row", [row for row in rows() if row[3] == "met"], ids=lambda row: row[0])
def test_what_is_met_names_a_test_a_file_or_a_document(row: list[str]) -> None:
    files = re.findall(r"`((?:src|tests|tools|web)/[\w./-]+|pyproject\.toml)`", row[4])
    assert re.search(r"`test_\w+`", row[4]) or "](" in row[4] or files
    assert [file for file in files if not (ROOT / file).is_file()] == []
