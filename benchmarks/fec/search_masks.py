"""The search for the masks that ship in src/slidewire/fec/mask_table.py.

    python -m benchmarks.fec.search_masks --seconds 2400 --processes 2 [--state FILE]      then: --write

What is sought is the mask whose residual after peeling is lowest at 5 % random loss and nowhere above libwebrtc's
between 1 % and 20 %. Up to 24 source packets every (k, m) has a mask of its own. Above that, eight numbers of source
packets share one list of columns for each m, and the first k of them are the mask for k source packets: a fifth of the
size, and hardly worse.

A column is an integer whose bit r says that the source packet is under repair packet r. The search is a plain climb:
change a column or two, keep what is better on the same loss patterns, from a few starts each. How far it gets depends
on the time it is given; what it found is judged again on other patterns by `python -m benchmarks.fec --check`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Iterable, Sequence
from functools import reduce
from math import log
from operator import or_
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.fec import libwebrtc_masks  # noqa: E402
from benchmarks.fec.erasures import Rows, heaviest, residual, spectrum  # noqa: E402

MOST = 48
OWN = 24
"""Up to so many source packets each (k, m) has its own mask."""
BANDS = (32, 40, 48)
"""Above, those that share a list of columns: the seven numbers of source packets below each of these, and itself."""
LOSSES = (0.01, 0.02, 0.05, 0.1, 0.2)
TARGET = 0.05
PATTERNS = 8192
"""Per stratum while climbing; strata that have fewer are whole."""


def as_rows(columns: Sequence[int], m: int) -> Rows:
    return [[index for index, column in enumerate(columns) if column >> row & 1] for row in range(m)]


class Judge:
    """How good a mask is beside libwebrtc's for the same k and m: lower is better, above 0 at any loss is forbidden."""

    def __init__(self, k: int, m: int, patterns: int = PATTERNS, seed: int = 1) -> None:
        self.k, self.m, self.seed = k, m, seed
        self.patterns = 4 * patterns if k <= 12 else patterns
        self.most = k + m if k + m <= 24 else heaviest(k + m, max(LOSSES), 2e-3)
        self.margin = 0.0 if k + m <= 16 else 0.006 if k <= 12 else 0.015
        """What is no better than that on these patterns may be worse on others."""
        theirs = self._spectrum(libwebrtc_masks.rows(k, m))
        self.theirs = {loss: residual(theirs, k, m, loss) for loss in LOSSES}

    def _spectrum(self, rows: Rows) -> dict[int, float]:
        return spectrum(rows, self.k, self.most, self.patterns, self.seed)

    def score(self, columns: Sequence[int]) -> float:
        ours = self._spectrum(as_rows(columns[: self.k], self.m))
        ratios = {
            loss: log(max(residual(ours, self.k, self.m, loss), 1e-12) / theirs) for loss, theirs in self.theirs.items()
        }
        worse = sum(max(0.0, ratio + self.margin) for ratio in ratios.values())
        forbidden = 50 * worse + 0.2 * (worse > 1e-9)
        idle = self.m - reduce(or_, columns[: self.k]).bit_count()
        return ratios[TARGET] + 0.05 * ratios[0.02] + 0.05 * ratios[0.1] + forbidden + idle


def some_column(dice: random.Random, m: int) -> int:
    weight = min(m, dice.choice((1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5)))
    return sum(1 << row for row in dice.sample(range(m), weight))


def changed(dice: random.Random, column: int, m: int) -> int:
    """A column like this one: a bit more, a bit less, a bit elsewhere, or quite another."""
    kind = dice.random()
    if kind < 0.2:
        return some_column(dice, m)
    ones = [row for row in range(m) if column >> row & 1]
    zeros = [row for row in range(m) if not column >> row & 1]
    if zeros and (kind < 0.4 or len(ones) == 1):
        column |= 1 << dice.choice(zeros)
        if kind >= 0.4:
            column &= ~(1 << ones[0])
    elif kind < 0.6 or not zeros:
        if len(ones) > 1:
            column &= ~(1 << dice.choice(ones))
    else:
        column ^= 1 << dice.choice(zeros) | 1 << dice.choice(ones)
    return column


def starts(dice: random.Random, k: int, m: int, at: int) -> list[int]:
    """libwebrtc's own interleaving; or columns of two or three bits, evenly spread over the rows."""
    if at % 3 == 0:
        return [1 << index % m for index in range(k)]
    weight = min(m, 2 if at % 3 == 1 else 3)
    columns, pool = [], list[int]()
    for _ in range(k):
        bits: set[int] = set()
        while len(bits) < weight:
            if not pool:
                pool = dice.sample(range(m), m)
            bits.add(pool.pop())
        columns.append(sum(1 << row for row in bits))
    return columns


def circulant(judge: Judge) -> list[int]:
    """For as many repair packets as source packets: the best mask of three bits a column, each turned by one more."""
    k = judge.k
    found = []
    for second, third in itertools.combinations(range(1, k), 2):
        bits = (0, second, third)
        columns = [sum(1 << (bit + turn) % k for bit in bits) for turn in range(k)]
        found.append((judge.score(columns), columns))
    return min(found)[1]


