"""What the server remembers: rooms, their members, and the last few messages of each member.

Plain state with the small rules that belong to one room or one member. Who may do what, and everything that concerns
several of them at once, is in `hub.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from slidewire.signaling.messages import Code, HostEntry, Link, MemberEntry
from slidewire.signaling.quotas import RoomQuotas

KEEP_MESSAGES: Final = 64
KEEP_BYTES: Final = 128 * 1024
KEEP_SECONDS: Final = 10.0
CROWDED_BYTES: Final = 8 * 1024
"""What one member may have kept when there is no more space for all of them."""


class ConnectionId(NamedTuple):
    """A socket. Never used twice."""

    node: str
    """The server process that holds it (`router`)."""
    number: int
    """By which that process knows it."""


class Role(Enum):
    HOST = "host"
    PRESENTER = "presenter"


@dataclass(frozen=True, slots=True)
class Kept:
    n: int
    since: float
    data: bytes


@dataclass(slots=True)
class Space:
    """How much all mailboxes of a server keep together, and may keep."""

    most: float = float("inf")
    used: int = 0


@dataclass(slots=True)
class Mailbox:
    """Numbers a member's messages and keeps the last of them until it says it has them. The oldest are lost first."""

    space: Space = field(default_factory=Space)
    last: int = 0
    kept: deque[Kept] = field(default_factory=deque)
    size: int = 0

    def next_number(self) -> int:
        self.last += 1
        return self.last

    def keep(self, data: bytes, now: float) -> None:
        """Keep the message that was numbered last."""
        self.kept.append(Kept(self.last, now, data))
        self.size += len(data)
        self.space.used += len(data)
        most = KEEP_BYTES if self.space.used <= self.space.most else CROWDED_BYTES
        while len(self.kept) > KEEP_MESSAGES or self.size > most:
            self._drop()
        self._forget_old(now)

    def forget(self, last: int) -> None:
        while self.kept and self.kept[0].n <= last:
            self._drop()

    def clear(self) -> None:
        while self.kept:
            self._drop()

    def after(self, last: int, now: float) -> Iterator[bytes]:
        self.forget(last)
        self._forget_old(now)
        return (kept.data for kept in tuple(self.kept))

    def _forget_old(self, now: float) -> None:
        while self.kept and now - self.kept[0].since > KEEP_SECONDS:
            self._drop()

    def _drop(self) -> None:
        size = len(self.kept.popleft().data)
        self.size -= size
        self.space.used -= size


@dataclass(slots=True, eq=False)
class Member:
    """Present while it has a connection, away (since when) while it has none."""

    id: str
    room: Room
    role: Role
    name: str
    link: str
    """The link it came by; empty for hosts."""
    connection: ConnectionId | None
    joined: float
    address: str = ""
    """The address it is connected from, or was when it went away."""
    counts_as: str = ""
    """The customer that this address counts as."""
    origin: int = 0
    """A number for that in its room: presenters with the same are connected from one address."""
    connected: float = 0.0
    """Since when it is, or was, connected."""
    proven: bool = False
    """It finished the handshake with a host."""
    reached_by: str = ""
    """The name by which it reaches the server."""
    ice_until: float | None = None
    """When it gets new ICE servers."""
    away_since: float = 0.0
    resume_key: bytes | None = None
    """SHA-256 of the newest resume token."""
    spare_key: bytes | None = None
    """SHA-256 of the token before it: good until the member proves that it has the newest."""
    mailbox: Mailbox = field(default_factory=Mailbox)

    @property
    def away(self) -> bool:
        return self.connection is None


@dataclass(slots=True, eq=False)
class Room:
    code: str
    token_hash: bytes
    quotas: RoomQuotas
    links: dict[str, Link] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    idle_until: float | None = None
    """Wall clock: when a room without a host is forgotten. None while it has one."""
    maker: str = ""
    """The address that opened it."""

    def hosts(self, but: Member | None = None) -> list[Member]:
        return [m for m in self.members.values() if m.role is Role.HOST and m is not but]

    def first_host(self) -> Member | None:
        """The one to which a presenter's first message goes."""
        return next((host for host in self.hosts() if not host.away), None)

    def presenters(self, link: str | None = None) -> list[Member]:
        return [m for m in self.members.values() if m.role is Role.PRESENTER and (link is None or m.link == link)]

    def host_since(self) -> float | None:
        """Since when there has been a host with which to finish the handshake; None: there is none now."""
        return min((host.connected for host in self.hosts() if not host.away), default=None)

    def origin_of(self, member: Member) -> int:
        """The number of its address in the room: that of others there, or the lowest unused one."""
        others = {m.counts_as: m.origin for m in self.presenters() if m is not member}
        known = others.get(member.counts_as)
        taken = set(others.values())
        return known if known is not None else next(n for n in range(1, len(taken) + 2) if n not in taken)

    def host_entries(self, but: Member) -> list[HostEntry]:
        return [HostEntry(m.id, m.name, m.away) for m in self.hosts(but)]

    def member_entries(self, now: float) -> list[MemberEntry]:
        return [self._entry(member, now) for member in self.presenters()]

    def _entry(self, member: Member, now: float) -> MemberEntry:
        entry = MemberEntry(member.id, member.link, member.name, member.away)
        if not self.knows_places(member.link):
            return entry
        seconds = max(0, int(now - member.joined))
        return msgspec.structs.replace(entry, proven=member.proven, origin=member.origin, seconds=seconds)

    def knows_places(self, link: str) -> bool:
        """Whether its host reports which members are proven, and is told which ones hold the places."""
        return link in self.links and self.links[link].place is not None

    def stored(self) -> StoredRoom:
        return StoredRoom(self.code, self.token_hash, tuple(self.links.values()), self.idle_until)


@dataclass(frozen=True, slots=True)
class StoredRoom:
    """What is kept of a room through a restart."""

    code: str
    token_hash: bytes
    links: tuple[Link, ...]
    idle_until: float | None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A link that is over. For a day it is refused with this code, whatever a host announces."""

    link: str
    room: str
    code: Code
    until: float
    """Wall clock."""
