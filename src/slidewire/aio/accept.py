"""Listening sockets whose connections are shown to their owner before anything is spent on them.

asyncio's own servers begin with TLS as soon as a connection is there. Here the owner sees the address first: an
unwanted connection costs two system calls, and gets a reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any, Final

from slidewire.aio.descriptors import remedy
from slidewire.aio.tasks import Tasks
from slidewire.base.addresses import SocketAddress

log = logging.getLogger(__name__)

Begin = Callable[[socket.socket, SocketAddress], Coroutine[Any, Any, None] | None]
"""What to do with a connection; None: it is not wanted."""

_AT_ONCE: Final = 8
"""Connections accepted before others get a turn."""
_REFUSED_SECONDS: Final = 0.002
"""Seconds without accepting after all of these were refused: a flood waits in the kernel's queue, and costs a bounded
part of our time. Others that have just come wait there, too: behind 1024 at most, a third of a second."""
_NO_MORE: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_REST_SECONDS: Final = 1.0
_TELL_SECONDS: Final = 60.0
_RESET: Final = struct.pack("ii", 1, 0)


class Acceptor:
    """Any number of listening sockets, and one who decides."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._tasks = Tasks()
        self._listening: list[socket.socket] = []
        self._tell_again = float("-inf")

    def open(self, host: str, port: int) -> SocketAddress:
        """Where it listens. Raises OSError."""
        return self.adopt(listen_tcp(host, port))

    def adopt(self, listening: socket.socket) -> SocketAddress:
        """Accept what comes to a socket that listens already. It is ours to close."""
        listening.setblocking(False)
        self._listening.append(listening)
        self._listen(listening)
        address: SocketAddress = listening.getsockname()
        return address

    async def close(self) -> None:
        """Stop accepting, and end what has not begun yet."""
        loop = asyncio.get_running_loop()
        for listening in self._listening:
            loop.remove_reader(listening.fileno())
            listening.close()
        self._listening.clear()
        await self._tasks.cancel()

    def _listen(self, listening: socket.socket) -> None:
        if listening in self._listening:
            asyncio.get_running_loop().add_reader(listening.fileno(), self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        refused = 0
        for _ in range(_AT_ONCE):
            try:
                accepted, remote = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_MORE:
                    raise
                self._tell(error)
                self._rest(listening, _REST_SECONDS)
                return
            accepted.setblocking(False)
            beginning = self._begin(accepted, remote)
            if beginning is None:
                refused += 1
                reset(accepted)
            else:
                self._tasks.start(beginning)
        if refused == _AT_ONCE:
            self._rest(listening, _REFUSED_SECONDS)

    def _rest(self, listening: socket.socket, seconds: float) -> None:
        """Who waits in the kernel's queue would wake us again and again."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening.fileno())
        loop.call_later(seconds, self._listen, listening)

    def _tell(self, error: OSError) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._tell_again:
            self._tell_again = now + _TELL_SECONDS
            log.warning("No connection is accepted for a moment. %s", remedy(error))


def listen_tcp(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket of the host's family (IPv6 alone, not both). Raises OSError. `shared`: with others, among whom
    the kernel divides the connections."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024, reuse_port=shared)


def reset(connection: socket.socket) -> None:
    """Close it so that the kernel remembers nothing of it either."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()
