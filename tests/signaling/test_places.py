"""Who has a place in a room: by a world of small rooms, and by random comings and goings against what is promised."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from slidewire.base.base64url import encode_base64url
from slidewire.base.rates import Rate
from slidewire.signaling import messages as m
from slidewire.signaling.limits import Limits, Places
from slidewire.signaling.membership import AWAY_SECONDS
from slidewire.signaling.room import ConnectionId, Member, Role
from tests.signaling.world import JOIN_TOKEN, WALL, Peer, World, codes, link

SPEAKER, OTHER_SPEAKER, OPERATOR, DECK, PARTICIPANT = (name * 10 for name in ("s", "t", "o", "d", "g"))
EVE, ADA, VENUE = "203.0.113.66", "192.0.2.1", "198.51.100.1"
SMALL = dataclasses.replace(
    Limits(),
    operators=Places(links=1, own=1, shared=1, share=1),
    presenters=Places(links=2, own=1, shared=2, share=2),
    audience=Places(links=1, own=1, shared=4, share=4),
)
CLOSED_FULL, CLOSED_UNPROVEN = (4429, "room_full"), (4429, "unproven")


def announced(*names: str, **more: Any) -> list[dict[str, Any]]:
    kinds = {"s": "presenter", "t": "presenter", "o": "operator", "d": "audience", "g": "audience"}
    return [link(name, place=kinds[name[0]], **more) for name in names]


def a_world(limits: Limits | None = None, *names: str) -> tuple[World, Peer]:
    world = World(limits=limits)
    host = world.host(*announced(*(names or (SPEAKER, OPERATOR, DECK))), room="K7QM42")
    return world, host


def come(world: World, by: str, address: str) -> tuple[str, Peer]:
    """What is said to a newcomer, and who that is."""
    peer = world.connect(address)
    (answer,) = peer.say("join", v=1, link=by, token=encode_base64url(JOIN_TOKEN))
    return codes([answer])[0], peer


def enter(world: World, by: str, address: str, host: Peer | None = None) -> Peer:
    """With a host, it is proven at once."""
    said, peer = come(world, by, address)
    assert said == "joined"
    if host is not None:
        host.say("proven", members=[peer.member])
    return peer


def entries(world: World) -> list[m.MemberEntry]:
    (room,) = world.hub.rooms()
    return room.member_entries(world.now)


class TestALowLink:
    """What began it: the link of the audience's page, and a client that knows nothing but to join."""

    def test_64_who_only_join_keep_nobody_out(self) -> None:
        world, _ = a_world()
        said = Counter(come(world, DECK, EVE)[0] for _ in range(70))
        assert said["joined"] >= 64
        for by in (SPEAKER, OPERATOR, DECK):
            enter(world, by, ADA)

    def test_nor_do_those_who_are_proven(self) -> None:
        world, host = a_world()
        for _ in range(130):
            said, peer = come(world, DECK, EVE)
            host.say("proven", members=[peer.member])
            world.pass_time(0.2)
        assert said == "room_full"
        for by in (SPEAKER, OPERATOR, DECK):
            enter(world, by, ADA, host)

    def test_a_room_takes_64_pages_of_an_audience_besides_those_who_click(self) -> None:
        world, host = a_world()
        pages = [enter(world, DECK, VENUE, host) for _ in range(64)]
        speakers = [enter(world, SPEAKER, VENUE, host) for _ in range(20)]
        operators = [enter(world, OPERATOR, VENUE, host) for _ in range(8)]
        assert all(peer.is_open for peer in (*pages, *speakers, *operators))

    def test_as_many_speakers_as_ever_have_one_link(self) -> None:
        world, host = a_world()
        assert all(enter(world, SPEAKER, VENUE, host).is_open for _ in range(64))
        assert come(world, SPEAKER, VENUE)[0] == "room_full"
        enter(world, OPERATOR, VENUE)


