"""Datagrams to a peer connection before the WebRTC library looks at them, by private parts of aioice 0.13.

The library reads whatever comes, from wherever, and queues it without an end; a datagram costs it half a millisecond.
Here the owner is asked first. What does not come from where the other end is known to be is dropped without a charge:
who knows a port must not be able to use up the quota of the participant it belongs to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from aioice.ice import Connection, StunProtocol

BACKLOG: Final = 64
"""Datagrams of one connection that wait to be read."""

_metered: WeakKeyDictionary[Connection, tuple[Callable[[], bool], int]] = WeakKeyDictionary()
_datagram_received = StunProtocol.datagram_received
_recvfrom = Connection.recvfrom


def meter(connection: Connection, permits: Callable[[], bool], backlog: int = BACKLOG) -> None:
    """Ask `permits` for each datagram to this connection; False: it is dropped."""
    _metered[connection] = permits, backlog


def _received(self: StunProtocol, data: bytes | str, addr: tuple[Any, ...]) -> None:
    connection = self.receiver
    asked = _metered.get(connection)
    if asked is not None:
        permits, backlog = asked
        if connection._queue.qsize() >= backlog or not _is_from_the_other_end(connection, data, addr) or not permits():
            return
    _datagram_received(self, data, addr)


def _is_from_the_other_end(connection: Connection, data: bytes | str, addr: tuple[Any, ...]) -> bool:
    """Or a STUN message (RFC 7983 §7: first byte 0 to 3), which may come from an address that is not known yet."""
    first = data[0] if data and isinstance(data, bytes) else 0
    pair = connection._nominated.get(1)
    if first <= 3 or pair is None:
        return True
    source = (addr[0], addr[1])
    return bool(pair.remote_addr == source) or any(known.remote_addr == source for known in connection._check_list)


async def _receive_in_turn(self: Connection) -> tuple[bytes, int]:
    """One datagram, and then the others have their turn: what waits is not read in one go."""
    received = await _recvfrom(self)
    if self in _metered:
        await asyncio.sleep(0)
    return received


StunProtocol.datagram_received = _received  # type: ignore[method-assign]
Connection.recvfrom = _receive_in_turn  # type: ignore[method-assign]
