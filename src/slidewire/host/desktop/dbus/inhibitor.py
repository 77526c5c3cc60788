"""The desktop and the system, asked over D-Bus: `org.freedesktop.ScreenSaver` on the session's bus, which GNOME, KDE,
Xfce, MATE and Cinnamon obey, and systemd-logind's `Inhibit` on the system's.

Both let go when the connection ends, so nothing outlives this program.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.inhibitor import APPLICATION, REASON

PATIENCE: Final = 5.0
"""Seconds for an answer."""


@dataclass(frozen=True, slots=True)
class Service:
    """Who is asked, and how."""

    bus: BusType
    name: str
    path: str
    interface: str
    signature: str
    arguments: Sequence[Any]


SCREEN_SAVER: Final = Service(
    BusType.SESSION,
    "org.freedesktop.ScreenSaver",
    "/org/freedesktop/ScreenSaver",
    "org.freedesktop.ScreenSaver",
    "ss",
    (APPLICATION, REASON),
)
LOGIN: Final = Service(
    BusType.SYSTEM,
    "org.freedesktop.login1",
    "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager",
    "ssss",
    # Only sleep for want of input. Closing the lid and pressing the button still work.
    ("idle", APPLICATION, REASON, "block"),
)


class DBusInhibitor:
    """One service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._bus: MessageBus | None = None
        self._files: list[int] = []

    async def hold(self) -> None:
        if self._bus is not None:
            return
        service = self._service
        message = Message(
            destination=service.name,
            path=service.path,
            interface=service.interface,
            member="Inhibit",
            signature=service.signature,
            body=list(service.arguments),
        )
        bus = None
        try:
            bus = MessageBus(bus_type=service.bus, negotiate_unix_fd=True)
            async with asyncio.timeout(PATIENCE):
                await bus.connect()
                reply = await bus.call(message)
        except Exception as error:  # a bus that is not there is told in many ways, some before it is asked
            if bus is not None:
                bus.disconnect()
            raise DesktopError(f"{service.name} cannot be asked: {str(error) or 'no answer'}") from error
        if reply.message_type is MessageType.ERROR:
            bus.disconnect()
            raise DesktopError(f"{service.name} refused: {reply.error_name}")
        self._bus, self._files = bus, list(reply.unix_fds)

    async def release(self) -> None:
        bus, self._bus = self._bus, None
        files, self._files = self._files, []
        for file in files:
            os.close(file)
        if bus is not None:
            bus.disconnect()
