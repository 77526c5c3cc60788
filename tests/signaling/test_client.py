"""The client's half: its decisions one by one, and then all of it against a real hub over sockets that break."""

from __future__ import annotations

import functools
import heapq
import itertools
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from slidewire.base.base64url import encode_base64url
from slidewire.signaling import client as c
from slidewire.signaling import messages as m
from slidewire.signaling.effects import Close, DropRoom, SaveRoom, SaveTombstone, Send
from slidewire.signaling.hub import Hub
from slidewire.signaling.room import ConnectionId
from slidewire.signaling.router import ALONE
from tests.signaling.world import HOST_TOKEN, JOIN_TOKEN, LINK, OTHER_LINK, link

RESUME = "A" * 22
JOINED = {"type": "joined", "room": "K7QM42", "member": "m1", "resume": RESUME, "hosts": [], "ice_servers": [],
          "heartbeat": 15}  # fmt: skip
OPENED = {**JOINED, "type": "room_opened", "members": []}
RESUMED = {**JOINED, "type": "resumed", "resume": "B" * 22}


class Bench:
    """One client, and the test in the place of shell and server."""

    def __init__(self, first: m.OpenRoom | m.Join, share: float = 0.5) -> None:
        self.now = 100.0
        self.core = c.SignalingClient(first, entropy=lambda size: int(share * 2**32).to_bytes(size, "big"))
        self.core.start(self.now)
        assert self.effects() == ["connect"]

    def effects(self) -> list[Any]:
        found: list[Any] = []
        while (effect := self.core.next_effect()) is not None:
            match effect:
                case c.Connect():
                    found.append("connect")
                case c.Transmit(data):
                    found.append(json.loads(data))
                case c.HangUp():
                    found.append("hang up")
        return found

    def events(self) -> list[c.Event]:
        return list(iter(self.core.next_event, None))

    def hear(self, **message: Any) -> list[c.Event]:
        self.core.receive_message(json.dumps(message).encode(), self.now)
        return self.events()

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.core.handle_timer(self.now)

    def enter(self, answer: dict[str, Any]) -> list[c.Event]:
        self.core.connected(self.now)
        self.effects()
        return self.hear(**answer)

    def lose(self) -> c.Lost:
        self.effects()
        self.core.disconnected("gone", self.now)
        (lost,) = self.events()
        assert isinstance(lost, c.Lost)
        return lost

    def come_back(self) -> list[Any]:
        """Wait as long as it wants to, connect, and return what it says first."""
        due = self.core.get_timer()
        assert due is not None
        self.pass_time(due - self.now)
        assert self.effects() == ["connect"]
        self.core.connected(self.now)
        return self.effects()


def host(*links: m.Link) -> Bench:
    return Bench(c.open_room(HOST_TOKEN, name="main", links=links))


def presenter() -> Bench:
    return Bench(c.join(LINK, JOIN_TOKEN, name="Ada"))


def a_link(name: str = LINK) -> m.Link:
    return m.Link(name, link()["commit"])


