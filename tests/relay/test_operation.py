"""`slidewire turn` as its operator meets it: signals, files that change, numbers, the log, the check."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import ssl
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from slidewire.base.addresses import Address
from slidewire.diagnostics.turn_check import CheckError, ClientSocket, TurnCheck, connect, read_uri
from slidewire.relay.event_log import LINES, TurnLog
from slidewire.relay.metrics import Metric
from slidewire.relay.metrics_listener import MetricsListener
from slidewire.system.errors import SetupError
from slidewire.turn.credentials import Credential, mint
from slidewire.turn.effects import Report
from slidewire.turn.five_tuple import FiveTuple, Transport
from slidewire.turn.policy import networks
from tests.server.certificates import make_certificate
from tests.support.metrics import values
from tests.support.programs import Program, Programs, programs

SECRET, OTHER = "0123456789abcdef" * 3, "fedcba9876543210" * 3
SECONDS = 5.0


def login(secret: str = SECRET) -> Credential:
    return mint(secret, "ada", time.time(), 600)


async def client(port: int, *, secret: str = SECRET, tls: ssl.SSLContext | None = None) -> ClientSocket:
    scheme = "turn" if tls is None else "turns"
    made = login(secret)
    trust = tls or ssl.create_default_context()
    return await connect(read_uri(f"{scheme}:127.0.0.1:{port}"), made.username, made.password, trust, SECONDS)


async def allocated(line: ClientSocket) -> Address:
    answered = await line.ask(line.client.allocate(), SECONDS)
    assert answered.code == 0 and answered.relayed is not None
    return answered.relayed


async def start(started: Programs, tmp_path: Path, *more: str) -> tuple[Program, dict[str, Any]]:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    turn = await started.start(
        "turn", "--listen", "127.0.0.1", "--port", "0", "--tls-port", "0", "--secret-file", str(secret), *more
    )
    return turn, await turn.ready()


class TestReload:
    async def test_secrets_and_certificates_without_dropping_anybody(self, tmp_path: Path) -> None:
        certificate, key, authority = make_certificate(tmp_path, "turn")
        trust = ssl.create_default_context(cafile=str(authority))
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(started, tmp_path, "--tls-cert", str(certificate), "--tls-key", str(key))
            udp, tls = await client(ready["udp"]), await client(ready["tls"], tls=trust)
            await allocated(udp)
            await allocated(tls)
            _, _, new_authority = make_certificate(tmp_path, "turn")
            (tmp_path / "secret").write_text(f"{OTHER}\n")
            turn.process.send_signal(signal.SIGHUP)
            trust = ssl.create_default_context(cafile=str(new_authority))
            async with asyncio.timeout(20):
                while True:
                    try:
                        new = await client(ready["tls"], secret=OTHER, tls=trust)
                        break
                    except CheckError:
                        await asyncio.sleep(0.05)
                while (await new.ask(new.client.allocate(), SECONDS)).code == 401:
                    new.close()
                    new = await client(ready["tls"], secret=OTHER, tls=trust)
            for line in (udp, tls):
                assert (await line.ask(line.client.refresh(600), SECONDS)).code == 0, "and what there was lives on"
            late = await client(ready["udp"])
            assert (await late.ask(late.client.allocate(), SECONDS)).code == 401
            for line in (udp, tls, new, late):
                line.close()
            assert await turn.stop() == 0 and SECRET not in turn.errors and OTHER not in turn.errors

    async def test_a_broken_file_changes_nothing(self, tmp_path: Path) -> None:
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(started, tmp_path)
            (tmp_path / "secret").write_text("")
            turn.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(20):
                while "stay as they were" not in turn.errors:
                    await asyncio.sleep(0.02)
            line = await client(ready["udp"])
            await allocated(line)
            line.close()


class TestDrain:
    async def test_the_old_live_on_and_then_it_ends(self, tmp_path: Path) -> None:
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(started, tmp_path, "--drain", "60")
            one, two = await client(ready["udp"]), await client(ready["udp"])
            first, second = await allocated(one), await allocated(two)
            turn.process.send_signal(signal.SIGTERM)
            await turn.wait_for(event="draining", allocations=2)
            late = await client(ready["udp"])
            assert (await late.ask(late.client.allocate(), SECONDS)).code == 508
            assert (await one.ask(one.client.bind(0x4000, second), SECONDS)).code == 0
            assert (await two.ask(two.client.permit(first), SECONDS)).code == 0
            one.send(one.client.say_on(0x4000, b"still here"))
            async with asyncio.timeout(SECONDS):
                assert (await two.data.get()).data == b"still here"
            for line in (one, two):
                assert (await line.ask(line.client.refresh(0), SECONDS)).code == 0
            async with asyncio.timeout(20):
                assert await turn.process.wait() == 0
            for line in (one, two, late):
                line.close()

    async def test_not_for_ever(self, tmp_path: Path) -> None:
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(started, tmp_path, "--drain", "0.5")
            line = await client(ready["udp"])
            await allocated(line)
            turn.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                assert await turn.process.wait() == 0
            line.close()

    async def test_asked_twice_it_ends_at_once(self, tmp_path: Path) -> None:
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(started, tmp_path, "--drain", "600")
            line = await client(ready["udp"])
            await allocated(line)
            turn.process.send_signal(signal.SIGTERM)
            await turn.wait_for(event="draining")
            turn.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                assert await turn.process.wait() == 130
            assert "Traceback" not in turn.errors
            line.close()


class TestNumbersAndLog:
    async def test_numbers_on_loopback(self, tmp_path: Path) -> None:
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(started, tmp_path, "--metrics", "0")
            line = await client(ready["udp"])
            await allocated(line)
            text, kind = await asyncio.to_thread(fetch, f"http://127.0.0.1:{ready['metrics']}/metrics")
            assert kind == "text/plain; version=0.0.4; charset=utf-8"
            assert values(text)['turn_total_allocations{type="UDP"}'] == 1 and "ada" not in text
            line.close()
            await turn.stop()
        with pytest.raises(OSError, match="refused"):
            await asyncio.to_thread(fetch, f"http://127.0.0.1:{ready['metrics']}/metrics")

    async def test_a_taken_port(self) -> None:
        async def nothing() -> list[Metric]:
            return []

        one, two = MetricsListener(nothing), MetricsListener(nothing)
        port = await one.start(0)
        with pytest.raises(SetupError, match="--metrics"):
            await two.start(port)
        await one.stop()

    async def test_the_log_names_nobody(self, tmp_path: Path) -> None:
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(started, tmp_path)
            line = await client(ready["udp"])
            relayed = await allocated(line)
            await line.ask(line.client.refresh(0), SECONDS)
            ended = await turn.wait_for(event="ended", why="deleted by the client")
            assert re.fullmatch("[0-9a-f]{12}", ended["user"]) and ended["packets"] == 0
            said = json.dumps(turn.events[1:]) + turn.errors
            assert not any(word in said for word in ("ada", "127.0.0.1", SECRET, login().password, str(relayed.port)))
            line.close()

    def test_with_people(self) -> None:
        said: list[dict[str, Any]] = []
        log = TurnLog(said.append, people=True)
        log(report("allocated", lifetime=600))
        log(report("peer refused", why="private"))
        assert said[0]["user"] == "ada" and said[0]["client"] == "192.0.2.7:5" and said[0]["lifetime"] == 600
        assert said[1]["event"] == "peer_refused" and said[1]["why"] == "private"

    def test_whoever_makes_it_write_a_lot_is_counted(self) -> None:
        said: list[dict[str, Any]] = []
        log = TurnLog(said.append)
        for _ in range(5000):
            log(report("refused", code=486))
        assert LINES.burst <= len(said) < 1000
        assert "client" not in said[0] and said[0]["user"] != "ada"


def report(event: str, **facts: str | int | float) -> Report:
    return Report(event, FiveTuple(Transport.UDP, ("192.0.2.7", 5), ("198.51.100.1", 3478)), "ada", facts)


def fetch(url: str) -> tuple[str, str]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


class TestCheck:
    async def run(
        self, *arguments: str, given: str = "", home: Path | None = None
    ) -> tuple[int, list[dict[str, Any]], str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "slidewire.cli.main", "turn", "check", *arguments, "--json",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **({"XDG_DATA_HOME": str(home)} if home is not None else {})},
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, errors = await process.communicate(given.encode())
        assert b"Traceback" not in errors
        return process.returncode or 0, [json.loads(line) for line in out.splitlines()], errors.decode()

    async def test_every_transport_of_ours(self, tmp_path: Path) -> None:
        certificate, key, authority = make_certificate(tmp_path, "turn")
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(
                started, tmp_path, "--tls-cert", str(certificate), "--tls-key", str(key), "--relay-ip", "127.0.0.1",
                "--relay-ip", "::1",
            )  # fmt: skip
            udp, tls = ready["udp"], ready["tls"]
            uris = (
                f"turn:127.0.0.1:{udp}", f"turn:127.0.0.1:{udp}?transport=tcp", f"turns:localhost:{tls}?transport=tcp",
                f"stun:127.0.0.1:{udp}",
            )  # fmt: skip
            secret = ("--secret-file", str(tmp_path / "secret"))
            code, found, _ = await self.run(*secret, "--ca", str(authority), *uris)
            assert code == 0 and [each["uri"] for each in found] == list(uris)
            assert all(each["works"] and each["mapped"] for each in found)
            assert all(each["echoed"] == 20 and each["granted"] == [] for each in found[:3])
            assert 20 < found[2]["certificate_days"] <= 30

            given = json.dumps({"username": login().username, "password": login().password, "uris": [uris[0]]})
            code, found, _ = await self.run("--login", "-", given=given)
            assert code == 0 and found[0]["uri"] == uris[0]

            wrong = tmp_path / "wrong"
            wrong.write_text(OTHER)
            code, found, _ = await self.run("--secret-file", str(wrong), uris[0], uris[2], "turn:127.0.0.1:1")
            assert code == 1 and not any(each["works"] for each in found)
            assert "--secret-file" in found[0]["problem"] and "--ca" in found[1]["problem"]
            assert "firewall" in found[2]["problem"]
            assert await turn.stop() == 0

    async def test_tls_of_our_own_making(self, tmp_path: Path) -> None:
        """Without --tls-cert. Programs of this user trust it, others are told to, and the rest do not."""
        async with programs(tmp_path / "home") as started:
            turn, ready = await start(started, tmp_path, "--realm", "relay.example", "--external-ip", "127.0.0.1")
            authority = Path(ready["ca"])
            assert authority == tmp_path / "home" / "slidewire" / "turn" / "authority.pem"
            secret = ("--secret-file", str(tmp_path / "secret"))
            uri = f"turns:127.0.0.1:{ready['tls']}?transport=tcp"
            code, found, _ = await self.run(*secret, uri, home=tmp_path / "home")
            assert code == 0 and found[0]["echoed"] == 20 and found[0]["certificate_days"] > 300
            code, found, _ = await self.run(*secret, uri, home=tmp_path / "elsewhere")
            assert code == 1 and "--ca" in found[0]["problem"]
            code, found, _ = await self.run(*secret, "--ca", str(authority), uri, home=tmp_path / "elsewhere")
            assert code == 0 and found[0]["works"]
            trust = ssl.create_default_context(cafile=str(authority))
            _, writer = await asyncio.open_connection(
                "127.0.0.1", ready["tls"], ssl=trust, server_hostname="relay.example"
            )
            writer.close()
            assert await turn.stop() == 0 and "Traceback" not in turn.errors
            again, ready = await start(started, tmp_path)
            assert Path(ready["ca"]).read_bytes() == authority.read_bytes() and await again.stop() == 0

    async def test_a_server_that_reaches_too_much_is_told_on(self, tmp_path: Path) -> None:
        async with programs(tmp_path / "home") as started:
            _, ready = await start(started, tmp_path, "--allow-peer", "10.0.0.0/8", "--allow-peer", "169.254.0.0/16")
            uri = read_uri(f"turn:127.0.0.1:{ready['udp']}")
            made = login()
            found = await TurnCheck(made.username, made.password, seconds=SECONDS).check(uri)
            assert not found.works and found.granted == ["10.0.0.1", "169.254.169.254"]
            allowed = networks(["10.0.0.0/8", "169.254.0.0/16"])
            found = await TurnCheck(made.username, made.password, seconds=SECONDS, allowed=allowed).check(uri)
            assert found.works and found.echoed == 20

    @pytest.mark.parametrize(
        "arguments",
        [[], ["turn://host"], ["turns:host?transport=udp"], ["turn:host:99999"], ["--allow-peer", "x", "turn:h"]],
    )
    async def test_wrong_usage(self, arguments: list[str], tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(SECRET)
        code, _, said = await self.run("--secret-file", str(tmp_path / "secret"), *arguments)
        assert code == 2 and said

    async def test_a_silent_server(self) -> None:
        """Something that accepts connections and says nothing."""
        writers: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(lambda reader, writer: writers.append(writer), "127.0.0.1", 0)
        uri = read_uri(f"turn:127.0.0.1:{server.sockets[0].getsockname()[1]}?transport=tcp")
        found = await TurnCheck("u", "p", seconds=0.3).check(uri)
        assert not found.works and found.problem is not None and "Binding" in found.problem
        for writer in writers:
            writer.close()
        server.close()
        await server.wait_closed()


def test_export_leaves_the_secret_out(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from slidewire.cli.main import main

    (tmp_path / "secret").write_text(SECRET)
    command = ["turn", "export", "--secret-file", str(tmp_path / "secret"), "--relay-ip", "198.51.100.7"]
    for engine in ("coturn", "eturnal"):
        plain = CliRunner().invoke(main, [*command, "--engine", engine])
        assert plain.exit_code == 0 and SECRET not in plain.output and str(tmp_path / "secret") in plain.output
        written = tmp_path / engine
        asked = CliRunner().invoke(main, [*command, "--engine", engine, "--with-secret", "--output", str(written)])
        assert asked.exit_code == 0 and asked.output == "" and SECRET in written.read_text()
        assert written.stat().st_mode & 0o777 == 0o600
    nobody = CliRunner().invoke(
        main, ["turn", "export", "--engine", "coturn", "--secret-file", str(tmp_path / "secret")]
    )
    assert nobody.exit_code == 2 and "--open-relay" in nobody.output
