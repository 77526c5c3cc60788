"""A simulated TURN server: the test owns the clock, the dice and every socket."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from slidewire.base.addresses import IPV4, IPV6, Address
from slidewire.stun import attributes as a
from slidewire.stun.message import Builder, Class, Message, long_term_key, parse
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method
from slidewire.turn.credentials import Credentials, knows_all, mint
from slidewire.turn.effects import (
    CloseRelay,
    CloseStream,
    Effect,
    OpenRelay,
    SendToClient,
    SendToPeer,
)
from slidewire.turn.five_tuple import FiveTuple, Opened, Transport
from slidewire.turn.limits import Limits
from slidewire.turn.policy import PeerPolicy
from slidewire.turn.server import TurnServer

SECRET = "a secret that only a machine would have made"
REALM = "slidewire"
WALL = 1_800_000_000.0
SERVER = Address("198.51.100.1", 3478)
RELAY_HOST = {IPV4: "198.51.100.1", IPV6: "2001:db8:100::1"}
PEER = Address("8.8.4.4", 5000)
PEER6 = Address("2606:4700::1111", 5000)

Sent = tuple[Any, bytes, Address]


class World:
    def __init__(self, *, relays: bool = True, policy: PeerPolicy | None = None, **options: Any) -> None:
        limits = options.pop("limits", None) or Limits()
        self.now = 1000.0
        self.dice = random.Random(8656)
        self.credentials = Credentials([SECRET], knows=options.pop("knows", knows_all))
        self.server = TurnServer(
            realm=REALM,
            credentials=self.credentials,
            policy=policy or PeerPolicy(open=True, own=frozenset(RELAY_HOST.values())),
            entropy=self.dice.randbytes,
            wall=lambda: WALL + self.now,
            limits=limits,
            **options,
        )
        self.server.listens_on(SERVER)
        self.auto = relays
        """Answer OpenRelay at once, with the next free port."""
        self.asked: list[OpenRelay] = []
        self.sent: list[Sent] = []
        self.dont_fragment = False
        """Of the last that was sent to a peer."""
        self.happened: list[Effect] = []
        """Every effect, in its order."""
        self.open: dict[str, Opened] = {}
        self.known: dict[str, Address] = {}
        """Every relay there ever was, as it was announced."""
        self.closed_streams: list[FiveTuple] = []
        self.inboxes: dict[FiveTuple, list[bytes]] = {}
        self.bytes_out = 0
        self._port = 50_000

    def client(self, host: str = "192.0.2.10", port: int = 40_000, transport: Transport = Transport.UDP) -> Client:
        client = Client(self, FiveTuple(transport, (host, port), SERVER))
        if transport.is_stream:
            assert self.server.stream_opened(client.five_tuple, self.now)
        return client

    def allocated(self, *more: Any, **options: Any) -> Client:
        client = self.client(**options)
        assert client.allocate(*more).class_ is Class.SUCCESS
        return client

    def wait(self, seconds: float) -> None:
        """Time passes; the server is woken whenever it wants to be."""
        end = self.now + seconds
        while (when := self.server.get_timer()) is not None and when <= end:
            self.now = max(self.now, when)
            self.server.handle_timer(self.now)
            self.drain()
        self.now = end

    def opened(self, family: int, *, announced: str | None = None, even: bool = False) -> Opened:
        self._port += 1 + (even and not self._port % 2)
        bound = Address(RELAY_HOST[family], self._port)
        relay = Opened(f"relay {self._port}", bound, Address(announced or bound.host, self._port))
        self.open[relay.handle] = relay
        self.known[relay.handle] = relay.announced
        return relay

    def drain(self) -> None:
        while (effect := self.server.next_effect()) is not None:
            self.happened.append(effect)
            match effect:
                case SendToClient(client, data):
                    self.bytes_out += len(data)
                    self.inboxes.setdefault(client, []).append(data)
                case SendToPeer(relay, data, peer, dont_fragment):
                    self.sent.append((relay, data, peer))
                    self.dont_fragment = dont_fragment
                case OpenRelay() as asked:
                    self.asked.append(asked)
                    if self.auto:
                        self.answer(asked)
                case CloseRelay(relay):
                    del self.open[relay]
                case CloseStream(client):
                    self.closed_streams.append(client)

    def answer(self, asked: OpenRelay) -> None:
        relay = self.opened(asked.family, even=asked.even)
        sibling = self.opened(asked.family) if asked.with_next else None
        self.server.relay_opened(asked.ticket, asked.family, relay, self.now, sibling)
        self.drain()

    def fail(self, asked: OpenRelay) -> None:
        self.server.relay_failed(asked.ticket, asked.family, self.now)
        self.drain()

    def from_peer(self, relay: Address, data: bytes, peer: Address) -> None:
        (handle,) = [each.handle for each in self.open.values() if each.announced == relay]
        self.server.receive_from_peer(handle, data, peer, self.now)
        self.drain()

    def sent_away(self) -> list[tuple[bytes, Address]]:
        sent, self.sent = self.sent, []
        return [(data, peer) for _, data, peer in sent]


@dataclasses.dataclass
class Answer:
    message: Message
    data: bytes

    @property
    def class_(self) -> Class:
        return self.message.class_

    @property
    def code(self) -> int:
        """0 for success."""
        error = self.message.get(a.ERROR_CODE)
        return 0 if error is None else error.code

    def __getitem__(self, attribute: a.Attribute[Any]) -> Any:
        return self.message.get(attribute)

    @property
    def relayed(self) -> Address:
        address = self.message.get(t.XOR_RELAYED_ADDRESS)
        assert address is not None
        return address


class Client:
    """A client that does what RFC 8489 §9.2.5 says, and can be told to do otherwise."""

    def __init__(self, world: World, five_tuple: FiveTuple, user: str = "ada") -> None:
        self.world = world
        self.five_tuple = five_tuple
        self.nonce: bytes | None = None
        self.relayed: Address | None = None
        self.use(user)

    def use(self, user: str, *, secret: str = SECRET, ttl: int = 3600) -> None:
        made = mint(secret, user, WALL + self.world.now, ttl)
        self.username, self.password = made.username, made.password
        self.key = long_term_key(self.username, REALM, self.password)

    # --- bytes --------------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        server, now = self.world.server, self.world.now
        if self.five_tuple.transport.is_stream:
            server.receive_stream(self.five_tuple, data, now)
        else:
            server.receive_datagram(data, self.five_tuple, now)
        self.world.drain()

    def heard(self) -> list[bytes]:
        return self.world.inboxes.pop(self.five_tuple, [])

    def transact(self, data: bytes) -> Answer | None:
        """Send it, and return the answer to this transaction if there is one."""
        self.send(data)
        for heard in self.heard():
            message = parse(heard)
            if message is not None and message.transaction == data[8:20]:
                return Answer(message, heard)
        return None

    # --- requests -----------------------------------------------------------------------------------------------------

    def request(self, method: int, *fields: tuple[a.Attribute[Any], Any]) -> Builder:
        builder = Builder(method, Class.REQUEST, self.world.dice.randbytes(12))
        for attribute, value in fields:
            builder.add(attribute, value)
        return builder

    def signed(self, method: int, *fields: tuple[a.Attribute[Any], Any]) -> bytes:
        assert self.nonce is not None, "be challenged first"
        builder = self.request(method, *fields)
        builder.add(a.USERNAME, self.username).add(a.REALM, REALM).add(a.NONCE, self.nonce)
        return builder.sign(self.key).encode()

    def challenge(self) -> Answer:
        answer = self.transact(self.request(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, t.UDP)).encode())
        assert answer is not None and answer.code == 401
        self.nonce = answer[a.NONCE]
        return answer

    def ask(self, method: int, *fields: tuple[a.Attribute[Any], Any]) -> Answer:
        if self.nonce is None:
            self.challenge()
        answer = self.transact(self.signed(method, *fields))
        assert answer is not None, "no answer"
        if answer.code not in (401, 438):
            assert answer.message.integrity_holds(self.key), "the answer is not signed"
        return answer

    def allocate(self, *fields: tuple[a.Attribute[Any], Any]) -> Answer:
        answer = self.ask(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, t.UDP), *fields)
        self.relayed = answer[t.XOR_RELAYED_ADDRESS]
        return answer

    def refresh(self, lifetime: int | None = None, *fields: tuple[a.Attribute[Any], Any]) -> Answer:
        return self.ask(Method.REFRESH, *([] if lifetime is None else [(t.LIFETIME, lifetime)]), *fields)

    def permit(self, *peers: Address) -> Answer:
        return self.ask(Method.CREATE_PERMISSION, *[(t.XOR_PEER_ADDRESS, peer) for peer in peers])

    def bind(self, number: int, peer: Address) -> Answer:
        return self.ask(Method.CHANNEL_BIND, (t.CHANNEL_NUMBER, number), (t.XOR_PEER_ADDRESS, peer))

    def say(self, peer: Address, data: bytes) -> None:
        """A Send indication."""
        indication = Builder(Method.SEND, Class.INDICATION, self.world.dice.randbytes(12))
        self.send(indication.add(t.XOR_PEER_ADDRESS, peer).add(t.DATA, data).encode())

    def say_on(self, number: int, data: bytes) -> None:
        padding = bytes(-len(data) % 4) if self.five_tuple.transport.is_stream else b""
        self.send(number.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data + padding)

    def told(self) -> list[tuple[Address | int, bytes]]:
        """What peers sent: (peer, data) from Data indications, (channel, data) from channels."""
        told: list[tuple[Address | int, bytes]] = []
        for heard in self.heard():
            if heard[0] & 0xC0 == 0x40:
                told.append((int.from_bytes(heard[:2], "big"), heard[4 : 4 + int.from_bytes(heard[2:4], "big")]))
                continue
            message = parse(heard)
            assert message is not None and (message.method, message.class_) == (Method.DATA, Class.INDICATION)
            peer, data = message.get(t.XOR_PEER_ADDRESS), message.get(t.DATA)
            assert peer is not None and data is not None
            told.append((peer, data))
        return told


def held(thing: object, seen: set[int] | None = None) -> int:
    """How many values hang on an object, counters' keys aside (those are few, and named by us)."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, (str, bytes, int, float, type(None))) or callable(thing):
        return 0
    seen.add(id(thing))
    if isinstance(thing, dict):
        inner: list[object] = [] if "garbage" in thing or "answers withheld" in thing else list(thing.values())
        return len(inner) + sum(held(value, seen) for value in inner)
    if isinstance(thing, (list, tuple, set, frozenset)) or type(thing).__name__ == "deque":
        items: list[object] = list(thing)  # type: ignore[call-overload]
        return len(items) + sum(held(value, seen) for value in items)
    slots = [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]
    values = [getattr(thing, name, None) for name in slots] + list(getattr(thing, "__dict__", {}).values())
    return sum(held(value, seen) for value in values if type(value).__name__ != "Counter")
