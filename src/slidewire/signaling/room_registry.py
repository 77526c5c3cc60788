"""Rooms by code and by link, members by id and by resume token, and the links that are over.

These tables are kept consistent here, and each is bounded. Effects say what must be kept through a restart. Who may do
what, and who is told of it, is in `hub` and `membership`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final

from slidewire.base.base64url import decode_base64url, encode_base64url
from slidewire.signaling import messages as m
from slidewire.signaling.effects import DropRoom, Effect, SaveRoom, SaveTombstone
from slidewire.signaling.limits import Limits
from slidewire.signaling.messages import Code
from slidewire.signaling.quotas import RoomQuotas
from slidewire.signaling.room import Mailbox, Member, Role, Room, Space, StoredRoom, Tombstone
from slidewire.signaling.router import Router

ROOM_SECONDS: Final = 12 * 3600.0
TOMBSTONE_SECONDS: Final = 24 * 3600.0

ROOM_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 characters, so that five bits pick one; without 0, 1, I and O, which people mistake for one another."""
ROOM_CODE_LENGTH: Final = 6


class RoomRegistry:
    def __init__(
        self,
        limits: Limits,
        entropy: Callable[[int], bytes],
        wall: Callable[[], float],
        effects: Callable[[Effect], object],
        router: Router,
        rooms: Iterable[StoredRoom],
        tombstones: Iterable[Tombstone],
    ) -> None:
        self._limits = limits
        self._entropy = entropy
        self._wall = wall
        self._effects = effects
        self._router = router
        self.rooms: dict[str, Room] = {}
        self.members: dict[str, Member] = {}
        self.space = Space(limits.kept_bytes)
        self._links: dict[str, Room] = {}
        self._resumable: dict[bytes, Member] = {}
        self._tombstones: dict[str, Tombstone] = {stone.link: stone for stone in tombstones}
        for stored in rooms:
            self._restore(stored)

    @property
    def is_full(self) -> bool:
        return len(self.members) >= self._limits.members

    # --- rooms --------------------------------------------------------------------------------------------------------

    def new_room(self, code: str, token_hash: bytes, maker: str) -> Room:
        """A room that is in these tables once it is opened. Without a code it gets an unused one."""
        return Room(code or self._new_code(), token_hash, RoomQuotas(self._limits), maker=maker)

    def open(self, room: Room) -> None:
        self.rooms[room.code] = room
        room.idle_until = None

    def make_space(self, maker: str) -> bool:
        """For one more room. Where there are too many, the one that has been idle longest is ended: of the same maker,
        or of all. Its host can open it again. False: none of them is idle."""
        rooms = list(self.rooms.values())
        own = [room for room in rooms if room.maker == maker]
        for found, most in ((own, self._limits.rooms_per_address), (rooms, self._limits.rooms)):
            if len(found) < most:
                continue
            idle = [room for room in found if room.idle_until is not None and not room.members]
            if not idle:
                return False
            self.end(min(idle, key=lambda room: room.idle_until or 0.0))
        return True

    def end(self, room: Room) -> list[Member]:
        """The room is forgotten. Returns its members, which must leave."""
        for link in room.links:
            self._links.pop(link, None)
        del self.rooms[room.code]
        self._effects(DropRoom(room.code))
        self._router.room_has_ended(room.code)
        members = list(room.members.values())
        room.members.clear()
        return members

    def save(self, room: Room) -> None:
        stored = room.stored()
        self._effects(SaveRoom(stored))
        self._router.room_is_here(stored)

    def forget_what_is_over(self) -> list[Room]:
        """Forget links that were over for long enough. Returns the rooms to end."""
        wall = self._wall()
        for link in [link for link, stone in self._tombstones.items() if stone.until <= wall]:
            del self._tombstones[link]
        return [room for room in self.rooms.values() if room.idle_until is not None and room.idle_until <= wall]

    def _restore(self, stored: StoredRoom) -> None:
        """A room from before the restart. It has no host yet, so it is idle."""
        latest = self._wall() + ROOM_SECONDS
        idle_until = latest if stored.idle_until is None else min(stored.idle_until, latest)
        room = Room(stored.code, stored.token_hash, RoomQuotas(self._limits), idle_until=idle_until)
        self.rooms[room.code] = room
        self.announce(room, stored.links)
        self._router.room_is_here(stored)

    def _new_code(self) -> str:
        while True:
            code = "".join(ROOM_ALPHABET[byte & 31] for byte in self._entropy(ROOM_CODE_LENGTH))
            if code not in self.rooms:
                return code

    # --- links --------------------------------------------------------------------------------------------------------

    def room_of(self, link: str) -> Room | None:
        return self._links.get(link)

    def tombstone_of(self, link: str) -> Tombstone | None:
        return self._tombstones.get(link)

    def announce(self, room: Room, links: Iterable[m.Link]) -> list[m.RefusedLink]:
        """Links that are over stay over, and links of another room stay with that room: these are refused."""
        refused = []
        for link in links:
            stone = self._tombstones.get(link.id)
            if stone is not None:
                refused.append(m.RefusedLink(link.id, stone.code))
            elif self._links.get(link.id, room) is not room:
                refused.append(m.RefusedLink(link.id, Code.LINK_TAKEN))
            else:
                room.links[link.id] = link
                self._links[link.id] = room
        return refused

    def has_space_for(self, room: Room, links: Iterable[m.Link]) -> bool:
        return len(room.links.keys() | {link.id for link in links}) <= self._limits.links_per_room

    def revoke(self, room: Room, link: str) -> bool:
        """Whether the room has, or had, such a link."""
        if room.links.pop(link, None) is None:
            stone = self._tombstones.get(link)
            return stone is not None and stone.room == room.code
        del self._links[link]
        room.quotas.forget_link(link)
        self.add_tombstone(link, room, Code.LINK_REVOKED)
        self.save(room)
        return True

    def add_tombstone(self, link: str, room: Room, code: Code) -> None:
        stone = Tombstone(link, room.code, code, self._wall() + TOMBSTONE_SECONDS)
        self._tombstones[link] = stone
        if len(self._tombstones) > self._limits.tombstones:
            del self._tombstones[next(iter(self._tombstones))]
        self._effects(SaveTombstone(stone))

    # --- members ------------------------------------------------------------------------------------------------------

    def enter(self, room: Room, role: Role, name: str, link: str, now: float) -> Member:
        member = Member(self._new_member_id(), room, role, name, link, None, now, mailbox=Mailbox(self.space))
        room.members[member.id] = self.members[member.id] = member
        return member

    def leave(self, member: Member) -> None:
        """For good. A room without a host is idle from now on."""
        member.mailbox.clear()
        room = member.room
        room.members.pop(member.id, None)
        self.members.pop(member.id, None)
        for key in (member.resume_key, member.spare_key):
            if key is not None:
                self._resumable.pop(key, None)
        if member.role is Role.HOST and not room.hosts() and room.code in self.rooms:
            room.idle_until = self._wall() + ROOM_SECONDS
            self.save(room)

    def _new_member_id(self) -> str:
        while True:
            member_id = "m" + self._entropy(5).hex()
            if member_id not in self.members:
                return member_id

    # --- resume tokens ------------------------------------------------------------------------------------------------

    def by_resume_token(self, token: str) -> Member | None:
        """Raises ValueError for what is not a token."""
        return self._resumable.get(_key(decode_base64url(token)))

    def new_resume_token(self, member: Member, used: str = "") -> str:
        """A fresh token. The one that was just used stays good until the next message: this answer may get lost."""
        spare = _key(decode_base64url(used)) if used else None
        for key in (member.resume_key, member.spare_key):
            if key is not None and key != spare:
                self._resumable.pop(key, None)
        token = self._entropy(16)
        member.resume_key = _key(token)
        member.spare_key = spare
        self._resumable[member.resume_key] = member
        return encode_base64url(token)

    def drop_spare_token(self, member: Member) -> None:
        if member.spare_key is not None:
            self._resumable.pop(member.spare_key, None)
            member.spare_key = None


def _key(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
