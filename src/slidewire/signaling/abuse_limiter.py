"""Whether an address may connect or ask at all, decided before any work is done for it.

Sans-I/O. The shell asks when a connection was accepted by the system (`accept_connection`) and when a request has come
(`ask`). Each part that refuses something reports it (`penalize`). Too many refusals are a block: the next connection of
that address is closed before TLS begins. `on_block` is called once for each block, for the log. Members who are in a
room stay in.

An address that only connects costs no memory (a `Sieve`), one that is connected a number, and one that offends a record
in a table of bounded size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from slidewire.base.address_prefixes import customer_of
from slidewire.base.rates import Block, Blocks, Buckets, Sieve
from slidewire.signaling.limits import Limits

FLOOD: Final = float("inf")
"""The weight of an offence that does not happen by accident."""


class AbuseLimiter:
    def __init__(
        self,
        limits: Limits,
        sieve_key: bytes,
        on_block: Callable[[Block[str]], object] = lambda block: None,
        *,
        never_blocked: str | None = None,
    ) -> None:
        """`never_blocked`: an address that is refused only what is over a rate."""
        self._limits = limits
        self._on_block = on_block
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
        """Open connections."""
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
        """Count one more connection, or one more request of a proxy's client, as open until it has `left`. False: this
        address has its share. That is half as much as is still free for all, so something is left for the next."""
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
        """Seconds that an accepted connection should wait before its TLS handshake begins."""
        return self._handshakes.queue(customer_of(address).encode(), now)

    def left(self, address: str) -> None:
        key = customer_of(address)
        self.held -= 1
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]

    def queue(self, address: str, now: float, work: float, *, is_host: bool = False) -> float:
        """Seconds to wait before so much more work (in messages) is done for this address. All its connections wait in
        one queue: many of them get no more done than one. Its hosts have a queue of their own, which is as much faster
        as what a host may send: a receipt does not wait behind all that other participants have the host answer."""
        key = customer_of(address).encode()
        if is_host:
            return self._work.queue(b"host " + key, now, work / self._limits.host_factor)
        return self._work.queue(key, now, work)

    def tolerates(self, address: str, now: float) -> bool:
        """One more message of this address was dropped. False: this is a flood."""
        return self._dropped.take(customer_of(address), now) == 0

    def tolerates_late(self, address: str, now: float, messages: int) -> bool:
        """So many messages had to wait in the queue. False: this is a flood."""
        return self._late.take(customer_of(address), now, messages) == 0

    def ask(self, address: str, now: float) -> float:
        """Before a request is read: 0, or the seconds it should wait."""
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
        """Something of this address was refused. `why` is a short phrase with nothing in it of what it sent."""
        self.counts[why] += 1
        if address == self._never_blocked:
            return
        block = self._blocks.penalize(customer_of(address), now, why, weight)
        if block is not None:
            self.counts["blocks"] += 1
            self._on_block(block)

    def blocked_for(self, address: str, now: float) -> float:
        """Seconds; 0 if it is not blocked."""
        return self._blocks.left(customer_of(address), now)

    def blocks(self, now: float) -> list[Block[str]]:
        """The current ones, those that refused most first."""
        return sorted(self._blocks.current(now), key=lambda block: -block.refused)

    @property
    def remembered(self) -> int:
        """Addresses of which something is remembered."""
        return len(self._held) + len(self._requests.full_at) + len(self._late.full_at) + len(self._blocks)

    def prune(self, now: float) -> None:
        """Forget what is over; once a minute is often enough."""
        self._requests.prune(now)
        self._dropped.prune(now)
        self._late.prune(now)
        self._blocks.prune(now)
