"""`slidewire turn` and the service under it: secrets on disk, ports, real sockets, advice when it cannot start."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from slidewire.base.addresses import Address
from slidewire.relay.program import TurnReady, TurnService, TurnSettings, load_secrets
from slidewire.stun import attributes as a
from slidewire.stun.message import Builder, Class, Message, long_term_key, parse
from slidewire.system.errors import SetupError
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method
from slidewire.turn.credentials import mint
from slidewire.turn.policy import networks
from tests.server.certificates import make_certificate
from tests.support.programs import programs

LOOPBACK = networks(["127.0.0.0/8", "::1/128"])


class TestSecrets:
    def test_one_is_made_that_nobody_else_can_read(self, tmp_path: Path) -> None:
        path = tmp_path / "state" / "turn-secret"
        (made,) = load_secrets(path, make=True)
        assert len(made) >= 43 and path.stat().st_mode & 0o777 == 0o600
        assert load_secrets(path, make=True) == (made,)

    def test_several_newest_first(self, tmp_path: Path) -> None:
        path = tmp_path / "secrets"
        path.write_text(f"{'n' * 40}\n\n{'o' * 40}\n")
        assert load_secrets(path, make=False) == ("n" * 40, "o" * 40)

    @pytest.mark.parametrize(("content", "advice"), [("", "empty"), ("password", "let a machine make it")])
    def test_bad_ones(self, tmp_path: Path, content: str, advice: str) -> None:
        path = tmp_path / "secret"
        path.write_text(content)
        with pytest.raises(SetupError, match=advice):
            load_secrets(path, make=True)

    def test_none(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match="--secret-file"):
            load_secrets(tmp_path / "secret", make=False)


Start = Callable[..., Any]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    running: list[TurnService] = []

    async def begin(**settings: Any) -> tuple[TurnService, TurnReady]:
        settings = {"listen": ("127.0.0.1",), "port": 0, "secret_file": tmp_path / "secret", **settings}
        service = TurnService(TurnSettings(**settings))
        running.append(service)
        return service, await service.start()

    yield begin
    for service in running:
        await service.stop()


@dataclass
class UdpClient(asyncio.DatagramProtocol):
    """A plain client on a real socket."""

    server: tuple[str, int]
    secret: str
    inbox: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    nonce: bytes = b""

    async def open(self) -> None:
        host = self.server[0]
        endpoint = asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        self.transport, _ = await endpoint
        made = mint(self.secret, "ada", time.time())
        self.username, self.password = made.username, made.password
        self.key = long_term_key(self.username, "slidewire", self.password)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self.inbox.put_nowait(data)

    async def heard(self) -> bytes:
        async with asyncio.timeout(20):
            return await self.inbox.get()

    async def ask(self, method: int, *fields: tuple[a.Attribute[Any], Any]) -> Message:
        builder = Builder(method, Class.REQUEST, os.urandom(12))
        for attribute, value in fields:
            builder.add(attribute, value)
        if self.nonce:
            builder.add(a.USERNAME, self.username).add(a.REALM, "slidewire").add(a.NONCE, self.nonce).sign(self.key)
        self.transport.sendto(builder.encode(), self.server)
        message = parse(await self.heard())
        assert message is not None
        error = message.get(a.ERROR_CODE)
        if error is not None and error.code == 401 and not self.nonce:
            self.nonce = message.get(a.NONCE) or b""
            return await self.ask(method, *fields)
        return message


async def allocated(service: TurnService, server: tuple[str, int], secret: str) -> tuple[UdpClient, Address]:
    client = UdpClient(server, secret)
    await client.open()
    message = await client.ask(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))
    relayed = message.get(t.XOR_RELAYED_ADDRESS)
    assert relayed is not None, message
    return client, relayed


def _messages(data: bytes) -> list[int]:
    """Where each of the messages begins."""
    found, at = [], 0
    while at < len(data):
        found.append(at)
        at += 20 + int.from_bytes(data[at + 2 : at + 4], "big")
    return found


class TestService:
    async def test_data_goes_both_ways_through_a_channel_and_without(self, start: Start, tmp_path: Path) -> None:
        service, ready = await start(allow=LOOPBACK)
        client, relayed = await allocated(
            service, ("127.0.0.1", ready.udp), load_secrets(tmp_path / "secret", make=False)[0]
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            peer.settimeout(5)
            address = Address(*peer.getsockname())
            assert (await client.ask(Method.CREATE_PERMISSION, (t.XOR_PEER_ADDRESS, address))).class_ is Class.SUCCESS
            peer.sendto(b"one", relayed)
            indication = parse(await client.heard())
            assert indication is not None and indication.get(t.XOR_PEER_ADDRESS) == address
            assert indication.get(t.DATA) == b"one"
            send = Builder(Method.SEND, Class.INDICATION, bytes(12)).add(t.XOR_PEER_ADDRESS, address)
            client.transport.sendto(send.add(t.DATA, b"two").add(t.DONT_FRAGMENT, True).encode(), client.server)
            assert await asyncio.to_thread(peer.recvfrom, 100) == (b"two", relayed)
            bound = await client.ask(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, 0x4000), (t.XOR_PEER_ADDRESS, address))
            assert bound.class_ is Class.SUCCESS
            peer.sendto(b"three", relayed)
            assert await client.heard() == b"\x40\x00\x00\x05three"
            client.transport.sendto(b"\x40\x00\x00\x04four", client.server)
            assert await asyncio.to_thread(peer.recvfrom, 100) == (b"four", relayed)
        assert service.core is not None and service.core.allocations[0].meter.packets == 4
        client.transport.close()

    @pytest.mark.parametrize("over", ["udp", "tcp"])
    @pytest.mark.parametrize("data_path", ["plain", "compiled"])
    async def test_what_is_sent_behind_an_allocate(
        self, start: Start, tmp_path: Path, data_path: str, over: str
    ) -> None:
        """Allocate, CreatePermission, ChannelBind and data, in one segment or in datagrams that are read together."""
        _, ready = await start(allow=LOOPBACK, data_path=data_path)
        made = mint(load_secrets(tmp_path / "secret", make=False)[0], "ada", time.time())
        key = long_term_key(made.username, "slidewire", made.password)
        kind = socket.SOCK_STREAM if over == "tcp" else socket.SOCK_DGRAM
        with socket.socket(type=kind) as client, socket.socket(type=socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            peer.settimeout(5)
            client.settimeout(5)
            client.connect(("127.0.0.1", ready.udp))
            client.sendall(Builder(Method.ALLOCATE, Class.REQUEST, os.urandom(12)).encode())
            challenge = parse(await asyncio.to_thread(client.recv, 2048))
            assert challenge is not None
            nonce = challenge.get(a.NONCE)
            assert nonce is not None

            def signed(method: int, *fields: tuple[a.Attribute[Any], Any]) -> bytes:
                builder = Builder(method, Class.REQUEST, os.urandom(12))
                for attribute, value in (
                    *fields,
                    (a.USERNAME, made.username),
                    (a.REALM, "slidewire"),
                    (a.NONCE, nonce),
                ):
                    builder.add(attribute, value)
                return builder.sign(key).encode()

            address = Address(*peer.getsockname())
            send = Builder(Method.SEND, Class.INDICATION, bytes(12)).add(t.XOR_PEER_ADDRESS, address)
            pieces = [
                signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)),
                signed(Method.CREATE_PERMISSION, (t.XOR_PEER_ADDRESS, address)),
                signed(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, 0x4000), (t.XOR_PEER_ADDRESS, address)),
                send.add(t.DATA, b"data").encode(),
            ]
            for data in [b"".join(pieces)] if over == "tcp" else pieces:
                client.sendall(data)  # nobody reads until the next await
            assert (await asyncio.to_thread(peer.recvfrom, 100))[0] == b"data"
            heard = b""
            while b"\x01\x09" not in heard:
                heard += await asyncio.to_thread(client.recv, 2048)
            kinds = [heard[at : at + 2] for at in _messages(heard)]
            assert kinds == [b"\x01\x03", b"\x01\x08", b"\x01\x09"]

    async def test_a_private_peer_is_refused_without_being_asked_to(self, start: Start, tmp_path: Path) -> None:
        service, ready = await start()
        client, _ = await allocated(service, ("127.0.0.1", ready.udp), load_secrets(tmp_path / "secret", make=False)[0])
        for host in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8"):
            answer = await client.ask(
                Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, 0x4000), (t.XOR_PEER_ADDRESS, Address(host, 5000))
            )
            assert answer.get(a.ERROR_CODE) == a.Error(403)
        client.transport.close()

    async def test_secrets_are_read_again(self, start: Start, tmp_path: Path) -> None:
        path = tmp_path / "secret"
        service, ready = await start()
        server, (old,) = ("127.0.0.1", ready.udp), load_secrets(path, make=False)
        client, _ = await allocated(service, server, old)
        new = "a new secret, from another machine altogether".replace(" ", "_")
        path.write_text(f"{new}\n")
        os.utime(path, (1, 1))
        async with asyncio.timeout(20):
            while service.core is None or service.core.credentials.secrets != (new,):
                await asyncio.sleep(0.05)
        assert (await client.ask(Method.REFRESH)).class_ is Class.SUCCESS
        other, _ = await allocated(service, server, new)
        other.transport.close()
        client.transport.close()

    async def test_stopping_closes_every_socket(self, start: Start, tmp_path: Path) -> None:
        service, ready = await start(listen=("127.0.0.1", "::1"))
        client, relayed = await allocated(
            service, ("127.0.0.1", ready.udp), load_secrets(tmp_path / "secret", make=False)[0]
        )
        await service.stop()
        client.transport.close()
        for host, port in (("127.0.0.1", ready.udp), ("::1", ready.udp), relayed):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as again:
                again.bind((host, port))

    async def test_behind_a_one_to_one_nat(self, start: Start, tmp_path: Path) -> None:
        """Announced as 198.51.100.7, bound to loopback: two clients of this server still meet."""
        service, ready = await start(external_ips=("198.51.100.7",))
        secret = load_secrets(tmp_path / "secret", make=False)[0]
        one, first = await allocated(service, ("127.0.0.1", ready.udp), secret)
        two, second = await allocated(service, ("127.0.0.1", ready.udp), secret)
        assert first.host == second.host == "198.51.100.7"
        await one.ask(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, 0x4000), (t.XOR_PEER_ADDRESS, second))
        await two.ask(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, 0x4001), (t.XOR_PEER_ADDRESS, first))
        one.transport.sendto(b"\x40\x00\x00\x05hello", one.server)
        assert await two.heard() == b"\x40\x01\x00\x05hello"
        one.transport.close()
        two.transport.close()

    @pytest.mark.parametrize(
        ("settings", "advice"),
        [
            ({"listen": ("192.0.2.77",), "relay_ips": ("127.0.0.1",)}, "no address 192.0.2.77"),
            ({"relay_ips": ("here",)}, "not an IP address"),
            ({"relay_ips": ("127.0.0.1", "127.0.0.2")}, "at most once"),
            ({"external_ips": ("2001:db8::1",)}, "needs a --relay-ip"),
            ({"realm": "x" * 200}, "short name"),
            ({"tls_cert": Path("/nowhere.pem")}, "both"),
            ({"tls_cert": Path("/nowhere.pem"), "tls_key": Path("/nowhere.key")}, "cannot be read"),
        ],
    )
    async def test_advice(self, start: Start, settings: dict[str, Any], advice: str) -> None:
        with pytest.raises(SetupError, match=advice):
            await start(**settings)

    async def test_a_taken_port(self, start: Start) -> None:
        _, ready = await start()
        with pytest.raises(SetupError, match="taken"):
            await start(port=ready.udp)


class TestPrograms:
    async def test_turn_and_credentials(self, tmp_path: Path) -> None:
        certificate, key, _ = make_certificate(tmp_path, "turn")
        async with programs(tmp_path / "home") as started:
            files = ("--tls-cert", str(certificate), "--tls-key", str(key), "--tls-port", "0")
            turn = await started.start("turn", "--listen", "127.0.0.1", "--port", "0", *files)
            ready = await turn.ready()
            assert ready["realm"] == "slidewire" and ready["udp"] == ready["tcp"] and ready["tls"]
            made = await run(
                "credentials", "--user", "ada", "--ttl", "60", "--uri", "turn:x", "--json", home=started.home
            )
            credential = json.loads(made.stdout)
            assert credential["ttl"] == 60 and credential["uris"] == ["turn:x"]
            secret = (started.home / "slidewire" / "turn-secret").read_text().split()[0]
            assert secret not in made.stdout and secret not in turn.errors
            client = UdpClient(("127.0.0.1", ready["udp"]), secret)
            await client.open()
            client.username = credential["username"]
            client.key = long_term_key(client.username, "slidewire", credential["password"])
            assert (await client.ask(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))).class_ is Class.SUCCESS
            client.transport.close()
            assert await turn.stop() == 0

    async def test_mistakes(self, tmp_path: Path) -> None:
        wrong = await run("turn", "--allow-peer", "10.0.0.0/33", home=tmp_path)
        assert wrong.returncode == 2 and "--allow-peer" in wrong.stderr
        failed = await run("turn", "--listen", "192.0.2.77", "--port", "0", home=tmp_path)
        assert failed.returncode == 1 and "Traceback" not in failed.stderr and "192.0.2.77" in failed.stderr
        none = await run("credentials", "--secret-file", str(tmp_path / "none"), home=tmp_path)
        assert none.returncode == 1 and "--secret-file" in none.stderr


async def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "slidewire.cli.main", *arguments]
    environment = {**os.environ, "XDG_DATA_HOME": str(home)}
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=30, env=environment, check=False
    )
