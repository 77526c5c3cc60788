"""Our TURN core and its sockets where aioice's own tests start a server of theirs: the same names, another server.

`tests/interop/test_aioice.py` puts this file into the place of turnserver.py among aioice's tests. DATA_PATH says which
data path relays. What those tests look at beyond the protocol is given here: users with passwords of their own, reason
phrases, a refusal on demand, and which channels an allocation has.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import secrets
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from aioice.ice import get_host_addresses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from slidewire.aio.stream import StreamListener
from slidewire.base.addresses import IPV4, SocketAddress
from slidewire.relay.datapath_selection import select_data_path
from slidewire.relay.shell import RelayHost, RelayShell
from slidewire.stun.attributes import ERROR_CODE, Error
from slidewire.stun.message import Builder, Class, Message, packed
from slidewire.turn import server, transaction
from slidewire.turn.authentication import Identity
from slidewire.turn.credentials import Credentials
from slidewire.turn.five_tuple import FiveTuple
from slidewire.turn.limits import Limits
from slidewire.turn.policy import PeerPolicy, networks

REALM = "test"


def _code_with_reason(code: int) -> bytes:
    """Ours says no reason; they compare the phrase."""
    return packed(ERROR_CODE, Error(code, HTTPStatus(code).phrase if code in set(HTTPStatus) else ""))


transaction._code = _code_with_reason  # type: ignore[assignment]


@cache
def own_address() -> str:
    return get_host_addresses(use_ipv4=True, use_ipv6=False)[0]


@cache
def get_tls_credentials() -> tuple[str, ssl.SSLContext]:
    """A certificate for our address, to be trusted, and the server's context with it."""
    now = dt.datetime.now(dt.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "turn")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(own_address()))]), False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile(suffix=".pem") as both:
        both.write(key.private_bytes(serialization.Encoding.PEM, *plain) + certificate)
        both.flush()
        context.load_cert_chain(both.name)
    return certificate.decode(), context


class Users(Credentials):
    def __init__(self, users: Mapping[str, str]) -> None:
        super().__init__([secrets.token_hex()])
        self._users = users

    def passwords(self, username: str) -> tuple[str, ...]:
        return (self._users.get(username) or secrets.token_hex(),)

    def valid(self, username: str, now: float) -> bool:
        return username in self._users


class Core(server.TurnServer):
    refuse_once: tuple[int, str] | None = None
    """The next request of somebody who knows the password is answered with this."""

    def _receive_request(self, message: Message, client: FiveTuple, now: float) -> None:
        allocation = self._table.of_client(client)
        owner = None if allocation is None else allocation.owner
        who = self._authenticator.authenticate(message, self._wall(), owner, fresh=True)
        if self.refuse_once is None or not isinstance(who, Identity):
            super()._receive_request(message, client, now)
            return
        (code, reason), self.refuse_once = self.refuse_once, None
        answer = Builder(message.method, Class.ERROR, message.transaction).add(ERROR_CODE, Error(code, reason))
        challenged = code in (401, 438)
        challenge = self._authenticator.challenge
        self._send(client, challenge(answer, client, self._wall()).encode() if challenged else who.sign(answer))


@dataclass
class Seen:
    """What their tests look at of an allocation."""

    channel_to_peer: dict[int, tuple[Any, ...]]


class TurnServer:
    def __init__(self, users: Mapping[str, str]) -> None:
        self._path = select_data_path(os.environ["DATA_PATH"])
        self._is_open = False
        self._core = Core(
            realm=REALM,
            credentials=Users(users),
            policy=PeerPolicy(open=True, allow=networks(["0.0.0.0/0"])),
            entropy=secrets.token_bytes,
            wall=time.time,
            limits=Limits(default_lifetime=1),
            make_meter=self._path.make_meter,
        )

    @property
    def allocations(self) -> dict[FiveTuple, Seen]:
        return {
            each.client: Seen({number: tuple(channel.peer) for number, channel in each.channels.items()})
            for each in self._core.allocations
        }

    @property
    def simulated_failure(self) -> tuple[int, str] | None:
        return self._core.refuse_once

    @simulated_failure.setter
    def simulated_failure(self, refusal: tuple[int, str] | None) -> None:
        self._core.refuse_once = refusal

    def listen(self) -> None:
        host = own_address()
        self._shell = RelayShell(self._core, {IPV4: RelayHost(host, host)}, path=self._path)
        self._tcp, self._tls = StreamListener(self._shell), StreamListener(self._shell, get_tls_credentials()[1])
        self.udp_address: SocketAddress = self._shell.listen(host, 0)
        self.tcp_address, self.tls_address = self._tcp.open(host, 0), self._tls.open(host, 0)
        self._is_open = True

    async def close(self) -> None:
        if self._is_open:
            self._is_open = False
            await self._tcp.close()
            await self._tls.close()
            self._shell.close()


@contextlib.asynccontextmanager
async def run_turn_server(users: Mapping[str, str] | None = None) -> AsyncIterator[TurnServer]:
    turn_server = TurnServer(users or {})
    turn_server.listen()
    try:
        yield turn_server
    finally:
        await turn_server.close()
