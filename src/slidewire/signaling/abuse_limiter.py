"""The gate: whether an address may come in at all, asked before anything is spent on it.

Sans-I/O. The shell asks when a connection is there (`accept_connection`) and when a request has come (`ask`); everybody
who refuses somebody says so (`penalize`). Too much of it is a block, which the next knock meets before TLS begins, and
which `told` hears once: that is where the log learns who it was. Members who are in stay in.

For an address that only knocks nothing is remembered (a `Sieve`); for one that is connected, a number; for one that
offends, a record in a table that has an end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from slidewire.base.address_prefixes import customer_of
from slidewire.base.rates import Block, Blocks, Buckets, Sieve
from slidewire.signaling.limits import Limits

FLOOD: Final = float("inf")
"""The weight of an offence that nobody commits by accident."""


class AbuseLimiter:
    def __init__(
        self,
        limits: Limits,
        sieve_key: bytes,
        told: Callable[[Block[str]], object] = lambda block: None,
        *,
        never_blocked: str | None = None,
    ) -> None:
        """`never_blocked`: what counts as an address and is refused nothing but what is over a rate."""
        self._limits = limits
        self._told = told
        self._never_blocked = never_blocked
        self._tcp_connections = Sieve(limits.tcp_connections, sieve_key)
        self._handshakes = Sieve(limits.handshakes, sieve_key)
        self._work = Sieve(limits.work, sieve_key)
        self._requests: Buckets[str] = Buckets(limits.requests)
        self._dropped: Buckets[str] = Buckets(limits.flood)
        self._late: Buckets[str] = Buckets(limits.late)
        self._blocks: Blocks[str] = Blocks(
            limits.tolerance,
            first=limits.first_block,
            longest=limits.longest_block,
            forgiven=limits.block_forgiven,
        )
        self._held: Counter[str] = Counter()
        self.held = 0
        """Connections that are here."""
        self.counts: Counter[str] = Counter()
        """What was refused, by a stable name for each kind."""

    def accept_connection(self, address: str, now: float) -> bool:
        """Whether this connection may stay. One that may is counted until it has `left`."""
        key = customer_of(address)
        if self._blocks.refuses(key, now):
            self.counts["blocked"] += 1
        elif not self._tcp_connections.take(key.encode(), now):
            self.penalize(address, "too many connections", now)
        else:
            return self.hold(address, now)
        return False

    def hold(self, address: str, now: float) -> bool:
        """Count one more connection, or one more request of a proxy's client, as here until it has `left`. False: this
        address has its share. Beside what one may have in any case, that is half as much as is still free for all: so
        the more somebody takes, the less he gets, and something is left for whoever comes next."""
        key = customer_of(address)
        has = self._held.get(key, 0)
        if has >= self._limits.held_per_address:
            self.penalize(address, "too many connections at once", now)
        elif 2 * has >= self._limits.held - self.held:
            self.counts["server full"] += 1
        else:
            self._held[key] = has + 1
            self.held += 1
            return True
        return False

    def turn_in(self, address: str, now: float) -> float:
        """Seconds that a connection which may stay should wait before TLS is begun with it."""
        return self._handshakes.queue(customer_of(address).encode(), now)

    def left(self, address: str) -> None:
        key = customer_of(address)
        self.held -= 1
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]

    def queue(self, address: str, now: float, work: float) -> float:
        """Seconds that somebody at this address should wait before so much more (in messages) is done for it. Everybody
        there waits in the same queue: who has many connections gets no more done than who has one."""
        return self._work.queue(customer_of(address).encode(), now, work)

    def tolerates(self, address: str, now: float) -> bool:
        """One more message of this address was dropped: whether that is still borne, or a flood."""
        return self._dropped.take(customer_of(address), now) == 0

    def tolerates_late(self, address: str, now: float, messages: int) -> bool:
        """So many messages had to wait in the queue: whether that is still borne, or a flood."""
        return self._late.take(customer_of(address), now, messages) == 0

    def ask(self, address: str, now: float) -> float:
        """Before a request is looked at: 0, or the seconds it should wait."""
        key = customer_of(address)
        if self._blocks.refuses(key, now):
            self.counts["blocked"] += 1
            return self._blocks.left(key, now)
        wait = self._requests.take(key, now)
        if wait > 0:
            self.penalize(address, "too many requests", now)
        return wait

    def requests_left(self, address: str, now: float) -> int:
        return self._requests.left(customer_of(address), now)

    def penalize(self, address: str, why: str, now: float, weight: float = 1.0) -> None:
        """Something of this address was refused. `why` is a short phrase that holds nothing of what it sent."""
        self.counts[why] += 1
        if address == self._never_blocked:
            return
        block = self._blocks.penalize(customer_of(address), now, why, weight)
        if block is not None:
            self.counts["blocks"] += 1
            self._told(block)

    def blocked_for(self, address: str, now: float) -> float:
        """Seconds; 0 if it is not blocked."""
        return self._blocks.left(customer_of(address), now)

    def blocks(self, now: float) -> list[Block[str]]:
        """Who is blocked now, the one who is refused most first."""
        return sorted(self._blocks.current(now), key=lambda block: -block.refused)

    @property
    def remembered(self) -> int:
        """Addresses that anything is remembered of."""
        return len(self._held) + len(self._requests.full_at) + len(self._late.full_at) + len(self._blocks)

    def prune(self, now: float) -> None:
        """Forget what is over; once a minute is often enough."""
        self._requests.prune(now)
        self._dropped.prune(now)
        self._late.prune(now)
        self._blocks.prune(now)
