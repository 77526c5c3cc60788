"""The same requests, in the same odd orders, to our server and to coturn's: they answer alike.

A play is made from a seed: a client asks, in an order that is allowed but that nobody planned, for things that exist or
not, as itself or as somebody else, and sends data where it may or may not. Each step is said to both servers, and code,
lifetime and what reached which peer are compared. Where they differ, it is by one of `DIFFERENCES`, each of which is
explained in docs/conformance/turn.md; after some of them the two have parted, and the play ends.

Nothing is waited for by the clock: every request here has an answer, and behind what has none goes a request that
changes nothing. COTURN names another coturn than Debian's.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from slidewire.base.addresses import IPV4, Address
from slidewire.stun import attributes as a
from slidewire.stun.message import BINDING, Builder, Class, Message, long_term_key, parse
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method
from slidewire.turn.credentials import mint
from tests.support.programs import programs

SECRET: Final = "0123456789abcdef" * 3
SEEDS: Final = range(1, 301)
SECONDS: Final = 10.0
STRANGERS_MAY_ASK: Final = 4
"""Of one client of ours, in one play: what is not signed with a good nonce is rationed."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(500), pytest.mark.asyncio(loop_scope="module")]

Fields = tuple[tuple[a.Attribute[Any], Any], ...]
SEND: Final = b"\0\x16"
ODD = a.opaque(0x7001, "ODD", "")


@dataclass(frozen=True)
class Heard:
    """What came of a step: a code (0 is success; None: it has no answer), a lifetime, and what reached each peer."""

    code: int | None
    lifetime: int | None = None
    reached: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.code, self.lifetime, self.reached) if part not in (None, ()))


@dataclass
class Story:
    """What has happened in a play so far, as far as the differences go by it."""

    steps: list[str] = field(default_factory=list)
    has_allocation: bool = False
    given_back: bool = False
    """An allocation was, in this play."""
    last: str = ""
    """The last request."""
    user: str = "ada"
    pinned: str | None = None
    """Whose password was right first."""


Difference = Callable[[str, Heard, Heard, Story], bool]

DIFFERENCES: Final[dict[str, Difference]] = {
    "an allocation that was given back": lambda step, ours, theirs, story: story.given_back,
    "a wrong request without an allocation": lambda step, ours, theirs, story: (
        not story.has_allocation and (ours.code, theirs.code) == (437, 400)
    ),
    "a client that changes its name": lambda step, ours, theirs, story: (
        not story.has_allocation and story.user != story.pinned and theirs.code in (437, 441)
    ),
    "a stale nonce under another name": lambda step, ours, theirs, story: (
        step == "stale" and story.user != story.pinned and (ours.code, theirs.code) == (438, 441)
    ),
    "an unknown token": lambda step, ours, theirs, story: (
        step == "allocate token" and (ours.code, theirs.code) == (508, 404)
    ),
}
"""By the names that the document gives them."""
PART: Final = {"an allocation that was given back", "a client that changes its name"}
"""After these, one of the two has an allocation."""


@dataclass
class Server:
    port: int


