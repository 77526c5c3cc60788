"""UDP sockets, and sending through them. Receiving is a data path's: see `datapath`.

What cannot be sent at once is dropped, as UDP may.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from collections.abc import Sequence
from typing import Any, Final

from slidewire.base.addresses import SocketAddress

_LISTENER_BYTES: Final = 4 << 20
_NONBLOCK: Final = getattr(socket, "SOCK_NONBLOCK", 0)
"""Where a socket can be born so, that is one system call less."""
_UDP_SEGMENT: Final = 103
"""Linux 4.18: datagrams of one size for one destination travel the kernel as one."""
_REFUSALS: Final = frozenset({errno.EINVAL, errno.EMSGSIZE, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP})
SEGMENTS: Final = 64
SEGMENTED_BYTES: Final = 65_000


class UdpSocket:
    """One bound socket."""

    __slots__ = ("_socket", "is_ipv6", "name", "receive_into", "sendto", "watched")

    def __init__(self, bound: socket.socket, name: SocketAddress | None = None) -> None:
        """`name`: where it is bound, for who knows that without asking the kernel."""
        if bound.getblocking():
            bound.setblocking(False)
        self._socket = bound
        self.is_ipv6 = bound.family == socket.AF_INET6
        self.sendto = bound.sendto
        self.receive_into = bound.recvfrom_into
        self.name: SocketAddress = name or bound.getsockname()
        self.watched: Any = None
        """What its data path knows it by."""

    @property
    def fileno(self) -> int:
        """-1 once it is closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """After the data path has let go of it."""
        self._socket.close()

    def send(self, data: bytes | memoryview, target: SocketAddress) -> bool:
        """False if it could not be sent: no room, no such host, too large. The datagram is dropped."""
        try:
            self.sendto(data, target)
        except OSError:
            return False
        return True

    def send_segments(self, datagrams: Sequence[memoryview], size: int, target: SocketAddress) -> bool:
        """Several of one size in one trip through the kernel. False if it refuses, and then they went one by one."""
        try:
            self._socket.sendmsg(
                datagrams, [(socket.IPPROTO_UDP, _UDP_SEGMENT, size.to_bytes(2, sys.byteorder))], 0, target
            )
        except OSError as error:
            if error.errno in _REFUSALS:
                for datagram in datagrams:
                    self.send(datagram, target)
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


def segments() -> int:
    """How many datagrams `send_segments` takes at once; 1 where the kernel does not know how."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, 0)
        except OSError:
            return 1
    return SEGMENTS


def bind_udp(host: str, port: int, *, listener: bool = False, shared: bool = False) -> socket.socket:
    """A bound socket of the host's family (IPv6 alone, not both). Raises OSError. `shared`: with others, among whom the
    kernel divides the clients by their address."""
    ipv6 = ":" in host
    bound = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM | _NONBLOCK)
    try:
        if ipv6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if listener:
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                bound.setsockopt(socket.SOL_SOCKET, option, _LISTENER_BYTES)
        try:  # RFC 8656 §14: without the Don't Fragment bit unless asked for
            bound.setsockopt(*((socket.IPPROTO_IPV6, 23) if ipv6 else (socket.IPPROTO_IP, 10)), 0)
        except OSError:
            pass
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound
