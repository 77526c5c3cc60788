"""5-tuples and relayed addresses: what allocations and effects have in common."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from slidewire.base.address_prefixes import customer_of
from slidewire.base.addresses import Address, SocketAddress

Handle = Any
"""The shell's name for a socket it opened for us: hashable, and never looked into."""


class Transport(Enum):
    """How a client reaches the server (RFC 8656 §3.1, §5)."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"

    __hash__ = object.__hash__  # it is part of many keys, and Enum's own is slow

    @property
    def is_stream(self) -> bool:
        return self is not Transport.UDP


class FiveTuple(NamedTuple):
    """What identifies an allocation (RFC 8656 §6): the client's address, the server's, and the transport."""

    transport: Transport
    client: SocketAddress
    server: SocketAddress

    @property
    def address(self) -> Address:
        """The client's, as it is answered (server-reflexive)."""
        return Address(self.client[0], self.client[1])

    @property
    def customer(self) -> bytes:
        """The customer that the client counts as in every limit of addresses."""
        return customer_of(self.client[0]).encode()


class Opened(NamedTuple):
    """A relay socket that the shell opened."""

    handle: Handle
    bound: Address
    """Where it is bound."""
    announced: Address
    """… and how the world reaches it: the same, but behind a one-to-one NAT."""
