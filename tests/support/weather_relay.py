"""Weather between a browser and this process, in user space: delay, loss, bursts, a narrow way, seeded.

Both ends' candidates are rewritten to ports of this relay, so that their packets have no other way. One candidate of
each end gets through, its first over UDP and IPv4; the others are dropped.

    browser ──→ socket that stands for the host ──(weather "to_host")──→ socket that stands for the browser ──→ host
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any, cast

from slidewire.testing.network import CALM, NetworkConditions, SimulatedPath


class _Socket(asyncio.DatagramProtocol):
    """Stands for one end. The other one sends to it, and gets from it what the one sends."""

    def __init__(self, relay: WeatherRelay, path: SimulatedPath) -> None:
        self._relay, self._path = relay, path
        self.other: _Socket | None = None
        self.true_address: tuple[str, int] | None = None
        """Of the end that sends to this."""
        self.port = 0
        self.timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)  # Python 3.11's own is none of its subclasses
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        now = asyncio.get_running_loop().time()
        self._relay.count(self, len(data))
        if self._path.send(data, now):
            self.deliver()

    def deliver(self) -> None:
        loop = asyncio.get_running_loop()
        other = self.other
        assert other is not None
        while (data := self._path.deliver(loop.time())) is not None:
            if other.transport is not None and other.true_address is not None:
                other.transport.sendto(data, other.true_address)
        when = self._path.next_arrival()
        if self.timer is not None:
            self.timer.cancel()
        self.timer = loop.call_at(when, self.deliver) if when is not None else None


class WeatherRelay:
    def __init__(self, seed: int) -> None:
        self._paths = [SimulatedPath(CALM, random.Random(f"{seed} {way}")) for way in ("to_host", "to_page")]
        self._for_host, self._for_page = (_Socket(self, path) for path in self._paths)
        self._for_host.other, self._for_page.other = self._for_page, self._for_host
        self.sent = {"to_host": [0, 0], "to_page": [0, 0]}
        """Datagrams and bytes, before anything was lost."""

    def set(self, weather: NetworkConditions) -> None:
        """In both directions."""
        for path in self._paths:
            path.weather = weather

    def count(self, socket: _Socket, size: int) -> None:
        counted = self.sent["to_host" if socket is self._for_host else "to_page"]
        counted[0] += 1
        counted[1] += size

    async def ours(self, candidate: dict[str, Any]) -> dict[str, Any] | None:
        """The host's candidate, as the page is to see it."""
        return await self._replaced(candidate, self._for_page, self._for_host)

    async def theirs(self, candidate: dict[str, Any]) -> dict[str, Any] | None:
        return await self._replaced(candidate, self._for_host, self._for_page)

    def close(self) -> None:
        for socket in (self._for_host, self._for_page):
            if socket.timer is not None:
                socket.timer.cancel()
            if socket.transport is not None:
                socket.transport.close()

    async def _replaced(self, candidate: dict[str, Any], spoken_to: _Socket, shown: _Socket) -> dict[str, Any] | None:
        """`spoken_to` is where this end's packets come from and go to; `shown` stands for this end."""
        words = str(candidate["candidate"]).split()
        if words[2].lower() != "udp" or ":" in words[4] or words[7] != "host" or spoken_to.true_address is not None:
            return None
        spoken_to.true_address = words[4], int(words[5])
        if shown.transport is None:
            loop = asyncio.get_running_loop()
            await loop.create_datagram_endpoint(lambda: shown, local_addr=(words[4], 0))
        words[5] = str(shown.port)
        return {**candidate, "candidate": " ".join(words)}


@contextlib.asynccontextmanager
async def weather(seed: int = 1) -> AsyncIterator[WeatherRelay]:
    relay = WeatherRelay(seed)
    try:
        yield relay
    finally:
        relay.close()
