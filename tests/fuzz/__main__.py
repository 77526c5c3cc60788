"""Hunt for inputs that our readers and the minds behind them do not survive.

    python -m tests.fuzz codec --seconds 3600
    python -m tests.fuzz core --seconds 3600 --seed 12345
    python -m tests.fuzz order --seconds 3600
    python -m tests.fuzz signaling --seconds 3600
    python -m tests.fuzz control --seconds 3600
    python -m tests.fuzz media --seconds 3600
    python -m tests.fuzz bodies --seconds 3600
    python -m tests.fuzz hostile --seconds 3600

Every input comes from a seed, which is drawn, and said when something goes wrong; the same seed makes the same play
again (`--plays 1`). What a play asserts is the same on every machine: work is counted, never timed. Exit code 1 if
anything was found.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.fuzz import bodies, codec, control, core, hostile, media, order, signaling

TARGETS: Final[dict[str, Callable[[int], int]]] = {
    "codec": codec.run,
    "core": core.run,
    "order": order.run,
    "signaling": signaling.run,
    "control": control.run,
    "media": media.run,
    "bodies": bodies.run,
    "hostile": hostile.run,
}
_WARM_SECONDS: Final = 5.0
_GROWTH: Final = 16 << 20
"""How much larger the process may be at the end than when it was warm."""
_ENOUGH: Final = 20
_SWEEP: Final = 32


def resident() -> int:
    """Bytes in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def hunt(target: str, seed: int, seconds: float, plays: int | None, say: Callable[[str], object]) -> list[int]:
    """The seeds that led to something."""
    run, found, inputs, played = TARGETS[target], list[int](), 0, 0
    began = time.monotonic()
    warm, next_word = 0, began + 60.0
    while (now := time.monotonic()) < began + seconds and (plays is None or played < plays) and len(found) < _ENOUGH:
        try:
            inputs += run(seed + played)
        except Exception:  # noqa: BLE001  whatever escapes is what we are here for
            found.append(seed + played)
            say(f"seed {seed + played}\n{traceback.format_exc()}")
        played += 1
        if played % _SWEEP == 0:
            gc.collect()  # a play is a megabyte of cycles; what is left after this is a leak
        if not warm and (now > began + _WARM_SECONDS if plays is None else played >= plays // 2):
            warm = resident()
        if now > next_word:
            next_word += 60.0
            say(f"{target}: {now - began:.0f} s, {played} plays, {inputs} inputs, {resident() >> 20} MiB")
    gc.collect()
    if warm and resident() - warm > _GROWTH:
        found.append(seed)
        say(f"memory grew from {warm >> 20} to {resident() >> 20} MiB")
    took = time.monotonic() - began
    say(f"{target}: done, seeds {seed} to {seed + played - 1}, {inputs} inputs in {took:.0f} s, found {len(found)}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--plays", type=int)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    asked = parser.parse_args()
    found = hunt(asked.target, asked.seed, asked.seconds, asked.plays, lambda line: print(line, flush=True))  # noqa: T201
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
