"""Where STUN and TURN listen: sockets for one process, or for several that share every address.

Each of several processes has its own socket for every address (SO_REUSEPORT). The kernel gives a client always to the
same socket, by a hash of both addresses, as long as their number stays. So one process, which outlives those that use
them, opens them all.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from slidewire.aio.accept import listen_tcp
from slidewire.aio.udp import bind_udp
from slidewire.system.errors import SetupError, why_not_opened

log = logging.getLogger(__name__)

_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Listening:
    """What one process listens on."""

    udp: list[socket.socket] = field(default_factory=list)
    tcp: list[socket.socket] = field(default_factory=list)
    tls: list[socket.socket] = field(default_factory=list)

    def __iter__(self) -> Iterator[socket.socket]:
        yield from (*self.udp, *self.tcp, *self.tls)

    @property
    def ports(self) -> tuple[int, int, int | None]:
        """UDP, TCP, TLS."""
        return _port(self.udp[0]), _port(self.tcp[0]), _port(self.tls[0]) if self.tls else None


def usable(listen: tuple[str, ...]) -> tuple[str, ...]:
    """`::` is left out where the machine has no IPv6, unless it is all that was asked for."""
    if len(listen) > 1 and "::" in listen and not _has_ipv6():
        return tuple(host for host in listen if host != "::")
    return listen


def listen_on(
    hosts: tuple[str, ...], port: int, tls_port: int | None, *, other_port: bool = False, processes: int = 1
) -> list[Listening]:
    """UDP and TCP on the same port of every host, and TLS if it is wanted, for so many. Raises SetupError, and leaves
    nothing open then. `other_port`: see `TurnSettings`."""
    with contextlib.ExitStack() as opened:
        made = [Listening() for _ in range(processes)]
        port = _port_to_use(port, hosts, other_port)
        if processes > 1:
            # A port that our processes share would be shared with another server as well, unnoticed.
            port = _alone(port, hosts, "--port")
            if tls_port is not None:
                tls_port = _alone(tls_port, hosts, "--tls-port", udp=False)
        for host in hosts:
            for each in made:
                port = _open(opened, each.udp, host, port, "--port", udp=True, shared=processes > 1)
        for host in hosts:
            for each in made:
                port = _open(opened, each.tcp, host, port, "--port", udp=False, shared=processes > 1)
        for host in hosts if tls_port is not None else ():
            for each in made:
                tls_port = _open(opened, each.tls, host, tls_port or 0, "--tls-port", udp=False, shared=processes > 1)
        opened.pop_all()
        return made


def close_all(listening: Iterable[Listening]) -> None:
    for each in listening:
        for opened in each:
            opened.close()


def _open(
    opened: contextlib.ExitStack,
    into: list[socket.socket],
    host: str,
    port: int,
    option: str,
    *,
    udp: bool,
    shared: bool,
) -> int:
    """The port."""
    try:
        made = bind_udp(host, port, listener=True, shared=shared) if udp else listen_tcp(host, port, shared=shared)
    except OSError as error:
        raise SetupError(why_not_opened(error, host, port, option)) from None
    into.append(opened.enter_context(made))
    return _port(made)


def _port(of: socket.socket) -> int:
    return int(of.getsockname()[1])


def _port_to_use(port: int, hosts: tuple[str, ...], other_port: bool) -> int:
    """One that is free for UDP and TCP on all of these, unless it must be the one that was asked for."""
    if port and not other_port:
        return port
    if port:
        try:
            return _reserve(port, hosts)
        except OSError as error:
            log.warning("%s STUN and TURN take another port.", why_not_opened(error, hosts[0], port, "--turn-port"))
    for _ in range(_TRIES):
        try:
            return _reserve(0, hosts)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                break
    return 0  # listening there fails, and says what is wrong


def _alone(port: int, hosts: tuple[str, ...], option: str, *, udp: bool = True) -> int:
    """Check that no other program listens there. Raises SetupError."""
    try:
        return _reserve(port, hosts, udp=udp)
    except OSError as error:
        raise SetupError(why_not_opened(error, hosts[0], port, option)) from None


def _reserve(port: int, hosts: tuple[str, ...], *, udp: bool = True) -> int:
    """Have it for a moment, for UDP and TCP. Raises OSError."""
    with contextlib.ExitStack() as held:
        for host in hosts:
            if udp:
                port = _port(held.enter_context(bind_udp(host, port)))
            port = _port(held.enter_context(listen_tcp(host, port)))
    return port


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
