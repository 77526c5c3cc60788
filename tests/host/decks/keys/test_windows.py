"""Two screens: the audience's window is the deck, the speaker's console only takes keys."""

import pytest

from slidewire.host.decks.keys.keymaps import Sighting, Target
from slidewire.host.decks.keys.windows import Recipient, find_recipient, find_shows
from slidewire.host.desktop.focus import Window
from slidewire.host.desktop.geometry import Rectangle

LAPTOP, PROJECTOR = Rectangle(0, 0, 1280, 720), Rectangle(1280, 0, 1280, 720)


def seen(
    title: str, wm_class: str, area: Rectangle = LAPTOP, *, full_screen: bool = True, process: str = ""
) -> Sighting:
    found = Target().recognise(Window(hash(title + wm_class), title, wm_class, process, area, full_screen))
    assert found is not None
    return found


PAIRS = {
    # As they are on two screens, the console in front: Impress 7.4, pdfpc 4.6.
    "Impress": (
        seen("talk.odp - LibreOffice Impress", "soffice Soffice"),
        seen("Presenting: talk", "soffice Soffice", PROJECTOR),
    ),
    "Impress, German": (
        seen("talk - LibreOffice Impress", "soffice Soffice"),
        seen("Präsentation: talk", "soffice Soffice", PROJECTOR),
    ),
    "pdfpc": (
        seen("pdfpc - presenter (talk.pdf)", "pdfpc Pdfpc", full_screen=False),
        seen("pdfpc - presentation (talk.pdf)", "pdfpc Pdfpc", PROJECTOR),
    ),
    "PowerPoint": (
        seen("PowerPoint Presenter View - [talk]", "", process="POWERPNT.EXE"),
        seen("PowerPoint Slide Show - [talk]", "", PROJECTOR, process="POWERPNT.EXE"),
    ),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_the_window_of_the_audience_is_the_deck(pair: tuple[Sighting, Sighting]) -> None:
    console, show = pair
    for order in (pair, pair[::-1]):
        assert find_shows(order) == [show]
        assert find_recipient(None, order) == Recipient(show, show)
        assert find_recipient(show, order) == Recipient(show, show)
        assert find_recipient(console, order) == Recipient(console, show)


def test_a_console_of_another_program_takes_no_keys() -> None:
    console, show = PAIRS["pdfpc"][0], PAIRS["Impress"][1]
    assert find_recipient(console, [console, show]) == Recipient(show, show)


def test_a_title_like_a_consoles_is_none_where_it_is_the_only_show() -> None:
    show = seen("Presenting: What is new - LibreOffice", "soffice Soffice")
    assert show.console
    assert find_recipient(show, [show]) == Recipient(show, show)


def test_a_console_alone_is_no_show_unless_it_fills_the_screen() -> None:
    console = PAIRS["pdfpc"][0]
    assert find_shows([console]) == []
    assert find_recipient(console, [console]) is None
