"""The server's mind under everything at once: clients that keep to the rules, that nearly do, that hold no password;
peers, time, sockets that open late or never, an owner who changes rules and secrets.

A play of a few hundred steps is made from a seed. What is believed here is learned from the outside alone: what clients
asked and what they were answered. After every step:

- nothing was raised, and every answer is a whole message to somebody who asked for it;
- nothing goes to a peer but what a client of a live allocation may send there, by our own reckoning;
- strangers cause nothing but short answers, fewer than they sent and no more than their ration;
- every open socket belongs to an allocation, a reservation or a pending request.

And at the end, when everybody has left and two days have passed, the server holds what it held when it was new.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, Final

from slidewire.base.addresses import IPV4, IPV6, Address, SocketAddress
from slidewire.base.rates import Rate
from slidewire.stun import attributes as a
from slidewire.stun.message import BINDING, Builder, Class, Message, parse
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method
from slidewire.turn.effects import SendToClient, SendToPeer
from slidewire.turn.five_tuple import FiveTuple, Transport
from slidewire.turn.limits import Limits
from slidewire.turn.policy import PeerPolicy, networks
from slidewire.turn.streams import NotTurn, Stream
from tests.fuzz import mutation
from tests.turn.world import RELAY_HOST, SECRET, SERVER, Client, World, held

_STEPS: Final = 300
_USERS: Final = ("ada", "bob", "room.eve")
_CHALLENGE: Final = 64


class Actor:
    """A client's place: `honest` ones know a password, strangers know what they overheard."""

    def __init__(self, client: Client, honest: bool) -> None:
        self.client = client
        self.honest = honest
        self.said: list[bytes] = []
        self.transactions: set[bytes] = set()
        self.asked: dict[bytes, list[Address]] = {}
        self.permitted: dict[str, float] = {}
        self.relays: set[Address] = set()
        self.pipe = bytearray()
        self.shadow = Stream(client.five_tuple, b"", 0.0)

    @property
    def name(self) -> FiveTuple:
        return self.client.five_tuple

    def forget(self) -> None:
        self.permitted.clear()
        self.relays.clear()


