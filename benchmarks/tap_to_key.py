"""How long a tap takes: from the finger in Chromium to the key, to LibreOffice's next slide, and back to the speaker.

    python -m benchmarks.tap_to_key [--taps 500] [--json]

Every row starts in the same way: Chromium is given a real press, and the page notes the time when `pointerdown` reaches
it, before anybody else hears of it. The rows are tapped in turn, in a new random order each round, so that whatever
else the machine does hits all alike. Three processes beside the browser: this one, which taps and counts;
`tap_host.py`, in which taps end; `tap_relay.py`, the server of the plain relay.

All is one machine, so all is one clock: the page's `performance.timeOrigin + performance.now()` and Python's
`time.time()` both follow the system's. How far they agree is measured at the start and at the end, and printed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, async_playwright

from benchmarks import machine
from benchmarks.quantiles import Summary, median, ratio, summarise
from tests.support.decks import numbered_odp
from tests.support.xserver import x_server

SLIDES = 20
HELD = 0.04
"""Seconds a finger stays down."""
PAUSE, PAUSE_OF_OFFICE = 0.03, 0.15
"""Seconds of quiet after a tap: LibreOffice goes on drawing after it has said that the slide is there."""
WARM_UP = 20
"""Rounds before the first that counts: what a browser and an interpreter do the first times is another figure."""
PATIENCE = 5.0

IN_EVERY_PAGE = """
const clock = () => performance.timeOrigin + performance.now()
const bench = (globalThis.bench = { clock, tap: 0, answer: null })
bench.arm = () => {
  bench.tap = 0
  bench.answer = new Promise((done) => (bench.done = () => done(clock())))
}
globalThis.addEventListener('pointerdown', () => (bench.tap = clock()), { capture: true })
bench.watchReceipt = () => {
  const changed = { childList: true, characterData: true, subtree: true }
  new MutationObserver(() => bench.done()).observe(document.getElementById('receipt-text'), changed)
}
bench.button = (id, top, press) => {
  const button = document.createElement('button')
  button.id = id
  button.style = `position:fixed;left:0;top:${top}px;width:200px;height:100px;z-index:9;background:#1a7f37`
  // As large as Slidewire's own, and it darkens like it: the browser has as much to draw.
  button.addEventListener('pointerdown', (event) => {
    press(event)
    button.style.background = '#105938'
  })
  button.addEventListener('pointerup', () => (button.style.background = '#1a7f37'))
  document.body.append(button)
}
"""

BARE_CHANNEL = """
async (bytes) => {
  const connection = new RTCPeerConnection({ iceServers: [] })
  const channel = connection.createDataChannel('bare', { negotiated: true, id: 0, ordered: false, maxRetransmits: 0 })
  channel.binaryType = 'arraybuffer'
  channel.addEventListener('message', () => bench.done())
  const opened = new Promise((done) => channel.addEventListener('open', done))
  bench.button('bare', 0, () => channel.send(new Uint8Array(bytes)))
  await connection.setLocalDescription(await connection.createOffer())
  while (connection.iceGatheringState !== 'complete') await new Promise((done) => setTimeout(done, 10))
  bench.accept = async (sdp) => {
    await connection.setRemoteDescription({ type: 'answer', sdp })
    await opened
  }
  return connection.localDescription.sdp
}
"""

BARE_RELAY = """
async (url) => {
  const socket = new WebSocket(url)
  await new Promise((done) => socket.addEventListener('open', done))
  socket.addEventListener('message', () => bench.done())
  bench.verb = 'next'
  const press = (deck) => () => socket.send(JSON.stringify({ deck, verb: bench.verb }))
  bench.button('relay-noted', 100, press('noted'))
  bench.button('relay-keys', 200, press('keys'))
  bench.button('relay-impress', 300, press('impress'))
}
"""
INTENT_BYTES = 46
"""A sealed frame with one intent in it is as long (control.md §3, §4)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way for a tap. `ends` are the marks that are waited for. `answers`: what the page shows differs from tap to
    tap (the keys driver sees no slides, so its receipts are all alike)."""

    name: str
    page: str
    button: str
    ends: tuple[str, ...]
    office: bool = False
    answers: bool = True


ROWS = (
    Row("library", "plain", "bare", ("bare.received",)),
    Row("slidewire", "plain", "next", ("plain.perform",)),
    Row("slidewire keys", "keys", "next", ("keys.perform", "key"), answers=False),
    Row("slidewire impress", "impress", "next", ("impress.perform", "impress.slide"), office=True),
    Row("relay", "plain", "relay-noted", ("relay.received",)),
    Row("relay keys", "plain", "relay-keys", ("key",)),
    Row("relay impress", "plain", "relay-impress", ("impress.slide",), office=True),
)

REPORT = (
    ("bare data channel → Python", "library", "bare.received"),
    ("  … and back in the page", "library", "answer"),
    ("Slidewire → deck driver called", "slidewire", "plain.perform"),
    ("  … and receipt in the page", "slidewire", "answer"),
    ("plain relay → Python", "relay", "relay.received"),
    ("  … and back in the page", "relay", "answer"),
    ("Slidewire → key in the window", "slidewire keys", "key"),
    ("plain relay → key in the window", "relay keys", "key"),
    ("Slidewire → Impress on its next slide", "slidewire impress", "impress.slide"),
    ("  … and receipt in the page", "slidewire impress", "answer"),
    ("plain relay → Impress on its next slide", "relay impress", "impress.slide"),
)


class Child:
    """A process of ours that says what happens to it, line by line."""

    def __init__(self, process: asyncio.subprocess.Process, marks: dict[str, list[float]]) -> None:
        self._process = process
        self._marks = marks

    async def line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(120):
            line = (await self._process.stdout.readline()).decode()
        if not line:
            raise SystemExit("a process of the benchmark ended; its last words are above")
        return line

    async def value(self, name: str) -> Any:
        """What it says under this name, next."""
        while name not in (said := json.loads(await self.line())):
            pass
        return said[name]

    def write(self, **fields: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(fields).encode() + b"\n")

    async def read_marks(self, name: str | None = None) -> None:
        """For good: lines of times (then they are marks of that name), or objects with both."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if name is not None:
                self._marks[name].append(said)
            elif "mark" in said:
                self._marks[said["mark"]].append(said["at"])

    async def end(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 20)
        if self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


