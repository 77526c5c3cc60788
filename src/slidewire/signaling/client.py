"""The client's half of signaling: a member that keeps its place in a room when sockets are lost.

Sans-I/O. The shell opens and closes sockets when `next_effect` says so and reports what became of them; the user of
this class sees events. It chooses the first message (`resume` while the server may still hold our place, else
`open_room` or `join`), drops what was already seen, proves life with pings, and comes back after a loss with full
jitter: a random share of a delay that doubles, so that a room full of clients does not return in one instant.

What a host asks of the server (links added, links revoked, the end of the room) is kept until it is answered, and sent
again after a loss. `send` is not: its caller repeats what matters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import msgspec
from msgspec import UNSET

from slidewire.base.base64url import decode_base64url, encode_base64url
from slidewire.signaling import messages as m
from slidewire.signaling.messages import Code

FIRST_DELAY: Final = 0.25
LONGEST_DELAY: Final = 15.0
LONGEST_ASKED: Final = 900.0
"""As long as a server blocks an address. Longer times are a mistake, or come from a portal on the way."""
ANSWER_SECONDS: Final = 10.0
"""How long the answer to a first message may take."""
STEADY_SECONDS: Final = 5.0
"""After so long in its place, a client begins again with the first delay when it loses it."""
CHECK_SECONDS: Final = 3.0
"""How long `check` waits for a sign of life, if it is not told."""
LONGEST_HEARTBEAT: Final = 60.0
LINKS_AT_ONCE: Final = 80
"""In one message, whose size has an end."""
MEMBERS_AT_ONCE: Final = 256


# --- effects: what the shell is to do ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a socket, then report `connected` or `connect_failed`."""


@dataclass(frozen=True, slots=True)
class Transmit:
    """Write one text message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the socket, after what was transmitted before. Nothing needs to be reported any more."""


Effect = Connect | Transmit | HangUp


# --- events: what the user of this class is told ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """The room is open and we are a host in it, as a new member."""

    room: str
    member: str
    hosts: list[m.HostEntry]
    """The other hosts."""
    members: list[m.MemberEntry]
    ice_servers: list[dict[str, Any]]
    refused_links: list[m.RefusedLink]


@dataclass(frozen=True, slots=True)
class Joined:
    """We are a presenter in the room, as a new member."""

    room: str
    member: str
    hosts: list[m.HostEntry]
    ice_servers: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Resumed:
    """Back in our old place: same member. `members` is None for presenters."""

    room: str
    member: str
    hosts: list[m.HostEntry]
    members: list[m.MemberEntry] | None
    ice_servers: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class IceServers:
    """Fresh ones, in place of those we had."""

    ice_servers: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Received:
    """Another member's `send`."""

    sender: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Presence:
    """A host or (seen by hosts only) a presenter came, is away, came back, or left."""

    member: str
    is_host: bool
    change: str
    """"joined", "away", "back" or "left"."""
    name: str = ""
    link: str = ""
    origin: int = 0
    """Presenters with the same number are connected from one address; 0: the server does not say."""


@dataclass(frozen=True, slots=True)
class LinksAdded:
    refused_links: list[m.RefusedLink]


@dataclass(frozen=True, slots=True)
class LinkRevoked:
    """A link of this room was revoked, by us or by another host."""

    link: str


@dataclass(frozen=True, slots=True)
class Lost:
    """No place on the server for now; tried again in `retry_in` seconds."""

    reason: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The server said no. `final`: it would say so again, and this client has stopped."""

    code: str
    message: str
    final: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice of the server's operator to all in the room. It is not sealed."""

    text: str


Event = (
    Opened | Joined | Resumed | IceServers | Received | Presence | LinksAdded | LinkRevoked | Lost | Refused | Notice
)


