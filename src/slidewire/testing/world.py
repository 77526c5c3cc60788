"""A show in simulated time: presenters, a host and its backup, a server, and everything that goes wrong with them.

    world = World(seed=7)
    world.run(600)
    world.finish()

Sessions, handshakes and sealing are the real ones; the presenters' and the host's manners around them are those of
`presenter/connection.py` and `host/host.py` in a few lines each. Hosts die and come back as new processes, the server
dies with what it carried, paths come, go and change their address, machines sleep, no two clocks agree. There may be
participants that keep to nothing: they hold links of every role, and say what `slidewire.testing.hostile` makes up.

The `Ledger` is told what everybody asked, what decks did and which receipts came, and raises `Broken` at the first
thing that was promised and is not so. The seed decides everything.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slidewire.control import host_session as host_side
from slidewire.control import presenter_session as presenter_side
from slidewire.control.handshake import Admission, Admitted, HandshakeResponder, PresenterHandshake, session_name
from slidewire.control.host_session import HostSession
from slidewire.control.intents import Intent, Reason, Role, Verb
from slidewire.control.introduction import Introduction
from slidewire.control.messages import Error
from slidewire.control.paths import PathKind
from slidewire.control.presenter_session import PresenterSession, ReceiptArrived
from slidewire.control.quotas import LOOKING_ON, QUOTAS, LinkPool, Request, SessionQuotas
from slidewire.control.records import IntroductionRecord, encode
from slidewire.control.seal import HELLO, LAST_COUNTER, NO_SESSION, SEALED, WELCOME, no_session, peek_session
from slidewire.control.sealed_session import MessageArrived, Transmit
from slidewire.host.show.fair_queue import FairQueue
from slidewire.testing.hostile import HostileSpeech
from slidewire.testing.ledger import Ledger
from slidewire.testing.network import NetworkConditions, SimulatedPath
from slidewire.testing.pair import LINK_ID, PSK, FakeDeck, permit_by_role, refuse

SIGNALING = "signaling"
SILENT_AFTER = 3.0
HELLO_EVERY = 1.0
FORGET_AFTER = 60.0
LONGEST_TIME_TO_LIVE = 5.0
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
        """Something arrived; whoever sleeps reads it when it wakes."""
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
        self._pools: dict[str, LinkPool] = {}
        self._queue: FairQueue[tuple[HostSession, int, Intent]] = FairQueue()
        self._is_busy = False
        self.start()

    def start(self) -> None:
        self.process += 1
        self.up = True
        self.door = HandshakeResponder(
            lambda link: Admission(PSK, LINKS[link]) if link in LINKS else None, self.world.rng.randbytes
        )

    def die(self) -> None:
        self.up = self._is_busy = False
        self.process += 1
        self._queue = FairQueue()
        for known in (self.sessions, self.reached, self.heard, self.links, self._pools):
            known.clear()

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
        session = self.sessions[id_]
        while (effect := session.next_effect()) is not None:
            match effect:
                case Transmit(path, data) if path != SIGNALING:
                    self.world.send_direct(path, data, up=False)
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
                case MessageArrived(message):
                    if session.permits(Request.ERROR, self.now):
                        session.send_message(Error("type_unknown", type(message).__name__), self.now)
                case host_side.Flooding() | host_side.IntroductionInvalid():
                    self.world.sent_away(id_)
                    session.withdraw()
                    self._forget(id_)
                    return
                case _:
                    pass
        if id_ in self.sessions:
            self.wake_at(session.get_timer())

    def _forget_replaced(self, name: str) -> None:
        for id_, session in list(self.sessions.items()):
            if session_name(session.wire) == name:
                session.withdraw()
                self._forget(id_)

    def _forget(self, id_: int) -> None:
        if id_ in self.links:
            self._queue.forget(self.links[id_], id_)
        for known in (self.sessions, self.reached, self.heard, self.links):
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
        self._perform_next()

    def drain_if_known(self, id_: int) -> None:
        if id_ in self.sessions:
            self.drain(id_)


class Presenter(Machine):
    """A speaker's page: it knocks, taps, and knocks again when nobody knows it or nobody answers."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world)
        self.number = number
        self.host: Host | None = None
        """Whom the server says it is talking to."""
        self.session: PresenterSession | None = None
        self._handshake: PresenterHandshake | None = None
        self._asked = self._next_hello = 0.0
        self._silent_since: float | None = None

    def host_is(self, host: Host | None) -> None:
        self.host = host
        if self.session is not None:
            if host is None:
                self.session.path_down(SIGNALING)
            else:
                self.session.path_up(SIGNALING, PathKind.SIGNALING, self.now)
            self.drain()
        elif host is not None:
            self._knock()

    def tap(self, intent: Intent, time_to_live: float) -> bool:
        if self.session is None or self.world.now < self.asleep_until:
            return False
        sequence = self.session.submit(intent, self.now, time_to_live)
        self.world.ledger.asked(self.number, self.session.wire.session, sequence, intent, self.world.now, time_to_live)
        self.drain()
        return True

    def _knock(self) -> None:
        if self._handshake is None:
            replaces = session_name(self.session.wire) if self.session is not None else ""
            introduction = Introduction(self.world.rng.randbytes(16), "Ada", "phone", replaces)
            self._handshake = PresenterHandshake(LINK_ID, PSK, self.world.rng.randbytes(32), introduction)
            self._asked = self.now
            self._send_hello()

    def _send_hello(self) -> None:
        assert self._handshake is not None
        self._next_hello = self.now + HELLO_EVERY
        if self.host is not None:
            self.world.carry_up(self, self.host, self._handshake.hello)
        self.wake_at(self._next_hello)

    def receive_signaling(self, data: bytes) -> None:
        if data[0] == WELCOME and self._handshake is not None:
            welcomed = self._handshake.receive_welcome(data, self.now, self._asked)
            if welcomed is not None:
                self._handshake = None
                if self.session is not None:
                    self.session.abandon(self.now)
                    self.drain()
                    self.world.direct_down(self)
                self.session, self._silent_since = welcomed[0], None
                if self.host is not None:
                    self.session.path_up(SIGNALING, PathKind.SIGNALING, self.now)
                self.drain()
        elif data[0] == NO_SESSION:
            if self.session is not None and peek_session(data) == self.session.wire.session:
                self._knock()
        elif data[0] == SEALED:
            self.receive(data, SIGNALING)

    def receive(self, data: bytes, path: str) -> None:
        if self.session is not None:
            self.session.receive_frame(data, path, self.now)
            self.drain()

    def drain(self) -> None:
        session = self.session
        assert session is not None
        while (effect := session.next_effect()) is not None:
            match effect:
                case Transmit(path, data) if path != SIGNALING:
                    self.world.send_direct(path, data, up=True)
                case Transmit(_, data):
                    if self.host is not None:
                        self.world.carry_up(self, self.host, data)
                case ReceiptArrived():
                    self.world.ledger.receipt(session.wire.session, effect)
                case _:
                    pass
        if session.wire.paths.best(self.now) is not None:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = self.now
        self.wake_at(session.get_timer())
        if self._silent_since is not None and self.host is not None:
            self.wake_at(self._silent_since + SILENT_AFTER)

    def handle_timer(self) -> None:
        now = self.now
        if self._handshake is not None and now >= self._next_hello:
            self._send_hello()
        if self.session is None:
            return
        self.session.handle_timer(now)
        if self._silent_since is not None and now - self._silent_since >= SILENT_AFTER and self.host is not None:
            self._silent_since = now
            self._knock()
        if self._handshake is not None:
            self.wake_at(self._next_hello)
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

    def receive_signaling(self, data: bytes) -> None:
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


