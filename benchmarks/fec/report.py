"""The tables and the picture of `python -m benchmarks.fec`. The picture needs matplotlib."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Row = Sequence[str]
Curves = Mapping[str, Sequence[tuple[float, float]]]

COLOURS = {
    "libwebrtc's masks": "#e8590c",
    "interleaved": "#868e96",
    "2-D grid": "#ae3ec9",
    "our masks": "#0b7285",
    "our masks, dealt to 4": "#37b24d",
    "our masks, our receiver": "#66d9e8",
    "Reed-Solomon (MDS)": "#212529",
    "RED, distance 1 to 3": "#f59f00",
}
BEGIN, END = "<!-- figures: python -m benchmarks.fec -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True)
class Parts:
    measured: Mapping[str, str]
    sizes: Sequence[Row]
    check: Mapping[str, str]
    over_time: Sequence[Row]
    random: Curves
    bursts: Curves
    speeds: Sequence[Row]


def table(head: Row, rows: Sequence[Row]) -> str:
    lines = [head, ["---", *(["--:"] * (len(head) - 1))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def sizes(parts: Parts) -> str:
    head = ["(k, m)"]
    for loss in ("1 %", "5 %", "10 %"):
        head += [f"{loss}: libwebrtc", "ours", "MDS"]
    return table([*head, "times fewer at 5 %"], parts.sizes)


def over_time(parts: Parts) -> str:
    head = ["frames", "(k, m)"]
    for where in ("behind", "among the next"):
        head += [f"{where}: libwebrtc", "dealt to 4", "MDS"]
    return table(head, parts.over_time)


def overheads(parts: Parts) -> str:
    wanted = (1 / 6, 1 / 4, 1 / 3, 1 / 2, 1.0)
    rows = []
    for channel, curves in (("random", parts.random), ("bursts of 4", parts.bursts)):
        for name, points in curves.items():
            near = [next((value for at, value in points if abs(at - overhead) < 1e-9), None) for overhead in wanted]
            if any(near):
                rows.append([f"{channel}: {name}", *("–" if value is None else f"{value:.1e}" for value in near)])
    return table(["overhead", *(f"{overhead:.0%}" for overhead in wanted)], rows)


def markdown(parts: Parts) -> str:
    return f"""# Forward error correction

Share of source packets that stays lost. `python -m benchmarks.fec`

![Residual loss against overhead](fec.svg)

## Masks, at random loss

A block of k source packets and m repair packets, all lost independently; the receiver peels, as Chromium's does. MDS
is Reed-Solomon's, which recovers a block whenever k of its packets came, and otherwise nothing.

{sizes(parts)}
All sizes up to 48 source packets, on patterns that the search for the masks has not seen:

{"".join(f"- {name}: {value}" + chr(10) for name, value in parts.check.items())}
## Every scheme, k = 24 (RED: per packet), 5 % loss

{overheads(parts)}
## Bursts of 4 on average, 5 % loss, one repair packet for three source packets, eight packets a frame

"Behind": repair packets are sent right behind their block. "Among the next": evenly between the next block's packets.

{over_time(parts)}
## Time, packets of 1200 bytes, in µs

{table(["what", "least", "median", "median per source packet"], parts.speeds)}
{"".join(f"- {name}: {value}" + chr(10) for name, value in parts.measured.items())}"""


def summary(parts: Parts) -> str:
    """What docs/design/fec.md shows."""
    return f"{sizes(parts)}\n{over_time(parts)}"


def picture(parts: Parts, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "fec"
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.2), sharey=True)
    for axis, curves, title in (
        (axes[0], parts.random, "5 % loss at random"),
        (axes[1], parts.bursts, "5 % loss in bursts of 4"),
    ):
        for name, points in curves.items():
            shown = [(100 * at, value) for at, value in points if at <= 1 and value > 0]
            points_only = name.startswith(("2-D", "RED"))
            axis.plot(
                *zip(*shown, strict=True),
                label=name,
                color=COLOURS[name],
                linewidth=1.7,
                linestyle="none" if points_only else "--" if name == "interleaved" else "-",
                marker="o" if points_only else None,
                markersize=4,
            )
        axis.set_yscale("log")
        axis.set_ylim(1e-6, 0.05)
        axis.set_xlim(0, 100)
        axis.set_xlabel("overhead, repair packets per 100 source packets")
        axis.set_title(f"{title}, blocks of 24 source packets", fontsize=10)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("source packets that stay lost")
    axes[1].legend(fontsize=8, loc="lower left")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def write(parts: Parts, root: Path) -> None:
    results = root / "benchmarks/results"
    (results / "fec.md").write_text(markdown(parts))
    page = root / "docs/design/fec.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{summary(parts)}\n{END}{after}")
    try:
        picture(parts, results / "fec.svg")
    except ImportError:
        print("no picture: pip install matplotlib", file=sys.stderr)
