"""One port, many visitors: who sends much is read a little at a time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import cast

import pytest

from slidewire.aio.first_byte import KERNEL_BYTES, READ_BYTES, SharedPort
from tests.server.certificates import make_certificate

MANY = 200_000


class Http(asyncio.Protocol):
    """Notes in which turn of the loop how much came."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, int]] = []
        self.turn = 0
        self.transport: asyncio.Transport | None = None
        self.text = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.pieces.append((self.turn, len(data)))
        self.text += data


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
async def test_of_who_sends_much_a_little_is_read_at_a_time_and_all_of_it_comes(secure: bool, tmp_path: Path) -> None:
    certificate, key, authority = make_certificate(tmp_path, "web")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=str(authority))
    http, loop = Http(), asyncio.get_running_loop()
    port = SharedPort(lambda: http, None, is_tls=secure, seconds=5)
    listening = await loop.create_server(lambda: port(("127.0.0.1", 0)), "127.0.0.1", 0, ssl=server if secure else None)
    _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname(), ssl=client if secure else None)
    said = bytes(range(32, 127)) * (MANY // 95)
    writer.write(said)
    async with asyncio.timeout(20):
        while len(http.text) < len(said):
            http.turn += 1
            await asyncio.sleep(0)
    assert http.text == said
    assert max(size for _, size in http.pieces) <= READ_BYTES
    assert http.transport is not None
    kept = http.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    assert KERNEL_BYTES <= kept <= 2 * KERNEL_BYTES, "what it sends waits with it"
    if secure:
        assert len({turn for turn, _ in http.pieces}) == len(http.pieces), "a piece a turn"
    writer.close()
    listening.close()
