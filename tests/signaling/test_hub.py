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
from tests.signaling.world import HOST_TOKEN, JOIN_TOKEN, LINK, OTHER_LINK, Peer, Said, Stage, codes, data_of, link

JOIN = {"v": 1, "link": LINK, "token": encode_base64url(JOIN_TOKEN)}
OPEN = {"v": 1, "token": encode_base64url(HOST_TOKEN)}


class TestRelays:
    """What the relay is told: who is in which room, from where, and for how long."""

    def test_ice_servers_are_for_the_name_the_member_came_by(self, stage: Stage) -> None:
        stage.host(link())
        peer = stage.connect(reached_by="10.0.0.5:8443")
        peer.say("join", **JOIN)
        assert stage.reached_by == ["clicker.example", "10.0.0.5:8443"]

    def test_fresh_ones_come_while_the_show_goes_on(self, stage: Stage) -> None:
        host, presenter = stage.host(link()), stage.presenter()
        for _ in range(2):
            asked = len(stage.ice_asked)
            since = stage.now
            while stage.now < since + ICE_SECONDS + 60:
                stage.pass_time(10)
                host.say("ping"), presenter.say("ping")
                if len(stage.ice_asked) == asked + 2:
                    break
            assert ICE_SECONDS - 60 <= stage.now - since <= ICE_SECONDS + 20

    def test_fresh_ones_are_sent(self, stage: Stage) -> None:
        host = stage.host(link())
        due = stage.now + ICE_SECONDS
        heard: list[Said] = []
        while stage.now < due + 10:
            stage.pass_time(10)
            heard += host.say("ping")
        fresh = [message for message in heard if message["type"] == "ice_servers"]
        assert fresh == [{"type": "ice_servers", "ice_servers": [{"urls": ["stun:192.0.2.1"]}]}]

    def test_who_is_away_gets_them_on_its_return(self, stage: Stage) -> None:
        presenter = (stage.host(link()), stage.presenter())[1]
        while stage.now < 1000 + ICE_SECONDS - 10:
            stage.pass_time(10)
            presenter.say("ping")
        presenter.lose_socket()
        stage.pass_time(15)
        back, heard = stage.back(presenter, 0)
        assert heard[0]["ice_servers"] and stage.ice_asked[-1][1] == presenter.member
        asked = len(stage.ice_asked)
        while stage.now < 1000 + ICE_SECONDS + 3600:
            stage.pass_time(10)
            back.say("ping")
        assert len(stage.ice_asked) == asked, "they are fresh already"

    def test_a_room_reaches_where_its_members_are(self, stage: Stage) -> None:
        room = stage.host(link(), room="SHOW")
        peer = stage.connect("2001:db8::7%eth0")
        peer.say("join", **JOIN)
        hub = stage.hub
        assert hub.reaches("SHOW", "192.0.2.7") and hub.reaches("SHOW", "2001:db8::7")
        assert not hub.reaches("SHOW", "192.0.2.8") and not hub.reaches("OTHER", "192.0.2.7")
        assert hub.has_member("SHOW", peer.member) and not hub.has_member("OTHER", peer.member)
        room.say("remove_member", member=peer.member)
        assert not hub.reaches("SHOW", "2001:db8::7") and not hub.has_member("SHOW", peer.member)
        assert stage.gone == 1

    def test_who_is_away_is_reached_where_it_was(self, stage: Stage) -> None:
        stage.host(link(), room="SHOW")
        stage.presenter().lose_socket()
        peer = stage.connect("::ffff:192.0.2.99")
        peer.say("join", **JOIN)
        peer.lose_socket()
        assert stage.hub.reaches("SHOW", "192.0.2.99")
        stage.pass_time(AWAY_SECONDS)
        assert not stage.hub.reaches("SHOW", "192.0.2.99") and stage.gone == 2

    def test_who_comes_back_from_elsewhere_is_reached_there(self, stage: Stage) -> None:
        stage.host(link(), room="SHOW")
        presenter = stage.presenter()
        presenter.lose_socket()
        elsewhere = stage.connect("198.51.100.4")
        elsewhere.say("resume", v=1, resume=presenter.resume, last=0)
        assert stage.hub.reaches("SHOW", "198.51.100.4") and stage.gone == 1

    def test_a_member_proves_itself_without_using_its_token_up(self, stage: Stage) -> None:
        stage.host(link(), room="SHOW")
        presenter = stage.presenter()
        for _ in range(2):
            assert stage.hub.whose(presenter.resume) == ("SHOW", presenter.member)
        assert stage.hub.whose("A" * 22) is None and stage.hub.whose("not base64!") is None
        presenter.say("leave")
        assert stage.hub.whose(presenter.resume) is None


