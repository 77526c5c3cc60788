"""A wire between a browser and a server that can go dead without a word, as a phone's does in a tunnel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class SealedSession:
    """A TCP connection here becomes one to the server. TLS passes through it untouched."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self._server_port = server_port
        self._silent: set[asyncio.Task[None]] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    def fall_silent(self) -> None:
        """The connections of now stay open and carry nothing any more; new ones work."""
        self._silent |= self._carrying

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.close()
            return
        ways = [
            asyncio.create_task(self._pump(reader, to_server)),
            asyncio.create_task(self._pump(from_server, writer)),
        ]
        self._carrying.update(ways)
        try:
            await asyncio.gather(*ways)
        finally:
            self._carrying.difference_update(ways)
            for way in ways:
                way.cancel()
            for end in (writer, to_server):
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                if me not in self._silent:
                    writer.write(data)
                    await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def wire_to(server_port: int) -> AsyncIterator[SealedSession]:
    wire = SealedSession(server_port)
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(wire.carry(reader, writer)))

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    wire.port = listener.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        listener.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