class Play:
    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        self.limits = Limits(
            allocations=dice.choice((3, 10_000)),
            allocations_per_user=dice.choice((2, 128)),
            permissions=dice.choice((2, 64)),
            channels=dice.choice((2, 32)),
            new_peers=Rate(5, dice.choice((3, 64))),
            packets=dice.choice((None, Rate(10, 10))),
            bandwidth=dice.choice((None, Rate(1000, 5000))),
            streams_per_address=dice.choice((2, 512)),
            max_age=dice.choice((2000.0, 86_400.0)),
        )
        self.sha256 = dice.random() < 0.2
        self.options: dict[str, Any] = {
            "limits": self.limits,
            "families": dice.choice(([IPV4], [IPV4, IPV6])),
            "sha256": self.sha256,
        }
        self.world = World(relays=False, policy=self.policy(), **self.options)
        self.actors: dict[FiveTuple, Actor] = {}
        self.overheard: list[bytes] = []
        self.unanswered = 0
        self.began = self.world.now
        self.answers_to_strangers: Counter[bytes] = Counter()
        self.answers_to_ports: Counter[SocketAddress] = Counter()
        self.revoked: set[str] = set()
        self.closed_at = 0
        self.secrets = [SECRET]

    # --- the owner ----------------------------------------------------------------------------------------------------

    def policy(self) -> PeerPolicy:
        dice = self.dice
        hosts = frozenset(dice.sample(mutation.HOSTS, 4))
        return PeerPolicy(
            open=dice.random() < 0.6,
            allow=networks(["10.0.0.0/8"]) if dice.random() < 0.3 else (),
            own=frozenset(RELAY_HOST.values()),
            reachable=lambda username, host: host in hosts,
        )

    def owner_acts(self) -> None:
        dice, server = self.dice, self.world.server
        match dice.randrange(6):
            case 0:
                server.policy = self.policy()
            case 1:
                server.recheck()
            case 2:
                user = dice.choice(_USERS)
                self.revoked.add(user)
                server.revoke(user)
            case 3:
                user = dice.choice(_USERS)
                self.revoked.discard(user)
                server.credentials.pardon(user)
            case 4:
                self.secrets = [dice.choice((SECRET, "another" * 8)), SECRET][: dice.randint(1, 2)]
                server.credentials.secrets = tuple(self.secrets)
            case _:
                actor = self.somebody()
                if actor is not None:
                    server.introduce(actor.client.username)

    # --- clients ------------------------------------------------------------------------------------------------------

    def somebody(self, honest: bool | None = None) -> Actor | None:
        found = [actor for actor in self.actors.values() if honest is None or actor.honest is honest]
        return self.dice.choice(found) if found else None

    def arrive(self) -> None:
        dice = self.dice
        transport = dice.choice((Transport.UDP, Transport.UDP, Transport.TCP, Transport.TLS))
        honest = dice.random() < 0.6
        host = dice.choice(("192.0.2.1", "192.0.2.2") if honest else ("203.0.113.1", "203.0.113.2"))
        name = FiveTuple(transport, (host, dice.randint(1, 8)), SERVER)
        if name in self.actors:
            return
        client = Client(self.world, name, dice.choice(_USERS))
        if transport.is_stream and not self.world.server.stream_opened(name, self.world.now):
            return
        self.actors[name] = Actor(client, honest)

    def leave(self, actor: Actor) -> None:
        """A stream client hangs up; a UDP client is not heard of any more."""
        if actor.name.transport.is_stream:
            self.world.server.stream_closed(actor.name, self.world.now)
            del self.actors[actor.name]

    def request(self, actor: Actor) -> bytes:
        """Nearly always a request that makes sense, nearly always signed as it should be."""
        dice, client = self.dice, actor.client
        method = dice.choice((*Method, Method.ALLOCATE, Method.CHANNEL_BIND, BINDING))
        if dice.random() < 0.02:
            method = dice.randrange(0x1000)
        class_ = Class.INDICATION if method in (Method.SEND, Method.DATA) else Class.REQUEST
        if dice.random() < 0.03:
            class_ = dice.choice(list(Class))
        builder = Builder(method, class_, dice.randbytes(12))
        for row, value in self.fields(method):
            if dice.random() > 0.03:
                builder.add(row, value)
        if dice.random() < 0.05:
            row = dice.choice(mutation.ROWS)
            if row.type not in (0x0008, 0x001C, 0x8028):
                builder.add(row, mutation.value(row, dice))
        if actor.honest and client.nonce is not None and class_ is Class.REQUEST:
            builder.add(a.USERNAME, client.username).add(a.REALM, "slidewire").add(a.NONCE, client.nonce)
            key = client.key if dice.random() < 0.97 else dice.randbytes(16)
            if dice.random() < 0.1:
                builder.sign_sha256(key)
            else:
                builder.sign(key)
        if dice.random() < 0.1:
            builder.fingerprint()
        data = builder.encode()
        if dice.random() < 0.05:
            data = mutation.append(data, mutation.attribute(dice))
        return data

    def fields(self, method: int) -> list[tuple[a.Attribute[Any], Any]]:
        dice = self.dice
        peer = mutation.address(dice)
        if dice.random() < 0.4 and self.world.open:
            peer = dice.choice(list(self.world.open.values())).announced
        elif dice.random() < 0.5:
            peer = Address("8.8.4.4", 5000)
        match method:
            case Method.ALLOCATE:
                fields: list[tuple[a.Attribute[Any], Any]] = [(t.REQUESTED_TRANSPORT, t.UDP)]
                optional = (
                    t.LIFETIME, t.EVEN_PORT, t.REQUESTED_ADDRESS_FAMILY, t.ADDITIONAL_ADDRESS_FAMILY, t.DONT_FRAGMENT,
                )  # fmt: skip
                fields += [(row, mutation.value(row, dice)) for row in optional if dice.random() < 0.2]
                tokens = list(self.world.server._reservations)
                if tokens and dice.random() < 0.3:
                    fields = [(t.REQUESTED_TRANSPORT, t.UDP), (t.RESERVATION_TOKEN, dice.choice(tokens))]
                return fields
            case Method.REFRESH:
                family = [(t.REQUESTED_ADDRESS_FAMILY, dice.choice((IPV4, IPV6)))] if dice.random() < 0.2 else []
                return [(t.LIFETIME, mutation.value(t.LIFETIME, dice)), *family]
            case Method.CREATE_PERMISSION:
                return [(t.XOR_PEER_ADDRESS, each) for each in [peer, mutation.address(dice)][: dice.randint(1, 2)]]
            case Method.CHANNEL_BIND:
                return [(t.CHANNEL_NUMBER, mutation.value(t.CHANNEL_NUMBER, dice)), (t.XOR_PEER_ADDRESS, peer)]
            case Method.SEND | Method.DATA:
                return [(t.XOR_PEER_ADDRESS, peer), (t.DATA, dice.randbytes(dice.choice((0, 1, 100))))]
            case _:
                return []

    def speak(self, actor: Actor) -> None:
        dice, stream = self.dice, actor.name.transport.is_stream
        kind = dice.random()
        if kind < 0.15:
            number, payload = dice.choice((0x4000, 0x4001, 0x4FFF, 0x5000)), dice.randbytes(dice.choice((0, 1, 4, 99)))
            data = number.to_bytes(2, "big") + len(payload).to_bytes(2, "big") + payload
            data += bytes(-len(payload) % 4) if stream else b""
        elif kind < 0.25 and actor.said:
            data = dice.choice(actor.said)
        elif kind < 0.35 and self.overheard:
            data = dice.choice(self.overheard)
        else:
            data = self.request(actor)
        if dice.random() < (0.1 if stream else 0.25):
            data = mutation.mutated(data, dice, dice.choice(self.overheard) if self.overheard else b"")
        actor.said = [*actor.said[-9:], data]
        if actor.honest:
            self.overheard = [*self.overheard[-19:], data]
        if not stream:
            self.note(actor, data)
            self.deliver(actor, data)
            return
        actor.pipe += data
        cut = dice.choice((len(actor.pipe), len(actor.pipe), dice.randrange(len(actor.pipe) + 1)))
        data, actor.pipe = bytes(actor.pipe[:cut]), actor.pipe[cut:]
        actor.shadow.buffer += data
        try:
            while (frame := actor.shadow.next_frame(1 << 17)) is not None:
                self.note(actor, frame)
        except NotTurn:
            pass  # the server closes it
        self.deliver(actor, data)

    def note(self, actor: Actor, data: bytes) -> None:
        message = parse(data)
        if message is None:
            return
        actor.transactions.add(message.transaction)
        try:
            actor.asked[message.transaction] = message.get_all(t.XOR_PEER_ADDRESS)
        except ValueError:
            pass

    def deliver(self, actor: Actor, data: bytes) -> None:
        world, server = self.world, self.world.server
        before = (len(server.allocations), set(world.open), len(world.asked), len(server._pending))
        if actor.name.transport.is_stream:
            server.receive_stream(actor.name, data, world.now)
        else:
            server.receive_datagram(data, actor.name, world.now)
        world.drain()
        if not actor.honest:
            after = (len(server.allocations), set(world.open), len(world.asked), len(server._pending))
            assert after == before, "a stranger changed something"
            assert world.sent == [], "a stranger reached a peer"
            if actor.name.transport is Transport.UDP:
                heard = world.inboxes.get(actor.name, [])
                assert len(heard) <= 1
                most = _CHALLENGE + 8 * (data[-8:-4] == b"\x80\x28\x00\x04")  # FINGERPRINT is answered in kind
                assert all(len(answer) <= most for answer in heard) or self.sha256
                self.answers_to_strangers[actor.name.customer] += len(heard)
                self.answers_to_ports[actor.name.client] += len(heard)

    # --- everything else ----------------------------------------------------------------------------------------------

    def peer_sends(self) -> None:
        if self.world.open:
            relay = self.dice.choice(list(self.world.open.values()))
            source = mutation.address(self.dice)
            if self.dice.random() < 0.3:
                source = self.dice.choice(list(self.world.open.values())).bound
            data = self.dice.randbytes(self.dice.choice((0, 1, 100, 1200, 65_500, 65_507)))
            self.world.server.receive_from_peer(relay.handle, data, source, self.world.now)

    def sockets_open(self) -> None:
        asked, world = self.world.asked, self.world
        while self.unanswered < len(asked) and self.dice.random() < 0.7:
            each = asked[self.unanswered]
            self.unanswered += 1
            if self.dice.random() < 0.1:
                world.fail(each)
            else:
                world.answer(each)

    def time_passes(self) -> None:
        self.world.wait(self.dice.choice((0.0, 0.001, 0.1, 1.0, 5.0, 31.0, 200.0, 301.0, 601.0, 3601.0)))

    # --- what must hold -----------------------------------------------------------------------------------------------

    def look(self) -> None:
        world = self.world
        for effect in world.happened:
            match effect:
                case SendToClient(name, data):
                    self.hear(name, data)
                case SendToPeer(relay, _, peer):
                    self.look_at_sent(relay, peer)
        world.happened.clear()
        world.inboxes.clear()
        world.sent.clear()
        for name in world.closed_streams[self.closed_at :]:
            self.actors.pop(name, None)
        self.closed_at = len(world.closed_streams)
        server = world.server
        owned = [opened.handle for each in server.allocations for opened in each.relays.values()]
        owned += [reserved.relay.handle for reserved in server._reservations.values()]
        for pending in {id(each): each for each in server._pending.values()}.values():
            owned += [opened.handle for opened in (*pending.opened.values(), pending.sibling) if opened is not None]
        assert sorted(owned) == sorted(world.open), "a socket without an owner, or an owner without its socket"
        assert len(server.allocations) + len(server._pending) <= self.limits.allocations
        for allocation in server.allocations:
            assert allocation.expires > world.now or (server.get_timer() or 0) <= world.now
            assert len(allocation.permissions) <= self.limits.permissions
            assert len(allocation.channels) <= self.limits.channels
        elapsed = world.now - self.began
        each, few, many = self.limits.answers_each, self.limits.answers, self.limits.answers_known
        for port, answers in self.answers_to_ports.items():
            assert answers <= each.burst + each.per_second * elapsed + 1, port
        for customer, answers in self.answers_to_strangers.items():
            assert answers <= few.burst + many.burst + (few.per_second + many.per_second) * elapsed + 1, customer
        assert len(server.counters) < 60

    def hear(self, name: FiveTuple, data: bytes) -> None:
        actor = self.actors.get(name)
        if data[0] & 0xC0 == 0x40:
            assert int.from_bytes(data[2:4], "big") <= len(data) - 4
            return
        message = parse(data)
        assert message is not None, "not a message"
        if message.class_ is Class.INDICATION:
            assert message.method == Method.DATA
            return
        if actor is None:
            return
        assert message.class_ in (Class.SUCCESS, Class.ERROR) and message.transaction in actor.transactions
        if (nonce := message.get(a.NONCE)) is not None:
            actor.client.nonce = nonce
        if message.class_ is Class.SUCCESS and message.method != BINDING:
            assert actor.honest, "a stranger was told yes"
            self.believe(actor, message)

    def believe(self, actor: Actor, message: Message) -> None:
        now = self.world.now
        match message.method:
            case Method.ALLOCATE:
                if message.get_all(t.XOR_RELAYED_ADDRESS) != sorted(actor.relays, key=lambda each: each.family):
                    actor.forget()
                    actor.relays.update(message.get_all(t.XOR_RELAYED_ADDRESS))
            case Method.REFRESH:
                pass
            case Method.CREATE_PERMISSION | Method.CHANNEL_BIND:
                for peer in actor.asked.get(message.transaction, []):
                    actor.permitted[peer.host] = now + self.limits.permission_lifetime

    def look_at_sent(self, relay: str, peer: Address) -> None:
        announced = self.world.known[relay]
        owners = [actor for actor in self.actors.values() if announced in actor.relays]
        assert owners, "sent from a relay that nobody was told about"
        assert any(actor.permitted.get(peer.host, 0.0) > self.world.now for actor in owners), f"{peer} not permitted"
        refusal = self.world.server.policy.refusal(owners[0].client.username, peer)
        assert peer in self.world.known.values() or refusal is None, f"{peer}: {refusal}"

    # --- the play -----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        dice = self.dice
        kind = dice.random()
        if kind < 0.08 or not self.actors:
            self.arrive()
        elif kind < 0.10:
            if (actor := self.somebody()) is not None:
                self.leave(actor)
        elif kind < 0.20:
            self.sockets_open()
        elif kind < 0.26:
            self.time_passes()
        elif kind < 0.34:
            self.peer_sends()
        elif kind < 0.36:
            self.owner_acts()
        elif (actor := self.somebody()) is not None:
            self.speak(actor)
        self.world.drain()
        self.look()

    def end(self) -> None:
        world = self.world
        for actor in list(self.actors.values()):
            self.leave(actor)
        while self.unanswered < len(world.asked):
            world.answer(world.asked[self.unanswered])
            self.unanswered += 1
        world.wait(2 * 86_400)
        world.drain()
        server = world.server
        assert server.allocations == [] and world.open == {}
        for user in _USERS:
            server.credentials.pardon(user)
        server.introduce("0:nobody")
        server.credentials.secrets = (SECRET,)
        new = World(relays=False, policy=server.policy, **self.options)
        new.server.introduce("0:nobody")
        left, was = held(server), held(new.server)
        assert left <= was + 8, f"{left - was} values are left"  # the dictionaries of the three transports' clients


def run(seed: int) -> int:
    play = Play(seed)
    for _ in range(_STEPS):
        play.step()
    play.end()
    return _STEPS
