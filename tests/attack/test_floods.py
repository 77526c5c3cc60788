"""A show goes on while somebody at another address attacks its server.

The server with its host, the presenter and the attacker are processes of their own; the presenter clicks by way of the
server, which is the way that an attack on the server can hurt. Quiet and attack are measured in the same run.

Where the attack is large and the machine is ours (`long`), how long clicks take is compared, and what the attack costs
the server of its processor. There the attacker has a processor of its own, as it has on a machine of its own, and the
show has another, when it is quiet as when it is attacked: what an attacker takes of a processor that it shares with its
victim, no server can give back. The small ones run beside whatever else a machine does: they count what the server did
for the attacker, and its memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import re
import ssl
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from slidewire.base.base64url import encode_base64url
from slidewire.control.links import parse_link
from tests.attack.attacker import ADDRESS, EACH
from tests.support.programs import Program, programs

EVERYDAY = {"connections": 1000, "messages": 20_000}
FULL = {"connections": 50_000, "messages": 1_000_000}
CLICK_EVERY = 0.04
"""A key held down."""
MOST_GROWTH = 64 << 20
"""Bytes that one address can make the server take, however it tries: docs/design/threats.md adds them up."""
JITTER_MS = 5.0
"""What a shared machine adds to the slowest of a hundred clicks without anybody's attack."""
MOST_WORK = 0.25
"""Of one processor's time, beyond what the show itself takes; and as many seconds for what comes at once."""


