"""The signaling server's mind: who may say what to whom, and when.

Sans-I/O. A shell reports sockets that open and close and what came on them, then drains `next_effect` and asks
`get_timer` when to come back. `now` is monotonic seconds. Randomness, the wall clock (links expire by it) and the ICE
servers are functions given by the caller. Whatever a client sends, no method raises.

`_RULES` is the table of who may say what: a message without a row for its speaker is refused before anything looks
inside it. A connection starts as a stranger and becomes a host or a presenter with its first message.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from slidewire.rates import Buckets, address_key, plain_address
from slidewire.signaling import messages as m
from slidewire.signaling.deadlines import Deadlines
from slidewire.signaling.effects import BAD_MESSAGE, CLOSES, FULL, NORMAL, OVER, SILENT, Close, Effect, MemberGone
from slidewire.signaling.gate import FLOOD, Gate
from slidewire.signaling.limits import Limits
from slidewire.signaling.messages import Code
from slidewire.signaling.post import Post
from slidewire.signaling.register import Register
from slidewire.signaling.room import ConnectionId, Member, Role, Room, StoredRoom, Tombstone
from slidewire.signaling.spending import ConnectionSpending

AWAY_SECONDS: Final = 20.0
FIRST_MESSAGE_SECONDS: Final = 10.0
HEARTBEAT_SECONDS: Final = 15.0
SWEEP_SECONDS: Final = 60.0
ICE_SECONDS: Final = 12 * 3600.0
"""How long a member keeps its ICE servers before it gets fresh ones: their credentials are good for twice as long."""

_OFFENCES: Final = frozenset({Code.MALFORMED, Code.TOO_LARGE, Code.TYPE_UNKNOWN})

_OVER_TEXT: Final = {
    Code.LINK_REVOKED: "This link was withdrawn by the host. Ask for a new one.",
    Code.ROOM_ENDED: "The show this link was for has ended. Ask the host for a new link.",
}


@dataclass(slots=True, eq=False)
class _Connection:
    id: ConnectionId
    address: str
    """Whom it counts as."""
    source: str
    """Where it is."""
    reached_by: str
    opened: float
    heard: float
    spending: ConnectionSpending
    may_open_rooms: bool = True
    member: Member | None = None
    offences: deque[float] = field(default_factory=deque)


_KEY_NEEDED_TEXT: Final = (
    "This server opens rooms only for who has a key for that. Ask its operator for an API key with the scope "
    "rooms.open, and give it with --api-key-file."
)


class _Refusal(Exception):
    """A handler's way out: the request is answered with an error and has had no effect."""

    def __init__(self, code: Code, text: str, *, retry_after: float | None = None, close: bool = True) -> None:
        super().__init__(code)
        self.code, self.text, self.retry_after, self.close = code, text, retry_after, close


IceServersOf = Callable[[str, str, str], list[dict[str, Any]]]
"""(room, member, the name by which it reaches the server) -> what `RTCPeerConnection` takes as `iceServers`."""


