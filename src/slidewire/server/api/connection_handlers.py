"""The connections of members, for an operator of the server: list them, and end one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from slidewire.server import audit_events
from slidewire.server.accounts.api_keys import Scope
from slidewire.server.api.faults import NO_MEMBER, NO_ROOM
from slidewire.server.api.messages import Active, Broadcast, Kick, MemberPath, Present, RoomNow, RoomPath, Told
from slidewire.server.api.routes import Call, Endpoint, Refused
from slidewire.signaling.hub import Hub
from slidewire.signaling.room import Room

log = logging.getLogger(__name__)

Operate = Callable[[Callable[[Hub, float], Any]], Any]
"""Does something with the hub, and carries out what comes of it."""


class ConnectionHandlers:
    def __init__(self, hub: Hub, operate: Operate, audit: audit_events.Audit) -> None:
        self._hub = hub
        self._operate = operate
        self._audit = audit

    def table(self) -> list[Endpoint]:
        return [
            Endpoint(
                "GET", "/api/connections/active", "The rooms, and who is in them.", self.active, Scope.READ,
                answer=Active,
            ),
            Endpoint(
                "GET", "/api/connections/rooms/{room}", "One room, and who is in it.", self.room, Scope.READ,
                params=RoomPath, answer=RoomNow, faults=(NO_ROOM,),
            ),
            Endpoint(
                "POST", "/api/connections/{id}/kick", "Remove a member from its room.", self.kick, Scope.CONTROL,
                params=MemberPath, body=Kick, faults=(NO_MEMBER,),
            ),
            Endpoint(
                "POST", "/api/connections/rooms/{room}/broadcast", "Send a notice to all members of a room.",
                self.broadcast, Scope.CONTROL, params=RoomPath, body=Broadcast, answer=Told, faults=(NO_ROOM,),
            ),
            Endpoint(
                "POST", "/api/connections/rooms/{room}/close", "Close a room: its links are over.", self.close,
                Scope.CONTROL, params=RoomPath, faults=(NO_ROOM,),
            ),
        ]  # fmt: skip

    async def active(self, call: Call) -> Active:
        return Active([_room(room) for room in self._hub.rooms()], self._hub.connection_count)

    async def room(self, call: Call) -> RoomNow:
        for room in self._hub.rooms():
            if room.code == call.path.room:
                return _room(room)
        raise Refused(NO_ROOM)

    async def kick(self, call: Call) -> None:
        rooms = self._hub.rooms()
        found = [(room.code, room.members[call.path.id]) for room in rooms if call.path.id in room.members]
        if not found or not self._operate(lambda hub, now: hub.kick(call.path.id, call.body.reason, now)):
            raise Refused(NO_MEMBER)
        log.info("A member was removed by %s.", call.known.name)
        room, member = found[0]
        about = {"room": room, "about": member.id, "about_role": member.role.value, "about_link": member.link}
        audit_events.done(self._audit, "member_removed", call, **about, reason=call.body.reason)

    async def broadcast(self, call: Call) -> Told:
        told = self._operate(lambda hub, now: hub.broadcast(call.path.room, call.body.text, now))
        if told is None:
            raise Refused(NO_ROOM)
        audit_events.done(self._audit, "notice_said", call, room=call.path.room, text=call.body.text, members=told)
        return Told(told)

    async def close(self, call: Call) -> None:
        if not self._operate(lambda hub, now: hub.close_room(call.path.room, now)):
            raise Refused(NO_ROOM)
        log.info("A room was closed by %s.", call.known.name)
        audit_events.done(self._audit, "room_closed", call, room=call.path.room)


def _room(room: Room) -> RoomNow:
    members = [
        Present(member.id, member.role.value, member.name, member.away, member.link) for member in room.members.values()
    ]
    return RoomNow(room.code, len(room.links), members)
