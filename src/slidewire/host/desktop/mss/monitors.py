"""Monitors, or all of the desktop, by the library mss: on X11, macOS and Windows (docs/decisions/0011)."""

from __future__ import annotations

import contextlib
from typing import Final

import mss
from mss.exception import ScreenShotError

from slidewire.aio.clock import monotonic
from slidewire.host.desktop.environment import System, this_system
from slidewire.host.desktop.errors import ScreenError
from slidewire.host.desktop.screen_source import WHOLE_SCREEN, Picture, Screen

LOOK_ROUND_EVERY: Final = 1.0
"""Seconds after which it is asked again which monitors there are."""
WAYLAND_OUTPUT: Final = "XWAYLAND"
_ADVICE: Final = {
    System.MACOS: "allow this program to record the screen (System Settings, Privacy & Security), and look for a newer "
    "mss",
}
_ADVICE_ELSEWHERE: Final = "check DISPLAY and XAUTHORITY, and that this runs as the user whose desktop shows the slides"


def list_monitors(display: str | None = None) -> list[Screen]:
    """All monitors together, then each. Raises `ScreenError`."""
    library = _open_library(display)
    try:
        monitors = [(monitor["width"], monitor["height"]) for monitor in library.monitors]
    finally:
        library.close()
    found = [Screen(WHOLE_SCREEN, "all monitors", *monitors[0])]
    return found + [Screen(str(number), f"monitor {number}", *size) for number, size in enumerate(monitors[1:], 1)]


class MonitorSource:
    """One monitor by its number, or with 0 all of them in one picture."""

    def __init__(self, number: int, display: str | None = None) -> None:
        if number < 0:
            raise ScreenError("monitors are counted from 1")
        self._number = number
        self._display = display
        self._library: mss.MSS | None = None
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


def _open_library(display: str | None) -> mss.MSS:
    """Raises `ScreenError`."""
    try:
        # Only X11 shows the pointer, and only there it is an option.
        library = mss.MSS(display=display, with_cursor=True) if this_system() is System.LINUX else mss.MSS()
        monitors = library.monitors
    except (ScreenShotError, OSError, AttributeError) as error:
        # AttributeError: a system in which the function that the library calls is no more.
        advice = _ADVICE.get(this_system(), _ADVICE_ELSEWHERE)
        raise ScreenError(f"the screen cannot be opened ({error}): {advice}") from error
    if any(str(monitor.get("output", "")).startswith(WAYLAND_OUTPUT) for monitor in monitors):
        library.close()
        raise ScreenError(
            "this is a Wayland session, whose screen looks black to other programs: log in with an Xorg (X11) session "
            "to share the screen"
        )
    return library
