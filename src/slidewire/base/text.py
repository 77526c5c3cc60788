"""Text from outside, made safe to display."""

from __future__ import annotations

import json
from typing import Any, Final

_UNSEEN: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
"""Fillers and joiners that Unicode counts among the letters and marks."""


def printable(text: str) -> str:
    """With every character that controls or reorders what is displayed as `\\u202e`, in UTF-16 as JSON has it.

    A terminal obeys control characters (also U+0080 to U+009F), and the reader of a log is misled by characters that
    turn the direction of writing, break a line or are not seen. Letters, marks and signs of every script stay.
    """
    if text.isprintable() and _UNSEEN.isdisjoint(text):
        return text
    return "".join(_escaped(each) if not each.isprintable() or each in _UNSEEN else each for each in text)


def json_line(value: Any) -> str:
    """JSON on one line that means the same to a program, and is as safe to look at: such characters are only in its
    strings."""
    return printable(json.dumps(value, ensure_ascii=False))


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
