"""A request on its way through the server: what is kept of it until it is answered, and how answers are built."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from slidewire.stun.attributes import ERROR_CODE, UNKNOWN_ATTRIBUTES, Error
from slidewire.stun.message import Builder, Class, packed
from slidewire.turn.authentication import Identity
from slidewire.turn.five_tuple import FiveTuple, Opened
from slidewire.turn.requests import Allocate


class Transaction(NamedTuple):
    """A request that is authenticated and not answered yet."""

    client: FiveTuple
    method: int
    transaction: bytes
    who: Identity
    fingerprint: bool

    def success(self) -> Builder:
        return Builder(self.method, Class.SUCCESS, self.transaction)

    def seal(self, answer: Builder) -> bytes:
        return self.who.sign(answer, fingerprint=self.fingerprint)


@dataclass(slots=True, eq=False)
class PendingAllocate:
    """An Allocate that waits for its sockets."""

    asked: Transaction
    request: Allocate
    waiting: set[int]
    opened: dict[int, Opened] = field(default_factory=dict)
    failed: dict[int, int] = field(default_factory=dict)
    sibling: Opened | None = None
    wanted: bool = True
    """The client is still there."""
    postponed: list[bytes] = field(default_factory=list)
    """Datagrams that came from it meanwhile. What came in a stream waits in the stream's buffer."""
    postponed_bytes: int = 0

    @property
    def transaction(self) -> bytes:
        return self.asked.transaction

    @property
    def owner(self) -> Identity:
        return self.asked.who


class Reservation(NamedTuple):
    """The next higher port, kept for the client that shows the token.

    It counts as an allocation of the client that reserved it: forgotten sockets would otherwise be beyond every quota.
    """

    relay: Opened
    client: FiveTuple
    username: str


def finish(answer: Builder, fingerprint: bool) -> bytes:
    """RFC 8489 §7: with a FINGERPRINT if the request had one."""
    return (answer.fingerprint() if fingerprint else answer).encode()


@cache
def _code(code: int) -> bytes:
    """Without a reason phrase: answers to clients that are not authenticated should be short."""
    return packed(ERROR_CODE, Error(code))


def error_response(method: int, transaction: bytes, code: int, unknown: tuple[int, ...] = ()) -> Builder:
    answer = Builder(method, Class.ERROR, transaction).extend(_code(code))
    return answer.add(UNKNOWN_ATTRIBUTES, unknown) if unknown else answer
