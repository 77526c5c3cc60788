"""What sharing a 1080p screen at 15 frames a second costs three presenters' host, beside the library without our work.

    python -m benchmarks.screen_share [--seconds 8] [--rounds 3] [--only NAME] [--write]

One X server, one process that paints on it, and one process for each contender and scene, of which the processor time
(user and system, all threads) is counted while it looks at the screen, converts and encodes. Nothing is sent: the
network costs both alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import machine
from benchmarks.quantiles import quantile
from tests.support.pictures import Decoder, as_image, likeness, slide
from tests.support.xserver import XClient, x_client, x_server

HERE = Path(__file__).parent
WIDTH, HEIGHT, FPS, VIEWERS = 1920, 1080, 15, 3
SCENES = {"still": "a still slide", "video": "a moving area, 640×360 at 25 fps", "flips": "another slide each second"}
CONTENDERS = {
    "ours VP8": "ours, VP8, three on one tier",
    "ours H264": "ours, H.264, three on one tier",
    "ours tiers": "ours, VP8, three tiers (2, 1, 0.5 Mbit/s)",
    "aiortc VP8": "aiortc, VP8",
    "aiortc H264": "aiortc, H.264",
}
WARM_UP = 2.0
TICK = 0.02
SETTLES = 1.2
"""Seconds after the end of a scene, at which what is shown is compared with what is there."""


def video(number: int) -> Image.Image:
    """One picture of a film: soft shapes that move, and a little noise."""
    large = Image.radial_gradient("L").resize((1400, 1000))
    layers = [
        large.crop((x, y, x + 640, y + 360))
        for x, y in ((number * 9 % 700, number * 5 % 600), (700 - number * 7 % 700, 300), (300, number * 11 % 600))
    ]
    return Image.blend(Image.merge("RGB", layers), Image.effect_noise((640, 360), 60).convert("RGB"), 0.06)


def upload(client: XClient, image: Image.Image) -> int:
    """Into the server, so that painting it later costs nothing."""
    pixmap = int(client.connection.generate_id())
    client.core.CreatePixmap(24, pixmap, client.root, image.width, image.height)
    context = int(client.connection.generate_id())
    client.core.CreateGC(context, pixmap, 0, [])
    row = image.width * 4
    raw = image.convert("RGBX").tobytes("raw", "BGRX")
    rows = 200_000 // row
    for top in range(0, image.height, rows):
        height = min(rows, image.height - top)
        part = raw[top * row : (top + height) * row]
        client.core.PutImage(2, pixmap, context, image.width, height, 0, top, 0, 24, len(part), part)
    client.sync()
    return pixmap


def paint(display: str) -> None:
    """Reads names of scenes and shows them; the empty name is: nothing moves any more."""
    with x_client(display) as client:
        slides = [upload(client, slide(number, WIDTH, HEIGHT)) for number in range(6)]
        film = [upload(client, video(number)) for number in range(50)]
        context = int(client.connection.generate_id())
        client.core.CreateGC(context, client.root, 0, [])

        def show(pixmap: int, x: int, y: int, width: int, height: int) -> None:
            client.core.CopyArea(pixmap, client.root, context, 0, 0, x, y, width, height)
            client.connection.flush()

        print("ready", flush=True)
        os.set_blocking(sys.stdin.fileno(), False)
        scene, step = "", 0
        while True:
            line = sys.stdin.readline()
            if line:
                scene, step = line.strip(), 0
                if scene:
                    show(slides[0], 0, 0, WIDTH, HEIGHT)
            step += 1
            if scene == "video":
                show(film[step % len(film)], 1200, 500, 640, 360)
            elif scene == "flips" and step % 25 == 0:
                show(slides[step // 25 % len(slides)], 0, 0, WIDTH, HEIGHT)
            time.sleep(1 / 25)


class Seen:
    """What one viewer got."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.delays: list[float] = []

    def take(self, frame: Any) -> None:
        self.frames.append(frame)
        self.delays.append(time.monotonic() - frame.captured)


async def ours(name: str, display: str, seconds: float) -> dict[str, float]:
    from slidewire.host.desktop.adapters import open_screen
    from slidewire.host.media.screen.share import ScreenShare
    from slidewire.media.frames import Codec

    codec = Codec.H264 if name.endswith("H264") else Codec.VP8
    rates = [2e6, 1e6, 0.5e6] if name.endswith("tiers") else [2e6] * VIEWERS
    share = ScreenShare(open_screen("screen", display), fastest=FPS)
    share.start()
    seen = [Seen() for _ in rates]
    for sink, rate in zip(seen, rates, strict=True):
        share.watch(sink, codec, rate)
    figures = await measured(seen, seconds)
    await share.stop()
    decoder = Decoder(codec)
    shown = [decoder.show(frame) for frame in seen[0].frames][-1]
    return {**figures, "likeness": likeness(shown, now_on(display))}


