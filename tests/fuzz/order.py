"""What comes behind an Allocate, in one piece or in many, with sockets that open at once or late.

A script of requests and data is made from a seed and said twice by the same client over a stream: message by message to
a server whose sockets are there at once; and in pieces cut anywhere to one whose sockets come when they like. Each must
hear the same bytes in the same order, and the same data must reach the same peers through the same relays.
"""

from __future__ import annotations

import random
from typing import Any, Final

from slidewire.base.addresses import IPV4, IPV6, Address
from slidewire.base.rates import Rate
from slidewire.stun import attributes as a
from slidewire.stun.message import BINDING, Builder, Class
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method
from slidewire.turn.five_tuple import Transport
from slidewire.turn.limits import Limits
from tests.turn.world import Client, Sent, World

_PEERS: Final = (Address("8.8.4.4", 5000), Address("8.8.4.4", 6000), Address("2606:4700::1111", 5000))
_USERS: Final = ("ada", "ada", "ada", "bob")


def _request(dice: random.Random, client: Client) -> bytes:
    fields: list[tuple[a.Attribute[Any], Any]] = []
    match method := dice.choice((*Method, Method.ALLOCATE, Method.ALLOCATE, Method.REFRESH, BINDING)):
        case Method.ALLOCATE:
            fields = [(t.REQUESTED_TRANSPORT, dice.choice((17, 17, 17, 17, 6)))]
            if dice.random() < 0.2:
                fields.append((t.ADDITIONAL_ADDRESS_FAMILY, IPV6))
            elif dice.random() < 0.2:
                fields.append((t.REQUESTED_ADDRESS_FAMILY, dice.choice((IPV4, IPV6, 3))))
        case Method.REFRESH:
            fields = [(t.LIFETIME, dice.choice((0, 0, 600, 700)))]
        case Method.CREATE_PERMISSION:
            fields = [(t.XOR_PEER_ADDRESS, dice.choice(_PEERS))]
        case Method.CHANNEL_BIND:
            fields = [(t.CHANNEL_NUMBER, dice.choice((0x4000, 0x4001))), (t.XOR_PEER_ADDRESS, dice.choice(_PEERS))]
        case Method.SEND | Method.DATA:
            builder = Builder(method, Class.INDICATION, dice.randbytes(12)).add(t.XOR_PEER_ADDRESS, dice.choice(_PEERS))
            return builder.add(t.DATA, dice.randbytes(dice.choice((0, 1, 100)))).encode()
    client.use(dice.choice(_USERS))
    return client.signed(method, *fields)


def _script(dice: random.Random, client: Client) -> list[bytes]:
    said: list[bytes] = []
    for _ in range(dice.randint(2, 40)):
        kind = dice.random()
        if kind < 0.25:
            size = dice.choice((0, 1, 4, 1200, 9000))
            number = dice.choice((0x4000, 0x4001))
            said.append(number.to_bytes(2, "big") + size.to_bytes(2, "big") + bytes(size + -size % 4))
        elif kind < 0.35 and said:
            said.append(dice.choice(said))
        else:
            said.append(_request(dice, client))
    return said


def _client(transport: Transport, *, relays: bool) -> tuple[World, Client]:
    world = World(relays=relays, limits=Limits(failures=Rate(1, 1000)))
    client = world.client(transport=transport)
    client.challenge()
    return world, client


def _answers(world: World, dice: random.Random, done: int, odds: float) -> int:
    """Sockets that were asked for are there. How many there were by now."""
    while done < len(world.asked) and dice.random() < odds:
        world.answer(world.asked[done])
        done += 1
    return done


def run(seed: int) -> int:
    dice = random.Random(seed)
    transport = dice.choice((Transport.TCP, Transport.TLS))
    world, client = _client(transport, relays=True)
    script = _script(dice, client)
    for data in script:
        client.send(data)
    expected: tuple[list[bytes], list[Sent], list[Any]] = client.heard(), world.sent, world.closed_streams

    late, other = _client(transport, relays=False)
    everything, at, done = b"".join(script), 0, 0
    while at < len(everything):
        size = dice.choice((1, 20, 150, 1000, 20_000))
        other.send(everything[at : at + size])
        at += size
        done = _answers(late, dice, done, 0.3)
    _answers(late, dice, done, 1.0)
    assert (other.heard(), late.sent, late.closed_streams) == expected
    assert len(late.open) == len(world.open)
    return len(script)
