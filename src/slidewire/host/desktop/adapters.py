"""Which adapter serves which port on this machine's desktop, and what to do where none does.

A port is one thing that the host does on a desktop: typing, seeing which window is in front, pointing above the slides,
looking at a monitor or at a window. An adapter does it on some systems. To add one: a file of its own, and a row here.
Adapters are imported when they are opened and not before, so that a host without a desktop needs none of their
libraries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, ParamSpec, TypeVar

from slidewire.host.desktop.environment import EVERY_SYSTEM, System, has_desktop, this_system, x11_display
from slidewire.host.desktop.errors import DesktopError, ScreenError
from slidewire.host.desktop.focus import Focus
from slidewire.host.desktop.geometry import Rectangle
from slidewire.host.desktop.inhibitor import Inhibitor
from slidewire.host.desktop.keyboard import Keyboard
from slidewire.host.desktop.mss.probe import probe as probe_mss
from slidewire.host.desktop.overlay import Overlay
from slidewire.host.desktop.pynput.probe import probe as probe_pynput
from slidewire.host.desktop.screen_source import WHOLE_SCREEN, Screen, ScreenSource
from slidewire.host.desktop.x11.probe import probe as probe_x11

if TYPE_CHECKING:
    from slidewire.host.desktop.x11.connection import XServer

P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Adapter(Generic[P, T_co]):
    """One way to serve a port."""

    name: str
    systems: frozenset[System]
    probe: Callable[[str | None], str | None]
    """None if it works here; else why not, and what to do about it. It has no side effects. Its argument names an X11
    display, if it is not that of this session."""
    open: Callable[P, T_co]


@dataclass(frozen=True, slots=True)
class Port(Generic[P, T_co]):
    """The adapters that serve one port, the preferred one first."""

    adapters: tuple[Adapter[P, T_co], ...]
    absent: str
    """What is said on a system that no adapter is for."""

    def probe(self, display: str | None = None) -> str | None:
        """None if an adapter works here; else why none does, and what to do about it."""
        chosen = self._look(display)
        return chosen if isinstance(chosen, str) else None

    def choose(self, display: str | None = None) -> Adapter[P, T_co]:
        """The first adapter that works here. Raises `DesktopError`."""
        chosen = self._look(display)
        if isinstance(chosen, str):
            raise DesktopError(chosen)
        return chosen

    def _look(self, display: str | None) -> Adapter[P, T_co] | str:
        remedies = []
        for adapter in self.adapters:
            if this_system() in adapter.systems:
                remedy = adapter.probe(display)
                if remedy is None:
                    return adapter
                remedies.append(remedy)
        return remedies[0] if remedies else self.absent


class Session:
    """What the adapters of one desktop share: a connection to the window system, made when it is first wanted. Typing
    and looking go by the same one, since the other would wait while the desktop is held still."""

    def __init__(self, loop: asyncio.AbstractEventLoop, display: str | None) -> None:
        self.loop = loop
        self._display = display
        self._x11: XServer | None = None

    def x11(self) -> XServer:
        if self._x11 is None:
            from slidewire.host.desktop.x11.connection import XServer

            self._x11 = XServer(self._display)
        return self._x11

    def watch(self) -> None:
        """Deliver the desktop's events from now on."""
        if self._x11 is not None:
            self._x11.watch(self.loop)

    def close(self) -> None:
        if self._x11 is not None:
            self._x11.close()


@dataclass(frozen=True, slots=True)
class Desktop:
    """Keys, pointer and windows of one desktop."""

    keyboard: Keyboard
    focus: Focus
    close: Callable[[], None]


def open_desktop(
    loop: asyncio.AbstractEventLoop, changed: Callable[[], None] = lambda: None, display: str | None = None
) -> Desktop:
    """The desktop this program runs in, or the X11 display of that name. Raises `DesktopError`. `changed` is called on
    the event loop when its windows may be others than before."""
    keyboard, focus = KEYBOARD.choose(display), FOCUS.choose(display)
    session = Session(loop, display)
    try:
        desktop = Desktop(keyboard.open(session), focus.open(session, changed), session.close)
    except BaseException:
        session.close()
        raise
    session.watch()
    return desktop


def probe_desktop() -> str | None:
    """None if `open_desktop` can work here; else why not, and what to do about it."""
    return KEYBOARD.probe() or FOCUS.probe()


def open_overlay(
    loop: asyncio.AbstractEventLoop,
    area: Callable[[], Rectangle | None] = lambda: None,
    aspect: float | None = None,
    display: str | None = None,
) -> Overlay:
    """An overlay for this desktop. Raises `DesktopError`.

    `area` answers where the deck's window is, asked whenever the dot appears; None: the whole primary monitor.
    `aspect` is the slides' width / height; None: they fill that window. `display` is an X11 name.
    """
    adapter = OVERLAY.choose(display)
    session = Session(loop, display)  # its own: nothing waits behind a move of the dot
    try:
        overlay = adapter.open(session, area, aspect)
    except BaseException:
        session.close()
        raise
    session.watch()
    return overlay


