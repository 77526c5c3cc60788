"""TCP and TLS connections, for an owner that decides about them.

A connection is shown to `opened` before anything is spent on it: TLS begins only if it is wanted.

What cannot be written soon is dropped like a datagram, but not too soon. Senders speed up until a packet is lost, and
a queue that is shorter than the bandwidth-delay product of a long path loses a whole window at once. So one client may
have as much waiting as a fast long path holds, and all together no more than `ALL_WRITE_BYTES`: memory for clients that
do not read is memory for an attacker. The kernel is told to keep little that is not sent yet, so that the queue is the
one that is measured here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
from collections.abc import Coroutine
from typing import Any, Final, Protocol, cast

from slidewire.aio.accept import Acceptor, reset
from slidewire.base.addresses import SocketAddress

log = logging.getLogger(__name__)

WRITE_BYTES: Final = 1024 * 1024
"""What may wait for one client: 80 Mbit/s for 100 ms."""
ANSWER_BYTES: Final = 256 * 1024
"""… and beyond that for answers to its own requests, then it is cut off."""
ALL_WRITE_BYTES: Final = 64 * 1024 * 1024
"""What may wait for all of them."""
CROWDED_BYTES: Final = 64 * 1024
"""What may wait for one when there is no more than that."""
READ_BYTES: Final = 16 * 1024
"""What is read of one client before the others get their turn."""
UNSENT_BYTES: Final = 128 * 1024
"""How much of it the kernel takes before it is on its way."""


class StreamOwner(Protocol):
    def opened(self, connection: StreamConnection) -> bool:
        """May it stay? TLS is still to come."""

    def received(self, connection: StreamConnection, data: bytes) -> None: ...

    def closed(self, connection: StreamConnection) -> None:
        """By the other end or the network; not called after `StreamConnection.close`."""


class Backlog:
    """What waits for all clients together, but for those who have hardly anything waiting."""

    def __init__(self) -> None:
        self.total = 0


_shared: Final = Backlog()
_buffer: Final = memoryview(bytearray(READ_BYTES))
"""Shared by all connections: what is read into it is taken out at once."""


class StreamConnection(asyncio.BufferedProtocol):
    def __init__(
        self,
        owner: StreamOwner,
        remote: SocketAddress,
        local: SocketAddress,
        is_tls: bool,
        backlog: Backlog = _shared,
    ) -> None:
        self._owner = owner
        self._backlog = backlog
        self._counted = 0
        self._transport: asyncio.Transport | None = None
        self._open = True
        self._beginning: asyncio.Task[Any] | None = None
        self.remote = remote
        self.local = local
        self.is_tls = is_tls

    def begins(self) -> bool:
        """TLS begins, in this task. False: it was closed before."""
        self._beginning = asyncio.current_task()
        return self._open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS, if there is any, stands."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=CROWDED_BYTES, low=0)
        _keep_little_unsent(self._transport.get_extra_info("socket"))
        if not self._open:
            self._transport.abort()

    def resume_writing(self) -> None:
        self._count(0)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(_buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        if self._open:
            self._owner.received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._count(0)
        if self._open:
            self._open = False
            self._owner.closed(self)

    def write(self, data: bytes, *, droppable: bool) -> bool:
        """False if it was dropped."""
        transport = self._transport
        if transport is None or not self._open:
            return False
        waiting = transport.get_write_buffer_size()
        most = WRITE_BYTES if self._backlog.total < ALL_WRITE_BYTES else CROWDED_BYTES
        if waiting > most:
            if droppable:
                return False
            if waiting > most + ANSWER_BYTES:
                transport.abort()
                return False
        transport.write(data)
        if waiting > CROWDED_BYTES:
            self._count(waiting + len(data))
        return True

    def _count(self, waiting: int) -> None:
        self._backlog.total += waiting - self._counted
        self._counted = waiting

    def close(self) -> None:
        """Now, whatever is still to be written."""
        self._open = False
        if self._transport is not None:
            self._transport.abort()
        elif self._beginning is not None:
            self._beginning.cancel()


def _keep_little_unsent(connection: socket.socket | None) -> None:
    option = getattr(socket, "TCP_NOTSENT_LOWAT", 25 if sys.platform == "linux" else None)
    if connection is not None and option is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)


class StreamListener:
    """One listening address."""

    def __init__(self, owner: StreamOwner, context: ssl.SSLContext | None = None, handshake: float = 10.0) -> None:
        self._owner = owner
        self._context = context
        self._handshake = handshake if context is not None else None
        self._acceptor = Acceptor(self._accepted)

    def open(self, host: str, port: int) -> SocketAddress:
        """Where it listens. Raises OSError."""
        return self._acceptor.open(host, port)

    def adopt(self, listening: socket.socket) -> SocketAddress:
        """The same with a socket that listens already."""
        return self._acceptor.adopt(listening)

    async def close(self) -> None:
        """Stop accepting, and end what has not got through TLS yet."""
        await self._acceptor.close()

    def _accepted(self, accepted: socket.socket, remote: SocketAddress) -> Coroutine[Any, Any, None] | None:
        connection = StreamConnection(self._owner, remote, accepted.getsockname(), is_tls=self._context is not None)
        return self._begin(connection, accepted) if self._owner.opened(connection) else None

    async def _begin(self, connection: StreamConnection, accepted: socket.socket) -> None:
        if not connection.begins():
            reset(accepted)
            return
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=self._context, ssl_handshake_timeout=self._handshake
            )
        except OSError as error:  # ssl.SSLError is one
            log.debug("a client did not get through TLS: %s", error)
            connection.connection_lost(None)
