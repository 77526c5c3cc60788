"""The adapter that serves Windows and macOS, on the one system there is here: the library drives X11 too."""

import importlib
from collections.abc import Iterator

import pytest

from slidewire.host.desktop.keyboard import CHARACTERS, Button, Key
from slidewire.host.desktop.pynput.keyboard import PynputKeyboard
from tests.support.xserver import TestWindow, x_client, x_server

pytestmark = pytest.mark.desktop


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with x_server() as name, pytest.MonkeyPatch.context() as patch:
        # The library opens the display when it is imported.
        patch.setenv("DISPLAY", name)
        patch.setenv("PYNPUT_BACKEND", "xorg")
        importlib.import_module("pynput.keyboard")  # `./test` installs it: without it nothing here is proved
        yield name


def test_it_types_every_key_of_the_allow_list_and_releases_it(display: str) -> None:
    with x_client(display) as others:
        window = TestWindow(others, "anything")
        keyboard = PynputKeyboard()
        for key in Key:
            assert keyboard.can_type(key)
            keyboard.press(key)
            named = {Key.PAGE_DOWN: "PageDown", Key.PAGE_UP: "PageUp", Key.RETURN: "Return", Key.ESCAPE: "Escape"}
            name = CHARACTERS.get(key) or named.get(key) or key.name.capitalize()
            typed: list[str] = []
            while len(typed) < 2:  # the test's own time limit bounds this
                typed += window.key_events()
            assert [it.casefold() for it in typed] == [f"+{name}".casefold(), f"-{name}".casefold()]
            assert not others.keys_down()


def test_it_clicks_where_it_was_told(display: str) -> None:
    with x_client(display) as others:
        window = TestWindow(others, "anything", full_screen=True)
        keyboard = PynputKeyboard()
        keyboard.move(640, 360)
        keyboard.click(Button.LEFT)
        keyboard.click(Button.RIGHT)
        assert window.next_clicks(2) == [1, 3]


def test_what_is_not_on_the_list_cannot_be_pressed(display: str) -> None:
    with pytest.raises(KeyError):
        PynputKeyboard().press("a")  # type: ignore[arg-type]