async def stock(name: str, display: str, seconds: float) -> dict[str, float]:
    """aiortc as its users do it: a track that takes pictures, `MediaRelay`, and for each viewer what its sender does
    with what the track yields: `encode` in a thread, which is conversion, compression and packetizing."""
    from aiortc import MediaStreamTrack
    from aiortc.codecs.h264 import H264Encoder, h264_depayload
    from aiortc.codecs.vpx import Vp8Encoder, vp8_depayload
    from aiortc.contrib.media import MediaRelay
    from av import VideoFrame
    from mss import MSS

    from slidewire.media.frames import Codec, Frame

    is_vp8 = name.endswith("VP8")
    library = MSS(display=display)
    loop = asyncio.get_running_loop()
    began = time.monotonic()

    def converted(width: int, height: int, pixels: bytes) -> VideoFrame:
        # Not left to the three encoders: they would convert the frame they share at the same time, which crashes.
        raw = VideoFrame(width, height, "bgr0")
        raw.planes[0].update(pixels)
        return raw.reformat(format="yuv420p")

    class Screen(MediaStreamTrack):  # type: ignore[misc, unused-ignore]
        kind = "video"
        count = 0

        async def recv(self) -> VideoFrame:
            self.count = max(self.count + 1, int((time.monotonic() - began) * FPS))
            await asyncio.sleep(began + self.count / FPS - time.monotonic())
            at = time.monotonic()
            shot = await loop.run_in_executor(None, library.grab, library.monitors[0])
            frame = await loop.run_in_executor(None, converted, shot.width, shot.height, bytes(shot.raw))
            frame.pts, frame.time_base = round((at - began) * 90000), Fraction(1, 90000)
            frame.opaque = at  # an encoder changes the times of the frame that it shares with the others
            return frame

    relay, track = MediaRelay(), Screen()
    seen = [Seen() for _ in range(VIEWERS)]

    async def send(sink: Seen) -> None:
        encoder: Any = Vp8Encoder() if is_vp8 else H264Encoder()
        encoder.target_bitrate = 2_000_000  # VP8 is limited to 1.5 by the library
        source = relay.subscribe(track, buffered=False)
        while True:
            frame = await source.recv()
            captured = frame.opaque
            assert isinstance(captured, float)
            payloads, timestamp = await loop.run_in_executor(None, encoder.encode, frame, False)
            if is_vp8:
                data = b"".join(map(vp8_depayload, payloads))
            else:
                data = b"".join(map(h264_depayload, payloads))
            sink.take(Frame(Codec.VP8 if is_vp8 else Codec.H264, data, timestamp, False, captured))

    tasks = [asyncio.create_task(send(sink)) for sink in seen]
    figures = await measured(seen, seconds)
    for task in tasks:
        task.cancel()
    track.stop()
    await asyncio.gather(*tasks, return_exceptions=True)
    library.close()
    decoder = Decoder(Codec.VP8 if is_vp8 else Codec.H264)
    shown = [decoder.show(frame) for frame in seen[0].frames][-1]
    return {**figures, "likeness": likeness(shown, now_on(display))}


async def measured(seen: list[Seen], seconds: float) -> dict[str, float]:
    await asyncio.sleep(WARM_UP)
    for sink in seen:
        sink.delays.clear()
    late: list[float] = []
    ticker = asyncio.create_task(tick(late))
    before = [len(sink.frames) for sink in seen]
    cpu, at = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    cpu, took = time.process_time() - cpu, time.monotonic() - at
    ticker.cancel()
    frames = [sink.frames[count:] for sink, count in zip(seen, before, strict=True)]
    delays = [delay for sink in seen for delay in sink.delays] or [float("nan")]
    print("measured", flush=True)
    await asyncio.sleep(SETTLES)
    return {
        "cpu": cpu / took * 100,
        "fps": statistics.mean(len(own) for own in frames) / took,
        "kbits": statistics.mean(sum(len(frame.data) for frame in own) for own in frames) * 8 / took / 1000,
        "p50": quantile(delays, 0.5) * 1000,
        "p99": quantile(delays, 0.99) * 1000,
        "late": quantile(late, 0.99) * 1000,
    }


async def tick(late: list[float]) -> None:
    """How late the event loop is for somebody else in the process: what a click would wait."""
    while True:
        due = time.monotonic() + TICK
        await asyncio.sleep(TICK)
        late.append(time.monotonic() - due)


def now_on(display: str) -> Image.Image:
    from slidewire.host.desktop.adapters import open_screen

    capture = open_screen("screen", display)
    picture = capture.grab()
    capture.close()
    return as_image(picture)


