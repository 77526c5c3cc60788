"""What the operator of the server may do about rooms: say something to everybody in one, remove a member, close it."""

from __future__ import annotations

from tests.signaling.world import LINK, Stage, codes, link


def test_everybody_in_a_room_is_told_and_who_is_away_hears_it_later() -> None:
    stage = Stage()
    host, presenter, away = stage.host(link()), stage.presenter(), stage.presenter()
    last = max((said["n"] for said in away.heard() if "n" in said), default=0)
    away.lose_socket()
    host.heard()
    (room,) = stage.hub.rooms()
    assert stage.hub.broadcast(room.code, "Six o'clock.", stage.now) == 3
    for member in (host, presenter):
        assert [(said["type"], said["text"]) for said in member.heard()] == [("notice", "Six o'clock.")]
    back = stage.connect()
    heard = back.say("resume", v=1, resume=away.resume, last=last)
    assert codes(heard) == ["resumed", "notice"]


def test_another_room_is_not_told() -> None:
    stage = Stage()
    host = stage.host(link())
    assert stage.hub.broadcast("NOROOM", "Six o'clock.", stage.now) is None
    assert host.heard() == []


def test_a_member_that_is_removed_is_told_why_and_its_host_that_it_left() -> None:
    stage = Stage()
    host, presenter = stage.host(link()), stage.presenter()
    host.heard()
    assert stage.hub.kick(presenter.member, "wrong room", stage.now)
    (said,) = presenter.heard()
    assert (
        said["code"] == "removed" and said["message"].endswith(": wrong room") and presenter.closed == (4403, "removed")
    )
    assert codes(host.heard()) == ["member_left"]
    assert not stage.hub.kick(presenter.member, "", stage.now) and not stage.hub.kick("m0000000000", "", stage.now)


def test_so_is_a_host_and_the_presenters_see_it_go() -> None:
    stage = Stage()
    host, presenter = stage.host(link()), stage.presenter()
    presenter.heard()
    assert stage.hub.kick(host.member, "", stage.now)
    assert codes(host.heard())[-1] == "removed" and host.closed == (4403, "removed")
    assert codes(presenter.heard()) == ["host_left"]


def test_a_room_that_is_closed_is_over_for_its_links_and_its_code_is_free() -> None:
    stage = Stage()
    host, presenter = stage.host(link()), stage.presenter()
    (room,) = stage.hub.rooms()
    assert stage.hub.close_room(room.code, stage.now) and not stage.hub.close_room(room.code, stage.now)
    assert codes(host.heard())[-1] == codes(presenter.heard())[-1] == "room_ended"
    assert stage.rooms == {} and set(stage.tombstones) == {LINK}
