"""X servers for tests, on display numbers of their own, and windows on them that remember which keys they got."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import xcffib
import xcffib.xkb
import xcffib.xproto as xproto
import xcffib.xtest
from PIL import Image

PATIENCE = 10.0
NAMES = {
    0xFF56: "PageDown", 0xFF55: "PageUp", 0xFF53: "Right", 0xFF51: "Left", 0xFF50: "Home", 0xFF57: "End",
    0xFF0D: "Return", 0xFF1B: "Escape", 0xFFC2: "F5", 0xFF08: "BackSpace", 0xFF52: "Up", 0xFF54: "Down",
}  # fmt: skip
"""Names of keysyms; a printable character names itself."""


def until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait for something that another process does, and fail if it does not."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain: {what}"
        time.sleep(0.005)


@contextmanager
def x_server(size: str = "1280x720", *, window_manager: bool = True, arguments: tuple[str, ...] = ()) -> Iterator[str]:
    """An Xvfb, with openbox on it if wanted; its display's name."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen([*command, *arguments], pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    processes = [server]
    try:
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
        assert number, "Xvfb did not start"
        display = f":{number}"
        if window_manager:
            quiet = subprocess.DEVNULL
            environment = {**os.environ, "DISPLAY": display}
            processes.append(subprocess.Popen(["openbox"], env=environment, stdout=quiet, stderr=quiet))
            until(lambda: _is_managed(display), "openbox manages windows")
        yield display
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(PATIENCE)


def _is_managed(display: str) -> bool:
    """Whether the window manager is at work: it says that it is there before it takes care of new windows."""
    with x_client(display) as client:
        if not client.numbers(client.root, "_NET_SUPPORTING_WM_CHECK"):
            return False
        probe = int(client.connection.generate_id())
        client.core.CreateWindow(0, probe, client.root, 0, 0, 9, 9, 0, xproto.WindowClass.InputOutput, 0, 0, [])
        client.core.MapWindow(probe)
        deadline = time.monotonic() + 0.2
        while not (managed := client.numbers(probe, "WM_STATE")) and time.monotonic() < deadline:
            time.sleep(0.005)
        return bool(managed)


class Keymap:
    """The keyboard as programs see it: by Xlib."""

    def __init__(self, display: str) -> None:
        self._x = ctypes.CDLL("libX11.so.6")
        self._x.XOpenDisplay.restype = self._x.XkbGetMap.restype = ctypes.c_void_p
        self._display = ctypes.c_void_p(self._x.XOpenDisplay(display.encode()))
        self._map = ctypes.c_void_p(self._x.XkbGetMap(self._display, 7, 0x100))

    def name(self, code: int, state: int) -> str:
        """What a key means in that state; "" for one that only changes what others mean."""
        left, symbol = ctypes.c_uint(), ctypes.c_ulong()
        self._x.XkbTranslateKeyCode(self._map, code, state, ctypes.byref(left), ctypes.byref(symbol))
        if 0xFFE1 <= symbol.value <= 0xFFEE or 0xFE00 <= symbol.value <= 0xFE13:
            return ""
        return NAMES.get(symbol.value, chr(symbol.value) if symbol.value < 0x100 else hex(symbol.value))

    def close(self) -> None:
        self._x.XCloseDisplay(self._display)


