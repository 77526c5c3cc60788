"""Keys and pointer on X11 by the XTEST extension: to every program they look like the real ones.

A character key is found through the layout in force, with the Shift it needs there (digits on a French keyboard).
"""

from __future__ import annotations

from typing import Any

import xcffib.xtest
from xcffib import xproto

from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.keyboard import CHARACTERS, Button, Key
from slidewire.host.desktop.x11.connection import XServer, translated

KEYSYMS: dict[Key, int] = {
    Key.PAGE_DOWN: 0xFF56,
    Key.PAGE_UP: 0xFF55,
    Key.RIGHT: 0xFF53,
    Key.LEFT: 0xFF51,
    Key.UP: 0xFF52,
    Key.DOWN: 0xFF54,
    Key.HOME: 0xFF50,
    Key.END: 0xFF57,
    Key.BACKSPACE: 0xFF08,
    Key.RETURN: 0xFF0D,
    Key.ESCAPE: 0xFF1B,
    Key.F5: 0xFFC2,
    **{key: ord(character) for key, character in CHARACTERS.items()},
}
SHIFT = 0xFFE1
LOCKS = {0xFFE5, 0xFFE6, 0xFF7F, 0xFF14}
"""Caps, shift, number and scroll lock: modifiers that change none of our keys."""
GROUP_SHIFT = 13
"""Bits 13 and 14 of the modifier state say which of the keyboard's layouts is in force (XKB)."""
BUTTONS = {Button.LEFT: 1, Button.RIGHT: 3}
PRESS, RELEASE, BUTTON_PRESS, BUTTON_RELEASE, MOTION = 2, 3, 4, 5, 6
CURRENT_TIME = 0


class XKeyboard:
    """The keyboard and pointer of one display."""

    def __init__(self, server: XServer) -> None:
        self._server = server
        self._xtest: Any = server.extension(xcffib.xtest.key, "XTEST")
        self._layout: dict[tuple[int, int], int] = {}
        """(keysym, column of the keyboard map) to key code; columns are two to a layout, plain and shifted."""
        self._modifiers = 0xFF
        """The bits of the modifier state that would make another key of ours: all but those of the locks."""
        self._read_layout()
        server.listeners.append(self._on_event)

    def _on_event(self, event: Any) -> None:
        if isinstance(event, xproto.MappingNotifyEvent) and event.request != xproto.Mapping.Pointer:
            with translated():
                self._read_layout()

    def _read_layout(self) -> None:
        setup = self._server.connection.get_setup()
        first, count = setup.min_keycode, setup.max_keycode - setup.min_keycode + 1
        keys = self._server.core.GetKeyboardMapping(first, count)
        modifiers = self._server.core.GetModifierMapping()
        keys, modifiers = keys.reply(), modifiers.reply()
        width = keys.keysyms_per_keycode
        symbols = list(keys.keysyms)
        self._layout = {}
        for at, symbol in enumerate(symbols):
            self._layout.setdefault((symbol, at % width), first + at // width)
        self._modifiers = 0xFF
        for at, code in enumerate(list(modifiers.keycodes)):
            row = (code - first) * width
            if code and LOCKS.intersection(symbols[row : row + width]):
                self._modifiers &= ~(1 << (at // modifiers.keycodes_per_modifier))

    def _state(self) -> int:
        state = int(self._server.core.QueryPointer(self._server.root).reply().mask)
        self._server.pump()  # a change of layout that came before this answer is known now
        return state

    def _codes(self, key: Key) -> tuple[int, ...] | None:
        """The key codes to press, in order, or None if the layout in force does not have this key."""
        column = 2 * (self._state() >> GROUP_SHIFT & 3)
        symbol = KEYSYMS[key]
        plain = self._layout.get((symbol, column))
        if plain is not None:
            return (plain,)
        shift, shifted = self._layout.get((SHIFT, 0)), self._layout.get((symbol, column + 1))
        return (shift, shifted) if shift is not None and shifted is not None else None

    @translated()
    def can_type(self, key: Key) -> bool:
        return self._codes(key) is not None

    @translated()
    def modifiers_held(self) -> bool:
        return bool(self._state() & self._modifiers)

    @translated()
    def press(self, key: Key) -> None:
        codes = self._codes(key)
        if codes is None:
            raise DesktopError(f"the keyboard layout in force has no key for {key.name.lower()}: switch the layout")
        pressed: list[int] = []
        try:
            for code in codes:
                pressed.append(code)
                self._fake(PRESS, code)
        finally:
            for code in reversed(pressed):
                self._fake(RELEASE, code)
            self._server.connection.flush()

    @translated()
    def click(self, button: Button) -> None:
        number = BUTTONS[button]
        try:
            self._fake(BUTTON_PRESS, number)
        finally:
            self._fake(BUTTON_RELEASE, number)
            self._server.connection.flush()

    @translated()
    def move(self, x: int, y: int) -> None:
        self._fake(MOTION, 0, x, y)
        self._server.connection.flush()

    def _fake(self, kind: int, detail: int, x: int = 0, y: int = 0) -> None:
        self._xtest.FakeInput(kind, detail, CURRENT_TIME, self._server.root, x, y, 0)
