"""UDP sockets, drained.

asyncio's own datagram transport takes 256 KiB of fresh memory for every datagram, and is a fifth as fast as what is
done here: when the socket is readable, receive into one buffer until it would block or the budget is spent, so that one
busy socket does not starve the others. What cannot be sent at once is dropped, as UDP may.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, Final

HEADROOM: Final = 4
"""Room in front of what was received: a ChannelData header fits, so that forwarding copies nothing."""
BUDGET: Final = 64
_LISTENER_BYTES: Final = 4 << 20

SocketAddress = tuple[Any, ...]

buffer: Final = bytearray(HEADROOM + 65_536)
"""Where every datagram is received, after HEADROOM. It is overwritten by the next one."""
view: Final = memoryview(buffer)
_payload: Final = view[HEADROOM:]

Received = Callable[[int, SocketAddress], None]
"""(size, source); the bytes are in `buffer`."""


class UdpSocket:
    """One bound socket."""

    __slots__ = ("_after", "_before", "_loop", "_received", "_socket", "address", "is_ipv6", "sendto")

    def __init__(self, bound: socket.socket) -> None:
        bound.setblocking(False)
        self._socket = bound
        self._loop = asyncio.get_running_loop()
        self.is_ipv6 = bound.family == socket.AF_INET6
        self.address: SocketAddress = bound.getsockname()
        self.sendto = bound.sendto

    def start(self, received: Received, before: Callable[[], object], after: Callable[[], object]) -> None:
        """Call `received` for each datagram, and the others before and after each run of them."""
        self._received, self._before, self._after = received, before, after
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def send(self, data: bytes | memoryview, target: SocketAddress) -> bool:
        """False if it could not be sent: no room, nobody there, too large. Nothing more will be said about it."""
        try:
            self.sendto(data, target)
        except OSError:
            return False
        return True

    def send_unfragmented(self, data: bytes, target: SocketAddress) -> bool:
        """The same with the Don't Fragment bit, where the system lets us set it."""
        level, option = (socket.IPPROTO_IPV6, 23) if self.is_ipv6 else (socket.IPPROTO_IP, 10)  # *_MTU_DISCOVER, Linux
        with contextlib.suppress(OSError):
            self._socket.setsockopt(level, option, 2)
        try:
            return self.send(data, target)
        finally:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(level, option, 0)

    def _readable(self) -> None:
        receive, received, fileno = self._socket.recvfrom_into, self._received, self._socket.fileno
        self._before()
        for _ in range(BUDGET):
            try:
                size, source = receive(_payload)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                if fileno() < 0:
                    break  # what was received led to its closing
                continue  # an ICMP error about something sent earlier; the socket is as good as before
            received(size, source)
        self._after()


def bind_udp(host: str, port: int, *, listener: bool = False) -> socket.socket:
    """A bound socket of the host's family (IPv6 alone, not both). Raises OSError."""
    ipv6 = ":" in host
    bound = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if ipv6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if listener:
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                bound.setsockopt(socket.SOL_SOCKET, option, _LISTENER_BYTES)
        with contextlib.suppress(OSError):  # RFC 8656 §14: without the Don't Fragment bit unless asked for
            if ipv6:
                bound.setsockopt(socket.IPPROTO_IPV6, 23, 0)
            else:
                bound.setsockopt(socket.IPPROTO_IP, 10, 0)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound
