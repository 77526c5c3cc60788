"""What rules of repetition bring and cost, in simulated time: both sessions as they are, on the direct path alone and
with a stream through the server beside it.

    python benchmarks/repetition.py [--taps 2000] [--round-trips 50,150]

For each rule and weather: p50 / p95 / p99 in milliseconds beyond the round trip, from tap to receipt, and the frames
of a tap with all its answers, less the heartbeat's. The weather is there from the first moment: a rule that goes by what
it has measured has measured nothing yet. The last table is about giving paths up: how often a path that only loses
packets is taken for a dead one.
"""

from __future__ import annotations

import argparse
from collections.abc import Hashable

from slidewire.control.intents import Intent, Verb
from slidewire.control.presenter import PathSilent
from slidewire.testing.network import SimulatedPath, Weather
from slidewire.testing.pair import Pair

APART = 1.2
WEATHERS = {
    "0 %": Weather(),
    "1 %": Weather(loss=0.01),
    "5 %": Weather(loss=0.05),
    "20 %": Weather(loss=0.2),
    "5 % in bursts of 4": Weather(loss=0.05, burst=4),
    "20 % in bursts of 4": Weather(loss=0.2, burst=4),
}


class Stream(SimulatedPath):
    """TCP as a click meets it: nothing overtakes, and what was lost comes again after a timer (0.2 s and a round trip,
    doubled each time), or once something behind it has been acknowledged."""

    def __init__(self, weather: Weather, pair: Pair) -> None:
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


RULES = {
    "every 100 ms after 0, 10, 30, 60, 100, 150": None,
}


def connect(weather: Weather, round_trip: float, streams: bool, direct: bool = True) -> Pair:
    here = Weather(delay=round_trip / 2, loss=weather.loss, burst=weather.burst)
    pair = Pair(seed=1, weather={"direct": here} if direct else {})
    if streams:
        pair.path_up("signaling", here)
        pair._up["signaling"], pair._down["signaling"] = Stream(here, pair), Stream(here, pair)
    pair.run(1.0)
    return pair


def run(pair: Pair, taps: int) -> tuple[list[float], float, float]:
    idle = pair.datagrams, pair.bytes
    pair.run(100 * APART)
    idle = (pair.datagrams - idle[0]) / 100, (pair.bytes - idle[1]) / 100
    before = pair.datagrams, pair.bytes
    for number in range(taps):
        pair.tap(Intent(Verb.GOTO, 1 + number % 1000))
        pair.run(APART)
    frames, size = (pair.datagrams - before[0]) / taps - idle[0], (pair.bytes - before[1]) / taps - idle[1]
    pair.run(4.0)
    return sorted(receipt.elapsed * 1000 for receipt in pair.receipts), frames, size


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--taps", type=int, default=2000)
    parser.add_argument("--round-trips", default="50,150")
    options = parser.parse_args()
    for rtt in map(int, options.round_trips.split(",")):
        for streams, direct in ((False, True), (True, True), (True, False)):
            for name, weather in WEATHERS.items():
                pair = connect(weather, rtt / 1000, streams, direct)
                t, frames, size = run(pair, options.taps)
                q = [t[int(s * len(t))] - rtt for s in (0.5, 0.95, 0.99)]
                silent = sum(isinstance(e, PathSilent) and e.path == "direct" for e in pair.effects)
                ss = sum(isinstance(e, PathSilent) and e.path == "signaling" for e in pair.effects)
                print(
                    rtt,
                    "direct" if direct else "",
                    "stream" if streams else "",
                    name,
                    [round(x) for x in q],
                    round(max(t)),
                    f"{frames:.1f} {size:.0f}",
                    "silent",
                    silent,
                    ss,
                    flush=True,
                )
