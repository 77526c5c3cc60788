"""How much is sent to clients that are not authenticated, whose address may be forged.

A server that answers everything is an amplifier: it sends to a victim what an attacker asks for in its name. The rates
are in `limits`; no address is stored (`Sieve`).
"""

from __future__ import annotations

from collections.abc import Callable

from slidewire.base.addresses import pack_host
from slidewire.base.rates import Bucket, Sieve
from slidewire.turn.five_tuple import FiveTuple
from slidewire.turn.limits import Limits


class AnswerLimits:
    def __init__(self, limits: Limits, entropy: Callable[[int], bytes]) -> None:
        self._unknown = Sieve(limits.answers, entropy(32))
        self._known = Sieve(limits.answers_known, entropy(32))
        self._each = Sieve(limits.answers_each, entropy(32))
        self._total = Bucket(limits.answers_total)
        self._failures = Sieve(limits.failures, entropy(32))

    def allow(self, client: FiveTuple, now: float, *, has_allocation: bool, is_known: bool) -> bool:
        """Whether a client may be answered. `is_known`: its customer has an allocation or a connection.

        A flood uses up the rate of its own port. A known customer has a rate for its other clients; every other one has
        a small rate, and all of them share one. A client with an allocation uses none of these. A stream has proved its
        address, and is always answered.
        """
        if client.transport.is_stream:
            return True
        if not self._each.take(pack_host(client.client[0]) + client.client[1].to_bytes(2, "big"), now):
            return False
        if has_allocation:
            return True
        if is_known:
            return self._known.take(client.customer, now)
        return self._unknown.take(client.customer, now) and not self._total.take(now)

    def allow_failure(self, client: FiveTuple, now: float) -> bool:
        """Whether one more wrong password from this customer is answered."""
        return self._failures.take(client.customer, now)