@contextlib.asynccontextmanager
async def child(
    marks: dict[str, list[float]], module: str, *arguments: str, display: str = "", speaks: bool = False
) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"benchmarks.{module}", *arguments,
        stdin=asyncio.subprocess.PIPE if speaks else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
        env={**os.environ, "DISPLAY": display},
    )  # fmt: skip
    started = Child(process, marks)
    try:
        yield started
    finally:
        await started.end()


class Finger:
    """Real presses on one page, through Chromium's own input."""

    def __init__(self, page: Page, devtools: CDPSession) -> None:
        self.page = page
        self._devtools = devtools
        self._places: dict[str, tuple[float, float]] = {}

    @classmethod
    async def on(cls, page: Page) -> Finger:
        return cls(page, await page.context.new_cdp_session(page))

    async def _place(self, button: str) -> tuple[float, float]:
        if button not in self._places:
            box = await self.page.locator(f"#{button}").bounding_box()
            assert box is not None
            self._places[button] = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        return self._places[button]

    async def tap(self, button: str, answers: bool) -> tuple[float, float]:
        """When the page felt it and when the answer was in the page, both in seconds of the system's clock."""
        x, y = await self._place(button)
        await self.page.evaluate("bench.arm()")
        await asyncio.sleep(0.01)
        mouse = {"x": x, "y": y, "button": "left", "clickCount": 1}
        await self._devtools.send("Input.dispatchMouseEvent", {"type": "mousePressed", **mouse})
        await asyncio.sleep(HELD)
        await self._devtools.send("Input.dispatchMouseEvent", {"type": "mouseReleased", **mouse})
        async with asyncio.timeout(PATIENCE):
            waited_for = "bench.answer" if answers else "Promise.resolve(0)"
            tapped, answered = await self.page.evaluate(f"{waited_for}.then((at) => [bench.tap, at])")
        return tapped / 1000, answered / 1000

    async def clock_bounds(self) -> tuple[float, float]:
        """Between how many milliseconds the page's clock is ahead of ours: we read ours before and after it."""
        low, high = -float("inf"), float("inf")
        for _ in range(100):
            before = time.time()
            there = await self.page.evaluate("bench.clock()") / 1000
            after = time.time()
            low, high = max(low, (there - after) * 1000), min(high, (there - before) * 1000)
        return low, high


