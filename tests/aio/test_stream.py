"""TCP and TLS connections on loopback, with clients that do not behave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

import pytest

from slidewire.aio import stream
from slidewire.aio.stream import CROWDED_BYTES, WRITE_BYTES, StreamConnection, StreamListener
from tests.server.certificates import make_certificate


class Owner:
    def __init__(self, admit: bool = True) -> None:
        self.admit = admit
        self.connections: list[StreamConnection] = []
        self.data = b""
        self.ended = 0

    def opened(self, connection: StreamConnection) -> bool:
        self.connections.append(connection)
        return self.admit

    def received(self, connection: StreamConnection, data: bytes) -> None:
        self.data += data

    def closed(self, connection: StreamConnection) -> None:
        self.ended += 1

    async def until_ended(self) -> None:
        async with asyncio.timeout(20):
            while not self.ended:
                await asyncio.sleep(0.002)


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    certificate, key, authority = make_certificate(tmp_path, "turn")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=str(authority))
    return server, client


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
async def test_both_ways(secure: bool, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    owner = Owner()
    listener = StreamListener(owner, contexts[0] if secure else None)
    port = listener.open("127.0.0.1", 0)[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=contexts[1] if secure else None)
    writer.write(b"hello")
    async with asyncio.timeout(20):
        while owner.data != b"hello":
            await asyncio.sleep(0.002)
        assert owner.connections[0].write(b"and back", droppable=False)
        assert await reader.readexactly(8) == b"and back"
    assert owner.connections[0].remote == writer.get_extra_info("sockname")
    writer.close()
    await owner.until_ended()
    assert not owner.connections[0].write(b"late", droppable=True)
    await listener.close()


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
async def test_who_sends_much_is_read_in_turn_with_the_others(
    secure: bool, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """A message of one client is not behind everything that another has sent."""

    class Turns(Owner):
        def __init__(self) -> None:
            super().__init__()
            self.read: list[tuple[int, int]] = []

        def received(self, connection: StreamConnection, data: bytes) -> None:
            self.read.append((self.connections.index(connection), len(data)))

    owner = Turns()
    listener = StreamListener(owner, contexts[0] if secure else None)
    port = listener.open("127.0.0.1", 0)[1]
    ends = [await asyncio.open_connection("127.0.0.1", port, ssl=contexts[1] if secure else None) for _ in range(2)]
    many = 1 << 20
    for _, writer in ends:
        writer.write(bytes(many))
    async with asyncio.timeout(20):
        while sum(size for _, size in owner.read) < 2 * many:
            await asyncio.sleep(0.002)
    assert max(size for _, size in owner.read) <= stream.READ_BYTES
    for _, writer in ends:
        writer.close()
    await listener.close()


async def test_who_is_not_wanted_gets_no_tls(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    owner = Owner(admit=False)
    listener = StreamListener(owner, contexts[0])
    port = listener.open("127.0.0.1", 0)[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setblocking(False)
        async with asyncio.timeout(20):
            with pytest.raises(ConnectionResetError):
                await asyncio.get_running_loop().sock_recv(client, 1)
    await listener.close()
    assert owner.ended == 0, "the owner knows that it refused"


@pytest.mark.parametrize("says", [b"", b"GET / HTTP/1.1\r\n\r\n"], ids=["silence", "nonsense"])
async def test_tls_that_gets_nowhere(says: bytes, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    owner = Owner()
    listener = StreamListener(owner, contexts[0], handshake=0.2)
    port = listener.open("127.0.0.1", 0)[1]
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(says)
    await owner.until_ended()
    assert owner.data == b""
    writer.close()
    await listener.close()


@pytest.mark.parametrize("says", [b"", b"\x16\x03\x01\x00"], ids=["at once", "in the middle of it"])
async def test_closed_by_its_owner_before_tls_stands(
    says: bytes, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """Its descriptor is free at once: it is not waited for as long as a handshake may take."""
    owner = Owner()
    listener = StreamListener(owner, contexts[0], handshake=3600.0)
    port = listener.open("127.0.0.1", 0)[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(says)
    async with asyncio.timeout(20):
        while not owner.connections:
            await asyncio.sleep(0)
        for _ in range(50 if says else 0):
            await asyncio.sleep(0)
        owner.connections[0].close()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    assert owner.ended == 0
    writer.close()
    await listener.close()


async def test_a_client_that_does_not_read_costs_a_bounded_amount() -> None:
    owner = Owner()
    listener = StreamListener(owner)
    port = listener.open("127.0.0.1", 0)[1]
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(20):
        while not owner.connections:
            await asyncio.sleep(0.002)
    connection = owner.connections[0]
    packet = bytes(16_384)
    async with asyncio.timeout(20):
        while connection.write(packet, droppable=True):
            await asyncio.sleep(0)
    assert connection._transport is not None
    assert WRITE_BYTES < connection._transport.get_write_buffer_size() <= WRITE_BYTES + len(packet)
    assert connection.write(b"an answer", droppable=False), "answers still pass"
    while connection.write(packet, droppable=False):
        pass
    await owner.until_ended()
    writer.close()
    await listener.close()


async def test_all_clients_that_do_not_read_cost_a_bounded_amount_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """When all of the memory waits for somebody, each gets little; a client that reads what it has gives it back."""
    monkeypatch.setattr(stream, "ALL_WRITE_BYTES", 3 * WRITE_BYTES)
    owner = Owner()
    listener = StreamListener(owner)
    port = listener.open("127.0.0.1", 0)[1]
    clients = [await asyncio.open_connection("127.0.0.1", port, limit=1024) for _ in range(12)]
    for _, writer in clients:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(20):
        while len(owner.connections) < len(clients):
            await asyncio.sleep(0.002)
    packet = bytes(16_384)
    for connection in owner.connections:
        while connection.write(packet, droppable=True):
            await asyncio.sleep(0)
    waiting = sorted(each._transport.get_write_buffer_size() for each in owner.connections if each._transport)
    assert sum(waiting) <= 3 * WRITE_BYTES + WRITE_BYTES + 12 * (CROWDED_BYTES + len(packet))
    assert waiting[0] <= CROWDED_BYTES + len(packet) and waiting[-1] > WRITE_BYTES
    assert owner.connections[-1].write(b"an answer", droppable=False), "answers still pass"
    before = stream._shared.total
    assert before > 0

    async def read_on(reader: asyncio.StreamReader) -> None:
        while await reader.read(1 << 16):
            pass

    for _, writer in clients:
        writer.transport.resume_reading()  # type: ignore[attr-defined]
    reading = [asyncio.ensure_future(read_on(reader)) for reader, _ in clients]
    async with asyncio.timeout(20):
        while stream._shared.total:
            await asyncio.sleep(0.002)
    for each in reading:
        each.cancel()
    for _, writer in clients:
        writer.close()
    await listener.close()
