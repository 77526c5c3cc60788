"""A table and a picture of what `clicks_under_loss.py` measured.

    python -m benchmarks.clicks.report benchmarks/results/clicks_under_loss.jsonl

The picture needs matplotlib. It shows, for each way to send a click, what share of the clicks took longer than so long.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = {
    "slidewire": "Slidewire",
    "channel": "(a) reliable data channel, aiortc",
    "peerjs": "(b) PeerJS `connect()`",
    "relay": "(c) WebSocket relay",
}
COLOURS = {"slidewire": "#0b7285", "channel": "#e8590c", "peerjs": "#ae3ec9", "relay": "#868e96"}
SHOWN = ("5 %, 50 ms", "5 % in bursts of 4, 50 ms", "20 %, 50 ms")

COLUMNS = (
    *("loss each way, round trip", "way", "clicks", "p50", "p95", "p99", "max", "lost", "twice", "late"),
    *("packets", "bytes", "idle packets/s", "idle bytes/s", "(a) / ours"),
)
EXPLAINED = """\
Milliseconds from tap to receipt. The machine's load meanwhile: {:.0f} to {:.0f}. Packets and bytes are those of IP,
both ways, of one click; what a connection costs while nobody clicks is told beside it. The last column: p99 of the
reliable channel (a) divided by ours, and where that is less than ten, the most it could be: if a click took the
round trip and nothing more."""


def quantile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


def summary(clicks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    times = sorted(click["ms"] for click in clicks if click.get("status") == "performed")
    return {
        "clicks": len(clicks),
        **{f"p{share * 100:g}": quantile(times, share) for share in (0.5, 0.95, 0.99) if times},
        "max": times[-1] if times else None,
        "lost": len(clicks) - len(times),
        "twice": sum(click.get("performed", 1) > 1 for click in clicks),
        "late": sum(click.get("late", 0) for click in clicks),
    }


@dataclass(slots=True)
class Cell:
    """A cell's last complete run."""

    clicks: dict[str, list[dict[str, Any]]]
    cost: dict[str, Any]
    commit: str
    measured: dict[str, str]

    @property
    def round_trip(self) -> float:
        return float(self.cost["round_trip"])


def read(path: Path) -> dict[str, Cell]:
    """A cell's clicks end with a line that says what it cost; without one they are from a run that was interrupted."""
    cells: dict[str, Cell] = {}
    clicks: dict[str, list[dict[str, Any]]] = {}
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            clicks = {}
            continue
        if "cost" in entry:
            cells[entry["cell"]] = Cell(clicks, entry["cost"], entry["commit"], entry["measured"])
            clicks = {}
        else:
            clicks.setdefault(entry["method"], []).append(entry)
    return cells


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def times_better(cell: Cell) -> str:
    """How many times our p99 the reliable channel's is, and the most that it can be: nothing is faster than the way."""
    if not {"slidewire", "channel"} <= cell.clicks.keys():
        return ""
    ours, theirs = (summary(cell.clicks[method])["p99"] for method in ("slidewire", "channel"))
    bound = theirs / cell.round_trip
    told = f"{theirs / ours:.1f}"
    return told if theirs >= 10 * ours else f"{told} of at most {bound:.1f}"


def table(path: Path) -> str:
    cells = read(path)
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        "|---|---|" + "--:|" * (len(COLUMNS) - 2),
    ]
    for name, cell in cells.items():
        for method, title in NAMES.items():
            if method not in cell.clicks:
                continue
            row, cost = summary(cell.clicks[method]), cell.cost.get(method, {})
            numbers = [_number(row.get(what)) for what in ("clicks", "p50", "p95", "p99", "max", "lost")]
            ours = [str(row[what]) if method == "slidewire" else "" for what in ("twice", "late")]
            prices = [
                f"{cost[what]:.{digits}f}" if cost else ""
                for what, digits in (("packets", 1), ("bytes", 0), ("idle_packets", 1), ("idle_bytes", 0))
            ]
            better = times_better(cell) if method == "slidewire" else ""
            lines.append(f"| {name} | {title} | {' | '.join([*numbers, *ours, *prices, better])} |")
    loads = [cell.cost["load"] for cell in cells.values()]
    lines += ["", EXPLAINED.format(min(loads), max(loads)), "", *goals(cells)]
    runs: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for cell in cells.values():
        here = {"commit": cell.commit, **cell.measured}
        here.pop("load", None)
        date = here.pop("date", "")
        runs.setdefault(tuple(here.items()), []).append(date)
    for parts, dates in runs.items():
        lines += [
            "",
            f"- cells: {len(dates)}, from {min(dates)} to {max(dates)}",
            *(f"- {key}: {value}" for key, value in parts),
        ]
    return "\n".join(lines) + "\n"


def goals(cells: dict[str, Cell]) -> list[str]:
    """What is asked of Slidewire, and whether it was so."""
    lines = []
    for name, cell in cells.items():
        row = summary(cell.clicks.get("slidewire", []))
        loss, round_trip = cell.cost["loss"], cell.round_trip
        asked = {}
        if loss == 5 and round_trip in (50, 100) and cell.cost["burst"] == 1:
            asked = {"p95": round_trip + 20, "p99": round_trip + 35}
        elif loss == 20:
            asked = {"p99": round_trip + 120}
        if asked and "p99" in row:
            told = ", ".join(f"{what} {row[what]:.0f} of at most {most:.0f}" for what, most in asked.items())
            held = all(row[what] <= most for what, most in asked.items())
            lines.append(f"- {name}: {told}: {'held' if held else 'not held'}")
    return lines


def picture(path: Path, shown: Sequence[str] = SHOWN) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    cells = read(path)
    shown = [cell for cell in shown if cell in cells]
    if not shown:
        return
    figure, axes = plt.subplots(1, len(shown), figsize=(4.2 * len(shown), 3.6), sharey=True, squeeze=False)
    for axis, cell in zip(axes[0], shown, strict=True):
        for method, name in NAMES.items():
            if method not in cells[cell].clicks:
                continue
            times = sorted(click.get("ms", 10_000.0) for click in cells[cell].clicks[method])
            shares = [1 - at / len(times) for at in range(len(times))]
            axis.step(times, shares, where="post", label=name.replace("`", ""), color=COLOURS[method], linewidth=1.8)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlim(40, 10_000)
        axis.set_ylim(0.001, 1)
        axis.set_xticks([50, 100, 200, 500, 1000, 2000, 5000], ["50", "100", "200", "500", "1 s", "2 s", "5 s"])
        axis.set_xticks([], minor=True)
        axis.set_title(f"{cell} round trip, loss each way", fontsize=9)
        axis.set_xlabel("from tap to receipt, ms")
        axis.grid(alpha=0.3)
    axes[0][0].set_yticks([1, 0.1, 0.05, 0.01, 0.001], ["all", "10 %", "5 %", "1 %", "0.1 %"])
    axes[0][0].set_ylabel("clicks that took longer")
    axes[0][-1].legend(fontsize=8, loc="upper right")
    figure.tight_layout()
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)


def write(path: Path) -> None:
    """The table and the picture, beside the results."""
    path.with_suffix(".md").write_text(table(path))
    try:
        picture(path)
    except ImportError:
        print("no picture: pip install matplotlib", file=sys.stderr)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    print(table(Path(sys.argv[1])))