class Client:
    """One client of one server, over UDP or TCP, with peers of its own to send to."""

    def __init__(self, server: Server, transport: str, host: str) -> None:
        kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
        self.is_stream = transport == "tcp"
        self.socket = socket.socket(type=kind)
        self.socket.settimeout(SECONDS)
        self.socket.bind((host, 0))
        self.socket.connect(("127.0.0.1", server.port))
        self.peers = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(2)]
        for peer in self.peers:
            peer.bind(("127.0.0.1", 0))
            peer.setblocking(False)
        self.buffer = b""
        self.nonce: bytes | None = None
        self.last = b""
        now = time.time()  # once: a name that is made again a second later is another's, to coturn
        self.logins = {user: mint(SECRET, user, now, 3600) for user in ("ada", "bob")}
        self.use("ada")

    def close(self) -> None:
        for each in (self.socket, *self.peers):
            each.close()

    def use(self, user: str) -> None:
        made = self.logins[user]
        self.username, self.key = made.username, long_term_key(made.username, "slidewire", made.password)

    def peer(self, which: int) -> Address:
        return (*(Address(*each.getsockname()) for each in self.peers), Address("127.0.0.2", 7777))[which]

    # --- bytes --------------------------------------------------------------------------------------------------------

    def request(self, method: int, *fields: tuple[a.Attribute[Any], Any], nonce: bytes | None = None) -> bytes:
        builder = Builder(method, Class.REQUEST, os.urandom(12))
        for attribute, value in fields:
            builder.add(attribute, value)
        if nonce is None:
            return builder.encode()
        builder.add(a.USERNAME, self.username).add(a.REALM, "slidewire").add(a.NONCE, nonce)
        return builder.sign(self.key).encode()

    def signed(self, method: int, *fields: tuple[a.Attribute[Any], Any]) -> bytes:
        return self.request(method, *fields, nonce=self.nonce)

    def frames(self) -> Iterator[bytes]:
        while True:
            if not self.is_stream:
                yield self.socket.recv(4096)
                continue
            while len(self.buffer) < 4 or len(self.buffer) < self.size():
                more = self.socket.recv(65536)
                assert more, "the server closed the connection"
                self.buffer += more
            size = self.size()
            frame, self.buffer = self.buffer[:size], self.buffer[size:]
            yield frame

    def size(self) -> int:
        kind, length = int.from_bytes(self.buffer[:2], "big"), int.from_bytes(self.buffer[2:4], "big")
        return 20 + length if kind < 0x4000 else 4 + length + -length % 4

    def say(self, data: bytes) -> Heard:
        """What comes of it. Indications and data have no answer: a question that changes nothing goes behind them, and
        when that is answered, they have done what they do."""
        is_request = data[0] < 0x40 and data[:2] != SEND
        awaited = data if is_request else self.signed(Method.REFRESH, (ODD, b""))
        self.socket.sendall(data if is_request else data + awaited if self.is_stream else data)
        if not is_request and not self.is_stream:
            self.socket.sendall(awaited)
        answer: Message | None = None
        while answer is None or answer.transaction != awaited[8:20]:
            frame = next(self.frames())
            answer = parse(frame) if frame[0] < 0x40 else None
        reached = tuple(data for data in map(_waiting, self.peers) if data is not None)
        if not is_request:
            return Heard(None, reached=reached)
        error = answer.get(a.ERROR_CODE)
        if error is not None and error.code in (401, 438) and (nonce := answer.get(a.NONCE)) is not None:
            self.nonce = nonce
        is_refresh = answer.method == Method.REFRESH
        return Heard(0 if error is None else error.code, answer.get(t.LIFETIME) if is_refresh else None, reached)


def _waiting(peer: socket.socket) -> bytes | None:
    try:
        return peer.recv(4096)
    except BlockingIOError:
        return None


# --- steps ------------------------------------------------------------------------------------------------------------

LIFETIMES: Final = (1, 600, 777, 3600, 10**6, 0xFFFFFFFF)
ALLOCATES: Final[dict[str, Fields]] = {
    "allocate": ((t.REQUESTED_TRANSPORT, 17),),
    "allocate even": ((t.REQUESTED_TRANSPORT, 17), (t.EVEN_PORT, False)),
    "allocate two": ((t.REQUESTED_TRANSPORT, 17), (t.EVEN_PORT, True)),
    "allocate IPv4": ((t.REQUESTED_TRANSPORT, 17), (t.REQUESTED_ADDRESS_FAMILY, IPV4)),
    "allocate family 3": ((t.REQUESTED_TRANSPORT, 17), (t.REQUESTED_ADDRESS_FAMILY, 3)),
    "allocate whole": ((t.REQUESTED_TRANSPORT, 17), (t.DONT_FRAGMENT, True)),
    "allocate token": ((t.REQUESTED_TRANSPORT, 17), (t.RESERVATION_TOKEN, b"12345678")),
    "allocate odd": ((t.REQUESTED_TRANSPORT, 17), (ODD, b"")),
    "allocate nothing": (),
}
Act = Callable[[Client], bytes]


def _unsigned(dice: random.Random) -> tuple[str, Act]:
    match dice.randrange(4):
        case 0:
            return "binding", lambda client: client.request(BINDING)
        case 1:
            return "unsigned", lambda client: client.request(Method.REFRESH, (t.LIFETIME, 600))
        case 2:
            return "fingerprint", lambda client: Builder(BINDING, Class.REQUEST, os.urandom(12)).fingerprint().encode()
        case _:
            return "stale", lambda client: client.request(Method.REFRESH, (t.LIFETIME, 600), nonce=b"A" * 16)


