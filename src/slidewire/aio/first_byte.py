"""One port for web pages, WebSockets and TURN, told apart by the first byte after TLS.

A STUN message begins with two zero bits and, as all its methods are below 0x80, with 0x00 or 0x01 (RFC 8489 §5; RFC
7983 shares ports alike); HTTP begins with a letter. TURN's other frames, ChannelData, look like letters, but
none can come before a STUN message. Nothing is relayed between the two: the connection itself is handed over.

An HTTP connection is counted until it is closed; TURN counts its own. A client that sends much is read a little at a
time, in turn with the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final, cast

from slidewire.aio.stream import StreamConnection, StreamOwner
from slidewire.base.addresses import SocketAddress

STUN: Final = (0, 1)
READ_BYTES: Final = 1024
"""What is read of one connection before the others get their turn …"""
WAITING_BYTES: Final = 8 * 1024
"""… and what may wait here to be read …"""
KERNEL_BYTES: Final = 32 * 1024
"""… and there. Requests are small, and messages, too."""


class SharedPort:
    """Makes the protocols of one port. `http` makes those for what is not STUN, `streams` owns what is."""

    def __init__(
        self,
        http: Callable[[], asyncio.Protocol],
        streams: StreamOwner | None,
        *,
        is_tls: bool,
        seconds: float,
        left: Callable[[SocketAddress], None] = lambda remote: None,
    ) -> None:
        """`seconds`: how long the first byte may take, and, twice that, until something is read that was written.
        `left` is called once for each connection, when it is closed or has become TURN's."""
        self.http = http
        self.streams = streams
        self.is_tls = is_tls
        self.seconds = seconds
        self.left = left
        self.buffer = memoryview(bytearray(READ_BYTES))
        """Shared by all connections: what is read into it is taken out at once."""
        self.silent: set[UndecidedConnection] = set()

    def __call__(self, remote: SocketAddress) -> UndecidedConnection:
        return UndecidedConnection(self, remote)

    def close(self) -> None:
        """Cut off those who have not said anything yet."""
        for visitor in list(self.silent):
            visitor.abort()


class UndecidedConnection(asyncio.BufferedProtocol):
    """A connection whose protocol is not known before its first byte; then it is HTTP's (through here) or TURN's."""

    def __init__(self, port: SharedPort, remote: SocketAddress) -> None:
        self.address = str(remote[0])
        self._port = port
        self._remote = remote
        self._here = True
        self._transport: asyncio.Transport | None = None
        self._http: asyncio.Protocol | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._patience = asyncio.get_running_loop().call_later(self._port.seconds, self.abort)
        self._port.silent.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._decided()
        self.leave()
        if self._http is not None:
            self._http.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._port.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = bytes(self._port.buffer[:nbytes])
        if self._http is not None:
            self._http.data_received(data)
            return
        transport = self._transport
        if transport is None or not data:
            return
        self._decided()
        if data[0] not in STUN or self._port.streams is None:
            _keep_little_unread(transport)
            self._http = self._port.http()
            self._http.connection_made(transport)
            self._http.data_received(data)
            return
        self.leave()
        connection = StreamConnection(
            self._port.streams, self._remote, transport.get_extra_info("sockname"), self._port.is_tls
        )
        if self._port.streams.opened(connection):
            transport.set_protocol(connection)
            connection.connection_made(transport)
            connection.data_received(data)
        else:
            transport.abort()

    def eof_received(self) -> bool | None:
        return self._http.eof_received() if self._http is not None else None

    def pause_writing(self) -> None:
        """It does not read. For a while that is its network; then it only holds what it does not take."""
        if self._http is not None:
            self._http.pause_writing()
            self._patience = asyncio.get_running_loop().call_later(2 * self._port.seconds, self.abort)

    def resume_writing(self) -> None:
        if self._http is not None:
            self._decided()
            self._http.resume_writing()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """It does not count as here any more."""
        if self._here:
            self._here = False
            self._port.left(self._remote)

    def _decided(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._port.silent.discard(self)


def _keep_little_unread(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
    limit = getattr(transport, "set_read_buffer_limits", None)  # TLS has a buffer of its own
    if limit is not None:
        limit(high=WAITING_BYTES)
