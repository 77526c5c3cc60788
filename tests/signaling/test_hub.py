"""Stories about rooms. The test owns the clock; nothing sleeps."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slidewire.base.base64url import encode_base64url
from slidewire.base.rates import Rate
from slidewire.signaling import messages as m
from slidewire.signaling.hub import _RULES, ICE_SECONDS
from slidewire.signaling.limits import Limits, Places
from slidewire.signaling.membership import AWAY_SECONDS
from slidewire.signaling.room import ConnectionId
from slidewire.signaling.room_registry import ROOM_SECONDS, TOMBSTONE_SECONDS
from tests.signaling.world import HOST_TOKEN, JOIN_TOKEN, LINK, OTHER_LINK, Peer, Said, World, codes, data_of, link

JOIN = {"v": 1, "link": LINK, "token": encode_base64url(JOIN_TOKEN)}
OPEN = {"v": 1, "token": encode_base64url(HOST_TOKEN)}


class TestRelays:
    """What the relay is told: who is in which room, from where, and for how long."""

    def test_ice_servers_are_for_the_name_the_member_came_by(self, world: World) -> None:
        world.host(link())
        peer = world.connect(reached_by="10.0.0.5:8443")
        peer.say("join", **JOIN)
        assert world.reached_by == ["clicker.example", "10.0.0.5:8443"]

    def test_fresh_ones_come_while_the_show_goes_on(self, world: World) -> None:
        host, presenter = world.host(link()), world.presenter()
        for _ in range(2):
            asked = len(world.ice_asked)
            since = world.now
            while world.now < since + ICE_SECONDS + 60:
                world.pass_time(10)
                host.say("ping"), presenter.say("ping")
                if len(world.ice_asked) == asked + 2:
                    break
            assert ICE_SECONDS - 60 <= world.now - since <= ICE_SECONDS + 20

    def test_fresh_ones_are_sent(self, world: World) -> None:
        host = world.host(link())
        due = world.now + ICE_SECONDS
        heard: list[Said] = []
        while world.now < due + 10:
            world.pass_time(10)
            heard += host.say("ping")
        fresh = [message for message in heard if message["type"] == "ice_servers"]
        assert fresh == [{"type": "ice_servers", "ice_servers": [{"urls": ["stun:192.0.2.1"]}]}]

    def test_who_is_away_gets_them_on_its_return(self, world: World) -> None:
        presenter = (world.host(link()), world.presenter())[1]
        while world.now < 1000 + ICE_SECONDS - 10:
            world.pass_time(10)
            presenter.say("ping")
        presenter.lose_socket()
        world.pass_time(15)
        back, heard = world.back(presenter, 0)
        assert heard[0]["ice_servers"] and world.ice_asked[-1][1] == presenter.member
        asked = len(world.ice_asked)
        while world.now < 1000 + ICE_SECONDS + 3600:
            world.pass_time(10)
            back.say("ping")
        assert len(world.ice_asked) == asked, "they are fresh already"

    def test_a_room_reaches_where_its_members_are(self, world: World) -> None:
        room = world.host(link(), room="SHOW")
        peer = world.connect("2001:db8::7%eth0")
        peer.say("join", **JOIN)
        hub = world.hub
        assert hub.reaches("SHOW", "192.0.2.7") and hub.reaches("SHOW", "2001:db8::7")
        assert not hub.reaches("SHOW", "192.0.2.8") and not hub.reaches("OTHER", "192.0.2.7")
        assert hub.has_member("SHOW", peer.member) and not hub.has_member("OTHER", peer.member)
        room.say("remove_member", member=peer.member)
        assert not hub.reaches("SHOW", "2001:db8::7") and not hub.has_member("SHOW", peer.member)
        assert world.gone == 1

    def test_who_is_away_is_reached_where_it_was(self, world: World) -> None:
        world.host(link(), room="SHOW")
        world.presenter().lose_socket()
        peer = world.connect("::ffff:192.0.2.99")
        peer.say("join", **JOIN)
        peer.lose_socket()
        assert world.hub.reaches("SHOW", "192.0.2.99")
        world.pass_time(AWAY_SECONDS)
        assert not world.hub.reaches("SHOW", "192.0.2.99") and world.gone == 2

    def test_who_comes_back_from_elsewhere_is_reached_there(self, world: World) -> None:
        world.host(link(), room="SHOW")
        presenter = world.presenter()
        presenter.lose_socket()
        elsewhere = world.connect("198.51.100.4")
        elsewhere.say("resume", v=1, resume=presenter.resume, last=0)
        assert world.hub.reaches("SHOW", "198.51.100.4") and world.gone == 1

    def test_a_member_proves_itself_without_using_its_token_up(self, world: World) -> None:
        world.host(link(), room="SHOW")
        presenter = world.presenter()
        for _ in range(2):
            assert world.hub.whose(presenter.resume) == ("SHOW", presenter.member)
        assert world.hub.whose("A" * 22) is None and world.hub.whose("not base64!") is None
        presenter.say("leave")
        assert world.hub.whose(presenter.resume) is None


class TestMeeting:
    def test_a_presenter_finds_the_host_and_they_talk(self, world: World) -> None:
        host = world.connect()
        (opened,) = host.say("open_room", **OPEN, ref="1", name="main", links=[link()])
        assert opened["ref"] == "1" and len(opened["room"]) == 6
        assert opened["hosts"] == opened["members"] == []
        presenter = world.connect()
        (joined,) = presenter.say("join", **JOIN, name="Ada")
        assert joined["room"] == opened["room"]
        assert joined["hosts"] == [{"member": opened["member"], "name": "main", "away": False}]
        assert joined["ice_servers"] == [{"urls": ["stun:192.0.2.1"]}]
        assert (joined["room"], joined["member"]) in world.ice_asked
        came = {"type": "member_joined", "n": 1, "member": joined["member"], "link": LINK, "name": "Ada"}
        assert host.heard() == [came]
        assert presenter.say("send", to=opened["member"], data="aGk") == []
        assert host.heard() == [{"type": "message", "n": 2, "from": joined["member"], "data": "aGk"}]
        host.say("send", to=joined["member"], data="eW8")
        assert presenter.heard() == [{"type": "message", "n": 1, "from": opened["member"], "data": "eW8"}]

    def test_a_presenter_may_write_to_the_first_host_there_without_knowing_it(self, world: World) -> None:
        main = world.host(link(), room="K7QM42", name="main")
        backup = world.host(room="K7QM42", name="backup")
        presenter = world.presenter()
        for host in (main, backup):
            host.heard()
            assert presenter.say("send", data="aGk") == []
            assert host.heard()[-1]["data"] == "aGk"
            host.lose_socket()
            presenter.heard()
        assert codes(presenter.say("send", data="aGk", ref="x")) == ["member_unknown"]

    def test_a_host_s_messages_do_not_wait_behind_those_of_presenters_at_its_address(self, world: World) -> None:
        host, presenter = world.host(link()), world.presenter()
        waits = [world.hub.queue(presenter.connection, presenter.address, 100, world.now) for _ in range(4)]
        assert waits[0] == 0 < waits[-1]
        assert world.hub.queue(host.connection, presenter.address, 100, world.now) == 0

    def test_a_host_has_to_say_to_whom(self, world: World) -> None:
        assert codes(world.host(link()).say("send", data="aGk")) == ["member_unknown"]

    def test_presenters_write_to_hosts_only(self, world: World) -> None:
        world.host(link())
        one, two = world.presenter(), world.presenter()
        assert codes(one.say("send", to=two.member, data="", ref="x")) == ["not_allowed"]
        assert two.heard() == [] and one.is_open

    def test_rooms_do_not_hear_each_other(self, world: World) -> None:
        world.host(link())
        presenter = world.presenter()
        stranger = world.host(token=JOIN_TOKEN)
        assert codes(presenter.say("send", to=stranger.member, data="")) == ["member_unknown"]
        assert codes(stranger.say("send", to=presenter.member, data="")) == ["member_unknown"]
        assert codes(stranger.say("remove_member", member=presenter.member)) == ["member_unknown"]
        assert codes(stranger.say("revoke_link", link=LINK)) == ["link_unknown"]
        assert stranger.is_open and presenter.is_open

    def test_a_backup_host_joins_by_code_and_token_in_either_case(self, world: World) -> None:
        main = world.host(link(), room="K7QM42", name="main")
        presenter = world.presenter()
        main.heard()
        backup = world.connect()
        (opened,) = backup.say("open_room", **OPEN, room="k7qm42", name="backup")
        assert opened["room"] == "K7QM42"
        assert opened["hosts"] == [{"member": main.member, "name": "main", "away": False}]
        assert [entry["member"] for entry in opened["members"]] == [presenter.member]
        for peer in (main, presenter):
            (news,) = peer.heard()
            assert (news["type"], news["member"], news["name"]) == ("host_joined", opened["member"], "backup")

    def test_leaving_is_told_and_final(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        host.heard()
        presenter.say("leave")
        assert presenter.closed == (1000, "left")
        assert codes(host.heard()) == ["member_left"]
        _, heard = world.back(presenter, 0)
        assert codes(heard) == ["resume_unknown"]
        assert codes(host.say("send", to=presenter.member, data="")) == ["member_unknown"]


class TestLinks:
    def join(self, world: World, **changes: object) -> tuple[Peer, list[Said]]:
        peer = world.connect()
        return peer, peer.say("join", **{**JOIN, **changes})

    def test_unknown(self, world: World) -> None:
        peer, heard = self.join(world)
        assert codes(heard) == ["link_unknown"] and peer.closed == (4404, "link_unknown")

    def test_wrong_token(self, world: World) -> None:
        host = world.host(link())
        peer, heard = self.join(world, token=encode_base64url(HOST_TOKEN))
        assert codes(heard) == ["link_wrong"] and peer.closed == (4401, "link_wrong")
        assert host.heard() == []

    def test_expired_by_the_wall_clock_to_the_second(self, world: World) -> None:
        host = world.host(link(expires=world.wall + 60))
        world.pass_time(9)
        early = world.presenter()
        host.heard()
        world.wall += 51
        peer, heard = self.join(world)
        assert codes(heard) == ["link_expired"] and peer.closed == (4403, "link_expired")
        assert early.is_open, "who came before stays"

    def test_revoked_closes_those_who_came_by_it_and_nobody_else(self, world: World) -> None:
        host = world.host(link(), link(OTHER_LINK, HOST_TOKEN), room="K7QM42")
        backup = world.host(room="K7QM42")
        one, other = world.presenter(), world.presenter(OTHER_LINK, HOST_TOKEN)
        host.heard(), backup.heard()
        assert host.say("revoke_link", link=LINK, ref="r") == [
            {"type": "link_revoked", "ref": "r", "link": LINK},
            {"type": "member_left", "n": 4, "member": one.member},
        ]
        assert codes(backup.heard()) == ["link_revoked", "member_left"]
        assert codes(one.heard()) == ["link_revoked"] and one.closed == (4403, "link_revoked")
        assert other.heard() == [] and other.is_open
        _, heard = world.back(one, 0)
        assert codes(heard) == ["resume_unknown"]
        assert codes(self.join(world)[1]) == ["link_revoked"]
        assert codes(host.say("revoke_link", link=LINK, ref="again")) == ["link_revoked"], "asking twice does no harm"

    def test_a_revoked_link_stays_revoked_when_a_host_announces_it_again(self, world: World) -> None:
        host = world.host(link())
        host.say("revoke_link", link=LINK)
        assert host.say("add_links", links=[link()], ref="a") == [
            {"type": "links_added", "ref": "a", "refused_links": [{"link": LINK, "code": "link_revoked"}]}
        ]
        world.restart_server(remembering=True)
        world.host(link())
        assert codes(self.join(world)[1]) == ["link_revoked"]

    def test_another_room_cannot_take_a_link(self, world: World) -> None:
        host = world.host(link())
        thief = world.connect()
        (opened,) = thief.say("open_room", v=1, token=JOIN["token"], links=[link(token=HOST_TOKEN)])
        assert opened["refused_links"] == [{"link": LINK, "code": "link_taken"}]
        world.presenter()
        assert codes(host.heard()) == ["member_joined"] and thief.heard() == []

    def test_the_end_of_a_room_is_remembered_for_a_day(self, world: World) -> None:
        host = world.host(link())
        presenter, away = world.presenter(), world.presenter()
        away.lose_socket()
        host.heard()
        assert codes(host.say("close_room")) == ["room_ended"]
        assert codes(presenter.heard()) == ["room_ended"] and presenter.closed == (4403, "room_ended")
        assert host.closed == (4403, "room_ended") and world.rooms == {} and world.hub.room_count == 0
        peer, heard = self.join(world)
        assert codes(heard) == ["room_ended"] and peer.closed == (4403, "room_ended")
        world.restart_server(remembering=True)
        world.pass_time(TOMBSTONE_SECONDS - 120)
        assert codes(self.join(world)[1]) == ["room_ended"]
        world.pass_time(240)
        assert codes(self.join(world)[1]) == ["link_unknown"]

    def test_removed(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        host.heard()
        assert codes(host.say("remove_member", member=presenter.member, reason="Too loud")) == ["member_left"]
        (error,) = presenter.heard()
        assert error["code"] == "removed" and "Too loud" in error["message"] and presenter.closed == (4403, "removed")


class TestRooms:
    def test_a_code_belongs_to_its_token(self, world: World) -> None:
        world.host(room="K7QM42")
        thief = world.connect()
        heard = thief.say("open_room", v=1, room="K7QM42", token=encode_base64url(JOIN_TOKEN))
        assert codes(heard) == ["room_taken"] and thief.closed == (4403, "room_taken")

    def test_links_outlive_their_host_for_twelve_hours(self, world: World) -> None:
        world.host(link()).say("leave")
        world.pass_time(ROOM_SECONDS - 60)
        world.presenter()
        world.pass_time(180)
        peer = world.connect()
        assert codes(peer.say("join", **JOIN)) == ["link_unknown"]
        assert world.rooms == {}

    def test_a_room_with_a_host_does_not_grow_old(self, world: World) -> None:
        host = world.host(link())
        for _ in range(int(2 * ROOM_SECONDS / 40)):
            world.pass_time(40)
            host.say("ping")
        world.presenter()

    def test_a_restarted_server_knows_the_room_before_its_host_is_back(self, world: World) -> None:
        host = world.host(link(), name="main")
        gone = world.presenter()
        world.restart_server(remembering=True)
        peer, heard = world.back(gone, 0)
        assert codes(heard) == ["resume_unknown"] and peer.is_open
        (joined,) = peer.say("join", **JOIN)
        assert joined["hosts"] == []
        again = world.host(link(), room=joined["room"], name="main")
        assert again.member != host.member
        assert codes(peer.heard()) == ["host_joined"]

    def test_a_server_that_lost_everything_learns_it_from_the_host(self, world: World) -> None:
        world.host(link())
        (code,) = world.rooms
        world.restart_server(remembering=False)
        peer = world.connect()
        assert codes(peer.say("join", **JOIN)) == ["link_unknown"]
        world.host(link(), room=code)
        world.presenter()

    def test_full(self) -> None:
        limits = dataclasses.replace(Limits(), presenters=Places(1, 1, 1, 1), hosts_per_room=1, links_per_room=2)
        world = World(limits=limits)
        host = world.host(link(), room="K7QM42")
        world.presenter(), world.presenter()
        for first in ({"type": "join", **JOIN}, {"type": "open_room", **OPEN, "room": "K7QM42"}):
            late = world.connect()
            assert codes(late.say_text(json.dumps(first))) == ["room_full"] and late.closed == (4429, "room_full")
        host.heard()
        three = [link(f"aaaaaaaaa{n}") for n in "234"]
        assert codes(host.say("add_links", links=three)) == ["room_full"] and host.is_open
        assert codes(host.say("add_links", links=three[:1])) == ["links_added"]

    def test_when_the_server_goes_everybody_is_told_when_to_come_back(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        host.heard()
        world.hub.shut_down(0.5)
        for peer in (host, presenter):
            (error,) = peer.heard()
            assert (error["code"], error["retry_after"]) == ("server_closing", 0.5)
            assert peer.closed == (1012, "server_closing")
        assert LINK in [entry.id for room in world.rooms.values() for entry in room.links]


class TestAway:
    def test_back_in_time_with_everything_once_and_in_order(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        host.say("send", to=presenter.member, data="AAAA")
        assert [message["n"] for message in presenter.heard()] == [1]
        host.heard()
        presenter.lose_socket()
        assert codes(host.heard()) == ["member_away"]
        for data in ("BBBB", "CCCC"):
            assert host.say("send", to=presenter.member, data=data) == [], "it is kept, not refused"
        world.pass_time(5)
        again, heard = world.back(presenter, last=1)
        assert codes(heard) == ["resumed", "message", "message"]
        assert [message["n"] for message in heard[1:]] == [2, 3] and data_of(heard) == ["BBBB", "CCCC"]
        assert heard[0]["member"] == presenter.member and "members" not in heard[0]
        assert codes(host.heard()) == ["member_back"]
        assert again.say("ping", last=3) == [{"type": "pong"}]
        final, heard = world.back(again, last=3)
        assert codes(heard) == ["resumed"], "what was acknowledged does not come again"
        assert again.closed == (4409, "replaced") and codes(again.heard()) == ["replaced"]
        assert host.heard() == [], "replacing a socket is nobody else's business"
        assert final.is_open

    def test_a_host_that_comes_back_sees_who_is_there(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter(name="Ada")
        host.lose_socket()
        assert codes(presenter.heard()) == ["host_away"]
        late = world.presenter()
        _, heard = world.back(host, last=0)
        assert codes(heard) == ["resumed", "member_joined", "member_joined"]
        assert [entry["member"] for entry in heard[0]["members"]] == [presenter.member, late.member]
        assert codes(presenter.heard()) == ["host_back"]

    def test_twenty_seconds_and_it_has_left(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        presenter.lose_socket()
        world.pass_time(AWAY_SECONDS - 0.001)
        assert codes(host.heard()) == ["member_joined", "member_away"]
        world.pass_time(0.001)
        assert codes(host.heard()) == ["member_left"]
        assert codes(world.back(presenter, 0)[1]) == ["resume_unknown"]

    def test_each_absence_has_twenty_seconds_of_its_own(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        presenter.lose_socket()
        world.pass_time(15)
        presenter, _ = world.back(presenter, 0)
        presenter.lose_socket()
        world.pass_time(15)
        assert "member_left" not in codes(host.heard())
        _, heard = world.back(presenter, 0)
        assert codes(heard) == ["resumed"]

    def test_a_token_leads_back_once(self, world: World) -> None:
        world.host(link())
        presenter = world.presenter()
        presenter.lose_socket()
        again, _ = world.back(presenter, 0)
        again.say("ping")
        thief, heard = world.back(presenter, 0)
        assert codes(heard) == ["resume_unknown"] and thief.is_open and again.is_open

    def test_but_twice_if_the_answer_was_lost_on_the_way(self, world: World) -> None:
        world.host(link())
        presenter = world.presenter()
        presenter.lose_socket()
        unheard, _ = world.back(presenter, 0)
        unheard.lose_socket()
        again, heard = world.back(presenter, 0)
        assert codes(heard) == ["resumed"]
        again.say("ping")
        assert codes(world.back(presenter, 0)[1]) == ["resume_unknown"]
        assert codes(world.back(unheard, 0)[1]) == ["resume_unknown"]

    def test_the_oldest_kept_messages_are_lost_first(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        presenter.lose_socket()
        for _ in range(100):
            host.say("send", to=presenter.member, data="AAAA")
        _, heard = world.back(presenter, 0)
        assert [message["n"] for message in heard[1:]] == list(range(37, 101))

    def test_kept_messages_are_bounded_in_bytes(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        presenter.lose_socket()
        for _ in range(40):
            host.say("send", to=presenter.member, data="A" * 12_000)
        _, heard = world.back(presenter, 0)
        assert 8 <= len(heard) - 1 <= 128 * 1024 // 12_000
        assert heard[-1]["n"] == 40

    def test_kept_messages_grow_old(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        presenter.lose_socket()
        host.say("send", to=presenter.member, data="AAAA")
        world.pass_time(8)
        host.say("send", to=presenter.member, data="BBBB")
        world.pass_time(3)
        assert data_of(world.back(presenter, 0)[1]) == ["BBBB"]


class TestRules:
    def test_every_message_has_its_row(self) -> None:
        assert set(_RULES) == set(m.ClientMessage.__args__)

    def test_a_stranger_introduces_itself_first(self, world: World) -> None:
        stranger = world.connect()
        assert codes(stranger.say("ping")) == ["first_message"] and stranger.closed == (4400, "first_message")

    @pytest.mark.parametrize(
        "text",
        [
            {"type": "add_links", "links": [link(OTHER_LINK)]},
            {"type": "revoke_link", "link": LINK},
            {"type": "remove_member", "member": "m1"},
            {"type": "close_room"},
            {"type": "open_room", **OPEN},
            {"type": "join", **JOIN},
        ],
        ids=lambda text: text["type"],
    )
    def test_a_presenter_has_no_say_over_the_room(self, world: World, text: Said) -> None:
        host = world.host(link())
        presenter = world.presenter()
        host.heard()
        before = dict(world.rooms)
        assert codes(presenter.say_text(json.dumps({**text, "ref": "x"}))) == ["not_allowed"]
        assert host.heard() == [] and presenter.is_open and world.rooms == before

    def test_another_version_is_told_which_we_speak(self, world: World) -> None:
        peer = world.connect()
        (error,) = peer.say("join", v=2, invitation="?")
        assert (error["code"], error["supported"]) == ("version_unsupported", [1])
        assert peer.closed == (4400, "version_unsupported")

    def test_a_member_that_changes_its_version_is_away_not_a_ghost(self, world: World) -> None:
        host = world.host(link())
        presenter = world.presenter()
        host.heard()
        presenter.say("join", v=2)
        assert presenter.closed == (4400, "version_unsupported")
        assert codes(host.heard()) == ["member_away"]
        assert host.say("send", to=presenter.member, data="") == []
        world.pass_time(AWAY_SECONDS)
        assert codes(host.heard()) == ["member_left"]


class TestRates:
    def test_guessing_links_is_slow(self, world: World) -> None:
        world.host(link())
        for _ in range(20):
            assert codes(world.connect("198.51.100.9").say("join", **{**JOIN, "token": OPEN["token"]})) == [
                "link_wrong"
            ]
        guesser = world.connect("198.51.100.9")
        (error,) = guesser.say("join", **{**JOIN, "token": OPEN["token"]})
        assert error["code"] == "rate_limited" and 5 < error["retry_after"] <= 6 and guesser.is_open
        neighbour = world.connect("198.51.100.9")
        assert neighbour.say("join", **JOIN)[0]["type"] == "joined", "who has the link is not locked out by a guesser"

    def test_rooms_are_not_made_without_end(self, world: World) -> None:
        for _ in range(60):
            world.host()
        late = world.connect()
        assert codes(late.say("open_room", **OPEN)) == ["rate_limited"]
        assert world.hub.room_count == 60

    def test_a_bucket_holds_its_burst_and_then_its_rate(self) -> None:
        rate, state, taken = Rate(10, 5), 0.0, 0
        for step in range(1000):
            after = rate.take(state, step / 100)
            state, taken = (state, taken) if after is None else (after, taken + 1)
        assert taken == pytest.approx(5 + 10 * 10, abs=1)


@settings(max_examples=60)
@given(st.data())
def test_whatever_is_said_the_hub_stands(data: st.DataObject) -> None:
    """Random talk of random peers: nothing raises, nothing is written to a closed socket, numbers never skip back."""
    world = World(limits=dataclasses.replace(Limits(), messages=Rate(1e6, 1e6)), seed=data.draw(st.integers(0, 99)))
    host = world.host(link(), room="K7QM42")
    peers = [host, world.presenter()]
    last: dict[ConnectionId, int] = {}
    members = st.sampled_from(["", "m1", *(peer.member for peer in peers)])
    for _ in range(data.draw(st.integers(1, 30))):
        act = data.draw(st.sampled_from(["say", "say", "say", "lose", "back", "connect", "wait", "binary"]))
        peer = data.draw(st.sampled_from(peers))
        match act:
            case "say":
                kind = data.draw(st.sampled_from([k.__struct_config__.tag for k in m.ClientMessage.__args__]))
                said = {"type": kind, **data.draw(st.sampled_from([OPEN, JOIN])), "to": data.draw(members), "data": ""}
                said |= {"member": data.draw(members), "links": [link()], "last": data.draw(st.integers(0, 9))}
                if kind == "open_room":
                    said["room"] = "K7QM42"
                world.hub.receive_message(peer.connection, json.dumps(said), world.now)
            case "lose":
                world.hub.disconnect(peer.connection, world.now)
                peer.closed = peer.closed or (1006, "")
            case "back":
                resume = {"type": "resume", "v": 1, "resume": peer.resume or "A" * 22}
                peers.append(world.connect())
                world.hub.receive_message(peers[-1].connection, json.dumps(resume), world.now)
            case "connect":
                peers.append(world.connect())
            case "wait":
                world.pass_time(data.draw(st.sampled_from([0.1, 9.0, 21.0, 50.0])))
            case "binary":
                world.hub.receive_binary(peer.connection, world.now)
        for each in peers:
            for message in each.heard():
                if message["type"] in ("room_opened", "joined", "resumed"):
                    last[each.connection] = 0
                elif "n" in message:
                    assert message["n"] > last.get(each.connection, 0)
                    last[each.connection] = message["n"]


class TestFloods:
    def test_guessing_goes_on_until_the_address_is_blocked(self, world: World) -> None:
        world.host(link(), room="K7QM42")
        abuse_limiter, guesses = world.hub.abuse_limiter, 0
        while not abuse_limiter.blocked_for("198.51.100.9", world.now):
            guess = {**OPEN, "room": "K7QM42", "token": encode_base64url(bytes(16))}
            (answer,) = world.connect("198.51.100.9").say("open_room", **guess)
            assert answer["code"] in ("room_taken", "rate_limited")
            guesses += 1
        assert guesses == 20 + 50 + 1, "20 of them were looked at"
        assert world.hub.counts["failed proofs"] == guesses

    def test_all_presenters_of_a_room_have_a_rate_together(self) -> None:
        limits = dataclasses.replace(Limits(), place_messages=Rate(10, 30), share_messages=Rate(1, 5))
        world = World(limits=limits)
        host = world.host(link())
        quiet, *presenters = (world.presenter() for _ in range(4))
        host.heard()
        for presenter in presenters * 20:
            presenter.say("send", to=host.member, data="")
        assert len(data_of(host.heard())) == 3 * 5 + 30
        assert all(presenter.is_open for presenter in presenters)
        for _ in range(5):
            assert quiet.say("send", to=host.member, data="") == []
        assert len(data_of(host.heard())) == 5, "they took nothing of what is its own"

    def test_joins_by_one_link_have_a_rate(self) -> None:
        world = World(limits=dataclasses.replace(Limits(), place_joins=Rate(1, 2)))
        world.host(link())
        for _ in range(2):
            world.presenter().lose_socket()
        (answer,) = world.connect().say("join", **JOIN)
        assert answer["code"] == "rate_limited" and 0 < answer["retry_after"] <= 1

    def test_where_there_are_too_many_rooms_the_one_idle_longest_gives_way(self) -> None:
        world = World(limits=dataclasses.replace(Limits(), rooms=3))
        hosts = [world.host(token=bytes([n]) * 16) for n in range(3)]
        (answer,) = world.connect().say("open_room", **OPEN)
        assert answer["code"] == "rate_limited" and answer["retry_after"] == 60
        for gone in (hosts[1], hosts[0]):
            gone.lose_socket()
            world.pass_time(25)
            hosts[2].say("ping")
        world.host(token=b"x" * 16)
        assert world.hub.room_count == len(world.rooms) == 3
        world.host(token=b"y" * 16)
        assert hosts[2].is_open and world.hub.room_count == 3

    def test_rooms_of_one_maker_have_a_limit_of_their_own(self) -> None:
        world = World(limits=dataclasses.replace(Limits(), rooms_per_address=2))
        world.host(token=b"1" * 16)
        world.host(token=b"2" * 16)
        assert codes(world.connect().say("open_room", **OPEN)) == ["rate_limited"]
        assert world.connect("192.0.2.99").say("open_room", **OPEN)[0]["type"] == "room_opened"

    def test_there_is_an_end_to_members(self) -> None:
        world = World(limits=dataclasses.replace(Limits(), members=2))
        world.host(link())
        world.presenter()
        assert codes(world.connect().say("join", **JOIN)) == ["rate_limited"]
        assert world.hub.member_count == 2

    def test_what_is_kept_for_those_away_is_bounded_for_all_together(self) -> None:
        world = World(limits=dataclasses.replace(Limits(), kept_bytes=100_000))
        host = world.host(link())
        presenters = [world.presenter() for _ in range(20)]
        for presenter in presenters:
            presenter.lose_socket()
            for _ in range(40):
                host.say("send", to=presenter.member, data="A" * 1000)
        assert world.hub.kept_bytes <= 100_000 + 20 * 8 * 1024
        world.pass_time(25)
        assert world.hub.member_count == 1 and world.hub.kept_bytes <= 128 * 1024

    def test_there_is_an_end_to_tombstones(self) -> None:
        world = World(limits=dataclasses.replace(Limits(), tombstones=5))
        names = [f"abcdefgh2{letter}" for letter in "abcdefg"]
        host = world.host(*(link(name) for name in names))
        for name in names:
            host.say("revoke_link", link=name)
        answers = [codes(world.connect().say("join", **{**JOIN, "link": name}))[0] for name in names]
        assert answers == ["link_unknown"] * 2 + ["link_revoked"] * 5
