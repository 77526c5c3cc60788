"""A show in simulated time: presenters, a host and its backup, a server, and everything that goes wrong with them.

    world = World(seed=7)
    world.run(600)
    world.finish()

The presenters run the real connection core, and the host's half of it is the real one, too; sessions, handshakes and
sealing are real. What a host does around them (`host/host.py`) is here in a few lines, and peer connections are
simulated (`PeerNetwork`). Hosts die and come back as new processes, the server dies with what it carried, also in the
middle of an offer, offers cross, peers fail, paths come, go and change their address, machines sleep, no two clocks
agree. There may be participants that keep to nothing: they hold links of every role, and say what
`slidewire.testing.hostile` makes up.

The `Ledger` is told what presenters asked, what decks did and which receipts came, and raises `Broken` at the first
thing that was promised and is not so. When all is quiet again, every presenter must have come back: its session
answers, its state is the newest, its next tap lands. The seed decides everything.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

from slidewire.control import answering as answering_side
from slidewire.control import host_session as host_side
from slidewire.control import presenter_session as presenter_side
from slidewire.control.answering import Answering, CreateAnswer, OfferRefused, SendMessage
from slidewire.control.connection import Connection, HostEntry
from slidewire.control.effects import (
    CheckServer,
    CreateHandshake,
    Effect,
    PathLost,
    ReadWelcome,
    SendByPeer,
    SendBySignaling,
    SessionBegan,
    StateChanged,
)
from slidewire.control.generations import AcceptAnswer, AddCandidate, ClosePeer, CreateOffer
from slidewire.control.handshake import Admission, Admitted, HandshakeResponder, PresenterHandshake, session_name
from slidewire.control.host_session import HostSession
from slidewire.control.intents import Intent, Reason, Role, Verb
from slidewire.control.introduction import Introduction
from slidewire.control.messages import Candidate, Error, GetState, Offer, Received, Reoffer
from slidewire.control.paths import Channel, PathKind
from slidewire.control.presenter_session import PresenterSession, ReceiptArrived
from slidewire.control.privacy import Privacy
from slidewire.control.quotas import LOOKING_ON, QUOTAS, LinkPool, Request, SessionQuotas
from slidewire.control.records import IntroductionRecord, encode
from slidewire.control.seal import HELLO, LAST_COUNTER, SEALED, WELCOME, no_session, peek_session
from slidewire.control.sealed_session import MessageArrived, Transmit
from slidewire.control.state import DeckPart, State, changes, whole
from slidewire.host.show.fair_queue import FairQueue
from slidewire.testing.hostile import HostileSpeech
from slidewire.testing.ledger import Ledger
from slidewire.testing.network import NetworkConditions, SimulatedPath
from slidewire.testing.pair import LINK_ID, PSK, FakeDeck, permit_by_role, refuse
from slidewire.testing.peers import CANDIDATES, PeerNetwork, SimulatedPeer

SIGNALING = "signaling"
FORGET_AFTER = 60.0
LONGEST_TIME_TO_LIVE = 5.0
CANDIDATE_WITHIN = 3.0
"""Seconds within which a candidate follows an offer, where nothing is lost."""
QUIET = 25.0
"""Seconds after the last misfortune in which every presenter comes back."""
LINKS = {
    LINK_ID: Role.CLICK,
    "click23456": Role.CLICK,
    "view234567": Role.VIEW,
    "laser23456": Role.LASER,
    "boss234567": Role.OPERATOR,
}
"""The speakers come by the first; who keeps to nothing comes by any."""


class Machine:
    """What presenters and hosts have in common: a clock that drifts, a timer, and sleep."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rate = 1 + world.rng.uniform(-200e-6, 200e-6)
        self.offset = world.rng.uniform(0, 5e6)
        self.asleep_until = 0.0
        self._wakes_at = float("inf")

    @property
    def now(self) -> float:
        """This machine's monotonic clock. It counts while the machine sleeps."""
        return self.offset + self.world.now * self.rate

    def wake_at(self, moment: float | None) -> None:
        """Have `handle_timer` called when this machine's clock shows `moment`."""
        if moment is None:
            return
        at = max((moment - self.offset) / self.rate, self.world.now, self.asleep_until) + 1e-6
        if at < self._wakes_at:
            self._wakes_at = at
            self.world.at(at, self._wake, at)

    def _wake(self, at: float) -> None:
        if at != self._wakes_at:
            return  # an earlier one has come since
        self._wakes_at = float("inf")
        if self.world.now < self.asleep_until:
            self.wake_at(self.now)
        else:
            self.handle_timer()

    def handle_timer(self) -> None:
        raise NotImplementedError

    def hear(self, receive: Callable[..., None], *arguments: Any) -> None:
        """Something arrived; a machine that sleeps reads it when it wakes."""
        if self.world.now < self.asleep_until:
            self.world.at(self.asleep_until + 1e-3, self.hear, receive, *arguments)
        else:
            receive(*arguments)


