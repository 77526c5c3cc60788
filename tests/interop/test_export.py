"""What `slidewire turn export` writes, in the hands of Debian's coturn; and `slidewire turn check` on what comes of it.

This coturn is older than the one the configuration is meant for, so it warns about two options it does not know; it
has to start all the same, take our logins, and refuse every peer that we refuse.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from slidewire.base.addresses import Address
from slidewire.diagnostics.turn_check import ClientSocket, TurnCheck, connect, read_uri
from slidewire.relay.export import Export, export
from slidewire.turn.credentials import Credential, mint
from slidewire.turn.policy import networks
from tests.server.certificates import make_certificate
from tests.turn.test_checklist import DISGUISED, PUBLIC, SPECIAL_HOSTS

OLD, NEW = "0123456789abcdef" * 3, "fedcba9876543210" * 3
SECONDS = 5.0

pytestmark = pytest.mark.timeout(120)


def login(secret: str = NEW) -> Credential:
    return mint(secret, "ada", time.time(), 600)


def free_port() -> int:
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("::1", 0))
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        return int(tcp.getsockname()[1])


@contextlib.asynccontextmanager
async def coturn(what: Export, tmp_path: Path) -> AsyncIterator[tuple[Export, Path]]:
    """Started with what we export, on free ports of loopback. Yields what it was given, and its log."""
    what = replace(what, listen=("127.0.0.1", "::1"), port=free_port(), tls_port=free_port())
    config, log = tmp_path / "turnserver.conf", tmp_path / "turnserver.log"
    config.write_text(export("coturn", what))
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            "turnserver", "-c", str(config), "--log-file", "stdout", "--pidfile", str(tmp_path / "pid"),
            "--relay-ip", "127.0.0.1", "--relay-ip", "::1", "--userdb", str(tmp_path / "db"),
            stdout=sink, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    try:
        probe = read_uri(f"stun:127.0.0.1:{what.port}")
        async with asyncio.timeout(20):
            while not (await TurnCheck("", "", seconds=0.3).check(probe)).works:
                assert process.returncode is None, log.read_text(errors="replace")
        yield what, log
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def client(what: Export, family: int, secret: str = NEW) -> tuple[ClientSocket, int]:
    made = login(secret)
    uri = read_uri(f"turn:127.0.0.1:{what.port}")
    line = await connect(uri, made.username, made.password, ssl.create_default_context(), SECONDS)
    return line, (await line.ask(line.client.allocate(family), SECONDS)).code


async def code_of(line: ClientSocket, host: str) -> int:
    return (await line.ask(line.client.permit(Address(host, 5000)), SECONDS)).code


async def test_it_starts_and_takes_both_secrets(tmp_path: Path) -> None:
    async with coturn(Export("relay.example", "secret", (NEW, OLD), open=True), tmp_path) as (what, log):
        for secret, expected in ((NEW, 0), (OLD, 0), ("x" * 40, 401)):
            line, code = await client(what, 1, secret)
            assert code == expected
            line.close()
        unknown = {line.rpartition(": ")[2] for line in log.read_text().splitlines() if "Bad configuration" in line}
        assert unknown == {"unauthorized-ratelimit", "unauthorized-ratelimit-rps"}


async def test_what_we_refuse_it_refuses(tmp_path: Path) -> None:
    async with coturn(Export("relay.example", "secret", (NEW,), open=True), tmp_path) as (what, _):
        lines = {}
        for family in (1, 2):
            lines[family], code = await client(what, family)
            assert code == 0
        isatap = {"2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1"}  # no range of addresses covers these
        for host in (*SPECIAL_HOSTS, *DISGUISED):
            code = await code_of(lines[2 if ":" in host else 1], str(Address(host, 0).host))
            assert code == 403 or host in isatap, host
        for host in PUBLIC:
            if not host.startswith("64:ff9b"):
                assert await code_of(lines[2 if ":" in host else 1], host) == 0
        for line in lines.values():
            line.close()


async def test_a_closed_one_reaches_relays_alone(tmp_path: Path) -> None:
    base = Export("relay.example", "secret", (NEW,), relays=("127.0.0.1", "::1"))
    async with coturn(base, tmp_path) as (what, _):
        line, code = await client(what, 1)
        assert code == 0
        assert [await code_of(line, host) for host in ("8.8.8.8", "10.0.0.1", "127.0.0.2")] == [403, 403, 403]
        assert await code_of(line, "127.0.0.1") == 0
        line.close()


async def test_check(tmp_path: Path) -> None:
    """All three transports of a coturn that we configured; and one that nobody configured is told on."""
    certificate, key, authority = make_certificate(tmp_path, "turn")
    base = Export("relay.example", "secret", (NEW,), relays=("127.0.0.1", "::1"))
    base = replace(base, tls_cert=str(certificate), tls_key=str(key))
    trust = ssl.create_default_context(cafile=str(authority))
    checker = TurnCheck(login().username, login().password, trust=trust)
    async with coturn(base, tmp_path) as (what, _):
        for uri in (
            f"turn:127.0.0.1:{what.port}",
            f"turn:127.0.0.1:{what.port}?transport=tcp",
            f"turns:localhost:{what.tls_port}",
        ):
            found = await checker.check(read_uri(uri))
            assert found.works and found.echoed == 20, found
    careless = replace(base, open=True, allow=networks(["10.0.0.0/8", "169.254.0.0/16"]))
    async with coturn(careless, tmp_path) as (what, _):
        found = await checker.check(read_uri(f"turn:127.0.0.1:{what.port}"))
        assert not found.works and found.granted == ["10.0.0.1", "169.254.169.254"]
