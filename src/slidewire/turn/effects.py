"""Who talks to the relay, and what the core asks of its shell."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from slidewire.base.address_prefixes import customer_of
from slidewire.base.addresses import Address, SocketAddress

if TYPE_CHECKING:
    from slidewire.turn.allocation import Allocation

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
        """Who the client counts as in every limit of addresses."""
        return customer_of(self.client[0]).encode()


class Opened(NamedTuple):
    """A relay socket that the shell opened."""

    handle: Handle
    bound: Address
    """Where it is bound."""
    announced: Address
    """… and how the world reaches it: the same, but behind a one-to-one NAT."""


class SendToClient(NamedTuple):
    """To a UDP client in one datagram, to a stream client in its order."""

    client: FiveTuple
    data: bytes


class SendToPeer(NamedTuple):
    relay: Handle
    data: bytes
    peer: Address
    dont_fragment: bool = False


class OpenRelay(NamedTuple):
    """Open a UDP socket on the relay's address of this family, on a port nobody can guess, from 49152 up (§7.2).

    Then say `relay_opened` or `relay_failed`; the client is answered after that.
    """

    ticket: int
    family: int
    even: bool = False
    with_next: bool = False
    """And the next higher port as well, which is kept for later."""


class Route(NamedTuple):
    """The channels of this allocation are others than before, or none: for a shell that forwards by a table of its own.

    It comes before the effects that close what they went through. Time is not announced: `usable_until` says it.
    """

    allocation: Allocation


class Report(NamedTuple):
    """Something happened that an operator may want to read of. Nothing is to be done. No secret is in it."""

    event: str
    client: FiveTuple
    user: str
    facts: dict[str, str | int | float]


class CloseRelay(NamedTuple):
    relay: Handle


class CloseStream(NamedTuple):
    """Close it; the core has forgotten it."""

    client: FiveTuple


Effect = SendToClient | SendToPeer | OpenRelay | Route | CloseRelay | CloseStream