class TestProof:
    def test_who_does_not_finish_the_handshake_gives_its_place_up(self) -> None:
        world, host = a_world()
        proven, idle = enter(world, DECK, ADA, host), enter(world, DECK, EVE)
        host.heard()
        world.pass_time(9.9)
        assert idle.is_open
        world.pass_time(0.2)
        assert codes(idle.heard()) == ["unproven"] and idle.closed == CLOSED_UNPROVEN
        assert [said["type"] for said in host.heard()] == ["member_left"]
        assert proven.is_open and world.hub.counts["unproven"] == 1

    def test_that_takes_a_host(self) -> None:
        world, host = a_world()
        host.lose_socket()
        early = enter(world, DECK, ADA)
        world.pass_time(15)
        assert early.is_open
        again, _ = world.back(host, 0)
        world.pass_time(9.9)
        assert early.is_open
        again.say("proven", members=[early.member])
        world.pass_time(20)
        assert early.is_open

    def test_and_begins_when_it_is_there(self) -> None:
        world, host = a_world()
        early = enter(world, DECK, ADA)
        world.pass_time(5)
        host.lose_socket()
        world.pass_time(10)
        world.back(host, 0)
        world.pass_time(9.9)
        assert early.is_open
        world.pass_time(0.2)
        assert not early.is_open

    def test_a_host_of_an_earlier_version_says_nothing_and_nobody_is_sent_away(self) -> None:
        world = World()
        host = world.host(link(SPEAKER))
        peer = enter(world, SPEAKER, ADA)
        assert "origin" not in host.heard()[0]
        world.pass_time(30)
        assert peer.is_open
        (entry,) = json.loads(m.encode(m.RoomOpened(room="", member="m1", resume="A" * 22, hosts=[],
                              members=entries(world), ice_servers=[], heartbeat=1.0)))["members"]  # fmt: skip
        assert entry.keys() == {"member", "link", "name", "away"}

    def test_only_hosts_say_it_and_of_nobody_else_than_presenters_of_the_room(self) -> None:
        world, host = a_world()
        peer = enter(world, DECK, EVE)
        assert codes(peer.say("proven", members=[peer.member])) == ["not_allowed"]
        host.heard()
        assert host.say("proven", members=["m0000", host.member, peer.member]) == []
        assert [entry.proven for entry in entries(world)] == [True]

    def test_a_place_is_kept_while_its_member_is_away_and_proven_it_stays(self) -> None:
        world, host = a_world(SMALL)
        speaker = enter(world, SPEAKER, ADA, host)
        speaker.lose_socket()
        for _ in range(20):
            come(world, DECK, EVE)
        world.pass_time(AWAY_SECONDS - 1)
        back, heard = world.back(speaker, 0)
        assert codes(heard)[0] == "resumed"
        world.pass_time(30)
        assert back.is_open and [entry.proven for entry in entries(world) if entry.link == SPEAKER] == [True]

    def test_a_host_that_comes_again_is_told_who_is_here(self) -> None:
        world, host = a_world()
        enter(world, DECK, ADA, host), enter(world, DECK, EVE), enter(world, SPEAKER, EVE)
        world.pass_time(3)
        again = world.connect()
        (opened,) = again.say("open_room", v=1, room="K7QM42", token=encode_base64url(bytes(range(16))))
        assert opened["proof_within"] == 10
        found = [(entry["link"], entry["proven"], entry["origin"], entry["seconds"]) for entry in opened["members"]]
        assert found == [(DECK, True, 1, 3), (DECK, False, 2, 3), (SPEAKER, False, 2, 3)]


class TestOrigins:
    def test_members_at_one_address_have_one_number_and_it_is_told_to_hosts_alone(self) -> None:
        world, host = a_world()
        peers = [enter(world, DECK, address) for address in (ADA, EVE, ADA, "2001:db8::1", "2001:db8::2")]
        assert [said["origin"] for said in host.heard()] == [1, 2, 1, 3, 3]
        assert not any("origin" in json.dumps(said) for peer in peers for said in peer.heard())

    def test_who_comes_back_from_elsewhere_has_another(self) -> None:
        world, host = a_world()
        peer = enter(world, DECK, ADA)
        enter(world, DECK, EVE)
        host.heard()
        peer.lose_socket()
        moved = world.connect(VENUE)
        moved.say("resume", v=1, resume=peer.resume, last=0)
        assert [(said["type"], said.get("origin")) for said in host.heard()] == [
            ("member_away", None),
            ("member_back", 1),
        ]
        assert enter(world, DECK, ADA).is_open and host.heard()[0]["origin"] == 3


