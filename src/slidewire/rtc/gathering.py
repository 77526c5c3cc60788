"""ICE candidates without waiting for servers: the host's own at once, the others when (and if) servers answer.

aioice gathers everything before it offers anything, and a STUN or TURN server that does not answer costs five seconds.
Here a description has what is known at once. What servers answer later is added to the running connection and sent to
the other end (RFC 8838, trickle ICE). aioice knows one TURN server; here all are tried in their order, each with a
head start over the next, and the first that gives a relay is used (after RFC 8305).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aioice import Candidate, Connection, TransportPolicy
from aioice.ice import (
    CandidatePair,
    StunProtocol,
    get_host_addresses,
    relayed_candidate,
    server_reflexive_candidate,
)

from slidewire.control.privacy import Kind, Privacy, kind_of
from slidewire.rtc.engine import IceServer
from slidewire.stun.uri import Uri, parse_uri

HEAD_START: Final = 0.4
"""Seconds that a TURN server is tried before the next one is tried as well."""
GIVE_UP: Final = 10.0

log = logging.getLogger(__name__)


def host_addresses() -> list[str]:
    """Where ICE finds this machine: every address but loopback and IPv6's link-local ones."""
    return get_host_addresses(use_ipv4=True, use_ipv6=True)


@dataclass(frozen=True, slots=True)
class Server:
    uri: Uri
    of: IceServer


class Gathering:
    """Takes the place of `connection.gather_candidates`."""

    def __init__(
        self,
        connection: Connection,
        servers: Sequence[IceServer],
        found: Callable[[Candidate | None], None],
        privacy: Privacy,
        *,
        tls: ssl.SSLContext | None,
    ) -> None:
        """`found` is called with candidates that came later, and with None at their end. `tls` is for `turns:`."""
        self._connection = connection
        self._stun, self._turn = read_servers(servers)
        self._found = found
        self._privacy = privacy
        self._tls = tls or True
        self._work: asyncio.Task[None] | None = None
        connection.gather_candidates = self.gather  # type: ignore[method-assign]
        self._pair_any = connection._pair_remote_candidate
        connection._pair_remote_candidate = self._pair  # type: ignore[method-assign]

    async def gather(self) -> None:
        connection: Any = self._connection
        if connection._local_candidates_start:
            return
        connection._local_candidates_start = True
        if not self._is_relay_only:
            addresses = host_addresses()
            if self._privacy is not Privacy.OPEN:
                addresses = of_default_route(addresses)
            connection._local_candidates += await connection.get_component_candidates(1, addresses)
        connection._local_candidates_end = True
        if connection._closing:  # while the sockets were made: they would stay open
            for protocol in connection._protocols:
                await protocol.close()
            return
        self._work = asyncio.create_task(self._ask_servers(), name="ICE servers")

    async def close(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    def _pair(self, remote_candidate: Candidate) -> None:
        """That an address is a relay's is the other end's word. One of a private network is reached through our own
        relay, whose policy says which peers there are: no participant can have this computer send to its neighbours, or
        itself."""
        connection: Any = self._connection
        protocols = connection._protocols
        is_local = remote_candidate.type == "relay" and kind_of(remote_candidate.host) is Kind.LOCAL
        if is_local and self._privacy is not Privacy.OPEN:
            connection._protocols = [each for each in protocols if each.local_candidate.type == "relay"]
        try:
            self._pair_any(remote_candidate)
        finally:
            connection._protocols = protocols

    @property
    def _is_relay_only(self) -> bool:
        return self._connection._transport_policy is TransportPolicy.RELAY

    async def _ask_servers(self) -> None:
        asked: list[Coroutine[Any, Any, None]] = [self._relay()]
        if self._stun is not None and not self._is_relay_only:
            bases = [protocol for protocol in self._connection._protocols if ":" not in protocol.local_candidate.host]
            asked += [self._reflect(base, self._stun) for base in bases]
        tasks = [asyncio.ensure_future(work) for work in asked]
        try:
            await asyncio.wait(tasks, timeout=GIVE_UP)
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    log.debug("an ICE server was of no use: %s", type(outcome).__name__)
        self._found(None)

    async def _reflect(self, base: StunProtocol, server: Server) -> None:
        candidate, _ = await server_reflexive_candidate(base, (server.uri.host, server.uri.port))
        self._connection._local_candidates.append(candidate)
        self._found(candidate)

    async def _relay(self) -> None:
        candidate, protocol = await self._first_relay()
        connection: Any = self._connection
        if connection._closing:
            await protocol.close()
            return
        connection._protocols.append(protocol)
        connection._local_candidates.append(candidate)
        for remote in connection._remote_candidates:
            connection._pair_remote_candidate(remote)
        connection.sort_check_list()
        if connection._early_checks_done and connection._remote_candidates_end and not connection._check_list_done:
            # The paced checks are over; these would never begin.
            for pair in connection._check_list:
                if pair.protocol is protocol and pair.state is CandidatePair.State.FROZEN:
                    connection.check_start_task(pair)
        self._found(candidate)

    async def _first_relay(self) -> tuple[Candidate, StunProtocol]:
        """Raises OSError when there is none."""
        trying: set[asyncio.Task[tuple[Candidate, StunProtocol]]] = set()
        waiting = list(self._turn)
        try:
            while waiting or trying:
                if waiting:
                    trying.add(asyncio.ensure_future(self._allocate(waiting.pop(0))))
                done, trying = await asyncio.wait(
                    trying, timeout=HEAD_START if waiting else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    if task.exception() is None:
                        return task.result()
        finally:
            for task in trying:
                task.cancel()
            for made in await asyncio.gather(*trying, return_exceptions=True):
                if not isinstance(made, BaseException):
                    await made[1].close()
        raise OSError("no relay")

    async def _allocate(self, server: Server) -> tuple[Candidate, StunProtocol]:
        return await relayed_candidate(
            component=1,
            hide_related_address=self._is_relay_only,
            protocol_factory=lambda: StunProtocol(self._connection),
            turn_server=(server.uri.host, server.uri.port),
            turn_username=server.of.username or "",
            turn_password=server.of.credential or "",
            turn_ssl=self._tls if server.uri.is_secure else False,  # type: ignore[arg-type]  # it is handed on to asyncio
            turn_transport=server.uri.transport,
        )


def of_default_route(addresses: list[str]) -> list[str]:
    """Those of them that the system sends from to the rest of the world (RFC 8828 §6.1); all if it has no way there."""
    used = set()
    for family, anywhere in ((socket.AF_INET, "192.0.0.9"), (socket.AF_INET6, "2001:1::1")):  # RFC 7723's, for anybody
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((anywhere, 9))  # nothing is sent
            used.add(probe.getsockname()[0])
    return [address for address in addresses if address in used] or addresses


def read_servers(servers: Sequence[IceServer]) -> tuple[Server | None, list[Server]]:
    """The first STUN server, and every TURN server. What we cannot use is left out."""
    stun, turn = None, []
    for server in servers:
        for url in server.urls:
            uri = parse_uri(url)
            if uri is None or uri.carrier == "DTLS":
                continue
            if uri.scheme == "stun":
                stun = stun or Server(uri, server)
            elif uri.is_relay and server.username is not None and server.credential is not None:
                turn.append(Server(uri, server))
    return stun, turn