class XClient:
    """Somebody else's program on the display: makes windows, looks at pixels, and has a keyboard of its own."""

    def __init__(self, display: str) -> None:
        connect: Any = xcffib.connect
        self.display = display
        self.connection: Any = connect(display=display)
        self.core = self.connection.core
        self.screen = self.connection.get_setup().roots[0]
        self.root: int = self.screen.root
        self.xtest: Any = self.connection(xcffib.xtest.key)
        self._events: list[Any] = []

    def atom(self, name: str) -> int:
        return int(self.core.InternAtom(False, len(name), name).reply().atom)

    def numbers(self, window: int, name: str) -> list[int]:
        reply = self.core.GetProperty(False, window, self.atom(name), 0, 0, 1024).reply()
        return list(reply.value.to_atoms()) if reply.format == 32 else []

    def focus(self) -> int:
        return int(self.core.GetInputFocus().reply().focus)

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """What is on the screen there: red, green, blue."""
        blue, green, red = bytes(self.core.GetImage(2, self.root, x, y, 1, 1, 0xFFFFFFFF).reply().data.buf())[:3]
        return red, green, blue

    def picture(self) -> Image.Image:
        """The whole screen."""
        width, height = self.screen.width_in_pixels, self.screen.height_in_pixels
        data = bytes(self.core.GetImage(2, self.root, 0, 0, width, height, 0xFFFFFFFF).reply().data.buf())
        return Image.frombytes("RGB", (width, height), data, "raw", "BGRX")

    def fake(self, kind: int, detail: int, x: int = 0, y: int = 0) -> None:
        """A key or button of this program's own XTEST: 2 and 3 press and release a key, 4 and 5 a button, 6 moves."""
        self.xtest.FakeInput(kind, detail, 0, self.root, x, y, 0)
        self.sync()

    def key_code(self, keysym: int) -> int:
        setup = self.connection.get_setup()
        first, count = setup.min_keycode, setup.max_keycode - setup.min_keycode + 1
        reply = self.core.GetKeyboardMapping(first, count).reply()
        return int(first + list(reply.keysyms).index(keysym) // reply.keysyms_per_keycode)

    def lock_group(self, group: int) -> None:
        """Put one of the keyboard's layouts in force, as the desktop's switch does."""
        keyboard: Any = self.connection(xcffib.xkb.key)
        keyboard.UseExtension(1, 0).reply()
        keyboard.LatchLockState(0x100, 0, 0, True, group, 0, False, 0)
        self.sync()

    def group(self) -> int:
        """Which layout is in force."""
        keyboard: Any = self.connection(xcffib.xkb.key)
        keyboard.UseExtension(1, 0).reply()
        return int(keyboard.GetState(0x100).reply().group)

    def screen_saver(self, on: bool) -> None:
        """Switch the server's own one on or off, as its time limit and a touch of the mouse do."""
        self.core.ForceScreenSaver(1 if on else 0)
        self.sync()

    def keys_down(self) -> bool:
        """Whether any key of this display is held down."""
        return any(self.core.QueryKeymap().reply().keys)

    def sync(self) -> None:
        """Whatever was asked or had happened before is done, and its events are here."""
        self.focus()

    def events(self, window: int) -> list[Any]:
        """What happened to a window since the last question."""
        self.sync()
        while (event := self.connection.poll_for_event()) is not None:
            self._events.append(event)
        own = [event for event in self._events if getattr(event, "event", None) == window]
        self._events = [event for event in self._events if event not in own]
        return own


@contextmanager
def x_client(display: str) -> Iterator[XClient]:
    client = XClient(display)
    try:
        yield client
    finally:
        client.connection.disconnect()


class TestWindow:
    """A window that notes its keys and clicks. It is on the screen and, unless told otherwise, in front when made."""

    __test__ = False

    def __init__(
        self,
        client: XClient,
        title: str,
        wm_class: str = "test Test",
        *,
        full_screen: bool = False,
        colour: int = 0x203040,
        area: tuple[int, int, int, int] = (100, 100, 400, 300),
        managed: bool = True,
    ) -> None:
        """`managed`: False for a window that the window manager leaves alone, as menus and screen lockers have."""
        self.client = client
        self.id = int(client.connection.generate_id())
        core = client.core
        mask = (
            xproto.EventMask.KeyPress
            | xproto.EventMask.KeyRelease
            | xproto.EventMask.ButtonPress
            | xproto.EventMask.StructureNotify
        )
        core.CreateWindow(
            client.screen.root_depth, self.id, client.root, *area, 0, xproto.WindowClass.InputOutput,
            client.screen.root_visual,
            xproto.CW.BackPixel | xproto.CW.OverrideRedirect | xproto.CW.EventMask, [colour, not managed, mask],
        )  # fmt: skip
        self.rename(title)
        name = wm_class.replace(" ", "\0").encode() + b"\0"
        core.ChangeProperty(0, self.id, xproto.Atom.WM_CLASS, xproto.Atom.STRING, 8, len(name), name)
        # Ask for the keyboard (ICCCM: the input hint), else a window manager may not give it.
        core.ChangeProperty(0, self.id, xproto.Atom.WM_HINTS, xproto.Atom.WM_HINTS, 32, 9, [1, 1] + [0] * 7)
        if full_screen:
            state = [client.atom("_NET_WM_STATE_FULLSCREEN")]
            core.ChangeProperty(0, self.id, client.atom("_NET_WM_STATE"), xproto.Atom.ATOM, 32, 1, state)
        core.MapWindow(self.id)
        client.sync()
        if managed and client.numbers(client.root, "_NET_SUPPORTING_WM_CHECK"):
            until(lambda: client.focus() == self.id, f"{title!r} is in front")

    def rename(self, title: str) -> None:
        text, utf8 = title.encode(), self.client.atom("UTF8_STRING")
        self.client.core.ChangeProperty(0, self.id, self.client.atom("_NET_WM_NAME"), utf8, 8, len(text), text)
        self.client.sync()

    def grab_keyboard(self) -> None:
        """Take every key, as a screen locker and an open menu do."""
        assert self.client.core.GrabKeyboard(True, self.id, 0, 1, 1).reply().status == 0

    def release_keyboard(self) -> None:
        self.client.core.UngrabKeyboard(0)
        self.client.sync()

    def keys(self) -> list[str]:
        """Which keys were pressed in this window since the last question, with what Shift made of them."""
        return [self._name(event) for event in self._events(xproto.KeyPressEvent)]

    def typed(self) -> list[str]:
        """What a program makes of the keys since the last question, each in the layout of that moment."""
        keymap = Keymap(self.client.display)
        try:
            named = [keymap.name(event.detail, event.state) for event in self._events(xproto.KeyPressEvent)]
        finally:
            keymap.close()
        return [name for name in named if name]

    def key_events(self) -> list[str]:
        """Every press (+) and release (-)."""
        signs = {xproto.KeyPressEvent: "+", xproto.KeyReleaseEvent: "-"}
        return [signs[type(event)] + self._name(event) for event in self._events(tuple(signs))]

    def next_clicks(self, count: int) -> list[int]:
        """That many clicks, once they are here: they pass through the hands of the window manager first."""
        clicks: list[int] = []

        def arrived() -> bool:
            clicks.extend(self.clicks())
            return len(clicks) >= count

        until(arrived, f"{count} clicks arrive")
        return clicks

    def clicks(self) -> list[int]:
        """Which mouse buttons were pressed in this window since the last question."""
        return [event.detail for event in self._events(xproto.ButtonPressEvent)]

    def _events(self, kind: Any) -> list[Any]:
        return [event for event in self.client.events(self.id) if isinstance(event, kind)]

    def _name(self, event: Any) -> str:
        reply = self.client.core.GetKeyboardMapping(event.detail, 1).reply()
        symbol = list(reply.keysyms)[event.state & xproto.ModMask.Shift]
        return NAMES.get(symbol, chr(symbol) if symbol < 0x100 else hex(symbol))

    def close(self) -> None:
        self.client.core.DestroyWindow(self.id)
        self.client.sync()
