"""Two peers of the engine and our own relay: nobody waits for a server, and the first relay that answers is used."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from slidewire.aio import clock
from slidewire.control.privacy import Privacy
from slidewire.media.frames import Line
from slidewire.relay.program import TurnReady, TurnService, TurnSettings
from slidewire.rtc import gathering
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.rtc.engine import Channel, IceServer, Peer, PeerEvents
from slidewire.rtc.gathering import HEAD_START, read_servers
from slidewire.rtc.media_peer import MediaEvents
from tests.media.offers import offer
from tests.server.certificates import make_certificate

PATIENCE = 20.0


class End:
    """One peer, which tells another what it says."""

    def __init__(self, servers: list[IceServer], tls: ssl.SSLContext | None, relay_only: bool) -> None:
        self.opened: set[Channel] = set()
        self.received: asyncio.Queue[tuple[Channel, bytes]] = asyncio.Queue()
        self.candidates: list[str] = []
        self.gathered = asyncio.Event()
        self.other: End | None = None
        events = PeerEvents(self.opened.add, self._received, lambda: None, self._candidate)
        self.peer: Peer = AiortcEngine(tls).create_peer(
            servers, events, Privacy.PRIVATE if relay_only else Privacy.OPEN
        )

    def _received(self, channel: Channel, data: bytes) -> None:
        self.received.put_nowait((channel, data))

    def _candidate(self, candidate: dict[str, Any] | None) -> None:
        if candidate is None:
            self.gathered.set()
        else:
            self.candidates.append(candidate["candidate"])
        if self.other is not None:
            self.other.peer.add_candidate(candidate)


Meet = Callable[..., Any]


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[tuple[TurnService, TurnReady, ssl.SSLContext]]:
    certificate, key, authority = make_certificate(tmp_path, "turn")
    settings = TurnSettings(
        listen=("127.0.0.1",), port=0, tls_port=0, tls_cert=certificate, tls_key=key, secret_file=tmp_path / "secret"
    )
    service = TurnService(settings)
    ready = await service.start()
    yield service, ready, ssl.create_default_context(cafile=str(authority))
    await service.stop()


@pytest.fixture
async def meet() -> AsyncIterator[Meet]:
    ends: list[End] = []

    async def meet(servers: list[IceServer], tls: ssl.SSLContext | None = None, relay_only: bool = True) -> list[End]:
        one, two = End(servers, tls, relay_only), End(servers, tls, relay_only)
        ends.extend((one, two))
        one.other, two.other = two, one
        offer = await one.peer.offer()
        await one.peer.accept_answer(await two.peer.answer(offer))
        return [one, two]

    yield meet
    for end in ends:
        await end.peer.close()


def login(service: TurnService, *urls: str) -> list[IceServer]:
    assert service.core is not None
    made = service.core.credentials.mint("ada", clock.wall())
    return [IceServer(urls, made.username, made.password)]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def exchange(ends: list[End]) -> None:
    one, two = ends
    await until(lambda: len(one.opened) == len(two.opened) == 2)
    assert one.peer.send(Channel.CONTROL, b"next") and one.peer.send(Channel.BULK, b"picture")
    async with asyncio.timeout(PATIENCE):
        heard = [await two.received.get() for _ in range(2)]
    assert sorted(heard) == [(Channel.BULK, b"picture"), (Channel.CONTROL, b"next")]


def sockets() -> int:
    here = Path("/proc/self/fd")
    return sum(each.is_symlink() and str(each.readlink()).startswith("socket:") for each in here.iterdir())


async def test_whenever_it_is_closed_no_socket_stays_open() -> None:
    before = sockets()
    for turns in range(8):
        peer = AiortcEngine().create_media_peer([], MediaEvents(), Privacy.OPEN)
        answering = asyncio.ensure_future(peer.answer(offer([Line.SCREEN]), [Line.SCREEN]))
        for _ in range(turns):
            await asyncio.sleep(0)
        await peer.close()
        await answering
    await asyncio.sleep(0)
    assert sockets() == before


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_relayed_only(transport: str, relay: tuple[TurnService, TurnReady, ssl.SSLContext], meet: Meet) -> None:
    service, ready, tls = relay
    uri = {
        "udp": f"turn:127.0.0.1:{ready.udp}?transport=udp",
        "tcp": f"turn:127.0.0.1:{ready.tcp}?transport=tcp",
        "tls": f"turns:127.0.0.1:{ready.tls}?transport=tcp",
    }[transport]
    ends = await meet(login(service, uri), tls)
    await exchange(ends)
    for end in ends:
        assert end.peer.is_relayed and len(end.candidates) == 1
        assert " typ relay raddr 0.0.0.0 rport 9" in end.candidates[0], "the address behind the relay stays hidden"
    assert service.core is not None and service.core.total.packets > 0
    assert {each.client.transport.value for each in service.core.allocations} == {transport}


async def test_a_relay_that_does_not_answer_holds_nobody_up(
    relay: tuple[TurnService, TurnReady, ssl.SSLContext], meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, ready, tls = relay
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        dead = silent.getsockname()[1]
        servers = login(service, f"turn:127.0.0.1:{dead}", f"turn:127.0.0.1:{ready.tcp}?transport=tcp")
        servers.append(IceServer((f"stun:127.0.0.1:{dead}",)))
        monkeypatch.setattr(gathering, "HEAD_START", 3600.0)
        async with asyncio.timeout(PATIENCE):
            ends = await meet(servers, tls, relay_only=False)  # described without waiting
        assert not any(end.candidates for end in ends)
        monkeypatch.setattr(gathering, "HEAD_START", HEAD_START)
        ends = await meet(servers, tls, relay_only=False)
        await until(lambda: all(end.candidates for end in ends))
        await exchange(ends)
    assert all("typ relay" in end.candidates[0] for end in ends)


async def test_an_end_is_told(relay: tuple[TurnService, TurnReady, ssl.SSLContext], meet: Meet) -> None:
    service, ready, _ = relay
    servers = login(service, f"turn:127.0.0.1:{ready.udp}")
    ends = await meet([IceServer((f"stun:127.0.0.1:{ready.udp}",)), *servers], relay_only=False)
    for end in ends:
        async with asyncio.timeout(PATIENCE):
            await end.gathered.wait()
        kinds = {candidate.split(" typ ")[1].split()[0] for candidate in end.candidates}
        assert kinds >= {"relay", "srflx"}


async def test_closing_leaves_no_allocation(relay: tuple[TurnService, TurnReady, ssl.SSLContext], meet: Meet) -> None:
    service, ready, _ = relay
    ends = await meet(login(service, f"turn:127.0.0.1:{ready.udp}"))
    await exchange(ends)
    for end in ends:
        await end.peer.close()
    core = service.core
    assert core is not None
    await until(lambda: not core.allocations)


async def test_without_servers_it_has_an_end_too(meet: Meet) -> None:
    for end in await meet([], relay_only=False):
        async with asyncio.timeout(PATIENCE):
            await end.gathered.wait()


def test_what_cannot_be_used_is_left_out() -> None:
    bad = [
        "",
        "turn:",
        "turn:a:0x10",
        "turn:a:99999",
        "turns:a?transport=udp",
        "stuns:a",
        "turn:a?transport=sctp",
        "x:y",
    ]
    stun, turn = read_servers([IceServer((*bad, "stun:s", "turns:[2001:db8::1]", "turn:a"), "user", "password")])
    assert stun is not None and (stun.uri.host, stun.uri.port) == ("s", 3478)
    assert [(server.uri.host, server.uri.port, server.uri.carrier) for server in turn] == [
        ("2001:db8::1", 5349, "TLS"),
        ("a", 3478, "UDP"),
    ]
    assert read_servers([IceServer(("turn:a",))]) == (None, []), "nobody relays for strangers"


@pytest.mark.parametrize("told", ["127.0.0.1", "192.168.1.1"])
@pytest.mark.parametrize("privacy", [Privacy.BALANCED, Privacy.OPEN])
async def test_a_local_address_that_is_said_to_be_a_relay_s_is_sent_nothing_from_here(
    privacy: Privacy, told: str
) -> None:
    ours, theirs = (
        AiortcEngine().create_peer([], PeerEvents(lambda channel: None, lambda *_: None, lambda: None), each)
        for each in (privacy, Privacy.OPEN)
    )
    try:
        lines = [line for line in (await theirs.offer()).split("\r\n") if line and not line.startswith("a=candidate")]
        lines += (f"a=candidate:1 1 udp 1 {host} 9 typ relay" for host in (told, "203.0.113.9"))
        await ours.answer("".join(f"{line}\r\n" for line in lines))
        connection: Any = ours._ice  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE):
            while not (paired := {pair.remote_candidate.host for pair in connection._check_list}):
                await asyncio.sleep(0)
        assert paired == ({told, "203.0.113.9"} if privacy is Privacy.OPEN else {"203.0.113.9"})
    finally:
        await ours.close()
        await theirs.close()