def _printable(text: str) -> str:
    """For terminals and logs, of text that is not sealed: no line break and no escape sequence."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:200])


class State(Enum):
    IDLE = auto()
    WAITING = auto()
    """Until the next attempt."""
    CONNECTING = auto()
    ENTERING = auto()
    """The first message is on its way."""
    INSIDE = auto()
    OVER = auto()


_FINAL: Final = frozenset(
    {
        Code.LINK_WRONG,
        Code.LINK_EXPIRED,
        Code.LINK_REVOKED,
        Code.ROOM_ENDED,
        Code.ROOM_TAKEN,
        Code.KEY_NEEDED,
        Code.REMOVED,
        Code.VERSION_UNSUPPORTED,
        Code.FIRST_MESSAGE,
    }
)
"""Trying again would meet the same answer."""

_FINAL_AT_FIRST: Final = frozenset({Code.LINK_UNKNOWN, Code.ROOM_FULL, Code.MALFORMED, Code.TYPE_UNKNOWN})
"""Final for a client that was never inside. After that, the server restarted or the host is not back yet."""

_PRESENCE: Final[dict[type, tuple[bool, str]]] = {
    m.MemberJoined: (False, "joined"),
    m.MemberAway: (False, "away"),
    m.MemberBack: (False, "back"),
    m.MemberLeft: (False, "left"),
    m.HostJoined: (True, "joined"),
    m.HostAway: (True, "away"),
    m.HostBack: (True, "back"),
    m.HostLeft: (True, "left"),
}


class SignalingClient:
    """See the module. `first` is `open_room(…)` or `join(…)`, below."""

    def __init__(self, first: m.OpenRoom | m.Join, *, entropy: Callable[[int], bytes]) -> None:
        self._first = first
        self._entropy = entropy
        self._links = {link.id: link for link in first.links} if isinstance(first, m.OpenRoom) else {}
        self._state = State.IDLE
        self._effects: deque[Effect] = deque()
        self._events: deque[Event] = deque()
        self._unanswered: dict[str, m.AddLinks | m.RevokeLink | m.CloseRoom] = {}
        self._requests = 0
        self._resume: str | None = None
        self._last = 0
        self._attempt = 0
        self._was_inside = False
        self._since = 0.0
        self._last_received = 0.0
        self._heartbeat = 15.0
        self._due: float | None = None
        self._next_ping = 0.0
        self._answer_by: float | None = None
        self.room: str | None = None
        self._proves = False
        self.network = ""
        """Where the server says that we are; empty if it does not."""
        self.member: str | None = None
        self.hello: bytes | None = None
        """Sent with `join`, to the first host that is there: it costs no round trip of its own."""

    # --- what the user calls ------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self._state

    @property
    def inside(self) -> bool:
        return self._state is State.INSIDE

    @property
    def was_inside(self) -> bool:
        """Whether it ever had a place: a server that was never reached is not one that was lost."""
        return self._was_inside

    def start(self, now: float) -> None:
        self._connect(now)

    def send(self, to: str, data: bytes) -> bool:
        """False: not inside just now, and it was not sent."""
        if not self.inside:
            return False
        self._transmit(m.SendTo(to=to, data=encode_base64url(data)))
        return True

    def add_links(self, links: Sequence[m.Link]) -> None:
        self._links.update({link.id: link for link in links})
        for request in self._announcements(links):
            self._request(request)

    def revoke_link(self, link: str) -> None:
        self._links.pop(link, None)
        self._request(m.RevokeLink(ref=self._new_ref(), link=link))

    def remove_member(self, member: str, reason: str = "") -> None:
        """Not repeated: a member that is away when we are comes back to be removed again, if it must."""
        if self.inside:
            self._transmit(m.RemoveMember(member=member, reason=reason))

    def prove(self, members: Sequence[str]) -> None:
        """These finished the handshake with us. Not repeated: the caller does so after `Opened` and `Resumed`."""
        if self.inside and self._proves:
            for start in range(0, len(members), MEMBERS_AT_ONCE):
                self._transmit(m.Proven(members=list(members[start : start + MEMBERS_AT_ONCE])))

    def close_room(self) -> None:
        """End the room. `Refused("room_ended", final=True)` tells that it is done."""
        self._request(m.CloseRoom(ref=self._new_ref()))

    def leave(self) -> None:
        """Give up the place, without an event."""
        if self.inside:
            self._transmit(m.Leave())
        if self._state in (State.ENTERING, State.INSIDE, State.CONNECTING):
            self._effects.append(HangUp())
        self._state, self._due = State.OVER, None

    def check(self, now: float, within: float = CHECK_SECONDS) -> None:
        """The network changed or the computer woke up: find out at once whether the socket still works."""
        if self._state is State.WAITING:
            self._due = now
        elif self.inside and self._answer_by is None:
            self._ping(now)
            self._answer_by = now + within
            self._plan()

    # --- what the shell calls -----------------------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        if self._state is not State.CONNECTING:
            return
        self._state, self._due = State.ENTERING, now + ANSWER_SECONDS
        if self._resume is not None:
            self._transmit(m.Resume(v=m.VERSION, resume=self._resume, last=self._last))
        else:
            self._introduce()

    def connect_failed(self, reason: str, now: float, *, final: str | None = None, retry_after: float = 0.0) -> None:
        """`final`: a failure that trying again cannot mend, such as a certificate that is not trusted."""
        if self._state is not State.CONNECTING:
            return
        if final is not None:
            self._end(final, reason)
        else:
            self._lose(reason, now, at_least=retry_after)

    def disconnected(self, reason: str, now: float) -> None:
        """The socket we were on is gone."""
        if self._state in (State.ENTERING, State.INSIDE):
            self._lose(reason, now)

    def receive_message(self, data: bytes | str, now: float) -> None:
        if self._state not in (State.ENTERING, State.INSIDE):
            return
        self._last_received = now
        self._answer_by = None
        message = m.decode_server(data)
        match message:
            case m.Garbage() | m.Wrong():
                pass  # a later version's message, or nonsense: nothing we could act on
            case m.RoomOpened() | m.Joined():
                self._last = 0
                self._enter(message, now)
            case m.Resumed():
                self._enter(message, now)
            case m.Error():
                self._receive_error(message, now)
            case m.IceServers():
                self._events.append(IceServers(message.ice_servers))
            case m.LinksAdded():
                self._unanswered.pop(message.ref or "", None)
                self._events.append(LinksAdded(message.refused_links))
            case m.LinkRevoked(n=None):
                self._unanswered.pop(message.ref or "", None)
                self._events.append(LinkRevoked(message.link))
            case m.Pong():
                pass
            case _:
                self._receive_numbered(message)
        if self.inside:
            self._plan()

    def handle_timer(self, now: float) -> None:
        if self._due is None or now < self._due:
            return
        match self._state:
            case State.WAITING:
                self._connect(now)
            case State.ENTERING:
                self._effects.append(HangUp())
                self._lose("The server did not answer.", now)
            case State.INSIDE:
                unanswered = self._answer_by is not None and now >= self._answer_by
                if unanswered or now >= self._last_received + 3 * self._heartbeat:
                    self._effects.append(HangUp())
                    self._lose("The server went silent.", now)
                    return
                if now >= self._next_ping:
                    self._ping(now)
                self._plan()

    def get_timer(self) -> float | None:
        return self._due

    def next_effect(self) -> Effect | None:
        return self._effects.popleft() if self._effects else None

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    # --- inside -------------------------------------------------------------------------------------------------------

    def _introduce(self) -> None:
        first = self._first
        if isinstance(first, m.OpenRoom):
            links = list(self._links.values())[:LINKS_AT_ONCE]
            first = msgspec.structs.replace(first, room=self.room or first.room, links=links)
        self._transmit(first)
        if self.hello is not None:
            self._transmit(m.SendTo(data=encode_base64url(self.hello)))

    def _enter(self, message: m.RoomOpened | m.Joined | m.Resumed, now: float) -> None:
        self._state = State.INSIDE
        self._was_inside = True
        self._since = now
        self.room, self.member, self._resume = message.room, message.member, message.resume
        self.network = message.network
        self._heartbeat = min(max(1.0, message.heartbeat), LONGEST_HEARTBEAT)
        self._ping(now)  # it also tells the server that the new resume token arrived
        self._proves = not isinstance(message, m.Joined) and message.proof_within is not None
        match message:
            case m.RoomOpened():
                # Every link is in `open_room` and what follows it; what else was asked for is asked again.
                self._unanswered = {r: a for r, a in self._unanswered.items() if not isinstance(a, m.AddLinks)}
                rest = self._announcements(list(self._links.values())[LINKS_AT_ONCE:])
                self._unanswered.update({request.ref or "": request for request in rest})
                self._events.append(
                    Opened(
                        message.room,
                        message.member,
                        message.hosts,
                        message.members,
                        message.ice_servers,
                        message.refused_links,
                    )
                )
            case m.Joined():
                self.hello = None
                self._events.append(Joined(message.room, message.member, message.hosts, message.ice_servers))
            case m.Resumed():
                self._events.append(
                    Resumed(message.room, message.member, message.hosts, message.members, message.ice_servers)
                )
        for request in self._unanswered.values():
            self._transmit(request)

    def _receive_numbered(self, message: m.NumberedMessage) -> None:
        n = message.n or 0
        if n <= self._last:
            return  # delivered before the socket was lost
        self._last = n
        match message:
            case m.Message():
                try:
                    data = decode_base64url(message.data)
                except ValueError:
                    return
                self._events.append(Received(message.sender, data))
            case m.RoomEnded():
                self._end(Code.ROOM_ENDED, "The host ended the show.")
            case m.LinkRevoked():
                self._links.pop(message.link, None)
                self._events.append(LinkRevoked(message.link))
            case m.Notice():
                self._events.append(Notice(_printable(message.text)))
            case _:
                is_host, change = _PRESENCE[type(message)]
                name = getattr(message, "name", "")
                link, origin = getattr(message, "link", ""), getattr(message, "origin", UNSET)
                self._events.append(Presence(message.member, is_host, change, name, link, origin or 0))

    def _receive_error(self, error: m.Error, now: float) -> None:
        code, entering = error.code, self._state is State.ENTERING
        if error.ref is not None:
            self._unanswered.pop(error.ref, None)
        if code == Code.RESUME_UNKNOWN and entering:
            self._resume = None
            self._introduce()
        elif code == Code.SERVER_CLOSING:
            self._effects.append(HangUp())
            self._lose("The server restarts.", now, at_least=error.retry_after or 0.0)
        elif entering:
            if code in _FINAL or (code in _FINAL_AT_FIRST and not self._was_inside):
                self._end(code, error.message)
            else:
                self._events.append(Refused(code, error.message, final=False, retry_after=error.retry_after))
                self._effects.append(HangUp())
                self._lose(error.message, now, at_least=error.retry_after or 0.0)
        elif code == Code.REPLACED:
            self._effects.append(HangUp())
            self._lose("A later connection of this program took over.", now)
        elif code in (Code.REMOVED, Code.LINK_REVOKED) and error.ref is None:
            self._end(code, error.message)
        else:
            self._events.append(Refused(code, error.message, final=False, retry_after=error.retry_after))

    def _ping(self, now: float) -> None:
        self._next_ping = now + self._heartbeat
        self._transmit(m.Ping(last=self._last))

    def _plan(self) -> None:
        self._due = min(self._next_ping, self._last_received + 3 * self._heartbeat)
        if self._answer_by is not None:
            self._due = min(self._due, self._answer_by)

    def _announcements(self, links: Sequence[m.Link]) -> list[m.AddLinks]:
        parts = [links[start : start + LINKS_AT_ONCE] for start in range(0, len(links), LINKS_AT_ONCE)]
        return [m.AddLinks(ref=self._new_ref(), links=list(part)) for part in parts]

    def _request(self, request: m.AddLinks | m.RevokeLink | m.CloseRoom) -> None:
        self._unanswered[request.ref or ""] = request
        if self.inside:
            self._transmit(request)

    def _new_ref(self) -> str:
        self._requests += 1
        return f"r{self._requests}"

    def _transmit(self, message: m.ClientMessage) -> None:
        self._effects.append(Transmit(m.encode(message)))

    # --- outside ------------------------------------------------------------------------------------------------------

    def _connect(self, now: float) -> None:
        self._state, self._due = State.CONNECTING, None
        self._effects.append(Connect())

    def _lose(self, reason: str, now: float, at_least: float = 0.0) -> None:
        if self._state is State.INSIDE and now - self._since >= STEADY_SECONDS:
            self._attempt = 0
        ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2**self._attempt)
        self._attempt = min(self._attempt + 1, 16)
        share = int.from_bytes(self._entropy(4), "big") / 2**32
        delay = min(max(at_least, 0.0), LONGEST_ASKED) + share * ceiling
        self._state, self._due, self._answer_by = State.WAITING, now + delay, None
        self._events.append(Lost(reason, delay))

    def _end(self, code: str, message: str) -> None:
        if self._state in (State.ENTERING, State.INSIDE):
            self._effects.append(HangUp())
        self._state, self._due = State.OVER, None
        self._events.append(Refused(code, message, final=True))


def open_room(token: bytes, *, room: str | None = None, name: str = "", links: Sequence[m.Link] = ()) -> m.OpenRoom:
    """A host's first message. `token` is 16 random bytes that the room's hosts share."""
    return m.OpenRoom(v=m.VERSION, room=room, token=encode_base64url(token), name=name, links=list(links))


def join(link: str, token: bytes, *, name: str = "") -> m.Join:
    """A presenter's first message. `token` is the join token derived from the link's secret."""
    return m.Join(v=m.VERSION, link=link, token=encode_base64url(token), name=name)


def announce(link: str, commit: bytes, *, expires: float | None = None, place: m.Place | None = None) -> m.Link:
    """A link as a host tells the server of it. `commit` is SHA-256 of the join token; `expires` Unix seconds. Who says
    the `place` says also who is `proven`."""
    return m.Link(link, encode_base64url(commit), expires, place)
