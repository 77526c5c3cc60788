"""Connections that a process makes to its own server, known by the port they come from.

`slidewire up` is server and host in one. Its host is never refused because of other clients at the same address: a
connection is this process's own if it comes from a socket that was made here, whose port no other program can use.
"""

from __future__ import annotations

import socket

from slidewire.base.addresses import Address, SocketAddress

OWN = "this host"
"""What counts as the address of such a connection: it has its own share of everything."""

AddressInfo = tuple[int, int, int, str, SocketAddress]
"""As `socket.getaddrinfo` gives it."""


class OwnClients:
    def __init__(self) -> None:
        self._ports: set[Address] = set()

    def make_socket(self, info: AddressInfo) -> socket.socket:
        """A socket for one connection to the own server at that address."""
        family, kind, protocol, _, to = info
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        made.bind((to[0], 0))  # from the address it goes to: the one address that is ours for certain
        self._ports.add(_port(made.getsockname()))
        return made

    def __contains__(self, remote: SocketAddress) -> bool:
        return _port(remote) in self._ports

    def forget(self, remote: SocketAddress) -> None:
        """The connection from there is over."""
        self._ports.discard(_port(remote))


def _port(address: SocketAddress) -> Address:
    return Address(address[0], address[1])
