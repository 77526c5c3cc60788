from pathlib import Path

import pytest

from slidewire.control.intents import Intent, Point, Verb
from slidewire.host.decks.keys.keymaps import (
    CLICKS,
    EVINCE,
    GENERIC,
    GOOGLE_SLIDES,
    IMPRESS,
    KEY_MAPS,
    KEYNOTE,
    MUPDF,
    POWERPOINT,
    REVEAL,
    KeyMap,
    Target,
)
from slidewire.host.desktop.focus import Window
from slidewire.host.desktop.geometry import Rectangle, monitor_of, picture_in, pixel
from slidewire.host.desktop.keyboard import CHARACTERS, DIGITS, Button, Key
from slidewire.host.desktop.pynput import keyboard as pynput_keyboard
from slidewire.host.desktop.x11 import keyboard as x11

SCREEN = Rectangle(0, 0, 1920, 1080)


def window(wm_class: str = "", title: str = "", process: str = "", *, full_screen: bool = False) -> Window:
    return Window(1, title, wm_class, process, SCREEN, full_screen)


# Impress, Writer, Evince, MuPDF and xterm are as seen under Debian 12; the others as their makers' documents have them.
SEEN: list[tuple[Window, KeyMap | None, bool]] = [
    (window("soffice Soffice", "Presenting: talk", full_screen=True), IMPRESS, True),
    (window("soffice Soffice", "Präsentation: Vortrag", full_screen=True), IMPRESS, True),
    (window("libreoffice libreoffice-impress", "talk.odp - LibreOffice Impress"), IMPRESS, False),
    (window("libreoffice libreoffice-impress", "talk.odp - LibreOffice Impress", full_screen=True), IMPRESS, False),
    (window("libreoffice libreoffice-writer", "letter.odt - LibreOffice Writer", full_screen=True), None, False),
    (window("soffice Soffice", "Save Document?"), None, False),
    (window("evince Evince", "talk.pdf", "evince", full_screen=True), EVINCE, True),
    (window("evince Evince", "talk.pdf", "evince"), EVINCE, False),
    (window("mupdf MuPDF", "talk.pdf - 1/5 (100 dpi)", full_screen=True), MUPDF, True),
    (window("powerpnt.exe powerpnt.exe", "PowerPoint Slide Show - [talk.pptx]"), POWERPOINT, True),
    (window("", "talk.pptx - PowerPoint", "POWERPNT.EXE"), POWERPOINT, False),
    (window("", "talk.key", "Keynote", full_screen=True), KEYNOTE, True),
    (window("chromium Chromium", "Talk - Google Slides - Chromium", full_screen=True), GOOGLE_SLIDES, True),
    (window("chromium Chromium", "Talk - Google Slides - Chromium"), GOOGLE_SLIDES, False),
    # Full screen says nothing of a deck in these, so nobody types there unasked.
    (window("chromium Chromium", "Team chat - Chromium", full_screen=True), None, False),
    (window("firefox Navigator", "reveal.js – The HTML presentation framework", full_screen=True), None, False),
    (window("xterm XTerm", "root@host: ~", full_screen=True), None, False),
]


@pytest.mark.parametrize(
    ("seen", "key_map", "showing"),
    SEEN,
    ids=lambda it: f"{it.title} {it.full_screen}" if isinstance(it, Window) else "",
)
def test_a_window_is_recognised_for_what_it_is(seen: Window, key_map: KeyMap | None, showing: bool) -> None:
    sighting = Target().recognise(seen)
    if key_map is None:
        assert sighting is None
    else:
        assert sighting is not None and (sighting.key_map, sighting.showing) == (key_map, showing)


def test_a_window_that_the_user_names_gets_its_programs_map_or_the_one_that_all_obey() -> None:
    reveal = Target("reveal").recognise(window("firefox Navigator", "reveal.js", full_screen=True))
    viewer = Target("^MyViewer").recognise(window("my My", "MyViewer 2.0"))
    assert reveal is not None and reveal.key_map is REVEAL and reveal.showing
    assert viewer is not None and viewer.key_map is GENERIC and viewer.showing
    assert Target("^MyViewer").recognise(window("my My", "Somebody's chat")) is None


def test_naming_an_editor_does_not_make_it_a_show() -> None:
    editor = window("libreoffice libreoffice-impress", "talk.odp - LibreOffice Impress")
    sighting = Target("talk.odp").recognise(editor)
    assert sighting is not None and not sighting.showing


def test_a_key_map_can_be_chosen_for_a_named_window() -> None:
    sighting = Target("kiosk", "clicks").recognise(window("kiosk Kiosk", "anything"))
    assert sighting is not None and sighting.key_map is CLICKS