class TestShares:
    def test_a_link_has_a_place_that_no_other_link_takes(self) -> None:
        world, host = a_world(SMALL, SPEAKER, OTHER_SPEAKER, OPERATOR, DECK)
        for _ in range(3):
            enter(world, SPEAKER, EVE, host)
        assert come(world, SPEAKER, EVE)[0] == "room_full"
        enter(world, OTHER_SPEAKER, ADA, host)
        assert come(world, OTHER_SPEAKER, ADA)[0] == "room_full", "beyond that everything is taken, by proven members"
        enter(world, OPERATOR, ADA, host), enter(world, DECK, ADA, host)

    def test_of_what_is_for_all_links_one_takes_its_share(self) -> None:
        limits = dataclasses.replace(SMALL, presenters=Places(links=2, own=0, shared=3, share=2))
        world, host = a_world(limits, SPEAKER, OTHER_SPEAKER)
        for _ in range(2):
            enter(world, SPEAKER, EVE, host)
        assert come(world, SPEAKER, EVE)[0] == "room_full"
        enter(world, OTHER_SPEAKER, ADA, host)

    def test_the_first_links_that_are_good_have_places_of_their_own(self) -> None:
        limits = dataclasses.replace(SMALL, presenters=Places(links=1, own=1, shared=1, share=1))
        world, host = a_world(limits, OPERATOR)
        host.say("add_links", links=announced(SPEAKER, expires=WALL + 60))
        host.say("add_links", links=announced(OTHER_SPEAKER))
        for _ in range(2):
            enter(world, SPEAKER, EVE, host)
        assert come(world, OTHER_SPEAKER, ADA)[0] == "room_full"
        world.pass_time(61)
        host.say("ping")
        assert come(world, SPEAKER, EVE)[0] == "link_expired"
        enter(world, OTHER_SPEAKER, ADA)

    def test_who_is_not_proven_gives_way_to_another_link(self) -> None:
        world, host = a_world(SMALL, SPEAKER, OTHER_SPEAKER)
        peers = []
        for _ in range(3):
            world.pass_time(1)
            peers.append(enter(world, SPEAKER, EVE))
        first, *idle = peers
        host.say("proven", members=[first.member])
        enter(world, OTHER_SPEAKER, ADA), enter(world, OTHER_SPEAKER, ADA)
        assert [peer.is_open for peer in (first, *idle)] == [True, False, True], "the oldest of them"
        assert idle[0].closed == CLOSED_FULL and world.hub.counts["gave way"] == 1

    def test_who_is_proven_does_not(self) -> None:
        world, host = a_world(SMALL, SPEAKER, OTHER_SPEAKER)
        for _ in range(3):
            enter(world, SPEAKER, EVE, host)
        enter(world, OTHER_SPEAKER, ADA)
        assert come(world, OTHER_SPEAKER, ADA)[0] == "joined", "in place of the other one, which is not proven"
        assert Counter(entry.link for entry in entries(world)) == {SPEAKER: 3, OTHER_SPEAKER: 1}

    def test_not_even_while_it_is_away(self) -> None:
        world, host = a_world(SMALL, SPEAKER, OTHER_SPEAKER)
        peers = [enter(world, SPEAKER, EVE, host) for _ in range(3)]
        peers[0].lose_socket()
        enter(world, OTHER_SPEAKER, ADA, host)
        assert come(world, OTHER_SPEAKER, ADA)[0] == "room_full"
        assert codes(world.back(peers[0], 0)[1])[0] == "resumed"

    def test_by_the_same_link_who_comes_from_elsewhere_is_let_in(self) -> None:
        """The deck's link is in the address bar of the projector's computer, which must come in all the same."""
        world, host = a_world(SMALL)
        crowd = [enter(world, DECK, EVE, host) for _ in range(5)]
        projector = enter(world, DECK, ADA, host)
        assert [peer.is_open for peer in crowd] == [True] * 4 + [False], "the newest of where the most are"
        for _ in range(10):
            world.pass_time(1)
            assert come(world, DECK, EVE)[0] == "room_full"
        assert projector.is_open

    def test_at_one_address_nobody_who_is_proven_gives_way(self) -> None:
        world, host = a_world(SMALL)
        for _ in range(5):
            enter(world, DECK, VENUE, host)
        assert come(world, DECK, VENUE)[0] == "room_full"

    def test_a_page_that_is_loaded_again_takes_the_place_it_left(self) -> None:
        world, host = a_world(SMALL)
        first, *_ = (enter(world, DECK, VENUE, host) for _ in range(5))
        first.lose_socket()
        enter(world, DECK, VENUE)

    def test_a_flood_of_joins_displaces_its_own(self) -> None:
        world, _ = a_world(SMALL)
        ada = enter(world, DECK, ADA)
        for _ in range(50):
            come(world, DECK, EVE)
        assert ada.is_open

    def test_who_joins_without_end_by_a_link_leaves_others_by_it_their_turn(self) -> None:
        world, _ = a_world()
        said = Counter(come(world, DECK, EVE)[0] for _ in range(150))
        assert said["rate_limited"] == 50
        enter(world, DECK, ADA)

    def test_there_is_an_end_to_joins_by_a_link_from_everywhere(self) -> None:
        world, _ = a_world(dataclasses.replace(Limits(), link_joins=Rate(1, 10)))
        said = Counter(come(world, DECK, f"203.0.113.{n}")[0] for n in range(30))
        assert said == {"joined": 10, "rate_limited": 20}
        enter(world, SPEAKER, ADA)


