"""How a member comes into its room, is away, comes back and leaves, and until when each of these may last.

A member is present while it has a connection, and away for a while before it has left for good. A presenter that does
not finish the handshake with a host gives up its place. ICE servers are replaced before their credentials expire. Who
may come in is decided in `hub`; here it is carried out, and the others in the room are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from slidewire.base.deadlines import Deadlines
from slidewire.signaling import messages as m
from slidewire.signaling.connections import Connection, Connections
from slidewire.signaling.delivery import Delivery
from slidewire.signaling.effects import OVER, Effect, MemberGone
from slidewire.signaling.limits import Limits
from slidewire.signaling.messages import Code
from slidewire.signaling.room import Member, Role, Room
from slidewire.signaling.room_registry import RoomRegistry

AWAY_SECONDS: Final = 20.0

IceServersOf = Callable[[str, str, str], list[dict[str, Any]]]
"""(room, member, the name by which it reaches the server) -> what `RTCPeerConnection` takes as `iceServers`."""


class Membership:
    def __init__(
        self,
        *,
        limits: Limits,
        counts: Counter[str],
        registry: RoomRegistry,
        connections: Connections,
        delivery: Delivery,
        deadlines: Deadlines,
        effects: Callable[[Effect], object],
        ice_servers: IceServersOf,
        ice_seconds: float,
    ) -> None:
        self._limits = limits
        self._counts = counts
        self._registry = registry
        self._connections = connections
        self._delivery = delivery
        self._deadlines = deadlines
        self._effects = effects
        self._ice_servers = ice_servers
        self._ice_seconds = ice_seconds

    def enter(self, connection: Connection, room: Room, role: Role, name: str, link: str, now: float) -> Member:
        member = self._registry.enter(room, role, name, link, now)
        self.connect(member, connection, now)
        return member

    def connect(self, member: Member, connection: Connection, now: float) -> None:
        if member.address not in ("", connection.source):
            self._effects(MemberGone())
        member.connection, member.address, member.reached_by = connection.id, connection.source, connection.reached_by
        member.counts_as, member.connected = connection.address, now
        connection.member = member
        if member.role is Role.HOST:
            connection.quotas.becomes_host()
        else:
            member.origin = member.room.origin_of(member)

    def lost_connection(self, member: Member, now: float) -> None:
        """It is away for a while before it has left."""
        member.connection = None
        member.away_since = now
        self._delivery.tell_presence(member, m.HostAway, m.MemberAway, now)
        self._deadlines.arm(now + AWAY_SECONDS, self._check_away, member)

    def remove(self, member: Member, now: float) -> None:
        """It has left for good."""
        self._effects(MemberGone())
        self._delivery.tell_presence(member, m.HostLeft, m.MemberLeft, now)
        self._registry.leave(member)

    def expel(self, member: Member, code: Code, text: str, now: float) -> None:
        connection = self._connections.of(member)
        if connection is not None:
            self._connections.dismiss(connection, code, text)
        self.remove(member, now)

    def end_room(self, room: Room, now: float) -> None:
        """All members are told and leave; the room is forgotten."""
        members = self._registry.end(room)
        for member in members:
            self._delivery.deliver(member, m.RoomEnded, now)
        for member in members:
            connection = self._connections.of(member)
            if connection is not None:
                self._connections.close(connection, OVER, Code.ROOM_ENDED)
            self.remove(member, now)

    # --- until when ---------------------------------------------------------------------------------------------------

    def await_proof(self, member: Member, now: float) -> None:
        self._deadlines.arm(now + self._limits.proof_within, self._check_proof, member)

    def _check_proof(self, member: Member, now: float) -> float | None:
        """One that does not finish the handshake in time gives up its place. Time without a host does not count."""
        if self._registry.members.get(member.id) is not member or member.proven:
            return None
        within = self._limits.proof_within
        host_since = member.room.host_since()
        if host_since is None:
            return now + within
        due = max(member.joined, host_since) + within
        if now < due:
            return due
        self._counts["unproven"] += 1
        text = f"The handshake with the host was not finished within {within:g} s. Your client tries again by itself."
        self.expel(member, Code.UNPROVEN, text, now)
        return None

    def _check_away(self, member: Member, now: float) -> float | None:
        if self._registry.members.get(member.id) is not member or not member.away:
            return None
        due = member.away_since + AWAY_SECONDS
        if now < due:
            return due  # it came back and went away again
        self.remove(member, now)
        return None

    def new_ice_servers(self, member: Member, now: float) -> list[dict[str, Any]]:
        until = now + self._ice_seconds
        if member.ice_until is None:
            self._deadlines.arm(until, self._check_ice_servers, member)
        member.ice_until = until
        return self._ice_servers(member.room.code, member.id, member.reached_by)

    def _check_ice_servers(self, member: Member, now: float) -> float | None:
        if self._registry.members.get(member.id) is not member:
            return None
        if member.connection is None:
            return now + AWAY_SECONDS  # by then it has left, or has come back and got fresh ones
        if member.ice_until is not None and member.ice_until <= now:
            self._delivery.answer(member.connection, m.IceServers(ice_servers=self.new_ice_servers(member, now)))
        return member.ice_until