@dataclass(slots=True)
class _Direct:
    """A data channel between a session's two ends; `id` and `process` say whose it is at the host."""

    up: SimulatedPath
    down: SimulatedPath
    presenter: Presenter
    host: Host
    id: int
    process: int


class World:
    """Everybody, the network between them, and one queue of what happens next."""

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
        Without `misfortunes` the network is good and the deck quick, and nobody dies or sleeps."""
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
        """How often somebody was sent away."""
        self._server = 0
        self._server_up = True
        self._direct: dict[str, _Direct] = {}
        self._generation = itertools.count(1)
        rng = self.rng
        slow = rng.choice([0.0, 0.0, 0.01, 0.08, 0.4] if misfortunes else [0.0, 0.001])
        self.hosts = [Host(self, "main", slow), Host(self, "backup", rng.choice([0.0, slow]))]
        self.presenters = [Presenter(self, number) for number in range(presenters or rng.choice([1, 1, 2, 4]))]
        self.hostile = [HostileParticipant(self, rng.choice(list(LINKS))) for _ in range(hostile)]
        everybody: list[Participant] = [*self.presenters, *self.hostile]
        self._signaling = {participant: (self._path(), self._path()) for participant in everybody}
        self._bad_weather = {
            self._change_weather: 5.0,
            self._direct_comes: 4.0,
            self._direct_goes: 15.0,
            self._rebind: 15.0,
            self._black_out: 40.0,
            self._server_lies: 20.0,
            self._server_dies: 60.0,
            self._host_dies: 60.0,
            self._somebody_sleeps: 60.0,
        }
        if not misfortunes:
            self._bad_weather = {self._direct_comes: 4.0}
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
        """No more taps, no more misfortunes; then nothing may be owed to anybody."""
        self._is_calm = True
        self.run(max(0.0, *(machine.asleep_until - self.now for machine in (*self.presenters, *self.hosts))))
        self.run(LONGEST_TIME_TO_LIVE + presenter_side.UNKNOWN_AFTER + 3)
        for presenter in self.presenters:
            if presenter.session is not None:
                self.ledger.nothing_is_outstanding(presenter.session)
        self.ledger.close()

    # What people do

    def _tap(self, presenter: Presenter) -> None:
        if self._is_calm:
            return
        rng = self.rng
        for _ in range(rng.choice([1, 1, 1, 1, 2, 3, 10])):
            intent = rng.choice(self.INTENTS) if rng.random() > 0.1 else Intent(Verb.GOTO, rng.randint(1, 1100))
            self.taps += presenter.tap(
                intent, rng.choice([presenter_side.TIME_TO_LIVE] * 4 + [0.3, LONGEST_TIME_TO_LIVE])
            )
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
            for moment in self._signaling[presenter][0].arrivals(len(data), self.now):
                self.at(
                    moment, self._carried, self._server, host, host.receive_signaling, data, presenter, host.process
                )

    def carry_down(self, host: Host, presenter: Participant, data: bytes) -> None:
        if self._server_up and presenter.host is host:
            for moment in self._signaling[presenter][1].arrivals(len(data), self.now):
                self.at(moment, self._carried, self._server, presenter, presenter.receive_signaling, data)

    def _carried(self, server: int, to: Machine, receive: Callable[..., None], *arguments: Any) -> None:
        if server == self._server and self._server_up:
            to.hear(receive, *arguments)

    def _introduce(self, presenter: Presenter) -> None:
        present = [host for host in self.hosts if host.up]
        host = present[0] if present and self._server_up else None
        if host is not presenter.host:
            presenter.hear(presenter.host_is, host)

    def _introduce_everybody(self) -> None:
        for presenter in self.presenters:
            self.at(self.now + self.rng.random() * 2, self._introduce, presenter)

    def _server_dies(self) -> None:
        self._server_up = False
        self._server += 1
        for host in self.hosts:
            host.lose_server()
        self._introduce_everybody()
        self.at(self.now + self.rng.expovariate(1 / 6), self._server_returns)

    def _server_lies(self) -> None:
        """It tells a presenter that its host does not know it."""
        presenter = self.rng.choice(self.presenters)
        if presenter.session is not None:
            presenter.hear(presenter.receive_signaling, no_session(presenter.session.wire.session))

    def _server_returns(self) -> None:
        self._server_up = True
        self._introduce_everybody()

    # Direct paths

    def send_direct(self, path: str, data: bytes, up: bool) -> None:
        channel = self._direct.get(path)
        if channel is None:
            return
        host, presenter = channel.host, channel.presenter
        for moment in (channel.up if up else channel.down).arrivals(len(data), self.now):
            if up:
                self.at(moment, host.hear, host.receive_direct, data, channel.id, path, channel.process)
            else:
                self.at(moment, presenter.hear, presenter.receive, data, path)

    def _direct_comes(self) -> None:
        presenter = self.rng.choice(self.presenters)
        session = presenter.session
        if session is None or self.now < presenter.asleep_until:
            return
        id_ = session.wire.session
        host = next((host for host in self.hosts if id_ in host.sessions), None)
        if host is None or self.now < host.asleep_until:
            return
        kind = self.rng.choice([PathKind.DIRECT, PathKind.DIRECT, PathKind.RELAYED])
        name = f"{kind.value}/{next(self._generation)}"
        self._direct[name] = _Direct(self._path(), self._path(), presenter, host, id_, host.process)
        host.sessions[id_].path_up(name, kind, host.now)
        host.drain(id_)
        session.path_up(name, kind, presenter.now)
        presenter.drain()

    def direct_down(self, presenter: Presenter) -> None:
        for name in [name for name, channel in self._direct.items() if channel.presenter is presenter]:
            self._take_down(name)

    def _direct_goes(self) -> None:
        if self._direct:
            self._take_down(self.rng.choice(list(self._direct)))

    def _take_down(self, name: str) -> None:
        channel = self._direct.pop(name)
        presenter, host, id_ = channel.presenter, channel.host, channel.id
        if presenter.session is not None and self.rng.random() < 0.8:
            presenter.session.path_down(name)  # the rest notices by silence
        if id_ in host.sessions and self.rng.random() < 0.8:
            host.sessions[id_].path_down(name)

    def _rebind(self) -> None:
        """Another address at one end: what is on its way arrives, what follows takes another way."""
        for channel in self._direct.values():
            channel.up = self._path()

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
        direct = [path for channel in self._direct.values() for path in (channel.up, channel.down)]
        return [path for pair in self._signaling.values() for path in pair] + direct

    def _change_weather(self) -> None:
        self.rng.choice(self._every_path()).weather = self._weather()

    def _black_out(self) -> None:
        for path in self._every_path():
            path.weather = NetworkConditions(loss=1.0)
        self.at(self.now + self.rng.expovariate(1 / 2), self._light_again)

    def _light_again(self) -> None:
        for path in self._every_path():
            path.weather = self._weather()

    # Death and sleep

    def _host_dies(self) -> None:
        host = self.rng.choice(self.hosts)
        if host.up:
            host.die()
            self._introduce_everybody()
            self.at(self.now + self.rng.expovariate(1 / 5), self._host_returns, host)

    def _host_returns(self, host: Host) -> None:
        host.start()
        self._introduce_everybody()

    def _somebody_sleeps(self) -> None:
        machine: Machine = self.rng.choice([*self.presenters, *self.hosts])
        machine.asleep_until = max(machine.asleep_until, self.now + self.rng.choice([0.5, 3, 20, 90]))

    def _happen(self, misfortune: Callable[[], None], every: float) -> None:
        if not self._is_calm:
            misfortune()
            self.at(self.now + self.rng.expovariate(1 / every), self._happen, misfortune, every)