def _data(dice: random.Random) -> tuple[str, Act]:
    which, number = dice.randrange(2), dice.choice((0x4000, 0x4001, 0x4FFF))

    def send(client: Client) -> bytes:
        builder = Builder(Method.SEND, Class.INDICATION, os.urandom(12)).add(t.XOR_PEER_ADDRESS, client.peer(which))
        return builder.add(t.DATA, b"sent").encode()

    def channel(client: Client) -> bytes:
        return number.to_bytes(2, "big") + b"\0\x05bound" + (b"\0\0\0" if client.is_stream else b"")

    return dice.choice(((f"send {which}", send), (f"data {number:x}", channel)))


def _change(dice: random.Random) -> tuple[str, Act]:
    which, number = dice.randrange(3), dice.choice((0x4000, 0x4001, 0x4FFF))
    lifetime, low = dice.choice(LIFETIMES), dice.choice((0, 0x3FFF, 0x8000, 0xFFFF))
    v6 = (t.XOR_PEER_ADDRESS, Address("::1", 7777))

    def to(client: Client, which: int) -> tuple[a.Attribute[Any], Any]:
        return t.XOR_PEER_ADDRESS, client.peer(which)

    permit, bind, refresh = Method.CREATE_PERMISSION, Method.CHANNEL_BIND, Method.REFRESH
    steps: list[tuple[str, Act]] = [
        (f"refresh {lifetime}", lambda client: client.signed(refresh, (t.LIFETIME, lifetime))),
        ("refresh", lambda client: client.signed(refresh)),
        ("refresh 0", lambda client: client.signed(refresh, (t.LIFETIME, 0))),
        (f"permit {which}", lambda client: client.signed(permit, to(client, which))),
        ("permit 0 2", lambda client: client.signed(permit, to(client, 0), to(client, 2))),
        ("permit IPv6", lambda client: client.signed(permit, v6)),
        ("permit nobody", lambda client: client.signed(permit)),
        (f"bind {number:x} {which}", lambda client: client.signed(bind, (t.CHANNEL_NUMBER, number), to(client, which))),
        (f"bind {number:x} again", lambda client: client.signed(bind, (t.CHANNEL_NUMBER, number), to(client, 0))),
        ("bind nobody", lambda client: client.signed(bind, (t.CHANNEL_NUMBER, number))),
        ("bind nothing", lambda client: client.signed(bind, to(client, which))),
        (f"bind {low:x}", lambda client: client.signed(bind, (t.CHANNEL_NUMBER, low), to(client, which))),
    ]
    return dice.choice(steps)


def _allocate(dice: random.Random) -> tuple[str, Act]:
    name = dice.choice((*ALLOCATES, *["allocate"] * 6))
    return name, lambda client: client.signed(Method.ALLOCATE, *ALLOCATES[name])


def script(seed: int) -> list[tuple[str, Act]]:
    dice = random.Random(seed)
    steps: list[tuple[str, Act]] = [
        ("challenge", lambda client: client.request(Method.ALLOCATE, *ALLOCATES["allocate"]))
    ]
    strangers = 0
    for _ in range(dice.randint(4, 16)):
        kind = dice.random()
        if kind < 0.1 and strangers < STRANGERS_MAY_ASK:
            strangers += 1
            steps.append(_unsigned(dice))
        elif kind < 0.3:
            steps.append(_allocate(dice))
        elif kind < 0.5:
            steps.append(_data(dice))
        elif kind < 0.55:
            user = dice.choice(("ada", "bob"))
            steps.append((f"as {user}", lambda client, user=user: client.use(user) or b""))  # type: ignore[misc]
        elif kind < 0.6:
            steps.append(("once more", lambda client: client.last))
        else:
            steps.append(_change(dice))
    return steps


