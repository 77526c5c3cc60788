"""Our own client against our own server, without a socket."""

from __future__ import annotations

import random

import pytest

from slidewire.stun import attributes as a
from slidewire.stun.message import Builder, Class, parse
from slidewire.turn import attributes as t
from slidewire.turn.attributes import Method
from slidewire.turn.client import Answered, Data, Retry, TurnClient
from slidewire.turn.five_tuple import Transport
from tests.turn.world import PEER, Client, World


class Talk:
    """A client beside the server, with what its shell would do."""

    def __init__(self, world: World, *, transport: Transport = Transport.UDP, password: str | None = None) -> None:
        self.place: Client = world.client(transport=transport)
        self.client = TurnClient(
            self.place.username, password or self.place.password, random.Random(1).randbytes, stream=transport.is_stream
        )

    def ask(self, data: bytes) -> Answered:
        for _ in range(9):
            self.place.send(data)
            for heard in self.place.heard():
                match self.client.receive(heard):
                    case Retry(_, _, again):
                        data = again
                    case Answered() as answered:
                        return answered
        raise AssertionError("no answer")

    def told(self) -> list[object]:
        return [self.client.receive(heard) for heard in self.place.heard()]


@pytest.mark.parametrize("transport", list(Transport))
def test_a_whole_life(transport: Transport) -> None:
    world = World()
    talk = Talk(world, transport=transport)
    assert talk.ask(talk.client.binding()).mapped == talk.place.five_tuple.address
    allocated = talk.ask(talk.client.allocate())
    assert allocated.code == 0 and allocated.relayed is not None
    assert talk.ask(talk.client.permit(PEER)).code == 0
    world.from_peer(allocated.relayed, b"one", PEER)
    assert talk.told() == [Data(PEER, b"one")]
    talk.place.send(talk.client.say(PEER, b"two"))
    assert talk.ask(talk.client.bind(0x4000, PEER)).code == 0
    talk.place.send(talk.client.say_on(0x4000, b"three"))
    assert world.sent_away() == [(b"two", PEER), (b"three", PEER)]
    world.from_peer(allocated.relayed, b"four", PEER)
    assert talk.told() == [Data(0x4000, b"four")]
    assert talk.ask(talk.client.refresh(0)).code == 0 and world.open == {}


def test_a_stale_nonce_is_replaced() -> None:
    world = World()
    talk = Talk(world)
    assert talk.ask(talk.client.allocate()).code == 0
    for _ in range(8):
        world.wait(500)
        assert talk.ask(talk.client.refresh(600)).code == 0


def test_a_wrong_password_is_said_once() -> None:
    world = World()
    talk = Talk(world, password="not it")
    assert talk.ask(talk.client.allocate()).code == 401
    assert world.asked == []


def test_answers_of_others_are_not_heard() -> None:
    world = World()
    talk = Talk(world)
    talk.ask(talk.client.allocate())
    request = talk.client.refresh(600)
    forged = Builder(Method.REFRESH, Class.SUCCESS, request[8:20]).add(t.LIFETIME, 600)
    assert talk.client.receive(forged.encode()) is None
    assert talk.client.receive(forged.sign(bytes(16)).encode()) is None
    assert talk.client.receive(Builder(Method.REFRESH, Class.SUCCESS, bytes(12)).encode()) is None
    assert talk.ask(request).code == 0


def test_a_server_that_only_challenges_is_given_up() -> None:
    client = TurnClient("u", "p", random.Random(1).randbytes)
    data = client.allocate()
    for number in range(9):
        answer = Builder(Method.ALLOCATE, Class.ERROR, data[8:20]).add(a.ERROR_CODE, a.Error(438))
        heard = client.receive(answer.add(a.REALM, "r").add(a.NONCE, b"n%d" % number).encode())
        if isinstance(heard, Answered):
            assert heard.code == 438 and number == 3
            return
        assert isinstance(heard, Retry)
        data = heard.data
    raise AssertionError("it went on")


@pytest.mark.parametrize("data", [b"", b"\x40", b"\x40\0\0\x09short", b"x" * 40, bytes(20)])
def test_anything_else_is_nothing(data: bytes) -> None:
    client = TurnClient("u", "p", random.Random(1).randbytes)
    assert client.receive(data) is None


def test_requests_name_no_user_before_they_are_asked_to() -> None:
    message = parse(TurnClient("u", "p", random.Random(1).randbytes).allocate())
    assert message is not None and not message.has(a.USERNAME)
