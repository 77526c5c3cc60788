"""Shows in random weather: hosts, servers and paths die, clocks disagree, and every promise about a click is kept.

What is checked is in `slidewire.testing.ledger`. A failure prints the seed and the command that repeats it.
`SLIDEWIRE_SEED` repeats one show; `SLIDEWIRE_CLICKS` says how many clicks the long test makes.
"""

import collections
import logging
import os
import time
from collections import Counter
from collections.abc import Callable

import pytest

from slidewire.control import host_clock as hostclock
from slidewire.control.connection import Connection
from slidewire.control.generations import Generations
from slidewire.control.host_session import HostSession
from slidewire.control.intents import Reason, Status
from slidewire.control.presenter_session import PresenterSession
from slidewire.control.records import IntentRecord
from slidewire.control.seal import Opener
from slidewire.testing.ledger import Broken
from slidewire.testing.world import World

log = logging.getLogger(__name__)

SECONDS = 60.0
ASKED_FOR = os.environ.get("SLIDEWIRE_SEED")
SEEDS = [int(ASKED_FOR)] if ASKED_FOR else range(10)


def show(seed: int) -> World:
    world = World(seed, f"SLIDEWIRE_SEED={seed} pytest tests/simulation/test_network_conditions.py -k a_show")
    world.run(SECONDS)
    world.finish()
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_a_show_keeps_every_promise(seed: int) -> None:
    world = show(seed)
    assert world.taps > 10
    assert world.ledger.statuses.total() == world.taps


def test_the_same_seed_is_the_same_show() -> None:
    first, second = show(3), show(3)
    assert (first.events, first.taps) == (second.events, second.taps)
    assert first.hosts[0].deck.performed == second.hosts[0].deck.performed


def meeting(seed: int) -> World:
    """One presenter that seldom taps: what matters is how it stays connected."""
    again = f"SLIDEWIRE_SEED={seed} pytest tests/simulation/test_network_conditions.py -k a_meeting"
    world = World(seed, again, presenters=1, between_taps=3.0)
    world.run(SECONDS)
    world.finish()
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_a_meeting_stays_connected(seed: int) -> None:
    """Peers fail, offers cross, the server restarts in the middle of an offer: afterwards everyone is back."""
    meeting(seed)


def test_peer_connections_come_up_in_a_bad_network() -> None:
    assert sum(meeting(seed).peers.opened for seed in range(3)) > 10


def _without_expiry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(HostSession, "_is_late", lambda self, deadline, now: False)


def _without_replay_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Opener, "_is_old", lambda self, counter: False)
    patch.setattr(HostSession, "_receive_intent", _take_always)


def _take_always(self: HostSession, record: IntentRecord, path: str, now: float) -> None:
    self._waiting[record.sequence] = record
    self._expected = min(self._expected, record.sequence)


def _without_order(patch: pytest.MonkeyPatch) -> None:
    def advance(self: HostSession, now: float) -> None:
        for sequence in list(self._waiting):
            self._turn_comes(self._waiting.pop(sequence), now)
            self._expected = max(self._expected, sequence + 1)

    patch.setattr(HostSession, "_advance", advance)


def _with_receipts_that_guess(patch: pytest.MonkeyPatch) -> None:
    def give_up(self: PresenterSession, sequence: int, now: float) -> None:
        self._settle(sequence, Status.EXPIRED, None, None, Reason.LATE, None, now)

    patch.setattr(PresenterSession, "_give_up", give_up)


def _with_a_clock_that_believes_the_network(patch: pytest.MonkeyPatch) -> None:
    def learn(self: hostclock.HostClock, clock: int, stamp: int, now: float) -> None:
        round_trip = hostclock.serial_difference(hostclock.milliseconds(now), stamp)
        self._bound, self._since = clock + round_trip, hostclock.milliseconds(now)

    patch.setattr(hostclock.HostClock, "learn", learn)


def _without_giving_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PresenterSession, "_give_up", lambda self, sequence, now: self._outstanding.pop(sequence))


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (_without_expiry, "too late"),
        (_without_replay_window, "done twice|but it was done"),
        (_without_order, "done after a later one"),
        (_with_receipts_that_guess, "it was reported|but it was done"),
        (_with_a_clock_that_believes_the_network, "too late"),
        (_without_giving_up, "no receipt"),
    ],
)
def test_a_broken_rule_is_noticed_and_its_seed_named(
    break_it: Callable[[pytest.MonkeyPatch], None], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it(monkeypatch)
    with pytest.raises(Broken, match=rf"(?s)({sentence}).*SLIDEWIRE_SEED=\d+ pytest"):
        collections.deque(map(show, range(80)), maxlen=0)


def _with_answers_for_any_generation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Generations, "_get", lambda self, number: self._known[-1] if self._known else None)


def _with_doubts_that_never_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Connection, "_end_doubt", lambda self, now: None)


def _with_offers_repeated_without_candidates(patch: pytest.MonkeyPatch) -> None:
    repeat = Generations._repeat_offer

    def without_candidates(self: Generations, now: float, wait: float) -> None:
        said = [(known, known.candidates) for known in self._known]
        for known, _ in said:
            known.candidates = []
        repeat(self, now, wait)
        for known, candidates in said:
            known.candidates = candidates

    patch.setattr(Generations, "_repeat_offer", without_candidates)


def _without_asking_for_the_state(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Connection, "_ask_for_state", lambda self, now: None)


@pytest.mark.parametrize(
    ("break_it", "first", "sentence"),
    [
        (_with_answers_for_any_generation, 0, "the answer to offer .* was given to the peer that made offer"),
        (_with_doubts_that_never_end, 0, "which answers|still doubts"),
        (_with_offers_repeated_without_candidates, 30, "came without its candidates"),
        (_without_asking_for_the_state, 0, "does not show the state"),
    ],
)
def test_a_connection_that_is_badly_kept_is_noticed_and_its_seed_named(
    break_it: Callable[[pytest.MonkeyPatch], None], first: int, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`first`: the seed of the first meeting that shows it, or one before it."""
    break_it(monkeypatch)
    with pytest.raises(Broken, match=rf"(?s)({sentence}).*SLIDEWIRE_SEED=\d+ pytest"):
        collections.deque(map(meeting, range(first, first + 60)), maxlen=0)


@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
def test_a_million_clicks() -> None:
    wanted = int(os.environ.get("SLIDEWIRE_CLICKS", "1000000"))
    clicks, events, statuses, first = 0, 0, Counter[Status](), time.time_ns() % 10**9
    seed = first
    started = time.process_time()
    waiting = settled = 0
    while clicks < wanted:
        world = show(seed)
        seed += 1
        clicks, events, statuses = clicks + world.taps, events + world.events, statuses + world.ledger.statuses
        waiting, settled = max(waiting, world.ledger.most_waiting), max(settled, world.ledger.most_settled)
    told = ", ".join(f"{status.word} {count}" for status, count in statuses.most_common())
    seconds = time.process_time() - started
    log.info("%d clicks (%s) in %d shows, %d events, %.0f s", clicks, told, seed - first, events, seconds)
    log.info("at most %d intents waited in a session, and %d receipts were kept", waiting, settled)
    assert statuses.total() == clicks
    assert statuses[Status.PERFORMED] > clicks / 2
