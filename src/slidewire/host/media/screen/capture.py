"""Looking at a screen: the whole desktop, one monitor, or one window.

A capture takes one picture when it is asked to. What it looks at may vanish or change its size meanwhile: then `grab`
raises `ScreenError`, whose message is for a person, and a later `grab` works again when it can. Screens are read by the
library mss, on X11, macOS and Windows (docs/decisions/0011). It is imported when it is wanted: the host runs without.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from slidewire.aio.clock import monotonic

if TYPE_CHECKING:
    from mss import MSS

SCREEN = "screen"
"""The choice of all monitors together."""
LOOK_ROUND_EVERY = 1.0
"""Seconds after which it is asked again which monitors there are."""
WAYLAND_OUTPUT = "XWAYLAND"
_ADVICE = (
    "allow this program to record the screen (System Settings, Privacy & Security), and look for a newer mss"
    if sys.platform == "darwin"
    else "check DISPLAY and XAUTHORITY, and that this runs as the user whose desktop shows the slides"
)


class ScreenError(Exception):
    """The screen cannot be looked at. The message is for a person: what is wrong, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What was there at one moment."""

    width: int
    height: int
    pixels: bytearray
    """Rows from the top, without gaps; a pixel is blue, green, red and a byte that means nothing."""
    captured: float
    """When it was asked for, on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Something that can be shared."""

    choice: str
    """What to say to have it."""
    title: str
    width: int
    height: int


class Capture(Protocol):
    """One thread at a time uses it."""

    def grab(self) -> Picture:
        """What is there now. Raises `ScreenError`, and may be asked again."""

    def close(self) -> None:
        """Let go of the screen; the next `grab` opens it again."""


def open_screen(choice: str = SCREEN, display: str | None = None) -> Capture:
    """`screen` for all monitors, a monitor's number from 1, or a part of a window's title, on X11. `display` is an X11
    name. Raises `ScreenError`; it is looked at once, so that what cannot work is said now."""
    _require_display(display)
    capture: Capture
    if choice == SCREEN or choice.isdecimal():
        capture = MonitorCapture(0 if choice == SCREEN else int(choice), display)
    elif sys.platform in ("win32", "darwin"):
        raise ScreenError(
            f"a window ({choice!r}) can be shared on X11 only: share `screen` or a monitor by its number, "
            f"which are {_names(list_screens(display))}"
        )
    else:
        from slidewire.host.media.screen.x11_window import WindowCapture

        capture = WindowCapture(choice, display)
    try:
        capture.grab()
    finally:
        capture.close()  # the thread that is going to look opens it anew: some systems' handles belong to one thread
    return capture


def list_screens(display: str | None = None) -> list[Screen]:
    """What there is to share: all monitors, each monitor and, on X11, each window. Raises `ScreenError`."""
    _require_display(display)
    library = _open_library(display)
    try:
        monitors = [(monitor["width"], monitor["height"]) for monitor in library.monitors]
    finally:
        library.close()
    found = [Screen(SCREEN, "all monitors", *monitors[0])]
    found += [Screen(str(number), f"monitor {number}", *size) for number, size in enumerate(monitors[1:], 1)]
    if sys.platform not in ("win32", "darwin"):
        from slidewire.host.media.screen.x11_window import list_windows

        found += list_windows(display)
    return found


class MonitorCapture:
    """One monitor by its number, or with 0 all of them in one picture."""

    def __init__(self, number: int, display: str | None = None) -> None:
        if number < 0:
            raise ScreenError("monitors are counted from 1")
        self._number = number
        self._display = display
        self._library: MSS | None = None
        self._opened = 0.0

    def grab(self) -> Picture:
        now = monotonic()
        if now >= self._opened + LOOK_ROUND_EVERY:
            self.close()  # the library asks only once where the monitors are; opening it anew takes 0.3 ms
        was_open = self._library is not None
        try:
            try:
                return self._look(now)
            except ScreenError:
                if not was_open:
                    raise
                self.close()  # the monitors may have changed since it asked
                return self._look(now)
        except ScreenError:
            self.close()
            raise

    def _look(self, now: float) -> Picture:
        if self._library is None:
            self._library, self._opened = _open_library(self._display), now
        monitors = self._library.monitors
        if self._number >= len(monitors):
            raise ScreenError(self._missing(len(monitors) - 1))
        from mss.exception import ScreenShotError

        try:
            shot = self._library.grab(monitors[self._number])
        except (ScreenShotError, OSError, AssertionError, ValueError) as error:
            # The last two are what the library makes of an X server that is no longer there.
            why = f" ({error})" if isinstance(error, ScreenShotError) else ""
            raise ScreenError(
                f"the screen cannot be read{why}: it comes back when its session and its monitors are there again"
            ) from error
        return Picture(shot.width, shot.height, shot.raw, now)

    def _missing(self, count: int) -> str:
        there = "only monitor 1" if count == 1 else f"monitors 1 to {count}" if count else "no monitor"
        return f"monitor {self._number} is not there (there is {there}): plug it in, or share another one"

    def close(self) -> None:
        library, self._library = self._library, None
        if library is not None:
            # It raises if the X server has gone; then there is nothing left to close.
            with contextlib.suppress(Exception):
                library.close()


def _names(screens: list[Screen]) -> str:
    return ", ".join(f"{screen.choice} ({screen.width}×{screen.height})" for screen in screens)


def _require_display(display: str | None) -> None:
    if sys.platform in ("win32", "darwin") or display or os.environ.get("DISPLAY"):
        return
    if os.environ.get("WAYLAND_DISPLAY"):
        raise ScreenError(
            "this is a Wayland session, which lets no program look at its screen unasked: log in with an Xorg (X11) "
            "session to share the screen"
        )
    raise ScreenError(
        "there is no screen to share (DISPLAY is not set): start this inside the session that shows the slides"
    )


def _open_library(display: str | None) -> MSS:
    """Raises `ScreenError`."""
    try:
        from mss import MSS
        from mss.exception import ScreenShotError
    except ImportError:
        raise ScreenError("the Python library mss is missing, which looks at the screen: pip install mss") from None
    try:
        # Only X11 shows the pointer, and only there it is an option.
        library = MSS(display=display, with_cursor=True) if sys.platform == "linux" else MSS()
        monitors = library.monitors
    except (ScreenShotError, OSError, AttributeError) as error:
        # AttributeError: a system in which the function that the library calls is no more.
        raise ScreenError(f"the screen cannot be opened ({error}): {_ADVICE}") from error
    if any(str(monitor.get("output", "")).startswith(WAYLAND_OUTPUT) for monitor in monitors):
        library.close()
        raise ScreenError(
            "this is a Wayland session, whose screen looks black to other programs: log in with an Xorg (X11) session "
            "to share the screen"
        )
    return library
