"""The X server's own screen saver and power saving, suspended for as long as a connection asks for it."""

from __future__ import annotations

from typing import Any

import xcffib
import xcffib.screensaver

from slidewire.host.desktop.x11.connection import XServer, translated


class XInhibitor:
    """It has a connection of its own: the server takes the end of that for a release."""

    def __init__(self, display: str | None = None) -> None:
        self._display = display
        self._server: XServer | None = None

    async def hold(self) -> None:
        if self._server is not None:
            return
        with translated():
            server = XServer(self._display)
            try:
                saver: Any = server.extension(xcffib.screensaver.key, "MIT-SCREEN-SAVER")
                saver.QueryVersion(1, 1).reply()
                saver.Suspend(True)
                server.area(server.root)  # the server has read it
            except BaseException:
                server.close()
                raise
        self._server = server

    async def release(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
