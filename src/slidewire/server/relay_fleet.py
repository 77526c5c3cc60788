"""TURN servers of others that share a secret with us (coturn, eturnal, `slidewire turn`), and how well they are.

Each is asked, by every transport we tell members of, for a STUN Binding now and then: who does not answer is left out,
and the one that answers soonest comes first. If none answers, all are named: the fault may be ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from slidewire.aio import clock
from slidewire.relay.credential_secrets import SecretFile
from slidewire.stun.message import BINDING, Builder, Class, parse
from slidewire.stun.uri import Uri, parse_uri
from slidewire.system.errors import SetupError
from slidewire.turn.credentials import DEFAULT_TTL, Credential, mint

CHECK_SECONDS: Final = 15.0
ANSWER_SECONDS: Final = 2.0
_TRIES: Final = 3
HOSTS: Final = 2
"""How many hosts a member is told of: each server a browser knows costs it sockets and time."""
log = logging.getLogger(__name__)


def read_uri(text: str) -> Uri:
    """Raises SetupError."""
    uri = parse_uri(text)
    if uri is None or not uri.is_relay:
        raise SetupError(f"--turn-uri {text} is not one; it looks like turn:turn.example:3478?transport=udp")
    if uri.carrier == "DTLS":
        raise SetupError(f"--turn-uri {text}: no browser speaks TURN over DTLS. Use transport=tcp.")
    return uri


class Fleet:
    def __init__(self, uris: Sequence[str], secret_file: Path, context: ssl.SSLContext | None = None) -> None:
        """Raises SetupError. `context` is for checking those with TLS."""
        self._uris = [read_uri(uri) for uri in uris]
        self._secrets = SecretFile(secret_file, make=False)
        self._context = context or ssl.create_default_context()
        self._times: dict[Uri, float | None] = {}
        """How long each took to answer; None if it did not."""
        self._checking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.check()
        self._checking = asyncio.create_task(self._check_often(), name="fleet")

    async def stop(self) -> None:
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
            self._checking = None

    def credential(self, user: str, seconds: int = DEFAULT_TTL) -> Credential:
        now = clock.wall()
        with contextlib.suppress(SetupError):
            self._secrets.refresh(now)
        return mint(self._secrets.in_use_first(now)[0], user, now, seconds)

    def uris(self, reached_by: str) -> list[str]:
        """Those that answer, the nearest host first."""
        healthy = [uri for uri in self._uris if self._times.get(uri) is not None] or self._uris
        nearest: dict[str, float] = {}
        for uri in healthy:
            took = self._times.get(uri)
            nearest[uri.host] = min(nearest.get(uri.host, float("inf")), float("inf") if took is None else took)
        hosts = sorted(nearest, key=nearest.__getitem__)[:HOSTS]
        told = [uri for host in hosts for uri in healthy if uri.host == host]
        stun = next((uri.stun for uri in told if uri.stun is not None), None)
        return [*([stun] if stun else []), *(uri.text for uri in told)]

    async def check(self) -> None:
        """Ask all of them, at once."""
        times = await asyncio.gather(*(self._time(uri) for uri in self._uris))
        for uri, took in zip(self._uris, times, strict=True):
            if (took is None) != (self._times.get(uri, 0.0) is None):
                log.warning("%s %s", uri.text, "does not answer and is left out." if took is None else "answers again.")
            self._times[uri] = took

    async def _check_often(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await self.check()

    async def _time(self, uri: Uri) -> float | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await (_ask_datagram(uri) if uri.transport == "udp" else self._ask_stream(uri))
        except (OSError, TimeoutError, asyncio.IncompleteReadError):  # ssl.SSLError is an OSError
            return None

    async def _ask_stream(self, uri: Uri) -> float:
        reader, writer = await asyncio.open_connection(uri.host, uri.port, ssl=self._context if uri.is_secure else None)
        try:
            request, transaction = _binding()
            since = clock.monotonic()
            writer.write(request)
            head = await reader.readexactly(20)
            _verify(head + await reader.readexactly(int.from_bytes(head[2:4], "big")), transaction)
            return clock.monotonic() - since
        finally:
            writer.transport.abort()


class _Answers(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.received.put_nowait(data)


async def _ask_datagram(uri: Uri) -> float:
    transport, answers = await asyncio.get_running_loop().create_datagram_endpoint(
        _Answers, remote_addr=(uri.host, uri.port)
    )
    try:
        for _ in range(_TRIES):
            request, transaction = _binding()
            since = clock.monotonic()
            transport.sendto(request)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS / (_TRIES + 1)):
                    _verify(await answers.received.get(), transaction)
                    return clock.monotonic() - since
        raise TimeoutError
    finally:
        transport.close()


def _binding() -> tuple[bytes, bytes]:
    transaction = os.urandom(12)
    return Builder(BINDING, Class.REQUEST, transaction).encode(), transaction


def _verify(data: bytes, transaction: bytes) -> None:
    """Raises OSError for what is no answer to this."""
    message = parse(data)
    if message is None or message.transaction != transaction or message.class_ is not Class.SUCCESS:
        raise OSError("not an answer")
