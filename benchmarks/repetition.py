"""What other schedules of repetition would cost and bring, in simulated time: both sessions, one direct path.

    python benchmarks/repetition.py

For each schedule: p95 / p99 of the time from tap to receipt, and the datagrams of a tap with its receipt and PINGs.
"""

from __future__ import annotations

from slidewire.control import wire
from slidewire.control.intents import Intent, Verb
from slidewire.testing.network import Weather
from slidewire.testing.pair import Pair

TAPS = 2000
APART = 1.2
SCHEDULES = (
    ((20, 60, 120, 250), 250),
    ((10, 30, 60, 100, 150), 100),
    ((10, 25, 50, 90, 150, 250), 100),
    ((10, 30, 70, 130, 210), 100),
)
"""Milliseconds after the first sending, and how far apart the repetitions after those are."""
WEATHERS = {
    "5 %": Weather(delay=0.025, loss=0.05),
    "20 %": Weather(delay=0.025, loss=0.2),
    "5 % in bursts of 4": Weather(delay=0.025, loss=0.05, burst=4),
}


def run(weather: Weather) -> tuple[float, float, float]:
    pair = Pair(seed=1, weather={"direct": weather})
    pair.run(1.0)
    pair.datagrams = 0
    for number in range(TAPS):
        pair.tap(Intent(Verb.GOTO, 1 + number % 1000))
        pair.run(APART)
    datagrams = pair.datagrams / TAPS
    pair.run(4.0)
    times = sorted(receipt.elapsed * 1000 for receipt in pair.receipts)
    return times[int(0.95 * TAPS)], times[int(0.99 * TAPS)], datagrams


def main() -> None:
    print("| copies after (ms) |", " | ".join(WEATHERS), "| datagrams, no loss |")
    print("|---|" + "--:|" * (len(WEATHERS) + 1))
    for first, then in SCHEDULES:
        wire.REPETITION, wire.REPEAT_EVERY = tuple(at / 1000 for at in first), then / 1000  # type: ignore[assignment]
        cells = ["{:.0f} / {:.0f}".format(*run(weather)) for weather in WEATHERS.values()]
        cells.append(f"{run(Weather(delay=0.025))[2]:.1f}")
        print(f"| {' '.join(map(str, first))}, then every {then} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