class TestEntering:
    def test_a_presenter_joins(self) -> None:
        bench = presenter()
        bench.core.connected(bench.now)
        (said,) = bench.effects()
        assert said == {"type": "join", "v": 1, "link": LINK, "token": encode_base64url(JOIN_TOKEN), "name": "Ada"}
        assert bench.hear(**JOINED) == [c.Joined("K7QM42", "m1", [], [])]
        assert bench.effects() == [{"type": "ping"}], "it shows at once that the resume token arrived"
        assert bench.core.inside and bench.core.member == "m1"

    def test_a_presenter_says_its_hello_along_with_join_until_it_is_in(self) -> None:
        bench = presenter()
        bench.core.hello = b"hello"
        bench.core.connected(bench.now)
        assert [said["type"] for said in bench.effects()] == ["join", "send"]
        bench.hear(type="error", code="rate_limited", message="", retry_after=1)
        bench.effects()
        _, hello = bench.come_back()
        assert hello == {"type": "send", "data": encode_base64url(b"hello")}
        bench.hear(**JOINED)
        assert bench.core.hello is None

    def test_after_a_loss_it_resumes_from_what_it_saw(self) -> None:
        bench = presenter()
        bench.enter(JOINED)
        assert bench.hear(type="message", n=1, **{"from": "h"}, data="aGk") == [c.Received("h", b"hi")]
        bench.lose()
        assert bench.come_back() == [{"type": "resume", "v": 1, "resume": RESUME, "last": 1}]
        assert [type(event) for event in bench.hear(**RESUMED)] == [c.Resumed]
        assert bench.hear(type="message", n=1, **{"from": "h"}, data="aGk") == [], "seen before the loss"
        assert bench.hear(type="message", n=2, **{"from": "h"}, data="eW8") == [c.Received("h", b"yo")]
        bench.lose()
        assert bench.come_back() == [{"type": "resume", "v": 1, "resume": "B" * 22, "last": 2}]

    def test_a_place_given_up_is_taken_anew_on_the_same_socket(self) -> None:
        bench = host(a_link())
        bench.enter(OPENED)
        bench.hear(type="host_joined", n=1, member="h2", name="")
        bench.lose()
        bench.come_back()
        assert bench.hear(type="error", code="resume_unknown", message="") == []
        (said,) = bench.effects()
        assert (said["type"], said["room"], [entry["id"] for entry in said["links"]]) == ("open_room", "K7QM42", [LINK])
        assert [type(event) for event in bench.hear(**{**OPENED, "member": "m9"})] == [c.Opened]
        assert bench.hear(type="host_joined", n=1, member="h2", name="") != [], "a new member counts from 1"

    def test_no_answer_for_ten_seconds(self) -> None:
        bench = presenter()
        bench.core.connected(bench.now)
        bench.effects()
        bench.pass_time(9.9)
        assert bench.effects() == []
        bench.pass_time(0.2)
        assert bench.effects() == ["hang up"] and isinstance(bench.events()[0], c.Lost)


