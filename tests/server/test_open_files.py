"""`slidewire serve` where the system lets it open few files: whoever comes first does not take all of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from slidewire.relay.program import within_files as relay_within_files
from slidewire.server.app import within_files
from slidewire.signaling.limits import Limits
from slidewire.turn.limits import Limits as RelayLimits
from tests.support.programs import LOOPBACK, programs

EVES, ADA = ("127.0.0.61", "127.0.0.62"), "127.0.0.67"
FEW = 256


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


@contextlib.contextmanager
def dialled(address: str, port: int, count: int) -> Iterator[list[socket.socket]]:
    """So many connections that say nothing."""
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(count):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.bind((address, 0))
            one.connect_ex(("127.0.0.1", port))
            made.append(one)
        yield made


@pytest.mark.parametrize("turn", [("--no-turn",), ("--turn-port", "0")], ids=["alone", "with its relay"])
async def test_two_addresses_do_not_take_all_files(tmp_path: Path, turn: tuple[str, ...]) -> None:
    few = ("prlimit", f"--nofile={FEW // 2}:{FEW}")
    async with programs(tmp_path / "home") as started:
        serve = await started.start("serve", *LOOPBACK, "--http", *turn, within=few)
        ready = await serve.ready()
        pid = serve.process.pid
        assert f"Max open files            {FEW} " in Path(f"/proc/{pid}/limits").read_text(), (
            "the soft limit is raised"
        )
        assert "LimitNOFILE=" in serve.errors, "and it says that this is little, and what to do"
        ports = [ready["port"]] + ([ready["turn"]["tcp"]] if ready["turn"]["tcp"] else [])
        with contextlib.ExitStack() as stack:
            for port in ports:
                for eve in EVES:
                    stack.enter_context(dialled(eve, port, FEW))
            connector = aiohttp.TCPConnector(local_addr=(ADA, 0), force_close=True)
            async with aiohttp.ClientSession(ready["https"], connector=connector) as session, asyncio.timeout(30):
                for _ in range(5):
                    async with session.get("/healthz") as answer:
                        assert answer.status == 200
            assert open_files(pid) < FEW - 16, "what is its own stays its own"
        assert "Too many open files" not in serve.errors and "Traceback" not in serve.errors


def test_limits_fit_into_the_files_there_may_be() -> None:
    assert within_files(Limits(), 1 << 20, relaying=True) == Limits()
    assert within_files(Limits(), 1024, relaying=False).held == 768
    assert within_files(Limits(), 1024, relaying=True).held == 384
    assert relay_within_files(RelayLimits(), 1 << 20) == RelayLimits()
    relay = relay_within_files(RelayLimits(), 1024)
    assert (relay.allocations, relay.streams) == (192, 192)
    assert relay.streams_per_address == relay.allocations_per_address == 48
