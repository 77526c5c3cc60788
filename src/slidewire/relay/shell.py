"""The TURN server on sockets: datagrams and streams to the core, its effects to sockets, its timer to the loop.

The core decides. ChannelData of UDP clients does not come by here: it goes out, and comes back, on the data path
(`datapath`), by the core's tables and without an effect in between.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from slidewire.aio.clock import monotonic
from slidewire.aio.loop import Alarm
from slidewire.aio.stream import StreamConnection
from slidewire.aio.udp import UdpSocket, bind_udp
from slidewire.base.addresses import IPV4, Address, SocketAddress
from slidewire.relay.datapath import DataPath
from slidewire.relay.plain import PlainPath
from slidewire.turn.effects import (
    CloseRelay,
    CloseStream,
    OpenRelay,
    Route,
    SendToClient,
    SendToPeer,
)
from slidewire.turn.five_tuple import FiveTuple, Opened, Transport
from slidewire.turn.server import TurnServer

FIRST_PORT: Final = 49_152
LAST_PORT: Final = 65_535
_TRIES: Final = 64


@dataclass(frozen=True, slots=True)
class RelayHost:
    """Where relays of one address family are bound, and what the world calls it."""

    bound: str
    announced: str


class RelayShell:
    """Also the owner of stream connections: give it to a `StreamListener`.

    The core has to count with the path's meters. `ports`: those for relays, first and last.
    """

    def __init__(
        self,
        core: TurnServer,
        hosts: Mapping[int, RelayHost],
        ports: tuple[int, int] = (FIRST_PORT, LAST_PORT),
        path: DataPath | None = None,
    ) -> None:
        self._core = core
        self._hosts = hosts
        self._ports = ports
        self._alarm = Alarm(self._time_passed)
        self._listeners: dict[SocketAddress, UdpSocket] = {}
        self._streams: dict[FiveTuple, StreamConnection] = {}
        self._relays: dict[SocketAddress, UdpSocket] = {}
        """By where they are bound."""
        self._names: dict[StreamConnection, FiveTuple] = {}
        self._now = monotonic()
        self._path = path or PlainPath()
        self._path.start(self, core)

    # --- datagrams ----------------------------------------------------------------------------------------------------

    def listen(self, host: str, port: int) -> SocketAddress:
        """Serve UDP clients here. Raises OSError."""
        return self.adopt(bind_udp(host, port, listener=True))

    def adopt(self, bound: socket.socket) -> SocketAddress:
        """The same with a socket that is bound already. It is ours to close."""
        listener = UdpSocket(bound)
        server = listener.name
        self._core.listens_on(Address(server[0], server[1]))
        self._listeners[server] = listener
        self._path.listen(listener, self._core.clients_of(Transport.UDP, server))
        return server

    @property
    def listeners(self) -> tuple[UdpSocket, ...]:
        return tuple(self._listeners.values())

    # --- what the data path hands up (datapath.Owner) -----------------------------------------------------------------

    def from_client(self, listener: UdpSocket, data: bytes, source: SocketAddress) -> None:
        self._core.receive_datagram(data, FiveTuple(Transport.UDP, source, listener.name), self._now)

    def from_peer(self, relay: UdpSocket, data: bytes, source: SocketAddress) -> None:
        self._core.receive_from_peer(relay, data, Address(source[0], source[1]), self._now)

    def tick(self) -> float:
        self._now = monotonic()
        return self._now

    def settle(self) -> None:
        """Carry out what the core wants. Call it as well after anything was done to the core from outside."""
        self._carry_out()
        self._alarm.set(self._core.get_timer())

    # --- streams (StreamOwner) ----------------------------------------------------------------------------------------

    def opened(self, connection: StreamConnection) -> bool:
        transport = Transport.TLS if connection.is_tls else Transport.TCP
        name = FiveTuple(transport, connection.remote, connection.local)
        if not self._core.stream_opened(name, self.tick()):
            return False
        self._streams[name] = connection
        self._names[connection] = name
        self.settle()
        return True

    def received(self, connection: StreamConnection, data: bytes) -> None:
        self._core.receive_stream(self._names[connection], data, self.tick())
        self.settle()

    def closed(self, connection: StreamConnection) -> None:
        name = self._names.pop(connection, None)
        if name is not None:
            del self._streams[name]
            self._core.stream_closed(name, self.tick())
            self.settle()

    # --- the loop -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every socket of ours; the listeners of streams are their makers' to close."""
        self._alarm.set(None)
        for listener in self._listeners.values():
            self._path.close(listener)
        for connection in list(self._names):
            connection.close()
        for allocation in self._core.allocations:
            for relay in allocation.relays.values():
                self._path.close(relay.handle)
        self._path.stop()
        self._listeners.clear()
        self._streams.clear()
        self._names.clear()

    def _time_passed(self) -> None:
        self._core.handle_timer(self.tick())
        self.settle()

    def _carry_out(self) -> None:
        next_effect = self._core.next_effect
        while (effect := next_effect()) is not None:
            match effect:
                case SendToClient(client, data):
                    self._send_to_client(client, data)
                case SendToPeer(relay, data, peer, _) if (beside := self._relays.get(peer)) is not None:
                    # Another relay of ours: what a stream client sends at once is more than a socket's buffer holds.
                    self._core.receive_from_peer(beside, data, relay.name[:2], self._now)
                case SendToPeer(relay, data, peer, False):
                    relay.send(data, peer)
                case SendToPeer(relay, data, peer, True):
                    relay.send_unfragmented(data, peer)
                case OpenRelay():
                    self._open(effect)
                case Route(allocation):
                    self._path.route(allocation)
                case CloseRelay(relay):
                    self._relays.pop(relay.name[:2], None)
                    self._path.close(relay)
                case CloseStream(client):
                    connection = self._streams.pop(client)
                    del self._names[connection]
                    connection.close()

    def _send_to_client(self, client: FiveTuple, data: bytes) -> None:
        if client.transport is Transport.UDP:
            self._listeners[client.server].send(data, client.client)
        elif (connection := self._streams.get(client)) is not None:
            # Data may be lost, as on the way from the peer; answers may not.
            connection.write(data, droppable=data[0] & 0xC0 == 0x40 or data[:2] == b"\0\x17")

    def _open(self, asked: OpenRelay) -> None:
        host = self._hosts.get(asked.family)
        opened = None if host is None else self._bind(host, asked)
        if opened is None:
            self._core.relay_failed(asked.ticket, asked.family, self._now)
        else:
            self._core.relay_opened(asked.ticket, asked.family, opened[0], self._now, opened[1])

    def _bind(self, host: RelayHost, asked: OpenRelay) -> tuple[Opened, Opened | None] | None:
        """Ports that cannot be guessed (RFC 8656 §7.2), by trying some."""
        first, last = self._ports
        step = 2 if asked.even else 1
        start = first + first % step
        choices = (last - (1 if asked.with_next else 0) - start) // step + 1
        for _ in range(_TRIES):
            port = start + step * (secrets.randbits(32) % choices)
            relay = self._try(host, port)
            if relay is None:
                continue
            if not asked.with_next:
                return relay, None
            sibling = self._try(host, port + 1)
            if sibling is not None:
                return relay, sibling
            self._path.close(relay.handle)
        return None

    def _try(self, host: RelayHost, port: int) -> Opened | None:
        bound = Address(host.bound, port)
        try:
            relay = UdpSocket(bind_udp(host.bound, port), bound if bound.family == IPV4 else None)
        except OSError:
            return None
        try:
            self._path.relay(relay)
        except OSError:
            relay.close()
            return None
        self._relays[relay.name[:2]] = relay
        return Opened(relay, bound, bound if host.announced == host.bound else Address(host.announced, port))