class TestRefusals:
    @pytest.mark.parametrize(
        "code",
        ["link_unknown", "link_wrong", "link_expired", "link_revoked", "room_ended", "room_taken", "room_full",
         "key_needed", "removed", "version_unsupported", "malformed"],
    )  # fmt: skip
    def test_final_at_the_first_attempt(self, code: str) -> None:
        bench = presenter()
        assert bench.enter({"type": "error", "code": code, "message": "No."}) == [c.Refused(code, "No.", True)]
        assert bench.effects()[-1] == "hang up" and bench.core.get_timer() is None
        bench.core.disconnected("closed", bench.now)
        assert bench.events() == [] and bench.core.state is c.State.OVER

    @pytest.mark.parametrize("code", ["link_unknown", "room_full"])
    def test_who_was_inside_knows_better(self, code: str) -> None:
        bench = presenter()
        bench.enter(JOINED)
        bench.lose()
        bench.come_back()
        bench.hear(type="error", code="resume_unknown", message="")
        bench.effects()
        refused, lost = bench.hear(type="error", code=code, message="Not now.")
        assert isinstance(refused, c.Refused) and not refused.final and isinstance(lost, c.Lost)
        assert bench.effects() == ["hang up"]
        (said,) = bench.come_back()
        assert said["type"] == "join"

    @pytest.mark.parametrize("code", ["link_wrong", "link_expired", "link_revoked", "room_ended"])
    def test_but_some_answers_stand(self, code: str) -> None:
        bench = presenter()
        bench.enter(JOINED)
        bench.lose()
        bench.come_back()
        bench.hear(type="error", code="resume_unknown", message="")
        assert bench.hear(type="error", code=code, message="No.") == [c.Refused(code, "No.", True)]

    @pytest.mark.parametrize("code", ["removed", "link_revoked"])
    def test_sent_away(self, code: str) -> None:
        bench = presenter()
        bench.enter(JOINED)
        assert bench.hear(type="error", code=code, message="Bye.") == [c.Refused(code, "Bye.", True)]

    def test_replaced_by_a_connection_of_its_own_that_it_never_heard_of(self) -> None:
        bench = presenter()
        bench.enter(JOINED)
        (lost,) = bench.hear(type="error", code="replaced", message="")
        assert isinstance(lost, c.Lost) and bench.core.state is c.State.WAITING

    def test_what_the_servers_operator_says_cannot_draw_on_a_terminal(self) -> None:
        bench = Bench(c.join(LINK, JOIN_TOKEN))
        bench.enter(JOINED)
        (notice,) = bench.hear(type="notice", n=1, text="At six \u2013 \u001b[2Jsee\nyou" + "!" * 500)
        assert isinstance(notice, c.Notice) and notice.text.startswith("At six \u2013 \ufffd[2Jsee\ufffdyou!")
        assert len(notice.text) == 200

    def test_the_end_of_the_show(self) -> None:
        bench = presenter()
        bench.enter(JOINED)
        (refused,) = bench.hear(type="room_ended", n=1)
        assert isinstance(refused, c.Refused) and (refused.code, refused.final) == ("room_ended", True)

    def test_a_refused_request_is_no_end(self) -> None:
        bench = host()
        bench.enter(OPENED)
        bench.core.revoke_link(LINK)
        (request,) = bench.effects()[-1:]
        (refused,) = bench.hear(type="error", code="link_unknown", message="", ref=request["ref"])
        assert isinstance(refused, c.Refused) and not refused.final and bench.core.inside

    def test_a_certificate_nobody_vouches_for(self) -> None:
        bench = presenter()
        bench.core.connect_failed("Not trusted.", bench.now, final="certificate")
        assert bench.events() == [c.Refused("certificate", "Not trusted.", True)] and bench.core.get_timer() is None


class TestComingBack:
    def test_delays_double_up_to_the_longest_and_are_shared_out_by_chance(self) -> None:
        bench = Bench(c.join(LINK, JOIN_TOKEN), share=0.5)
        delays = []
        for _ in range(9):
            bench.core.connect_failed("refused", bench.now)
            (lost,) = bench.events()
            assert isinstance(lost, c.Lost)
            delays.append(lost.retry_in)
            bench.pass_time(lost.retry_in)
            assert bench.effects() == ["connect"]
        assert delays == [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 7.5, 7.5, 7.5]

    def test_the_server_says_when(self) -> None:
        bench = presenter()
        bench.enter(JOINED)
        (lost,) = bench.hear(type="error", code="server_closing", message="", retry_after=3.0)
        assert isinstance(lost, c.Lost) and lost.retry_in == 3.125

    @pytest.mark.parametrize("asked", [1e30, 86_400.0])
    def test_a_server_that_asks_for_a_day_is_not_believed(self, asked: float) -> None:
        bench = presenter()
        bench.enter(JOINED)
        (lost,) = bench.hear(type="error", code="server_closing", message="", retry_after=asked)
        assert isinstance(lost, c.Lost) and lost.retry_in == c.LONGEST_ASKED + 0.125

    def test_whatever_heartbeat_a_server_wants_its_silence_is_noticed(self) -> None:
        bench = presenter()
        bench.enter({**JOINED, "heartbeat": 1e300})
        bench.pass_time(3 * c.LONGEST_HEARTBEAT)
        assert [type(event) for event in bench.events()] == [c.Lost]

    def test_a_steady_place_makes_the_next_loss_a_first_one(self) -> None:
        bench = presenter()
        for _ in range(5):
            bench.core.connect_failed("refused", bench.now)
            bench.events()
            bench.pass_time(10)
            bench.effects()
        bench.enter(JOINED)
        bench.pass_time(c.STEADY_SECONDS)
        assert bench.lose().retry_in == 0.125

    def test_a_place_lost_at_once_does_not(self) -> None:
        bench = presenter()
        bench.core.connect_failed("refused", bench.now)
        bench.events()
        bench.pass_time(10)
        bench.effects()
        bench.enter(JOINED)
        assert bench.lose().retry_in == 0.25


