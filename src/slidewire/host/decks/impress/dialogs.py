"""What LibreOffice asks on the audience's screen is answered with no, at once.

Most questions never come up: `uno_helper` answers them before they become a window. Some of LibreOffice's own parts ask
all the same (whether links shall be updated, what is to be done about a damaged file). A presenter cannot see that,
the audience can, and the show waits behind it. So its dialogs are closed as a person would close them who does not want
to answer, and the person at the host is told. A dialog takes no notice of that before it listens, which may
be a moment after it is on the screen: as long as it is there it is closed again.

The editor's window may also come up after the show's, and in front of it, where the deck takes long to load. Then the
show is brought back.

Imported only where X11 is wanted: it needs the library xcffib.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import xcffib
from xcffib import xproto

from slidewire.host.desktop.x11.connection import XServer, translated

AGAIN: Final = 1.0
"""Seconds after which a dialog that is still there is closed again."""


class DialogCloser:
    """Closes the dialogs of the LibreOffice with one profile, for as long as it is open."""

    @translated()
    def __init__(
        self,
        profile: Path,
        loop: asyncio.AbstractEventLoop,
        close: Callable[[str, bool], bool],
        is_starting: Callable[[], bool],
    ) -> None:
        """`close` is asked whether to close a dialog, with its title and whether that was tried before, `is_starting`
        whether the show has just begun. Raises `DesktopError`."""
        self._word = f"-env:UserInstallation={profile.as_uri()}".encode()
        self._wants_closed = close
        self._is_starting = is_starting
        self._loop = loop
        self._closed_at: dict[int, float] = {}
        self._again: asyncio.TimerHandle | None = None
        self._server = XServer()
        self._dialog = self._server.atom("_NET_WM_WINDOW_TYPE_DIALOG")
        self._server.core.ChangeWindowAttributes(
            self._server.root,
            xproto.CW.EventMask,
            [xproto.EventMask.SubstructureNotify | xproto.EventMask.PropertyChange],
        )
        self._server.listeners.append(self._on_event)
        self._server.watch(loop)
        self._server.connection.flush()

    def close(self) -> None:
        if self._again is not None:
            self._again.cancel()
        self._server.close()

    def _on_event(self, event: Any) -> None:
        if isinstance(event, xproto.MapNotifyEvent):
            self.look()
        elif isinstance(event, xproto.PropertyNotifyEvent):
            if event.atom == self._server.atom("_NET_CLIENT_LIST"):
                self.look()
            elif event.atom == self._server.atom("_NET_ACTIVE_WINDOW") and self._is_starting():
                self.bring_show_to_front()

    def bring_show_to_front(self) -> None:
        """If the editor of the same LibreOffice is in front of it."""
        server = self._server
        try:
            front = server.numbers(server.ask(server.root, "_NET_ACTIVE_WINDOW"))
            listed = server.numbers(server.ask(server.root, "_NET_CLIENT_LIST"))
            shows = [window for window in listed if self._is_full_screen(window)]
            if not shows or not front or front[0] in shows:
                return
            if self._is_ours(server.numbers(server.ask(front[0], "_NET_WM_PID"))):
                self._send(server.root, shows[0], "_NET_ACTIVE_WINDOW", [2, xproto.Time.CurrentTime, 0, 0, 0])
        except xcffib.XcffibException:
            pass  # as in `look`

    def _is_full_screen(self, window: int) -> bool:
        server = self._server
        state, pid = server.ask(window, "_NET_WM_STATE"), server.ask(window, "_NET_WM_PID")
        full = server.atom("_NET_WM_STATE_FULLSCREEN") in server.numbers(state)
        return self._is_ours(server.numbers(pid)) and full

    def _send(self, to: int, window: int, kind: str, data: list[int]) -> None:
        server = self._server
        message = struct.pack("=BBHII5I", 33, 32, 0, window, server.atom(kind), *data)
        masks = xproto.EventMask.SubstructureNotify | xproto.EventMask.SubstructureRedirect
        server.core.SendEvent(False, to, masks if to == server.root else xproto.EventMask.NoEvent, message)
        server.connection.flush()

    def look(self) -> None:
        """Close what is there now. A window manager has a list of its windows; without one they are the root's own."""
        server = self._server
        try:
            listed = server.numbers(server.ask(server.root, "_NET_CLIENT_LIST"))
            for window in listed or server.core.QueryTree(server.root).reply().children:
                self._look_at(window)
        except xcffib.XcffibException:
            pass  # a window went while we asked; what comes next is looked at again

    def _look_at(self, window: int) -> None:
        server = self._server
        before = self._closed_at.get(window)
        if before is not None and self._loop.time() < before + AGAIN:
            return
        kind, parent = server.ask(window, "_NET_WM_WINDOW_TYPE"), server.ask(window, "WM_TRANSIENT_FOR")
        pid, name = server.ask(window, "_NET_WM_PID"), server.ask(window, "_NET_WM_NAME")
        shown = server.core.GetWindowAttributes(window)
        try:
            if self._dialog not in server.numbers(kind) and not any(server.numbers(parent)):
                return
            attributes = shown.reply()
            if attributes.override_redirect or attributes.map_state == xproto.MapState.Unmapped:
                return
            if not self._is_ours(server.numbers(pid)):
                return
            title = server.text(name)
        except xcffib.Error:
            return  # it is gone
        if not self._wants_closed(title, before is not None):
            return
        self._closed_at[window] = self._loop.time()
        if self._again is not None:
            self._again.cancel()
        self._again = self._loop.call_later(AGAIN, self.look)
        delete = [server.atom("WM_DELETE_WINDOW"), xproto.Time.CurrentTime, 0, 0, 0]
        self._send(window, window, "WM_PROTOCOLS", delete)

    def _is_ours(self, pid: list[int]) -> bool:
        try:
            return bool(pid) and self._word in Path(f"/proc/{pid[0]}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
