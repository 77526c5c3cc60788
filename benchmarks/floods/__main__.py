"""What the strongest flood by each kind of link does to a show: clicks of two speakers, quiet and flooded.

    python -m benchmarks.floods [--seconds 15] [--only ROLE] [--write]

One speaker clicks by the direct path and one by way of the server, ten times a second each. Server, host and speakers
have one processor; the flooder has another, as on a machine of its own. Each flood is tried by itself; the table has
for each role the one that hurt most. `audience` is no flood: 64 deck pages, and a third speaker who moves the laser
fifty times a second. `--write` puts the table into docs/design/threats.md and everything into
benchmarks/results/floods.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import machine
from tests.support.programs import Program, programs

ROOT: Final = Path(__file__).parents[2]
EVERY: Final = 0.1
KINDS: Final = {
    "view": (
        *("states", "pictures", "unknown", "pings", "taps", "halves", "hellos", "offers", "media"),
        *("direct pings", "direct states"),
    ),
    "laser": ("laser", "direct laser", "pictures", "offers"),
    "click": ("taps", "direct taps", "pictures", "offers", "media"),
    "audience": ("audience",),
    "operator": ("states", "commands", "links", "taps", "direct taps"),
}
BEGIN, END = "<!-- made by benchmarks.floods -->", "<!-- end -->"


@dataclass
class Clicks:
    """Of one speaker in one stretch of time."""

    ms: list[float] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)

    def quantile(self, share: float) -> float:
        ranked = sorted(self.ms)
        return ranked[min(len(ranked) - 1, math.ceil(share * len(ranked)) - 1)] if ranked else math.inf


@dataclass
class Cell:
    role: str
    kind: str
    quiet: tuple[Clicks, Clicks]
    flooded: tuple[Clicks, Clicks]
    did: dict[str, int]

    @property
    def ratio(self) -> float:
        """Of the 99th percentiles, the worse of the two paths."""
        pairs = zip(self.quiet, self.flooded, strict=True)
        return max(flooded.quantile(0.99) / quiet.quantile(0.99) for quiet, flooded in pairs)

    @property
    def lost(self) -> int:
        return sum((clicks.lost.total() for clicks in self.flooded), 0)


class Speaker:
    def __init__(self, program: Program) -> None:
        self._program, self._said = program, 0

    async def click(self, seconds: float) -> Clicks:
        loop, first = asyncio.get_running_loop(), self._said
        end = loop.time() + seconds
        while loop.time() < end:
            await self._program.say(f"goto {self._said % 8 + 1}")
            self._said += 1
            await asyncio.sleep(EVERY)
        receipts = (await self._program.receipts(self._said, 60))[first:]
        clicks = Clicks()
        for receipt in receipts:
            if receipt["status"] == "performed":
                clicks.ms.append(receipt["ms"])
            else:
                clicks.lost[receipt["status"]] += 1
        return clicks


async def point(pointer: Program, seconds: float) -> None:
    """Move the laser fifty times a second."""
    for step in range(round(seconds * 50)):
        await pointer.say(f"laser {step % 100 / 100:.2f} 0.5")
        await asyncio.sleep(0.02)


async def both(speakers: tuple[Speaker, Speaker], seconds: float) -> tuple[Clicks, Clicks]:
    direct, signaling = await asyncio.gather(*(speaker.click(seconds) for speaker in speakers))
    return direct, signaling


async def measure(role: str, kinds: tuple[str, ...], seconds: float, home: Path) -> list[Cell]:
    cells = []
    async with programs(home) as started:
        host = await started.start("up", "--listen", "127.0.0.1", "--port", "0", "--turn-port", "0", "--no-open")
        ready = await host.ready()
        link = await link_for(started, role, ready)
        speakers = []
        for options in ((), ("--no-direct",)):
            program = await started.start("present", ready["presenter_link"], "--ca", ready["ca"], *options)
            await program.wait_for(event="connected", path="signaling" if options else "direct")
            speakers.append(Speaker(program))
        pair = speakers[0], speakers[1]
        pointer = await started.start("present", ready["presenter_link"], "--ca", ready["ca"])
        await pointer.wait_for(event="connected")
        await both(pair, 3)
        for number, kind in enumerate(kinds):
            quiet = await both(pair, seconds)
            wait = 8 if kind == "audience" else 3
            flooder = await flood(kind, link, seconds + wait, f"127.0.0.{60 + number}")
            await asyncio.sleep(6 if kind == "audience" else 2)
            pointing = asyncio.create_task(point(pointer, seconds)) if kind == "audience" else None
            flooded = await both(pair, seconds)
            if pointing is not None:
                await pointing
            out, _ = await flooder.communicate()
            cell = Cell(role, kind, quiet, flooded, json.loads(out.splitlines()[-1]) if out.strip() else {"died": 1})
            cells.append(cell)
            print(line(cell), "|", cell.did, flush=True)
            await asyncio.sleep(2)
        trouble = [text for text in host.errors.splitlines() if " E " in text or "Traceback" in text]
        if trouble:
            print("the host's log:", *trouble[:5], sep="\n")
    return cells


async def link_for(started: Any, role: str, ready: dict[str, Any]) -> str:
    """Another than the speakers' own."""
    if role == "operator":
        return str(ready["operator_link"])
    if role in ("view", "audience"):
        return str(ready["deck_link"])
    made = await started.start(
        "link", "make", "--role", role, "--operator", ready["operator_link"], "--ca", ready["ca"]
    )
    await made.process.wait()
    return str(next(event["url"] for event in made.events if "url" in event))