class TestLife:
    def test_pings_at_every_heartbeat_with_what_it_saw(self) -> None:
        bench = presenter()
        bench.enter(JOINED)
        bench.hear(type="message", n=7, **{"from": "h"}, data="")
        bench.effects()
        for _ in range(3):
            bench.pass_time(15)
            assert bench.effects() == [{"type": "ping", "last": 7}]
            bench.hear(type="pong")

    def test_three_silent_heartbeats(self) -> None:
        bench = presenter()
        bench.enter(JOINED)
        for _ in range(2):
            bench.pass_time(15)
        bench.effects()
        bench.pass_time(15)
        assert bench.effects() == ["hang up"] and isinstance(bench.events()[0], c.Lost)

    def test_a_check_finds_a_dead_socket_fast(self) -> None:
        bench = presenter()
        bench.enter(JOINED)
        bench.effects()
        bench.core.check(bench.now)
        assert bench.effects() == [{"type": "ping"}]
        bench.pass_time(c.CHECK_SECONDS)
        assert bench.effects() == ["hang up"]

    def test_a_check_that_is_answered_changes_nothing(self) -> None:
        bench = presenter()
        bench.enter(JOINED)
        bench.core.check(bench.now)
        bench.hear(type="pong")
        bench.effects()
        bench.pass_time(c.CHECK_SECONDS + 1)
        assert bench.effects() == [] and bench.events() == []

    def test_a_check_while_waiting_tries_at_once(self) -> None:
        bench = presenter()
        bench.core.connect_failed("refused", bench.now)
        bench.core.check(bench.now)
        bench.pass_time(0)
        assert bench.effects() == ["connect"]

    def test_what_it_does_not_understand_is_ignored(self) -> None:
        bench = presenter()
        bench.enter(JOINED)
        for text in (b"hello", b'{"type":"weather"}', b'{"type":"message","n":1}', b"\xff"):
            bench.core.receive_message(text, bench.now)
        assert bench.events() == [] and bench.core.inside


