"""How long a lone click takes on a bad network, from a tap in Chromium until the page has its answer, beside other ways
to send one.

    python benchmarks/clicks_under_loss.py                             every cell; needs root, for network namespaces
    python benchmarks/clicks_under_loss.py --cells 5:50,20:50:4        some

What was measured at this commit is not measured again (--again): an interrupted run goes on where it was.

A cell is LOSS:RTT or LOSS:RTT:BURST: loss in percent each way, round trip in milliseconds, mean length of a loss burst
in packets. Many presenters click at once, each now and then, each over a connection and a room of its own; loss bursts
hit each connection by itself, as if it were alone on its link. Results go to benchmarks/results/: every click as a JSON
line, a table, and a picture.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import Error as PlaywrightError

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cell import Cell  # noqa: E402
from benchmarks.clicks import report  # noqa: E402
from benchmarks.machine import describe, program_version, versions  # noqa: E402
from slidewire.testing.network import NetworkConditions  # noqa: E402
from tests.support.lab import TCP, Lab, Machine  # noqa: E402

GRID = ",".join(
    f"{loss}:{rtt}{burst}"
    for rtt in (20, 50, 150)
    for burst in ("", ":4")
    for loss in (0, 1, 5, 10, 20)
    if loss or not burst
)
"""Loss 0 to 20 %, single and in bursts, at three distances; and those of the goals that are at a fourth."""
CELLS = f"{GRID},5:100,20:100"
ATTEMPTS = 2
TIME_TO_LIVE = 2.0
PAUSE = (1000, 1500)
"""Milliseconds from one click of a presenter to its next."""
PATIENCE = 10_000
"""Milliseconds until a click counts as lost."""
IDLE = 8.0
CHROMIUM = "/usr/bin/chromium"
FIRST = "echo -18 > /proc/$$/autogroup"
"""Of what runs on this machine meanwhile, the benchmark comes first: it is the network that is to be measured."""


class End:
    """A process on a machine of the lab, spoken to by JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.ready: Any = None

    @classmethod
    async def start(cls, machine: Machine, *arguments: str) -> End:
        command = machine.command(sys.executable, "-m", "benchmarks.clicks.ends", *arguments)
        command = ["setsid", "sh", "-c", f'{FIRST}; exec "$@"', "sh", *command]
        end = cls(
            await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 26
            )
        )
        end.ready = await end._read()
        return end

    async def ask(self, value: Any = None) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        return await self._read()

    async def _read(self) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("an end of the benchmark has ended")
        return json.loads(line)

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


class Setup:
    """The lab with everything in it: a presenter's machine behind the weather, servers and hosts on good cables."""

    def __init__(self, presenters: int, seed: int) -> None:
        self.presenters = presenters
        self._open = contextlib.AsyncExitStack()
        self.lab = self._open.enter_context(Lab(seed))
        self._temporary = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="clicks-")))
        self.server = self.lab.machine("server")
        self.host = self.lab.machine("host")
        self.presenter = self.lab.machine("presenter", NetworkConditions())
        self.presenter.link.separate_flows()
        self.channel_host = self.lab.machine("channel host")
        self.peerjs_host = self.lab.machine("peerjs host")
        self.relay = self.lab.machine("relay")
        self.hosts: End
        self.addresses = {
            self.server.address: "slidewire",
            self.host.address: "slidewire",
            self.channel_host.address: "channel",
            self.peerjs_host.address: "peerjs",
            self.relay.address: "relay",
        }

    async def __aenter__(self) -> Setup:
        pages = self._temporary / "pages"
        build = await asyncio.create_subprocess_exec("node", str(ROOT / "benchmarks/clicks/build.mjs"), str(pages))
        if await build.wait():
            raise SystemExit("the pages were not built: npm ci in web/ and in benchmarks/clicks/ first")
        state = self._temporary / "state"
        self._server = await self._start(self.server, "server", self.server.address, str(state), str(pages))
        url, ca = self._server.ready["url"], self._server.ready["ca"]
        self.url = url
        self.hosts = await self._start(self.host, "hosts", url, ca, str(state / "hosts"), str(self.presenters))
        certificates = str(self._temporary / "certificates")
        self._channels = await self._start(self.channel_host, "channels")
        self._relay = await self._start(self.relay, "relay", self.relay.address, certificates)
        await self._start(self.relay, "answerer", self._relay.ready["url"])
        await self._start(self.peerjs_host, "peers", self.peerjs_host.address, certificates, str(pages))
        self._playwright = await self._open.enter_async_context(async_playwright())
        self._browser = await self._launch(self.presenter)
        self._receiving = await self._launch(self.peerjs_host)
        return self

    async def _launch(self, machine: Machine) -> Browser:
        browser = await self._playwright.chromium.launch(
            executable_path=machine.program(CHROMIUM, first=FIRST),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-features=WebRtcHideLocalIpsWithMdns"],
        )
        self._open.push_async_callback(browser.close)
        return browser

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _start(self, machine: Machine, *arguments: str) -> End:
        end = await End.start(machine, *arguments)
        self._open.push_async_callback(end.stop)
        return end

    @contextlib.asynccontextmanager
    async def page(self, methods: Sequence[str]) -> AsyncIterator[Page]:
        """A page with every presenter connected."""
        async with _page(self._browser, f"{self.url}/p/bench") as page:
            await page.wait_for_function("globalThis.bench")
            if "slidewire" in methods:
                await page.evaluate("links => bench.slidewire(links)", self.hosts.ready["links"])
            if "channel" in methods:
                offers = await page.evaluate("count => bench.offers(count)", self.presenters)
                await page.evaluate("all => bench.answers(all)", await self._channels.ask(offers))
            if "relay" in methods:
                url = self._relay.ready["url"]
                await page.evaluate("([url, count]) => bench.relay(url, count)", [url, self.presenters])
            if "peerjs" not in methods:
                yield page
                return
            address = self.peerjs_host.address
            async with _page(self._receiving, f"https://{address}:9000/receiver.html") as receiver:
                await receiver.get_by_text("ready").wait_for()
                await page.evaluate("([host, count]) => bench.peerjs(host, count)", [address, self.presenters])
                yield page


