"""Both ends of a control session, real, with only the network between them simulated.

    pair = Pair(seed=1, weather={"direct": Weather(delay=0.025, loss=0.05)})
    pair.tap(Intent(Verb.NEXT)); pair.run(3.0)
    pair.deck.slide, pair.receipts

Time is simulated: a minute costs milliseconds. The seed decides everything; print it when an assertion fails.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

from slidewire.control import host_session as host
from slidewire.control import presenter_session as presenter
from slidewire.control.handshake import Admission, HandshakeResponder, PresenterHandshake
from slidewire.control.host_session import HostSession
from slidewire.control.intents import Intent, Outcome, Point, Reason, Role, Status, Verb
from slidewire.control.introduction import Introduction
from slidewire.control.paths import PathKind
from slidewire.control.presenter_session import ReceiptArrived
from slidewire.control.sealed_session import Transmit
from slidewire.testing.network import CALM, NetworkConditions, SimulatedPath

LINK_ID, PSK = "abcdefgh23", bytes(range(32))


class FakeDeck:
    """A deck of `count` slides that remembers everything that was done to it."""

    def __init__(self, count: int = 1000) -> None:
        self.count = count
        self.slide = 1
        self.performed: list[tuple[int, Intent, float]] = []
        """Sequence, intent and time of every performance."""
        self.pointed: list[Point] = []

    def perform(self, sequence: int, intent: Intent, now: float) -> Outcome:
        self.performed.append((sequence, intent, now))
        before = self.slide
        match intent.verb:
            case Verb.NEXT:
                self.slide = min(self.count, before + 1)
            case Verb.PREVIOUS:
                self.slide = max(1, before - 1)
            case Verb.FIRST:
                self.slide = 1
            case Verb.LAST:
                self.slide = self.count
            case Verb.GOTO:
                if intent.argument > self.count:
                    return Outcome(Status.REFUSED, before, before, Reason.RANGE)
                self.slide = intent.argument
            case _:
                pass
        return Outcome(Status.PERFORMED, before, self.slide)


def refuse(session: HostSession, sequence: int, reason: Reason, now: float) -> Outcome | None:
    """How an intent whose turn at the deck has come is answered without it; `reason`: why it is not permitted, or NONE.
    None: the deck performs it."""
    if not session.is_due(sequence, now):
        return Outcome(Status.EXPIRED, reason=Reason.LATE)
    if session.is_withdrawn:
        return Outcome(Status.REFUSED, reason=Reason.REVOKED)
    return Outcome(Status.REFUSED, reason=reason) if reason is not Reason.NONE else None


def permit_by_role(role: Role) -> Reason:
    return Reason.NONE if role.may_click else Reason.ROLE


class Pair:
    """A presenter session and a host session after a real handshake, and the paths between them."""

    def __init__(
        self,
        seed: int,
        weather: Mapping[str, NetworkConditions] | None = None,
        role: Role = Role.CLICK,
        performing: float = 0.0,
        welcome_kept: float = 0.0,
    ) -> None:
        """`welcome_kept`: seconds between the host's welcome and its arrival."""
        self.seed = seed
        self.rng = random.Random(seed)
        self.now = 1000.0
        self.performing = performing
        """Seconds the deck is busy with one intent, and takes no other."""
        self.deck = FakeDeck()
        self.permit: Callable[[Intent], Reason] = lambda intent: permit_by_role(role)
        """Whether this presenter may, asked right before an intent is performed: NONE, or why not."""
        self.receipts: list[ReceiptArrived] = []
        self.submitted: dict[int, float] = {}
        self.effects: list[presenter.Effect | host.Effect] = []
        """Everything else that came out of either session."""
        self.datagrams = 0
        self.bytes = 0
        self._queue: list[tuple[float, int, Intent]] = []
        self._deck_free = self.now
        self.introduction = Introduction(self.rng.randbytes(16), "Ada", "terminal")
        handshake = PresenterHandshake(LINK_ID, PSK, self.rng.randbytes(32), self.introduction)
        admitted = HandshakeResponder(lambda _: Admission(PSK, role), self.rng.randbytes).receive_hello(
            handshake.hello, self.now
        )
        assert admitted is not None and admitted.session is not None
        welcome = handshake.read_welcome(admitted.welcome)
        assert welcome is not None
        self.presenter_keys = welcome.keys
        asked = self.now
        self.now += welcome_kept
        self.presenter = handshake.session(welcome, self.now, asked)
        self.step = 0.0
        """If not zero, everything happens at multiples of this many seconds."""
        self.host: HostSession = admitted.session
        self._up: dict[str, SimulatedPath] = {}
        self._down: dict[str, SimulatedPath] = {}
        for name, kind in ({"direct": CALM} if weather is None else weather).items():
            self.path_up(name, kind)

    def path_up(self, name: str, weather: NetworkConditions) -> None:
        """Bring up a path named for its kind: direct, relayed, signaling or bulk."""
        self._up[name], self._down[name] = SimulatedPath(weather, self.rng), SimulatedPath(weather, self.rng)
        self.host.path_up(name, PathKind(name), self.now)
        self.presenter.path_up(name, PathKind(name), self.now)
        self._drain()

    def path_down(self, name: str) -> None:
        del self._up[name], self._down[name]
        self.host.path_down(name)
        self.presenter.path_down(name)

    def set_conditions(self, name: str, weather: NetworkConditions) -> None:
        self._up[name].weather = self._down[name].weather = weather

    def tap(self, intent: Intent, time_to_live: float = presenter.TIME_TO_LIVE) -> int:
        sequence = self.presenter.submit(intent, self.now, time_to_live)
        self.submitted[sequence] = self.now
        self._drain()
        return sequence

    def run(self, seconds: float) -> None:
        """Let that much time pass."""
        self._drain()
        end = self.now + seconds
        while (moment := self._next_moment()) is not None and moment <= end:
            if self.step:
                # Not before the moment itself, by however little: a timer that is not quite due would never fire.
                moment = max(moment, math.ceil(moment / self.step - 1e-6) * self.step)
            self.now = max(self.now, moment)
            self._step()
        self.now = end

    def _next_moment(self) -> float | None:
        moments = [path.next_arrival() for path in (*self._up.values(), *self._down.values())]
        moments += [self.presenter.get_timer(), self.host.get_timer(), min(self._queue, default=(None,))[0]]
        return min((moment for moment in moments if moment is not None), default=None)

    def _step(self) -> None:
        for name in list(self._up):
            while (data := self._up[name].deliver(self.now)) is not None:
                self.host.receive_frame(data, name, self.now)
            while (data := self._down[name].deliver(self.now)) is not None:
                self.presenter.receive_frame(data, name, self.now)
        self.presenter.handle_timer(self.now)
        self.host.handle_timer(self.now)
        while self._queue and self._queue[0][0] <= self.now:
            _, sequence, intent = self._queue.pop(0)
            self.host.settle(sequence, self._perform(sequence, intent), self.now)
        self._drain()

    def _perform(self, sequence: int, intent: Intent) -> Outcome:
        refused = refuse(self.host, sequence, self.permit(intent), self.now)
        return self.deck.perform(sequence, intent, self.now) if refused is None else refused

    def _drain(self) -> None:
        progress = True
        while progress:
            progress = False
            while (up := self.presenter.next_effect()) is not None:
                progress = True
                self._presenter_effect(up)
            while (down := self.host.next_effect()) is not None:
                progress = True
                self._host_effect(down)

    def _presenter_effect(self, effect: presenter.Effect) -> None:
        match effect:
            case Transmit(path, data):
                self.datagrams, self.bytes = self.datagrams + 1, self.bytes + len(data)
                self._up[path].send(data, self.now)
            case ReceiptArrived():
                self.receipts.append(effect)
            case _:
                self.effects.append(effect)

    def _host_effect(self, effect: host.Effect) -> None:
        match effect:
            case Transmit(path, data):
                self.datagrams, self.bytes = self.datagrams + 1, self.bytes + len(data)
                self._down[path].send(data, self.now)
            case host.Perform(sequence, intent):
                turn = max(self.now, self._deck_free)
                self._deck_free = turn + self.performing
                self._queue.append((turn, sequence, intent))
            case host.Pointed(sequence, points, path):
                may_point = self.host.role.may_point
                if may_point:
                    self.deck.pointed.extend(points)
                self.host.settle_laser(sequence, Reason.NONE if may_point else Reason.ROLE, path)
            case _:
                self.effects.append(effect)