class Measurement:
    def __init__(self, fingers: dict[str, Finger], marks: dict[str, list[float]]) -> None:
        self.times: dict[tuple[str, str], list[float]] = defaultdict(list)
        """Milliseconds from the tap, by row and what happened."""
        self._fingers = fingers
        self._marks = marks

    async def round(self, rows: list[Row], forward: bool, counts: bool) -> None:
        for row in rows:
            times = await self._tap(row, forward)
            if counts:
                for what, milliseconds in times.items():
                    self.times[row.name, what].append(milliseconds)

    async def _tap(self, row: Row, forward: bool) -> dict[str, float]:
        self._marks.clear()
        button = row.button
        if row.office and button == "next":
            button = "next" if forward else "previous"
        elif row.office:
            await self._fingers[row.page].page.evaluate(f"bench.verb = '{'next' if forward else 'previous'}'")
        tapped, answered = await self._fingers[row.page].tap(button, row.answers)
        ended = {what: await self._first(what) for what in row.ends}
        await asyncio.sleep(PAUSE_OF_OFFICE if row.office else PAUSE)
        return {what: (at - tapped) * 1000 for what, at in {**ended, "answer": answered}.items()}

    async def _first(self, mark: str) -> float:
        async with asyncio.timeout(PATIENCE):
            while not self._marks[mark]:  # noqa: ASYNC110  mostly it is here before the receipt
                await asyncio.sleep(0.002)
        return self._marks[mark][0]


async def open_pages(browser: Browser, links: dict[str, str]) -> dict[str, Finger]:
    fingers = {}
    for name, link in links.items():
        context = await browser.new_context(
            ignore_https_errors=True, viewport={"width": 390, "height": 844}, bypass_csp=True
        )
        page = await context.new_page()
        await page.add_init_script(IN_EVERY_PAGE)
        await page.goto(link)
        await page.locator("[data-connection-state=direct]").wait_for(timeout=20_000)
        await page.evaluate("bench.watchReceipt()")
        fingers[name] = await Finger.on(page)
    return fingers


