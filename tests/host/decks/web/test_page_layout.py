from __future__ import annotations

import pytest

from slidewire.host.decks.web.page_layout import Box, Sample, Side, find_side, may_have_notes, side_in_metadata


@pytest.mark.parametrize(
    ("size", "may"),
    [
        ((726, 272), True),  # beamer's 4:3, twice
        ((907, 255), True),  # its 16:9
        ((960, 540), False),
        ((1024, 768), False),
        ((2560, 1080), False),  # a wide screen: half of it is no slide
        ((595, 842), False),
        ((100, 0), False),
    ],
)
def test_pages_that_may_be_a_slide_beside_its_notes(size: tuple[float, float], may: bool) -> None:
    assert may_have_notes([size, size]) is may
    assert not may_have_notes([size, (960, 540)]), "all of them, or none"


def test_no_pages_have_no_notes() -> None:
    assert not may_have_notes([])


SLIDE = (0.05, 0.4)
NOTE = (0.55, 0.9)


@pytest.mark.parametrize(
    ("samples", "side"),
    [
        ([Sample([SLIDE, NOTE], "Title", "Say it")], Side.RIGHT),
        ([Sample([SLIDE, NOTE], "Title", "Title Say it")], Side.RIGHT),
        ([Sample([SLIDE, NOTE], "Title Say it", "Title")], Side.LEFT),
        ([Sample([SLIDE, NOTE], "Title Say it", "Title"), Sample([], "", "")], Side.LEFT),
        ([Sample([SLIDE, NOTE], "A", "B"), Sample([(0.3, 0.7)], "A title", "across")], Side.NONE),
        ([Sample([(0.0, 0.5), (0.5, 1.0)], "A", "B")], Side.RIGHT),
        ([Sample([(0.0, 0.505)], "A", "B")], Side.RIGHT),
    ],
)
def test_where_the_notes_are(samples: list[Sample], side: Side) -> None:
    assert find_side(samples) is side


def test_the_slide_is_the_other_half() -> None:
    halves = {
        Side.RIGHT: Box(0, 0, 0.5, 1),
        Side.LEFT: Box(0.5, 0, 1, 1),
        Side.TOP: Box(0, 0, 1, 0.5),
        Side.BOTTOM: Box(0, 0.5, 1, 1),
        Side.NONE: Box(0, 0, 1, 1),
    }
    assert {side: side.slide for side in Side} == halves
    assert Side.NONE.notes is None and Side.LEFT.notes == Box(0, 0, 0.5, 1)


def test_what_the_document_says_of_itself() -> None:
    assert side_in_metadata(b"x<pdfpc:NotesPosition>right</pdfpc:NotesPosition>y") is Side.RIGHT
    assert side_in_metadata(b"<pdfpc:NotesPosition>everywhere</pdfpc:NotesPosition>") is None
    assert side_in_metadata(b"%PDF-1.7") is None
