"""Clients that others wrote, against `slidewire turn`: aioice's, Pion's. And what a dissector thinks of the bytes."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from aioice import turn as aioice_turn

from slidewire.turn.credentials import Credential, mint
from tests.server.certificates import make_certificate
from tests.support.programs import Program, Programs, output_of, programs

SECRET = "0123456789abcdef" * 3

pytestmark = pytest.mark.timeout(120)


def login() -> Credential:
    return mint(SECRET, "ada", time.time(), 600)


async def start(started: Programs, tmp_path: Path, *more: str) -> tuple[Program, dict[str, Any]]:
    (tmp_path / "secret").write_text(SECRET)
    turn = await started.start(
        "turn",
        "--listen",
        "127.0.0.1",
        "--port",
        "0",
        "--tls-port",
        "0",
        "--secret-file",
        str(tmp_path / "secret"),
        *more,
    )
    return turn, await turn.ready()


class Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.put_nowait((data, addr))


async def aioice_pair(port: int, transport: str, trust: ssl.SSLContext | bool) -> int:
    """Two of aioice's allocations, twenty packets from one to the other and back. How many came back."""
    made = login()
    ends = [
        await aioice_turn.create_turn_endpoint(
            Inbox,
            server_addr=("127.0.0.1", port),
            username=made.username,
            password=made.password,
            lifetime=600,
            ssl=trust,
            transport=transport,
        )
        for _ in range(2)
    ]
    (one, first), (two, second) = ends
    there, here = two.get_extra_info("sockname"), one.get_extra_info("sockname")
    echoed = 0
    # A channel is bound by the first packet in each direction; until then the other end is not let through.
    two.sendto(b"hello", here)
    one.sendto(b"hello", there)
    for number in range(20):
        message = b"packet %d" % number
        async with asyncio.timeout(10):
            while True:
                one.sendto(message, there)
                try:
                    async with asyncio.timeout(0.5):
                        while (await second.heard.get())[0] != message:
                            pass
                    break
                except TimeoutError:
                    continue
            two.sendto(message, here)
            while (await first.heard.get())[0] != message:
                pass
        echoed += 1
    for transport_, _ in ends:
        transport_.close()
    return echoed


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_aioice(transport: str, tmp_path: Path) -> None:
    certificate, key, authority = make_certificate(tmp_path, "turn")
    async with programs(tmp_path / "home") as started:
        turn, ready = await start(started, tmp_path, "--tls-cert", str(certificate), "--tls-key", str(key))
        tls = transport == "tls"
        trust = ssl.create_default_context(cafile=str(authority)) if tls else False
        port = ready["tls"] if tls else ready["udp"]
        assert await aioice_pair(port, "udp" if transport == "udp" else "tcp", trust) == 20
        # aioice gives its allocations back when it closes
        for _ in range(2):
            await turn.wait_for(event="ended")
        assert turn.errors == ""


@pytest.mark.long
async def test_pion(tmp_path: Path) -> None:
    """Built from Debian's packages, without any network. Long because Go is half a gigabyte to install."""
    source = Path(__file__).parent / "pion"
    program = tmp_path / "pion"
    code, said = await output_of(
        "go", "build", "-o", str(program), str(source / "main.go"),
        GO111MODULE="off", GOPATH=f"{tmp_path}/go:/usr/share/gocode", GOCACHE=str(tmp_path / "cache"), seconds=100,
    )  # fmt: skip
    assert code == 0, said
    async with programs(tmp_path / "home") as started:
        turn, ready = await start(started, tmp_path)
        made = login()
        code, said = await output_of(
            str(program), f"127.0.0.1:{ready['udp']}", made.username, made.password, "slidewire", seconds=30
        )
        assert code == 0 and "echoed 20 of 20" in said, said
        assert [event["why"] for event in turn.events if event["event"] == "ended"] == ["deleted by the client"] * 2


@pytest.mark.lab
async def test_the_dissector_finds_nothing_malformed(tmp_path: Path) -> None:
    """Everything that aioice and `turn check` exchange with us over UDP and TCP, in the eyes of tshark."""
    capture = tmp_path / "turn.pcap"
    async with programs(tmp_path / "home") as started:
        _, ready = await start(started, tmp_path, "--relay-ip", "127.0.0.1", "--relay-ip", "::1")
        port = ready["udp"]
        recorder = await asyncio.create_subprocess_exec(
            "tcpdump", "-i", "lo", "-U", "--immediate-mode", "-Z", "root", "-w", str(capture), f"port {port}",
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert recorder.stderr is not None
        try:
            async with asyncio.timeout(10):
                while b"listening on" not in await recorder.stderr.readline():
                    pass
            assert await aioice_pair(port, "udp", False) == 20
            from slidewire.diagnostics.turn_check import TurnCheck, read_uri

            for text in (f"turn:127.0.0.1:{port}", f"turn:127.0.0.1:{port}?transport=tcp"):
                found = await TurnCheck(login().username, login().password).check(read_uri(text))
                assert found.works, found
        finally:
            recorder.terminate()
            await recorder.wait()

    async def dissect(*arguments: str) -> list[str]:
        ports = [f"udp.port=={port},stun", "-d", f"tcp.port=={port},stun"]
        code, said = await output_of("tshark", "-r", str(capture), "-d", *ports, *arguments, HOME=str(tmp_path))
        assert code == 0, said
        return [line for line in said.splitlines() if line and "Running as user" not in line]

    assert shutil.which("tshark"), "./test installs it"
    kinds = set(await dissect("-Y", "stun", "-T", "fields", "-e", "stun.type"))
    assert {"0x0001", "0x0101", "0x0003", "0x0113", "0x0103", "0x0008", "0x0108", "0x0009", "0x0109"} <= kinds
    assert {"0x0016", "0x0017", "0x0118"} <= kinds, "Send, Data, and a refused permission"
    assert len(await dissect("-Y", "stun.channel")) >= 40
    assert await dissect("-Y", "_ws.malformed") == []