def run(name: str, scene: str, display: str, seconds: float, painter: subprocess.Popen[str]) -> dict[str, float]:
    assert painter.stdin is not None
    print(scene, file=painter.stdin, flush=True)
    command = [sys.executable, "-m", "benchmarks.screen_share", "--as", name, "--display", display]
    with subprocess.Popen(
        [*command, "--seconds", str(seconds)], stdout=subprocess.PIPE, text=True, cwd=HERE.parent
    ) as contender:
        assert contender.stdout is not None
        assert contender.stdout.readline() == "measured\n", f"{name} failed"
        print(file=painter.stdin, flush=True)
        figures: dict[str, float] = json.loads(contender.stdout.read())
    return figures


def compare(names: list[str], seconds: float, rounds: int) -> dict[tuple[str, str], dict[str, float]]:
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with x_server(f"{WIDTH}x{HEIGHT}", window_manager=False) as display:
        painting = [sys.executable, "-m", "benchmarks.screen_share", "--as", "painter", "--display", display]
        with subprocess.Popen(
            painting, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent
        ) as painter:
            assert painter.stdout is not None
            assert painter.stdout.readline() == "ready\n", "the painter failed"
            try:
                for number in range(rounds):
                    for scene in SCENES:
                        for name in names[number % len(names) :] + names[: number % len(names)]:
                            figures = run(name, scene, display, seconds, painter)
                            found.setdefault((scene, name), []).append(figures)
                            rounded = {key: round(value, 1) for key, value in figures.items()}
                            print(number, scene, name, rounded, flush=True)
            finally:
                painter.terminate()
    return {
        cell: {key: statistics.median(it[key] for it in figures) for key in figures[0]}
        for cell, figures in found.items()
    }


def markdown(found: dict[tuple[str, str], dict[str, float]], names: list[str], command: str) -> str:
    lines = [
        "# screen_share: results",
        "",
        f"    {command}",
        "",
        f"A screen of {WIDTH}×{HEIGHT}, at most {FPS} frames a second, {VIEWERS} viewers. Medians of the rounds.",
        "What is measured, and how, is in [the benchmarks' README](../README.md#screen_share).",
        "",
        "![Processor time per stream](screen_share.svg)",
        "",
    ]
    for scene, title in SCENES.items():
        lines += [
            f"## {title[0].upper()}{title[1:]}",
            "",
            "| | CPU in all, % | **per stream** | frames/s | kbit/s | delay p50 / p99, ms | loop late p99 | likeness |",
            "|---|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for name in names:
            it = found[scene, name]
            lines.append(
                f"| {CONTENDERS[name]} | {it['cpu']:.1f} | **{it['cpu'] / VIEWERS:.1f}** | {it['fps']:.1f} "
                f"| {it['kbits']:.0f} | {it['p50']:.0f} / {it['p99']:.0f} | {it['late']:.1f} | {it['likeness']:.1f} |"
            )
        lines.append("")
    where = machine.describe(versions=", ".join(map(" ".join, machine.versions("aiortc", "av", "mss").items())))
    return "\n".join([*lines, "## Where", "", *(f"- {key}: {value}" for key, value in where.items()), ""])


def picture(found: dict[tuple[str, str], dict[str, float]], names: list[str], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "screen_share"
    figure, axes = plt.subplots(figsize=(9, 3.6))
    height = 0.8 / len(names)
    for place, name in enumerate(names):
        values = [found[scene, name]["cpu"] / VIEWERS for scene in SCENES]
        at = [index + place * height for index in range(len(SCENES))]
        bars = axes.barh(at, values, height * 0.9, label=CONTENDERS[name], color=f"C{place}")
        axes.bar_label(bars, fmt="%.1f", fontsize=7, padding=2)
    axes.set_yticks([index + 0.4 - height / 2 for index in range(len(SCENES))], list(SCENES.values()))
    axes.invert_yaxis()
    axes.set_xlabel(f"processor time per stream, % of one processor ({WIDTH}×{HEIGHT}, {FPS} fps, {VIEWERS} viewers)")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3, axis="x")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="for each cell")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="contenders whose names start like this")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/screen_share.md and .svg")
    parser.add_argument("--as", dest="part", help=argparse.SUPPRESS)
    parser.add_argument("--display", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "painter":
        paint(options.display)
    elif options.part:
        measure = ours if options.part.startswith("ours") else stock
        print(json.dumps(asyncio.run(measure(options.part, options.display, options.seconds))))
    else:
        names = [name for name in CONTENDERS if name.startswith(options.only)]
        found = compare(names, options.seconds, options.rounds)
        command = f"python -m benchmarks.screen_share --seconds {options.seconds:g} --rounds {options.rounds} --write"
        said = markdown(found, names, command)
        print(said)
        if options.write:
            (HERE / "results" / "screen_share.md").write_text(said)
            picture(found, names, HERE / "results" / "screen_share.svg")


if __name__ == "__main__":
    main()
