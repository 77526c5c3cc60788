"""One port for web pages, WebSockets and TURN: told apart by the first byte that comes, after TLS if there is any.

A STUN message begins with two zero bits and, as all its methods are below 0x80, with 0x00 or 0x01 (RFC 8489 §5; RFC
7983 shares ports alike); HTTP begins with a letter. TURN's other frames, ChannelData, look like letters, but nobody can
send one before a STUN message. Nothing is relayed between the two: the connection is handed over whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from slidewire.aio.stream import StreamConnection, StreamOwner

STUN: Final = (0, 1)


class SharedPort:
    """A protocol factory for `create_server`. `http` makes protocols for what is not STUN, `streams` owns what is."""

    def __init__(
        self, http: Callable[[], asyncio.Protocol], streams: StreamOwner, *, is_tls: bool, seconds: float
    ) -> None:
        """`seconds`: how long the first byte may take."""
        self.http = http
        self.streams = streams
        self.is_tls = is_tls
        self.seconds = seconds
        self.silent: set[Undecided] = set()

    def __call__(self) -> asyncio.Protocol:
        return Undecided(self)

    def close(self) -> None:
        """Cut off those who have not said anything yet."""
        for connection in list(self.silent):
            connection.abort()


class Undecided(asyncio.Protocol):
    """A connection that has not said anything yet."""

    def __init__(self, port: SharedPort) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._patience = asyncio.get_running_loop().call_later(self._port.seconds, self.abort)
        self._port.silent.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._decided()

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or not data:
            return
        self._decided()
        if data[0] not in STUN:
            self._become(self._port.http(), transport, data)
            return
        remote, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        connection = StreamConnection(self._port.streams, remote, local, self._port.is_tls)
        if self._port.streams.opened(connection):
            self._become(connection, transport, data)
        else:
            transport.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _decided(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._port.silent.discard(self)

    @staticmethod
    def _become(protocol: asyncio.Protocol, transport: asyncio.Transport, data: bytes) -> None:
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)
