"""TCP and TLS connections that somebody else decides about.

A connection is shown to `opened` before anything is spent on it: TLS begins only if it is wanted. What cannot be
written soon is dropped like a datagram, because memory for a client that does not read is memory for an attacker.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from typing import Any, Final, Protocol, cast

from slidewire.aio.tasks import Tasks

log = logging.getLogger(__name__)

SocketAddress = tuple[Any, ...]
WRITE_BYTES: Final = 256 * 1024
"""What may wait for a client that does not read; as much again for answers to its own requests, then it is cut off."""
_ACCEPTS: Final = 64
"""Connections accepted before others get a turn."""
_NO_MORE: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_REST_SECONDS: Final = 1.0


class StreamOwner(Protocol):
    def opened(self, connection: StreamConnection) -> bool:
        """May it stay? TLS is still to come."""

    def received(self, connection: StreamConnection, data: bytes) -> None: ...

    def closed(self, connection: StreamConnection) -> None:
        """By the other end or the network; not called after `StreamConnection.close`."""


class StreamConnection(asyncio.Protocol):
    def __init__(self, owner: StreamOwner, remote: SocketAddress, local: SocketAddress, is_tls: bool) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._open = True
        self.remote = remote
        self.local = local
        self.is_tls = is_tls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS, if there is any, stands."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._open:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._open:
            self._owner.received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._open:
            self._open = False
            self._owner.closed(self)

    def write(self, data: bytes, *, droppable: bool) -> bool:
        """False if it was dropped."""
        transport = self._transport
        if transport is None or not self._open:
            return False
        waiting = transport.get_write_buffer_size()
        if waiting > WRITE_BYTES and droppable:
            return False
        if waiting > 2 * WRITE_BYTES:
            transport.abort()
            return False
        transport.write(data)
        return True

    def close(self) -> None:
        """Now, whatever is still to be written."""
        self._open = False
        if self._transport is not None:
            self._transport.abort()


class StreamListener:
    """One listening address."""

    def __init__(self, owner: StreamOwner, context: ssl.SSLContext | None = None, handshake: float = 10.0) -> None:
        self._owner = owner
        self._context = context
        self._handshake = handshake if context is not None else None
        self._tasks = Tasks()
        self._socket: socket.socket | None = None

    def open(self, host: str, port: int) -> SocketAddress:
        """Where it listens. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=1024)
        self._socket.setblocking(False)
        self._listen()
        address: SocketAddress = self._socket.getsockname()
        return address

    async def close(self) -> None:
        """Stop accepting, and end what has not got through TLS yet."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        await self._tasks.cancel()

    def _listen(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket.fileno(), self._accept, self._socket)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                accepted, remote = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_MORE:
                    raise
                log.warning("No more connections for a moment: %s", error.strerror)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening.fileno())
                loop.call_later(_REST_SECONDS, self._listen)
                return
            accepted.setblocking(False)
            connection = StreamConnection(self._owner, remote, accepted.getsockname(), is_tls=self._context is not None)
            if self._owner.opened(connection):
                self._tasks.start(self._begin(connection, accepted))
            else:
                accepted.close()

    async def _begin(self, connection: StreamConnection, accepted: socket.socket) -> None:
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=self._context, ssl_handshake_timeout=self._handshake
            )
        except OSError as error:  # ssl.SSLError is one
            log.debug("a client did not get through TLS: %s", error)
            connection.connection_lost(None)
