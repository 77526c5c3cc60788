"""The entries of tests/turn/test_checklist.py that are about sockets and memory, against the program itself.

The numbers are the checklist's. The kernel is in between here: what it drops of a flood is as well, and what it does
with connections that say nothing is what counts.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from slidewire.base.addresses import Address
from slidewire.diagnostics.turn_check import ClientSocket, connect, read_uri
from slidewire.turn.credentials import mint
from tests.fuzz import mutation
from tests.fuzz.codec import SEEDS
from tests.server.certificates import make_certificate
from tests.stun import test_vectors as vectors
from tests.support.programs import Program, programs
from tests.support.timing import Timing

SECRET = "0123456789abcdef" * 3
SECONDS = 5.0
MEBIBYTE = 1 << 20

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Victim:
    program: Program
    udp: int
    tls: int

    async def client(self) -> ClientSocket:
        made = mint(SECRET, "ada", time.time(), 600)
        uri = read_uri(f"turn:127.0.0.1:{self.udp}")
        line = await connect(uri, made.username, made.password, ssl.create_default_context(), SECONDS)
        answered = await line.ask(line.client.allocate(), SECONDS)
        assert answered.code == 0, "it serves those who have a login all the same"
        return line

    def resident(self) -> int:
        return int(Path(f"/proc/{self.program.process.pid}/statm").read_text().split()[1]) * 4096

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.program.process.pid}/fd").iterdir()))

    def sockets(self) -> int:
        """Without what the loop opens for itself with the first connection."""
        opened = Path(f"/proc/{self.program.process.pid}/fd").iterdir()
        return sum(str(each.readlink()).startswith("socket:") for each in opened)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def victim(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Victim]:
    folder = tmp_path_factory.mktemp("abuse")
    certificate, key, _ = make_certificate(folder, "turn")
    (folder / "secret").write_text(SECRET)
    async with programs(folder / "home") as started:
        turn = await started.start(
            "turn", "--listen", "127.0.0.1", "--port", "0", "--tls-port", "0", "--tls-cert", str(certificate),
            "--tls-key", str(key), "--secret-file", str(folder / "secret"), "--allow-peer", "127.0.0.0/8",
        )  # fmt: skip
        ready = await turn.ready()
        yield Victim(turn, ready["udp"], ready["tls"])
        assert turn.errors == ""


def flood(port: int, datagrams: list[bytes], count: int, source: str = "127.0.0.2") -> tuple[int, int]:
    """Bytes sent and bytes that came back, from one address and a few of its ports."""
    sent = heard = 0
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    for end in ends:
        end.bind((source, 0))
        end.setblocking(False)
    try:
        for number in range(count):
            end, data = ends[number % len(ends)], datagrams[number % len(datagrams)]
            try:
                end.sendto(data, ("127.0.0.1", port))
                sent += len(data)
            except BlockingIOError:
                time.sleep(0.001)
            if number % 64 == 0:
                heard += sum(drained(each) for each in ends)
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            heard += sum(drained(each) for each in ends)
            time.sleep(0.01)
    finally:
        for end in ends:
            end.close()
    return sent, heard


def drained(end: socket.socket) -> int:
    size = 0
    while True:
        try:
            size += len(end.recv(2048))
        except BlockingIOError:
            return size


class Test15Reflection:
    @pytest.mark.parametrize(
        "request_", [vectors.CHROMIUM_BINDING, vectors.CHROMIUM_ALLOCATE, vectors.COTURN_SIGNED],
        ids=["Binding", "Allocate", "signed by somebody"],
    )  # fmt: skip
    async def test_at_most_a_twentieth_comes_back(self, victim: Victim, request_: bytes) -> None:
        sent, heard = await asyncio.to_thread(flood, victim.udp, [request_], 20_000)
        assert sent > 10_000 * len(request_) and heard <= 0.05 * sent
        (await victim.client()).close()


def garbage(count: int, seed: int) -> list[bytes]:
    dice = random.Random(seed)
    return [mutation.mutated(mutation.message(dice), dice, dice.choice(SEEDS)) for _ in range(count)]


class Test24MemoryIsFlat:
    async def test_over_a_flood_of_wrong_packets(self, victim: Victim) -> None:
        await self.grows_by_less_than_a_mebibyte(victim, 60_000)

    @pytest.mark.long
    async def test_over_a_million_of_them(self, victim: Victim) -> None:
        await self.grows_by_less_than_a_mebibyte(victim, 1_000_000)

    async def grows_by_less_than_a_mebibyte(self, victim: Victim, count: int) -> None:
        datagrams = await asyncio.to_thread(garbage, 5000, 24)
        await asyncio.to_thread(flood, victim.udp, datagrams, 20_000)
        before, open_ = victim.resident(), victim.descriptors()
        for part in range(6):
            await asyncio.to_thread(flood, victim.udp, datagrams, count // 6, f"127.0.0.{10 + part}")
        assert victim.resident() - before < MEBIBYTE and victim.descriptors() <= open_
        (await victim.client()).close()


class Test19SlowStreams:
    """All at once, because each takes the ten seconds that a stream has for its first message."""

    async def test_they_are_closed_in_time(self, victim: Victim, timing: Timing) -> None:
        async def closed(port: int, first: bytes, trickle: bytes) -> float:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            began = time.monotonic()
            writer.write(first)
            end = asyncio.ensure_future(reader.read())
            left = list(trickle)
            async with asyncio.timeout(60):
                while not end.done():
                    await asyncio.wait([end], timeout=0.5)
                    if left and not end.done():
                        writer.write(bytes([left.pop(0)]))
            writer.close()
            try:
                assert end.result() == b""
                await writer.wait_closed()
            except ConnectionError:
                pass
            return time.monotonic() - began

        hello = bytes.fromhex("16030100f4010000f00303")  # the beginning of a ClientHello
        took = await asyncio.gather(
            closed(victim.udp, b"", b""),
            closed(victim.udp, b"\x00", b""),
            closed(victim.udp, b"", vectors.CHROMIUM_SIGNED),
            closed(victim.udp, b"\x00\x03\x00\x08\x21\x12", b""),
            closed(victim.tls, b"", b""),
            closed(victim.tls, hello, bytes(100)),
        )
        timing.at_least(min(took), 9, "the first to be closed")
        timing.within(max(took), 16, "the last to be closed")

    async def test_nonsense_is_closed_at_once(self, victim: Victim) -> None:
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"\x40\x00\xff\xff", b"\x00\x03\x20\x00\x21\x12\xa4\x42", b"\xff" * 9):
            reader, writer = await asyncio.open_connection("127.0.0.1", victim.udp)
            writer.write(said)
            async with asyncio.timeout(SECONDS):
                try:
                    assert await reader.read() == b""
                except ConnectionError:
                    pass
            writer.close()

    async def test_one_address_has_so_many_connections_and_no_more(self, victim: Victim) -> None:
        before, sockets = victim.descriptors(), victim.sockets()
        streams, refused = [], 0
        try:
            for _ in range(520):
                try:
                    stream = await asyncio.open_connection("127.0.0.1", victim.udp, local_addr=("127.0.0.3", 0))
                except ConnectionError:  # the reset was here before we looked
                    refused += 1
                else:
                    streams.append(stream)
            ending = {asyncio.ensure_future(ends(reader)) for reader, _ in streams}
            ended: set[asyncio.Future[bool]] = set()
            async with asyncio.timeout(SECONDS):
                while refused + len(ended) < 8:
                    done, ending = await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
                    ended |= done
            assert refused + len(ended) == 8 and victim.sockets() - sockets <= 512
            for waiting in ending:
                waiting.cancel()
            (await victim.client()).close()
        finally:
            for _, writer in streams:
                writer.transport.abort()
        async with asyncio.timeout(20):
            while victim.descriptors() > before + 8:
                await asyncio.sleep(0.05)


async def ends(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


class Test23Robustness:
    async def test_an_error_of_a_peer_ends_nothing(self, victim: Victim) -> None:
        """Nobody listens at first, and the network says so; when somebody does, the relay is as good as before."""
        line = await victim.client()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
            held.bind(("127.0.0.1", 0))
            peer = Address("127.0.0.1", held.getsockname()[1])
        assert (await line.ask(line.client.bind(0x4000, peer), SECONDS)).code == 0
        for _ in range(50):
            line.send(line.client.say_on(0x4000, b"is anybody there?"))
            line.send(line.client.say(peer, b"is anybody there?"))
        for size in (0, 1, 65_000):
            line.send(line.client.say_on(0x4000, bytes(size)))
        assert (await line.ask(line.client.refresh(600), SECONDS)).code == 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
            listening.bind(tuple(peer))
            listening.settimeout(SECONDS)
            line.send(line.client.say_on(0x4000, b"now"))
            data, relay = await asyncio.to_thread(listening.recvfrom, 2048)
            assert data == b"now"
            listening.sendto(b"yes", relay)
            async with asyncio.timeout(SECONDS):
                assert (await line.data.get()).data == b"yes"
        line.close()

    async def test_file_limits_are_raised(self, victim: Victim) -> None:
        for row in Path(f"/proc/{victim.program.process.pid}/limits").read_text().splitlines():
            if row.startswith("Max open files"):
                soft, hard = row.split()[3:5]
                assert soft == hard
                return
        raise AssertionError("the kernel does not say")


class Test21NothingElseListens:
    async def test_no_port_but_those_that_were_asked_for(self, victim: Victim) -> None:
        pid = victim.program.process.pid
        inodes = {path.readlink().name for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}
        listening = set()
        for table in ("tcp", "tcp6"):
            for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = row.split()
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                    listening.add(int(fields[1].rpartition(":")[2], 16))
        assert listening == {victim.udp, victim.tls}