def climb(judges: Sequence[Judge], columns: list[int], dice: random.Random, until: float) -> tuple[float, list[int]]:
    """The best found until then, with heat at first: what is worse is kept now and then."""
    m = judges[0].m
    scores = [judge.score(columns) for judge in judges]
    heat = 0.15 if judges[0].k <= 16 else 0.04
    best = (sum(scores), list(columns))
    begun = time.monotonic()
    while (now := time.monotonic()) < until:
        left = (until - now) / (until - begun)
        old = list(columns)
        for _ in range(1 + (dice.random() < 0.3)):
            index = dice.randrange(judges[-1].k)
            columns[index] = changed(dice, columns[index], m)
        if columns == old:
            continue
        fresh = [
            score if columns[: judge.k] == old[: judge.k] else judge.score(columns)
            for judge, score in zip(judges, scores, strict=True)
        ]
        gain = sum(scores) - sum(fresh)
        if gain > 0 or dice.random() < 2.718 ** (gain / max(heat * left * len(judges), 1e-9)):
            scores = fresh
            if sum(scores) < best[0]:
                best = (sum(scores), list(columns))
        else:
            columns[:] = old
    return best


def search(task: tuple[str, float, list[int] | None, bool]) -> tuple[str, float, list[int]]:
    name, seconds, known, afresh = task
    k, m = map(int, name.split(":"))
    if m == 1:
        return name, 0.0, [1] * k
    dice = random.Random(f"{name} {known}")
    judges = [Judge(k, m)] if k <= OWN else [Judge(each, m) for each in (k - 7, k - 4, k - 2, k) if each >= m]
    if known is None or afresh:
        first = [circulant(judges[0])] if 3 <= k == m <= OWN else []
        first += [starts(dice, k, m, at) for at in range(3)]
        found = [climb(judges, columns, dice, time.monotonic() + 0.15 * seconds) for columns in first]
        if known is not None:
            found.append((sum(judge.score(known) for judge in judges), known))
        known = min(found)[1]
        seconds *= 0.4
    score, columns = climb(judges, list(known), dice, time.monotonic() + seconds)
    return name, score / len(judges), columns


def tasks() -> Iterable[tuple[str, float]]:
    """Names, `k:m`, and shares of the time."""
    for k in (*range(1, OWN + 1), *BANDS):
        for m in range(1, k + 1):
            yield f"{k}:{m}", 0.0 if m == 1 else 0.3 + k / 8 if k <= OWN else 15.0 if m <= 24 else 8.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2400, help="of computing, all processes together")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--state", type=Path, default=Path("masks.json"), help="found so far; improved when it exists")
    parser.add_argument("--only", default="", help="only these masks: k:m,…, with k up to 24, or 32, 40, 48")
    parser.add_argument("--afresh", action="store_true", help="not from what was found so far, unless that is better")
    parser.add_argument("--write", action="store_true", help="write the table from what was found")
    options = parser.parse_args()
    known: dict[str, list[int]] = json.loads(options.state.read_text()) if options.state.exists() else {}
    if options.write:
        write(known)
        return
    only = set(options.only.split(",")) - {""}
    wanted = [(name, share) for name, share in tasks() if not only or name in only]
    scale = options.seconds / sum(share for _, share in wanted)
    jobs = [(name, share * scale, known.get(name), options.afresh) for name, share in wanted]
    with multiprocessing.Pool(options.processes) as pool:
        for name, score, columns in pool.imap_unordered(search, jobs):
            known[name] = columns
            print(f"{name:10} {score:7.3f} {[column.bit_count() for column in columns]}", flush=True)
            options.state.write_text(json.dumps(known))


HEAD = '''"""Which repair packets each source packet is under. `python -m benchmarks.fec.search_masks --write` made it.

A mask is a list of columns, one per source packet; bit r of a column says that repair packet r covers it. MASKS maps a
number of source packets to its masks for one repair packet, two, …: for up to 24 source packets exactly, above that to
be cut to the first k columns. All in hexadecimal, each column as many digits as m bits need.
"""

from typing import Final

'''


WIDTH = 106


def write(known: dict[str, list[int]]) -> None:
    lines = [HEAD, "MASKS: Final = {\n"]
    for k in (*range(1, OWN + 1), *BANDS):
        lines.append(f"    {k}: (\n")
        words = " ".join(_digits(known[f"{k}:{m}"], m) for m in range(1, k + 1))
        lines.extend(f'        "{words[at : at + WIDTH]}"\n' for at in range(0, len(words), WIDTH))
        lines.append("    ),\n")
    lines.append("}\n")
    (ROOT / "src/slidewire/fec/mask_table.py").write_text("".join(lines))


def _digits(columns: Sequence[int], m: int) -> str:
    return "".join(f"{column:0{-(-m // 4)}x}" for column in columns)


if __name__ == "__main__":
    main()
