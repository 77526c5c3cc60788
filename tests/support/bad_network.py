"""A bad network between two ICE agents on this machine: each meets the other at an address of ours.

`through` is given every candidate on its way from one end to the other and puts an address of ours in its place. What
is sent there is handed on, if and when `Weather` lets it, from the address that stands for its sender, so that the
other end sees the candidate it was told. A thread of its own, since who is tested must not be waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from slidewire.rtp.packet import is_rtcp
from slidewire.testing.network import CALM, SimulatedPath, Weather

Address = tuple[str, int]


@dataclass(slots=True)
class _Door:
    """An address of ours that stands for one candidate."""

    candidate: Address
    is_page: bool
    socket: socket.socket
    path: SimulatedPath
    """Towards the candidate."""


@dataclass(slots=True)
class Counts:
    packets: int = 0
    lost: int = 0
    bytes: int = 0
    rtcp: int = 0


@dataclass
class BadNetwork:
    to_host: Weather = CALM
    to_page: Weather = CALM
    seed: int = 1
    counts: dict[str, Counts] = field(default_factory=lambda: {"to_host": Counts(), "to_page": Counts()})
    _doors: dict[Address, _Door] = field(default_factory=dict)
    """By the candidate that each stands for."""
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def through(self, candidate: dict[str, Any]) -> dict[str, Any] | None:
        """Only UDP over IPv4 goes through here. A page's candidates name the user fragment they belong to."""
        parts = str(candidate["candidate"]).split()
        if parts[2].lower() != "udp" or ":" in parts[4] or parts[7] != "host":
            return None
        door = self._door((parts[4], int(parts[5])), is_page="usernameFragment" in candidate)
        parts[5] = str(door.socket.getsockname()[1])
        return candidate | {"candidate": " ".join(parts)}

    def weather(self, *, to_host: Weather | None = None, to_page: Weather | None = None) -> None:
        """From now on."""
        self.to_host, self.to_page = to_host or self.to_host, to_page or self.to_page
        for door in list(self._doors.values()):
            door.path.weather = self.to_page if door.is_page else self.to_host

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            for door in self._doors.values():
                door.socket.close()
            self._loop.close()

    def _door(self, candidate: Address, *, is_page: bool) -> _Door:
        door = self._doors.get(candidate)
        if door is None:
            opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            opened.bind((candidate[0], 0))
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            dice = random.Random(f"{self.seed} {len(self._doors)}")
            path = SimulatedPath(self.to_page if is_page else self.to_host, dice)
            door = self._doors[candidate] = _Door(candidate, is_page, opened, path)
            self._loop.call_soon_threadsafe(self._loop.add_reader, opened.fileno(), self._read, door)
        return door

    def _read(self, door: _Door) -> None:
        """What was sent to where the candidate is believed to be."""
        with contextlib.suppress(BlockingIOError, OSError):
            while True:
                data, sender = door.socket.recvfrom(2048)
                source = self._doors.get(sender) or self._door(sender, is_page=not door.is_page)
                counts = self.counts["to_page" if door.is_page else "to_host"]
                counts.packets += 1
                counts.bytes += len(data)
                counts.rtcp += is_rtcp(data)
                arrivals = door.path.arrivals(len(data), self._loop.time())
                counts.lost += not arrivals
                for when in arrivals:
                    self._loop.call_at(when, self._hand_on, source.socket, data, door.candidate)

    def _hand_on(self, source: socket.socket, data: bytes, candidate: Address) -> None:
        with contextlib.suppress(OSError):
            source.sendto(data, candidate)


@contextlib.contextmanager
def bad_network(to_host: Weather = CALM, to_page: Weather = CALM, seed: int = 1) -> Iterator[BadNetwork]:
    network = BadNetwork(to_host, to_page, seed)
    thread = threading.Thread(target=network.run, name="a bad network")
    thread.start()
    try:
        yield network
    finally:
        network.close()
        thread.join()
