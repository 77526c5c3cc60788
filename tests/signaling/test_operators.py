"""What the operator of the server may do about rooms: say something to everybody in one, remove a member, close it."""

from __future__ import annotations

from tests.signaling.world import LINK, World, codes, link


def test_everybody_in_a_room_is_told_and_who_is_away_hears_it_later() -> None:
    world = World()
    host, presenter, away = world.host(link()), world.presenter(), world.presenter()
    last = max((said["n"] for said in away.heard() if "n" in said), default=0)
    away.lose_socket()
    host.heard()
    (room,) = world.hub.rooms()
    assert world.hub.broadcast(room.code, "Six o'clock.", world.now) == 3
    for member in (host, presenter):
        assert [(said["type"], said["text"]) for said in member.heard()] == [("notice", "Six o'clock.")]
    back = world.connect()
    heard = back.say("resume", v=1, resume=away.resume, last=last)
    assert codes(heard) == ["resumed", "notice"]


def test_another_room_is_not_told() -> None:
    world = World()
    host = world.host(link())
    assert world.hub.broadcast("NOROOM", "Six o'clock.", world.now) is None
    assert host.heard() == []


def test_a_member_that_is_removed_is_told_why_and_its_host_that_it_left() -> None:
    world = World()
    host, presenter = world.host(link()), world.presenter()
    host.heard()
    assert world.hub.kick(presenter.member, "wrong room", world.now)
    (said,) = presenter.heard()
    assert (
        said["code"] == "removed" and said["message"].endswith(": wrong room") and presenter.closed == (4403, "removed")
    )
    assert codes(host.heard()) == ["member_left"]
    assert not world.hub.kick(presenter.member, "", world.now) and not world.hub.kick("m0000000000", "", world.now)


def test_so_is_a_host_and_the_presenters_see_it_go() -> None:
    world = World()
    host, presenter = world.host(link()), world.presenter()
    presenter.heard()
    assert world.hub.kick(host.member, "", world.now)
    assert codes(host.heard())[-1] == "removed" and host.closed == (4403, "removed")
    assert codes(presenter.heard()) == ["host_left"]


def test_a_room_that_is_closed_is_over_for_its_links_and_its_code_is_free() -> None:
    world = World()
    host, presenter = world.host(link()), world.presenter()
    (room,) = world.hub.rooms()
    assert world.hub.close_room(room.code, world.now) and not world.hub.close_room(room.code, world.now)
    assert codes(host.heard())[-1] == codes(presenter.heard())[-1] == "room_ended"
    assert world.rooms == {} and set(world.tombstones) == {LINK}
