"""The hub's connections: how many an address may open, what each may send, and how one ends.

It knows nothing of rooms. A connection begins as a stranger's; the hub gives it a member, and `lost` is called when a
connection that had one has ended. Messages over a rate are dropped, and if that goes on the connection is closed. One
that sends nonsense or nothing is closed, and what only an attacker does is reported to the abuse limiter.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from slidewire.base.address_prefixes import customer_of, plain_address
from slidewire.base.deadlines import Deadlines
from slidewire.base.rates import Buckets
from slidewire.signaling import messages as m
from slidewire.signaling.abuse_limiter import FLOOD, AbuseLimiter
from slidewire.signaling.delivery import Delivery
from slidewire.signaling.effects import BAD_MESSAGE, CLOSES, FULL, SILENT
from slidewire.signaling.limits import Limits
from slidewire.signaling.messages import Code
from slidewire.signaling.quotas import ConnectionQuotas, RoomQuotas
from slidewire.signaling.room import ConnectionId, Member, Role
from slidewire.signaling.router import Router

FIRST_MESSAGE_SECONDS: Final = 10.0
_OFFENCES: Final = frozenset({Code.MALFORMED, Code.TOO_LARGE, Code.TYPE_UNKNOWN})


@dataclass(slots=True, eq=False)
class Connection:
    id: ConnectionId
    address: str
    """The customer it counts as."""
    source: str
    """The address it comes from."""
    charged_to: str
    """The address that is penalized for what it does."""
    reached_by: str
    opened: float
    last_received: float
    quotas: ConnectionQuotas
    may_open_rooms: bool = True
    member: Member | None = None
    offences: deque[float] = field(default_factory=deque)


class Connections:
    def __init__(
        self,
        *,
        limits: Limits,
        abuse_limiter: AbuseLimiter,
        counts: Counter[str],
        heartbeat: float,
        deadlines: Deadlines,
        delivery: Delivery,
        router: Router,
        lost: Callable[[Member, float], None],
    ) -> None:
        self._limits = limits
        self._abuse_limiter = abuse_limiter
        self._counts = counts
        self._heartbeat = heartbeat
        self._deadlines = deadlines
        self._delivery = delivery
        self._router = router
        self._lost = lost
        self._open: dict[ConnectionId, Connection] = {}
        self._new: Buckets[str] = Buckets(limits.connections)

    def __len__(self) -> int:
        return len(self._open)

    def prune(self, now: float) -> None:
        self._new.prune(now)

    # --- opening and closing ------------------------------------------------------------------------------------------

    def admit(self, address: str, now: float) -> float:
        """0 if this address may have one more, else the seconds it should wait."""
        wait = self._new.take(customer_of(address), now)
        if wait > 0:
            self._counts["sockets over the rate"] += 1
            self._abuse_limiter.penalize(address, "too many sockets", now)
        return wait

    def left(self, address: str, now: float) -> int:
        """How many more it may open at once."""
        return self._new.left(customer_of(address), now)

    def open(
        self, id_: ConnectionId, address: str, now: float, reached_by: str, may_open_rooms: bool, charged_to: str
    ) -> None:
        self._open[id_] = connection = Connection(
            id_,
            customer_of(charged_to),
            plain_address(address),
            plain_address(charged_to),
            reached_by,
            opened=now,
            last_received=now,
            quotas=ConnectionQuotas(self._limits, customer_of(charged_to)),
            may_open_rooms=may_open_rooms,
        )
        self._deadlines.arm(now + FIRST_MESSAGE_SECONDS, self._check, connection)

    def of(self, member: Member) -> Connection | None:
        """None: it is away."""
        return None if member.connection is None else self._open[member.connection]

    def received(self, id_: ConnectionId, now: float) -> Connection | None:
        """Something came on it. None: it was closed before that was read."""
        connection = self._open.get(id_)
        if connection is not None:
            connection.last_received = now
        return connection

    def is_host(self, id_: ConnectionId) -> bool:
        """Whether it is a host's, in its room."""
        connection = self._open.get(id_)
        return connection is not None and connection.member is not None and connection.member.role is Role.HOST

    def end(self, id_: ConnectionId, now: float) -> None:
        """Its socket is closed. Its member, if any, may come back."""
        connection = self._open.pop(id_, None)
        if connection is not None and connection.member is not None:
            self._lost(connection.member, now)

    def forget(self, connection: Connection) -> None:
        """It has no member here, and another node has it now."""
        self._open.pop(connection.id, None)

    def close(self, connection: Connection, code: int, reason: str) -> None:
        """Forget it. The caller deals with its member."""
        self._open.pop(connection.id, None)
        self._router.close(connection.id, code, reason)

    def _drop(self, connection: Connection, code: int, reason: str, now: float) -> None:
        """Close one whose member, if any, may come back."""
        self.end(connection.id, now)
        self._router.close(connection.id, code, reason)

    def _check(self, connection: Connection, now: float) -> float | None:
        if self._open.get(connection.id) is not connection:
            return None
        stranger = connection.member is None
        due = connection.opened + FIRST_MESSAGE_SECONDS if stranger else connection.last_received + 3 * self._heartbeat
        if now < due:
            return due
        if stranger:
            text = "Nothing was said for ten seconds. The first message is open_room, join or resume."
            self.refuse(connection, Code.FIRST_MESSAGE, text, now)
        else:
            self._drop(connection, SILENT, "silent for three heartbeats", now)
        return None

    # --- errors -------------------------------------------------------------------------------------------------------

    def refuse(
        self, connection: Connection, code: Code, text: str, now: float, ref: str | None = None, *,
        retry_after: float | None = None, close: bool = True,
    ) -> None:  # fmt: skip
        """Answer with an error, and close if it is one of those that do."""
        self._counts[f"refused: {code}"] += 1
        self._delivery.error(connection.id, code, text, ref, retry_after)
        if close and code in CLOSES:
            self._drop(connection, CLOSES[code], code, now)

    def dismiss(self, connection: Connection, code: Code, text: str, retry_after: float | None = None) -> None:
        """Answer with an error and close. The others are not told of its member."""
        self._delivery.error(connection.id, code, text, retry_after=retry_after)
        self.close(connection, CLOSES[code], code)

    def dismiss_all(self, code: Code, text: str, retry_after: float) -> None:
        for connection in list(self._open.values()):
            self.dismiss(connection, code, text, retry_after)

    # --- too much, or malformed ---------------------------------------------------------------------------------------

    def charge(self, connection: Connection, size: int, now: float, room: RoomQuotas | None) -> bool:
        """For one message. `room`: of a presenter, its room's. False: the message is over a rate, and dropped. If that
        goes on, the connection is closed and its address blocked; what is tolerated is counted for the address."""
        wait = connection.quotas.take(size, now, room)
        if wait == 0:
            return True
        self._counts["messages dropped"] += 1
        if self._abuse_limiter.blocked_for(connection.charged_to, now) or not self._abuse_limiter.tolerates(
            connection.charged_to, now
        ):
            self._flood(connection, now)
        elif connection.quotas.is_to_be_told(now):
            text = "Too many messages: this one and any until then were dropped."
            self.refuse(connection, Code.RATE_LIMITED, text, now, retry_after=wait)
        return False

    def had_to_wait(self, id_: ConnectionId, messages: int, now: float) -> None:
        """So many more messages of this connection had to wait for their turn. If that goes on, it is a flood, unless
        this connection keeps to its share."""
        connection = self._open.get(id_)
        if connection is None:
            return
        tolerated = self._abuse_limiter.tolerates_late(connection.charged_to, now, messages)
        tolerated = tolerated and not self._abuse_limiter.blocked_for(connection.charged_to, now)
        if not tolerated and connection.quotas.is_past_its_share(now):
            self._flood(connection, now)

    def penalize(self, connection: Connection, wrong: m.Garbage | m.Wrong, now: float) -> None:
        ref = wrong.ref if isinstance(wrong, m.Wrong) else None
        self.refuse(connection, wrong.code, wrong.message, now, ref)
        if wrong.code in _OFFENCES:
            connection.offences.append(now)
            while now - connection.offences[0] > self._limits.offence_window:
                connection.offences.popleft()
            if len(connection.offences) >= self._limits.offences:
                self._abuse_limiter.penalize(
                    connection.charged_to, "messages that are none", now, self._limits.offences
                )
                self._drop(connection, BAD_MESSAGE, wrong.code, now)

    def _flood(self, connection: Connection, now: float) -> None:
        text = "This was a flood of messages. The connection is closed, and its address blocked for a while."
        self._abuse_limiter.penalize(connection.charged_to, "a flood of messages", now, FLOOD)
        wait = self._abuse_limiter.blocked_for(connection.charged_to, now)
        self._delivery.error(connection.id, Code.RATE_LIMITED, text, retry_after=wait)
        self._drop(connection, FULL, Code.RATE_LIMITED, now)
