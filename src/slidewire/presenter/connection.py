"""A presenter's connection to the host, without a user interface: knock, be let in, keep every path there is.

    signaling (usable at once) → handshake → session → offer → direct path

The session lives longer than any of its paths: the server may go and come back, peer connections are replaced. It ends
when the host does not know it any more; then a new handshake is made, and what was unanswered is `unknown`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from slidewire.aio.clock import monotonic
from slidewire.aio.loop import Alarm
from slidewire.aio.tasks import Tasks
from slidewire.control.handshake import REPEAT_HELLO, PresenterHandshake, Welcome, session_name
from slidewire.control.intents import Intent, Point
from slidewire.control.introduction import NONCE_BYTES, Introduction
from slidewire.control.links import Link
from slidewire.control.paths import LIVE_FOR, SILENCE, UNKNOWN_ROUND_TRIP, Path, PathKind
from slidewire.control.presenter_session import (
    Effect,
    LaserAnswered,
    PathSilent,
    PresenterSession,
    ReceiptArrived,
    StateVersion,
)
from slidewire.control.privacy import Privacy, permit_servers, stricter
from slidewire.control.seal import NO_SESSION, SEALED, WELCOME, peek_session
from slidewire.control.sealed_session import MessageArrived, PictureArrived, Transmit
from slidewire.control.state import apply
from slidewire.rtc.engine import Channel, Engine, PeerError, PeerEvents, read_ice_servers
from slidewire.rtc.guarded import GuardedPeer

log = logging.getLogger(__name__)

SIGNALING = "signaling"
DATA = (PathKind.DIRECT, PathKind.RELAYED)
OFFER_EVERY = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds until the next offer while there is no direct path."""
ASK_AGAIN = 1.0
"""Seconds before a state that did not come is asked for again."""
SILENT_AFTER = 3.0
"""Seconds without any live path after which the presenter shakes hands anew."""
SERVER_SILENT_AFTER = 1.5
"""Seconds without a PONG through the server after which its socket is looked at: it may have died without a word."""


_REFUSED = {
    "ice_server_refused": "the server names STUN or TURN servers that are neither its own nor the host's: not used",
    "candidate_refused": "the host says addresses that the room's privacy forbids, or far too many: they are not used",
}


@dataclass(slots=True)
class PresenterEvents:
    """What happens to the connection, always on the event loop."""

    path_changed: Callable[[str | None], None]
    """The best proven path is now of this kind: direct, relayed, signaling; None: there is none."""
    receipt: Callable[[ReceiptArrived], None]
    laser: Callable[[LaserAnswered], None]
    state: Callable[[dict[str, Any]], None]
    closed: Callable[[str, str], None]
    """The host ended it: a stable code, and a sentence."""


class Signaling(Protocol):
    def send(self, to: str, data: bytes) -> None: ...


