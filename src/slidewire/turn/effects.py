"""What the core asks of its shell."""

from __future__ import annotations

from typing import NamedTuple

from slidewire.base.addresses import Address
from slidewire.turn.allocation import Allocation
from slidewire.turn.five_tuple import FiveTuple, Handle


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
    """Open a UDP socket on the relay's address of this family, on a port that cannot be guessed, from 49152 up (§7.2).

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