def test_a_server_that_was_started_again_knows_which_places_a_link_leads_to() -> None:
    world, _ = a_world(SMALL, SPEAKER, OTHER_SPEAKER, OPERATOR, DECK)
    world.restart_server(remembering=True)
    for _ in range(10):
        come(world, DECK, EVE)
    assert len(entries(world)) == 5
    for by in (SPEAKER, OTHER_SPEAKER, OPERATOR):
        enter(world, by, ADA)


@pytest.mark.parametrize("kind", [*m.Place])
def test_a_room_has_an_end(kind: m.Place) -> None:
    """Whoever comes, by however many links, from however many addresses."""
    names = [f"aaaaaaa{a}{b}{c}" for a in "abc" for b in "abcdefgh" for c in "abcdefgh"][:60]
    generous = dataclasses.replace(Limits(), link_joins=Rate(1e6, 1e6), members=10_000)
    world = World(limits=generous)
    world.host(*(link(name, place=kind) for name in names), room="K7QM42")
    for number in range(1500):
        come(world, names[number % 60], f"203.0.{number % 7}.{number % 251}")
    places = {"operator": generous.operators, "presenter": generous.presenters, "audience": generous.audience}[kind]
    assert len(entries(world)) == places.links * places.own + places.shared


# --- whatever happens ---------------------------------------------------------------------------------------------

KINDS: dict[str, m.Place] = {
    "oaaaaaaaaa": m.Place.OPERATOR, "obbbbbbbbb": m.Place.OPERATOR,
    "paaaaaaaaa": m.Place.PRESENTER, "pbbbbbbbbb": m.Place.PRESENTER, "pccccccccc": m.Place.PRESENTER,
    "vaaaaaaaaa": m.Place.AUDIENCE, "vbbbbbbbbb": m.Place.AUDIENCE,
}  # fmt: skip
TIGHT = dataclasses.replace(
    Limits(),
    operators=Places(links=2, own=1, shared=1, share=1),
    presenters=Places(links=3, own=2, shared=2, share=1),
    audience=Places(links=1, own=1, shared=3, share=2),
    link_joins=Rate(1e6, 1e6),
    place_joins=Rate(1e6, 1e6),
    connections=Rate(1e6, 1e6),
)
ADDRESSES = ("192.0.2.1", "192.0.2.2", "192.0.2.3")


