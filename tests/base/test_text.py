"""Text that somebody else wrote does nothing to who looks at it."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.base.text import json_line, printable


@pytest.mark.parametrize("text", ["", "next", "Ünïcödé 日本 👋", "שלום", "a b", "e\u0301"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\x1b[2Jb", "a\\u001b[2Jb"),
        ("\x9b1m", "\\u009b1m"),
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),
        ("a\nb\rc\x85d\u2028e", "a\\u000ab\\u000dc\\u0085d\\u2028e"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("\ud800", "\\ud800"),
        ("\x00\x7f\u200b\ufeff", "\\u0000\\u007f\\u200b\\ufeff"),
    ],
)
def test_what_controls_or_reorders_is_written_as_a_number(text: str, seen: str) -> None:
    assert printable(text) == seen


@given(st.text(st.characters()))
def test_nothing_is_lost_and_nothing_is_left_that_cannot_be_seen(text: str) -> None:
    assert printable(text).isprintable()
    plain = text.replace("\\", "/").replace('"', "'")
    assert json.loads(f'"{printable(plain)}"') == plain


def test_no_character_that_controls_reorders_or_hides_is_left() -> None:
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        if unicodedata.category(letter) in hidden or letter in "\u034f\u115f\u3164\uffa0":
            assert letter not in printable(letter) and letter not in json_line(letter), hex(code)


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_json_means_what_it_meant(text: str) -> None:
    written = json_line({"name": text})
    assert json.loads(written)["name"] == json.loads(json.dumps(text)) and written.isprintable()
