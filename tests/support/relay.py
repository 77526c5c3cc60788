"""A TURN client on a real socket, and a server on loopback whose data path the test chooses."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from slidewire.aio.stream import StreamListener
from slidewire.aio.udp import UdpSocket, bind_udp
from slidewire.base.addresses import IPV4, IPV6, Address, SocketAddress
from slidewire.relay.compiled import LIBRARY, CompiledPath
from slidewire.relay.datapath import DataPath
from slidewire.relay.plain import PlainPath
from slidewire.relay.shell import RelayHost, RelayShell
from slidewire.stun import attributes as a
from slidewire.stun.message import Builder, Class, Message, long_term_key, parse
from slidewire.turn import attributes as t
from slidewire.turn.allocation import Allocation
from slidewire.turn.attributes import Method
from slidewire.turn.credentials import Credentials, mint
from slidewire.turn.limits import Limits
from slidewire.turn.policy import PeerPolicy, networks
from slidewire.turn.server import TurnServer

SECRET = "a secret that only a machine would have made"
REALM = "slidewire"
LOOPBACK = networks(["127.0.0.0/8", "::1/128"])
CHANNEL = 0x4000


def make_path(name: str) -> DataPath:
    """RELAY_LIBRARY names another build of the compiled one, such as one with sanitizers."""
    if name == "plain":
        return PlainPath()
    return CompiledPath(Path(os.environ.get("RELAY_LIBRARY", LIBRARY)))


class Relay:
    """The server, in this process."""

    def __init__(self, path: DataPath, host: str = "127.0.0.1", **options: Any) -> None:
        self.path = path
        self.host = host
        options.setdefault("policy", PeerPolicy(allow=LOOPBACK))
        self.core = TurnServer(
            realm=REALM,
            credentials=Credentials([SECRET]),
            entropy=os.urandom,
            wall=time.time,
            make_meter=path.make_meter,
            **{"limits": Limits(), **options},
        )
        hosts = {IPV4: RelayHost("127.0.0.1", "127.0.0.1"), IPV6: RelayHost("::1", "::1")}
        self.shell = RelayShell(self.core, hosts, path=path)
        self.address = self.shell.listen(host, 0)

    @property
    def allocation(self) -> Allocation:
        (one,) = self.core.allocations
        return one

    def sockets(self) -> list[UdpSocket]:
        """All that it has."""
        relays = [opened.handle for each in self.core.allocations for opened in each.relays.values()]
        return [*self.shell.listeners, *relays]


@asynccontextmanager
async def relaying(path: str, host: str = "127.0.0.1", **options: Any) -> AsyncIterator[Relay]:
    relay = Relay(make_path(path), host, **options)
    try:
        yield relay
    finally:
        relay.shell.close()


class End:
    """A UDP socket that waits for what it hears."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = bind_udp(host, 0)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        name = self.socket.getsockname()
        self.address = Address(name[0], name[1])
        self._loop = asyncio.get_running_loop()

    async def hear(self, seconds: float = 20.0) -> tuple[bytes, Address]:
        async with asyncio.timeout(seconds):
            data, source = await self._loop.sock_recvfrom(self.socket, 65_536)
        return data, Address(source[0], source[1])

    async def hear_all(self, count: int) -> list[bytes]:
        return [(await self.hear())[0] for _ in range(count)]

    async def silence(self, seconds: float = 0.15) -> bool:
        """Nothing comes for a while."""
        try:
            await self.hear(seconds)
        except TimeoutError:
            return True
        return False

    def say(self, data: bytes, target: SocketAddress) -> None:
        self.socket.sendto(data, target)

    def close(self) -> None:
        self.socket.close()


class TurnClient(End):
    def __init__(self, server: SocketAddress, host: str = "127.0.0.1", user: str = "ada") -> None:
        super().__init__(host)
        self.server = server
        made = mint(SECRET, user, time.time())
        self.username = made.username
        self.key = long_term_key(self.username, REALM, made.password)
        self.nonce = b""
        self.relayed = Address("", 0)

    async def ask(self, method: int, *fields: tuple[a.Attribute[Any], Any]) -> Message:
        request = Builder(method, Class.REQUEST, os.urandom(12))
        for attribute, value in fields:
            request.add(attribute, value)
        if self.nonce:
            request.add(a.USERNAME, self.username).add(a.REALM, REALM).add(a.NONCE, self.nonce).sign(self.key)
        self.send(request.encode())
        answer = None
        while answer is None:  # ChannelData that was on its way
            answer = parse(await self.receive())
        error = answer.get(a.ERROR_CODE)
        if error is not None and error.code in (401, 438) and not self.nonce:
            self.nonce = answer.get(a.NONCE) or b""
            return await self.ask(method, *fields)
        return answer

    async def must(self, method: int, *fields: tuple[a.Attribute[Any], Any]) -> Message:
        answer = await self.ask(method, *fields)
        assert answer.class_ is Class.SUCCESS, answer
        return answer

    async def allocate(self, *more: tuple[a.Attribute[Any], Any]) -> TurnClient:
        answer = await self.must(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, t.UDP), *more)
        self.relayed = answer.get(t.XOR_RELAYED_ADDRESS) or self.relayed
        return self

    async def bind(self, peer: Address, number: int = CHANNEL) -> None:
        await self.must(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, number), (t.XOR_PEER_ADDRESS, peer))

    async def permit(self, peer: Address) -> None:
        await self.must(Method.CREATE_PERMISSION, (t.XOR_PEER_ADDRESS, peer))

    async def refresh(self, lifetime: int) -> None:
        await self.must(Method.REFRESH, (t.LIFETIME, lifetime))

    def channel(self, data: bytes, number: int = CHANNEL) -> None:
        self.send(number.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data)

    def indicate(self, data: bytes, peer: Address) -> None:
        send = Builder(Method.SEND, Class.INDICATION, os.urandom(12)).add(t.XOR_PEER_ADDRESS, peer)
        self.send(send.add(t.DATA, data).encode())

    def send(self, data: bytes) -> None:
        self.say(data, self.server)

    async def receive(self) -> bytes:
        return (await self.hear())[0]


class TcpTurnClient(TurnClient):
    """The same over TCP; its UDP socket is not used."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    async def connect(self) -> TcpTurnClient:
        self._reader, self._writer = await asyncio.open_connection(*self.server[:2])
        return self

    def send(self, data: bytes) -> None:
        self._writer.write(data + bytes(-len(data) % 4))

    async def receive(self) -> bytes:
        async with asyncio.timeout(20):
            head = await self._reader.readexactly(4)
            length = int.from_bytes(head[2:], "big")
            is_channel = head[0] & 0xC0 == 0x40
            rest = await self._reader.readexactly(length + -length % 4 if is_channel else 16 + length)
        return head + (rest[:length] if is_channel else rest)

    def close(self) -> None:
        super().close()
        self._writer.close()


def listen_tcp(relay: Relay) -> tuple[StreamListener, SocketAddress]:
    listener = StreamListener(relay.shell)
    return listener, listener.open(relay.host, 0)
