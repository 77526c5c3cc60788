"""coturn's own clients, unmodified, against `slidewire turn`. Passed: exit code 0 and no message lost.

Their peer echoes on loopback, so loopback has to be allowed by name. Over TLS the client first tries versions that are
refused, and says so; it is the result that counts.

A client takes five seconds, in which it mostly waits; so those of one subject run at once.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.server.certificates import make_certificate
from tests.support.programs import output_of, programs

SECRET = "0123456789abcdef0123456789abcdef01234567"
CHANNELS = ["-X", "-g", "-l", "160", "-n", "40", "-m", "2"]
TRANSPORTS: list[list[str]] = [[], ["-t"], ["-t", "-S"]]
"""UDP, TCP, TLS."""
MESSAGES = ["-s", "-l", "160", "-n", "40", "-m", "2"]

pytestmark = [pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Lab:
    udp: int
    tls: int
    peer: int
    wrong_secret: asyncio.Task[tuple[int, str]] | None = None
    """A client that is told again and again that it may not, beside the others: it takes ten seconds to give up."""

    async def client(self, *arguments: str, tls: bool = False, secret: str = SECRET) -> tuple[int, str]:
        """Exit code, and everything it said."""
        port = self.tls if tls else self.udp
        command = ["turnutils_uclient", "-u", "ada", "-W", secret, "-p", str(port), "-z", "5", *arguments]
        return await output_of(*command)

    async def relays(self, *arguments: str, tls: bool = False) -> None:
        code, said = await self.client(*arguments, tls=tls)
        assert code == 0, said[-2000:]
        lost = re.findall(r"Total lost packets (\d+)", said)
        assert lost and lost[-1] == "0", said[-2000:]
        sent = re.findall(r"tot_send_msgs=(\d+)", said)
        assert sent and int(sent[-1]) > 0, said[-2000:]
        assert tls or "ERROR" not in said, said[-2000:]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    tmp_path = tmp_path_factory.mktemp("coturn")
    certificate, key, _ = make_certificate(tmp_path, "turn")
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.bind(("::1", 0))
        peer_port = probe.getsockname()[1]
    peer = await asyncio.create_subprocess_exec(
        "turnutils_peer", "-L", "127.0.0.1", "-L", "::1", "-p", str(peer_port),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with programs(tmp_path / "home") as started:
            turn = await started.start(
                "turn", "--listen", "127.0.0.1", "--listen", "::1", "--port", "0", "--tls-port", "0",
                "--tls-cert", str(certificate), "--tls-key", str(key), "--secret-file", str(secret),
                "--allow-peer", "127.0.0.0/8", "--allow-peer", "::1/128",
            )  # fmt: skip
            ready = await turn.ready()
            await answers(peer_port)
            lab = Lab(ready["udp"], ready["tls"], peer_port)
            peer_of_it = ("-e", "127.0.0.1", "-r", str(peer_port), "-n", "1", "-m", "1", "127.0.0.1")
            lab.wrong_secret = asyncio.create_task(lab.client(*peer_of_it, secret="no"))
            yield lab
            lab.wrong_secret.cancel()
            await asyncio.gather(lab.wrong_secret, return_exceptions=True)
            assert turn.errors == ""
    finally:
        peer.kill()
        await peer.wait()


async def answers(port: int) -> None:
    """Wait until the echo peer is there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            while True:
                probe.sendto(b"ping", ("127.0.0.1", port))
                try:
                    async with asyncio.timeout(0.1):
                        await loop.sock_recv(probe, 100)
                except (TimeoutError, OSError):
                    continue
                return


async def test_to_a_peer_over_udp_tcp_and_tls(lab: Lab) -> None:
    """By channels and by indications."""
    peer = ["-e", "127.0.0.1", "-r", str(lab.peer), "-c", "127.0.0.1"]
    await asyncio.gather(
        *(lab.relays(*over, *how, *peer, tls="-S" in over) for how in (CHANNELS, MESSAGES) for over in TRANSPORTS)
    )


async def test_from_relay_to_relay(lab: Lab) -> None:
    between = ["-y", "-l", "160", "-n", "40", "-m", "2", "127.0.0.1"]
    await asyncio.gather(*(lab.relays(*over, *between, tls="-S" in over) for over in TRANSPORTS))


async def test_even_ports_and_reservations(lab: Lab) -> None:
    peer = ["-e", "127.0.0.1", "-r", str(lab.peer), "127.0.0.1"]
    await asyncio.gather(*(lab.relays(*over, *CHANNELS, *peer, tls="-S" in over) for over in TRANSPORTS))


@pytest.mark.parametrize("how", [CHANNELS, MESSAGES], ids=["channels", "indications"])
async def test_ipv6(lab: Lab, how: list[str]) -> None:
    """IPv6 relays, for clients over IPv4 and IPv6 on every transport."""
    await asyncio.gather(
        *(
            lab.relays(*over, *how, "-x", "-e", "::1", "-r", str(lab.peer), "-c", client, tls="-S" in over)
            for client in ("127.0.0.1", "::1")
            for over in TRANSPORTS
        )
    )


async def test_odd_ones(lab: Lab) -> None:
    """Both families at once; extra requests, some of them wrong; padded attributes."""
    peer = ["-n", "40", "-m", "2", "-e", "127.0.0.1", "-r", str(lab.peer), "-c", "127.0.0.1"]
    await asyncio.gather(
        *(
            lab.relays(*over, *odd, *peer, tls="-S" in over)
            for odd in (["-Z"], ["-G"], ["-D", "-l", "161"])
            for over in TRANSPORTS
        )
    )


async def test_a_wrong_secret(lab: Lab) -> None:
    assert lab.wrong_secret is not None
    code, said = await lab.wrong_secret
    assert code == 255, said


async def test_binding(lab: Lab) -> None:
    process = await asyncio.create_subprocess_exec(
        "turnutils_stunclient", "-p", str(lab.udp), "127.0.0.1", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0 and re.search(rb"UDP reflexive addr: 127\.0\.0\.1:\d+", said), said