def play(seed: int, servers: tuple[Server, Server]) -> Counter[str]:
    """The names of the differences it came upon. Raises AssertionError where one has none."""
    transport, host = ("udp", "tcp")[seed % 2], f"127.1.{seed >> 8 & 0xFF}.{seed & 0xFF}"
    clients = [Client(server, transport, host) for server in servers]
    story = Story()
    found: Counter[str] = Counter()
    try:
        for name, act in script(seed):
            step = name
            said = [act(client) for client in clients]
            if step.startswith("as "):
                story.user = step.removeprefix("as ")
                story.steps.append(step)
                continue
            if not said[0]:
                continue
            if step == "once more":
                step = story.last
            elif said[0][0] < 0x40 and said[0][:2] != SEND:
                story.last = step
            for client, data in zip(clients, said, strict=True):
                client.last = data if data[0] < 0x40 and data[:2] != SEND else client.last
            try:
                ours, theirs = (client.say(data) for client, data in zip(clients, said, strict=True))
            except TimeoutError:
                raise AssertionError(f"seed {seed}, {transport}: {'; '.join(story.steps)}; {step}: silence") from None
            story.steps.append(f"{step}: {ours}")
            if ours != theirs:
                names = [name for name, is_this in DIFFERENCES.items() if is_this(step, ours, theirs, story)]
                assert names, f"seed {seed}, {transport}: {'; '.join(story.steps)}, coturn {theirs}"
                found[names[0]] += 1
                if names[0] in PART:
                    break
            _remember(story, said[0], ours)
    finally:
        for client in clients:
            if story.has_allocation:
                client.socket.sendall(client.signed(Method.REFRESH, (t.LIFETIME, 0)))
            client.close()
    return found


def _remember(story: Story, said: bytes, heard: Heard) -> None:
    message = parse(said) if said[0] < 0x40 else None
    if message is None or heard.code is None:
        return
    if message.integrity_at is not None and heard.code not in (401, 438) and story.pinned is None:
        story.pinned = story.user
    if message.method == Method.ALLOCATE and heard.code == 0:
        story.has_allocation = True
    if message.method == Method.REFRESH and heard.lifetime == 0:
        story.has_allocation, story.given_back = False, True


# --- the two ----------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("coturn")
    (folder / "secret").write_text(SECRET)
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / "log").open("wb")
    theirs = await asyncio.create_subprocess_exec(
        os.environ.get("COTURN", "turnserver"), "-n", "--no-cli", "--no-tls", "--listening-ip=127.0.0.1",
        "--relay-ip=127.0.0.1", f"--listening-port={port}", "--use-auth-secret", f"--static-auth-secret={SECRET}",
        "--realm=slidewire", "--allow-loopback-peers", "--log-file=stdout", f"--pidfile={folder}/pid",
        f"--userdb={folder}/db", stdout=log, stderr=log,
    )  # fmt: skip
    try:
        async with programs(folder / "home") as started:
            turn = await started.start(
                "turn", "--listen", "127.0.0.1", "--port", "0", "--tls-port", "0", "--secret-file",
                str(folder / "secret"), "--allow-peer", "127.0.0.0/8",
            )  # fmt: skip
            ready = await turn.ready()
            await _listens(port, folder / "log")
            yield Server(ready["udp"]), Server(port)
            assert turn.errors == ""
    finally:
        theirs.kill()
        await theirs.wait()
        log.close()


async def _listens(port: int, log: Path) -> None:
    """Wait until coturn answers, over both transports."""
    binding = Builder(BINDING, Class.REQUEST, bytes(12)).encode()

    def answers(kind: int) -> bool:
        with socket.socket(type=kind) as probe:
            probe.settimeout(0.2)
            try:
                probe.connect(("127.0.0.1", port))
                probe.sendall(binding)
                return len(probe.recv(2048)) > 0
            except OSError:
                return False

    try:
        async with asyncio.timeout(30):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                while not await asyncio.to_thread(answers, kind):
                    await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"coturn does not answer: {log.read_text(errors='replace')[-2000:]}") from None


async def test_they_answer_alike(
    servers: tuple[Server, Server], record_property: Callable[[str, object], None]
) -> None:
    found: Counter[str] = Counter()
    wrong: list[str] = []
    parted = 0
    for seed in SEEDS:
        try:
            names = await asyncio.to_thread(play, seed, servers)
        except AssertionError as error:
            wrong.append(str(error))
        else:
            found += names
            parted += bool(names.keys() & PART)
    record_property("differences", dict(found))
    assert not wrong, "\n".join(wrong)
    assert parted < len(SEEDS) / 5, found


async def test_every_difference_is_explained() -> None:
    document = (Path(__file__).parents[2] / "docs/conformance/turn.md").read_text()
    assert [name for name in DIFFERENCES if f"**{name}" not in document.lower()] == []
