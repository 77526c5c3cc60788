"""A TURN client on a real socket, over UDP, TCP or TLS, that does no more than it is told."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Self

from slidewire.base.addresses import Address
from slidewire.stun import attributes as a
from slidewire.stun.message import Builder, Class, Message, long_term_key, parse
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.inbox.put_nowait(data)


class TurnClient:
    """`heard` is what came that was not an answer to `ask`."""

    def __init__(self, username: str, password: str, realm: str = "slidewire") -> None:
        self.username, self.realm = username, realm
        self.key = long_term_key(username, realm, password)
        self.nonce = b""
        self.relayed: Address | None = None
        self.data: asyncio.Queue[bytes] = asyncio.Queue()
        self.ended = asyncio.Event()
        """The server closed the connection."""
        self._answers: dict[bytes, asyncio.Future[Message]] = {}
        self._transport: Any = None
        self._send: Callable[[bytes], None] | None = None
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def by_uri(cls, uri: str, server: dict[str, Any], context: ssl.SSLContext | None = None) -> Self:
        """As `RTCPeerConnection` would, with an entry of `iceServers`."""
        scheme, _, rest = uri.partition(":")
        place, _, transport = rest.partition("?transport=")
        host, _, port = place.rpartition(":")
        client = cls(server["username"], server["credential"])
        if transport == "udp":
            await client.open_udp(host, int(port))
        else:
            await client.open_stream(host, int(port), context if scheme == "turns" else None)
        return client

    async def open_udp(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._transport, datagrams = await loop.create_datagram_endpoint(_Datagrams, remote_addr=(host, port))
        self._send = self._transport.sendto
        self._reader = asyncio.create_task(self._read_datagrams(datagrams))

    async def open_stream(self, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
        self._transport = writer.transport
        self._send = writer.write
        self._reader = asyncio.create_task(self._read_stream(reader))

    def send(self, data: bytes) -> None:
        """As it is."""
        assert self._send is not None, "open it first"
        self._send(data)

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, method: int, *fields: tuple[a.Attribute[Any], Any]) -> Message:
        transaction = os.urandom(12)
        builder = Builder(method, Class.REQUEST, transaction)
        for attribute, value in fields:
            builder.add(attribute, value)
        if self.nonce:
            builder.add(a.USERNAME, self.username).add(a.REALM, self.realm).add(a.NONCE, self.nonce).sign(self.key)
        answer = self._answers[transaction] = asyncio.get_running_loop().create_future()
        self.send(builder.encode())
        message: Message = await asyncio.wait_for(answer, 5)
        if (nonce := message.get(a.NONCE)) is not None and not self.nonce:
            self.nonce = nonce
            return await self.ask(method, *fields)
        return message

    async def allocate(self, fields: Sequence[tuple[a.Attribute[Any], Any]] = ()) -> int:
        """0, or the error's code."""
        message = await self.ask(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17), *fields)
        self.relayed = message.get(t.XOR_RELAYED_ADDRESS)
        return code_of(message)

    async def permit(self, host: str, port: int = 5000) -> int:
        return code_of(await self.ask(Method.CREATE_PERMISSION, (t.XOR_PEER_ADDRESS, Address(host, port))))

    async def bind(self, number: int, peer: Address) -> int:
        return code_of(await self.ask(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, number), (t.XOR_PEER_ADDRESS, peer)))

    def _receive(self, data: bytes) -> None:
        message = parse(data)
        answer = None if message is None else self._answers.pop(message.transaction, None)
        if answer is None or message is None:
            self.data.put_nowait(data)
        elif not answer.done():
            answer.set_result(message)

    async def _read_datagrams(self, datagrams: _Datagrams) -> None:
        while True:
            self._receive(await datagrams.inbox.get())

    async def _read_stream(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                head = await reader.readexactly(4)
                length = int.from_bytes(head[2:4], "big")
                rest = length + -length % 4 if head[0] & 0xC0 == 0x40 else length + 16
                self._receive(head + await reader.readexactly(rest))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended.set()


def code_of(message: Message) -> int:
    """0 for success."""
    error = message.get(a.ERROR_CODE)
    return 0 if error is None else error.code