class TestMeeting:
    def test_a_presenter_finds_the_host_and_they_talk(self, stage: Stage) -> None:
        host = stage.connect()
        (opened,) = host.say("open_room", **OPEN, ref="1", name="main", links=[link()])
        assert opened["ref"] == "1" and len(opened["room"]) == 6
        assert opened["hosts"] == opened["members"] == []
        presenter = stage.connect()
        (joined,) = presenter.say("join", **JOIN, name="Ada")
        assert joined["room"] == opened["room"]
        assert joined["hosts"] == [{"member": opened["member"], "name": "main", "away": False}]
        assert joined["ice_servers"] == [{"urls": ["stun:192.0.2.1"]}]
        assert (joined["room"], joined["member"]) in stage.ice_asked
        came = {"type": "member_joined", "n": 1, "member": joined["member"], "link": LINK, "name": "Ada"}
        assert host.heard() == [came]
        assert presenter.say("send", to=opened["member"], data="aGk") == []
        assert host.heard() == [{"type": "message", "n": 2, "from": joined["member"], "data": "aGk"}]
        host.say("send", to=joined["member"], data="eW8")
        assert presenter.heard() == [{"type": "message", "n": 1, "from": opened["member"], "data": "eW8"}]

    def test_a_presenter_may_write_to_the_first_host_there_without_knowing_it(self, stage: Stage) -> None:
        main = stage.host(link(), room="K7QM42", name="main")
        backup = stage.host(room="K7QM42", name="backup")
        presenter = stage.presenter()
        for host in (main, backup):
            host.heard()
            assert presenter.say("send", data="aGk") == []
            assert host.heard()[-1]["data"] == "aGk"
            host.lose_socket()
            presenter.heard()
        assert codes(presenter.say("send", data="aGk", ref="x")) == ["member_unknown"]

    def test_a_host_has_to_say_to_whom(self, stage: Stage) -> None:
        assert codes(stage.host(link()).say("send", data="aGk")) == ["member_unknown"]

    def test_presenters_write_to_hosts_only(self, stage: Stage) -> None:
        stage.host(link())
        one, two = stage.presenter(), stage.presenter()
        assert codes(one.say("send", to=two.member, data="", ref="x")) == ["not_allowed"]
        assert two.heard() == [] and one.is_open

    def test_rooms_do_not_hear_each_other(self, stage: Stage) -> None:
        stage.host(link())
        presenter = stage.presenter()
        stranger = stage.host(token=JOIN_TOKEN)
        assert codes(presenter.say("send", to=stranger.member, data="")) == ["member_unknown"]
        assert codes(stranger.say("send", to=presenter.member, data="")) == ["member_unknown"]
        assert codes(stranger.say("remove_member", member=presenter.member)) == ["member_unknown"]
        assert codes(stranger.say("revoke_link", link=LINK)) == ["link_unknown"]
        assert stranger.is_open and presenter.is_open

    def test_a_backup_host_joins_by_code_and_token_in_either_case(self, stage: Stage) -> None:
        main = stage.host(link(), room="K7QM42", name="main")
        presenter = stage.presenter()
        main.heard()
        backup = stage.connect()
        (opened,) = backup.say("open_room", **OPEN, room="k7qm42", name="backup")
        assert opened["room"] == "K7QM42"
        assert opened["hosts"] == [{"member": main.member, "name": "main", "away": False}]
        assert [entry["member"] for entry in opened["members"]] == [presenter.member]
        for peer in (main, presenter):
            (news,) = peer.heard()
            assert (news["type"], news["member"], news["name"]) == ("host_joined", opened["member"], "backup")

    def test_leaving_is_told_and_final(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter = stage.presenter()
        host.heard()
        presenter.say("leave")
        assert presenter.closed == (1000, "left")
        assert codes(host.heard()) == ["member_left"]
        _, heard = stage.back(presenter, 0)
        assert codes(heard) == ["resume_unknown"]
        assert codes(host.say("send", to=presenter.member, data="")) == ["member_unknown"]


class TestLinks:
    def join(self, stage: Stage, **changes: object) -> tuple[Peer, list[Said]]:
        peer = stage.connect()
        return peer, peer.say("join", **{**JOIN, **changes})

    def test_unknown(self, stage: Stage) -> None:
        peer, heard = self.join(stage)
        assert codes(heard) == ["link_unknown"] and peer.closed == (4404, "link_unknown")

    def test_wrong_token(self, stage: Stage) -> None:
        host = stage.host(link())
        peer, heard = self.join(stage, token=encode_base64url(HOST_TOKEN))
        assert codes(heard) == ["link_wrong"] and peer.closed == (4401, "link_wrong")
        assert host.heard() == []

    def test_expired_by_the_wall_clock_to_the_second(self, stage: Stage) -> None:
        host = stage.host(link(expires=stage.wall + 60))
        stage.pass_time(9)
        early = stage.presenter()
        host.heard()
        stage.wall += 51
        peer, heard = self.join(stage)
        assert codes(heard) == ["link_expired"] and peer.closed == (4403, "link_expired")
        assert early.is_open, "who came before stays"

    def test_revoked_closes_those_who_came_by_it_and_nobody_else(self, stage: Stage) -> None:
        host = stage.host(link(), link(OTHER_LINK, HOST_TOKEN), room="K7QM42")
        backup = stage.host(room="K7QM42")
        one, other = stage.presenter(), stage.presenter(OTHER_LINK, HOST_TOKEN)
        host.heard(), backup.heard()
        assert host.say("revoke_link", link=LINK, ref="r") == [
            {"type": "link_revoked", "ref": "r", "link": LINK},
            {"type": "member_left", "n": 4, "member": one.member},
        ]
        assert codes(backup.heard()) == ["link_revoked", "member_left"]
        assert codes(one.heard()) == ["link_revoked"] and one.closed == (4403, "link_revoked")
        assert other.heard() == [] and other.is_open
        _, heard = stage.back(one, 0)
        assert codes(heard) == ["resume_unknown"]
        assert codes(self.join(stage)[1]) == ["link_revoked"]
        assert codes(host.say("revoke_link", link=LINK, ref="again")) == ["link_revoked"], "asking twice does no harm"

    def test_a_revoked_link_stays_revoked_when_a_host_announces_it_again(self, stage: Stage) -> None:
        host = stage.host(link())
        host.say("revoke_link", link=LINK)
        assert host.say("add_links", links=[link()], ref="a") == [
            {"type": "links_added", "ref": "a", "refused_links": [{"link": LINK, "code": "link_revoked"}]}
        ]
        stage.restart_server(remembering=True)
        stage.host(link())
        assert codes(self.join(stage)[1]) == ["link_revoked"]

    def test_another_room_cannot_take_a_link(self, stage: Stage) -> None:
        host = stage.host(link())
        thief = stage.connect()
        (opened,) = thief.say("open_room", v=1, token=JOIN["token"], links=[link(token=HOST_TOKEN)])
        assert opened["refused_links"] == [{"link": LINK, "code": "link_taken"}]
        stage.presenter()
        assert codes(host.heard()) == ["member_joined"] and thief.heard() == []

    def test_the_end_of_a_room_is_remembered_for_a_day(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter, away = stage.presenter(), stage.presenter()
        away.lose_socket()
        host.heard()
        assert codes(host.say("close_room")) == ["room_ended"]
        assert codes(presenter.heard()) == ["room_ended"] and presenter.closed == (4403, "room_ended")
        assert host.closed == (4403, "room_ended") and stage.rooms == {} and stage.hub.room_count == 0
        peer, heard = self.join(stage)
        assert codes(heard) == ["room_ended"] and peer.closed == (4403, "room_ended")
        stage.restart_server(remembering=True)
        stage.pass_time(TOMBSTONE_SECONDS - 120)
        assert codes(self.join(stage)[1]) == ["room_ended"]
        stage.pass_time(240)
        assert codes(self.join(stage)[1]) == ["link_unknown"]

    def test_removed(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter = stage.presenter()
        host.heard()
        assert codes(host.say("remove_member", member=presenter.member, reason="Too loud")) == ["member_left"]
        (error,) = presenter.heard()
        assert error["code"] == "removed" and "Too loud" in error["message"] and presenter.closed == (4403, "removed")


class TestRooms:
    def test_a_code_belongs_to_its_token(self, stage: Stage) -> None:
        stage.host(room="K7QM42")
        thief = stage.connect()
        heard = thief.say("open_room", v=1, room="K7QM42", token=encode_base64url(JOIN_TOKEN))
        assert codes(heard) == ["room_taken"] and thief.closed == (4403, "room_taken")

    def test_links_outlive_their_host_for_twelve_hours(self, stage: Stage) -> None:
        stage.host(link()).say("leave")
        stage.pass_time(ROOM_SECONDS - 60)
        stage.presenter()
        stage.pass_time(180)
        peer = stage.connect()
        assert codes(peer.say("join", **JOIN)) == ["link_unknown"]
        assert stage.rooms == {}

    def test_a_room_with_a_host_does_not_grow_old(self, stage: Stage) -> None:
        host = stage.host(link())
        for _ in range(int(2 * ROOM_SECONDS / 40)):
            stage.pass_time(40)
            host.say("ping")
        stage.presenter()

    def test_a_restarted_server_knows_the_room_before_its_host_is_back(self, stage: Stage) -> None:
        host = stage.host(link(), name="main")
        gone = stage.presenter()
        stage.restart_server(remembering=True)
        peer, heard = stage.back(gone, 0)
        assert codes(heard) == ["resume_unknown"] and peer.is_open
        (joined,) = peer.say("join", **JOIN)
        assert joined["hosts"] == []
        again = stage.host(link(), room=joined["room"], name="main")
        assert again.member != host.member
        assert codes(peer.heard()) == ["host_joined"]

    def test_a_server_that_lost_everything_learns_it_from_the_host(self, stage: Stage) -> None:
        stage.host(link())
        (code,) = stage.rooms
        stage.restart_server(remembering=False)
        peer = stage.connect()
        assert codes(peer.say("join", **JOIN)) == ["link_unknown"]
        stage.host(link(), room=code)
        stage.presenter()

    def test_full(self) -> None:
        limits = dataclasses.replace(Limits(), presenters=Places(1, 1, 1, 1), hosts_per_room=1, links_per_room=2)
        stage = Stage(limits=limits)
        host = stage.host(link(), room="K7QM42")
        stage.presenter(), stage.presenter()
        for first in ({"type": "join", **JOIN}, {"type": "open_room", **OPEN, "room": "K7QM42"}):
            late = stage.connect()
            assert codes(late.say_text(json.dumps(first))) == ["room_full"] and late.closed == (4429, "room_full")
        host.heard()
        three = [link(f"aaaaaaaaa{n}") for n in "234"]
        assert codes(host.say("add_links", links=three)) == ["room_full"] and host.is_open
        assert codes(host.say("add_links", links=three[:1])) == ["links_added"]

    def test_when_the_server_goes_everybody_is_told_when_to_come_back(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter = stage.presenter()
        host.heard()
        stage.hub.shut_down(0.5)
        for peer in (host, presenter):
            (error,) = peer.heard()
            assert (error["code"], error["retry_after"]) == ("server_closing", 0.5)
            assert peer.closed == (1012, "server_closing")
        assert LINK in [entry.id for room in stage.rooms.values() for entry in room.links]


class TestAway:
    def test_back_in_time_with_everything_once_and_in_order(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter = stage.presenter()
        host.say("send", to=presenter.member, data="AAAA")
        assert [message["n"] for message in presenter.heard()] == [1]
        host.heard()
        presenter.lose_socket()
        assert codes(host.heard()) == ["member_away"]
        for data in ("BBBB", "CCCC"):
            assert host.say("send", to=presenter.member, data=data) == [], "it is kept, not refused"
        stage.pass_time(5)
        again, heard = stage.back(presenter, last=1)
        assert codes(heard) == ["resumed", "message", "message"]
        assert [message["n"] for message in heard[1:]] == [2, 3] and data_of(heard) == ["BBBB", "CCCC"]
        assert heard[0]["member"] == presenter.member and "members" not in heard[0]
        assert codes(host.heard()) == ["member_back"]
        assert again.say("ping", last=3) == [{"type": "pong"}]
        final, heard = stage.back(again, last=3)
        assert codes(heard) == ["resumed"], "what was acknowledged does not come again"
        assert again.closed == (4409, "replaced") and codes(again.heard()) == ["replaced"]
        assert host.heard() == [], "replacing a socket is nobody else's business"
        assert final.is_open

    def test_a_host_that_comes_back_sees_who_is_there(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter = stage.presenter(name="Ada")
        host.lose_socket()
        assert codes(presenter.heard()) == ["host_away"]
        late = stage.presenter()
        _, heard = stage.back(host, last=0)
        assert codes(heard) == ["resumed", "member_joined", "member_joined"]
        assert [entry["member"] for entry in heard[0]["members"]] == [presenter.member, late.member]
        assert codes(presenter.heard()) == ["host_back"]

    def test_twenty_seconds_and_it_has_left(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter = stage.presenter()
        presenter.lose_socket()
        stage.pass_time(AWAY_SECONDS - 0.001)
        assert codes(host.heard()) == ["member_joined", "member_away"]
        stage.pass_time(0.001)
        assert codes(host.heard()) == ["member_left"]
        assert codes(stage.back(presenter, 0)[1]) == ["resume_unknown"]

    def test_each_absence_has_twenty_seconds_of_its_own(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter = stage.presenter()
        presenter.lose_socket()
        stage.pass_time(15)
        presenter, _ = stage.back(presenter, 0)
        presenter.lose_socket()
        stage.pass_time(15)
        assert "member_left" not in codes(host.heard())
        _, heard = stage.back(presenter, 0)
        assert codes(heard) == ["resumed"]

    def test_a_token_leads_back_once(self, stage: Stage) -> None:
        stage.host(link())
        presenter = stage.presenter()
        presenter.lose_socket()
        again, _ = stage.back(presenter, 0)
        again.say("ping")
        thief, heard = stage.back(presenter, 0)
        assert codes(heard) == ["resume_unknown"] and thief.is_open and again.is_open

    def test_but_twice_if_the_answer_was_lost_on_the_way(self, stage: Stage) -> None:
        stage.host(link())
        presenter = stage.presenter()
        presenter.lose_socket()
        unheard, _ = stage.back(presenter, 0)
        unheard.lose_socket()
        again, heard = stage.back(presenter, 0)
        assert codes(heard) == ["resumed"]
        again.say("ping")
        assert codes(stage.back(presenter, 0)[1]) == ["resume_unknown"]
        assert codes(stage.back(unheard, 0)[1]) == ["resume_unknown"]

    def test_the_oldest_kept_messages_are_lost_first(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter = stage.presenter()
        presenter.lose_socket()
        for _ in range(100):
            host.say("send", to=presenter.member, data="AAAA")
        _, heard = stage.back(presenter, 0)
        assert [message["n"] for message in heard[1:]] == list(range(37, 101))

    def test_kept_messages_are_bounded_in_bytes(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter = stage.presenter()
        presenter.lose_socket()
        for _ in range(40):
            host.say("send", to=presenter.member, data="A" * 12_000)
        _, heard = stage.back(presenter, 0)
        assert 8 <= len(heard) - 1 <= 128 * 1024 // 12_000
        assert heard[-1]["n"] == 40

    def test_kept_messages_grow_old(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter = stage.presenter()
        presenter.lose_socket()
        host.say("send", to=presenter.member, data="AAAA")
        stage.pass_time(8)
        host.say("send", to=presenter.member, data="BBBB")
        stage.pass_time(3)
        assert data_of(stage.back(presenter, 0)[1]) == ["BBBB"]


class TestRules:
    def test_every_message_has_its_row(self) -> None:
        assert set(_RULES) == set(m.ClientMessage.__args__)

    def test_a_stranger_introduces_itself_first(self, stage: Stage) -> None:
        stranger = stage.connect()
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
    def test_a_presenter_has_no_say_over_the_room(self, stage: Stage, text: Said) -> None:
        host = stage.host(link())
        presenter = stage.presenter()
        host.heard()
        before = dict(stage.rooms)
        assert codes(presenter.say_text(json.dumps({**text, "ref": "x"}))) == ["not_allowed"]
        assert host.heard() == [] and presenter.is_open and stage.rooms == before

    def test_another_version_is_told_which_we_speak(self, stage: Stage) -> None:
        peer = stage.connect()
        (error,) = peer.say("join", v=2, invitation="?")
        assert (error["code"], error["supported"]) == ("version_unsupported", [1])
        assert peer.closed == (4400, "version_unsupported")

    def test_a_member_that_changes_its_version_is_away_not_a_ghost(self, stage: Stage) -> None:
        host = stage.host(link())
        presenter = stage.presenter()
        host.heard()
        presenter.say("join", v=2)
        assert presenter.closed == (4400, "version_unsupported")
        assert codes(host.heard()) == ["member_away"]
        assert host.say("send", to=presenter.member, data="") == []
        stage.pass_time(AWAY_SECONDS)
        assert codes(host.heard()) == ["member_left"]


class TestRates:
    def test_guessing_links_is_slow(self, stage: Stage) -> None:
        stage.host(link())
        for _ in range(20):
            assert codes(stage.connect("198.51.100.9").say("join", **{**JOIN, "token": OPEN["token"]})) == [
                "link_wrong"
            ]
        guesser = stage.connect("198.51.100.9")
        (error,) = guesser.say("join", **{**JOIN, "token": OPEN["token"]})
        assert error["code"] == "rate_limited" and 5 < error["retry_after"] <= 6 and guesser.is_open
        neighbour = stage.connect("198.51.100.9")
        assert neighbour.say("join", **JOIN)[0]["type"] == "joined", "who has the link is not locked out by a guesser"

    def test_rooms_are_not_made_without_end(self, stage: Stage) -> None:
        for _ in range(60):
            stage.host()
        late = stage.connect()
        assert codes(late.say("open_room", **OPEN)) == ["rate_limited"]
        assert stage.hub.room_count == 60

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
    stage = Stage(limits=dataclasses.replace(Limits(), messages=Rate(1e6, 1e6)), seed=data.draw(st.integers(0, 99)))
    host = stage.host(link(), room="K7QM42")
    peers = [host, stage.presenter()]
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
                stage.hub.receive_message(peer.connection, json.dumps(said), stage.now)
            case "lose":
                stage.hub.disconnect(peer.connection, stage.now)
                peer.closed = peer.closed or (1006, "")
            case "back":
                resume = {"type": "resume", "v": 1, "resume": peer.resume or "A" * 22}
                peers.append(stage.connect())
                stage.hub.receive_message(peers[-1].connection, json.dumps(resume), stage.now)
            case "connect":
                peers.append(stage.connect())
            case "wait":
                stage.pass_time(data.draw(st.sampled_from([0.1, 9.0, 21.0, 50.0])))
            case "binary":
                stage.hub.receive_binary(peer.connection, stage.now)
        for each in peers:
            for message in each.heard():
                if message["type"] in ("room_opened", "joined", "resumed"):
                    last[each.connection] = 0
                elif "n" in message:
                    assert message["n"] > last.get(each.connection, 0)
                    last[each.connection] = message["n"]


class TestFloods:
    def test_guessing_goes_on_until_the_address_is_blocked(self, stage: Stage) -> None:
        stage.host(link(), room="K7QM42")
        abuse_limiter, guesses = stage.hub.abuse_limiter, 0
        while not abuse_limiter.blocked_for("198.51.100.9", stage.now):
            guess = {**OPEN, "room": "K7QM42", "token": encode_base64url(bytes(16))}
            (answer,) = stage.connect("198.51.100.9").say("open_room", **guess)
            assert answer["code"] in ("room_taken", "rate_limited")
            guesses += 1
        assert guesses == 20 + 50 + 1, "20 of them were looked at"
        assert stage.hub.counts["failed proofs"] == guesses

    def test_all_presenters_of_a_room_have_a_rate_together(self) -> None:
        limits = dataclasses.replace(Limits(), place_messages=Rate(10, 30), share_messages=Rate(1, 5))
        stage = Stage(limits=limits)
        host = stage.host(link())
        quiet, *presenters = (stage.presenter() for _ in range(4))
        host.heard()
        for presenter in presenters * 20:
            presenter.say("send", to=host.member, data="")
        assert len(data_of(host.heard())) == 3 * 5 + 30
        assert all(presenter.is_open for presenter in presenters)
        for _ in range(5):
            assert quiet.say("send", to=host.member, data="") == []
        assert len(data_of(host.heard())) == 5, "they took nothing of what is its own"

    def test_joins_by_one_link_have_a_rate(self) -> None:
        stage = Stage(limits=dataclasses.replace(Limits(), place_joins=Rate(1, 2)))
        stage.host(link())
        for _ in range(2):
            stage.presenter().lose_socket()
        (answer,) = stage.connect().say("join", **JOIN)
        assert answer["code"] == "rate_limited" and 0 < answer["retry_after"] <= 1

    def test_where_there_are_too_many_rooms_the_one_idle_longest_gives_way(self) -> None:
        stage = Stage(limits=dataclasses.replace(Limits(), rooms=3))
        hosts = [stage.host(token=bytes([n]) * 16) for n in range(3)]
        (answer,) = stage.connect().say("open_room", **OPEN)
        assert answer["code"] == "rate_limited" and answer["retry_after"] == 60
        for gone in (hosts[1], hosts[0]):
            gone.lose_socket()
            stage.pass_time(25)
            hosts[2].say("ping")
        stage.host(token=b"x" * 16)
        assert stage.hub.room_count == len(stage.rooms) == 3
        stage.host(token=b"y" * 16)
        assert hosts[2].is_open and stage.hub.room_count == 3

    def test_rooms_of_one_maker_have_a_limit_of_their_own(self) -> None:
        stage = Stage(limits=dataclasses.replace(Limits(), rooms_per_address=2))
        stage.host(token=b"1" * 16)
        stage.host(token=b"2" * 16)
        assert codes(stage.connect().say("open_room", **OPEN)) == ["rate_limited"]
        assert stage.connect("192.0.2.99").say("open_room", **OPEN)[0]["type"] == "room_opened"

    def test_there_is_an_end_to_members(self) -> None:
        stage = Stage(limits=dataclasses.replace(Limits(), members=2))
        stage.host(link())
        stage.presenter()
        assert codes(stage.connect().say("join", **JOIN)) == ["rate_limited"]
        assert stage.hub.member_count == 2

    def test_what_is_kept_for_those_away_is_bounded_for_all_together(self) -> None:
        stage = Stage(limits=dataclasses.replace(Limits(), kept_bytes=100_000))
        host = stage.host(link())
        presenters = [stage.presenter() for _ in range(20)]
        for presenter in presenters:
            presenter.lose_socket()
            for _ in range(40):
                host.say("send", to=presenter.member, data="A" * 1000)
        assert stage.hub.kept_bytes <= 100_000 + 20 * 8 * 1024
        stage.pass_time(25)
        assert stage.hub.member_count == 1 and stage.hub.kept_bytes <= 128 * 1024

    def test_there_is_an_end_to_tombstones(self) -> None:
        stage = Stage(limits=dataclasses.replace(Limits(), tombstones=5))
        names = [f"abcdefgh2{letter}" for letter in "abcdefg"]
        host = stage.host(*(link(name) for name in names))
        for name in names:
            host.say("revoke_link", link=name)
        answers = [codes(stage.connect().say("join", **{**JOIN, "link": name}))[0] for name in names]
        assert answers == ["link_unknown"] * 2 + ["link_revoked"] * 5
