"""Shows in simulated time with participants that keep to nothing: they hold links of every role, the speakers' too.

Where the network is good, every click of a speaker lands, in time. In bad weather what is promised there is kept as
without them (`slidewire.testing.ledger`). `SLIDEWIRE_SEED` repeats one show, `SLIDEWIRE_SECONDS` says how long the long
test looks for one that goes wrong.
"""

from __future__ import annotations

import collections
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Callable

import pytest

from slidewire.control.intents import Status
from slidewire.control.quotas import Request, SessionQuotas
from slidewire.host.show.fair_queue import FairQueue
from slidewire.testing.world import World

log = logging.getLogger(__name__)

SECONDS = 20.0
ASKED_FOR = os.environ.get("SLIDEWIRE_SEED")
SEEDS = [int(ASKED_FOR)] if ASKED_FOR else [*range(6), 50025]  # in the last one the host sleeps


def show(seed: int, misfortunes: bool) -> World:
    kind = "weather" if misfortunes else "good"
    again = f"SLIDEWIRE_SEED={seed} pytest tests/simulation/test_hostile.py -k {kind}"
    world = World(seed, again, hostile=1 + seed % 4, misfortunes=misfortunes)
    world.run(SECONDS)
    world.finish()
    return world


def lands_all(seed: int) -> World:
    world = show(seed, misfortunes=False)
    statuses = world.ledger.statuses
    assert statuses[Status.PERFORMED] + statuses[Status.REFUSED] == world.taps, f"seed {seed}: {statuses}"
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_in_a_good_network_every_click_lands_beside_them(seed: int) -> None:
    world = lands_all(seed)
    assert world.taps > 10 and world.hostile_sessions


@pytest.mark.parametrize("seed", SEEDS)
def test_in_bad_weather_every_promise_is_kept_beside_them(seed: int) -> None:
    world = show(seed, misfortunes=True)
    assert world.ledger.statuses.total() == world.taps


def test_they_say_enough_to_be_sent_away() -> None:
    assert sum(lands_all(seed).floods for seed in range(10, 12)) > 0


def _one_queue_for_all(patch: pytest.MonkeyPatch) -> None:
    put = FairQueue.put
    patch.setattr(FairQueue, "put", lambda self, link, session, item: put(self, "", 0, item))
    patch.setattr(SessionQuotas, "take", lambda self, request, now, cost=1.0: True)


def _a_flood_closes_the_link(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SessionQuotas, "take", _take_of_the_link)


def _take_of_the_link(self: SessionQuotas, request: Request, now: float, cost: float = 1.0) -> bool:
    return self.pool._buckets[request].take(now, cost) == 0


@pytest.mark.parametrize(("break_it", "first"), [(_one_queue_for_all, 30), (_a_flood_closes_the_link, 39)])
def test_a_host_without_what_protects_the_speakers_is_found_out(
    break_it: Callable[[pytest.MonkeyPatch], None], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`first`: the seed of the first show that shows it, or one before it."""
    break_it(monkeypatch)
    with pytest.raises(AssertionError, match=r"seed|SLIDEWIRE_SEED"):
        collections.deque(map(lands_all, range(first, first + 30)), maxlen=0)


@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
def test_many_shows() -> None:
    until = time.monotonic() + float(os.environ.get("SLIDEWIRE_SECONDS", "600"))
    first = seed = random.randrange(1_000_000)
    statuses, floods = Counter[Status](), 0
    while time.monotonic() < until:
        for world in (lands_all(seed), show(seed, misfortunes=True)):
            statuses += world.ledger.statuses
            floods += world.floods
        seed += 1
    told = ", ".join(f"{status.word} {count}" for status, count in statuses.most_common())
    log.info("seeds %d to %d: %s; %d times somebody was sent away", first, seed - 1, told, floods)
