"""How much is too much: token buckets, as values.

A bucket is one number, the *theoretical arrival time* of the generic cell rate algorithm (ITU-T I.371): the moment
the bucket would be full again. Taking from it moves that moment into the future; if it would lie further ahead than
the burst allows, the answer is how long to wait instead. There is no clock here and nothing to tick.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` in the long run, `burst` at once."""

    per_second: float
    burst: float

    def take(self, full_at: float, now: float, cost: float = 1.0) -> tuple[float, float]:
        """Take `cost`. Answers (new state, 0), or (old state, seconds until there would be enough)."""
        after = max(full_at, now) + cost / self.per_second
        wait = after - now - self.burst / self.per_second
        return (after, 0.0) if wait <= 1e-9 else (full_at, wait)

    def times(self, factor: float) -> Rate:
        return Rate(self.per_second * factor, self.burst * factor)


@dataclass(slots=True)
class Buckets(Generic[K]):
    """One bucket per key. A key whose bucket is full again costs nothing: `prune` forgets it."""

    rate: Rate
    full_at: dict[K, float] = field(default_factory=dict)

    def take(self, key: K, now: float, cost: float = 1.0) -> float:
        """0, or the seconds to wait."""
        self.full_at[key], wait = self.rate.take(self.full_at.get(key, now), now, cost)
        return wait

    def peek(self, key: K, now: float) -> float:
        """What `take` would answer."""
        return self.rate.take(self.full_at.get(key, now), now)[1]

    def prune(self, now: float) -> None:
        for key in [key for key, full_at in self.full_at.items() if full_at <= now]:
            del self.full_at[key]


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything the server bounds, in one place. The defaults are those of protocol/signaling.md."""

    messages: Rate = Rate(50, 200)
    bytes: Rate = Rate(256 * 1024, 1024 * 1024)
    host_factor: float = 8
    connections: Rate = Rate(20, 100)
    failed_joins: Rate = Rate(10 / 60, 20)
    new_rooms: Rate = Rate(30 / 60, 60)
    presenters_per_room: int = 64
    hosts_per_room: int = 8
    links_per_room: int = 256
    offences: int = 4
    offence_window: float = 10.0


def plain_address(address: str) -> str:
    """Without the name of an interface, and IPv4 as such."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def address_key(address: str) -> str:
    """Whom an address counts as: itself for IPv4, its /64 for IPv6 (one customer has at least that)."""
    plain = plain_address(address)
    return str(ipaddress.IPv6Network((plain, 64), strict=False)) if _is_ipv6(plain) else plain


def _is_ipv6(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).version == 6
    except ValueError:
        return False