async def flood(kind: str, link: str, seconds: float, address: str) -> asyncio.subprocess.Process:
    processor = str(max(set(range(os.cpu_count() or 2)) - os.sched_getaffinity(0)))
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.floods.flooder", kind, link, f"{seconds:g}", processor, address),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )


HEAD: Final = """| link | strongest flood | path | quiet p50 / p99 | flooded p50 / p99 | ratio of p99 | clicks lost |
|---|---|---|---|---|---|---|"""


def line(cell: Cell) -> str:
    rows = []
    for path, quiet, flooded in zip(("direct", "signaling"), cell.quiet, cell.flooded, strict=True):
        before, after = (f"{c.quantile(0.5):.1f} / {c.quantile(0.99):.1f} ms" for c in (quiet, flooded))
        ratio = flooded.quantile(0.99) / quiet.quantile(0.99)
        lost = ", ".join(f"{n} {status}" for status, n in flooded.lost.items()) or "none"
        rows.append(f"| {cell.role} | {cell.kind} | {path} | {before} | {after} | {ratio:.1f} | {lost} |")
    return "\n".join(rows)


def report(cells: list[Cell], about: dict[str, str]) -> tuple[str, str]:
    """The table of the strongest, and everything."""
    roles = dict.fromkeys(cell.role for cell in cells)
    worst = [max((c for c in cells if c.role == role), key=lambda c: (c.lost, c.ratio)) for role in roles]
    short = "\n".join([HEAD, *(line(cell) for cell in worst)])
    whole = [
        "# Floods by each kind of link",
        "Made by `.venv/bin/python -m benchmarks.floods --write`, which says how.",
        machine.say(about),
        HEAD + "\n" + "\n".join(line(cell) for cell in cells),
        "What each flooder did, and what it was told:",
        "\n".join(f"- {cell.role}, {cell.kind}: {json.dumps(cell.did)}" for cell in cells),
    ]
    return short, "\n\n".join(whole) + "\n"


async def run(arguments: argparse.Namespace) -> None:
    everything = sorted(os.sched_getaffinity(0))
    if len(everything) < 2:
        raise SystemExit("This needs two processors: one for the show, one for the flooder.")
    os.sched_setaffinity(0, {everything[0]})
    cells: list[Cell] = []
    for role, kinds in KINDS.items():
        if arguments.only in (None, role):
            with tempfile.TemporaryDirectory() as home:
                cells += await measure(role, kinds, arguments.seconds, Path(home))
    short, whole = report(cells, machine.describe())
    print(short)
    if arguments.write:
        (ROOT / "benchmarks/results/floods.md").write_text(whole, encoding="utf-8")
        page = ROOT / "docs/design/threats.md"
        text = page.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN, 1)
        page.write_text(f"{before}{BEGIN}\n{short}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--write", action="store_true")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
