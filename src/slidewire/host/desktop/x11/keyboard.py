"""Keys and pointer on X11 by the XTEST extension: to every program they look like the real ones.

A character key is found through the layout in force, with the Shift it needs there (digits on a French keyboard). What
that layout does not have is typed in another one of the same keyboard, which is in force for that key alone.
"""

from __future__ import annotations

from typing import Any

import xcffib.xkb
import xcffib.xtest
from xcffib import xproto

from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.keyboard import CHARACTERS, Button, Key
from slidewire.host.desktop.x11.connection import XServer, translated
from slidewire.host.desktop.x11.layout import KeySymbols, KeyType, Layout, Stroke

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
LOCKS = {0xFFE5, 0xFFE6, 0xFF7F, 0xFF14}
"""Caps, shift, number and scroll lock: modifiers that may be in force."""
CORE_KEYBOARD = 0x100
BUTTONS = {Button.LEFT: 1, Button.RIGHT: 3}
PRESS, RELEASE, BUTTON_PRESS, BUTTON_RELEASE, MOTION = 2, 3, 4, 5, 6
CURRENT_TIME = 0


class XKeyboard:
    """The keyboard and pointer of one display."""

    def __init__(self, server: XServer) -> None:
        self._server = server
        self._xtest: Any = server.extension(xcffib.xtest.key, "XTEST")
        self._xkb: Any = server.extension(xcffib.xkb.key, "XKEYBOARD")
        self._xkb.UseExtension(1, 0).reply()
        events = xcffib.xkb.EventType.NewKeyboardNotify | xcffib.xkb.EventType.MapNotify
        parts = xcffib.xkb.MapPart.KeyTypes | xcffib.xkb.MapPart.KeySyms | xcffib.xkb.MapPart.ModifierMap
        self._xkb.SelectEvents(CORE_KEYBOARD, events, 0, events, parts, parts, [])
        self._window = self._hidden_window()
        self._layout: tuple[Layout, int] | None = self._read_layout()
        server.listeners.append(self._on_event)

    def _on_event(self, event: Any) -> None:
        # Every event of XKB has the number of its first one.
        if isinstance(event, xproto.MappingNotifyEvent | xcffib.xkb.NewKeyboardNotifyEvent):
            self._layout = None

    def _hidden_window(self) -> int:
        """A window of ours that is never shown."""
        window = int(self._server.connection.generate_id())
        only_input = xproto.WindowClass.InputOnly
        self._server.core.CreateWindow(0, window, self._server.root, 0, 0, 1, 1, 0, only_input, 0, 0, [])
        return window

    def _read_layout(self) -> tuple[Layout, int]:
        setup = self._server.connection.get_setup()
        parts = xcffib.xkb.MapPart.KeyTypes | xcffib.xkb.MapPart.KeySyms
        asked = self._xkb.GetMap(CORE_KEYBOARD, parts, *[0] * 16)
        modifiers = self._server.core.GetModifierMapping()
        keys, modifiers = asked.reply(), modifiers.reply()
        types = [
            KeyType(it.mods_mask, {entry.mods_mask: entry.level for entry in it.map if entry.active})
            for it in keys.types_rtrn
        ]
        symbols = [
            KeySymbols(tuple(types[at] for at in it.kt_index), it.groupInfo, it.width, tuple(it.syms))
            for it in keys.syms_rtrn
        ]
        per_modifier = modifiers.keycodes_per_modifier
        bits: dict[int, int] = {}
        for at, code in enumerate(list(modifiers.keycodes)):
            if code:
                bits[code] = bits.get(code, 0) | 1 << at // per_modifier
        locks = 0
        for code, mask in bits.items():
            if LOCKS.intersection(symbols[code - setup.min_keycode].symbols):
                locks |= mask
        return Layout(symbols, setup.min_keycode, bits), locks

    def _look(self) -> tuple[Any, Layout, int]:
        """The state of the keyboard, its layout, and which modifiers are locks."""
        state = self._xkb.GetState(CORE_KEYBOARD).reply()
        self._server.pump()  # a change of layout that came before this answer is known now
        if self._layout is None:
            self._layout = self._read_layout()
        return state, *self._layout

    def _stroke(self, key: Key) -> Stroke | None:
        """How to type it, or None if no layout of this keyboard has it."""
        state, layout, locks = self._look()
        symbol = KEYSYMS[key]
        # With Caps Lock a letter is a capital, and every program takes that for the same key.
        has_capitals = key in CHARACTERS and state.lockedMods & xproto.ModMask.Lock
        either = (symbol, ord(chr(symbol).upper())) if has_capitals else (symbol,)
        stroke = layout.stroke(either, state.group, state.lockedMods & locks)
        if stroke is not None and stroke.group != state.group and (state.baseGroup or state.latchedGroup):
            return None  # another layout is in force only as long as a key is held: leave that alone
        return stroke

    @translated()
    def can_type(self, key: Key) -> bool:
        return self._stroke(key) is not None

    @translated()
    def modifiers_held(self) -> bool:
        state, _, locks = self._look()
        return bool((state.baseMods | state.latchedMods | state.lockedMods) & ~locks)

    @translated()
    def is_grabbed(self) -> bool:
        # A grab on a window that is not shown cannot succeed, so this changes nothing and no window is told. The server
        # looks first at whether another client has the keyboard, and only then at the window.
        asynchronous = xproto.GrabMode.Async
        grab = self._server.core.GrabKeyboard(False, self._window, CURRENT_TIME, asynchronous, asynchronous)
        return bool(grab.reply().status != xproto.GrabStatus.NotViewable)

    @translated()
    def press(self, key: Key) -> None:
        stroke = self._stroke(key)
        if stroke is None:
            raise DesktopError(f"the keyboard layout in force has no key for {key.name.lower()}: switch the layout")
        state = self._look()[0]
        pressed: list[int] = []
        try:
            if stroke.group != state.group:
                self._lock_group(stroke.group)
            for code in stroke.codes:
                pressed.append(code)
                self._fake(PRESS, code)
        finally:
            for code in reversed(pressed):
                self._fake(RELEASE, code)
            if stroke.group != state.group:
                self._lock_group(state.lockedGroup)
            self._server.connection.flush()

    def _lock_group(self, group: int) -> None:
        self._xkb.LatchLockState(CORE_KEYBOARD, 0, 0, True, group, 0, False, 0)

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
