"""`slidewire turn --workers`: several processes that are one relay to their clients. Real processes, real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from slidewire.base.addresses import Address
from slidewire.diagnostics.turn_check import ClientSocket, TurnCheck, read_uri
from slidewire.relay.listeners import close_all, listen_on
from slidewire.relay.metrics import Metric, counter, gauge, total
from slidewire.relay.program import TurnSettings
from slidewire.relay.workers import TurnWorkers
from slidewire.system.errors import SetupError
from slidewire.turn.limits import Limits
from tests.relay.test_operation import SECONDS, allocated, client, fetch, login, start
from tests.support.metrics import values
from tests.support.programs import programs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the option is for Linux")
MIDDLE = 57_344
"""Relays of the first worker of two are below this port, those of the second above."""


@dataclass
class Client:
    line: ClientSocket
    relayed: Address

    async def ask(self, request: bytes) -> int:
        return (await self.line.ask(request, SECONDS)).code

    async def hears(self, word: bytes) -> None:
        async with asyncio.timeout(SECONDS):
            assert (await self.line.data.get()).data == word


async def on_both(port: int) -> tuple[list[Client], list[Client]]:
    """Two clients or more at each worker."""
    first: list[Client] = []
    second: list[Client] = []
    while len(first) < 2 or len(second) < 2:
        assert len(first) + len(second) < 40, "the kernel spreads them"
        line = await client(port)
        relayed = await allocated(line)
        (first if relayed.port < MIDDLE else second).append(Client(line, relayed))
    return first, second


async def relay_between(one: Client, other: Client, channel: int, word: bytes) -> None:
    assert await one.ask(one.line.client.bind(channel, other.relayed)) == 0
    assert await other.ask(other.line.client.permit(one.relayed)) == 0
    one.line.send(one.line.client.say_on(channel, word))
    await other.hears(word)


async def gone(pids: list[int]) -> None:
    async with asyncio.timeout(20):
        while any(_runs(pid) for pid in pids):
            await asyncio.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class TestWorkers:
    async def test_clients_of_all_workers_meet_in_a_closed_relay_and_all_drain(self, tmp_path: Path) -> None:
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(started, tmp_path, "--workers", "2", "--metrics", "0", "--drain", "60")
            pids = ready["workers"]
            assert len(set(pids)) == 2 and turn.process.pid not in pids and all(map(_runs, pids))
            first, second = await on_both(ready["udp"])
            count = len(first) + len(second)
            for pid in pids:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # as to everybody in a terminal or a unit
                    os.kill(pid, number)
            await relay_between(first[0], second[0], 0x4000, b"across")
            await relay_between(second[1], first[1], 0x4000, b"and back")
            stranger = first[0].line.client.permit(Address("203.0.113.9", 4000))
            assert await first[0].ask(stranger) == 403, "and nobody else is met"
            said = values(await fetched(ready["metrics"]))
            assert said['turn_total_allocations{type="UDP"}'] == count and said["turn_workers"] == 2
            assert said["turn_allocations_made_total"] == count and said["turn_draining"] == 0

            turn.process.send_signal(signal.SIGTERM)
            await turn.wait_for(event="draining", allocations=count)
            for each in (first[0], second[0]):
                assert await each.ask(each.line.client.refresh(600)) == 0, "who is there may stay"
            late = [await client(ready["udp"]) for _ in range(8)]
            for line in late:
                assert (await line.ask(line.client.allocate(), SECONDS)).code == 508
            for each in (*first, *second):
                assert await each.ask(each.line.client.refresh(0)) == 0
            async with asyncio.timeout(20):
                assert await turn.process.wait() == 0
            await gone(pids)
            await turn.stop()  # reads to the end of what it said
            for line in (*late, *(each.line for each in (*first, *second))):
                line.close()
            assert "Traceback" not in turn.errors

    async def test_one_dies(self, tmp_path: Path) -> None:
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(started, tmp_path, "--workers", "2", "--metrics", "0")
            killed, other = ready["workers"]
            first, second = await on_both(ready["udp"])
            lost, stays, friend = first[0], second[0], second[1]
            await relay_between(stays, friend, 0x4000, b"before")
            await fetched(ready["metrics"])
            os.kill(killed, signal.SIGKILL)
            said = await turn.wait_for(event="worker_replaced", pid=killed)
            assert said["code"] == -signal.SIGKILL and _runs(said["by"]) and _runs(other)

            stays.line.send(stays.line.client.say_on(0x4000, b"undisturbed"))
            await friend.hears(b"undisturbed")
            for each in second:
                assert await each.ask(each.line.client.refresh(600)) == 0
            dead = stays.line.client.bind(0x4001, lost.relayed)
            assert await stays.ask(dead) == 403, "what was a relay is none any more"

            assert await lost.ask(lost.line.client.refresh(600)) == 437, "its nonce is known, its allocation is not"
            again = Client(lost.line, await allocated(lost.line))
            assert again.relayed.port < MIDDLE, "at the one that came in place of its own"
            await relay_between(again, stays, 0x4002, b"again")
            counted = values(await fetched(ready["metrics"]))
            made = len(first) + len(second) + 1
            assert counted["turn_allocations_made_total"] == made, "what the dead one counted still counts"
            assert counted['turn_total_allocations{type="UDP"}'] == len(second) + 1
            assert await turn.stop() == 0
            await gone([said["by"], other])
            for each in (*first, *second):
                each.line.close()

    async def test_every_transport_and_no_worker_outlives_its_parent(self, tmp_path: Path) -> None:
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(started, tmp_path, "--workers", "2")
            trust = ssl.create_default_context(cafile=ready["ca"])
            made = login()
            check = TurnCheck(made.username, made.password, trust=trust, seconds=SECONDS)
            uris = [f"turn:127.0.0.1:{ready['udp']}?transport=tcp", f"turns:localhost:{ready['tls']}?transport=tcp"]
            for uri in uris * 2:
                found = await check.check(read_uri(uri))
                assert found.works and found.echoed == 20, found
            await turn.kill()
            await gone(ready["workers"])

    async def test_a_port_is_not_shared_with_another_server(self, tmp_path: Path) -> None:
        async with programs(tmp_path / "home") as started:
            _, ready = await start(started, tmp_path, "--workers", "2")
            with pytest.raises(AssertionError, match=f"Port {ready['udp']} on 127.0.0.1 is taken"):
                await start(started, tmp_path, "--workers", "2", "--port", str(ready["udp"]))

    async def test_elsewhere_than_linux(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        with pytest.raises(SetupError, match="--workers is for Linux"):
            TurnWorkers(TurnSettings(), 2, _nothing, print)


async def fetched(port: int) -> str:
    text, _ = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics")
    return text


def _nothing() -> None:
    pass


class TestParts:
    def test_limits_are_divided(self) -> None:
        whole = Limits()
        each = whole.shared_by(3)
        for name in ("allocations", "allocations_per_user", "allocations_per_address", "streams"):
            assert getattr(whole, name) - 3 < 3 * getattr(each, name) <= getattr(whole, name)
        assert 3 * each.answers.per_second == pytest.approx(whole.answers.per_second)
        assert (each.packets, each.permissions) == (whole.packets, whole.permissions)
        assert whole.shared_by(1) == whole and Limits(streams=1).shared_by(3).streams == 1

    def test_numbers_are_added_by_their_labels(self) -> None:
        def of(**refused: float) -> list[Metric]:
            return [counter("refused_total", "Refused.", refused, "code")]

        (metric,) = total([of(c437=2, c486=1), of(c437=3), []])
        assert [(sample.name, sample.labels, sample.value) for sample in metric.samples] == [
            ("refused_total", {"code": "c437"}, 5), ("refused_total", {"code": "c486"}, 1),
        ]  # fmt: skip
        (draining,) = total([[gauge("turn_draining", "Draining.", 1.0)]] * 2)
        assert [sample.value for sample in draining.samples] == [1.0]

    def test_each_has_sockets_of_the_same_ports(self) -> None:
        made = listen_on(("127.0.0.1",), 0, 0, processes=3)
        try:
            assert len(made) == 3 and len({each.ports for each in made}) == 1
            with pytest.raises(SetupError, match="taken"):
                listen_on(("127.0.0.1",), made[0].ports[0], None)
        finally:
            close_all(made)

    def test_nothing_stays_open_if_one_cannot_be_had(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(SetupError, match="--tls-port"):
                listen_on(("127.0.0.1",), 0, port, processes=2)