class Host(Machine):
    """A computer with a deck. `process` counts the agents that ran on it; what one knew is gone with it."""

    def __init__(self, world: World, name: str, performing: float) -> None:
        super().__init__(world)
        self.name = name
        self.deck = FakeDeck()
        """LibreOffice: it stays open, and where it is, while agents come and go."""
        self.performing = performing
        self.process = 0
        self.up = False
        self.sessions: dict[int, HostSession] = {}
        self.reached: dict[int, Participant] = {}
        self.heard: dict[int, float] = {}
        self.links: dict[int, str] = {}
        """By which link each session came."""
        self.answering: dict[int, Answering] = {}
        self.peers: dict[tuple[int, int], SimulatedPeer] = {}
        """By session and generation."""
        self.version = 0
        self.slides: dict[tuple[int, int], int] = {}
        """By process and version of the state: which slide it told."""
        self._held: dict[int, int] = {}
        """By session: the version of the state that it was told last."""
        self._pools: dict[str, LinkPool] = {}
        self._queue: FairQueue[tuple[HostSession, int, Intent]] = FairQueue()
        self._is_busy = False
        self.start()

    def start(self) -> None:
        self.process += 1
        self.up = True
        self.version, self.slides[self.process, 1] = 1, self.deck.slide
        self.door = HandshakeResponder(
            lambda link: Admission(PSK, LINKS[link]) if link in LINKS else None, self.world.rng.randbytes
        )

    def die(self) -> None:
        self.up = self._is_busy = False
        self.process += 1
        self._queue = FairQueue()
        for peer in self.peers.values():
            peer.close()
        for known in (
            *(self.sessions, self.reached, self.heard, self.links, self._pools, self.answering, self.peers),
            self._held,
        ):
            known.clear()

    @property
    def member(self) -> str:
        """What the server calls this process."""
        return f"{self.name}.{self.process}"

    def receive_signaling(self, data: bytes, sender: Participant, process: int) -> None:
        if process != self.process or not data:
            return
        if data[0] == HELLO:
            admitted = self.door.receive_hello(data, self.now)
            if admitted is None:
                return
            if admitted.session is not None:
                id_ = admitted.session.wire.session
                self.sessions[id_], self.heard[id_] = admitted.session, self.now
                self.links[id_] = admitted.link_id
                self.answering[id_] = Answering(admitted.session)
                self.world.processes[id_] = (self, self.process)
                admitted.session.quotas = SessionQuotas(self._pool(admitted))
                self._reach(id_, sender)
            self.world.carry_down(self, sender, admitted.welcome)
        elif data[0] == SEALED and (id_ := peek_session(data) or 0) in self.sessions:
            if self.receive(id_, data, SIGNALING) and id_ in self.sessions:
                self._reach(id_, sender)
        elif data[0] == SEALED:
            self.world.carry_down(self, sender, no_session(peek_session(data) or 0))

    def _pool(self, admitted: Admitted) -> LinkPool:
        quotas = QUOTAS if admitted.role.may_point else LOOKING_ON
        return self._pools.setdefault(admitted.link_id, LinkPool(quotas))

    def receive_direct(self, data: bytes, id_: int, path: str, process: int) -> None:
        if process == self.process and id_ in self.sessions:
            self.receive(id_, data, path)

    def receive(self, id_: int, data: bytes, path: str) -> bool:
        session = self.sessions[id_]
        if not session.receive_frame(data, path, self.now):
            return False
        self.heard[id_] = self.now
        self.drain(id_)
        return True

    def _reach(self, id_: int, presenter: Participant) -> None:
        if self.reached.get(id_) is not presenter:
            self.reached[id_] = presenter
            self.sessions[id_].path_up(SIGNALING, PathKind.SIGNALING, self.now)
            self.drain(id_)

    def lose_server(self) -> None:
        for id_ in list(self.reached):
            del self.reached[id_]
            self.sessions[id_].path_down(SIGNALING)

    def drain(self, id_: int) -> None:
        session, answering = self.sessions[id_], self.answering[id_]
        while id_ in self.sessions:
            if (effect := session.next_effect()) is not None:
                self._obey(id_, session, effect)
            elif (step := answering.next_effect()) is not None:
                self._obey_answering(id_, session, step)
            else:
                self.wake_at(session.get_timer())
                return

    def _obey(self, id_: int, session: HostSession, effect: host_side.Effect) -> None:
        match effect:
            case Transmit(path, data) if path != SIGNALING:
                kind, _, generation = path.partition("/")
                if (peer := self.peers.get((id_, int(generation)))) is not None:
                    peer.send(Channel.BULK if kind == PathKind.BULK else Channel.CONTROL, data)
            case Transmit(_, data):
                if (presenter := self.reached.get(id_)) is not None:
                    self.world.carry_down(self, presenter, data)
            case host_side.Perform(sequence, intent):
                self._queue.put(self.links[id_], id_, (session, sequence, intent))
                self._perform_next()
            case host_side.Pointed(sequence, _, path):
                session.settle_laser(sequence, Reason.NONE if session.role.may_point else Reason.ROLE, path)
            case host_side.Established(introduction):
                self._forget_replaced(introduction.replaces)
                self._tell_state(id_, session)
            case MessageArrived(message):
                self._receive_message(id_, session, message)
            case host_side.Flooding() | host_side.IntroductionInvalid():
                self.world.sent_away(id_)
                session.withdraw()
                self._forget(id_)
            case _:
                pass

    # Messages, the state, and peer connections

    def _receive_message(self, id_: int, session: HostSession, message: Received) -> None:
        answering = self.answering[id_]
        match message:
            case Offer(number):
                answering.receive_offer(message, Privacy.OPEN, "", self.now)
                self.world.expect_candidate(self, id_, number)
            case Candidate():
                answering.receive_candidate(message, self.now)
            case GetState():
                if session.permits(Request.STATE, self.now):
                    self._held.pop(id_, None)
                    self._tell_state(id_, session)
            case _:
                if session.permits(Request.ERROR, self.now):
                    session.send_message(Error("type_unknown", type(message).__name__), self.now)

    def publish(self) -> None:
        """The state is another one: tell all participants."""
        self.version += 1
        self.slides[self.process, self.version] = self.deck.slide
        for id_, session in list(self.sessions.items()):
            if session.established and id_ in self.sessions:
                self._tell_state(id_, session)
                self.drain(id_)

    def _tell_state(self, id_: int, session: HostSession) -> None:
        session.wire.version = self.version
        state, held = State(deck=DeckPart(slide=self.slides[self.process, self.version])), self._held.get(id_)
        if held is None:
            message = whole(state, self.version)
        else:
            before = State(deck=DeckPart(slide=self.slides[self.process, held]))
            message = changes(before, state, self.version, held)
        self._held[id_] = self.version
        session.send_message(message, self.now)

    def _obey_answering(self, id_: int, session: HostSession, effect: answering_side.Effect) -> None:
        match effect:
            case CreateAnswer(number, sdp):
                self._create_answer(id_, number, sdp)
            case AddCandidate(number, candidate):
                if (peer := self.peers.get((id_, number))) is not None:
                    peer.add_candidate(candidate)
            case ClosePeer(number):
                if (peer := self.peers.pop((id_, number), None)) is not None:
                    peer.close()
            case SendMessage(message):
                session.send_message(message, self.now)
            case OfferRefused(reason):
                if session.permits(Request.ERROR, self.now):
                    session.send_message(Error("offer_unusable", reason), self.now)
            case _:
                pass

    def _create_answer(self, id_: int, number: int, sdp: str) -> None:
        world, rng = self.world, self.world.rng

        def report(happened: Callable[..., None], *arguments: Any) -> None:
            """Later, unless the peer is closed by then."""
            if self.peers.get((id_, number)) is peer:
                happened(number, *arguments)
                self.drain_if_known(id_)

        def opened(number: int, channel: Channel, is_relayed: bool) -> None:
            answering.channel_opened(number, channel, is_relayed, self.now)

        answering = self.answering[id_]
        peer = world.peers.new(
            opened=lambda channel, is_relayed: self.hear(report, opened, channel, is_relayed),
            received=lambda channel, data: self.hear(
                report, lambda *_: self.receive(id_, data, answering.path_name(number, channel))
            ),
            failed=lambda: self.hear(report, answering.peer_failed),
        )
        self.peers[id_, number] = peer
        answer = peer.answer(sdp)
        after = world.now + rng.choice([0.001, 0.05, 0.3])
        if answer is None or world.something_fails(0.03):
            world.at(after, self.hear, report, answering.offer_unusable, "It cannot be used.")
            return
        world.at(after, self.hear, report, answering.answer_created, answer)
        for candidate in [*map(peer.candidate, range(CANDIDATES)), None]:
            after += rng.random() * 0.1
            world.at(after, self.hear, report, answering.candidate_found, candidate)

    def _forget_replaced(self, name: str) -> None:
        for id_, session in list(self.sessions.items()):
            if session_name(session.wire) == name:
                session.withdraw()
                self._forget(id_)

    def _forget(self, id_: int) -> None:
        if id_ in self.links:
            self._queue.forget(self.links[id_], id_)
        for number in [number for session, number in self.peers if session == id_]:
            self.peers.pop((id_, number)).close()
        for known in (self.sessions, self.reached, self.heard, self.links, self.answering, self._held):
            known.pop(id_, None)

    def handle_timer(self) -> None:
        if not self.up:
            return
        now = self.now
        for id_, session in list(self.sessions.items()):
            if id_ not in self.sessions:
                continue  # another one of these replaced it, or it was sent away
            timer = session.get_timer()
            if timer is not None and timer <= now:
                session.handle_timer(now)
            self.world.ledger.note_memory(session)
            if now - self.heard[id_] > FORGET_AFTER:
                self._forget(id_)
            else:
                self.drain(id_)

    # The deck takes one intent at a time, whosever it is

    def _perform_next(self) -> None:
        while self._queue and not self._is_busy and self.world.now >= self.asleep_until:
            session, sequence, intent = self._queue.pop()
            id_ = session.wire.session
            if (refused := refuse(session, sequence, permit_by_role(session.role), self.now)) is not None:
                session.settle(sequence, refused, self.now)
                if id_ in self.sessions:
                    self.world.soon(self.drain_if_known, id_)
                continue
            outcome = self.deck.perform(sequence, intent, self.world.now)
            if id_ not in self.world.hostile_sessions:
                self.world.ledger.performed(self.name, self.process, id_, sequence, intent, outcome, self.world.now)
            self._is_busy = True
            self.world.at(
                self.world.now + self.performing, self.hear, self._performed, session, sequence, outcome, self.process
            )

    def _performed(self, session: HostSession, sequence: int, outcome: Any, process: int) -> None:
        if process != self.process:
            return  # the agent died; its deck did it all the same
        self._is_busy = False
        session.settle(sequence, outcome, self.now)
        self.drain_if_known(session.wire.session)
        self.publish()
        self._perform_next()

    @property
    def is_idle(self) -> bool:
        """Its deck has nothing to do."""
        return not self._queue and not self._is_busy

    def drain_if_known(self, id_: int) -> None:
        if id_ in self.sessions:
            self.drain(id_)