class TestRequests:
    def test_what_a_host_wants_is_said_until_it_is_answered(self) -> None:
        bench = host()
        bench.enter(OPENED)
        bench.effects()
        bench.core.add_links([a_link()])
        bench.core.revoke_link(OTHER_LINK)
        add, revoke = bench.effects()
        bench.lose()
        bench.come_back()
        bench.hear(**RESUMED)
        assert bench.effects() == [{"type": "ping"}, add, revoke]
        bench.hear(type="links_added", ref=add["ref"])
        bench.hear(type="link_revoked", ref=revoke["ref"], link=OTHER_LINK)
        bench.lose()
        bench.come_back()
        bench.hear(**RESUMED)
        assert bench.effects() == [{"type": "ping"}]

    def test_links_asked_for_while_lost_are_in_the_next_open_room(self) -> None:
        bench = host(a_link(OTHER_LINK))
        bench.core.add_links([a_link()])
        bench.core.revoke_link(OTHER_LINK)
        bench.core.connected(bench.now)
        (said,) = bench.effects()
        assert [entry["id"] for entry in said["links"]] == [LINK]
        bench.hear(**OPENED)
        assert [said["type"] for said in bench.effects()] == ["ping", "revoke_link"]

    def test_as_many_links_as_a_host_may_have_are_said_in_messages_that_the_server_takes(self) -> None:
        many = [
            m.Link(f"{n:a>10}".translate(str.maketrans("0189", "opqr")), "A" * 43, 1.8e9 + n / 7, m.Place.PRESENTER)
            for n in range(200)
        ]
        bench = host(*many)
        bench.core.connected(bench.now)
        said = bench.effects()
        bench.hear(**OPENED)
        said += bench.effects()
        assert [each["type"] for each in said] == ["open_room", "ping", "add_links", "add_links"]
        assert [entry["id"] for each in said for entry in each.get("links", ())] == [each.id for each in many]
        assert all(len(json.dumps(each)) <= m.MAX_MESSAGE for each in said)
        bench.core.add_links(many)
        assert [len(each["links"]) for each in bench.effects()] == [80, 80, 40]

    def test_who_is_proven_is_said_to_a_server_that_wants_to_know(self) -> None:
        bench = host()
        bench.core.prove(["m1"])
        bench.enter(OPENED)
        bench.effects()
        bench.core.prove(["m1"])
        assert bench.effects() == [], "an earlier server would take it for nonsense"
        bench.lose()
        bench.come_back()
        bench.hear(**RESUMED, members=[], proof_within=10)
        bench.effects()
        bench.core.prove(["m1", "m2"])
        assert bench.effects() == [{"type": "proven", "members": ["m1", "m2"]}]

    def test_where_members_are_is_told_as_the_server_says_it(self) -> None:
        bench = host()
        bench.enter(OPENED)
        (came,) = bench.hear(type="member_joined", n=1, member="m1", link=LINK, origin=2)
        (back,) = bench.hear(type="member_back", n=2, member="m1")
        assert came == c.Presence("m1", False, "joined", "", LINK, 2)
        assert back == c.Presence("m1", False, "back")

    def test_another_host_revoked(self) -> None:
        bench = host(a_link(), a_link(OTHER_LINK))
        bench.enter(OPENED)
        assert bench.hear(type="link_revoked", n=1, link=LINK) == [c.LinkRevoked(LINK)]
        bench.lose()
        bench.come_back()
        bench.hear(type="error", code="resume_unknown", message="")
        (said,) = bench.effects()
        assert [entry["id"] for entry in said["links"]] == [OTHER_LINK], "it must not come back to life by us"

    def test_send_says_whether_it_went(self) -> None:
        bench = presenter()
        assert bench.core.send("h", b"hi") is False
        bench.enter(JOINED)
        bench.effects()
        assert bench.core.send("h", b"hi") is True
        assert bench.effects() == [{"type": "send", "to": "h", "data": "aGk"}]

    def test_leaving(self) -> None:
        bench = presenter()
        bench.enter(JOINED)
        bench.effects()
        bench.core.leave()
        assert bench.effects() == [{"type": "leave"}, "hang up"]
        assert bench.events() == [] and bench.core.get_timer() is None and not bench.core.inside


# --- everything together ----------------------------------------------------------------------------------------------


class Line:
    """One socket: ordered both ways, late by chance, and at some point cut without either end being asked."""

    def __init__(self, connection: ConnectionId, user: User) -> None:
        self.connection = connection
        self.user = user
        self.cut = False
        self.up_until = self.down_until = 0.0