def test_the_allow_list_is_exactly_this() -> None:
    assert {key.name for key in Key} == {
        "PAGE_DOWN", "PAGE_UP", "RIGHT", "LEFT", "UP", "DOWN", "HOME", "END", "SPACE", "BACKSPACE", "RETURN", "ESCAPE",
        "F5", "B", "G", "W", "PERIOD", "COMMA", *(f"DIGIT_{digit}" for digit in range(10)),
    }  # fmt: skip
    assert {button.name for button in Button} == {"LEFT", "RIGHT"}


def test_each_adapter_knows_every_key_and_no_other() -> None:
    assert set(x11.KEYSYMS) == set(Key)
    assert set(pynput_keyboard.NAMES) | set(CHARACTERS) == set(Key)
    assert set(x11.BUTTONS) == set(Button)


@pytest.mark.parametrize("key_map", KEY_MAPS, ids=lambda key_map: key_map.name)
def test_every_row_can_go_forward_and_back_and_types_only_allowed_keys(key_map: KeyMap) -> None:
    assert key_map.can >= {"next", "previous"}
    for verb in Verb:
        steps = key_map.steps(Intent(verb, 65535 if verb is Verb.GOTO else 0))
        assert steps is None or (steps and all(isinstance(step, Key | Button) for step in steps))
        assert (steps is not None) == (verb.word in key_map.can)


def test_goto_types_the_number_of_the_slide() -> None:
    digits = (DIGITS[1], DIGITS[0], DIGITS[7])
    assert IMPRESS.steps(Intent(Verb.GOTO, 107)) == (*digits, Key.RETURN)
    assert MUPDF.steps(Intent(Verb.GOTO, 107)) == (*digits, Key.G)
    assert REVEAL.steps(Intent(Verb.GOTO, 107)) == (Key.G, *digits, Key.RETURN)
    assert GENERIC.steps(Intent(Verb.GOTO, 107)) is None


def test_keys_that_would_do_harm_in_a_program_are_not_in_its_row() -> None:
    used = {row.name: {step for steps in row.keys.values() for step in steps} for row in KEY_MAPS}
    assert Key.PERIOD not in used["Keynote"]  # ends the show
    assert Key.F5 not in used["Google Slides"]  # loads the page anew
    assert Key.B not in used["MuPDF"]  # goes back a page
    assert Key.W not in used["pdfpc"]  # leaves the full screen


@pytest.mark.parametrize(
    ("area", "aspect", "picture"),
    [
        (Rectangle(0, 0, 1920, 1080), None, Rectangle(0, 0, 1920, 1080)),
        (Rectangle(0, 0, 1920, 1080), 16 / 9, Rectangle(0, 0, 1920, 1080)),
        (Rectangle(0, 0, 1920, 1080), 4 / 3, Rectangle(240, 0, 1440, 1080)),
        (Rectangle(1920, 0, 1280, 1024), 16 / 9, Rectangle(1920, 152, 1280, 720)),
        (Rectangle(0, 0, 0, 0), 4 / 3, Rectangle(0, 0, 0, 0)),
    ],
)
def test_a_slide_is_letterboxed_in_the_middle_of_its_window(
    area: Rectangle, aspect: float | None, picture: Rectangle
) -> None:
    assert picture_in(area, aspect) == picture


def test_a_laser_position_is_a_pixel_of_the_picture() -> None:
    picture = Rectangle(240, 0, 1440, 1080)
    assert pixel(Point(0.0, 0.0), picture) == (240, 0)
    assert pixel(Point(0.5, 0.5), picture) == (960, 540)
    assert pixel(Point(1.0, 1.0), picture) == (1679, 1079)


def test_a_window_is_on_the_monitor_that_shows_most_of_it() -> None:
    left, right = Rectangle(0, 0, 1920, 1080), Rectangle(1920, 0, 1280, 1024)
    assert monitor_of(Rectangle(1800, 10, 400, 300), [left, right]) == right
    assert monitor_of(Rectangle(-50, -50, 400, 300), [left, right]) == left
    assert monitor_of(Rectangle(5000, 0, 10, 10), [left, right]) is None


def test_the_guide_tells_of_each_program_what_it_obeys_and_whether_it_has_to_be_named() -> None:
    guide = (Path(__file__).parents[4] / "docs/guides/decks.md").read_text()
    told = {name: row for row in guide.splitlines() if row.startswith("| ") for name in [row[2:].partition(" | ")[0]]}
    for key_map in KEY_MAPS:
        if key_map is not CLICKS:  # which nobody can choose on the command line
            obeyed = ", ".join(verb.word for verb in Verb if verb in key_map.keys)
            assert told[key_map.name] == f"| {key_map.name} | {obeyed} | {'yes ' if key_map.named_only else ''}|"
