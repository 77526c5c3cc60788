"""A table and a picture of what `clicks_under_loss.py` measured.

    python -m benchmarks.clicks.report benchmarks/results/clicks_under_loss.jsonl

The picture needs matplotlib. It shows, for each way to send a click, what share of the clicks took longer than so long.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAMES = {
    "slidewire": "Slidewire",
    "channel": "reliable data channel (aiortc)",
    "peerjs": "PeerJS `connect()`",
    "relay": "WebSocket relay",
}
COLOURS = {"slidewire": "#0b7285", "channel": "#e8590c", "peerjs": "#ae3ec9", "relay": "#868e96"}
SHOWN = ("5 %, 50 ms", "5 % in bursts of 4, 50 ms", "20 %, 50 ms")


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


def read(path: Path) -> tuple[dict[str, dict[str, list[dict[str, Any]]]], dict[str, Any], list[dict[str, str]]]:
    """Cell → method → clicks; cell → what it cost; where it was measured."""
    cells: dict[str, dict[str, list[dict[str, Any]]]] = {}
    costs: dict[str, Any] = {}
    measured: list[dict[str, str]] = []
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        if "measured" in entry:
            measured.append(entry["measured"])
        elif "cost" in entry:
            costs[entry["cell"]] = entry["cost"]
        else:
            cells.setdefault(entry["cell"], {}).setdefault(entry["method"], []).append(entry)
    return cells, costs, measured


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def table(path: Path) -> str:
    cells, costs, measured = read(path)
    lines = [
        "| loss each way, round trip | way | clicks | p50 | p95 | p99 | max | lost | twice | late | packets | bytes |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for cell, methods in cells.items():
        for method, name in NAMES.items():
            if method not in methods:
                continue
            row = summary(methods[method])
            cost = costs.get(cell, {}).get(method, {})
            numbers = [_number(row.get(what)) for what in ("clicks", "p50", "p95", "p99", "max", "lost")]
            ours = [str(row[what]) if method == "slidewire" else "" for what in ("twice", "late")]
            prices = [f"{cost[what]:.0f}" if cost else "" for what in ("packets", "bytes")]
            lines.append(f"| {cell} | {name} | {' | '.join(numbers + ours + prices)} |")
    loads = [cost["load"] for cost in costs.values()]
    lines.append("")
    lines.append(
        f"Milliseconds from tap to receipt. The machine's load meanwhile: {min(loads):.0f} to {max(loads):.0f}."
    )
    for each in measured:
        lines += ["", *(f"- {name}: {value}" for name, value in each.items() if name != "load")]
    return "\n".join(lines) + "\n"


def picture(path: Path, shown: Sequence[str] = SHOWN) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    cells, _, _ = read(path)
    shown = [cell for cell in shown if cell in cells]
    if not shown:
        return
    figure, axes = plt.subplots(1, len(shown), figsize=(4.2 * len(shown), 3.6), sharey=True, squeeze=False)
    for axis, cell in zip(axes[0], shown, strict=True):
        for method, name in NAMES.items():
            if method not in cells[cell]:
                continue
            times = sorted(click.get("ms", 10_000.0) for click in cells[cell][method])
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
