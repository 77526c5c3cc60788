"""One window of an X11 desktop, and nothing of what lies above it: a mail that pops up over the slides is not shown.

The server is asked to keep the window's pixels by themselves (the extension Composite), which needs no compositor and
changes nothing on the screen. They are handed over in shared memory where that works, else through the connection. The
pointer is not part of a window, and is not shown.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import xcffib
import xcffib.composite
import xcffib.shm
from xcffib import xproto

from slidewire.aio.clock import monotonic
from slidewire.host.desktop.errors import DesktopError, ScreenError
from slidewire.host.desktop.focus import Window
from slidewire.host.desktop.screen_source import Picture, Screen
from slidewire.host.desktop.x11.connection import XServer
from slidewire.host.desktop.x11.focus import XFocus

BYTES = 4
ALL_PLANES = 0xFFFFFFFF
IPC_PRIVATE, IPC_RMID = 0, 0


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except ScreenError:
        raise
    except DesktopError as error:
        raise ScreenError(str(error)) from error
    except xcffib.XcffibException as error:
        raise ScreenError("the window's X session ended: start this in the new one") from error


def list_windows(display: str | None = None) -> list[Screen]:
    """The topmost first. Raises `ScreenError`."""
    with translated():
        server = XServer(display)
        try:
            windows = XFocus(server).windows()
        finally:
            server.close()
    return [Screen(it.title, it.title, it.area.width, it.area.height) for it in windows if it.title]


class WindowSource:
    """The topmost window whose title has that part, whatever its capitals; the same one as long as it lives."""

    def __init__(self, title: str, display: str | None = None) -> None:
        self._title = title
        self._display = display
        self._pixels: _WindowPixels | None = None

    def grab(self) -> Picture:
        now = monotonic()
        if self._pixels is not None and self._pixels.is_gone():
            self.close()
        if self._pixels is None:
            self._pixels = self._find()
        try:
            return self._pixels.grab(now)
        except xcffib.Error:
            # It closed, went out of sight or changed its size between two questions.
            raise ScreenError(self._unseen()) from None
        except xcffib.XcffibException as error:
            self.close()
            raise ScreenError("the window's X session ended: share it again from within the new one") from error

    def close(self) -> None:
        if self._pixels is not None:
            self._pixels.close()
            self._pixels = None

    def _find(self) -> _WindowPixels:
        with translated():
            server = XServer(self._display)
            try:
                windows = XFocus(server).windows()
                found = [window for window in windows if self._title.casefold() in window.title.casefold()]
                if not found:
                    raise ScreenError(self._missing(windows))
                return _WindowPixels(server, found[0].id)
            except BaseException:
                server.close()
                raise

    def _missing(self, windows: list[Window]) -> str:
        titles = ", ".join(f"“{window.title}”" for window in windows if window.title) or "none"
        return f"no window has “{self._title}” in its title: open it, or share another (there is {titles})"

    def _unseen(self) -> str:
        return f"the window “{self._title}” cannot be seen: show it again if it is minimised"


class _WindowPixels:
    """The pixels of one window, and the connection they come by."""

    def __init__(self, server: XServer, window: int) -> None:
        self._server = server
        self._window = window
        self._composite: Any = server.extension(xcffib.composite.key, "Composite")
        self._composite.QueryVersion(0, 4).reply()
        self._composite.RedirectWindow(window, xcffib.composite.Redirect.Automatic, is_checked=True).check()
        self._memory: _SharedMemory | None = None
        self._can_share = True

    def is_gone(self) -> bool:
        try:
            self._server.core.GetWindowAttributes(self._window).reply()
        except xcffib.XcffibException:
            return True
        return False

    def grab(self, now: float) -> Picture:
        """Raises what the library does."""
        core = self._server.core
        size = core.GetGeometry(self._window).reply()
        pixmap = self._server.connection.generate_id()
        self._composite.NameWindowPixmap(self._window, pixmap, is_checked=True).check()
        try:
            area = (size.border_width, size.border_width, size.width, size.height)
            pixels = self._shared(pixmap, area) or self._sent(pixmap, area)
        finally:
            core.FreePixmap(pixmap)
            self._server.connection.flush()
        return Picture(size.width, size.height, pixels, now)

    def _shared(self, pixmap: int, area: tuple[int, int, int, int]) -> bytearray | None:
        length = area[2] * area[3] * BYTES
        if not self._can_share:
            return None
        try:
            if self._memory is None or self._memory.length < length:
                if self._memory is not None:
                    self._memory.close()
                    self._memory = None
                self._memory = _SharedMemory(self._server, length)
        except (DesktopError, OSError, AttributeError, xcffib.Error):
            self._can_share = False  # another machine's screen, or a container of its own
            return None
        return self._memory.read(pixmap, area)

    def _sent(self, pixmap: int, area: tuple[int, int, int, int]) -> bytearray:
        image = self._server.core.GetImage(xproto.ImageFormat.ZPixmap, pixmap, *area, ALL_PLANES).reply()
        return bytearray(image.data.buf())

    def close(self) -> None:
        if self._memory is not None:
            with contextlib.suppress(xcffib.XcffibException):
                self._memory.close()
        self._server.close()


class _SharedMemory:
    """A piece of memory that the X server writes into. It goes away with the last of its users, even if this program is
    killed. Raises `DesktopError` or `OSError` where there is none."""

    def __init__(self, server: XServer, length: int) -> None:
        self._shm: Any = server.extension(xcffib.shm.key, "MIT-SHM")
        self._libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        self._libc.shmat.restype = ctypes.c_void_p
        self._libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
        self._libc.shmget.argtypes = [ctypes.c_int, ctypes.c_size_t, ctypes.c_int]
        self._libc.shmdt.argtypes = [ctypes.c_void_p]
        self.length = length
        number = self._libc.shmget(IPC_PRIVATE, length, 0o600)
        if number < 0:
            raise OSError(ctypes.get_errno(), "no shared memory")
        try:
            address = self._libc.shmat(number, None, 0)
            if address in (None, ctypes.c_void_p(-1).value):
                raise OSError(ctypes.get_errno(), "no shared memory")
            self._address = int(address)
            self._segment = server.connection.generate_id()
            try:
                self._shm.Attach(self._segment, number, False, is_checked=True).check()
            except BaseException:
                self._libc.shmdt(self._address)
                raise
        finally:
            self._libc.shmctl(number, IPC_RMID, None)

    def read(self, pixmap: int, area: tuple[int, int, int, int]) -> bytearray:
        image_format = xproto.ImageFormat.ZPixmap
        self._shm.GetImage(pixmap, *area, ALL_PLANES, image_format, self._segment, 0).reply()
        length = area[2] * area[3] * BYTES
        return bytearray((ctypes.c_char * length).from_address(self._address))

    def close(self) -> None:
        self._shm.Detach(self._segment)
        self._libc.shmdt(self._address)