@contextlib.asynccontextmanager
async def _page(browser: Browser, url: str) -> AsyncIterator[Page]:
    context = await browser.new_context(ignore_https_errors=True, bypass_csp=True)
    try:
        page = await context.new_page()
        page.on("pageerror", lambda error: print("page:", error, file=sys.stderr))
        await page.goto(url)
        yield page
    finally:
        await context.close()


class Traffic(NamedTuple):
    packets: int = 0
    bytes: int = 0

    def since(self, before: Traffic) -> Traffic:
        return Traffic(self.packets - before.packets, self.bytes - before.bytes)


def traffic(setup: Setup) -> dict[str, Traffic]:
    total = dict.fromkeys(setup.addresses.values(), Traffic())
    for (_, address), count in setup.presenter.link.counts().items():
        if (method := setup.addresses.get(address)) is not None:
            total[method] = Traffic(total[method].packets + count.packets, total[method].bytes + count.bytes)
    return total


async def run_cell(
    setup: Setup, cell: Cell, methods: Sequence[str], clicks: int, first: int, without_server: bool
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Every click of the cell, and what it cost."""
    link = setup.presenter.link
    link.set(cell.calm)
    each = -(-clicks // setup.presenters)
    async with setup.page(methods) as page:
        await asyncio.sleep(3.0)  # connections have just been made: let what follows that settle
        if without_server:
            link.block(TCP)
        idle_before, idle_since = traffic(setup), time.monotonic()
        link.set(cell.weather)
        await asyncio.sleep(IDLE)
        before, cpu, start = traffic(setup), setup.hosts.cpu_seconds(), time.monotonic()
        idled = start - idle_since
        lateness = link.lateness()
        every = await page.evaluate(
            "([each, shortest, longest, first, patience]) => bench.click(each, shortest, longest, first, patience)",
            [each, *PAUSE, first, PATIENCE],
        )
        took = time.monotonic() - start
        after = traffic(setup)
        cost: dict[str, Any] = {
            "loss": cell.loss,
            "round_trip": cell.round_trip,
            "burst": cell.burst,
            "took": took,
            "load": os.getloadavg()[0],
            "host_cpu": (setup.hosts.cpu_seconds() - cpu) / took,
            "lateness": [b - a for a, b in zip(lateness, link.lateness(), strict=True)],
        }
        for method in after:
            count = sum(click["method"] == method for click in every)
            if count and not without_server:  # else there is TCP that knocks in vain, and more of it as time passes
                idle, busy = before[method].since(idle_before[method]), after[method].since(before[method])
                resting = took / idled
                cost[method] = {
                    "packets": (busy.packets - idle.packets * resting) / count,
                    "bytes": (busy.bytes - idle.bytes * resting) / count,
                    "idle_packets": idle.packets / idled / setup.presenters,
                    "idle_bytes": idle.bytes / idled / setup.presenters,
                }
        link.set(cell.calm)
    link.block()
    told = (await setup.hosts.ask())["told"]
    for click in every:
        if click["method"] == "slidewire":
            times = [at for number, at in told[click["presenter"]] if number == click["number"]]
            click["performed"] = len(times)
            click["late"] = sum(at > click["at"] / 1000 + TIME_TO_LIVE + 0.005 for at in times)
    return every, cost


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default=CELLS, help="LOSS:RTT[:BURST],…")
    parser.add_argument("--clicks", type=int, default=1000, help="per cell and method, at least")
    parser.add_argument("--methods", default="slidewire,channel,peerjs,relay")
    parser.add_argument("--presenters", type=int, default=16, help="at once, of each method")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-server", action="store_true", help="the direct path alone: TCP is cut once it is up")
    parser.add_argument("--again", action="store_true", help="measure also what was measured at this commit")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/clicks_under_loss.jsonl")
    options = parser.parse_args()
    options.out.parent.mkdir(exist_ok=True)
    commit = commit_of(ROOT)
    known = report.read(options.out) if options.out.exists() else {}
    done = {name for name, cell in known.items() if cell.commit == commit and not options.again}
    waiting = [cell for cell in map(Cell.read, options.cells.split(",")) if named(cell, options) not in done]
    attempts: Counter[str] = Counter()
    while waiting:
        try:
            async with Setup(options.presenters, options.seed) as setup:
                first = 1
                while waiting:
                    cell = waiting[0]
                    every, cost = await run_cell(
                        setup, cell, options.methods.split(","), options.clicks, first, options.without_server
                    )
                    first += -(-options.clicks // options.presenters)
                    keep(options.out, named(cell, options), commit, every, cost)
                    tell(cell, every, cost)
                    waiting.pop(0)
        except (PlaywrightError, RuntimeError, OSError, TimeoutError) as error:
            # One end of one of the ways has died: everything is set up anew.
            print(f"{waiting[0]}: {type(error).__name__}: {str(error).splitlines()[:1]}", flush=True)
            attempts[str(waiting[0])] += 1
            if attempts[str(waiting[0])] >= ATTEMPTS:
                print(f"{waiting.pop(0)}: not measured", flush=True)
    report.write(options.out)


def named(cell: Cell, options: argparse.Namespace) -> str:
    return f"{cell}, direct path alone" if options.without_server else str(cell)


def commit_of(root: Path) -> str:
    """Results belong to a commit; one with changes on top of it counts as another."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "src", "web/src", "benchmarks", ":!benchmarks/results")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


def keep(path: Path, name: str, commit: str, every: list[dict[str, Any]], cost: dict[str, Any]) -> None:
    """All of a cell at once: what says what it cost stands last, and makes it whole."""
    libraries = versions("aiortc", "aioice")
    measured = describe(
        chromium=program_version(CHROMIUM, "--version"),
        libraries=", ".join(f"{name} {number}" for name, number in libraries.items()),
        peerjs=json.loads((ROOT / "benchmarks/clicks/package.json").read_text())["dependencies"]["peerjs"],
    )
    lines: list[dict[str, Any]] = [{"cell": name, **click} for click in every]
    lines.append({"cell": name, "commit": commit, "cost": cost, "measured": measured})
    with path.open("a") as out:
        out.write("".join(json.dumps(line) + "\n" for line in lines))


def tell(cell: Cell, every: list[dict[str, Any]], cost: dict[str, Any]) -> None:
    for method in sorted({click["method"] for click in every}):
        row = report.summary([click for click in every if click["method"] == method])
        print(f"{cell!s:32} {method:12} {row} {cost.get(method)}")
    paths = Counter(click.get("path") for click in every if click["method"] == "slidewire")
    print(
        f"    {cost['took']:.0f} s, load {cost['load']:.1f}, host CPU {cost['host_cpu']:.2f}, "
        f"forwarder lateness {cost['lateness']}, receipts by {dict(paths)}",
        flush=True,
    )


if __name__ == "__main__":
    asyncio.run(main())