class Presenter(Machine):
    """A speaker's device: the shell of a real `Connection`."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world)
        self.number = number
        self.connection = Connection("server", world.rng.random)
        self.session_id = 0
        """Of the session that began last."""
        self.server = -1
        """Which life of the server it is a member of."""
        self.disturbed = 0
        """When something was lost last between it and a host, or changed there, in the order of all such events."""
        self.was_lied_to = False
        self._target: str | None = None
        self._answered = float("-inf")
        """When its session was last seen to answer."""
        self._peers: dict[int, SimulatedPeer] = {}

    def introduce(self, hosts: tuple[HostEntry, ...] | None, server: int) -> None:
        """What the server says of who is there; None: there is no server."""
        if hosts is None:
            self.server = -1
            self.connection.server_lost(self.now)
        elif server != self.server:
            self.server = server
            self.connection.joined(hosts, (), "", self.now)
        else:
            self.connection.hosts_changed(hosts, self.now)
        self.drain()

    def tap(self, intent: Intent, time_to_live: float) -> int | None:
        """The intent's sequence number; None: there is no session, or the device sleeps."""
        if self.world.now < self.asleep_until:
            return None
        sequence = self.connection.submit(intent, self.now, time_to_live)
        if sequence is None:
            return None
        self.world.ledger.asked(self.number, self.session_id, sequence, intent, self.world.now, time_to_live)
        self.drain()
        return sequence

    def receive_signaling(self, data: bytes, member: str) -> None:
        self.connection.receive_signaling(data, member, self.now)
        self.drain()

    def handle_timer(self) -> None:
        self.connection.handle_timer(self.now)
        self.drain()

    def drain(self) -> None:
        while (effect := self.connection.next_effect()) is not None:
            self._obey(effect)
        self._judge_target()
        self.wake_at(self.connection.get_timer())

    def _judge_target(self) -> None:
        """A host that is there and answers is not left for another."""
        connection, left = self.connection, self._target
        if connection.target != left:
            self._target = connection.target
            is_there = any(host.member == left for host in connection._hosts) and self.server == self.world.server
            if is_there and self.world.now - self._answered < 1.0 and not self.was_lied_to:
                self.world.ledger.broken(f"presenter {self.number} left {left}, which answers")
        if connection.session is not None and connection.session.wire.paths.best(self.now) is not None:
            self._answered = self.world.now

    def _obey(self, effect: Effect) -> None:
        world = self.world
        match effect:
            case SendBySignaling(member, data):
                host = next((host for host in world.hosts if host.member == member), None)
                if host is not None:
                    world.carry_up(self, host, data)
            case SendByPeer(number, channel, data):
                if (peer := self._peers.get(number)) is not None:  # it may be closed with frames on their way to it
                    peer.send(channel, data)
            case CheckServer():
                world.at(world.now + 0.1, world.introduce_again, self)
            case CreateHandshake():
                self._compute(self._create_handshake, effect)
            case ReadWelcome():
                self._compute(self._read_welcome, effect)
            case CreateOffer(number):
                self._create_offer(number)
            case AcceptAnswer(number, sdp):
                self._peers[number].accept_answer(sdp)
            case AddCandidate(number, candidate):
                self._peers[number].add_candidate(candidate)
            case ClosePeer(number):
                self._peers.pop(number).close()
            case _:
                self._take(effect)

    def _take(self, effect: Effect) -> None:
        world = self.world
        match effect:
            case SessionBegan():
                assert self.connection.session is not None
                self.session_id = self.connection.session.wire.session
                self.was_lied_to = False
            case PathLost():
                world.disturb(self)  # messages may take another way now, and overtake each other
            case StateChanged(state):
                world.judge_state(self, state)
            case ReceiptArrived():
                world.ledger.receipt(self.session_id, effect)
            case _:
                pass

    def _compute(self, work: Callable[[Any], None], effect: Effect) -> None:
        """Cryptography takes no time, or a while, as WebCrypto does."""
        if self.world.rng.random() < 0.7:
            work(effect)
        else:
            self.world.at(self.world.now + self.world.rng.random() * 0.02, self.hear, self._computed, work, effect)

    def _computed(self, work: Callable[[Any], None], effect: Effect) -> None:
        work(effect)
        self.drain()

    def _create_handshake(self, request: CreateHandshake) -> None:
        rng = self.world.rng
        introduction = Introduction(rng.randbytes(16), "Ada", "phone", request.replaces)
        handshake = PresenterHandshake(LINK_ID, PSK, rng.randbytes(32), introduction)
        self.connection.handshake_created(request, handshake, self.now)

    def _read_welcome(self, request: ReadWelcome) -> None:
        self.connection.welcome_read(request, request.handshake.read_welcome(request.data), self.now)

    def _create_offer(self, number: int) -> None:
        world, rng, connection = self.world, self.world.rng, self.connection

        def report(happened: Callable[..., None], *arguments: Any) -> None:
            """Later, unless the peer is closed by then."""
            if self._peers.get(number) is peer:
                happened(number, *arguments, self.now)
                self.drain()

        peer = world.peers.new(
            opened=lambda channel, is_relayed: self.hear(report, self._channel_opened, channel, is_relayed),
            received=lambda channel, data: self.hear(self._receive_peer, data, number, channel),
            failed=lambda: self.hear(report, connection.peer_failed),
        )
        self._peers[number] = peer
        after = world.now + rng.choice([0.001, 0.05, 0.3])
        if world.something_fails(0.03):
            world.at(after, self.hear, report, connection.peer_failed)
            return
        world.at(after, self.hear, report, connection.offer_created, peer.offer())
        world.offer_is_made(after)
        for candidate in [*map(peer.candidate, range(CANDIDATES)), None]:
            after += rng.random() * 0.1
            world.at(after, self.hear, report, connection.candidate_found, candidate)

    def _channel_opened(self, number: int, channel: Channel, is_relayed: bool, now: float) -> None:
        self.world.disturb(self)
        self.connection.channel_opened(number, channel, is_relayed, now)

    def _receive_peer(self, data: bytes, number: int, channel: Channel) -> None:
        self.connection.receive_peer(data, number, channel, self.now)
        self.drain()


