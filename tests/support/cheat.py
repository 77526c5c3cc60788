"""A server written to cheat, between real hosts and real presenters.

It sees every message, and may do with it whatever a server can: `policy` decides what is delivered to whom instead.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from slidewire.aio import clock, loop
from slidewire.control.intents import Intent
from slidewire.control.presenter_session import ReceiptArrived
from slidewire.host import host as agent_module
from slidewire.host.host import Host
from slidewire.host.media.router import MediaOptions
from slidewire.host.participants import participant as participant_module
from slidewire.host.participants.links import LinkRule, Room
from slidewire.presenter import connection as connection_module
from slidewire.presenter.connection import PresenterConnection, PresenterEvents
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.testing.deck import MemoryDeck
from tests.support.messages import state_json

SERVER = "https://clicker.example"


@dataclass(frozen=True)
class Carried:
    """One message on its way: between which host and which presenter, and in which direction."""

    host: str
    member: str
    up: bool
    data: bytes


Policy = Callable[[Carried], list[Carried]]


class DishonestServer:
    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.presenters: dict[str, Speaker] = {}
        self.carried: list[Carried] = []
        self.policy: Policy = lambda message: [message]
        self.is_deaf = False

    def take(self, message: Carried) -> None:
        if self.is_deaf:
            return
        self.carried.append(message)
        for instead in self.policy(message):
            asyncio.get_running_loop().call_soon(self.deliver, instead)

    def deliver(self, message: Carried) -> None:
        if message.up:
            self.hosts[message.host].receive(message.member, message.data)
        else:
            self.presenters[message.member].connection.receive(message.host, message.data)

    def insert(self, message: Carried) -> int:
        """Deliver something of our own now, and nothing that is answered; by how much the receiver's counts grew."""
        before = self.rejected(message)
        self.is_deaf = True
        self.deliver(message)
        self.is_deaf = False
        return self.rejected(message) - before

    def rejected(self, message: Carried) -> int:
        receiver = self.hosts[message.host] if message.up else self.presenters[message.member].connection
        return receiver.counts.total()

    async def add_host(self, name: str, room: Room, media: MediaOptions | None = None) -> Host:
        agent = Host(room, SERVER, MemoryDeck(10_000), AiortcEngine(), name, media=media)
        agent.signaling = _HostPort(self, name)
        await agent.start()
        agent.opened("ROOM22", [], [])
        self.hosts[name] = agent
        return agent

    def add_presenter(self, member: str, rule: LinkRule, host: str = "h1", direct: bool = False) -> "Speaker":
        speaker = Speaker(self, member, rule, direct)
        self.presenters[member] = speaker
        speaker.connection.joined([{"member": host, "name": "host"}], [])
        return speaker

    async def close(self) -> None:
        for speaker in self.presenters.values():
            await speaker.connection.close()
        for agent in self.hosts.values():
            await agent.close()


class _HostPort:
    def __init__(self, server: DishonestServer, host: str) -> None:
        self._server, self._host = server, host

    def send(self, to: str, data: bytes) -> None:
        if to in self._server.presenters:
            self._server.take(Carried(self._host, to, up=False, data=data))

    def add_links(self, links: list[dict[str, object]]) -> None: ...
    def revoke_link(self, link: str) -> None: ...
    def remove_member(self, member: str, reason: str) -> None: ...
    def prove(self, members: list[str]) -> None: ...
    def close_room(self) -> None: ...


class Speaker:
    """A presenter's connection, what it asked and what it heard."""

    def __init__(self, server: DishonestServer, member: str, rule: LinkRule, direct: bool) -> None:
        self.receipts: list[ReceiptArrived] = []
        self.paths: list[str | None] = []
        self.states: list[dict[str, Any]] = []
        self._server, self._member = server, member
        engine = AiortcEngine() if direct else None
        events = PresenterEvents(
            path_changed=self.paths.append,
            receipt=self.receipts.append,
            laser=lambda answer: None,
            state=lambda state: self.states.append(state_json(state)),
            closed=lambda code, reason: None,
        )
        self.connection = PresenterConnection(rule.link(SERVER), engine, "Ada", events)
        self.connection.signaling = self

    def send(self, to: str, data: bytes) -> None:
        self._server.take(Carried(to, self._member, up=True, data=data))

    async def until(self, true: Callable[[], object], seconds: float = 15.0) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.005)

    async def ready(self) -> None:
        await self.until(lambda: self.states and self.paths and self.paths[-1])

    async def tap(self, intent: Intent) -> ReceiptArrived:
        count = len(self.receipts) + 1
        await self.until(lambda: self.connection.submit(intent) is not None)
        await self.until(lambda: len(self.receipts) >= count)
        return self.receipts[-1]


class SharedClock:
    """The clock of both ends. `pass_time` is a minute in no time: for both ends alike, as it would be."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.shift = 0.0
        for module in (agent_module, participant_module, connection_module, loop):
            patch.setattr(module, "monotonic", self.now)

    def now(self) -> float:
        return clock.monotonic() + self.shift

    def pass_time(self, seconds: float) -> None:
        self.shift += seconds


def altered(message: Carried, index: int, mask: int) -> Carried:
    data = bytearray(message.data)
    data[index] ^= mask
    return replace(message, data=bytes(data))


def reflected(message: Carried) -> Carried:
    return replace(message, up=not message.up)


def performed(agent: Host) -> list[Intent]:
    deck = agent.show.deck
    assert isinstance(deck, MemoryDeck)
    return deck.performed
