"""What an API key may do, and that a key which was made with another one may never do more.

A key has bounds: what it may do (scopes), until when, from which networks, and how often. A key that another key makes
lies within the bounds of its parent (attenuation, as macaroons and SPKI certificates have it), so whatever a tree of
keys does, the key at its root could have done. The tree holds by three rules:

- *made within.* What differs in kind is refused: a scope or a network that the parent has not. What differs in degree
  is cut to what the parent has left: who asks cannot know to the second how long that is, and the answer says what it
  got. What is not asked for is inherited.
- *ends with.* A key that is revoked or expires ends its descendants (`accounts`).
- *pays with.* A request by a key is counted with all its ancestors too: a hundred children are no faster than their
  parent.

Pure: no clock, no dice, no disk.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

KEY_SECONDS: Final = 90 * 86_400.0
"""How long a key is good if nothing else is asked for."""
LONGEST_KEY_SECONDS: Final = 730 * 86_400.0
PER_MINUTE: Final = 60
MOST_GENERATIONS: Final = 8
"""A key, its parent, and so on: each request is charged to all of them."""
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


class Scope(StrEnum):
    """What a caller may do."""

    READ = "connections.read"
    CONTROL = "connections.control"
    TURN = "turn.credentials"
    ROOMS = "rooms.open"
    ADMIN = "admin"


ALL_SCOPES: Final = frozenset(Scope)


class BeyondParent(Exception):
    """A key was to have more than its parent has. `code` is for programs."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Bounds:
    scopes: frozenset[Scope]
    expires: float
    """Wall clock seconds: no key is good for ever."""
    addresses: tuple[str, ...]
    """Networks it may be used from, each as `network` writes it; empty: from anywhere."""
    per_minute: int

    def contains(self, other: Bounds) -> bool:
        """Whether `other` may nothing that these do not allow."""
        return (
            other.scopes <= self.scopes
            and other.expires <= self.expires
            and other.per_minute <= self.per_minute
            and are_within(other.addresses, self.addresses)
        )

    def may_come_from(self, address: str) -> bool:
        if not self.addresses:
            return True
        try:
            here = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(here in ipaddress.ip_network(one) for one in self.addresses)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a new key is asked to be. None: as the parent, or the default where there is none."""

    scopes: frozenset[Scope]
    seconds: float | None = None
    addresses: tuple[str, ...] = ()
    per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    id: str
    name: str
    bounds: Bounds
    made_by: str
    """The account at the root of its tree."""
    created: float
    parent: str | None = None
    """The key that made it; None: an operator did."""
    charged: tuple[tuple[str, int], ...] = ()
    """Whose rates a request with it counts for, by id: its own, its parent's, and so on."""


def bounds_of_new_key(wanted: Wanted, parent: Bounds | None, now: float) -> Bounds:
    """`parent`: of the key that asks; None: an operator does, who may everything. Raises BeyondParent."""
    seconds = KEY_SECONDS if wanted.seconds is None else min(wanted.seconds, LONGEST_KEY_SECONDS)
    per_minute = PER_MINUTE if wanted.per_minute is None else wanted.per_minute
    if parent is None:
        return Bounds(wanted.scopes, now + seconds, wanted.addresses, per_minute)
    if not wanted.scopes <= parent.scopes:
        raise BeyondParent("beyond_own_scopes")
    if wanted.addresses and not are_within(wanted.addresses, parent.addresses):
        raise BeyondParent("beyond_own_addresses")
    made = Bounds(
        wanted.scopes,
        min(now + seconds, parent.expires),
        wanted.addresses or parent.addresses,
        min(per_minute, parent.per_minute),
    )
    assert parent.contains(made)
    return made


def network(text: str) -> str:
    """As it is stored and compared. Raises ValueError."""
    found = ipaddress.ip_network(text, strict=False)
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(_MAPPED):
        # Callers are known by their IPv4 address, however it came in (`plain_address`).
        mapped = int(found.network_address) & 0xFFFF_FFFF
        return str(ipaddress.IPv4Network((mapped, found.prefixlen - 96)))
    return str(found)


def are_within(inner: Sequence[str], outer: Sequence[str]) -> bool:
    """Whether every address of `inner` is one of `outer`, where none stands for all."""
    if not outer:
        return True
    if not inner:
        return False
    around = _collapsed(outer)
    return all(any(_is_subnet(each, one) for one in around) for each in map(ipaddress.ip_network, inner))


def _collapsed(networks: Iterable[str]) -> list[Network]:
    """Neighbours together: two halves hold what the whole holds."""
    parsed = [ipaddress.ip_network(text) for text in networks]
    return [
        *ipaddress.collapse_addresses(each for each in parsed if isinstance(each, ipaddress.IPv4Network)),
        *ipaddress.collapse_addresses(each for each in parsed if isinstance(each, ipaddress.IPv6Network)),
    ]


def _is_subnet(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and inner.subnet_of(outer)
