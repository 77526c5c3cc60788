"""How long it takes from opening a link in Chromium until a click has landed and a direct path is up, beside PeerJS.

    python -m benchmarks.page_to_click --rtt 1,20,50,100 --runs 30      needs root, for network namespaces

Every run is a newcomer: a browser profile with no cache, no connection and no TLS session. The click is made as early
as the page takes one, in the first moment after its script has run. Results go to benchmarks/results/page_to_click.md.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import gzip
import json
import math
import sys
import tempfile
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import Browser, async_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import machine as here  # noqa: E402
from benchmarks.clicks_under_loss import CHROMIUM, FIRST, End  # noqa: E402
from benchmarks.quantiles import quantile  # noqa: E402
from slidewire.testing.network import NetworkConditions  # noqa: E402
from tests.support.lab import Lab, Machine  # noqa: E402
from tests.support.programs import Programs  # noqa: E402

PATIENCE = 20_000
"""Milliseconds for anything a page is waited for."""
WARM_UP = 2
"""Runs of each kind in each cell that do not count."""

SLIDEWIRE, PEERJS = "Slidewire", "PeerJS"
STEPS = {
    SLIDEWIRE: {
        "script": "the page's script has arrived",
        "tap": "the page takes the click",
        "joined": "`joined`: in the room",
        "welcome": "`welcome`: the session stands",
        "receipt": "receipt: the click landed half a round trip ago",
        "socket open": "WebSocket open",
        "direct": "direct path up",
    },
    PEERJS: {
        "script": "the page's script has arrived",
        "peer open": "`open` of the Peer: known to the PeerServer",
        "connection open": "`open` of its DataConnection",
        "answer": "answer to the first message",
    },
}
LAST = {SLIDEWIRE: ("receipt", "direct"), PEERJS: ("answer",)}

WATCH = """
((BUTTON) => {
  const mark = (name) => {
    if (performance.getEntriesByName(name, 'mark').length === 0) performance.mark(name)
  }
  const heard = (text) => {
    if (!text) return
    const { type, data } = JSON.parse(text)
    if (type === 'joined') mark('joined')
    if (type === 'message' && /^A[g-v]/.test(data)) mark('welcome') // its first byte is 2
  }
  globalThis.WebSocket = class extends WebSocket {
    constructor(...address) {
      super(...address)
      this.addEventListener('open', () => mark('socket open'))
      this.addEventListener('message', ({ data }) => typeof data === 'string' && heard(data))
    }
  }

  const ask = globalThis.fetch
  globalThis.fetch = async (...asked) => {
    const answer = await ask(...asked)
    void answer.clone().text().then((text) => text.split('\\n').forEach(heard))
    return answer
  }

  // The first thing the presenter page's script does is to look for its elements. Once it has run, click.
  const press = () => {
    const button = document.getElementById(BUTTON)
    const at = performance.now()
    button.dispatchEvent(new PointerEvent('pointerdown', { button: 0, bubbles: true, cancelable: true }))
    if (button.disabled) performance.mark('tap', { startTime: at })
    else setTimeout(press)
  }
  const look = Document.prototype.getElementById
  Document.prototype.getElementById = function (id) {
    Document.prototype.getElementById = look
    setTimeout(press)
    return look.call(this, id)
  }
  new MutationObserver(() => {
    if (document.querySelector('[data-connection-state=direct]')) mark('direct')
    if (document.querySelector('#receipt[data-tone=good]')) mark('receipt')
  }).observe(document, { subtree: true, attributes: true, childList: true })
})
"""
MARKS = """() => {
  const [first] = performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js'))
  const marks = performance.getEntriesByType('mark').map(({ name, startTime }) => [name, startTime])
  return { script: first.responseEnd, ...Object.fromEntries(marks) }
}"""

Run = dict[str, float]
"""Milliseconds since the navigation began, by mark."""


class Setup:
    """The lab: the presenter's browser behind the weather, `slidewire up` and all that PeerJS needs on good cables."""

    def __init__(self, seed: int) -> None:
        self._open = contextlib.AsyncExitStack()
        self._lab = self._open.enter_context(Lab(seed))
        self._temporary = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="page-")))
        self._server = self._lab.machine("server")
        self._peerjs = self._lab.machine("peerjs")
        self.presenter = self._lab.machine("presenter", NetworkConditions())
        self.pages: dict[str, str] = {}

    async def __aenter__(self) -> Setup:
        programs = Programs(self._temporary / "home")
        self._open.push_async_callback(programs.close)
        first = self._server.command("setsid", "sh", "-c", f'{FIRST}; exec "$@"', "sh")
        up = await programs.start("up", "--listen", self._server.address, "--port", "8443", within=first)
        self.pages[SLIDEWIRE] = (await up.ready())["presenter_link"]
        self.pages[PEERJS] = f"https://{self._peerjs.address}:9000/connect.html"
        await self._serve_peerjs()
        self._playwright = await self._open.enter_async_context(async_playwright())
        self._browser = await self._launch(self.presenter)
        # Its own addresses are in its candidates, as Slidewire's host has them: nobody has to look up a name.
        receiving = await self._launch(self._peerjs, "--disable-features=WebRtcHideLocalIpsWithMdns")
        page = await (await receiving.new_context()).new_page()
        await page.goto(f"https://{self._peerjs.address}:9000/receiver.html")
        await page.get_by_text("ready").wait_for()
        self.chromium = self._browser.version
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _serve_peerjs(self) -> None:
        pages = self._temporary / "pages"
        build = await asyncio.create_subprocess_exec("node", str(ROOT / "benchmarks/clicks/build.mjs"), str(pages))
        if await build.wait():
            raise SystemExit("the pages were not built: npm ci in web/ and in benchmarks/clicks/ first")
        for path in [path for path in pages.rglob("*") if path.is_file()]:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))  # as Slidewire's are
        peers = await End.start(
            self._peerjs, "peers", self._peerjs.address, str(self._temporary / "certificates"), str(pages)
        )
        self._open.push_async_callback(peers.stop)

    async def _launch(self, machine: Machine, *flags: str) -> Browser:
        # Playwright's own way to ignore errors has Chromium connect a second time after each.
        trusted = ",".join(_key_hash(path) for path in self._temporary.rglob("*.pem") if _is_certificate(path))
        browser = await self._playwright.chromium.launch(
            executable_path=machine.program(CHROMIUM, first=FIRST),
            args=[
                "--no-sandbox",
                "--disable-dev-shm-usage",
                f"--ignore-certificate-errors-spki-list={trusted}",
                *flags,
            ],
        )
        self._open.push_async_callback(browser.close)
        return browser

    async def visit(self, kind: str, button: str) -> Run:
        """A newcomer opens the page and clicks once."""
        async with self._newcomer() as context:
            page = await context.new_page()
            page.on("pageerror", lambda error: print("page:", error, file=sys.stderr))
            if kind == SLIDEWIRE:
                await page.add_init_script(f"{WATCH}({button!r})")
            await page.goto(self.pages[kind], wait_until="commit")
            await page.wait_for_function(
                "all => all.every(name => performance.getEntriesByName(name, 'mark').length > 0)",
                arg=LAST[kind],
                polling=50,
                timeout=PATIENCE,
            )
            marks: Run = await page.evaluate(MARKS)
            return marks

    @contextlib.asynccontextmanager
    async def _newcomer(self) -> AsyncIterator[Any]:
        context = await self._browser.new_context()
        try:
            yield context
        finally:
            await context.close()


