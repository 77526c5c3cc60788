"""What rules of repetition bring and cost, in simulated time: both sessions as they are, on the direct path, on a
stream through the server, and on both.

    python benchmarks/repetition.py [--taps 2000] [--round-trips 50,150]

For each rule and weather: p95 / p99 in milliseconds beyond the round trip, from tap to receipt, and the frames of a tap
with all its answers, less the heartbeat's. The weather is there a second before the first tap: what goes by measurement
has measured little. In brackets: how often in a thousand taps a path that only loses packets was taken for a dead one.
"""

from __future__ import annotations

import argparse
from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from unittest.mock import patch

from slidewire.control import presenter_session as presenter
from slidewire.control.intents import Intent, Verb
from slidewire.control.paths import PathTable
from slidewire.control.presenter_session import PathSilent
from slidewire.testing.network import NetworkConditions, SimulatedPath
from slidewire.testing.pair import Pair

APART = 1.2
IDLE = 120.0
WEATHERS = {
    "0 %": NetworkConditions(),
    "5 %": NetworkConditions(loss=0.05),
    "20 %": NetworkConditions(loss=0.2),
    "5 % in bursts of 4": NetworkConditions(loss=0.05, burst=4),
    "20 % in bursts of 4": NetworkConditions(loss=0.2, burst=4),
}


class Stream(SimulatedPath):
    """TCP as a click meets it: nothing overtakes, and what was lost comes again after a timer (0.2 s and a round trip,
    doubled each time), or once something behind it has been acknowledged."""

    def __init__(self, weather: NetworkConditions, pair: Pair) -> None:
        super().__init__(weather, pair.rng)
        self._last = 0.0
        self._unrepaired: list[float] = []

    def arrivals(self, size: int, now: float, flow: Hashable = None) -> list[float]:
        round_trip = 2 * self.weather.delay
        at, wait = now, 0.2 + round_trip
        while self._is_lost(flow):
            at, wait = at + wait, 2 * wait
        if self._last > now + self.weather.delay:  # something is missing; this tells the sender so
            self._last = min(self._last, now + 1.25 * round_trip + self.weather.delay)
        self._last = max(self._last, at + self.weather.delay)
        return [self._last]


@dataclass(frozen=True)
class Rule:
    """What is put in the place of the presenter's own constants."""

    constants: dict[str, float] = field(default_factory=dict)
    much_is_lost: bool | None = None


RULES = {
    "as it is": Rule(),
    "no second copy at 10 ms": Rule({"SECOND_COPY": 100}),
    "always dense": Rule(much_is_lost=True),
    "not by measured loss": Rule(much_is_lost=False),
    "not dense when in doubt": Rule({"COPY_EVERY": 40}),
    "the stream gets every copy": Rule({"STREAM_AGAIN": 0.0}),
}


@contextmanager
def replaced(rule: Rule) -> Iterator[None]:
    with ExitStack() as replacing:
        for name, value in rule.constants.items():
            replacing.enter_context(patch.object(presenter, name, value))
        if rule.much_is_lost is not None:
            replacing.enter_context(patch.object(PathTable, "loses", return_value=rule.much_is_lost))
        yield


def measure(weather: NetworkConditions, round_trip: float, paths: Sequence[str], taps: int) -> tuple[str, float]:
    """A cell of the table; the frames of a tap."""
    here = replace(weather, delay=round_trip / 2)
    pair = Pair(seed=1, weather=dict.fromkeys(paths, here))
    if "signaling" in paths:
        pair._up["signaling"], pair._down["signaling"] = Stream(here, pair), Stream(here, pair)
    pair.run(1.0)
    before = pair.datagrams
    pair.run(IDLE)
    idle, before = (pair.datagrams - before) / IDLE * APART, pair.datagrams
    for number in range(taps):
        pair.tap(Intent(Verb.GOTO, 1 + number % 1000))
        pair.run(APART)
    frames = (pair.datagrams - before) / taps - idle
    pair.run(4.0)
    times = sorted((receipt.elapsed - round_trip) * 1000 for receipt in pair.receipts)
    dead = sum(isinstance(effect, PathSilent) for effect in pair.effects) * 1000 / taps
    false = f" [{dead:.0f}]" if dead else ""
    return f"{times[int(0.95 * taps)]:.0f} / {times[int(0.99 * taps)]:.0f}{false}", frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taps", type=int, default=2000)
    parser.add_argument("--round-trips", default="50,150")
    options = parser.parse_args()
    for round_trip in map(int, options.round_trips.split(",")):
        for paths in (("direct",), ("direct", "signaling"), ("signaling",)):
            print(f"\nRound trip {round_trip} ms, {' and '.join(paths)}:\n")
            print("| rule |", " | ".join(WEATHERS), "| frames at 0 / 5 / 20 % |")
            print("|---|" + "--:|" * (len(WEATHERS) + 1))
            for name, rule in RULES.items():
                with replaced(rule):
                    cells = {
                        each: measure(weather, round_trip / 1000, paths, options.taps)
                        for each, weather in WEATHERS.items()
                    }
                frames = " / ".join(f"{cells[each][1]:.1f}" for each in ("0 %", "5 %", "20 %"))
                print(f"| {name} |", " | ".join(told for told, _ in cells.values()), f"| {frames} |", flush=True)


if __name__ == "__main__":
    main()
