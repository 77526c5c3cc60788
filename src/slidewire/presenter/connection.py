"""A presenter's connection to the host, without a user interface.

The shell of `control/connection.py`, which decides everything: this file has the clock, the randomness, the peer
connections and the one timer, and gives the events to the program around it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from slidewire.aio.clock import monotonic
from slidewire.aio.loop import Alarm
from slidewire.aio.tasks import Tasks
from slidewire.control import messages
from slidewire.control.connection import Connection, HostEntry
from slidewire.control.effects import (
    CheckServer,
    ConnectionClosed,
    CreateHandshake,
    Effect,
    PathChanged,
    ReadWelcome,
    SendByPeer,
    SendBySignaling,
    ServersRefused,
    StateChanged,
)
from slidewire.control.generations import AcceptAnswer, AddCandidate, ClosePeer, CreateOffer
from slidewire.control.handshake import PresenterHandshake
from slidewire.control.intents import Intent, Point
from slidewire.control.introduction import NONCE_BYTES, Introduction
from slidewire.control.links import Link
from slidewire.control.presenter_session import LaserAnswered, ReceiptArrived
from slidewire.control.privacy import Privacy
from slidewire.control.sealed_session import MessageArrived
from slidewire.control.state import State
from slidewire.rtc.engine import Channel, Engine, PeerError, PeerEvents
from slidewire.rtc.guarded import GuardedPeer, from_init, to_init

log = logging.getLogger(__name__)


@dataclass(slots=True)
class PresenterEvents:
    """What happens to the connection, always on the event loop."""

    path_changed: Callable[[str | None], None]
    """The best proven path is now of this kind: direct, relayed, signaling; None: there is none."""
    receipt: Callable[[ReceiptArrived], None]
    laser: Callable[[LaserAnswered], None]
    state: Callable[[State], None]
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
        own_host = urlsplit(link.server).hostname or ""
        self.core = Connection(own_host, random.random, privacy=privacy, makes_offers=engine is not None)
        self._link = link
        self._engine = engine
        self._name = name
        self._device = device
        self._events = events
        self._hosts: list[HostEntry] = []
        self._peers: dict[int, GuardedPeer] = {}
        self._commands = itertools.count(1)
        self._replies: dict[int, asyncio.Future[messages.Reply]] = {}
        self._alarm = Alarm(self._timer_fired)
        self._working = Tasks()
        self._ending = Tasks()
        self._is_closed = self._is_draining = False
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Counter[str]:
        """How often something came that was not obeyed, by a stable name for each kind (docs/design/security.md)."""
        return self.core.counts + self._counts

    # What the user does

    def submit(self, intent: Intent) -> int | None:
        """The intent's sequence number in this session; None while there is no session."""
        sequence = self.core.submit(intent, monotonic())
        self._drain()
        return sequence

    def point(self, points: Sequence[Point]) -> int | None:
        sequence = self.core.point(points, monotonic())
        self._drain()
        return sequence

    async def command(self, request: messages.CommandRequest) -> messages.Reply:
        """An operator's command; its reply (control.md §7). Raises `ConnectionError` while the host is not reached."""
        id_ = next(self._commands)
        if not self.core.send_message(messages.Command(id_, request), monotonic()):
            raise ConnectionError("The host is not reached.")
        reply: asyncio.Future[messages.Reply] = asyncio.get_running_loop().create_future()
        self._replies[id_] = reply
        self._drain()
        try:
            return await reply
        finally:
            del self._replies[id_]

    @property
    def sas(self) -> str | None:
        """The session's verification words, once the host has answered."""
        return None if self.core.session is None else self.core.session.sas

    @property
    def outstanding(self) -> int:
        return 0 if self.core.session is None else self.core.session.outstanding

    async def close(self) -> None:
        self._is_closed = True
        self._alarm.set(None)
        await self._working.cancel()
        for generation in list(self._peers):
            self._close_peer(generation)
        await self._ending.finish()

    # From the server

    def first_hello(self) -> bytes:
        """What the server is to hand to the first host along with `join`."""
        handshake = self._new_handshake("")
        self.core.start(handshake, monotonic())
        return handshake.hello

    def joined(self, hosts: list[dict[str, Any]], ice_servers: Sequence[object], network: str = "") -> None:
        """There is a place in the room, for the first time or again."""
        self._hosts = [HostEntry(str(host["member"]), bool(host.get("away"))) for host in hosts]
        self.core.joined(tuple(self._hosts), ice_servers, network, monotonic())
        self._drain()

    def ice_servers_are(self, ice_servers: Sequence[object]) -> None:
        self.core.ice_servers_changed(ice_servers)

    def host_here(self, member: str) -> None:
        self._host_is(HostEntry(member))

    def host_gone(self, member: str) -> None:
        self._host_is(HostEntry(member, is_away=True))

    def _host_is(self, entry: HostEntry) -> None:
        places = [place for place, host in enumerate(self._hosts) if host.member == entry.member]
        for place in places:
            self._hosts[place] = entry
        if not places:
            self._hosts.append(entry)
        self.core.hosts_changed(tuple(self._hosts), monotonic())
        self._drain()

    def lost_server(self) -> None:
        self._hosts = []
        self.core.server_lost(monotonic())
        self._drain()

    def receive(self, member: str, data: bytes) -> None:
        self.core.receive_signaling(data, member, monotonic())
        self._drain()

    # Effects

    def _drain(self) -> None:
        """Carry out what the core wants done. A call from within leaves it to the one that runs."""
        if self._is_draining:
            return
        self._is_draining = True
        try:
            while not self._is_closed and (effect := self.core.next_effect()) is not None:
                self._obey(effect)
        finally:
            self._is_draining = False
        self._alarm.set(None if self._is_closed else self.core.get_timer())

    def _obey(self, effect: Effect) -> None:
        match effect:
            case SendBySignaling(member, data):
                if self.signaling is not None:
                    self.signaling.send(member, data)
            case SendByPeer(generation, channel, data):
                if (peer := self._peers.get(generation)) is not None:
                    peer.send(channel, data)
            case CheckServer():
                self.check_server()
            case CreateHandshake():
                self.core.handshake_created(effect, self._new_handshake(effect.replaces), monotonic())
            case ReadWelcome(handshake, data):
                self.core.welcome_read(effect, handshake.read_welcome(data), monotonic())
            case CreateOffer():
                self._create_offer(effect)
            case AcceptAnswer(generation, sdp, is_near):
                if (peer := self._peers.get(generation)) is not None:
                    peer.is_near = is_near
                    self._working.start(self._accept(peer, generation, sdp))
            case AddCandidate(generation, candidate):
                if (peer := self._peers.get(generation)) is not None:
                    peer.add_candidate(to_init(candidate))
            case ClosePeer(generation):
                self._close_peer(generation)
            case _:
                self._tell(effect)

    def _tell(self, effect: Effect) -> None:
        match effect:
            case PathChanged(kind):
                self._events.path_changed(None if kind is None else kind.value)
            case ReceiptArrived():
                self._events.receipt(effect)
            case LaserAnswered():
                self._events.laser(effect)
            case StateChanged(state):
                self._events.state(state)
            case MessageArrived(message):
                self._message_arrived(message)
            case ConnectionClosed(code, reason):
                self._events.closed(code, reason)
            case ServersRefused():
                log.warning(
                    "the server names STUN or TURN servers that are neither its own nor the host's: they are not used"
                )
            case _:
                pass  # a terminal shows no pictures and keeps nothing that it could ask for again

    def _message_arrived(self, message: messages.Received) -> None:
        match message:
            case messages.Reply(id_) if id_ in self._replies:
                if not self._replies[id_].done():
                    self._replies[id_].set_result(message)
            case messages.Error(_, text):
                log.warning("the host says: %s", text)
            case _:
                pass  # from a later version

    def _timer_fired(self) -> None:
        self.core.handle_timer(monotonic())
        self._drain()

    def _new_handshake(self, replaces: str) -> PresenterHandshake:
        introduction = Introduction(
            secrets.token_bytes(NONCE_BYTES), self._name, "terminal", replaces, self._device or ""
        )
        return PresenterHandshake(self._link.link_id, self._link.psk, secrets.token_bytes(32), introduction)

    # Peer connections

    def _create_offer(self, wanted: CreateOffer) -> None:
        assert self._engine is not None
        generation = wanted.generation

        def report(happened: Callable[[], None]) -> None:
            happened()
            self._drain()

        peer = GuardedPeer(
            self._engine,
            wanted.ice_servers,
            PeerEvents(
                opened=lambda channel: report(
                    lambda: self.core.channel_opened(generation, channel, peer.is_relayed, monotonic())
                ),
                received=lambda channel, data: self._receive_peer(generation, channel, data),
                closed=lambda: report(lambda: self.core.peer_failed(generation, monotonic())),
                candidate=lambda candidate: report(
                    lambda: self.core.candidate_found(generation, from_init(candidate), monotonic())
                ),
            ),
            wanted.privacy,
            self._candidates_refused,
        )
        self._peers[generation] = peer
        self._working.start(self._offer(peer, generation))

    def _receive_peer(self, generation: int, channel: Channel, data: bytes) -> None:
        self.core.receive_peer(data, generation, channel, monotonic())
        self._drain()

    async def _offer(self, peer: GuardedPeer, generation: int) -> None:
        sdp = await peer.offer()
        self.core.offer_created(generation, sdp, monotonic())
        self._drain()

    async def _accept(self, peer: GuardedPeer, generation: int, sdp: str) -> None:
        try:
            await peer.accept_answer(sdp)
        except PeerError as error:
            log.warning("%s", error)
            self.core.peer_failed(generation, monotonic())
            self._drain()

    def _candidates_refused(self, times: int) -> None:
        if times and not self._counts["candidate_refused"]:
            log.warning("the host says addresses that the room's privacy forbids, or far too many: they are not used")
        self._counts["candidate_refused"] += times

    def _close_peer(self, generation: int) -> None:
        if (peer := self._peers.pop(generation, None)) is not None:
            self._ending.start(peer.close())
