"""Ten thousand allocations on real sockets: held, refreshed, and gone on time, whatever became of their clients."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slidewire.aio.clock import monotonic
from slidewire.base.rates import Rate
from slidewire.relay import compiled
from slidewire.relay.compiled import CompiledPath
from slidewire.turn import attributes as t
from slidewire.turn.limits import Limits
from tests.support.relay import End, Relay, TurnClient, relaying

COUNT = 10_000
KEPT, RESTARTED, BOUND = 500, 500, 500
EARLY = 2_500
"""Clients that are killed as soon as they have an allocation: not everybody may have 20,000 files open."""
LIFETIME, MEDIUM, SHORT = 600, 15, 4
LIMITS = replace(
    Limits(), answers=Rate(1e6, 1e6), answers_total=Rate(1e6, 1e6), allocations_per_address=COUNT,
    allocations_per_user=2 * COUNT, allocations=2 * COUNT, default_lifetime=SHORT,
)  # fmt: skip


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def many_files() -> Iterator[None]:
    needed = 2 * COUNT - EARLY + RESTARTED + 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(needed, soft), max(needed, hard)))
    except (ValueError, PermissionError):
        pytest.fail(f"this test needs {needed} open files, and may have {hard}: raise the limit, or run it as root")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(params=["plain", "compiled"])
async def relay(request: pytest.FixtureRequest, many_files: None) -> AsyncIterator[Relay]:
    if request.param == "compiled" and (reason := compiled.why_not()):
        pytest.skip(f"there is no compiled data path here: {reason}")
    async with relaying(request.param, limits=LIMITS) as made:
        yield made


async def in_turns(work: Iterable[Awaitable[object]]) -> None:
    """Not more at once than the listener's buffer holds."""
    some: list[Awaitable[object]] = []
    for each in work:
        some.append(each)
        if len(some) == 64:
            await asyncio.gather(*some)
            some.clear()
    await asyncio.gather(*some)


async def come_and_go(relay: Relay, number: int) -> None:
    client = TurnClient(relay.address, f"127.2.{number // 200}.{1 + number % 200}")  # nobody gets its port again
    await client.allocate((t.LIFETIME, MEDIUM))
    client.close()


def overdue(relay: Relay) -> float:
    """By how much the latest allocation has outlived its time."""
    now = monotonic()
    return max((now - each.expires for each in relay.core.allocations), default=0.0)


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_ten_thousand(relay: Relay) -> None:
    before = descriptors()
    peer = End()
    clients = [TurnClient(relay.address, f"127.0.1.{1 + number % 200}") for number in range(COUNT - EARLY)]
    await in_turns(client.allocate((t.LIFETIME, LIFETIME)) for client in clients)
    await in_turns(come_and_go(relay, number) for number in range(EARLY))
    assert len(relay.core.allocations) == COUNT
    ports = {opened.announced for each in relay.core.allocations for opened in each.relays.values()}
    assert len(ports) == COUNT
    await in_turns(client.bind(peer.address) for client in clients[:BOUND])
    for client in (clients[0], clients[BOUND - 1]):
        client.channel(b"through")
        assert await peer.hear() == (b"through", client.relayed)
    assert descriptors() > before + 2 * COUNT - EARLY

    # All but the first have little time left; they are killed, and some of them come back on another port.
    kept, killed = clients[:KEPT], clients[KEPT:]
    await in_turns(client.refresh(SHORT) for client in killed)
    for client in killed:
        client.close()
    restarted = [TurnClient(relay.address, f"127.3.0.{1 + number % 200}") for number in range(RESTARTED)]
    await in_turns(client.allocate((t.LIFETIME, LIFETIME)) for client in restarted)
    late = 0.0
    async with asyncio.timeout(MEDIUM + 15):
        while len(relay.core.allocations) > KEPT + RESTARTED:
            late = max(late, overdue(relay))
            await asyncio.sleep(0.1)
    assert late < 2.0, "every allocation ends when its time is up"
    assert {each.client.client for each in relay.core.allocations} == {
        tuple(client.address) for client in (*kept, *restarted)
    }

    # Those that were refreshed, or came back, are as good as before.
    kept[-1].channel(b"still here")
    assert await peer.hear() == (b"still here", kept[-1].relayed)
    await in_turns(client.refresh(0) for client in (*kept, *restarted))
    assert relay.core.allocations == []
    for client in (*kept, *restarted):
        client.close()
    peer.close()
    assert descriptors() <= before
    if isinstance(relay.path, CompiledPath):
        assert relay.path.rows == 0
