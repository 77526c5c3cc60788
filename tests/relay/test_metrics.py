"""What the relay tells of itself: numbers that Prometheus can read, reports without a secret."""

from __future__ import annotations

from pathlib import Path

from slidewire.base.addresses import Address
from slidewire.relay.metrics import exposition, parse, relay_metrics, total
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method
from slidewire.turn.effects import Report
from slidewire.turn.five_tuple import Transport
from tests.stun import test_vectors as vectors
from tests.support.metrics import values
from tests.turn.world import PEER, SECRET, World

FILES = Path(__file__).parent / "files"
"""What a version before prometheus-client served of `busy()`: of one, and of the sums of two, the first draining."""


def served(world: World, *, users: bool = False) -> str:
    return exposition(relay_metrics(world.server, users=users)).decode()


def busy() -> World:
    world = World()
    client = world.allocated(port=1)
    world.allocated(port=2, transport=Transport.TCP)
    assert client.relayed is not None
    client.bind(0x4000, PEER)
    client.say_on(0x4000, bytes(100))
    client.say_on(0x4001, bytes(100))
    world.from_peer(client.relayed, bytes(60), PEER)
    world.from_peer(client.relayed, bytes(60), Address("8.8.8.8", 5))
    client.permit(Address("10.0.0.1", 5000))
    client.ask(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))
    client.send(vectors.CHROMIUM_BINDING)
    client.send(b"\xff garbage")
    world.allocated(port=3).refresh(0)
    return world


def test_what_was_counted_is_served() -> None:
    said = values(served(busy()))
    assert said['turn_total_allocations{type="UDP"}'] == said['turn_total_allocations{type="TCP"}'] == 1
    assert said["turn_allocations_made_total"] == 3
    assert said['turn_allocations_ended_total{reason="deleted by the client"}'] == 1
    assert said["turn_channels"] == 1
    for sender, size in {"client": 100, "peer": 60}.items():
        assert said[f'turn_traffic_packets_total{{from="{sender}"}}'] == 1
        assert said[f'turn_traffic_bytes_total{{from="{sender}"}}'] == size
    assert said['turn_packet_dropped{from="client"}'] == said['turn_packet_dropped{from="peer"}'] == 1
    assert said['turn_refused_total{code="403"}'] == said['turn_peers_refused_total{reason="private"}'] == 1
    assert said['turn_refused_total{code="437"}'] == 1 and said["turn_unauthenticated_401_requests"] == 3
    assert said["stun_binding_request"] == said["stun_binding_response"] == 1 and said["turn_garbage_total"] == 1
    assert said["turn_draining"] == 0


def with_odd_user() -> World:
    world = busy()
    odd = world.client(port=4)
    odd.use('a"b\\c\nd')
    odd.allocate()
    return world


def test_names_and_values_are_those_of_earlier_versions() -> None:
    before = values((FILES / "metrics.txt").read_text(encoding="utf-8"))
    assert values(served(with_odd_user(), users=True)) == before


def test_sums_are_those_of_earlier_versions_also_over_a_pipe() -> None:
    stages = [with_odd_user(), with_odd_user()]
    stages[0].server.draining = True
    each = [relay_metrics(world.server, users=True) for world in stages]
    before = values((FILES / "metrics-of-two.txt").read_text(encoding="utf-8"))
    for servers in (each, [parse(exposition(one).decode()) for one in each]):
        assert values(exposition(total(servers)).decode()) == before


def test_nobody_is_named_unless_asked_for() -> None:
    world = World()
    odd = world.client(port=1)
    odd.use('a"b\\c\nd')
    odd.allocate()
    world.allocated(port=2)
    plain = served(world)
    assert "ada" not in plain and "192.0.2" not in plain and "user=" not in plain
    said = values(served(world, users=True))
    assert said['turn_user_allocations{user="ada"}'] == 1
    assert said['turn_user_allocations{user="a\\"b\\\\c\\nd"}'] == 1


def test_reports() -> None:
    heard: list[Report] = []
    world = World(report=heard.append)
    client = world.allocated()
    client.permit(Address("10.0.0.1", 5000))
    client.ask(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))
    client.bind(0x4000, PEER)
    client.say_on(0x4000, bytes(100))
    client.refresh(0)
    guesser = world.client(port=9)
    guesser.challenge()
    guesser.key = bytes(16)
    guesser.transact(guesser.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17)))
    assert [(report.event, report.user) for report in heard] == [
        ("allocated", "ada"), ("peer refused", "ada"), ("refused", "ada"), ("ended", "ada"), ("login failed", ""),
    ]  # fmt: skip
    assert heard[1].facts == {"why": "private"} and heard[2].facts == {"code": 437}
    assert heard[3].facts["bytes"] == 100 and heard[3].facts["why"] == "deleted by the client"
    assert not any(secret in str(heard) for secret in (SECRET, client.password, client.key.hex()))


def test_ends_say_why() -> None:
    heard: list[Report] = []
    world = World(report=heard.append)
    world.allocated(port=1)
    tcp = world.allocated(port=2, transport=Transport.TCP)
    world.server.stream_closed(tcp.five_tuple, world.now)
    world.wait(601)
    revoked = world.client(port=3)
    revoked.use("bob")
    revoked.allocate()
    world.server.revoke("bob")
    whys = [report.facts["why"] for report in heard if report.event == "ended"]
    assert whys == ["connection closed", "expired", "revoked"]


class TestDraining:
    def test_nobody_gets_anything_new(self) -> None:
        world = World()
        old = world.allocated(port=1)
        world.server.draining = True
        for transport in Transport:
            assert world.client(port=2, transport=transport).allocate().code == 508
        assert values(served(world))["turn_draining"] == 1
        assert old.refresh().code == 0 and old.permit(PEER).code == 0
        old.say(PEER, b"x")
        assert world.sent_away() == [(b"x", PEER)]

    def test_a_retransmitted_allocate_is_answered_as_before(self) -> None:
        world = World()
        client = world.client()
        client.challenge()
        request = client.signed(Method.ALLOCATE, (t.REQUESTED_TRANSPORT, 17))
        first = client.transact(request)
        world.server.draining = True
        again = client.transact(request)
        assert first is not None and again is not None and first.data == again.data