@dataclass
class Show:
    server: Program
    ready: dict[str, Any]
    presenter: Program
    clicks: int = 0

    @property
    def port(self) -> int:
        return int(self.ready["port"])

    def resident(self) -> int:
        return int(Path(f"/proc/{self.server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def worked(self) -> float:
        """Seconds of processor time."""
        fields = Path(f"/proc/{self.server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def click(self, seconds: float, until: asyncio.Task[Any] | None = None) -> list[float]:
        """Click all the time; how long each took, in milliseconds."""
        loop, first, sent = asyncio.get_running_loop(), self.clicks, 0
        end = loop.time() + seconds
        while loop.time() < end or (until is not None and not until.done()):
            await self.presenter.say(f"goto {self.clicks % 2 + 1}")
            self.clicks += 1
            sent += 1
            await asyncio.sleep(CLICK_EVERY)
        receipts = (await self.presenter.receipts(self.clicks, 60))[first:]
        assert {receipt["status"] for receipt in receipts} == {"performed"}, "not a click was lost"
        return [receipt["ms"] for receipt in receipts]

    async def numbers(self) -> str:
        token = (self.server_state / "api-token").read_text().strip()
        context = ssl.create_default_context(cafile=self.ready["ca"])
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
            session.get(f"https://127.0.0.1:{self.port}/metrics", ssl=context) as answer,
        ):
            assert answer.status == 200
            return await answer.text()

    @property
    def server_state(self) -> Path:
        return Path(self.ready["ca"]).parent


@contextlib.asynccontextmanager
async def show(home: Path) -> AsyncIterator[Show]:
    async with programs(home) as started:
        options = ("--listen", "127.0.0.1", "--port", "0", "--no-turn", "--no-open")
        server = await started.start("up", *options)
        ready = await server.ready()
        presenter = await started.start("present", ready["presenter_link"], "--no-direct", "--ca", ready["ca"])
        await presenter.wait_for(event="connected")
        yield Show(server, ready, presenter)


@contextlib.contextmanager
def show_on_one_processor(apart: bool) -> Iterator[dict[str, str]]:
    """What is started meanwhile, and we ourselves. The attacker's environment, which names it another."""
    all_ = os.sched_getaffinity(0)
    if not apart or len(all_) < 2:
        yield {}
        return
    show_s, attacker_s, *_ = sorted(all_)
    os.sched_setaffinity(0, {show_s})
    try:
        yield {"ATTACKER_PROCESSOR": str(attacker_s)}
    finally:
        os.sched_setaffinity(0, all_)


async def attack(environment: dict[str, str], kind: str, *words: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.attack.attacker",
        kind,
        *words,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return dict(json.loads(said))


def p99(times: list[float]) -> float:
    return sorted(times)[max(0, math.ceil(len(times) * 0.99) - 1)]


def number(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found is not None, f"{name} is not in {text}"
    return float(found[1])


async def survive(home: Path, kind: str, count: int, full: bool) -> tuple[dict[str, Any], str, str]:
    """What became of the attack, the server's numbers after it, and its log."""
    seconds = 15.0 if full else 4.0
    async with contextlib.AsyncExitStack() as stack:
        environment = stack.enter_context(show_on_one_processor(full))
        running = await stack.enter_async_context(show(home))
        await running.click(1.0)  # warm
        began, worked = time.monotonic(), running.worked()
        quiet = await running.click(seconds)
        load = (running.worked() - worked) / (time.monotonic() - began)
        before, began, worked = running.resident(), time.monotonic(), running.worked()
        words = [str(running.port), str(count)]
        if kind == "messages":
            link = parse_link(running.ready["presenter_link"])
            words += [link.link_id, encode_base64url(link.join_token)]
        attacking = asyncio.create_task(attack(environment, kind, *words))
        attacked = await running.click(seconds, attacking)
        fates = await attacking
        took = time.monotonic() - began
        extra = running.worked() - worked - load * took
        grown, text = running.resident() - before, await running.numbers()
        after = await running.click(1.0)
        for name, times in (("quiet", quiet), ("attacked", attacked), ("after", after)):
            sys.stdout.write(
                f"{kind} {name}: {len(times)} clicks, median {statistics.median(times):.1f} ms, "
                f"p99 {p99(times):.1f} ms, longest {max(times):.1f} ms\n"
            )
        cost = f"{extra:.2f} s of work in {took:.1f} s, memory {grown / 2**20:+.1f} MiB"
        sys.stdout.write(f"{kind}: {fates}; {cost}\n")
        assert not full or extra <= MOST_WORK * (took + 1)
        assert grown <= MOST_GROWTH
        assert not full or p99(attacked) <= 2 * p99(quiet) + JITTER_MS
    return fates, text, running.server.errors


def assert_blocked_and_named(text: str, log: str, why: str) -> None:
    assert f"{ADDRESS} is blocked for 10 s: {why}" in log
    assert re.search(rf'^slidewire_block_seconds{{address="{ADDRESS}",why="[a-z ]+"}} [0-9.]+$', text, re.MULTILINE)
    assert number(text, f'slidewire_block_refused{{address="{ADDRESS}"}}') > 0
    assert "127.0.0.1 is blocked" not in log


async def many_connections(home: Path, count: int, full: bool = False) -> None:
    fates, text, log = await survive(home, "connections", count, full)
    assert_blocked_and_named(text, log, "too many connections")
    assert sum(value for name, value in fates.items() if name != "seconds") == count
    let_in = count - fates["ConnectionResetError"]
    assert let_in <= 700 + 50 * fates["seconds"], "the burst and the rate, and no more"
    assert number(text, "slidewire_remembered_addresses") <= 4, "of who only knocks nothing is remembered"


async def many_messages(home: Path, count: int, full: bool = False) -> None:
    fates, text, log = await survive(home, "messages", count, full)
    assert_blocked_and_named(text, log, "a flood of messages")
    assert fates["sockets"] >= min(50, count // EACH) - 1, "the attack was one"
    heard = number(text, "slidewire_messages_total")
    assert heard < 100 + 1000 * fates["seconds"] + 6000, "what is done for one address, and the show's own"


async def test_a_show_goes_on_while_one_address_opens_a_thousand_connections(tmp_path: Path) -> None:
    await many_connections(tmp_path, EVERYDAY["connections"])


async def test_a_show_goes_on_while_one_address_sends_twenty_thousand_messages(tmp_path: Path) -> None:
    await many_messages(tmp_path, EVERYDAY["messages"])


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_show_goes_on_while_one_address_opens_fifty_thousand_connections(tmp_path: Path) -> None:
    await many_connections(tmp_path, FULL["connections"], full=True)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_show_goes_on_while_one_address_sends_a_million_messages(tmp_path: Path) -> None:
    await many_messages(tmp_path, FULL["messages"], full=True)
