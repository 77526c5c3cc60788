"""Where on a PDF's pages the slide is, and where notes are beside it.

LaTeX's beamer, and others after it, make pages twice as wide as a slide: the slide in one half, what the speaker wants
to read in the other. No audience is to see that, so such pages are recognized by themselves, as pympress does it by
their shape. A deck for one very wide screen has that shape, too: in it, some text or picture lies across the middle.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

NARROWEST: Final = 1.2
"""Width to height of half a page that may be a slide: 5:4 is the narrowest format of a screen."""
ACROSS: Final = 0.01
"""So much of the width, on both sides of the middle, lies what lies across it."""


class Side(StrEnum):
    """Where each page has its notes."""

    NONE = "none"
    RIGHT = "right"
    LEFT = "left"
    TOP = "top"
    BOTTOM = "bottom"

    @classmethod
    def read(cls, word: str) -> Self | None:
        """None for a word that is not known."""
        return next((side for side in cls if side == word.lower()), None)

    @property
    def slide(self) -> Box:
        """Where the slide is then."""
        return _SLIDE[self]

    @property
    def notes(self) -> Box | None:
        """Where the notes are; None: nowhere."""
        return _NOTES.get(self)


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a page, in fractions of it from its lower left corner."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.top - self.bottom


_WHOLE: Final = Box(0, 0, 1, 1)
_LEFT, _RIGHT, _LOWER, _UPPER = Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1), Box(0, 0, 1, 0.5), Box(0, 0.5, 1, 1)
_SLIDE: Final = {Side.NONE: _WHOLE, Side.RIGHT: _LEFT, Side.LEFT: _RIGHT, Side.TOP: _LOWER, Side.BOTTOM: _UPPER}
_NOTES: Final = {Side.RIGHT: _RIGHT, Side.LEFT: _LEFT, Side.TOP: _UPPER, Side.BOTTOM: _LOWER}


@dataclass(frozen=True, slots=True)
class Sample:
    """A page, as far as it says whether it has notes."""

    spans: Sequence[tuple[float, float]]
    """From where to where its texts and pictures go, in fractions of the width."""
    left: str
    right: str
    """The text in each half."""


def may_have_notes(sizes: Sequence[tuple[float, float]]) -> bool:
    """Whether pages of these sizes, all of them, can be a slide and its notes side by side."""
    return bool(sizes) and all(high > 0 and wide / high / 2 >= NARROWEST for wide, high in sizes)


def find_side(samples: Sequence[Sample]) -> Side:
    """Where pages of such a shape have their notes."""
    if any(start < 0.5 - ACROSS and end > 0.5 + ACROSS for sample in samples for start, end in sample.spans):
        return Side.NONE
    # A page of notes shows its slide once more, small, so it has the slide's words.
    left_repeats, right_repeats = (
        sum(_repeats(half, other) for half, other in halves)
        for halves in (
            [(sample.left, sample.right) for sample in samples],
            [(sample.right, sample.left) for sample in samples],
        )
    )
    return Side.LEFT if left_repeats > right_repeats else Side.RIGHT


def _repeats(half: str, other: str) -> bool:
    """Whether this half has all the words of the other one, and more."""
    words, others = half.split(), other.split()
    return bool(others) and len(words) > len(others) and set(others) <= set(words)


def side_in_metadata(pdf: bytes) -> Side | None:
    """What the LaTeX package of pdfpc writes into the document's XMP."""
    found = re.search(rb"pdfpc:NotesPosition>\s*([a-z]{1,10})\s*<", pdf, flags=re.IGNORECASE)
    return None if found is None else Side.read(found[1].decode())
