"""A hundred and twenty people behind one address, all at once, while a stranger behind the same address floods.

Time is simulated: messages take 40 ms each way, and clients send again what got no answer as RFC 8489 §6.2.1 says. Each
asks for a relay over UDP, TCP and TLS, as a browser does that is given all three, and asks where it is, besides.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable

import pytest

from slidewire.stun import attributes as a
from slidewire.stun.message import BINDING, parse
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method
from slidewire.turn.effects import CloseStream, SendToClient
from slidewire.turn.five_tuple import FiveTuple, Transport
from tests.stun import test_vectors as vectors
from tests.turn.world import SERVER, Client, World

PEOPLE = 120
ADDRESS = "192.0.2.10"
ONE_WAY = 0.04
RETRANSMISSIONS = (0.0, 0.5, 1.5)
IN_TIME = 2.0


class Venue:
    """Everybody there, the way to the server, and the server."""

    def __init__(self) -> None:
        self.world = World()
        self.began = self.world.now
        self.participants: dict[FiveTuple, Participant] = {}
        self.candidates: dict[Transport, dict[int, float]] = {transport: {} for transport in Transport}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._ports = itertools.count(20_000)

    def port(self) -> int:
        return next(self._ports)

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), what))

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        self.at(self.world.now + seconds, what)

    def connect(self, transport: Transport, port: int) -> FiveTuple | None:
        five_tuple = FiveTuple(transport, (ADDRESS, port), SERVER)
        opened = self.world.server.stream_opened(five_tuple, self.world.now)
        self.world.drain()
        return five_tuple if opened else None

    def arrives(self, data: bytes, five_tuple: FiveTuple) -> None:
        server, now = self.world.server, self.world.now
        if five_tuple.transport.is_stream:
            server.receive_stream(five_tuple, data, now)
        else:
            server.receive_datagram(data, five_tuple, now)
        self.world.drain()
        for effect in self.world.happened:
            match effect:
                case SendToClient(client, data) if (participant := self.participants.get(client)) is not None:
                    self.later(ONE_WAY, lambda participant=participant, data=data: participant.hear(data))  # type: ignore[misc]
                case CloseStream(client):
                    self.participants.pop(client, None)
        self.world.happened.clear()
        self.world.inboxes.clear()

    def run(self, seconds: float) -> None:
        end = self.began + seconds
        while self._events and self._events[0][0] <= end:
            when, _, what = heapq.heappop(self._events)
            self.world.wait(max(0.0, when - self.world.now))
            what()
        self.world.wait(end - self.world.now)

    def found(self) -> dict[str, int]:
        return {transport.value: len(found) for transport, found in self.candidates.items()}


class Participant:
    """One candidate to be of one person."""

    def __init__(self, venue: Venue, person: int, transport: Transport) -> None:
        self.venue, self.person = venue, person
        self.five_tuple = FiveTuple(transport, (ADDRESS, venue.port()), SERVER)
        self.client = Client(venue.world, self.five_tuple, f"person{person}")
        self.waiting: set[bytes] = set()

    def begin(self) -> None:
        if self.five_tuple.transport.is_stream:
            if self.venue.connect(self.five_tuple.transport, self.five_tuple.client[1]) is None:
                return  # a browser does not try again
        else:
            self.ask(self.client.request(BINDING).encode())
        self.venue.participants[self.five_tuple] = self
        self.ask(self.client.request(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, t.UDP)).encode())

    def ask(self, data: bytes) -> None:
        transaction = data[8:20]
        self.waiting.add(transaction)

        def send() -> None:
            if transaction in self.waiting:
                self.venue.later(ONE_WAY, lambda: self.venue.arrives(data, self.five_tuple))

        for seconds in RETRANSMISSIONS if not self.five_tuple.transport.is_stream else (0.0,):
            self.venue.later(seconds, send)

    def hear(self, data: bytes) -> None:
        message = parse(data)
        if message is None or message.transaction not in self.waiting:
            return
        self.waiting.remove(message.transaction)
        error = message.get(a.ERROR_CODE)
        if error is not None and error.code == 401:
            self.client.nonce = message.get(a.NONCE)
            self.ask(self.client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, t.UDP)))
        elif message.get(t.XOR_RELAYED_ADDRESS) is not None:
            found = self.venue.candidates[self.five_tuple.transport]
            found[self.person] = self.venue.world.now - self.venue.began


def everybody_comes(venue: Venue) -> None:
    for person in range(PEOPLE):
        for transport in Transport:
            participant = Participant(venue, person, transport)
            venue.later(person / PEOPLE * 0.2, participant.begin)


def every(venue: Venue, per_second: float, what: Callable[[int], None], seconds: float = IN_TIME) -> None:
    for number in range(int(per_second * seconds)):
        venue.later(number / per_second, lambda number=number: what(number))  # type: ignore[misc]


def datagrams_of(ports: int) -> Callable[[Venue], None]:
    def flood(venue: Venue) -> None:
        sources = [FiveTuple(Transport.UDP, (ADDRESS, 1024 + port), SERVER) for port in range(ports)]
        requests = (vectors.CHROMIUM_BINDING, vectors.CHROMIUM_ALLOCATE, vectors.CHROMIUM_SIGNED)
        every(venue, 5000, lambda number: venue.arrives(requests[number % 3], sources[number % ports]))

    return flood


def wrong_passwords(venue: Venue) -> None:
    clients = [Client(venue.world, FiveTuple(Transport.UDP, (ADDRESS, 1024 + port), SERVER)) for port in range(20)]
    for client in clients:
        client.challenge()
        client.key = bytes(16)
    signed = [client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, t.UDP)) for client in clients]
    every(venue, 2000, lambda number: venue.arrives(signed[number % 20], clients[number % 20].five_tuple))


def connections_that_are_kept(venue: Venue) -> None:
    """As many as there may be, each with something to say now and then; and more of them, all the time."""
    limits = venue.world.server.limits
    streams = [venue.connect(Transport.TCP, 1024 + number) for number in range(limits.streams_per_address)]
    assert all(streams)
    venue.world.wait(limits.place)
    venue.began = venue.world.now

    def say(number: int) -> None:
        five_tuple = streams[number % len(streams)]
        assert five_tuple is not None
        venue.arrives(vectors.CHROMIUM_BINDING, five_tuple)

    every(venue, 1000, say)
    every(venue, 100, lambda number: venue.connect(Transport.TCP, 5000 + number) and None)


FLOODS = {
    "nobody": lambda venue: None,
    "one port": datagrams_of(1),
    "two hundred ports": datagrams_of(200),
    "wrong passwords": wrong_passwords,
    "connections": connections_that_are_kept,
}


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.mark.parametrize("flood", FLOODS)
def test_everybody_has_every_candidate_within_two_seconds(venue: Venue, flood: str) -> None:
    FLOODS[flood](venue)
    everybody_comes(venue)
    venue.run(IN_TIME)
    assert venue.found() == {"udp": PEOPLE, "tcp": PEOPLE, "tls": PEOPLE}


def test_from_every_port_there_is_only_datagrams_are_delayed(venue: Venue) -> None:
    """Nobody can tell a person's first datagram from the flood's: a connection proves where it comes from."""
    datagrams_of(60_000)(venue)
    everybody_comes(venue)
    venue.run(IN_TIME)
    found = venue.found()
    assert found["tcp"] == found["tls"] == PEOPLE and found["udp"] > PEOPLE / 3


def test_who_has_an_allocation_is_answered_whatever_strangers_do(venue: Venue) -> None:
    """Where am I, and a nonce that has become stale, for each of them, in the middle of a flood from every port."""
    world = venue.world
    clients = [world.client(port=venue.port()) for _ in range(PEOPLE)]
    for number, client in enumerate(clients):
        client.use(f"person{number}")
        assert client.allocate((t.LIFETIME, 3600)).code == 0
    world.wait(3000)
    for client in clients:
        client.refresh(3600)
    world.wait(700)
    datagrams_of(60_000)(venue)
    venue.began = world.now
    venue.run(1.0)
    codes = Counter(client.refresh().code for client in clients)
    assert codes == {438: PEOPLE}
    assert all(client.transact(client.request(BINDING).encode()) for client in clients)


def test_nobody_is_kept_from_his_own_by_pretenders(venue: Venue) -> None:
    """A flood that pretends to come from a client's very port uses up its answers, but not to the right password."""
    client = venue.world.allocated((t.LIFETIME, 3600))
    venue.world.wait(3599)
    client.nonce = b"AAAAAAAAAAAAAAAA"
    for request in (vectors.CHROMIUM_BINDING, vectors.CHROMIUM_ALLOCATE, vectors.CHROMIUM_SIGNED) * 100:
        client.send(request)
    assert len(client.heard()) <= venue.world.server.limits.answers_each.burst
    assert client.refresh().code == 438


def test_pretenders_get_no_more_than_their_ration_back(venue: Venue) -> None:
    """Where nobody is, nothing grows: whatever port it pretends to come from."""
    world = venue.world
    for number in range(60_000):
        world.now += 0.0001
        source = FiveTuple(Transport.UDP, ("203.0.113.9", number), SERVER)
        world.server.receive_datagram(vectors.CHROMIUM_ALLOCATE, source, world.now)
        world.drain()
    limits = world.server.limits
    most = limits.answers.burst + limits.answers.per_second * 6
    assert world.bytes_out <= (most + 1) * 64 <= 0.03 * 60_000 * len(vectors.CHROMIUM_ALLOCATE)