def open_screen(choice: str = WHOLE_SCREEN, display: str | None = None) -> ScreenSource:
    """`screen` for all monitors, a monitor's number from 1, or a part of a window's title. `display` is an X11 name.
    Raises `ScreenError`; it is looked at once, so that what cannot work is said now."""
    if (remedy := MONITORS.probe(display)) is not None:
        raise ScreenError(remedy)
    if choice == WHOLE_SCREEN or choice.isdecimal():
        source = MONITORS.choose(display).open(choice, display)
    elif (remedy := WINDOWS.probe(display)) is not None:
        there = ", ".join(f"{screen.choice} ({screen.width}×{screen.height})" for screen in list_screens(display))
        raise ScreenError(f"the window {choice!r} cannot be shared: {remedy}. There is {there}")
    else:
        source = WINDOWS.choose(display).open(choice, display)
    try:
        source.grab()
    finally:
        source.close()  # the thread that is going to look opens it anew: some systems' handles belong to one thread
    return source


def list_screens(display: str | None = None) -> list[Screen]:
    """What there is to share: all monitors, each monitor and, where that can be, each window. Raises `ScreenError`."""
    if (remedy := MONITORS.probe(display)) is not None:
        raise ScreenError(remedy)
    from slidewire.host.desktop.mss.monitors import list_monitors

    found = list_monitors(display)
    if WINDOWS.probe(display) is None:
        from slidewire.host.desktop.x11.window_screen import list_windows

        found += list_windows(display)
    return found


# The adapters


def _x11_keyboard(session: Session) -> Keyboard:
    from slidewire.host.desktop.x11.keyboard import XKeyboard

    return XKeyboard(session.x11())


def _pynput_keyboard(session: Session) -> Keyboard:
    from slidewire.host.desktop.pynput.keyboard import PynputKeyboard

    return PynputKeyboard()


def _x11_focus(session: Session, changed: Callable[[], None]) -> Focus:
    from slidewire.host.desktop.x11.focus import XFocus

    return XFocus(session.x11(), changed)


def _x11_overlay(session: Session, area: Callable[[], Rectangle | None], aspect: float | None) -> Overlay:
    from slidewire.host.desktop.x11.overlay import XOverlay

    return XOverlay(session.x11(), session.loop, area, aspect)


def _mss_monitors(choice: str, display: str | None) -> ScreenSource:
    from slidewire.host.desktop.mss.monitors import MonitorSource

    return MonitorSource(0 if choice == WHOLE_SCREEN else int(choice), display)


def _x11_window(choice: str, display: str | None) -> ScreenSource:
    from slidewire.host.desktop.x11.window_screen import WindowSource

    return WindowSource(choice, display)


def open_inhibitors(display: str | None = None) -> tuple[Inhibitor, ...]:
    """All that may keep the screen of this desktop on; none where there is no desktop, or none that we know."""
    if this_system() is not System.LINUX or not (has_desktop() or display):
        return ()
    from slidewire.host.desktop.dbus.inhibitor import LOGIN, SCREEN_SAVER, DBusInhibitor

    found: list[Inhibitor] = [DBusInhibitor(SCREEN_SAVER), DBusInhibitor(LOGIN)]
    if x11_display(display) and probe_x11(display, "") is None:
        from slidewire.host.desktop.x11.inhibitor import XInhibitor

        found.append(XInhibitor(display))
    return tuple(found)


_LINUX: Final = frozenset({System.LINUX})
_WINDOWS_AND_MACOS: Final = frozenset({System.WINDOWS, System.MACOS})
_NO_KEYS: Final = (
    "there is no X11 display (DISPLAY is not set): start this inside the session that shows the slides, "
    "or use the web deck, which needs none"
)
_NO_OVERLAY: Final = "there is no X11 display to show a laser dot on: use the laser of the impress or the web deck"

KEYBOARD: Final[Port[[Session], Keyboard]] = Port(
    (
        Adapter("x11", _LINUX, lambda display: probe_x11(display, _NO_KEYS), _x11_keyboard),
        Adapter("pynput", _WINDOWS_AND_MACOS, lambda display: probe_pynput(), _pynput_keyboard),
    ),
    absent="keys cannot be typed on this system: use the impress or the web deck",
)
FOCUS: Final[Port[[Session, Callable[[], None]], Focus]] = Port(
    (Adapter("x11", _LINUX, lambda display: probe_x11(display, _NO_KEYS), _x11_focus),),
    # Keys without a look at the front window would be typed blindly.
    absent="the keys deck cannot see yet which window is in front on this system, and does not type without looking: "
    "use the impress or the web deck",
)
OVERLAY: Final[Port[[Session, Callable[[], Rectangle | None], float | None], Overlay]] = Port(
    (Adapter("x11", _LINUX, lambda display: probe_x11(display, _NO_OVERLAY), _x11_overlay),),
    absent=_NO_OVERLAY,
)
MONITORS: Final[Port[[str, str | None], ScreenSource]] = Port(
    (Adapter("mss", EVERY_SYSTEM, probe_mss, _mss_monitors),),
    absent="the screen cannot be looked at on this system",
)
_WINDOWS_ON_X11: Final = "windows are shared on X11 only: share `screen` or a monitor by its number"
WINDOWS: Final[Port[[str, str | None], ScreenSource]] = Port(
    (Adapter("x11", _LINUX, lambda display: probe_x11(display, _WINDOWS_ON_X11), _x11_window),),
    absent=_WINDOWS_ON_X11,
)
