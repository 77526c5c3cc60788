"""Does a TURN server work from here? Not whether its port is open: whether it relays.

Two allocations on one server over one transport, each other's peer, and packets that go out through one and come back
through the other. That works with a closed relay too, and is what two clients of one server need. On the way we ask
for a few peers that no client should get; asking sends nothing to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from slidewire.aio.clock import monotonic, wall
from slidewire.base.addresses import IPV4, IPV6, Address
from slidewire.stun.uri import Uri, parse_uri
from slidewire.turn.client import Answered, Data, Retry, TurnClient
from slidewire.turn.policy import Network
from slidewire.turn.streams import NotTurn, take_frame

PACKETS: Final = 20
_CHANNEL: Final = 0x4000
_RETRANSMIT_SECONDS: Final = 0.5
"""RFC 8489 §6.2.1: the first time, and twice as long each time after that."""
_LARGEST_FRAME: Final = 1 << 17

DOCUMENTATION_PEERS: Final = {
    IPV4: (
        "127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254",  # noqa: S104
        "192.0.0.192", "224.0.0.1", "255.255.255.255",
    ),
    IPV6: (
        "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:7f00:1", "::7f00:1", "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
    ),
}  # fmt: skip


class CheckError(Exception):
    """What went wrong and what to do, in a sentence."""


def read_uri(text: str) -> Uri:
    """Raises ValueError."""
    uri = parse_uri(text)
    if uri is None or uri.scheme == "stuns":
        raise ValueError(f"{text} is no address of a TURN server: turn:HOST[:PORT][?transport=udp|tcp] or turns:…")
    if uri.carrier == "DTLS":
        raise ValueError(f"{text} asks for DTLS, which no browser speaks; leave ?transport=udp out")
    return uri


@dataclass(slots=True)
class CheckResult:
    """What one server did over one transport."""

    uri: str
    problem: str | None = None
    warnings: list[str] = field(default_factory=list)
    mapped: str | None = None
    relayed: str | None = None
    ms: dict[str, float] = field(default_factory=dict)
    """How long: connect, binding, allocate, echo (the median)."""
    echoed: int = 0
    granted: list[str] = field(default_factory=list)
    """Of DOCUMENTATION_PEERS."""
    certificate_days: int | None = None

    @property
    def works(self) -> bool:
        return self.problem is None


# --- a client on a socket ---------------------------------------------------------------------------------------------


class ClientSocket(asyncio.Protocol, asyncio.DatagramProtocol):
    """One socket, of any transport, with a client on it."""

    def __init__(self, client: TurnClient, *, stream: bool) -> None:
        self.client = client
        self._is_stream = stream
        self._buffer = bytearray()
        self._transport: Any = None
        self._answers: dict[bytes, asyncio.Future[Answered]] = {}
        self.data: asyncio.Queue[Data] = asyncio.Queue()
        self.lost: str | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the server closed the connection")

    def error_received(self, exc: Exception) -> None:
        self._fail(f"the network says: {exc.strerror if isinstance(exc, OSError) else exc}")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while (frame := take_frame(self._buffer, _LARGEST_FRAME)) is not None:
                self._receive(frame)
        except NotTurn:
            self._fail("what answers there does not speak TURN")
            self.close()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._receive(data)

    @property
    def peer_certificate(self) -> dict[str, Any] | None:
        return self._transport.get_extra_info("peercert") or None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def send(self, data: bytes) -> None:
        if self._is_stream:
            self._transport.write(data)
        else:
            self._transport.sendto(data)

    async def ask(self, data: bytes, seconds: float) -> Answered:
        """Raises CheckError if there is no answer in that time."""
        transaction = data[8:20]
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._answers[transaction] = answer
        deadline, pause = monotonic() + seconds, _RETRANSMIT_SECONDS
        try:
            while self.lost is None and (left := deadline - monotonic()) > 0:
                if transaction in self._answers:
                    self.send(data)
                done, _ = await asyncio.wait([answer], timeout=left if self._is_stream else min(left, pause))
                if done:
                    return answer.result()
                pause *= 2
        finally:
            answer.cancel()
            self._answers = {key: value for key, value in self._answers.items() if value is not answer}
        raise CheckError(self.lost or "nothing answered")

    def _receive(self, data: bytes) -> None:
        match self.client.receive(data):
            case Retry(old, new, again):
                if (waiting := self._answers.pop(old, None)) is not None:
                    self._answers[new] = waiting
                    self.send(again)
            case Answered(transaction) as answered:
                if (waiting := self._answers.pop(transaction, None)) is not None and not waiting.done():
                    waiting.set_result(answered)
            case Data() as data_:
                self.data.put_nowait(data_)

    def _fail(self, why: str) -> None:
        self.lost = self.lost or why
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(CheckError(why))
        self._answers.clear()


async def connect(uri: Uri, username: str, password: str, trust: ssl.SSLContext, seconds: float) -> ClientSocket:
    """Raises CheckError."""
    loop = asyncio.get_running_loop()
    stream = uri.transport == "tcp"
    line = ClientSocket(TurnClient(username, password, os.urandom, stream=stream), stream=stream)
    try:
        async with asyncio.timeout(seconds):
            if stream:
                tls, name = (trust, uri.host) if uri.is_secure else (None, None)
                await loop.create_connection(lambda: line, uri.host, uri.port, ssl=tls, server_hostname=name)
            else:
                await loop.create_datagram_endpoint(lambda: line, remote_addr=(uri.host, uri.port))
    except TimeoutError:
        raise CheckError(f"Nothing answered on {uri.carrier} port {uri.port}. Is it open in every firewall?") from None
    except socket.gaierror:
        raise CheckError(f"There is no address for {uri.host}. Check the name and its DNS record.") from None
    except ConnectionRefusedError:
        raise CheckError(
            f"No program listens on TCP port {uri.port}. Is the server running, with this port"
            f"{' and a certificate' if uri.is_secure else ''}?"
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise CheckError(
            f"Its certificate is not good for {uri.host} ({error.verify_message}). Give it one that is, or --ca "
            "with the authority that made it."
        ) from None
    except (ssl.SSLError, ConnectionResetError) as error:
        raise CheckError(f"TLS does not come about ({error}). Is TLS what listens on port {uri.port}?") from None
    except OSError as error:
        raise CheckError(f"It cannot be reached: {error.strerror or error}.") from None
    return line


# --- the check --------------------------------------------------------------------------------------------------------


class TurnCheck:
    def __init__(
        self,
        username: str,
        password: str,
        *,
        trust: ssl.SSLContext | None = None,
        seconds: float = 5.0,
        packets: int = PACKETS,
        allowed: Sequence[Network] = (),
    ) -> None:
        """`allowed`: peers that were opened on purpose, so that getting them is no finding."""
        self._username = username
        self._password = password
        self._trust = trust or ssl.create_default_context()
        with contextlib.suppress(NotImplementedError):
            self._trust.set_alpn_protocols(["stun.turn"])  # RFC 7443
        self._seconds = seconds
        self._packets = packets
        self._allowed = allowed

    async def check(self, uri: Uri) -> CheckResult:
        """Never raises for what the server or the network does."""
        found = CheckResult(uri.text)
        lines: list[ClientSocket] = []
        try:
            await self._check(uri, found, lines)
        except CheckError as error:
            found.problem = str(error)
        finally:
            for line in lines:
                line.close()
        return found

    async def _check(self, uri: Uri, found: CheckResult, lines: list[ClientSocket]) -> None:
        began = time.perf_counter()
        one = await self._open(uri, lines)
        found.ms["connect"] = _ms(began)
        self._look_at_certificate(one, found)
        began = time.perf_counter()
        mapped = (await self._ask(uri, one, one.client.binding(), "a Binding request")).mapped
        found.ms["binding"], found.mapped = _ms(began), None if mapped is None else str(mapped)
        if not uri.is_relay:
            return
        two = await self._open(uri, lines)
        began = time.perf_counter()
        first = await self._allocate(uri, one)
        found.ms["allocate"], found.relayed = _ms(began), str(first)
        second = await self._allocate(uri, two)
        try:
            await self._echo(uri, one, two, first, second, found)
            found.granted = [*await self._forbidden(one, IPV4, first.host), *await self._forbidden_ipv6(uri, lines)]
            if found.granted:
                raise CheckError(
                    f"It relays, but also to {', '.join(found.granted)}, which no client should reach through a relay. "
                    "Deny them: `slidewire turn export` writes the list for coturn and eturnal."
                )
        finally:
            for line in (one, two):
                with contextlib.suppress(CheckError):
                    await line.ask(line.client.refresh(0), self._seconds)

    async def _open(self, uri: Uri, lines: list[ClientSocket]) -> ClientSocket:
        lines.append(await connect(uri, self._username, self._password, self._trust, self._seconds))
        return lines[-1]

    def _look_at_certificate(self, line: ClientSocket, found: CheckResult) -> None:
        certificate = line.peer_certificate
        if certificate is not None and "notAfter" in certificate:
            found.certificate_days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - wall()) // 86_400)
            if found.certificate_days < 14:
                found.warnings.append(f"Its certificate ends in {found.certificate_days} days. Renew it.")

    async def _ask(self, uri: Uri, line: ClientSocket, data: bytes, what: str) -> Answered:
        try:
            return await line.ask(data, self._seconds)
        except CheckError as error:
            raise CheckError(
                f"No answer to {what} ({error}). Is {uri.carrier} port {uri.port} open in every firewall, "
                "both ways, and is it a STUN and TURN server?"
            ) from None

    async def _allocate(self, uri: Uri, line: ClientSocket) -> Address:
        answered = await self._ask(uri, line, line.client.allocate(), "an Allocate request")
        if answered.code or answered.relayed is None:
            raise CheckError(_REMEDIES.get(answered.code, f"It refuses an allocation with {answered.code}."))
        return answered.relayed

    async def _echo(
        self, uri: Uri, one: ClientSocket, two: ClientSocket, first: Address, second: Address, found: CheckResult
    ) -> None:
        bound = await self._ask(uri, one, one.client.bind(_CHANNEL, second), "a ChannelBind request")
        permitted = await self._ask(uri, two, two.client.permit(first), "a CreatePermission request")
        if code := bound.code or permitted.code:
            raise CheckError(
                f"It refuses ({code}) to relay to its own relay {second.host}. Two clients of one server have to meet: "
                "allow its relay addresses as peers."
            )
        times: list[float] = []
        for number in range(self._packets):
            began = time.perf_counter()
            one.send(one.client.say_on(_CHANNEL, number.to_bytes(4, "big") + bytes(156)))
            try:
                async with asyncio.timeout(min(1.0, self._seconds)):
                    there = await two.data.get()
                    two.send(two.client.say(first, there.data))
                    back = await one.data.get()
            except TimeoutError:
                if number >= 2 and not times:
                    break
                continue
            if back == Data(_CHANNEL, there.data) and there.data[:4] == number.to_bytes(4, "big"):
                times.append(_ms(began))
        found.echoed = len(times)
        if not times:
            raise CheckError(
                f"Allocations are made ({first}), but nothing sent to them arrives. Are UDP ports 49152 to 65535 open "
                "towards the relay, and is its external address right?"
            )
        found.ms["echo"] = round(statistics.median(times), 2)
        if len(times) < self._packets:
            found.warnings.append(f"{self._packets - len(times)} of {self._packets} packets were lost.")

    async def _forbidden_ipv6(self, uri: Uri, lines: list[ClientSocket]) -> list[str]:
        """Half of the disguises are IPv6, and need a relay of that kind, if there is one."""
        line = await self._open(uri, lines)
        answered = await self._ask(uri, line, line.client.allocate(IPV6), "an Allocate request")
        if answered.relayed is None:
            return []
        try:
            return await self._forbidden(line, IPV6, answered.relayed.host)
        finally:
            with contextlib.suppress(CheckError):
                await line.ask(line.client.refresh(0), self._seconds)

    async def _forbidden(self, line: ClientSocket, family: int, relay: str) -> list[str]:
        """One by one: a request is granted as a whole or not at all. A relay's own host is no finding."""
        granted = []
        for host in DOCUMENTATION_PEERS[family]:
            if host == relay or any(ipaddress.ip_address(host) in network for network in self._allowed):
                continue
            if (await line.ask(line.client.permit(Address(host, 5000)), self._seconds)).code == 0:
                granted.append(host)
        return granted


_REMEDIES: Final = {
    401: "It does not accept the credentials. Is its secret the one of --secret-file, and are both clocks right?",
    403: "It forbids allocations to this client. Look for a rule about client addresses.",
    438: "It finds every nonce stale. Do several servers without a common nonce key share this address?",
    442: "It relays no UDP.",
    486: "The quota of allocations is reached, for this user or for all.",
    508: "It has no capacity: no port is left, or it is being drained.",
    300: "It sends its clients to another server.",
}


def _ms(since: float) -> float:
    return round((time.perf_counter() - since) * 1000, 2)
