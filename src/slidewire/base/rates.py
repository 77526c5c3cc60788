"""Rates: token buckets, bounded tables of them, and blocks that double.

Sans-I/O, and below every layer that counts something. A bucket is one number, the *theoretical arrival time* of the
generic cell rate algorithm (ITU-T I.371): the moment it would be full again. Taking from it moves that moment into the
future; if it would lie further ahead than the burst allows, nothing is taken. There is no clock here and no timer.

Every table is bounded, because an attacker chooses how many keys there are: in `Buckets` and `Blocks` the key that was
idle longest is evicted, and a `Sieve` stores no keys at all.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

MOST: Final = 8192
"""Keys of one table, unless it is told otherwise. A key and its bucket are about 200 bytes."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` in the long run, `burst` at once."""

    per_second: float
    burst: float

    def take(self, full_at: float, now: float, cost: float = 1.0) -> float | None:
        """The bucket after taking `cost` from it, or None if there is not enough in it."""
        after = max(full_at, now) + cost / self.per_second
        return after if after <= now + self.burst / self.per_second + 1e-9 else None

    def wait(self, full_at: float, now: float, cost: float = 1.0) -> float:
        """Seconds until `take` would give that much; 0 if it does now."""
        after = max(full_at, now) + cost / self.per_second
        late = after - now - self.burst / self.per_second
        return late if late > 1e-9 else 0.0

    def left(self, full_at: float, now: float) -> int:
        """How many more may be taken at once."""
        return max(0, int(self.burst - (max(full_at, now) - now) * self.per_second + 1e-6))

    def times(self, factor: float) -> Rate:
        return Rate(self.per_second * factor, self.burst * factor)


@dataclass(slots=True)
class Bucket:
    """A rate, and how far it is used up."""

    rate: Rate
    full_at: float = float("-inf")

    def take(self, now: float, cost: float = 1.0) -> float:
        """0, or the seconds to wait."""
        after = self.rate.take(self.full_at, now, cost)
        if after is None:
            return self.rate.wait(self.full_at, now, cost)
        self.full_at = after
        return 0.0

    def charge(self, now: float, cost: float) -> None:
        """What was used already, whether it was there or not."""
        self.full_at = max(self.full_at, now) + cost / self.rate.per_second


@dataclass(slots=True)
class Buckets(Generic[K]):
    """One bucket per key. A key whose bucket is full again costs nothing: `prune` forgets it."""

    rate: Rate
    most: int = MOST
    full_at: dict[K, float] = field(default_factory=dict)
    """In the order in which they were last taken from."""

    def take(self, key: K, now: float, cost: float = 1.0) -> float:
        """0, or the seconds to wait."""
        full_at = self.full_at.get(key, now)
        after = self.rate.take(full_at, now, cost)
        if after is None:
            return self.rate.wait(full_at, now, cost)
        self.full_at.pop(key, None)
        self.full_at[key] = after
        if len(self.full_at) > self.most:
            del self.full_at[next(iter(self.full_at))]
        return 0.0

    def charge(self, key: K, now: float, cost: float) -> None:
        """What was used already, as far as it is there."""
        full_at = max(self.full_at.pop(key, now), now) + cost / self.rate.per_second
        self.full_at[key] = min(full_at, now + self.rate.burst / self.rate.per_second)

    def peek(self, key: K, now: float) -> float:
        """What `take` would answer."""
        return self.rate.wait(self.full_at.get(key, now), now)

    def left(self, key: K, now: float) -> int:
        return self.rate.left(self.full_at.get(key, now), now)

    def prune(self, now: float) -> None:
        for key in [key for key, full_at in self.full_at.items() if full_at <= now]:
            del self.full_at[key]


class Sieve:
    """A rate per source without remembering sources: each falls, by a keyed hash, into one of a fixed set of buckets.

    Sources that share a bucket share its rate. Without the key, none can choose which one it shares.
    """

    def __init__(self, rate: Rate, key: bytes, buckets: int = 1 << 16) -> None:
        self._rate = rate
        self._key = key
        self._full_at = array("d", bytes(8 * buckets))

    def _index(self, source: bytes) -> int:
        digest = hashlib.blake2b(source, digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big") % len(self._full_at)

    def queue(self, source: bytes, now: float, cost: float = 1.0) -> float:
        """Take in any case; answers how long to wait before using it, so that the rate is kept."""
        index = self._index(source)
        wait = self._rate.wait(self._full_at[index], now, cost)
        self._full_at[index] = max(self._full_at[index], now) + cost / self._rate.per_second
        return wait

    def take(self, source: bytes, now: float) -> bool:
        index = self._index(source)
        after = self._rate.take(self._full_at[index], now)
        if after is None:
            return False
        self._full_at[index] = after
        return True


@dataclass(slots=True)
class _Record:
    full_at: float
    """Of the bucket of offences."""
    level: float = 0.0
    """How many blocks it had that are not forgiven."""
    since: float = 0.0
    until: float = 0.0
    why: str = ""
    refused: int = 0
    """What was refused of it since it was blocked."""


@dataclass(frozen=True, slots=True)
class Block(Generic[K]):
    """A key that is refused everything for a while."""

    key: K
    seconds: float
    """From now."""
    why: str
    refused: int


class Blocks(Generic[K]):
    """Who has gone too far: tolerance, then a block, then one twice as long, up to `longest`. One doubling is forgiven
    for every `forgiven` seconds without another block. An offence heavier than the tolerance blocks at once.

    Only an offence makes a record; a connection or a request alone does not.
    """

    def __init__(
        self, tolerance: Rate, *, first: float = 10.0, longest: float = 900.0, forgiven: float = 600.0, most: int = MOST
    ) -> None:
        self._tolerance = tolerance
        self._first, self._longest, self._forgiven = first, longest, forgiven
        self._most = most
        self._records: dict[K, _Record] = {}

    def __len__(self) -> int:
        return len(self._records)

    def penalize(self, key: K, now: float, why: str, weight: float = 1.0) -> Block[K] | None:
        """The block that this made, if it made one."""
        record = self._records.pop(key, None) or _Record(now)
        self._records[key] = record
        if len(self._records) > self._most:
            del self._records[next(iter(self._records))]
        if now < record.until:
            record.refused += 1
            return None
        after = self._tolerance.take(record.full_at, now, weight)
        if after is not None:
            record.full_at = after
            return None
        if record.until:
            record.level = max(0.0, record.level - (now - record.until) / self._forgiven)
        seconds = min(self._longest, self._first * 2.0 ** min(record.level, 30.0))
        record.level += 1.0
        record.full_at = record.since = now
        record.until, record.why, record.refused = now + seconds, why, 0
        return Block(key, seconds, why, 0)

    def left(self, key: K, now: float) -> float:
        """Seconds that it is still blocked; 0 if it is not."""
        record = self._records.get(key)
        return max(0.0, record.until - now) if record is not None else 0.0

    def refuses(self, key: K, now: float) -> bool:
        """`left`, and it is counted as refused."""
        record = self._records.get(key)
        if record is None or now >= record.until:
            return False
        record.refused += 1
        return True

    def current(self, now: float) -> Iterator[Block[K]]:
        """Who is blocked."""
        for key, record in self._records.items():
            if now < record.until:
                yield Block(key, record.until - now, record.why, record.refused)

    def prune(self, now: float) -> None:
        """Forget who has been forgiven everything."""
        for key, record in list(self._records.items()):
            if record.full_at <= now and record.until + record.level * self._forgiven <= now:
                del self._records[key]
