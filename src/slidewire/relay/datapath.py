"""The data path: how datagrams get from the server's UDP sockets to where they belong.

It forwards ChannelData that the core's tables answer, and hands all else to its owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from slidewire.aio.udp import UdpSocket
from slidewire.base.addresses import SocketAddress
from slidewire.base.rates import Rate
from slidewire.turn.allocation import Allocation, Meter
from slidewire.turn.server import TurnServer

BUDGET: Final = 1024
"""About how many datagrams in a row are taken before other work gets a turn."""

Clients = Mapping[SocketAddress, Allocation]


class Owner(Protocol):
    """What a data path asks about datagrams that it cannot answer by itself."""

    def tick(self) -> float:
        """Datagrams are there. Returns what time it is."""

    def from_client(self, listener: UdpSocket, data: bytes, source: SocketAddress) -> None: ...

    def from_peer(self, relay: UdpSocket, data: bytes, source: SocketAddress) -> None: ...

    def settle(self) -> None:
        """There is nothing more to read for now."""


class DataPath(Protocol):
    name: str

    def make_meter(self, packets: Rate | None, bandwidth: Rate | None) -> Meter:
        """For the core: what this path counts with."""

    def start(self, owner: Owner, core: TurnServer) -> None: ...

    def stop(self) -> None:
        """After every socket was closed."""

    def listen(self, listener: UdpSocket, clients: Clients) -> None:
        """Receive from clients here. `clients` is the core's, and live."""

    def relay(self, relay: UdpSocket) -> None:
        """Receive from peers here. Raises OSError."""

    def route(self, allocation: Allocation) -> None:
        """The channels of this allocation are others than before (the core's `Route`)."""

    def close(self, socket: UdpSocket) -> None:
        """Let go of a socket of either kind, and close it."""


class NoSuchPath(Exception):
    """The data path that was asked for cannot be had. The message says why."""