class PresenterConnection:
    def __init__(
        self,
        link: Link,
        engine: Engine | None,
        name: str,
        events: PresenterEvents,
        device: str | None = None,
        *,
        privacy: Privacy = Privacy.OPEN,
    ) -> None:
        """`engine` None: never a peer connection, signaling only. `device`: what this device calls itself to hosts.
        `privacy`: what we want at least; the room's own may be stricter."""
        self.signaling: Signaling | None = None
        self.check_server: Callable[[], None] = lambda: None
        """Find out whether the socket to the server lives; asked again and again while nothing comes through it."""
        self._link = link
        self._own_host = urlsplit(link.server).hostname or ""
        self._engine = engine
        self._name = name
        self._device = device
        self._events = events
        self._host: str | None = None
        self._ice_servers: list[dict[str, Any]] = []
        self._ice_hosts: tuple[str, ...] = ()
        """Whose servers may be used besides those of the signaling server's own host, as the host says."""
        self._network = ""
        """Where we are, in the server's word for it."""
        self._privacy_wanted, self._privacy = privacy, privacy
        self._handshake: PresenterHandshake | None = None
        self._asked = 0.0
        """When the first hello of this handshake was due."""
        self._next_hello = float("-inf")
        self._session: PresenterSession | None = None
        self._peers: dict[int, GuardedPeer] = {}
        self._generation = 0
        self._offers = 0
        self._next_offer: float | None = None
        self._offered = float("-inf")
        self._state: dict[str, Any] | None = None
        """The host's, as it was told last."""
        self._asked_for_state = float("-inf")
        self._commands = itertools.count(1)
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reported: str | None = None
        self._silent_since: float | None = None
        self._in_doubt = False
        """It shakes hands because the session is silent, not because somebody said that it is over."""
        self._alarm = Alarm(self._timer_fired)
        self._hello_alarm = Alarm(self._send_hello)
        self._working = Tasks()
        self._ending = Tasks()
        self._closed = False
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Counter[str]:
        """How often something came that was not obeyed, by a stable name for each kind (docs/design/security.md)."""
        return self._counts + (self._session.wire.counts if self._session is not None else Counter())

    # What the user does

    def submit(self, intent: Intent) -> int | None:
        """The intent's sequence number in this session; None while there is no session."""
        if self._session is None:
            return None
        sequence = self._session.submit(intent, monotonic())
        self._drain()
        return sequence

    def point(self, points: Sequence[Point]) -> int | None:
        if self._session is None:
            return None
        sequence = self._session.point(points, monotonic())
        self._drain()
        return sequence

    async def command(self, name: str, **fields: Any) -> dict[str, Any]:
        """An operator's command; its reply (control.md §7). Raises `ConnectionError` while the host is not reached."""
        id_ = next(self._commands)
        message = {"type": "command", "id": id_, "name": name, **fields}
        if self._session is None or not self._session.send_message(message, monotonic()):
            raise ConnectionError("The host is not reached.")
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[id_] = reply
        self._drain()
        try:
            return await reply
        finally:
            del self._replies[id_]

    @property
    def words(self) -> str | None:
        """The session's verification words, once the host has answered."""
        return None if self._session is None else self._session.words

    @property
    def outstanding(self) -> int:
        return self._session.outstanding if self._session is not None else 0

    async def close(self) -> None:
        self._closed = True
        self._alarm.set(None)
        self._hello_alarm.set(None)
        await self._working.cancel()
        for generation in list(self._peers):
            self._drop_peer(generation)
        await self._ending.finish()

    # From the server

    def joined(self, hosts: list[dict[str, Any]], ice_servers: list[dict[str, Any]], network: str = "") -> None:
        """In the room (again). Talk to the first host that is there."""
        self._ice_servers, self._network = ice_servers, network
        present = [host for host in hosts if not host.get("away")]
        self._host_is(str(present[0]["member"]) if present else None)
        if not self._has_direct_path(monotonic()):
            self._offer_soon()  # what was offered before may have got lost with the socket

    def ice_servers_are(self, ice_servers: list[dict[str, Any]]) -> None:
        """For the next peer: a credential's end does not end what was allocated with it."""
        self._ice_servers = ice_servers

    def host_here(self, member: str) -> None:
        if self._host is None or self._host == member:
            self._host_is(member)

    def host_gone(self, member: str) -> None:
        if self._host == member:
            self._host_is(None)

    def lost_server(self) -> None:
        self._host_is(None)

    def _host_is(self, member: str | None) -> None:
        self._host = member
        if self._session is not None:
            if member is None:
                self._session.path_down(SIGNALING)
            else:
                self._session.path_up(SIGNALING, PathKind.SIGNALING, monotonic())
            self._drain()
        elif member is not None:
            self._knock()

    def receive(self, member: str, data: bytes) -> None:
        kind = data[0] if data else None
        session = self._session
        if member != self._host:
            self._counts["not_from_our_host"] += 1
        elif kind == WELCOME:
            self._receive_welcome(data)
        elif kind == SEALED and session is not None:
            self._receive_frame(data, SIGNALING)
        elif kind == NO_SESSION and session is not None and peek_session(data) == session.wire.session:
            self._receive_hint(session)
        else:
            self._counts["not_for_us"] += 1

    # The handshake

    def _receive_hint(self, session: PresenterSession) -> None:
        """It is not sealed, so anybody may have written it. A host that answers by a direct path does know us."""
        best = session.wire.paths.best(monotonic())
        if best is not None and best.kind is not PathKind.SIGNALING:
            self._counts["hint_contradicted"] += 1
        else:
            self._counts["hint_believed"] += 1
            self._in_doubt = False
            self._knock()

    def first_hello(self) -> bytes:
        """What the server is to hand to the first host along with `join`."""
        self._prepare_handshake()
        assert self._handshake is not None
        self._asked = monotonic()
        self._next_hello = self._asked + REPEAT_HELLO
        self._hello_alarm.set(self._next_hello)
        return self._handshake.hello

    def _knock(self) -> None:
        """Shake hands (again). The session that stands is used until the new one does."""
        if self._handshake is None:
            self._prepare_handshake()
            self._asked = max(monotonic(), self._next_hello)
            self._send_hello()

    def _prepare_handshake(self) -> None:
        replaces = session_name(self._session.wire) if self._session is not None else ""
        introduction = Introduction(
            secrets.token_bytes(NONCE_BYTES), self._name, "terminal", replaces, self._device or ""
        )
        self._handshake = PresenterHandshake(self._link.link_id, self._link.psk, secrets.token_bytes(32), introduction)

    def _send_hello(self) -> None:
        """One each second, also if somebody has it shake hands again and again until the words suit them."""
        if self._handshake is None or self._closed:
            return
        if (now := monotonic()) >= self._next_hello and self._host is not None and self.signaling is not None:
            self.signaling.send(self._host, self._handshake.hello)
            self._next_hello = now + REPEAT_HELLO
        self._hello_alarm.set(self._next_hello if self._next_hello > now else now + REPEAT_HELLO)

    def _receive_welcome(self, data: bytes) -> None:
        attempt, now = self._handshake, monotonic()
        if attempt is None or (welcome := attempt.read_welcome(data)) is None:
            self._counts["welcome_not_ours"] += 1
            return
        if self._session is None or not self._in_doubt:
            self._adopt(attempt, welcome)
            return
        # A host that slept answers what came first, our hello: what it says to the old session comes right behind.
        self._session.check_paths(now)
        through_server = self._session.wire.paths.get(SIGNALING)
        wait = 2 * (through_server.expected if through_server is not None else UNKNOWN_ROUND_TRIP) + SILENCE
        asyncio.get_running_loop().call_later(wait, self._adopt_unless_answered, attempt, welcome)
        self._drain()

    def _adopt_unless_answered(self, attempt: PresenterHandshake, welcome: Welcome) -> None:
        if self._handshake is not attempt or self._closed:
            return
        if self._session is not None and self._session.wire.paths.best(monotonic()) is not None:
            self._handshake, self._in_doubt = None, False
        else:
            self._adopt(attempt, welcome)

    def _adopt(self, attempt: PresenterHandshake, welcome: Welcome) -> None:
        now = monotonic()
        self._handshake, self._in_doubt = None, False
        if self._session is not None:
            self._session.abandon(monotonic())
            self._drain()
            for generation in list(self._peers):
                self._drop_peer(generation)
            self._counts += self._session.wire.counts
        self._session = attempt.session(welcome, now, self._asked)
        self._privacy = stricter(self._privacy_wanted, welcome.privacy)
        self._ice_hosts = welcome.ice_hosts
        self._state = None
        self._silent_since = None
        self._session.path_up(SIGNALING, PathKind.SIGNALING, monotonic())
        self._offers, self._next_offer = 0, monotonic()
        self._drain()

    # The session

    def _receive_frame(self, data: bytes, path: str) -> None:
        if self._session is not None:
            self._session.receive_frame(data, path, monotonic())
            self._drain()

    def _drain(self) -> None:
        session = self._session
        if session is None or self._closed:
            return
        while (effect := session.next_effect()) is not None:
            self._obey(session, effect)
        self._report_path()
        self._set_timer()

    def _obey(self, session: PresenterSession, effect: Effect) -> None:
        match effect:
            case Transmit(path, data):
                self._transmit(path, data)
            case ReceiptArrived():
                self._events.receipt(effect)
            case LaserAnswered():
                self._events.laser(effect)
            case StateVersion(version):
                if version != (self._state or {"version": 0}).get("version"):  # 0: nothing was told yet
                    self._ask_for_state(session)
            case PathSilent(path):
                self._path_silent(session, path)
            case MessageArrived(message):
                self._message_arrived(message)
            case PictureArrived():
                pass  # a terminal shows none

    def _transmit(self, path: str, data: bytes) -> None:
        if path == SIGNALING:
            if self._host is not None and self.signaling is not None:
                self.signaling.send(self._host, data)
            return
        kind, _, generation = path.partition("/")
        if (peer := self._peers.get(int(generation))) is not None:
            peer.send(Channel.BULK if kind == PathKind.BULK else Channel.CONTROL, data)

    def _ask_for_state(self, session: PresenterSession) -> None:
        now = monotonic()
        if now - self._asked_for_state > ASK_AGAIN:
            self._asked_for_state = now
            session.send_message({"type": "get_state"}, now)

    def _message_arrived(self, message: dict[str, Any]) -> None:
        generation = message.get("generation")
        match message["type"]:
            case "state":
                state = apply(self._state, message)
                if state is not None:
                    self._state = state
                    self._events.state(state)
                elif self._session is not None:
                    self._ask_for_state(self._session)
            case "laser" if self._state is not None:
                self._state = {**self._state, "laser": message.get("at")}
                self._events.state(self._state)
            case "answer" if generation == self._generation and isinstance(message.get("sdp"), str):
                if (peer := self._peers.get(self._generation)) is not None:
                    peer.is_near = self._network != "" and message.get("network") == self._network
                    self._working.start(self._accept(peer, message["sdp"]))
            case "candidate" if isinstance(generation, int) and (peer := self._peers.get(generation)) is not None:
                candidate = message.get("candidate")
                if isinstance(candidate, dict | None):
                    peer.add_candidate(candidate)
            case "reply" if isinstance(id_ := message.get("id"), int) and id_ in self._replies:
                if not self._replies[id_].done():
                    self._replies[id_].set_result(message)
            case "reoffer":
                self._offers, self._next_offer = 0, monotonic()
            case "closed":
                self._closed = True  # for good: another knock would only be answered the same
                self._events.closed(str(message.get("code")), str(message.get("reason")))
            case "error":
                log.warning("the host says: %s", message.get("message"))
            case _:
                pass  # from a later version

    def _report_path(self) -> None:
        assert self._session is not None
        now = monotonic()
        best = self._session.wire.paths.best(now)
        kind = best.kind.value if best is not None else None
        if kind != self._reported:
            self._reported = kind
            self._events.path_changed(kind)
        if kind is not None:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now

    # Time

    def _set_timer(self) -> None:
        assert self._session is not None
        moments = [moment for moment in (self._session.get_timer(), self._next_offer) if moment is not None]
        moments.append(monotonic() + 1.0)  # paths are judged by silence, and silence has no event
        self._alarm.set(min(moments))

    def _timer_fired(self) -> None:
        if self._session is None or self._closed:
            return
        now = monotonic()
        self._session.handle_timer(now)
        through_server = self._session.wire.paths.get(SIGNALING)
        if through_server is not None and now - (through_server.last_pong or now) > SERVER_SILENT_AFTER:
            self.check_server()
        if self._silent_since is not None and now - self._silent_since > SILENT_AFTER and self._host is not None:
            self._silent_since = now
            self._in_doubt = self._in_doubt or self._handshake is None
            self._knock()
        self._replace_dead_peer(now)
        if self._next_offer is not None and now >= self._next_offer:
            self._next_offer = None
            self._working.start(self._offer())
        self._drain()

    # Peer connections

    async def _offer(self) -> None:
        if self._engine is None or self._session is None:
            return
        wait = OFFER_EVERY[min(self._offers, len(OFFER_EVERY) - 1)]
        self._offers += 1
        self._generation += 1
        self._offered = monotonic()
        generation, session = self._generation, self._session
        opened: list[str] = []
        peer: GuardedPeer | None = None

        def channel_opened(channel: Channel) -> None:
            assert peer is not None
            control = PathKind.RELAYED if peer.is_relayed else PathKind.DIRECT
            kind = control if channel is Channel.CONTROL else PathKind.BULK
            opened.append(f"{kind.value}/{generation}")
            session.path_up(opened[-1], kind, monotonic())
            if channel is Channel.CONTROL:
                self._offers, self._next_offer = 0, None
                for old in [known for known in self._peers if known < generation]:
                    self._drop_peer(old)
            self._drain()

        def received(channel: Channel, data: bytes) -> None:
            is_bulk = channel is Channel.BULK
            self._receive_frame(
                data, next((name for name in opened if name.startswith(PathKind.BULK.value) == is_bulk), "")
            )

        def closed() -> None:
            self._drop_peer(generation)
            if not any(known > generation for known in self._peers):
                self._next_offer = monotonic()
            self._drain()

        def candidate_found(candidate: dict[str, Any] | None) -> None:
            message = {"type": "candidate", "generation": generation, "candidate": candidate}
            session.send_message(message, monotonic())
            self._drain()

        events = PeerEvents(channel_opened, received, closed, candidate_found)
        permitted, refused = permit_servers(self._ice_servers, (self._own_host, *self._ice_hosts))
        self._count("ice_server_refused", len(refused))
        servers = read_ice_servers(permitted)
        peer = GuardedPeer(self._engine, servers, events, self._privacy, self._candidates_refused)
        self._peers[generation] = peer
        self._next_offer = monotonic() + wait
        sdp = await peer.offer()
        offer: dict[str, Any] = {"type": "offer", "generation": generation, "sdp": sdp}
        if self._privacy_wanted is not Privacy.OPEN:
            offer["privacy"] = str(self._privacy_wanted)
        if self._network:
            offer["network"] = self._network
        session.send_message(offer, monotonic())
        self._drain()

    def _candidates_refused(self, times: int) -> None:
        self._count("candidate_refused", times)

    def _count(self, what: str, times: int) -> None:
        if times and not self._counts[what]:
            log.warning(_REFUSED[what])
        self._counts[what] += times

    async def _accept(self, peer: GuardedPeer, sdp: str) -> None:
        try:
            await peer.accept_answer(sdp)
        except PeerError as error:
            log.warning("%s", error)

    def _path_silent(self, session: PresenterSession, name: str) -> None:
        """A live path swallowed a tap: look for another beside it at once."""
        if name == SIGNALING:
            self.check_server()
            return
        bulk = session.wire.paths.get(f"{PathKind.BULK.value}/{name.partition('/')[2]}")
        if bulk is not None:
            bulk.is_silent = True  # both channels live and die together
        if not self._has_direct_path(monotonic()):
            self._offer_soon()

    def _offer_soon(self) -> None:
        """At once, but no more than one a second."""
        self._offers, self._next_offer = 0, max(monotonic(), self._offered + OFFER_EVERY[0])

    def _direct_path(self) -> Path | None:
        """Of the newest generation."""
        assert self._session is not None
        paths = self._session.wire.paths
        return next((path for kind in DATA if (path := paths.get(f"{kind.value}/{self._generation}"))), None)

    def _has_direct_path(self, now: float) -> bool:
        if self._session is None:
            return True  # none is missed before there is a session
        path = self._direct_path()
        return path is not None and path.is_live(now)

    def _replace_dead_peer(self, now: float) -> None:
        """The library needs half a minute to notice that a peer is gone; our own heartbeat needs three seconds."""
        path = self._direct_path()
        if path is not None and now - (path.up_since if path.last_pong is None else path.last_pong) > LIVE_FOR:
            self._drop_peer(self._generation)
            self._offer_soon()

    def _drop_peer(self, generation: int) -> None:
        peer = self._peers.pop(generation, None)
        if peer is None:
            return
        if self._session is not None:
            for kind in (PathKind.DIRECT, PathKind.RELAYED, PathKind.BULK):
                self._session.path_down(f"{kind.value}/{generation}")
        self._ending.start(peer.close())
