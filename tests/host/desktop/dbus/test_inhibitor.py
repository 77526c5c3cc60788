"""The D-Bus inhibitors against real message buses, with services on them that count who keeps them awake."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

from slidewire.host.desktop.dbus.inhibitor import LOGIN, SCREEN_SAVER, DBusInhibitor, Service
from slidewire.host.desktop.errors import DesktopError
from tests.support.waiting import soon

pytestmark = pytest.mark.desktop

CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"""


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One message bus, which is both the session's and the system's."""
    configuration = tmp_path / "bus.conf"
    configuration.write_text(CONFIGURATION.format(path=tmp_path / "bus"))
    command = ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address=1"]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    address = daemon.stdout.readline().strip()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    yield address
    daemon.terminate()
    daemon.wait(10)
    daemon.stdout.close()


class Desktop:
    """Both services, as desktops have them."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self.asked: list[tuple[str, list[Any]]] = []
        self.holders: set[str] = set()
        self.refuses = False

    async def start(self) -> None:
        await self._bus.connect()
        for service in (SCREEN_SAVER, LOGIN):
            await self._bus.request_name(service.name)
        self._bus.add_message_handler(self._receive)
        watch = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
        await self._bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="AddMatch",
                signature="s",
                body=[watch],
            )
        )

    def _receive(self, message: Message) -> Message | bool | None:
        if message.member == "NameOwnerChanged" and not message.body[2]:
            self.holders.discard(message.body[0])
        if message.member != "Inhibit" or message.message_type is not MessageType.METHOD_CALL:
            return None
        if self.refuses:
            return Message.new_error(message, "org.freedesktop.DBus.Error.AccessDenied", "not you")
        self.asked.append((message.interface or "", list(message.body)))
        self.holders.add(message.sender or "")
        if message.interface == SCREEN_SAVER.interface:
            return Message.new_method_return(message, "u", [7])
        reading, writing = os.pipe()
        os.close(reading)
        return Message.new_method_return(message, "h", [0], unix_fds=[writing])


@pytest.fixture
async def desktop(bus: str) -> AsyncIterator[Desktop]:
    connection = MessageBus(bus_address=bus, bus_type=BusType.SESSION, negotiate_unix_fd=True)
    desktop = Desktop(connection)
    await desktop.start()
    yield desktop
    connection.disconnect()


@pytest.mark.parametrize("service", [SCREEN_SAVER, LOGIN], ids=lambda it: it.name)
async def test_it_is_held_once_and_let_go_of(desktop: Desktop, service: Service) -> None:
    inhibitor = DBusInhibitor(service)
    await inhibitor.hold()
    await inhibitor.hold()
    assert desktop.asked == [(service.interface, list(service.arguments))]
    assert len(desktop.holders) == 1
    await inhibitor.release()
    await inhibitor.release()
    await soon(lambda: not desktop.holders, "the desktop may sleep")
    await inhibitor.hold()
    assert len(desktop.holders) == 1
    await inhibitor.release()


async def test_a_desktop_that_refuses_is_told(desktop: Desktop) -> None:
    desktop.refuses = True
    inhibitor = DBusInhibitor(LOGIN)
    with pytest.raises(DesktopError, match="AccessDenied"):
        await inhibitor.hold()
    await inhibitor.release()


async def test_without_such_a_service_or_a_bus_a_sentence_says_so(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DesktopError, match=r"org\.freedesktop\.ScreenSaver"):
        await DBusInhibitor(SCREEN_SAVER).hold()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    with pytest.raises(DesktopError, match="cannot be asked"):
        await DBusInhibitor(SCREEN_SAVER).hold()


async def test_a_session_without_a_bus_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":98")
    with pytest.raises(DesktopError, match="cannot be asked"):
        await DBusInhibitor(SCREEN_SAVER).hold()
