"""Keys and pointer on Windows and macOS by the library pynput (which can also drive X11, where it is tested)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.keyboard import CHARACTERS, Button, Key

NAMES: dict[Key, str] = {
    Key.PAGE_DOWN: "page_down",
    Key.PAGE_UP: "page_up",
    Key.RIGHT: "right",
    Key.LEFT: "left",
    Key.UP: "up",
    Key.DOWN: "down",
    Key.HOME: "home",
    Key.END: "end",
    Key.SPACE: "space",
    Key.BACKSPACE: "backspace",
    Key.RETURN: "enter",
    Key.ESCAPE: "esc",
    Key.F5: "f5",
}
"""pynput's names of the keys; those that are not here are its characters."""


class PynputKeyboard:
    """The keyboard and pointer of this desktop."""

    def __init__(self) -> None:
        try:
            keyboard: Any = import_module("pynput.keyboard")
            mouse: Any = import_module("pynput.mouse")
        except ImportError as error:
            raise DesktopError(f"the Python library pynput cannot be used ({error}): pip install pynput") from None
        self._keyboard: Any = keyboard.Controller()
        self._mouse: Any = mouse.Controller()
        self._keys: dict[Key, Any] = {key: getattr(keyboard.Key, name) for key, name in NAMES.items()} | {
            key: keyboard.KeyCode.from_char(character) for key, character in CHARACTERS.items() if key not in NAMES
        }
        self._buttons = {Button.LEFT: mouse.Button.left, Button.RIGHT: mouse.Button.right}

    def can_type(self, key: Key) -> bool:
        return key in self._keys

    def modifiers_held(self) -> bool:
        """pynput knows only the modifiers that it pressed itself, so this adapter cannot tell."""
        return False

    def is_grabbed(self) -> bool:
        """It cannot tell this either."""
        return False

    def press(self, key: Key) -> None:
        code = self._keys[key]
        try:
            self._keyboard.press(code)
        finally:
            self._keyboard.release(code)

    def click(self, button: Button) -> None:
        code = self._buttons[button]
        try:
            self._mouse.press(code)
        finally:
            self._mouse.release(code)

    def move(self, x: int, y: int) -> None:
        self._mouse.position = (x, y)
