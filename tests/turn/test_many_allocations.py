"""Ten thousand allocations, with time in the test's hands."""

from __future__ import annotations

from dataclasses import replace

from slidewire.base.rates import Rate
from slidewire.stun.message import Class
from slidewire.turn import attributes as t
from slidewire.turn.limits import Limits
from tests.turn.world import PEER, World, held

COUNT = 10_000
LIMITS = replace(Limits(), answers_total=Rate(1e6, 1e6), allocations=COUNT, allocations_per_user=COUNT)


def test_held_refreshed_and_expired_to_the_second() -> None:
    world = World(limits=LIMITS)
    clients = [world.client(f"8.{number >> 8}.{number & 0xFF}.8") for number in range(COUNT)]
    world.wait(1)
    empty = held(world.server)
    for number, client in enumerate(clients):
        assert client.allocate((t.LIFETIME, 600 + number % 4 * 600)).class_ is Class.SUCCESS
        if number % 100 == 0:
            world.wait(0.01)  # one second for all
    began = world.now
    assert len(world.server.allocations) == len(world.open) == COUNT
    one_more = world.client("9.9.9.9")
    assert one_more.allocate().code == t.TurnError.ALLOCATION_QUOTA_REACHED

    for number in (1, 5, 9):
        assert clients[number].bind(0x4000, PEER).class_ is Class.SUCCESS
    world.wait(598 - (world.now - began))
    assert len(world.server.allocations) == COUNT, "nobody before its time"
    world.wait(began + 601 - world.now)
    assert len(world.server.allocations) == COUNT * 3 // 4, "every fourth had ten minutes"
    for client in clients[1::4]:
        assert client.refresh(3600).class_ is Class.SUCCESS
    world.wait(began + 1201 - world.now)
    assert len(world.server.allocations) == COUNT * 3 // 4, "those were refreshed"
    world.wait(began + 2401 - world.now)
    assert len(world.server.allocations) == COUNT // 4
    assert {each.client for each in world.server.allocations} == {client.five_tuple for client in clients[1::4]}
    world.wait(began + 601 + 3601 - world.now)
    assert world.server.allocations == [] and world.open == {}
    assert held(world.server) <= empty + 20, "counters, and a table of ports for each relay host"
