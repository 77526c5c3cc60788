"""The presenter's peer connections: how they are offered, repeated, replaced and given up. Time is simulated."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from slidewire.control.generations import (
    BACKOFF_LAST,
    UNANSWERED_PATIENCE,
    AcceptAnswer,
    AddCandidate,
    ClosePeer,
    CreateOffer,
    Generations,
    PeerEffect,
    Rules,
)
from slidewire.control.intents import Intent, Verb
from slidewire.control.messages import IceCandidate
from slidewire.control.paths import LIVE_FOR, Channel, PathKind
from slidewire.control.privacy import IceServer, Privacy
from slidewire.control.sealed_session import MessageArrived
from slidewire.testing.network import CALM
from slidewire.testing.pair import Pair
from tests.support.messages import as_json, from_host

CANDIDATE = IceCandidate("candidate:1 1 udp 1 198.51.100.7 50000 typ host")
INIT = {"candidate": CANDIDATE.candidate}


class Device:
    """Generations over the presenter's session of a pair, whose host answers PINGs and notes what it is told."""

    def __init__(self, rules: Callable[[], Rules] = Rules) -> None:
        self.pair = Pair(seed=5, weather={"signaling": CALM})
        self.pair.run(0.2)
        self.generations = Generations(rules, random=lambda: 1.0)
        self.generations.session = self.pair.presenter
        self.effects: list[PeerEffect] = []
        self.open: set[int] = set()

    @property
    def now(self) -> float:
        return self.pair.now

    def drain(self) -> list[PeerEffect]:
        """Effects since the last call, in order."""
        while (effect := self.generations.next_effect()) is not None:
            self.effects.append(effect)
        drained, self.effects = self.effects, []
        return drained

    def run(self, seconds: float) -> list[PeerEffect]:
        """Let time pass as a connection does; what was to be done meanwhile."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.pair.run(min(0.1, end - self.now))
            self.generations.handle_timer(self.now)
            while (effect := self.generations.next_effect()) is not None:
                self.effects.append(effect)
        return self.drain()

    def said(self) -> list[dict[str, Any]]:
        """What the host was told since the last call."""
        self.pair.run(0.05)
        told = [as_json(effect.message) for effect in self.pair.effects if isinstance(effect, MessageArrived)]
        self.pair.effects.clear()
        return told

    def offer(self) -> int:
        """Build a generation and make its offer."""
        self.generations.build(self.now)
        number = next(effect.generation for effect in self.drain() if isinstance(effect, CreateOffer))
        self.generations.offer_created(number, f"offer {number}", self.now)
        return number

    def answer(self, number: object, **more: object) -> list[PeerEffect]:
        message = from_host(type="answer", generation=number, sdp="answer", **more)
        self.generations.receive_message(message, self.now)
        return self.drain()

    def opened(self, number: int) -> list[PeerEffect]:
        """Both channels open, and carry."""
        for channel in (Channel.CONTROL, Channel.BULK):
            self.generations.channel_opened(number, channel, False, self.now)
        for name in (f"direct/{number}", f"bulk/{number}"):
            kind = PathKind(name.partition("/")[0])
            self.pair.host.path_up(name, kind, self.now)
            self.pair._up[name], self.pair._down[name] = self.path(), self.path()
        return self.drain()

    def path(self) -> Any:
        return type(self.pair._up["signaling"])(CALM, self.pair.rng)


def offer(number: int, **more: object) -> dict[str, Any]:
    return {"type": "offer", "generation": number, "sdp": f"offer {number}", **more}


def candidate(number: int | None, value: object = INIT) -> dict[str, Any]:
    return {"type": "candidate", "generation": number, "candidate": value}


def test_a_candidate_that_is_found_before_the_offer_is_made_follows_it() -> None:
    device = Device()
    device.generations.build(device.now)
    device.generations.candidate_found(1, CANDIDATE, device.now)
    assert device.said() == []
    device.generations.offer_created(1, "offer 1", device.now)
    device.generations.candidate_found(1, None, device.now)
    assert device.said() == [offer(1), candidate(1), candidate(1, None)]


def test_an_offer_without_an_answer_is_repeated_with_its_candidates_less_and_less_often() -> None:
    device = Device()
    number = device.offer()
    device.generations.candidate_found(number, CANDIDATE, device.now)
    told = device.said()
    moments, start = [], device.now
    while device.now < start + 8:
        device.run(0.1)
        if again := device.said():
            assert again == told == [offer(1), candidate(1)]
            moments.append(round(device.now - start))
    assert moments == [1, 3, 7]
    assert device.answer(number) == [AcceptAnswer(1, "answer", False)]
    device.run(10)
    assert offer(1) not in device.said()


def test_an_answer_is_for_the_generation_it_names() -> None:
    device = Device()
    first, second = device.offer(), device.offer()
    assert device.answer(first) == [AcceptAnswer(first, "answer", False)]
    assert device.answer(first) == [], "a second answer"
    for number in (0, 3, None, "2", [2]):
        assert device.answer(number) == []
    assert device.answer(second) == [AcceptAnswer(second, "answer", False)]


def test_a_candidate_is_for_the_generation_it_names() -> None:
    device = Device()
    first, second = device.offer(), device.offer()
    for number in (second, first, 3, None):
        device.generations.receive_message(from_host(**candidate(number)), device.now)
    device.generations.receive_message(from_host(**candidate(first, None)), device.now)
    device.generations.receive_message(from_host(**candidate(first, "text")), device.now)
    wanted = [AddCandidate(second, CANDIDATE), AddCandidate(first, CANDIDATE), AddCandidate(first, None)]
    assert device.drain() == wanted


def test_what_is_said_of_a_generation_that_is_closed_changes_nothing() -> None:
    device = Device()
    number = device.offer()
    device.said()
    device.generations.peer_failed(number, device.now)
    device.drain()
    device.generations.candidate_found(number, CANDIDATE, device.now)
    device.generations.offer_created(number, "late", device.now)
    device.generations.channel_opened(number, Channel.CONTROL, False, device.now)
    assert device.answer(number) == [] and device.said() == []
    assert device.pair.presenter.wire.paths.get(f"direct/{number}") is None


def test_the_newest_generation_that_opens_is_kept() -> None:
    device = Device()
    first, second, third = device.offer(), device.offer(), device.offer()
    assert device.opened(second) == [ClosePeer(first)] or device.drain() == []
    assert device.opened(third) == [ClosePeer(second)]
    assert [path.name for path in device.generations.control_paths()] == [f"direct/{third}"]


def test_a_path_that_is_dead_is_replaced_beside_itself() -> None:
    device = Device()
    number = device.offer()
    device.answer(number)
    device.opened(number)
    assert device.run(5) == [], "while it answers nothing is offered"
    device.pair._up[f"direct/{number}"].weather = device.pair._down[f"direct/{number}"].weather = LOST
    happened = device.run(LIVE_FOR + 1.5)
    assert [type(effect) for effect in happened] == [CreateOffer]
    assert device.pair.presenter.wire.paths.get(f"direct/{number}") is not None


def test_the_one_that_carried_outlives_those_that_never_open() -> None:
    device = Device()
    number = device.offer()
    device.answer(number)
    device.opened(number)
    device.pair._up[f"direct/{number}"].weather = LOST
    closed: list[int] = []
    for _ in range(6):
        device.generations.build(device.now)
        closed += [effect.generation for effect in device.drain() if isinstance(effect, ClosePeer)]
    assert closed == [2, 3, 4, 5], "the first, and one that is coming up beside the newest"


def test_generations_that_are_never_answered_come_less_and_less_often() -> None:
    device = Device()
    device.offer()
    start, moments = device.now, []
    while device.now < start + 120:
        made = [effect for effect in device.run(0.5) if isinstance(effect, CreateOffer)]
        moments += [device.now - start for _ in made]
    waits = [later - sooner for sooner, later in pairwise(moments)]
    assert all(UNANSWERED_PATIENCE <= round(wait, 3) <= BACKOFF_LAST + 1 for wait in (moments[0], *waits))
    assert waits[-1] > waits[0]


def test_generations_that_fail_at_once_come_less_and_less_often() -> None:
    device = Device()
    start, moments = device.now, []
    device.generations.build(device.now)
    while device.now < start + 60:
        for effect in device.run(0.1):
            if isinstance(effect, CreateOffer):
                moments.append(round(device.now - start))
                device.generations.peer_failed(effect.generation, device.now)
    assert moments == [1, 3, 7, 15, 31] or moments == [0, 1, 3, 7, 15, 31]


def test_a_reoffer_is_followed_at_once() -> None:
    device = Device()
    assert device.generations.receive_message(from_host(type="reoffer"), device.now)
    assert [type(effect) for effect in device.drain()] == [CreateOffer]
    assert not device.generations.receive_message(from_host(type="state", version=1), device.now)


def test_who_wakes_replaces_what_does_not_answer_and_keeps_what_does() -> None:
    device = Device()
    number = device.offer()
    device.answer(number)
    device.opened(number)
    device.run(3)
    for weather, expected in ((CALM, []), (LOST, [CreateOffer])):
        device.pair._up[f"direct/{number}"].weather = weather
        device.generations.wake(device.now)
        device.pair.presenter.check_paths(device.now)
        assert [type(effect) for effect in device.run(0.8)] == expected


def test_stricter_rules_close_what_was_made_before_them() -> None:
    rules = [Rules()]
    device = Device(lambda: rules[0])
    number = device.offer()
    device.opened(number)
    device.said()
    rules[0] = Rules((IceServer(("turn:x",)),), Privacy.PRIVATE, Privacy.PRIVATE, "here")
    device.generations.restart(device.now)
    assert device.drain() == [ClosePeer(1), CreateOffer(2, (IceServer(("turn:x",)),), Privacy.PRIVATE)]
    device.generations.offer_created(2, "offer 2", device.now)
    assert device.said() == [offer(2, privacy="private", network="here")]
    assert device.answer(2, network="here") == [AcceptAnswer(2, "answer", True)]


def test_which_network_counts_is_what_the_offer_said() -> None:
    device = Device(lambda: Rules(network="here"))
    number = device.offer()
    assert device.answer(number, network="there") == [AcceptAnswer(number, "answer", False)]
    device = Device(lambda: Rules(network=""))
    assert device.answer(device.offer(), network="") == [AcceptAnswer(1, "answer", False)]


def test_a_tap_goes_by_the_channel_that_opened() -> None:
    device = Device()
    number = device.offer()
    device.opened(number)
    device.run(1)
    device.pair.tap(Intent(Verb.NEXT))
    device.pair.run(0.2)
    assert device.pair.deck.slide == 2
    assert device.generations.is_fresh(device.now)
    assert device.generations.path_name(number, Channel.BULK) == f"bulk/{number}"
    assert device.generations.path_name(number + 1, Channel.BULK) == ""


LOST = type(CALM)(loss=1.0)