class Comings(RuleBasedStateMachine):
    """Random people by random links. Whoever may click always has the places of its link, and once it is proven it is
    there until it goes, or somebody by the same link comes from where fewer are."""

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.world = World(limits=TIGHT, seed=seed)
        self.host = self.world.host(*(link(name, place=kind) for name, kind in KINDS.items()), room="K7QM42")
        self.peers: list[Peer] = []
        self.link_of: dict[ConnectionId, str] = {}

    def members(self) -> dict[str, Member]:
        (room,) = self.world.hub.rooms()
        return {id_: member for id_, member in room.members.items() if member.role is Role.PRESENTER}

    @rule(by=st.sampled_from(sorted(KINDS)), address=st.sampled_from(ADDRESSES), finishes=st.booleans())
    def join(self, by: str, address: str, finishes: bool) -> None:
        before = self.members()
        here = Counter(member.link for member in before.values())
        by_address = Counter((member.link, member.counts_as) for member in before.values())
        proven = {id_ for id_, member in before.items() if member.proven}
        said, peer = come(self.world, by, address)
        own = TIGHT.operators.own if KINDS[by] is m.Place.OPERATOR else TIGHT.presenters.own
        if KINDS[by] is not m.Place.AUDIENCE and here[by] < own:
            assert said == "joined"
        assert said in ("joined", "room_full")
        lost = before.keys() - self.members().keys()
        assert len(lost) <= (said == "joined")
        for gone in map(before.__getitem__, lost):
            assert KINDS[gone.link] is KINDS[by], "each kind for itself"
            group = by_address[gone.link, gone.counts_as]
            if gone.id in proven:
                assert gone.link == by
                assert gone.away or group > by_address[by, address] + 1
        if said == "joined":
            self.peers.append(peer)
            self.link_of[peer.connection] = by
            if finishes:
                self.host.say("proven", members=[peer.member])

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        peer = self.peers.pop(data.draw(st.integers(0, len(self.peers) - 1)))
        if peer.is_open:
            peer.lose_socket()
            peer.closed = (1006, "")
            self.peers.append(peer)

    @precondition(lambda self: self.peers)
    @rule(data=st.data(), address=st.sampled_from(ADDRESSES))
    def come_back(self, data: st.DataObject, address: str) -> None:
        gone = self.peers.pop(data.draw(st.integers(0, len(self.peers) - 1)))
        had_place = gone.member in self.members()
        peer = self.world.connect(address)
        heard = peer.say("resume", v=1, resume=gone.resume, last=0)
        assert (codes(heard)[0] == "resumed") == had_place, "a place is kept for who comes back to it"
        if had_place:
            self.peers.append(peer)

    @rule(seconds=st.sampled_from([0.5, 9.0, 12.0, 25.0]))
    def wait(self, seconds: float) -> None:
        was = {id_ for id_, member in self.members().items() if member.proven and not member.away}
        self.host.say("ping")
        for peer in self.peers:
            if peer.is_open:
                peer.say("ping")
        self.world.pass_time(seconds)
        now = self.members()
        assert was <= now.keys(), "who is proven and here does not go by waiting"
        assert seconds <= TIGHT.proof_within or not any(not member.proven for member in now.values())

    @invariant()
    def nobody_has_more_than_there_is(self) -> None:
        if not hasattr(self, "world"):
            return
        taken = Counter(member.link for member in self.members().values())
        for kind, places in zip(m.Place, (TIGHT.operators, TIGHT.presenters, TIGHT.audience), strict=True):
            names = [name for name, its in KINDS.items() if its is kind]
            own = dict.fromkeys(names[: places.links], places.own)
            beyond = [max(0, taken[name] - own.get(name, 0)) for name in names]
            assert sum(beyond) <= places.shared and max(beyond) <= places.share


Comings.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestComings = Comings.TestCase