class HostileParticipant(Machine):
    """It holds a link and keeps to nothing: it says whatever it likes, whenever, by every path it has."""

    def __init__(self, world: World, link: str) -> None:
        super().__init__(world)
        self.dice = random.Random(world.rng.random())
        self.link = link
        self.host: Host | None = None
        self.session: PresenterSession | None = None
        self.speech = HostileSpeech(self.dice)
        self._introduction = Introduction(b"")
        self._handshake: PresenterHandshake | None = None
        self._process = 0
        self._said: list[bytes] = []

    def act(self) -> None:
        dice = self.dice
        self.host = next((host for host in self.world.hosts if host.up), None)
        if self.host is not None:
            if self.session is None or self._process != self.host.process or dice.random() < 0.02:
                self._knock(self.host)
            else:
                for _ in range(dice.choice((1, 1, 3, 20, 100))):
                    if self.session is not None:  # else its numbers are used up
                        for frame in self._frames(self.session):
                            self._say(self.host, frame)
        self.world.act_again(self, dice.choice((0.005, 0.05, 0.3, 1.0)))

    def _knock(self, host: Host) -> None:
        self._introduction = Introduction(self.dice.randbytes(16), "Eve", "web")
        self._handshake = PresenterHandshake(self.link, PSK, self.dice.randbytes(32), self._introduction)
        self._process = host.process
        self.world.carry_up(self, host, self._handshake.hello)

    def _frames(self, session: PresenterSession) -> list[bytes]:
        dice, sealer = self.dice, session.wire._sealer
        what = dice.random()
        if what < 0.1 and self._said:
            return [dice.choice(self._said)]
        if what < 0.15:
            return [dice.choice((b"\x03", b"\x04", b"\x01", b"")) + dice.randbytes(dice.choice((0, 4, 60)))]
        if what < 0.2:
            sealer._counter = min(sealer._counter + dice.choice((1, 1000, 1 << 20, 1 << 30)), LAST_COUNTER)
        inside = self.speech.parts() if dice.random() < 0.05 else [self.speech.plaintext()]
        if sealer._counter + len(inside) > LAST_COUNTER:
            self.session = None
            return []
        return [sealer.seal(plaintext) for plaintext in inside]

    def _say(self, host: Host, data: bytes) -> None:
        self._said = [*self._said[-9:], data]
        if self.session is not None and self.dice.random() < 0.5:
            moment = self.world.now + self.dice.random() * 0.05
            id_ = self.session.wire.session
            self.world.at(moment, host.hear, host.receive_direct, data, id_, "direct/666", self._process)
        else:
            self.world.carry_up(self, host, data)

    def receive_signaling(self, data: bytes, member: str) -> None:
        if data[0] != WELCOME or self._handshake is None or self.host is None:
            return
        welcomed = self._handshake.receive_welcome(data, self.now, self.now)
        if welcomed is None:
            return
        self.session, self._handshake = welcomed[0], None
        id_ = self.session.wire.session
        self.world.hostile_sessions[id_] = self
        known = self.host.sessions.get(id_)
        if known is not None and self.dice.random() < 0.7:
            known.path_up("direct/666", PathKind.DIRECT, self.host.now)
        if self.dice.random() < 0.9:
            record = IntroductionRecord(self._introduction.encode())
            self.world.carry_up(self, self.host, self.session.wire._sealer.seal(encode([record])))

    def handle_timer(self) -> None:
        pass