class Hub:
    """See the module. One instance is one server."""

    def __init__(
        self,
        *,
        entropy: Callable[[int], bytes],
        wall: Callable[[], float],
        ice_servers: IceServersOf = lambda room, member, reached_by: [],
        ice_seconds: float = ICE_SECONDS,
        network: Callable[[str], str] = lambda address: "",
        limits: Limits | None = None,
        gate: Gate | None = None,
        heartbeat: float = HEARTBEAT_SECONDS,
        rooms: Iterable[StoredRoom] = (),
        tombstones: Iterable[Tombstone] = (),
    ) -> None:
        self._wall = wall
        self._ice_servers = ice_servers
        self._ice_seconds = ice_seconds
        self._network = network
        self._limits = limits or Limits()
        self.gate = gate or Gate(self._limits, b"")
        self.counts: Counter[str] = Counter()
        """Messages heard and sent on, and what was refused, by code."""
        self._heartbeat = heartbeat
        self._connections: dict[ConnectionId, _Connection] = {}
        self._effects: deque[Effect] = deque()
        self._post = Post(self._effects.append)
        self._register = Register(self._limits, entropy, wall, self._effects.append, rooms, tombstones)
        self._deadlines = Deadlines()
        self._new_connections: Buckets[str] = Buckets(self._limits.connections)
        self._failed_joins: Buckets[str] = Buckets(self._limits.failed_joins)
        self._new_rooms: Buckets[str] = Buckets(self._limits.new_rooms)
        self._sweeping = False

    # --- what the shell calls -----------------------------------------------------------------------------------------

    def admit(self, address: str, now: float) -> float:
        """Before a socket is accepted: 0 if this address may have one more, else the seconds it should wait."""
        self._start_sweeping(now)
        wait = self._new_connections.take(address_key(address), now)
        if wait > 0:
            self.counts["sockets over the rate"] += 1
            self.gate.offend(address, "too many sockets", now)
        return wait

    def sockets_left(self, address: str, now: float) -> int:
        """How many more it may open at once."""
        return self._new_connections.left(address_key(address), now)

    def connect(
        self,
        connection: ConnectionId,
        address: str,
        now: float,
        reached_by: str = "",
        *,
        may_open_rooms: bool = True,
    ) -> None:
        """`reached_by`: the server's name and port as this client knows them (its `Host` header). `may_open_rooms`:
        ones that are not there yet; who has the token of one that is there comes in without."""
        self._start_sweeping(now)
        self._connections[connection] = record = _Connection(
            connection,
            address_key(address),
            plain_address(address),
            reached_by,
            opened=now,
            heard=now,
            spending=ConnectionSpending(self._limits, address_key(address)),
            may_open_rooms=may_open_rooms,
        )
        self._deadlines.arm(now + FIRST_MESSAGE_SECONDS, self._check_connection, record)

    def receive_message(self, connection: ConnectionId, data: bytes | str, now: float) -> None:
        record = self._connections.get(connection)
        if record is None:
            return  # it was closed while this was on its way
        record.heard = now
        self.counts["messages"] += 1
        room = None
        if record.member is not None:
            self._register.spend_spare_token(record.member)
            room = record.member.room.spending if record.member.role is Role.PRESENTER else None
        wait = record.spending.take(len(data), now, room)
        if wait > 0:
            self._over_rate(record, wait, now)
            return
        message = m.decode_client(data)
        if isinstance(message, m.Garbage | m.Wrong):
            self._offend(record, message, now)
            return
        speaker = record.member.role if record.member is not None else None
        handler = _RULES[type(message)].get(speaker)
        try:
            if handler is not None:
                handler(self, record, message, now)
            elif speaker is None:
                raise _Refusal(Code.FIRST_MESSAGE, "The first message must be open_room, join or resume.")
            else:
                raise _Refusal(Code.NOT_ALLOWED, f"A {speaker.value} in a room cannot say {_type_of(message)}.")
        except _Refusal as no:
            self._refuse(record, no.code, no.text, now, message.ref, retry_after=no.retry_after, close=no.close)

    def had_to_wait(self, connection: ConnectionId, messages: int, now: float) -> None:
        """Its address is worked for as fast as may be, and so many more messages of this connection are there. If that
        goes on, it is a flood; who keeps to its share has no part in it."""
        record = self._connections.get(connection)
        if record is None:
            return
        borne = self.gate.bears_late(record.source, now, messages)
        borne = borne and not self.gate.blocked_for(record.source, now)
        if not borne and record.spending.is_past_its_share(now):
            self._flood(record, now)

    def receive_control(self, connection: ConnectionId, size: int, now: float) -> bool:
        """WebSocket's own ping or pong, which costs as much as a message. False: it was dropped."""
        record = self._connections.get(connection)
        if record is None:
            return False
        record.heard = now
        wait = record.spending.take(size, now, None)
        if wait > 0:
            self._over_rate(record, wait, now)
        return wait == 0

    def receive_binary(self, connection: ConnectionId, now: float) -> None:
        record = self._connections.get(connection)
        if record is not None:
            record.heard = now
            wrong = m.Garbage(Code.MALFORMED, "Binary messages are not spoken here. Send JSON text.")
            self._offend(record, wrong, now)

    def disconnect(self, connection: ConnectionId, now: float) -> None:
        """The socket is gone. Whoever it carried is away for a while before it has left."""
        record = self._connections.pop(connection, None)
        if record is None or record.member is None:
            return
        member = record.member
        member.connection = None
        member.away_since = now
        self._post.tell_presence(member, m.HostAway, m.MemberAway, now)
        self._deadlines.arm(now + AWAY_SECONDS, self._check_away, member)

    def shut_down(self, retry_after: float) -> None:
        """The server goes: everybody is told when to come back."""
        for record in list(self._connections.values()):
            text = "The server restarts. Your client comes back by itself."
            self._dismiss(record, Code.SERVER_CLOSING, text, retry_after)

    def handle_timer(self, now: float) -> None:
        self._deadlines.run(now)

    def get_timer(self) -> float | None:
        return self._deadlines.next()

    def next_effect(self) -> Effect | None:
        return self._effects.popleft() if self._effects else None

    # --- who is here --------------------------------------------------------------------------------------------------

    def has_member(self, room: str, member: str) -> bool:
        found = self._register.members.get(member)
        return found is not None and found.room.code == room

    def reaches(self, room: str, address: str) -> bool:
        """Whether a member of the room is connected from this address, or was until it went away just now."""
        found = self._register.rooms.get(room)
        return found is not None and any(member.address == address for member in found.members.values())

    def whose(self, resume: str) -> tuple[str, str] | None:
        """Room and member of whoever shows this resume token, which stays as good as it is."""
        try:
            member = self._register.by_resume_token(resume)
        except ValueError:
            return None
        return None if member is None else (member.room.code, member.id)

    def rooms(self) -> list[Room]:
        return list(self._register.rooms.values())

    @property
    def room_count(self) -> int:
        return len(self._register.rooms)

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    @property
    def member_count(self) -> int:
        return len(self._register.members)

    @property
    def kept_bytes(self) -> int:
        return self._register.space.used

    # --- what the server's operators may do ---------------------------------------------------------------------------

    def kick(self, member: str, reason: str, now: float) -> bool:
        """False: there is no such member."""
        found = self._register.members.get(member)
        if found is None:
            return False
        text = "The server's operator removed you"
        self._expel(found, Code.REMOVED, f"{text}: {reason}" if reason else f"{text} from the room.", now)
        return True

    def broadcast(self, room: str, text: str, now: float) -> int | None:
        """How many members it goes to; None: there is no such room."""
        found = self._register.rooms.get(room)
        if found is None:
            return None
        for member in found.members.values():
            self._post.deliver(member, m.Notice, now, text=text)
        return len(found.members)

    def close_room(self, room: str, now: float) -> bool:
        """As its host would. False: there is no such room."""
        found = self._register.rooms.get(room)
        if found is None:
            return False
        for link in found.links:
            self._register.bury(link, found, Code.ROOM_ENDED)
        self._end(found, now)
        return True

    # --- first messages -----------------------------------------------------------------------------------------------

    def _open_room(self, record: _Connection, message: m.OpenRoom, now: float) -> None:
        token_hash = _sha256(m.decode_base64url(message.token))
        room = self._register.rooms.get(message.room.upper()) if message.room else None
        if room is None:
            if not record.may_open_rooms:
                raise _Refusal(Code.KEY_NEEDED, _KEY_NEEDED_TEXT)
            wait = self._new_rooms.take(record.address, now)
            if wait > 0:
                text = "Too many new rooms from this address. Try again later."
                self.gate.offend(record.source, "too many new rooms", now)
                raise _Refusal(Code.RATE_LIMITED, text, retry_after=wait)
            if not self._register.make_space(record.address):
                text = "There are as many rooms as there may be. Try again when others have ended."
                raise _Refusal(Code.RATE_LIMITED, text, retry_after=60.0)
            room = self._register.new_room(message.room.upper() if message.room else "", token_hash, record.address)
        elif not hmac.compare_digest(room.token_hash, token_hash):
            self._count_failed_proof(record, now)
            text = "Another host has a room with this code. Open one without a code to get a new one."
            raise _Refusal(Code.ROOM_TAKEN, text)
        if len(room.hosts()) >= self._limits.hosts_per_room:
            text = f"This room already has {self._limits.hosts_per_room} hosts."
            raise _Refusal(Code.ROOM_FULL, text)
        if not self._register.has_space_for(room, message.links):
            raise _Refusal(Code.ROOM_FULL, self._links_full())
        self._refuse_if_full()
        self._register.open(room)
        refused = self._register.announce(room, message.links)
        member = self._enter(record, room, Role.HOST, message.name, "")
        self._register.save(room)
        self._welcome(record, m.RoomOpened, message, now, members=room.member_entries(), refused_links=refused)
        for other in room.members.values():
            if other is not member:
                self._post.deliver(other, m.HostJoined, now, member=member.id, name=member.name)

    def _join(self, record: _Connection, message: m.Join, now: float) -> None:
        stone = self._register.tombstone_of(message.link)
        if stone is not None:
            raise _Refusal(stone.code, _OVER_TEXT[stone.code])
        room = self._register.room_of(message.link)
        if room is None:
            self._count_failed_proof(record, now)
            text = "No host has announced this link. Check that it is whole, and that the host is running."
            raise _Refusal(Code.LINK_UNKNOWN, text)
        link = room.links[message.link]
        commit = m.encode_base64url(_sha256(m.decode_base64url(message.token)))
        if not hmac.compare_digest(commit, link.commit):
            self._count_failed_proof(record, now)
            text = "This link was cut off or altered when it was copied. Copy the whole of it."
            raise _Refusal(Code.LINK_WRONG, text)
        if link.expires is not None and self._wall() >= link.expires:
            text = "This link has expired. Ask the host for a new one."
            raise _Refusal(Code.LINK_EXPIRED, text)
        self._refuse_if_full()
        wait = room.spending.joins.take(link.id, now)
        if wait > 0:
            text = "Too many joined by this link just now. Wait a little, then try again."
            raise _Refusal(Code.RATE_LIMITED, text, retry_after=wait)
        if len(room.presenters()) >= self._limits.presenters_per_room:
            text = f"This room is full: {self._limits.presenters_per_room} presenters are in it."
            raise _Refusal(Code.ROOM_FULL, text)
        member = self._enter(record, room, Role.PRESENTER, message.name, link.id)
        self._welcome(record, m.Joined, message, now)
        for host in room.hosts():
            self._post.deliver(host, m.MemberJoined, now, member=member.id, link=member.link, name=member.name)

    def _resume(self, record: _Connection, message: m.Resume, now: float) -> None:
        member = self._register.by_resume_token(message.resume)
        if member is None:
            text = "This place was given up. Join, or open the room, again."
            raise _Refusal(Code.RESUME_UNKNOWN, text)
        if member.connection is not None:
            # The old socket is half open: its end of it went on to this one.
            text = "This member came back on another connection."
            self._dismiss(self._connections[member.connection], Code.REPLACED, text)
            returned = False
        else:
            returned = True
        self._connects(member, record)
        entries = member.room.member_entries() if member.role is Role.HOST else None
        self._welcome(record, m.Resumed, message, now, used_token=message.resume, members=entries)
        self._post.deliver_again(record.id, member, message.last, now)
        if returned:
            self._post.tell_presence(member, m.HostBack, m.MemberBack, now)

    # --- afterwards ---------------------------------------------------------------------------------------------------

    def _send(self, record: _Connection, message: m.SendTo, now: float) -> None:
        sender = _member(record)
        if message.to or sender.role is Role.HOST:
            receiver = sender.room.members.get(message.to)
        else:
            receiver = sender.room.first_host()
        if receiver is None:
            raise _Refusal(Code.MEMBER_UNKNOWN, "That member has left the room.")
        if sender.role is Role.PRESENTER and receiver.role is not Role.HOST:
            raise _Refusal(Code.NOT_ALLOWED, "A presenter writes to hosts only.")
        self.counts["sent on"] += 1
        self._post.deliver(receiver, m.Message, now, sender=sender.id, data=message.data)

    def _ping(self, record: _Connection, message: m.Ping, now: float) -> None:
        _member(record).mailbox.forget(message.last)
        self._post.answer(record.id, m.Pong(ref=message.ref))

    def _leave(self, record: _Connection, message: m.Leave, now: float) -> None:
        member = _member(record)
        self._close(record, NORMAL, "left")
        self._remove(member, now)

    def _add_links(self, record: _Connection, message: m.AddLinks, now: float) -> None:
        room = _member(record).room
        if not self._register.has_space_for(room, message.links):
            raise _Refusal(Code.ROOM_FULL, self._links_full(), close=False)
        refused = self._register.announce(room, message.links)
        self._register.save(room)
        self._post.answer(record.id, m.LinksAdded(ref=message.ref, refused_links=refused))

    def _revoke_link(self, record: _Connection, message: m.RevokeLink, now: float) -> None:
        host = _member(record)
        room = host.room
        if not self._register.revoke(room, message.link):
            text = "This room has no such link."
            raise _Refusal(Code.LINK_UNKNOWN, text, close=False)
        self._post.answer(record.id, m.LinkRevoked(ref=message.ref, link=message.link))
        for other in room.hosts(but=host):
            self._post.deliver(other, m.LinkRevoked, now, link=message.link)
        for member in room.presenters(message.link):
            self._expel(member, Code.LINK_REVOKED, _OVER_TEXT[Code.LINK_REVOKED], now)

    def _remove_member(self, record: _Connection, message: m.RemoveMember, now: float) -> None:
        member = _member(record).room.members.get(message.member)
        if member is None:
            raise _Refusal(Code.MEMBER_UNKNOWN, "That member has left the room.")
        if member.role is not Role.PRESENTER:
            raise _Refusal(Code.NOT_ALLOWED, "A host removes presenters only.")
        text = f"The host removed you: {message.reason}" if message.reason else "The host removed you from the room."
        self._expel(member, Code.REMOVED, text, now)

    def _close_room(self, record: _Connection, message: m.CloseRoom, now: float) -> None:
        self.close_room(_member(record).room.code, now)

    # --- rooms, links, members ----------------------------------------------------------------------------------------

    def _enter(self, record: _Connection, room: Room, role: Role, name: str, link: str) -> Member:
        member = self._register.enter(room, role, name, link)
        self._connects(member, record)
        return member

    def _welcome(
        self, record: _Connection, kind: Callable[..., m.ServerMessage], asked: m.OpenRoom | m.Join | m.Resume,
        now: float, used_token: str = "", **more: Any,
    ) -> None:  # fmt: skip
        """Everything that a member needs to begin with."""
        member = _member(record)
        welcome = kind(
            ref=asked.ref,
            room=member.room.code,
            member=member.id,
            resume=self._register.new_resume_token(member, used_token),
            hosts=member.room.host_entries(but=member),
            ice_servers=self._ice_servers_for(member, now),
            heartbeat=self._heartbeat,
            network=self._network(member.address),
            **more,
        )
        self._post.answer(record.id, welcome)

    def _connects(self, member: Member, record: _Connection) -> None:
        if member.address not in ("", record.source):
            self._effects.append(MemberGone())
        member.connection, member.address, member.reached_by = record.id, record.source, record.reached_by
        record.member = member
        if member.role is Role.HOST:
            record.spending.becomes_host()

    def _ice_servers_for(self, member: Member, now: float) -> list[dict[str, Any]]:
        until = now + self._ice_seconds
        if member.ice_until is None:
            self._deadlines.arm(until, self._check_ice_servers, member)
        member.ice_until = until
        return self._ice_servers(member.room.code, member.id, member.reached_by)

    def _remove(self, member: Member, now: float) -> None:
        """It has left for good."""
        self._effects.append(MemberGone())
        self._post.tell_presence(member, m.HostLeft, m.MemberLeft, now)
        self._register.leave(member)

    def _expel(self, member: Member, code: Code, text: str, now: float) -> None:
        if member.connection is not None:
            self._dismiss(self._connections[member.connection], code, text)
        self._remove(member, now)

    def _end(self, room: Room, now: float) -> None:
        """Everybody is told and goes; the room is forgotten."""
        members = self._register.end(room)
        for member in members:
            self._post.deliver(member, m.RoomEnded, now)
        for member in members:
            if member.connection is not None:
                self._close(self._connections[member.connection], OVER, Code.ROOM_ENDED)
            self._remove(member, now)

    def _count_failed_proof(self, record: _Connection, now: float) -> None:
        """Whoever has the right token comes in all the same: nobody is locked out by a guesser at the same address."""
        wait = self._failed_joins.take(record.address, now)
        self.counts["failed proofs"] += 1
        if wait == 0:
            return
        self.gate.offend(record.source, "too many failed proofs", now)
        text = "Too many links that do not work came from this address. Wait a little, then try again."
        raise _Refusal(Code.RATE_LIMITED, text, retry_after=wait)

    def _refuse_if_full(self) -> None:
        if self._register.is_full:
            text = "This server has as many people as it can take. Try again in a minute."
            raise _Refusal(Code.RATE_LIMITED, text, retry_after=60.0)

    def _links_full(self) -> str:
        return f"A room has at most {self._limits.links_per_room} links. Revoke some first."

    # --- answers ------------------------------------------------------------------------------------------------------

    def _refuse(
        self, record: _Connection, code: Code, text: str, now: float, ref: str | None = None, *,
        retry_after: float | None = None, close: bool = True,
    ) -> None:  # fmt: skip
        """Answer with an error, and close if it is one of those that do."""
        self.counts[f"refused: {code}"] += 1
        self._post.error(record.id, code, text, ref, retry_after)
        if close and code in CLOSES:
            self._drop(record, CLOSES[code], code, now)

    def _dismiss(self, record: _Connection, code: Code, text: str, retry_after: float | None = None) -> None:
        """Answer with an error and close, without a word to the others about its member."""
        self._post.error(record.id, code, text, retry_after=retry_after)
        self._close(record, CLOSES[code], code)

    def _offend(self, record: _Connection, wrong: m.Garbage | m.Wrong, now: float) -> None:
        ref = wrong.ref if isinstance(wrong, m.Wrong) else None
        self._refuse(record, wrong.code, wrong.message, now, ref)
        if wrong.code in _OFFENCES:
            record.offences.append(now)
            while now - record.offences[0] > self._limits.offence_window:
                record.offences.popleft()
            if len(record.offences) >= self._limits.offences:
                self.gate.offend(record.source, "messages that are none", now, self._limits.offences)
                self._drop(record, BAD_MESSAGE, wrong.code, now)

    def _over_rate(self, record: _Connection, wait: float, now: float) -> None:
        """Who goes on and on is closed, and its address blocked. What is borne, is borne of all of its sockets."""
        self.counts["messages dropped"] += 1
        if self.gate.blocked_for(record.source, now) or not self.gate.bears(record.source, now):
            self._flood(record, now)
        elif record.spending.is_to_be_told(now):
            text = "Too many messages: this one and any until then were dropped."
            self._refuse(record, Code.RATE_LIMITED, text, now, retry_after=wait)

    def _flood(self, record: _Connection, now: float) -> None:
        text = "This was a flood of messages. The connection is closed, and its address blocked for a while."
        self.gate.offend(record.source, "a flood of messages", now, FLOOD)
        self._post.error(record.id, Code.RATE_LIMITED, text, retry_after=self.gate.blocked_for(record.source, now))
        self._drop(record, FULL, Code.RATE_LIMITED, now)

    def _close(self, record: _Connection, code: int, reason: str) -> None:
        """Forget the connection; its member is the caller's business."""
        self._connections.pop(record.id, None)
        self._effects.append(Close(record.id, code, reason))

    def _drop(self, record: _Connection, code: int, reason: str, now: float) -> None:
        """Close a connection whose member, if any, may come back."""
        self.disconnect(record.id, now)
        self._effects.append(Close(record.id, code, reason))

    # --- time ---------------------------------------------------------------------------------------------------------

    def _check_connection(self, record: _Connection, now: float) -> float | None:
        if self._connections.get(record.id) is not record:
            return None
        stranger = record.member is None
        due = record.opened + FIRST_MESSAGE_SECONDS if stranger else record.heard + 3 * self._heartbeat
        if now < due:
            return due
        if stranger:
            text = "Nothing was said for ten seconds. The first message is open_room, join or resume."
            self._refuse(record, Code.FIRST_MESSAGE, text, now)
        else:
            self._drop(record, SILENT, "silent for three heartbeats", now)
        return None

    def _check_away(self, member: Member, now: float) -> float | None:
        if self._register.members.get(member.id) is not member or not member.away:
            return None
        due = member.away_since + AWAY_SECONDS
        if now < due:
            return None  # it went away again later, which armed a deadline of its own
        self._remove(member, now)
        return None

    def _check_ice_servers(self, member: Member, now: float) -> float | None:
        if self._register.members.get(member.id) is not member:
            return None
        if member.connection is None:
            return now + AWAY_SECONDS  # by then it has left, or has come back and got fresh ones
        if member.ice_until is not None and member.ice_until <= now:
            self._post.answer(member.connection, m.IceServers(ice_servers=self._ice_servers_for(member, now)))
        return member.ice_until

    def _start_sweeping(self, now: float) -> None:
        if not self._sweeping:
            self._sweeping = True
            self._deadlines.arm(now + SWEEP_SECONDS, self._sweep, None)

    def _sweep(self, _: None, now: float) -> float:
        """Once a minute, forget what is over."""
        for buckets in (self._new_connections, self._failed_joins, self._new_rooms, self.gate):
            buckets.prune(now)
        for room in self._register.rooms.values():
            room.spending.prune(now)
        for room in self._register.forget_what_is_over():
            self._end(room, now)
        return now + SWEEP_SECONDS


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _member(record: _Connection) -> Member:
    assert record.member is not None  # _RULES let nobody else through
    return record.member


def _type_of(message: m.ClientMessage) -> str:
    return str(message.__struct_config__.tag)


_Handler = Callable[[Hub, _Connection, Any, float], None]

_RULES: Final[dict[type[m.ClientMessage], dict[Role | None, _Handler]]] = {
    m.OpenRoom: {None: Hub._open_room},
    m.Join: {None: Hub._join},
    m.Resume: {None: Hub._resume},
    m.SendTo: {Role.HOST: Hub._send, Role.PRESENTER: Hub._send},
    m.Ping: {Role.HOST: Hub._ping, Role.PRESENTER: Hub._ping},
    m.Leave: {Role.HOST: Hub._leave, Role.PRESENTER: Hub._leave},
    m.AddLinks: {Role.HOST: Hub._add_links},
    m.RevokeLink: {Role.HOST: Hub._revoke_link},
    m.RemoveMember: {Role.HOST: Hub._remove_member},
    m.CloseRoom: {Role.HOST: Hub._close_room},
}
"""Who may say what. None is a stranger: a connection that has not said its first message."""