class User:
    """A client, what it heard, and what it believes about who is there."""

    def __init__(self, world: World, name: str, first: m.OpenRoom | m.Join) -> None:
        self.world = world
        self.name = name
        self.core = c.SignalingClient(first, entropy=world.dice.randbytes)
        self.line: Line | None = None
        self.alarm: float | None = None
        self.received: list[tuple[str, str, int]] = []
        self.present: set[str] = set()
        self.final: c.Refused | None = None

    def settle(self) -> None:
        world = self.world
        while (effect := self.core.next_effect()) is not None:
            match effect:
                case c.Connect():
                    world.after(world.dice.uniform(0.001, 0.1), lambda: world.connect(self))
                case c.Transmit(data):
                    assert self.line is not None
                    world.carry_up(self.line, data)
                case c.HangUp():
                    if self.line is not None:
                        world.cut(self.line, tell_server_in=0.05)
                        self.line = None
        while (event := self.core.next_event()) is not None:
            self.note(event)
        due = self.core.get_timer()
        if due is not None and due != self.alarm:
            self.alarm = due
            world.at(due, self.ring)

    def ring(self) -> None:
        self.alarm = None
        self.core.handle_timer(self.world.now)
        self.settle()

    def note(self, event: c.Event) -> None:
        match event:
            case c.Opened(hosts=hosts, members=members) | c.Resumed(hosts=hosts, members=members):
                self.present = {entry.member for entry in (*hosts, *(members or ())) if not entry.away}
            case c.Joined(hosts=hosts):
                self.present = {entry.member for entry in hosts if not entry.away}
            case c.Presence(member, _, "joined" | "back"):
                self.present.add(member)
            case c.Presence(member, _, _):
                self.present.discard(member)
            case c.Received(sender, data):
                name, count = data.decode().split()
                self.received.append((sender, name, int(count)))
            case c.Refused(final=True):
                self.final = event


