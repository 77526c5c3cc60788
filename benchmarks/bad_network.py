"""What the measurements of media through bad networks have in common: a page for each way in each cell, the table that
is printed as it grows, and what is written of it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from playwright.async_api import Browser, Page

from benchmarks import machine
from benchmarks.cell import Cell
from tests.support.weather_relay import WeatherRelay, weather

RESULTS = Path(__file__).parent / "results"
COLOURS = ("#0b7285", "#f59f00", "#868e96")
"""Of the ways, in their order."""


async def page_and_relay(stack: AsyncExitStack, chromium: Browser) -> tuple[Page, WeatherRelay]:
    """For one way: what a page of another way has kept or lost is nothing to it."""
    context = await chromium.new_context()
    stack.push_async_callback(context.close)
    return await context.new_page(), await stack.enter_async_context(weather(seed=1))


def passed(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """What counters counted meanwhile. What was not there before began at nothing."""
    return {name: count - before.get(name, 0.0) for name, count in after.items()}


F = TypeVar("F")
"""What was found of one way in one cell."""


@dataclass(frozen=True)
class Measurement(Generic[F]):
    name: str
    """Of the module, and of what it writes."""
    ways: tuple[str, ...]
    cells: str
    seconds: float
    settles: float
    """Seconds until the figures are steady."""
    head: tuple[str, ...]
    """Names of columns; the first two are the network and the way."""
    row: Callable[[F], list[str]]
    """The further columns."""
    measure: Callable[[Sequence[Cell], Sequence[str], float], AsyncIterator[tuple[Cell, str, F]]]
    picture: tuple[str, Callable[[dict[tuple[Cell, str], F], Path], None]] | None = None
    """What it shows, and how it is drawn."""

    def main(self, told: str | None) -> None:
        """`told`: what the module says of itself."""
        files = f"benchmarks/results/{self.name}.md" + (" and .svg" if self.picture else "")
        parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--cells", default=self.cells)
        parser.add_argument("--seconds", type=float, default=self.seconds)
        numbers = ", ".join(f"{number}: {way}" for number, way in enumerate(self.ways))
        parser.add_argument("--ways", default=",".join(map(str, range(len(self.ways)))), help=f"by number; {numbers}")
        parser.add_argument("--write", action="store_true", help=f"write {files}")
        options = parser.parse_args()
        described = machine.describe(
            chromium=machine.program_version("chromium", "--version"),
            aiortc=machine.versions("aiortc")["aiortc"],
            measured=f"{options.seconds:g} s of each, after {self.settles:g} s",
        )
        cells = [Cell.read(text) for text in options.cells.split(",")]
        ways = [self.ways[int(number)] for number in options.ways.split(",")]
        found = asyncio.run(self._run(cells, ways, options.seconds))
        described["load"] += f"; {machine.load():.2f} at the end"
        print(machine.say(described))
        if options.write:
            (RESULTS / f"{self.name}.md").write_text(self.report(found, described), encoding="utf-8")
            if self.picture:
                self.picture[1](found, RESULTS / f"{self.name}.svg")

    async def _run(self, cells: Sequence[Cell], ways: Sequence[str], seconds: float) -> dict[tuple[Cell, str], F]:
        found: dict[tuple[Cell, str], F] = {}
        print(self.table({}), end="", flush=True)
        async for cell, way, values in self.measure(cells, ways, seconds):
            found[cell, way] = values
            print(self._line(cell, way, values), flush=True)
        return found

    def table(self, found: dict[tuple[Cell, str], F]) -> str:
        lines = [_line(self.head), _line(["---", "---", *(["--:"] * (len(self.head) - 2))])]
        return "\n".join([*lines, *(self._line(*cell, values) for cell, values in found.items())]) + "\n"

    def _line(self, cell: Cell, way: str, values: F) -> str:
        return _line([str(cell), way, *self.row(values)])

    def report(self, found: dict[tuple[Cell, str], F], described: dict[str, str]) -> str:
        lines = [
            f"# {self.name}: results",
            "",
            f"By `python -m benchmarks.{self.name} --write`; [the README](../README.md#{self.name}) explains it.",
            "",
            *([f"![{self.picture[0]}]({self.name}.svg)", ""] if self.picture else []),
            self.table(found),
            *(f"- {name}: {value}" for name, value in described.items()),
        ]
        return "\n".join(lines) + "\n"


def _line(words: Sequence[str]) -> str:
    return f"| {' | '.join(words)} |"


@contextmanager
def drawing(path: Path, panels: int, width: float) -> Iterator[list[Any]]:
    """Panels side by side, to be filled; then they are written. The same figures make the same file."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = path.stem
    figure, axes = plt.subplots(1, panels, squeeze=False, figsize=(width, 4.2), layout="constrained")
    yield list(axes[0])
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def bars(panel: Any, found: dict[tuple[Cell, str], F], height: Callable[[F], float]) -> None:
    """A group for each cell, a bar for each way."""
    cells = list(dict.fromkeys(cell for cell, _ in found))
    ways = list(dict.fromkeys(way for _, way in found))
    width = 0.8 / len(ways)
    for index, (way, colour) in enumerate(zip(ways, COLOURS, strict=False)):
        places = [place + width * index for place in range(len(cells))]
        panel.bar(places, [height(found[cell, way]) for cell in cells], width, label=way, color=colour)
    names = [str(cell).replace(", ", ",\n").replace(" in ", "\nin ") for cell in cells]
    panel.set_xticks([place + 0.4 - width / 2 for place in range(len(cells))], names, fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)