Participant = Presenter | HostileParticipant


class World:
    """All machines, the network between them, and one queue of what happens next."""

    INTENTS = (*(Intent(verb) for verb in Verb if verb is not Verb.GOTO), *[Intent(Verb.NEXT)] * 12)

    def __init__(
        self,
        seed: int,
        reproduce: str = "",
        presenters: int | None = None,
        between_taps: float = 0.5,
        hostile: int = 0,
        misfortunes: bool = True,
    ) -> None:
        """`reproduce` is the command that a broken promise is reported with. `hostile`: how many keep to nothing.
        Without `misfortunes` the network is good and the deck quick, and no machine dies or sleeps."""
        self.rng = random.Random(seed)
        self.now = 0.0
        self.events = 0
        self.taps = 0
        self.ledger = Ledger(reproduce or f"seed {seed}")
        self._queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._tie = itertools.count()
        self._pause = between_taps
        self._is_calm = False
        self._is_fair = not misfortunes
        self.hostile_sessions: dict[int, HostileParticipant] = {}
        self.floods = 0
        """How often a participant was sent away."""
        self.processes: dict[int, tuple[Host, int]] = {}
        """By session: the process of the host that it is with."""
        self.server = 0
        """Which life of the server this is."""
        self._server_up = True
        self._order = itertools.count(1)
        self._sent = 0
        """When what arrives now was sent, in the order of all that was sent and lost."""
        self._last_arrival: dict[tuple[Participant, int], float] = {}
        self.peers = PeerNetwork(
            *(self.rng, lambda: self.now, self.at, self._weather, self.disturb, self.ledger.broken, self._is_fair)
        )
        rng = self.rng
        slow = rng.choice([0.0, 0.0, 0.01, 0.08, 0.4] if misfortunes else [0.0, 0.001])
        self.hosts = [Host(self, "main", slow), Host(self, "backup", rng.choice([0.0, slow]))]
        self.presenters = [Presenter(self, number) for number in range(presenters or rng.choice([1, 1, 2, 4]))]
        self.hostile = [HostileParticipant(self, rng.choice(list(LINKS))) for _ in range(hostile)]
        participants: list[Participant] = [*self.presenters, *self.hostile]
        self._signaling = {participant: (self._path(), self._path()) for participant in participants}
        self._bad_weather = {
            self._change_weather: 5.0,
            self.peers.lose_one: 10.0,
            self.peers.rebind: 15.0,
            self._offers_cross: 8.0,
            self._black_out: 40.0,
            self._server_lies: 20.0,
            self._server_dies: 60.0,
            self._host_dies: 60.0,
            self._a_machine_sleeps: 60.0,
        }
        if not misfortunes:
            self._bad_weather = {}
        for misfortune, every in self._bad_weather.items():
            self.at(rng.expovariate(1 / every), self._happen, misfortune, every)
        for presenter in self.presenters:
            self.at(rng.random(), self._introduce, presenter)
            self.at(2.0 + rng.random(), self._tap, presenter)
        for participant in self.hostile:
            self.at(rng.random(), participant.act)

    # Time

    def at(self, moment: float, call: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._queue, (moment, next(self._tie), call, arguments))

    def soon(self, call: Callable[..., None], *arguments: Any) -> None:
        self.at(self.now, call, *arguments)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        queue = self._queue
        while queue and queue[0][0] <= end:
            self.now, _, call, arguments = heapq.heappop(queue)
            self.events += 1
            call(*arguments)
        self.now = end

    def finish(self) -> None:
        """No more taps, no more misfortunes; then nothing may be owed to anybody, and every presenter comes back."""
        self._is_calm = True
        self.run(max(0.0, *(machine.asleep_until - self.now for machine in (*self.presenters, *self.hosts))))
        self.run(LONGEST_TIME_TO_LIVE + presenter_side.UNKNOWN_AFTER + 3)
        for presenter in self.presenters:
            if presenter.connection.session is not None:
                self.ledger.nothing_is_outstanding(presenter.connection.session)
        self._clear_up()
        self.run(QUIET)
        for presenter in self.presenters:
            self._judge_presenter(presenter)
        last = [(presenter, self._last_tap(presenter)) for presenter in self.presenters]
        self.run(LONGEST_TIME_TO_LIVE + presenter_side.UNKNOWN_AFTER + 1)
        for presenter, sequence in last:
            self.ledger.landed(presenter.session_id, sequence)
        self.ledger.close()

    def _clear_up(self) -> None:
        """The server and the hosts are there, and the network is good."""
        self._is_fair = True
        self._light_again()
        for host in self.hosts:
            self._host_returns(host)
        self._server_returns()

    def _judge_presenter(self, presenter: Presenter) -> None:
        connection = presenter.connection
        session = connection.session
        who = f"presenter {presenter.number}, {QUIET:.0f} s after everything was well again,"
        if session is None or session.wire.paths.best(presenter.now) is None:
            self.ledger.broken(f"{who} has no session that answers")
        if connection.is_shaking_hands:
            self.ledger.broken(f"{who} still doubts a session that answers")
        host, process = self.processes[presenter.session_id]
        if process != host.process or (host.is_idle and connection.held_version != host.version):
            self.ledger.broken(f"{who} does not show the state of {host.name}: {connection.held_version}")

    def _last_tap(self, presenter: Presenter) -> int:
        self.taps += 1
        return presenter.tap(Intent(Verb.NEXT), LONGEST_TIME_TO_LIVE) or 0

    # What people do

    def _tap(self, presenter: Presenter) -> None:
        if self._is_calm:
            return
        rng = self.rng
        for _ in range(rng.choice([1, 1, 1, 1, 2, 3, 10])):
            intent = rng.choice(self.INTENTS) if rng.random() > 0.1 else Intent(Verb.GOTO, rng.randint(1, 1100))
            time_to_live = rng.choice([presenter_side.TIME_TO_LIVE] * 4 + [0.3, LONGEST_TIME_TO_LIVE])
            self.taps += presenter.tap(intent, time_to_live) is not None
        self.at(self.now + rng.expovariate(1 / self._pause), self._tap, presenter)

    # Those who keep to nothing

    def act_again(self, participant: HostileParticipant, seconds: float) -> None:
        if not self._is_calm:
            self.at(self.now + seconds, participant.act)

    def sent_away(self, session: int) -> None:
        participant = self.hostile_sessions.get(session)
        if participant is None:
            self.ledger.broken(f"a speaker was sent away, whose session was {session:08x}")
        participant.session = None
        self.floods += 1

    # The server

    def carry_up(self, presenter: Participant, host: Host, data: bytes) -> None:
        if self._server_up and host.up:
            arguments = (host, host.receive_signaling, data, presenter, host.process)
            self._carry(presenter, 0, len(data), arguments)
        else:
            self.disturb(presenter)

    def carry_down(self, host: Host, presenter: Participant, data: bytes) -> None:
        is_member = presenter.server == self.server if isinstance(presenter, Presenter) else presenter.host is host
        if self._server_up and is_member:
            self._carry(presenter, 1, len(data), (presenter, presenter.receive_signaling, data, host.member))
        else:
            self.disturb(presenter)

    def _carry(self, presenter: Participant, direction: int, size: int, arguments: tuple[Any, ...]) -> None:
        moments, sent = self._signaling[presenter][direction].arrivals(size, self.now), next(self._order)
        before = self._last_arrival.get((presenter, direction), 0.0)
        if not moments or min(moments) < before:  # lost, or overtaken by what follows
            self.disturb(presenter)
        self._last_arrival[presenter, direction] = max(before, *moments, 0.0)
        for moment in moments:
            self.at(moment, self._carried, self.server, sent, presenter, *arguments)

    def _carried(
        self,
        server: int,
        sent: int,
        presenter: Participant,
        to: Machine,
        receive: Callable[..., None],
        *arguments: Any,
    ) -> None:
        if server == self.server and self._server_up:
            self._sent = sent
            to.hear(receive, *arguments)
        else:
            self.disturb(presenter)

    def _introduce(self, presenter: Presenter) -> None:
        hosts = tuple(HostEntry(host.member) for host in self.hosts if host.up) if self._server_up else None
        presenter.hear(presenter.introduce, hosts, self.server)

    def introduce_again(self, presenter: Presenter) -> None:
        """It looks at its socket, and finds out that it is dead if it is."""
        if presenter.server != self.server or not self._server_up:
            self._introduce(presenter)

    def _introduce_all(self) -> None:
        for presenter in self.presenters:
            self.at(self.now + self.rng.random() * 2, self._introduce, presenter)

    def _server_dies(self) -> None:
        if not self._server_up or self._is_calm:
            return
        self._server_up = False
        self.server += 1
        self.disturb()
        for host in self.hosts:
            host.lose_server()
        self._introduce_all()
        self.at(self.now + self.rng.expovariate(1 / 6), self._server_returns)

    def _server_lies(self) -> None:
        """It tells a presenter that its host does not know it."""
        presenter = self.rng.choice(self.presenters)
        connection = presenter.connection
        if connection.session is not None and connection.target is not None:
            presenter.was_lied_to = True
            hint = no_session(connection.session.wire.session)
            presenter.hear(presenter.receive_signaling, hint, connection.target)

    def _server_returns(self) -> None:
        self._server_up = True
        self._introduce_all()

    # Peer connections

    def something_fails(self, share: float) -> bool:
        return not self._is_fair and not self._is_calm and self.rng.random() < share

    def offer_is_made(self, moment: float) -> None:
        """The server may die at that moment, with the offer or its candidates."""
        if self.something_fails(0.1):
            self.at(moment + self.rng.random() * 0.2, self._server_dies)

    def _offers_cross(self) -> None:
        """A host asks for a new connection, whatever is under way."""
        host = self.rng.choice(self.hosts)
        ids = [
            id_ for id_, session in host.sessions.items() if session.established and id_ not in self.hostile_sessions
        ]
        if ids and self.now >= host.asleep_until:
            id_ = self.rng.choice(sorted(ids))
            host.sessions[id_].send_message(Reoffer(), host.now)
            host.drain(id_)

    def expect_candidate(self, host: Host, id_: int, number: int) -> None:
        """An offer arrived. Where nothing is lost, a candidate follows, also when the offer was said again."""
        if id_ not in self.hostile_sessions:
            self.at(self.now + CANDIDATE_WITHIN, self._judge_offer, host, id_, number, self._sent)

    def _judge_offer(self, host: Host, id_: int, number: int, sent: int) -> None:
        presenter = next((presenter for presenter in self.presenters if presenter.session_id == id_), None)
        peer = host.peers.get((id_, number))
        if presenter is None or peer is None or presenter.disturbed > sent:
            return
        if not peer.candidates:
            self.ledger.broken(f"offer {number} of session {id_:08x} came without its candidates")

    def disturb(self, presenter: Participant | None = None) -> None:
        for disturbed in self.presenters if presenter is None else [presenter]:
            if isinstance(disturbed, Presenter):
                disturbed.disturbed = next(self._order)

    def judge_state(self, presenter: Presenter, state: State) -> None:
        held = presenter.connection.held_version
        host, process = self.processes[presenter.session_id]
        if host.slides.get((process, held)) != state.deck.slide:
            self.ledger.broken(f"version {held} of {host.name}'s state was shown with slide {state.deck.slide}")

    # Weather

    def _path(self) -> SimulatedPath:
        return SimulatedPath(self._weather(), self.rng)

    def _weather(self) -> NetworkConditions:
        rng = self.rng
        if self._is_fair:
            return NetworkConditions(delay=rng.choice([0.001, 0.02, 0.05]), jitter=rng.choice([0, 0.01]))
        return NetworkConditions(
            delay=rng.choice([0.001, 0.02, 0.05, 0.2, 0.8]),
            jitter=rng.choice([0, 0.01, 0.1, 0.5]),
            loss=rng.choice([0, 0, 0.02, 0.05, 0.2, 0.6]),
            burst=rng.choice([1, 4, 12]),
            duplicate=rng.choice([0, 0, 0.02, 0.3]),
            reorder=rng.choice([0, 0, 0.1]),
        )

    def _every_path(self) -> list[SimulatedPath]:
        return [path for pair in self._signaling.values() for path in pair] + self.peers.every_path()

    def _change_weather(self) -> None:
        paths = [path for pair in self._signaling.values() for path in pair] + self.peers.control_paths()
        self.rng.choice(paths).weather = self._weather()

    def _black_out(self) -> None:
        for path in self._every_path():
            path.weather = NetworkConditions(loss=1.0)
        self.at(self.now + self.rng.expovariate(1 / 2), self._light_again)

    def _light_again(self) -> None:
        streams = set(self.peers.every_path()) - set(self.peers.control_paths())
        for path in self._every_path():
            path.weather = NetworkConditions(delay=0.05) if path in streams else self._weather()

    # Death and sleep

    def _host_dies(self) -> None:
        host = self.rng.choice(self.hosts)
        if host.up:
            host.die()
            self._introduce_all()
            self.at(self.now + self.rng.expovariate(1 / 5), self._host_returns, host)

    def _host_returns(self, host: Host) -> None:
        if not host.up:
            host.start()
            self._introduce_all()

    def _a_machine_sleeps(self) -> None:
        machine: Machine = self.rng.choice([*self.presenters, *self.hosts])
        self.disturb()
        machine.asleep_until = max(machine.asleep_until, self.now + self.rng.choice([0.5, 3, 20, 90]))

    def _happen(self, misfortune: Callable[[], None], every: float) -> None:
        if not self._is_calm:
            misfortune()
            self.at(self.now + self.rng.expovariate(1 / every), self._happen, misfortune, every)
