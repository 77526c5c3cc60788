"""The signaling server's state machine: who may say what to whom, and when.

Sans-I/O. A shell reports sockets that open and close and what came on them, then drains `next_effect` and asks
`get_timer` when to come back. `now` is monotonic seconds. Randomness, the wall clock (links expire by it) and the ICE
servers are functions given by the caller. Whatever a client sends, no method raises.

`_RULES` is the table of who may say what: a message without a row for its speaker is refused before anything looks
inside it. A connection starts as a stranger and becomes a host or a presenter with its first message.

How many connections there may be and what each may send is in `connections`, how members come and go in `membership`,
what is remembered of rooms in `room_registry`, and how messages reach their members in `delivery` and `router`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from slidewire.base.base64url import decode_base64url, encode_base64url
from slidewire.base.deadlines import Deadlines
from slidewire.base.rates import Buckets
from slidewire.signaling import messages as m
from slidewire.signaling.abuse_limiter import AbuseLimiter
from slidewire.signaling.connections import Connection, Connections
from slidewire.signaling.delivery import Delivery
from slidewire.signaling.effects import NORMAL, Effect
from slidewire.signaling.limits import Limits
from slidewire.signaling.membership import IceServersOf, Membership
from slidewire.signaling.messages import Code
from slidewire.signaling.places import NoPlace, make_place
from slidewire.signaling.room import ConnectionId, Member, Role, Room, StoredRoom, Tombstone
from slidewire.signaling.room_registry import RoomRegistry
from slidewire.signaling.router import LocalRouter, Router

HEARTBEAT_SECONDS: Final = 15.0
SWEEP_SECONDS: Final = 60.0
ICE_SECONDS: Final = 12 * 3600.0
"""How long a member keeps its ICE servers before it gets fresh ones: their credentials are good for twice as long."""

_OVER_TEXT: Final = {
    Code.LINK_REVOKED: "This link was withdrawn by the host. Ask for a new one.",
    Code.ROOM_ENDED: "The show this link was for has ended. Ask the host for a new link.",
}
_KEY_NEEDED_TEXT: Final = (
    "This server opens rooms only for who has a key for that. Ask its operator for an API key with the scope "
    "rooms.open, and give it with --api-key-file."
)


class _Refusal(Exception):
    """Raised by a handler: the request is answered with an error and has had no effect."""

    def __init__(self, code: Code, text: str, *, retry_after: float | None = None, close: bool = True) -> None:
        super().__init__(code)
        self.code, self.text, self.retry_after, self.close = code, text, retry_after, close


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
        abuse_limiter: AbuseLimiter | None = None,
        heartbeat: float = HEARTBEAT_SECONDS,
        router: Router | None = None,
        rooms: Iterable[StoredRoom] = (),
        tombstones: Iterable[Tombstone] = (),
    ) -> None:
        self._wall = wall
        self._network = network
        self._limits = limits or Limits()
        self.abuse_limiter = abuse_limiter or AbuseLimiter(self._limits, b"")
        self.counts: Counter[str] = Counter()
        """Messages received and sent on, and what was refused, by code."""
        self._heartbeat = heartbeat
        self._effects: deque[Effect] = deque()
        self._router = router or LocalRouter(self._effects.append)
        self._delivery = Delivery(self._router)
        self._registry = RoomRegistry(
            self._limits, entropy, wall, self._effects.append, self._router, rooms, tombstones
        )
        self._deadlines = Deadlines()
        self._connections = Connections(
            limits=self._limits,
            abuse_limiter=self.abuse_limiter,
            counts=self.counts,
            heartbeat=heartbeat,
            deadlines=self._deadlines,
            delivery=self._delivery,
            router=self._router,
            lost=self._lost_connection,
        )
        self._membership = Membership(
            limits=self._limits,
            counts=self.counts,
            registry=self._registry,
            connections=self._connections,
            delivery=self._delivery,
            deadlines=self._deadlines,
            effects=self._effects.append,
            ice_servers=ice_servers,
            ice_seconds=ice_seconds,
        )
        self._failed_joins: Buckets[str] = Buckets(self._limits.failed_joins)
        self._new_rooms: Buckets[str] = Buckets(self._limits.new_rooms)
        self._sweeping = False

    # --- what the shell calls -----------------------------------------------------------------------------------------

    def admit(self, address: str, now: float) -> float:
        """Before a socket is accepted: 0 if this address may have one more, else the seconds it should wait."""
        self._start_sweeping(now)
        return self._connections.admit(address, now)

    def sockets_left(self, address: str, now: float) -> int:
        """How many more it may open at once."""
        return self._connections.left(address, now)

    def connect(
        self,
        connection: ConnectionId,
        address: str,
        now: float,
        reached_by: str = "",
        *,
        may_open_rooms: bool = True,
        charged_to: str | None = None,
    ) -> None:
        """`reached_by`: the server's name and port as this client knows them (its `Host` header). `may_open_rooms`: new
        ones; a client that has the token of an open room comes in without. `charged_to`: the address that answers for
        this connection, if it is another."""
        self._start_sweeping(now)
        self._connections.open(connection, address, now, reached_by, may_open_rooms, charged_to or address)

    def receive_message(self, connection: ConnectionId, data: bytes | str, now: float) -> None:
        record = self._connections.received(connection, now)
        if record is None:
            return
        self.counts["messages"] += 1
        room = None
        if record.member is not None:
            self._registry.drop_spare_token(record.member)
            room = record.member.room.quotas if record.member.role is Role.PRESENTER else None
        if not self._connections.charge(record, len(data), now, room):
            return
        message = m.decode_client(data)
        if isinstance(message, m.Garbage | m.Wrong):
            self._connections.penalize(record, message, now)
            return
        speaker = record.member.role if record.member is not None else None
        if speaker is None and isinstance(message, m.FirstMessage) and self._router.hand_over(record.id, message, data):
            self._connections.forget(record)
            return
        handler = _RULES[type(message)].get(speaker)
        try:
            if handler is not None:
                handler(self, record, message, now)
            elif speaker is None:
                raise _Refusal(Code.FIRST_MESSAGE, "The first message must be open_room, join or resume.")
            else:
                raise _Refusal(Code.NOT_ALLOWED, f"A {speaker.value} in a room cannot say {_type_of(message)}.")
        except _Refusal as no:
            self._connections.refuse(
                record, no.code, no.text, now, message.ref, retry_after=no.retry_after, close=no.close
            )

    def queue(self, connection: ConnectionId, address: str, messages: int, now: float) -> float:
        """Seconds to wait before so many more messages of this connection are read."""
        is_host = self._connections.is_host(connection)
        return self.abuse_limiter.queue(address, now, messages, is_host=is_host)

    def had_to_wait(self, connection: ConnectionId, messages: int, now: float) -> None:
        """So many more messages of this connection had to wait, because its address sends faster than it may. If that
        goes on, it is a flood, unless this connection keeps to its share."""
        self._connections.had_to_wait(connection, messages, now)

    def receive_control(self, connection: ConnectionId, size: int, now: float) -> bool:
        """WebSocket's own ping or pong, which costs as much as a message. False: it was dropped."""
        record = self._connections.received(connection, now)
        return record is not None and self._connections.charge(record, size, now, None)

    def receive_binary(self, connection: ConnectionId, now: float) -> None:
        record = self._connections.received(connection, now)
        if record is not None:
            wrong = m.Garbage(Code.MALFORMED, "Binary messages are not spoken here. Send JSON text.")
            self._connections.penalize(record, wrong, now)

    def disconnect(self, connection: ConnectionId, now: float) -> None:
        """The socket is closed. Its member is away for a while before it has left."""
        self._connections.end(connection, now)

    def shut_down(self, retry_after: float) -> None:
        """The server stops: every client is told when to come back."""
        text = "The server restarts. Your client comes back by itself."
        self._connections.dismiss_all(Code.SERVER_CLOSING, text, retry_after)

    def handle_timer(self, now: float) -> None:
        self._deadlines.run(now)

    def get_timer(self) -> float | None:
        return self._deadlines.next()

    def next_effect(self) -> Effect | None:
        return self._effects.popleft() if self._effects else None

    # --- who is here --------------------------------------------------------------------------------------------------

    def has_member(self, room: str, member: str) -> bool:
        found = self._registry.members.get(member)
        return found is not None and found.room.code == room

    def reaches(self, room: str, address: str) -> bool:
        """Whether a member of the room is connected from this address, or was until it went away just now."""
        found = self._registry.rooms.get(room)
        return found is not None and any(member.address == address for member in found.members.values())

    def whose(self, resume: str) -> tuple[str, str] | None:
        """Room and member of this resume token, which stays valid."""
        try:
            member = self._registry.by_resume_token(resume)
        except ValueError:
            return None
        return None if member is None else (member.room.code, member.id)

    def rooms(self) -> list[Room]:
        return list(self._registry.rooms.values())

    @property
    def room_count(self) -> int:
        return len(self._registry.rooms)

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    @property
    def member_count(self) -> int:
        return len(self._registry.members)

    @property
    def kept_bytes(self) -> int:
        return self._registry.space.used

    # --- what the server's operators may do ---------------------------------------------------------------------------

    def kick(self, member: str, reason: str, now: float) -> bool:
        """False: there is no such member."""
        found = self._registry.members.get(member)
        if found is None:
            return False
        text = "The server's operator removed you"
        self._membership.expel(found, Code.REMOVED, f"{text}: {reason}" if reason else f"{text} from the room.", now)
        return True

    def broadcast(self, room: str, text: str, now: float) -> int | None:
        """How many members it goes to; None: there is no such room."""
        found = self._registry.rooms.get(room)
        if found is None:
            return None
        for member in found.members.values():
            self._delivery.deliver(member, m.Notice, now, text=text)
        return len(found.members)

    def close_room(self, room: str, now: float) -> bool:
        """As its host would. False: there is no such room."""
        found = self._registry.rooms.get(room)
        if found is None:
            return False
        for link in found.links:
            self._registry.add_tombstone(link, found, Code.ROOM_ENDED)
        self._membership.end_room(found, now)
        return True

    # --- first messages -----------------------------------------------------------------------------------------------

    def _open_room(self, connection: Connection, message: m.OpenRoom, now: float) -> None:
        token_hash = _sha256(decode_base64url(message.token))
        room = self._registry.rooms.get(message.room.upper()) if message.room else None
        if room is None:
            if not connection.may_open_rooms:
                raise _Refusal(Code.KEY_NEEDED, _KEY_NEEDED_TEXT)
            wait = self._new_rooms.take(connection.address, now)
            if wait > 0:
                text = "Too many new rooms from this address. Try again later."
                self.abuse_limiter.penalize(connection.charged_to, "too many new rooms", now)
                raise _Refusal(Code.RATE_LIMITED, text, retry_after=wait)
            if not self._registry.make_space(connection.address):
                text = "There are as many rooms as there may be. Try again when others have ended."
                raise _Refusal(Code.RATE_LIMITED, text, retry_after=60.0)
            room = self._registry.new_room(message.room.upper() if message.room else "", token_hash, connection.address)
        elif not hmac.compare_digest(room.token_hash, token_hash):
            self._count_failed_proof(connection, now)
            text = "Another host has a room with this code. Open one without a code to get a new one."
            raise _Refusal(Code.ROOM_TAKEN, text)
        if len(room.hosts()) >= self._limits.hosts_per_room:
            text = f"This room already has {self._limits.hosts_per_room} hosts."
            raise _Refusal(Code.ROOM_FULL, text)
        if not self._registry.has_space_for(room, message.links):
            raise _Refusal(Code.ROOM_FULL, self._links_full())
        self._refuse_if_full()
        self._registry.open(room)
        refused = self._registry.announce(room, message.links)
        member = self._membership.enter(connection, room, Role.HOST, message.name, "", now)
        self._registry.save(room)
        self._welcome(
            connection, m.RoomOpened, message, now, members=room.member_entries(now), refused_links=refused,
            proof_within=self._limits.proof_within,
        )  # fmt: skip
        for other in room.members.values():
            if other is not member:
                self._delivery.deliver(other, m.HostJoined, now, member=member.id, name=member.name)

    def _join(self, connection: Connection, message: m.Join, now: float) -> None:
        stone = self._registry.tombstone_of(message.link)
        if stone is not None:
            raise _Refusal(stone.code, _OVER_TEXT[stone.code])
        room = self._registry.room_of(message.link)
        if room is None:
            self._count_failed_proof(connection, now)
            text = "No host has announced this link. Check that it is whole, and that the host is running."
            raise _Refusal(Code.LINK_UNKNOWN, text)
        link = room.links[message.link]
        commit = encode_base64url(_sha256(decode_base64url(message.token)))
        if not hmac.compare_digest(commit, link.commit):
            self._count_failed_proof(connection, now)
            text = "This link was cut off or altered when it was copied. Copy the whole of it."
            raise _Refusal(Code.LINK_WRONG, text)
        if link.expires is not None and self._wall() >= link.expires:
            text = "This link has expired. Ask the host for a new one."
            raise _Refusal(Code.LINK_EXPIRED, text)
        self._refuse_if_full()
        wait = room.quotas.take_join(link.id, connection.address, now)
        if wait > 0:
            text = "Too many joined by this link just now. Wait a little, then try again."
            raise _Refusal(Code.RATE_LIMITED, text, retry_after=wait)
        self._make_place(room, link, connection, now)
        member = self._membership.enter(connection, room, Role.PRESENTER, message.name, link.id, now)
        if link.place is None:
            member.proven = True  # its host would never say so
        else:
            self._membership.await_proof(member, now)
        self._welcome(connection, m.Joined, message, now)
        came = {"member": member.id, "link": member.link, "name": member.name, **_origin(member)}
        for host in room.hosts():
            self._delivery.deliver(host, m.MemberJoined, now, **came)

    def _make_place(self, room: Room, link: m.Link, connection: Connection, now: float) -> None:
        try:
            gives_way = make_place(room, link, connection.address, self._limits, self._wall())
        except NoPlace:
            text = "As many as may be are here by this link. Ask the host for another link, or to remove a member."
            raise _Refusal(Code.ROOM_FULL, text) from None
        if gives_way is not None:
            self.counts["gave way"] += 1
            text = "The room is full, and another member needed the place. Your client tries again by itself."
            self._membership.expel(gives_way, Code.ROOM_FULL, text, now)

    def _resume(self, connection: Connection, message: m.Resume, now: float) -> None:
        member = self._registry.by_resume_token(message.resume)
        if member is None:
            text = "This place was given up. Join, or open the room, again."
            raise _Refusal(Code.RESUME_UNKNOWN, text)
        replaced = self._connections.of(member)
        if replaced is not None:
            # The old socket is half open: its end of it went on to this one.
            text = "This member came back on another connection."
            self._connections.dismiss(replaced, Code.REPLACED, text)
        self._membership.connect(member, connection, now)
        more: dict[str, Any] = {}
        if member.role is Role.HOST:
            more = {"members": member.room.member_entries(now), "proof_within": self._limits.proof_within}
        self._welcome(connection, m.Resumed, message, now, used_token=message.resume, **more)
        self._delivery.deliver_again(connection.id, member, message.last, now)
        if replaced is None:
            self._delivery.tell_presence(member, m.HostBack, m.MemberBack, now, **_origin(member))

    # --- afterwards ---------------------------------------------------------------------------------------------------

    def _send(self, connection: Connection, message: m.SendTo, now: float) -> None:
        sender = _member(connection)
        if message.to or sender.role is Role.HOST:
            receiver = sender.room.members.get(message.to)
        else:
            receiver = sender.room.first_host()
        if receiver is None:
            raise _Refusal(Code.MEMBER_UNKNOWN, "That member has left the room.")
        if sender.role is Role.PRESENTER and receiver.role is not Role.HOST:
            raise _Refusal(Code.NOT_ALLOWED, "A presenter writes to hosts only.")
        self.counts["sent on"] += 1
        self._delivery.deliver(receiver, m.Message, now, sender=sender.id, data=message.data)

    def _ping(self, connection: Connection, message: m.Ping, now: float) -> None:
        _member(connection).mailbox.forget(message.last)
        self._delivery.answer(connection.id, m.Pong(ref=message.ref))

    def _leave(self, connection: Connection, message: m.Leave, now: float) -> None:
        member = _member(connection)
        self._connections.close(connection, NORMAL, "left")
        self._membership.remove(member, now)

    def _add_links(self, connection: Connection, message: m.AddLinks, now: float) -> None:
        room = _member(connection).room
        if not self._registry.has_space_for(room, message.links):
            raise _Refusal(Code.ROOM_FULL, self._links_full(), close=False)
        refused = self._registry.announce(room, message.links)
        self._registry.save(room)
        self._delivery.answer(connection.id, m.LinksAdded(ref=message.ref, refused_links=refused))

    def _revoke_link(self, connection: Connection, message: m.RevokeLink, now: float) -> None:
        host = _member(connection)
        room = host.room
        if not self._registry.revoke(room, message.link):
            text = "This room has no such link."
            raise _Refusal(Code.LINK_UNKNOWN, text, close=False)
        self._delivery.answer(connection.id, m.LinkRevoked(ref=message.ref, link=message.link))
        for other in room.hosts(but=host):
            self._delivery.deliver(other, m.LinkRevoked, now, link=message.link)
        for member in room.presenters(message.link):
            self._membership.expel(member, Code.LINK_REVOKED, _OVER_TEXT[Code.LINK_REVOKED], now)

    def _remove_member(self, connection: Connection, message: m.RemoveMember, now: float) -> None:
        member = _member(connection).room.members.get(message.member)
        if member is None:
            raise _Refusal(Code.MEMBER_UNKNOWN, "That member has left the room.")
        if member.role is not Role.PRESENTER:
            raise _Refusal(Code.NOT_ALLOWED, "A host removes presenters only.")
        text = f"The host removed you: {message.reason}" if message.reason else "The host removed you from the room."
        self._membership.expel(member, Code.REMOVED, text, now)

    def _proven(self, connection: Connection, message: m.Proven, now: float) -> None:
        """A member that has left meanwhile is no error."""
        members = _member(connection).room.members
        for member in filter(None, map(members.get, message.members)):
            member.proven = True

    def _close_room(self, connection: Connection, message: m.CloseRoom, now: float) -> None:
        self.close_room(_member(connection).room.code, now)

    # --- what several of them need ------------------------------------------------------------------------------------

    def _welcome(
        self, connection: Connection, kind: Callable[..., m.ServerMessage], asked: m.OpenRoom | m.Join | m.Resume,
        now: float, used_token: str = "", **more: Any,
    ) -> None:  # fmt: skip
        """The first answer to a member, with all that it needs."""
        member = _member(connection)
        welcome = kind(
            ref=asked.ref,
            room=member.room.code,
            member=member.id,
            resume=self._registry.new_resume_token(member, used_token),
            hosts=member.room.host_entries(but=member),
            ice_servers=self._membership.new_ice_servers(member, now),
            heartbeat=self._heartbeat,
            network=self._network(member.address),
            **more,
        )
        self._delivery.answer(connection.id, welcome)

    def _count_failed_proof(self, connection: Connection, now: float) -> None:
        """Only wrong tokens are limited: a client with the right one comes in, whatever others try at its address."""
        wait = self._failed_joins.take(connection.address, now)
        self.counts["failed proofs"] += 1
        if wait == 0:
            return
        self.abuse_limiter.penalize(connection.charged_to, "too many failed proofs", now)
        text = "Too many links that do not work came from this address. Wait a little, then try again."
        raise _Refusal(Code.RATE_LIMITED, text, retry_after=wait)

    def _refuse_if_full(self) -> None:
        if self._registry.is_full:
            text = "This server has as many people as it can take. Try again in a minute."
            raise _Refusal(Code.RATE_LIMITED, text, retry_after=60.0)

    def _links_full(self) -> str:
        return f"A room has at most {self._limits.links_per_room} links. Revoke some first."

    def _lost_connection(self, member: Member, now: float) -> None:
        self._membership.lost_connection(member, now)

    def _start_sweeping(self, now: float) -> None:
        if not self._sweeping:
            self._sweeping = True
            self._deadlines.arm(now + SWEEP_SECONDS, self._sweep, None)

    def _sweep(self, _: None, now: float) -> float:
        """Once a minute, remove what has expired."""
        for each in (self._connections, self._failed_joins, self._new_rooms, self.abuse_limiter):
            each.prune(now)
        for room in self._registry.rooms.values():
            room.quotas.prune(now)
        for room in self._registry.forget_what_is_over():
            self._membership.end_room(room, now)
        return now + SWEEP_SECONDS


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _member(connection: Connection) -> Member:
    assert connection.member is not None  # by _RULES, strangers do not get here
    return connection.member


def _origin(member: Member) -> dict[str, int]:
    """For hosts that are told which members hold the places."""
    return {"origin": member.origin} if member.room.knows_places(member.link) else {}


def _type_of(message: m.ClientMessage) -> str:
    return str(message.__struct_config__.tag)


_Handler = Callable[[Hub, Connection, Any, float], None]

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
    m.Proven: {Role.HOST: Hub._proven},
}
"""Who may say what. None is a stranger: a connection that has not said its first message."""
