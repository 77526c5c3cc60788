"""What forward error correction leaves lost and what it costs, for every scheme, beside the optimum and libwebrtc.

    python -m benchmarks.fec                  all of it, about five minutes: results/fec.md, results/fec.svg,
                                              and the figures in docs/design/fec.md
    python -m benchmarks.fec --check          only whether any mask is above libwebrtc's, on patterns new to the search

Residual loss is the share of source packets that is still missing after recovery. At random losses it is computed from
the codes' spectra (erasures.py: exact for small codes, from drawn patterns of each weight for large ones); in bursts it
is counted on drawn pieces of a Gilbert channel, repair packets right behind their block unless said otherwise.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.fec import libwebrtc_masks, report  # noqa: E402
from benchmarks.fec.channel import overweight, patterns  # noqa: E402
from benchmarks.fec.elimination import eliminate  # noqa: E402
from benchmarks.fec.erasures import Rows, heaviest, optimum, peel, residual, spectrum  # noqa: E402
from benchmarks.machine import describe  # noqa: E402
from slidewire.fec import flexfec, masks, reed_solomon, ulpfec  # noqa: E402
from slidewire.rtp.packet import Packet  # noqa: E402

LOSSES = (0.01, 0.02, 0.05, 0.1, 0.2)
UNSEEN = 7
"""Seed of patterns other than those of the search."""
SHOWN = (
    (5, 2),
    (8, 3),
    (10, 2),
    (10, 4),
    (12, 4),
    (12, 6),
    (16, 5),
    (16, 8),
    (24, 8),
    (32, 8),
    (48, 8),
    (48, 16),
    (48, 24),
)


def measured(rows: Rows, k: int, seed: int = UNSEEN, count: int = 1 << 15) -> dict[float, float]:
    m = len(rows)
    found = spectrum(rows, k, heaviest(k + m, max(LOSSES), 1e-4), count, seed)
    return {loss: residual(found, k, m, loss) for loss in LOSSES}


def check(count: int = 1 << 13) -> Iterator[tuple[int, int, float, float]]:
    """(k, m, loss, ours / libwebrtc's) for every size up to 48."""
    for k in range(1, masks.MOST + 1):
        for m in range(1, k + 1):
            enough = max(count, 1 << 16) if k <= 12 else count  # small codes may be equal but for their order
            ours = measured(masks.spread(k, m), k, count=enough)
            theirs = measured(libwebrtc_masks.rows(k, m), k, count=enough)
            yield from ((k, m, loss, ours[loss] / theirs[loss]) for loss in LOSSES)


def say_check() -> dict[str, str]:
    ratios = list(check())
    above = [entry for entry in ratios if entry[3] > 1.0 + 1e-9]
    for k, m, loss, ratio in sorted(above, key=lambda entry: -entry[3])[:20]:
        print(f"({k}, {m}) at {loss:.0%}: {ratio:.4f} of libwebrtc's", file=sys.stderr)
    at_target = [ratio for _, _, loss, ratio in ratios if loss == 0.05]
    better = [ratio for ratio in at_target if ratio < 1 - 1e-9]
    worst = max(ratio for *_, ratio in ratios)
    return {
        "sizes": f"{len(at_target)}, each at {', '.join(f'{loss:.0%}' for loss in LOSSES)} random loss",
        "above libwebrtc's": f"{len(above)} of {len(ratios)} figures, the worst {worst:.4f} times as much",
        "below libwebrtc's at 5 %": f"{len(better)} of {len(at_target)} sizes; the others are as good",
        "median at 5 %": f"{sorted(at_target)[len(at_target) // 2]:.4f} of libwebrtc's",
    }


def sizes() -> list[report.Row]:
    rows: list[report.Row] = []
    for k, m in SHOWN:
        ours, theirs = measured(masks.spread(k, m), k, count=1 << 17), measured(libwebrtc_masks.rows(k, m), k)
        cells = [f"({k}, {m})"]
        for loss in (0.01, 0.05, 0.1):
            cells += [f"{theirs[loss]:.1e}", f"**{ours[loss]:.1e}**", f"{optimum(k, m, loss):.1e}"]
        cells.append(f"{theirs[0.05] / ours[0.05]:.1f}")
        rows.append(cells)
    return rows


SCHEMES: dict[str, Callable[[int, int], Rows | None]] = {
    "libwebrtc's masks": libwebrtc_masks.rows,
    "interleaved": masks.interleaved,
    "2-D grid": lambda k, m: next(
        (masks.grid(width, k // width) for width in range(2, k) if k % width == 0 and width + k // width == m), None
    ),
    "our masks": masks.spread,
    "our masks, dealt to 4": lambda k, m: masks.dealt(k, m, 4) if m >= 4 else None,
}


def curves(k: int, burst: float, loss: float = 0.05, count: int = 20_000) -> dict[str, list[tuple[float, float]]]:
    """For each scheme (overhead, residual). In bursts everything meets the same pieces of channel."""
    found: dict[str, list[tuple[float, float]]] = {}

    def note(name: str, m: int, value: float) -> None:
        found.setdefault(name, []).append((m / k, value))

    full = (1 << count) - 1
    for m in range(1, k + 1):
        n = k + m
        lost = patterns(n, loss, burst, count, UNSEEN) if burst > 1 else []
        for name, scheme in SCHEMES.items():
            rows = scheme(k, m)
            if rows is None or (burst == 1 and name.endswith("dealt to 4")):
                continue
            if burst > 1:
                left = peel(rows, lost, full)
                note(name, m, sum(map(int.bit_count, left)) / (k * count))
                if name == "our masks":
                    note("our masks, our receiver", m, eliminate(rows, lost, left) / (k * count))
            else:
                known = spectrum(rows, k, heaviest(n, loss, 1e-7), 1 << 13, UNSEEN)
                note(name, m, residual(known, k, m, loss))
        if burst > 1:
            beyond = overweight(lost, m, full)
            note("Reed-Solomon (MDS)", m, sum((packet & beyond).bit_count() for packet in lost[:k]) / (k * count))
        else:
            note("Reed-Solomon (MDS)", m, optimum(k, m, loss))
    stays = 1 - 1 / burst if burst > 1 else loss
    for distance in (1, 2, 3):
        found.setdefault("RED, distance 1 to 3", []).append((distance, loss * stays**distance))
    return found


def over_time(loss: float = 0.05, burst: float = 4, count: int = 20_000) -> list[report.Row]:
    """Frames of eight packets and one repair packet for three, for blocks of more and more frames."""
    rows: list[report.Row] = []
    full = (1 << count) - 1
    for frames in (1, 2, 3, 6, 12):
        k, m = 8 * frames, round(8 * frames / 3)
        mixed = [at for index in range(k) for at in ["source"] + ["repair"] * ((index + 1) * m // k - index * m // k)]
        lost = patterns(2 * len(mixed), loss, burst, count, UNSEEN)
        behind = lost[: k + m]
        sources = [lost[at] for at, what in enumerate(mixed) if what == "source"]
        among = sources + [lost[len(mixed) + at] for at, what in enumerate(mixed) if what == "repair"]
        cells = [str(frames), f"({k}, {m})"]
        for where in (behind, among):
            shapes: list[Rows | None] = [
                libwebrtc_masks.rows(k, m) if k <= masks.MOST else None,
                masks.dealt(k, m, 4) if m >= 4 else masks.interleaved(k, m),
            ]
            for shape in shapes:
                if shape is None:
                    cells.append("–")
                else:
                    cells.append(f"{sum(map(int.bit_count, peel(shape, where, full))) / (k * count):.1e}")
            beyond = overweight(where, m, full)
            cells.append(f"{sum((packet & beyond).bit_count() for packet in where[:k]) / (k * count):.1e}")
        rows.append(cells)
    return rows


def speeds() -> list[report.Row]:
    dice = random.Random(1)
    rows: list[report.Row] = []

    def clock(name: str, packets: int, prepare: Callable[[], Callable[[], object]], runs: int = 600) -> None:
        """`packets`: source packets that one run protects or looks at."""
        times = []
        for _ in range(runs):
            run = prepare()
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        times.sort()
        least, median = times[0] * 1e6, times[runs // 2] * 1e6
        rows.append([name, f"{least:.0f}", f"{median:.0f}", f"{median / packets:.1f}"])

    for k, m in ((10, 4), (24, 8), (48, 16)):
        vectors = [dice.randbytes(1200) for _ in range(k)]
        sources = [Packet(96, index, 0, 1, vector[:1188]).build() for index, vector in enumerate(vectors)]
        mask = masks.spread(k, m)
        flex, ulp = flexfec.Sender(2, 49, 0), ulpfec.Sender(118, 120)
        coded = dict(enumerate(vectors + reed_solomon.encode(vectors, m)))
        packets = sources + [packet.build() for packet in flex.protect(sources, mask, 0)]

        def after_losing(count: int, k: int = k, coded: dict[int, bytes] = coded) -> dict[int, bytes]:
            lost = set(dice.sample(range(k), count))
            return {index: vector for index, vector in coded.items() if index not in lost}

        def recover(count: int, k: int = k, packets: list[bytes] = packets) -> Callable[[], object]:
            lost = set(dice.sample(range(k), count))
            arrived = [packet for index, packet in enumerate(packets) if index not in lost]
            return partial(flexfec.Receiver(2, [1]).recover, arrived)

        encode = partial(reed_solomon.encode, vectors, m)
        clock(f"Reed-Solomon encode ({k}, {m})", k, lambda run=encode: run)  # type: ignore[misc]
        clock(
            f"Reed-Solomon decode ({k}, {m}), {m} lost",
            k,
            lambda k=k, m=m, lose=after_losing: partial(reed_solomon.decode, k, m, lose(m), 1200),  # type: ignore[misc]
        )
        for name, protect in (
            ("FlexFEC", partial(flex.protect, sources, mask, 0)),
            ("ULPFEC", partial(ulp.protect, sources, mask, 0)),
        ):
            clock(f"{name} protect ({k}, {m})", k, lambda run=protect: run)  # type: ignore[misc]
        clock(f"FlexFEC recover ({k}, {m}), {m // 2} lost", k, partial(recover, m // 2))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare every mask with libwebrtc's")
    options = parser.parse_args()
    if options.check:
        for name, value in say_check().items():
            print(f"{name}: {value}")
        return
    parts = report.Parts(
        measured=describe(),
        speeds=speeds(),
        sizes=sizes(),
        check=say_check(),
        over_time=over_time(),
        random=curves(24, 1),
        bursts=curves(24, 4),
    )
    report.write(parts, ROOT)


if __name__ == "__main__":
    main()