async def measure(taps: int, folder: Path) -> dict[str, Any]:
    marks: dict[str, list[float]] = defaultdict(list)
    with x_server() as screen, x_server() as keys_screen:
        async with (
            child(marks, "tap_window", display=keys_screen) as window,
            child(marks, "tap_relay") as relay,
            contextlib.AsyncExitStack() as later,
        ):
            await window.line()
            url = f"ws://127.0.0.1:{int(await relay.line())}/ws"
            options = {
                "state": str(folder),
                "deck": str(numbered_odp(SLIDES)),
                "keys_display": keys_screen,
                "relay": url,
            }
            host = await later.enter_async_context(
                child(marks, "tap_host", json.dumps(options), display=screen, speaks=True)
            )
            links = await host.value("ready")
            playwright = await later.enter_async_context(async_playwright())
            browser = await playwright.chromium.launch(
                executable_path=_chromium(),
                args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-features=WebRtcHideLocalIpsWithMdns"],
            )
            later.push_async_callback(browser.close)
            fingers = await open_pages(browser, links)
            plain = fingers["plain"].page
            host.write(offer=await plain.evaluate(BARE_CHANNEL, INTENT_BYTES))
            answer = await host.value("answer")
            await plain.evaluate("(sdp) => bench.accept(sdp)", answer)
            await plain.evaluate(BARE_RELAY, url)

            readers = [asyncio.create_task(host.read_marks()), asyncio.create_task(window.read_marks("key"))]
            clocks = {name: [await finger.clock_bounds()] for name, finger in fingers.items()}
            loads = [machine.load()]
            measurement = Measurement(fingers, marks)
            rows, last, dice = list(ROWS), "", random.Random(1)
            half = SLIDES // 2 - 1  # two rows turn LibreOffice's pages: forward this many rounds, and back
            for number in range(WARM_UP + taps):
                dice.shuffle(rows)
                while rows[0].page == last:  # a button takes no second tap within 150 ms
                    dice.shuffle(rows)
                await measurement.round(rows, number // half % 2 == 0, counts=number >= WARM_UP)
                last = rows[-1].page
                loads.append(machine.load())
            for name, finger in fingers.items():
                clocks[name].append(await finger.clock_bounds())
            for reader in readers:
                reader.cancel()
            chromium = browser.version
    return report(measurement, clocks, loads, chromium)


def report(
    measurement: Measurement, clocks: dict[str, list[tuple[float, float]]], loads: list[float], chromium: str
) -> dict[str, Any]:
    times = measurement.times
    one_way, round_trip = "slidewire", ("slidewire", "answer")
    return {
        "where": machine.describe(
            browser=f"Chromium {chromium}",
            office=machine.program_version("soffice", "--version"),
            packages=", ".join(f"{name} {number}" for name, number in _packages().items()),
            load_during=f"{min(loads):.2f} to {max(loads):.2f}",
        ),
        "clocks_ahead_ms": clocks,
        "rows": {f"{row} · {what}": asdict(summarise(times[row, what])) for _, row, what in REPORT},
        "own_code_adds_ms": {
            "one way": median(times[one_way, "plain.perform"]) - median(times["library", "bare.received"]),
            "round trip": median(times[round_trip]) - median(times["library", "answer"]),
        },
        "of_the_relay": {
            "deck driver called": ratio(times["slidewire", "plain.perform"], times["relay", "relay.received"]),
            "key": ratio(times["slidewire keys", "key"], times["relay keys", "key"]),
            "impress": ratio(times["slidewire impress", "impress.slide"], times["relay impress", "impress.slide"]),
        },
    }


def _packages() -> dict[str, str]:
    return machine.versions("slidewire", "aiortc", "aioice", "aiohttp", "uvloop", "cryptography", "playwright")


def _chromium() -> str | None:
    return "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None  # else Playwright's own


def say(result: dict[str, Any]) -> None:
    print(machine.say(result["where"]))
    for name, bounds in result["clocks_ahead_ms"].items():
        said = ", then ".join(f"{low:+.2f} to {high:+.2f}" for low, high in bounds)
        print(f"clock of page {name!r} ahead of Python's: {said} ms")
    print(f"\n{'tap in Chromium, milliseconds until':<42}{'taps':>6}{'p50':>8}{'p99':>8}{'max':>8}")
    for words, row, what in REPORT:
        summary = Summary(**result["rows"][f"{row} · {what}"])
        print(f"{words:<42}{summary.count:>6}{summary.p50:>8.2f}{summary.p99:>8.2f}{summary.max:>8.2f}")
    own, relay = result["own_code_adds_ms"], result["of_the_relay"]
    print(f"\nOur own code adds {own['one way']:.2f} ms (p50) to the library's data channel one way,")
    print(f"and {own['round trip']:.2f} ms to the whole round trip, receipt shown.")
    print("Slidewire takes " + ", ".join(f"{value:.2f}× ({what})" for what, value in relay.items()) + " of the relay.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taps", type=int, default=500, help="of each row")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slidewire-benchmark-", ignore_cleanup_errors=True) as folder:
        result = asyncio.run(measure(options.taps, Path(folder)))
    if options.json:
        print(json.dumps(result))
    else:
        say(result)


if __name__ == "__main__":
    main()
