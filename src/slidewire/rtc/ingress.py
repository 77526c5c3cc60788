"""Datagrams to a peer connection before the WebRTC library looks at them, by private parts of aioice 0.13.

The library reads every datagram from every source, and its queue has no limit; a datagram costs it half a millisecond.
Here the owner is asked first, for each datagram from an address at which the other end is known to be. Other sources
have a rate of their own, so that a stranger who knows the port cannot use up the quota of the participant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final
from weakref import WeakKeyDictionary

from aioice.ice import Connection, StunProtocol

from slidewire.base.rates import Bucket, Rate

BACKLOG: Final = 64
"""Datagrams of one connection that wait to be read."""
UNKNOWN_SOURCES: Final = Rate(50, 32)
"""Datagrams of one connection from sources that are not known: STUN servers, and connectivity checks that arrive before
the candidate that they come from (RFC 8445 §7.3.1.3). They fill half of the backlog at most."""


@dataclass(slots=True)
class _Meter:
    permits: Callable[[], bool]
    backlog: int
    clock: Callable[[], float]
    unknown: Bucket = field(default_factory=lambda: Bucket(UNKNOWN_SOURCES))


_meters: WeakKeyDictionary[Connection, _Meter] = WeakKeyDictionary()
_datagram_received = StunProtocol.datagram_received
_recvfrom = Connection.recvfrom


def meter(
    connection: Connection,
    permits: Callable[[], bool],
    backlog: int = BACKLOG,
    clock: Callable[[], float] = monotonic,
) -> None:
    """Ask `permits` for each datagram from the other end; False: it is dropped."""
    _meters[connection] = _Meter(permits, backlog, clock)


def _received(self: StunProtocol, data: bytes | str, addr: tuple[Any, ...]) -> None:
    metered = _meters.get(self.receiver)
    if metered is None or _may_pass(metered, self.receiver, data, (addr[0], addr[1])):
        _datagram_received(self, data, addr)


def _may_pass(metered: _Meter, connection: Connection, data: bytes | str, source: tuple[str, int]) -> bool:
    if connection._queue.qsize() >= metered.backlog:
        return False
    pair = connection._nominated.get(1)
    if pair is not None and pair.remote_addr == source:
        return metered.permits()
    if any(known.remote_addr == source for known in connection._check_list):
        return metered.permits()
    # From elsewhere comes STUN only (RFC 7983 §7: first byte 0 to 3), as soon as it is settled where the other end is.
    first = data[0] if data and isinstance(data, bytes) else 0
    return (pair is None or first <= 3) and metered.unknown.take(metered.clock()) == 0


async def _receive_in_turn(self: Connection) -> tuple[bytes, int]:
    """Of datagrams that wait, one in each turn of the event loop, so that a full queue delays nothing else."""
    received = await _recvfrom(self)
    if not self._queue.empty() and self in _meters:
        await asyncio.sleep(0)
    return received


StunProtocol.datagram_received = _received  # type: ignore[method-assign]
Connection.recvfrom = _receive_in_turn  # type: ignore[method-assign]
