"""Stories about connections: how many there may be, what each may send, and how one ends."""

from __future__ import annotations

import dataclasses

import pytest

from slidewire.base.rates import Rate
from slidewire.signaling.limits import Limits
from tests.signaling.world import World, codes, data_of, link


class TestEnds:
    def test_a_stranger_has_ten_seconds(self, world: World) -> None:
        stranger, host = world.connect(), world.host()
        world.pass_time(9.9)
        assert stranger.is_open
        world.pass_time(0.2)
        assert codes(stranger.heard()) == ["first_message"] and stranger.closed == (4400, "first_message")
        assert host.is_open

    def test_silence_for_three_heartbeats_is_a_dead_socket(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        host.heard()
        for _ in range(6):
            world.pass_time(15)
            host.say("ping")
        assert presenter.closed is not None and presenter.closed[0] == 4408
        assert host.is_open

    def test_garbage_is_answered_three_times_and_then_closes(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        host.heard()
        assert codes(presenter.say_text("nonsense")) == ["malformed"]
        assert codes(presenter.say("dance", ref="d")) == ["type_unknown"]
        assert codes(presenter.say_text('{"type":"ping","pad":"' + "x" * 16_384 + '"}')) == ["too_large"]
        assert presenter.is_open
        world.hub.receive_binary(presenter.connection, world.now)
        assert codes(presenter.heard()) == ["malformed"] and presenter.closed == (4400, "malformed")
        assert codes(host.heard()) == ["member_away"]

    def test_garbage_now_and_then_is_forgiven(self, world: World) -> None:
        world.host(link())
        presenter = world.presenter()
        for _ in range(12):
            assert codes(presenter.say_text("nonsense")) == ["malformed"]
            world.pass_time(3.4)
        assert presenter.is_open


class TestRates:
    def test_connections_of_one_address(self, world: World) -> None:
        waits = [world.hub.admit("192.0.2.7", world.now) for _ in range(101)]
        assert waits[:100] == [0.0] * 100 and 0 < waits[100] <= 0.05
        assert world.hub.admit("192.0.2.8", world.now) == 0.0
        assert world.hub.admit("::ffff:192.0.2.7", world.now) > 0, "the same address in IPv6 clothes"
        world.pass_time(1)
        assert [world.hub.admit("192.0.2.7", world.now) for _ in range(21)].count(0.0) == 20

    def test_ipv6_counts_by_64(self, world: World) -> None:
        waits = [world.hub.admit(f"2001:db8::{n:x}", world.now) for n in range(1, 102)]
        assert waits[99] == 0.0 and waits[100] > 0
        assert world.hub.admit("2001:db8:0:100::1", world.now) == 0.0

    def test_messages_over_the_rate_are_dropped_and_said_once_a_second(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        world.pass_time(10)
        host.heard()
        heard = [answer for _ in range(260) for answer in presenter.say("send", to=host.member, data="")]
        assert codes(heard) == ["rate_limited"] and 0 < heard[0]["retry_after"] <= 0.1
        assert len(data_of(host.heard())) == 200
        world.pass_time(1)
        for _ in range(60):
            presenter.say("send", to=host.member, data="")
        assert len(data_of(host.heard())) == 50
        assert presenter.is_open

    def test_bytes_over_the_rate(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        for _ in range(90):
            presenter.say("send", to=host.member, data="A" * 15_000)
        assert len(data_of(host.heard())) == pytest.approx(1024 * 1024 / 15_050, abs=1)

    def test_hosts_have_eight_times_that(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        heard = [answer for _ in range(1500) for answer in host.say("send", to=presenter.member, data="")]
        assert "error" not in [answer["type"] for answer in heard]

    def test_pings_and_pongs_of_websocket_cost_as_much_as_messages(self, world: World) -> None:
        host = world.host(link())
        answered = sum(world.hub.receive_control(host.connection, 10, world.now) for _ in range(8 * 199 + 300))
        assert answered == 8 * 199, "what is left to one that said one thing before it was a host"
        world.drain()
        assert host.is_open
        assert not world.hub.receive_control(host.connection, 10, world.now)
        world.drain()
        assert host.closed == (4429, "rate_limited")


class TestFloods:
    def test_a_flood_is_closed_and_its_address_blocked(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        heard, said = [], 0
        while presenter.is_open:
            heard += presenter.say("send", to=host.member, data="")
            said += 1
        assert said == 200 + 300, "and the one that joined"
        assert presenter.closed == (4429, "rate_limited") and codes(heard) == ["rate_limited"] * 2
        assert heard[-1]["retry_after"] == pytest.approx(10)
        (block,) = world.hub.abuse_limiter.blocks(world.now)
        assert (block.key, block.why) == ("192.0.2.7", "a flood of messages")
        assert host.is_open, "who is in stays in, also from there"
        assert not world.hub.abuse_limiter.accept_connection(
            "192.0.2.7", world.now
        ) and world.hub.abuse_limiter.accept_connection("192.0.2.8", world.now)
        world.pass_time(10)
        assert world.hub.abuse_limiter.accept_connection("192.0.2.7", world.now)

    def test_what_is_borne_of_an_address_is_borne_of_all_its_sockets_together(self) -> None:
        world = World(limits=dataclasses.replace(Limits(), messages=Rate(1, 10), flood=Rate(1, 30)))
        host = world.host(link())
        flooding = [world.presenter() for _ in range(3)]
        for _ in range(9 + 10):
            for presenter in flooding:
                presenter.say("send", to=host.member, data="")
        assert all(presenter.is_open for presenter in flooding)
        for presenter in flooding:
            presenter.say("send", to=host.member, data="")
        assert not any(presenter.is_open for presenter in flooding), "each by its own next message"
        (block,) = world.hub.abuse_limiter.blocks(world.now)
        assert block.why == "a flood of messages" and host.is_open

    def test_whose_messages_have_to_wait_without_end_floods_and_its_quiet_neighbour_stays(self) -> None:
        world = World(limits=dataclasses.replace(Limits(), share_messages=Rate(1, 5), late=Rate(1, 20)))
        host = world.host(link())
        flooding, quiet = world.presenter(), world.presenter()
        for _ in range(5):
            flooding.say("send", to=host.member, data="")
        for _ in range(5):
            assert flooding.is_open
            world.hub.had_to_wait(flooding.connection, 4, world.now)
        world.hub.had_to_wait(flooding.connection, 4, world.now)
        world.hub.had_to_wait(quiet.connection, 4, world.now)
        world.drain()
        assert flooding.closed == (4429, "rate_limited") and quiet.is_open
        assert world.hub.abuse_limiter.blocked_for("192.0.2.7", world.now) > 0