class World:
    """Users and one hub on a network where everything takes time and breaks, all of it by one seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now = 0.0
        self.order = itertools.count()
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.lines: dict[ConnectionId, Line] = {}
        self.saved: dict[str, Any] = {}
        self.stones: dict[str, Any] = {}
        self.up = True
        self.hub = self.new_hub()
        self.hub_alarm: float | None = None
        self.users = [User(self, "host", c.open_room(HOST_TOKEN, room="K7QM42", links=[a_link()]))]
        self.users += [User(self, f"p{n}", c.join(LINK, JOIN_TOKEN)) for n in range(4)]

    def new_hub(self) -> Hub:
        return Hub(
            entropy=self.dice.randbytes,
            wall=lambda: 1e9 + self.now,
            rooms=self.saved.values(),
            tombstones=self.stones.values(),
        )

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (max(when, self.now), next(self.order), what))

    def after(self, delay: float, what: Callable[[], None]) -> None:
        self.at(self.now + delay, what)

    def run_until(self, end: float) -> None:
        while self.queue and self.queue[0][0] <= end:
            self.now, _, what = heapq.heappop(self.queue)
            what()
        self.now = end

    def connect(self, user: User) -> None:
        if not self.up or self.dice.random() < 0.1:
            user.core.connect_failed("refused", self.now)
        else:
            line = user.line = Line(ConnectionId(ALONE, next(self.order)), user)
            self.lines[line.connection] = line
            self.hub.connect(line.connection, "192.0.2.1", self.now)
            user.core.connected(self.now)
            self.settle_hub()
        user.settle()

    def carry_up(self, line: Line, data: bytes) -> None:
        def arrive() -> None:
            if not line.cut:
                self.hub.receive_message(line.connection, data, self.now)
                self.settle_hub()

        line.up_until = max(line.up_until, self.now + self.dice.expovariate(20))
        self.at(line.up_until, arrive)

    def carry_down(self, line: Line, data: bytes) -> None:
        def arrive() -> None:
            if not line.cut and line.user.line is line:
                line.user.core.receive_message(data, self.now)
                line.user.settle()

        line.down_until = max(line.down_until, self.now + self.dice.expovariate(20))
        self.at(line.down_until, arrive)

    def cut(self, line: Line, *, tell_server_in: float | None = None, tell_client_in: float | None = None) -> None:
        """What is under way is lost. An end that is not told finds out by silence."""
        if line.cut:
            return
        line.cut = True

        def tell_server() -> None:
            self.lines.pop(line.connection, None)
            self.hub.disconnect(line.connection, self.now)
            self.settle_hub()

        def tell_client() -> None:
            if line.user.line is line:
                line.user.line = None
                line.user.core.disconnected("cut", self.now)
                line.user.settle()

        if tell_server_in is not None:
            self.after(tell_server_in, tell_server)
        if tell_client_in is not None:
            self.after(tell_client_in, tell_client)

    def settle_hub(self) -> None:
        while (effect := self.hub.next_effect()) is not None:
            match effect:
                case Send(connection, data):
                    if connection in self.lines:
                        self.carry_down(self.lines[connection], data)
                case Close(connection):
                    if (line := self.lines.pop(connection, None)) is not None:
                        # What was written before still arrives, then the end does.
                        self.at(line.down_until, functools.partial(self.cut, line, tell_client_in=0.0))
                case SaveRoom(room):
                    self.saved[room.code] = room
                case DropRoom(code):
                    self.saved.pop(code, None)
                case SaveTombstone(stone):
                    self.stones[stone.link] = stone
        due = self.hub.get_timer()
        if due is not None and due != self.hub_alarm:
            self.hub_alarm = due
            self.at(due, self.ring_hub)

    def ring_hub(self) -> None:
        self.hub_alarm = None
        self.hub.handle_timer(self.now)
        self.settle_hub()

    def kill_server(self, *, remembering: bool, down_for: float) -> None:
        for line in list(self.lines.values()):
            self.cut(line, tell_client_in=self.dice.uniform(0, 0.2))
        self.lines.clear()
        if not remembering:
            self.saved.clear()
            self.stones.clear()
        self.up, self.hub, self.hub_alarm = False, self.new_hub(), None
        self.after(down_for, lambda: setattr(self, "up", True))

    def misfortune(self) -> None:
        dice = self.dice
        user = dice.choice(self.users)
        match dice.choice(["both know", "server knows", "client knows", "nobody knows", "check", "kill"]):
            case "both know" if user.line:
                self.cut(user.line, tell_server_in=dice.random(), tell_client_in=dice.random())
            case "server knows" if user.line:
                self.cut(user.line, tell_server_in=dice.random(), tell_client_in=45)
            case "client knows" if user.line:
                self.cut(user.line, tell_client_in=dice.random())
            case "nobody knows" if user.line:
                self.cut(user.line)
            case "check":
                user.core.check(self.now)
                user.settle()
            case "kill" if dice.random() < 0.3:
                self.kill_server(remembering=dice.random() < 0.5, down_for=dice.uniform(0.1, 5))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_breaks_everybody_is_back_and_hears_each_message_once_in_order(seed: int) -> None:
    world = World(seed)
    host, *presenters = world.users
    host.core.start(0.0)
    host.settle()
    world.run_until(2.0)
    for user in presenters:
        user.core.start(world.now)
        user.settle()
    world.run_until(4.0)
    counter = itertools.count(1)
    sent = 0

    def chat(everybody: bool) -> None:
        nonlocal sent
        for user in world.users:
            if everybody or world.dice.random() < 0.5:
                for other in sorted(user.present):
                    sent += user.core.send(other, f"{user.name} {next(counter)}".encode())
                user.settle()

    while world.now < 240:
        chat(everybody=False)
        if world.dice.random() < 0.08:
            world.misfortune()
        world.run_until(world.now + 0.2)
    # Calm: whoever was cut off finds out by silence at the latest.
    world.run_until(world.now + 120)
    assert all(user.core.inside and user.final is None for user in world.users)
    assert host.present == {user.core.member for user in presenters}
    assert all(user.present == {host.core.member} for user in presenters)
    before = [len(user.received) for user in world.users]
    chat(everybody=True)
    world.run_until(world.now + 5)
    assert [len(user.received) - n for user, n in zip(world.users, before, strict=True)] == [4, 1, 1, 1, 1]
    delivered = 0
    for user in world.users:
        for sender in {sender for sender, _, _ in user.received}:
            counts = [count for who, _, count in user.received if who == sender]
            assert counts == sorted(set(counts)), "each once, in order"
            delivered += len(counts)
    assert delivered > 0.3 * sent, "a good part came through: sockets that nobody knows are dead swallow the rest"