def _is_certificate(path: Path) -> bool:
    return b"BEGIN CERTIFICATE" in path.read_bytes()


def _key_hash(path: Path) -> str:
    key = x509.load_pem_x509_certificate(path.read_bytes()).public_key()
    return base64.b64encode(sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()


async def measure(round_trips: list[float], runs: int, seed: int) -> dict[str, Any]:
    cells: dict[float, dict[str, list[Run]]] = {}
    async with Setup(seed) as setup:
        for round_trip in round_trips:
            setup.presenter.link.set(NetworkConditions(delay=round_trip / 2000))
            cell = cells[round_trip] = {kind: [] for kind in STEPS}
            late = setup.presenter.link.lateness()
            for number in range(WARM_UP + runs):
                for kind, done in cell.items():
                    marks = await setup.visit(kind, "previous" if number % 2 else "next")
                    if number >= WARM_UP:
                        done.append(marks)
            late = [b - a for a, b in zip(late, setup.presenter.link.lateness(), strict=True)]
            print(f"{round_trip:g} ms: done, load {here.load():.2f}, forwarder lateness {late}", file=sys.stderr)
        packages = here.versions("aiortc", "aioice", "aiohttp", "uvloop")
        where = here.describe(
            browser=f"Chromium {setup.chromium}",
            packages=", ".join(f"{name} {number}" for name, number in packages.items()),
            peerjs=json.loads((ROOT / "benchmarks/clicks/package.json").read_text())["dependencies"]["peerjs"],
            runs=f"{runs} of each kind in each cell, after {WARM_UP} that do not count",
        )
    return {"where": where, "cells": cells}


def tables(result: dict[str, Any]) -> str:
    cells: dict[float, dict[str, list[Run]]] = result["cells"]
    nearest, farthest = min(cells), max(cells)
    lines = ["# From opening a link to a click that has landed", ""]
    lines += ["Made by `python -m benchmarks.page_to_click`; what is measured is in [its README](../README.md).", ""]
    heads = [f"{round_trip:g} ms" for round_trip in cells]
    for kind, steps in STEPS.items():
        lines += [f"## {kind}", "", "p50 / p95 in milliseconds since the navigation began, by round trip.", ""]
        lines += [f"| until | {' | '.join(heads)} | round trips |", "|---|" + "--:|" * (len(cells) + 1)]
        before = 0.0
        for step, words in steps.items():
            times = [[run[step] for run in cell[kind]] for cell in cells.values()]
            row = " | ".join(f"{quantile(every, 0.5):.0f} / {quantile(every, 0.95):.0f}" for every in times)
            trips = _trips(cells, kind, step)
            lines.append(f"| {words} | {row} | {trips:.1f} ({trips - before:+.1f}) |")
            before = trips
        lines.append("")
    lines += ["## Since the page's script arrived", "", "p50 / p95 in milliseconds.", ""]
    lines += [f"| | {' | '.join(heads)} |", "|---|" + "--:|" * len(cells)]
    for kind, step, words in (
        (SLIDEWIRE, "receipt", "Slidewire: receipt of the first click"),
        (SLIDEWIRE, "direct", "Slidewire: direct path up"),
        (PEERJS, "connection open", "PeerJS: DataConnection `open`"),
        (PEERJS, "answer", "PeerJS: answer to the first message"),
    ):
        times = [[run[step] - run["script"] for run in cell[kind]] for cell in cells.values()]
        row = " | ".join(f"{quantile(every, 0.5):.0f} / {quantile(every, 0.95):.0f}" for every in times)
        lines.append(f"| {words} | {row} |")
    how = f"Round trips: how much longer it takes at {farthest:g} ms than at {nearest:g} ms, by the tenth that was"
    lines += ["", how, "fastest, because it waited least for a processor; in brackets what the step adds.", ""]
    lines += [here.say(result["where"]).replace("\n", "  \n"), ""]
    return "\n".join(lines)


def _trips(cells: dict[float, dict[str, list[Run]]], kind: str, step: str) -> float:
    """Not a number where there is one distance only."""
    if len(cells) < 2:
        return math.nan
    near, far = (quantile([run[step] for run in cells[at][kind]], 0.1) for at in (min(cells), max(cells)))
    return (far - near) / (max(cells) - min(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rtt", default="1,20,50,100", help="milliseconds, one cell each")
    parser.add_argument("--runs", type=int, default=30, help="of each kind in each cell")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/page_to_click.md")
    options = parser.parse_args()
    result = asyncio.run(measure([float(word) for word in options.rtt.split(",")], options.runs, options.seed))
    said = tables(result)
    options.out.write_text(said)
    print(said)


if __name__ == "__main__":
    main()
