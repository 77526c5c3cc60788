"""The host agent and a presenter's connection against each other, with real WebRTC, and a server that only carries."""

import asyncio
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from slidewire.aio.clock import monotonic
from slidewire.control.handshake import PresenterHandshake
from slidewire.control.intents import Intent, Point, Reason, Role, Status, Verb
from slidewire.control.introduction import Introduction
from slidewire.control.messages import FromHost, GetState, Offer, StateMessage
from slidewire.control.presenter_session import LaserAnswered, ReceiptArrived
from slidewire.control.privacy import Privacy
from slidewire.control.quotas import QUOTAS, Request
from slidewire.control.records import IntentRecord, Part, Record, encode
from slidewire.control.state import OriginEntry
from slidewire.host.host import GIVES_WAY_AFTER, HOSTS_REFUSED, UNPROVEN_PARTICIPANTS, Host
from slidewire.host.participants.links import LinkRule, Room
from slidewire.host.participants.participant import Participant
from slidewire.presenter.connection import PresenterConnection, PresenterEvents
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.rtc.engine import Channel, Engine, IceServer, PeerEvents
from slidewire.signaling.client import Presence
from slidewire.signaling.messages import MemberEntry
from slidewire.testing.deck import MemoryDeck
from tests.support.messages import as_json, say, state_json
from tests.support.messages import command as told

NEXT = Intent(Verb.NEXT)
COMMAND_IDS = itertools.count(1)


SERVER = "https://clicker.example"
OWN = "clicker.example"
CANDIDATE = "candidate:1 1 udp 1 198.51.100.7 50000 typ host"
DESCRIPTION = (
    "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
    "a=candidate:1 1 udp 1 192.168.1.7 50000 typ host\r\n"
    "a=candidate:2 1 udp 1 198.51.100.7 50000 typ srflx raddr 192.168.1.7 rport 9\r\n"
    "a=candidate:3 1 udp 1 203.0.113.1 50000 typ relay raddr 198.51.100.7 rport 9\r\n"
)


class Carrier:
    """The server as both ends use it: it hands bytes over, and can be cut."""

    def __init__(self) -> None:
        self.up = True
        self.agent: Host | None = None
        self.presenters: dict[str, PresenterConnection] = {}
        self.asked: list[tuple[str, Any]] = []
        self.carried: list[bytes] = []

    def send(self, to: str, data: bytes) -> None:
        self._carry(lambda: self.presenters[to].receive("h1", data), data)

    def _carry(self, deliver: Callable[[], None], data: bytes) -> None:
        if self.up:
            self.carried.append(data)
            asyncio.get_running_loop().call_soon(deliver)

    def add_links(self, links: list[dict[str, object]]) -> None:
        self.asked.append(("add_links", links))

    def revoke_link(self, link: str) -> None:
        self.asked.append(("revoke_link", link))

    def remove_member(self, member: str, reason: str) -> None:
        self.asked.append(("remove_member", member))

    def prove(self, members: list[str]) -> None:
        pass

    def close_room(self) -> None:
        self.asked.append(("close_room", None))

    def towards_host(self, member: str) -> "_TowardsHost":
        return _TowardsHost(self, member)


class _TowardsHost:
    def __init__(self, carrier: Carrier, member: str) -> None:
        self._carrier, self._member = carrier, member

    def send(self, to: str, data: bytes) -> None:
        agent = self._carrier.agent
        assert agent is not None and to == "h1"
        self._carrier._carry(lambda: agent.receive(self._member, data), data)


class Presenter:
    """A presenter's connection, and everything it heard."""

    def __init__(
        self,
        carrier: Carrier,
        rule: LinkRule,
        member: str,
        direct: bool = True,
        device: str | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.receipts: list[ReceiptArrived] = []
        self.lasers: list[LaserAnswered] = []
        self.paths: list[str | None] = []
        self.states: list[dict[str, Any]] = []
        self.closed: list[str] = []
        self.connection = PresenterConnection(
            rule.link(SERVER),
            engine or (AiortcEngine() if direct else None),
            "Ada",
            PresenterEvents(
                path_changed=self.paths.append,
                receipt=self.receipts.append,
                laser=self.lasers.append,
                state=lambda state: self.states.append(state_json(state)),
                closed=lambda code, reason: self.closed.append(code),
            ),
            device,
        )
        carrier.presenters[member] = self.connection
        self.connection.signaling = carrier.towards_host(member)
        self.connection.joined([{"member": "h1", "name": "host"}], [])

    async def until(self, true: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.005)

    async def tap(self, intent: Intent = NEXT) -> ReceiptArrived:
        await self.until(lambda: self.connection.submit(intent) is not None)
        count = len(self.receipts) + 1
        await self.until(lambda: len(self.receipts) >= count)
        return self.receipts[-1]


@pytest.fixture
async def carrier() -> AsyncIterator[Carrier]:
    room = Room(b"t" * 16, SERVER, "", code="ROOM22")
    room.make_link(Role.CLICK, "p", "Presenter")
    room.make_link(Role.OPERATOR, "operator", "Operator")
    room.make_link(Role.VIEW, "deck", "Deck")
    carrier = Carrier()
    agent = Host(room, SERVER, MemoryDeck(), AiortcEngine(), "main")
    carrier.agent = agent
    agent.signaling = carrier
    await agent.start()
    agent.opened("ROOM22", [], [])
    yield carrier
    for connection in carrier.presenters.values():
        await connection.close()
    await agent.close()


def agent_of(carrier: Carrier) -> Host:
    assert carrier.agent is not None
    return carrier.agent


def deck_of(carrier: Carrier) -> MemoryDeck:
    deck = agent_of(carrier).show.deck
    assert isinstance(deck, MemoryDeck)
    return deck


async def test_a_tap_lands_before_any_direct_path_is_there(carrier: Carrier) -> None:
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1", direct=False)
    receipt = await presenter.tap()
    assert (receipt.status, receipt.before, receipt.after) == (Status.PERFORMED, 1, 2)
    assert presenter.paths == ["signaling"]
    await presenter.until(lambda: presenter.states[-1]["deck"]["notes"] == "Notes of slide 2")


async def test_the_direct_path_comes_up_and_outlives_the_server(carrier: Carrier) -> None:
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1")
    await presenter.until(lambda: presenter.paths[-1:] == ["direct"])
    carrier.up = False
    agent_of(carrier).lost_server()
    presenter.connection.lost_server()
    for slide in range(1, 21):
        receipt = await presenter.tap()
        assert (receipt.status, receipt.before, receipt.after) == (Status.PERFORMED, slide, slide + 1)
        assert receipt.path is not None and receipt.path.startswith("direct")


class NotingPeer:
    """A peer that only notes what it is told."""

    is_relayed = False

    def __init__(self, events: PeerEvents) -> None:
        self.candidates: list[dict[str, Any] | None] = []
        self._events = events

    async def offer(self) -> str:
        asyncio.get_running_loop().call_soon(self._events.candidate, None)
        return "offer"

    async def answer(self, sdp: str) -> str:
        return "m=application 9 UDP/DTLS/SCTP x\r\n"

    async def accept_answer(self, sdp: str) -> None:
        pass

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        self.candidates.append(candidate)

    def send(self, channel: Channel, data: bytes) -> bool:
        return False

    def has_room(self, channel: Channel) -> bool:
        return True

    async def wait_for_room(self, channel: Channel) -> bool:
        return False

    async def close(self) -> None:
        pass


class NotingEngine:
    def __init__(self) -> None:
        self.peers: list[NotingPeer] = []

    def create_peer(self, ice_servers: Sequence[IceServer], events: PeerEvents, privacy: Privacy) -> NotingPeer:
        self.peers.append(NotingPeer(events))
        return self.peers[-1]


async def test_candidates_right_behind_the_offer_find_their_peer(carrier: Carrier) -> None:
    """A presenter's connection says offer and candidates in one breath."""
    engine = NotingEngine()
    agent_of(carrier).engine = engine
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1", engine=NotingEngine())
    await presenter.until(lambda: bool(engine.peers) and engine.peers[0].candidates == [None])


async def test_an_offer_said_again_is_answered_again_by_the_same_peer(carrier: Carrier) -> None:
    """The answer may have got lost with the path that it took."""
    engine = NotingEngine()
    agent_of(carrier).engine = engine
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1", direct=False)
    await presenter.until(lambda: bool(presenter.states))
    (participant,) = agent_of(carrier).participants.values()
    said: list[dict[str, Any]] = []
    send = participant.send_message

    def noting(message: FromHost) -> bool:
        if not isinstance(message, StateMessage):
            said.append(as_json(message))
        return send(message)

    participant.send_message = noting  # type: ignore[method-assign]
    session = presenter.connection.core.session
    assert session is not None
    for _ in range(2):
        for message in ({"type": "offer", "sdp": "o"}, {"type": "candidate", "candidate": {"candidate": CANDIDATE}}):
            say(session, **message, generation=1)
        presenter.connection._drain()
        answered = len(said) + 1
        await presenter.until(lambda answered=answered: len(said) >= answered)  # type: ignore[misc]
    answer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP x\r\nc=IN IP4 0.0.0.0\r\n"
    assert said == 2 * [{"type": "answer", "generation": 1, "sdp": answer}]
    assert [peer.candidates for peer in engine.peers] == [[{"candidate": CANDIDATE}]], "one peer, told once"


async def test_who_offers_without_end_is_not_read_without_end(carrier: Carrier) -> None:
    engine = NotingEngine()
    agent_of(carrier).engine = engine
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1", direct=False)
    await presenter.until(lambda: bool(presenter.states))
    session = presenter.connection.core.session
    assert session is not None
    for generation in range(1, 101):
        session.send_message(Offer(generation, "o"), monotonic())
    presenter.connection._drain()
    await presenter.until(lambda: agent_of(carrier).counts["offers_too_fast"] + len(engine.peers) >= 100)
    burst = QUOTAS[Request.OFFER].cap.burst
    assert burst <= len(engine.peers) <= burst + 10


class Talker(NotingPeer):
    """It says where it is as soon as it is asked."""

    async def offer(self) -> str:
        return DESCRIPTION

    async def answer(self, sdp: str) -> str:
        self.described = sdp
        return DESCRIPTION

    async def accept_answer(self, sdp: str) -> None:
        self.described = sdp


class TalkingEngine(NotingEngine):
    def create_peer(self, ice_servers: Sequence[IceServer], events: PeerEvents, privacy: Privacy) -> Talker:
        self.privacy, self.servers = privacy, ice_servers
        self.peers.append(Talker(events))
        return self.peers[-1]  # type: ignore[return-value]


@pytest.mark.parametrize("room", list(Privacy))
@pytest.mark.parametrize("wanted", list(Privacy))
@pytest.mark.parametrize("places", [("", ""), ("here", "here"), ("here", "there"), ("", "there")])
async def test_the_stricter_end_decides_and_one_network_is_what_the_server_says(
    carrier: Carrier, room: Privacy, wanted: Privacy, places: tuple[str, str]
) -> None:
    ours, theirs = TalkingEngine(), TalkingEngine()
    agent = agent_of(carrier)
    agent.engine, agent.privacy, agent.network = ours, room, places[0]
    presenter = Presenter(carrier, agent.room.first("p"), "m1", engine=theirs)
    presenter.connection.core.set_privacy(wanted, monotonic())
    presenter.connection.joined([{"member": "h1", "name": "host"}], [], places[1])
    await presenter.until(lambda: bool(theirs.peers) and hasattr(theirs.peers[-1], "described"))
    policy = max(room, wanted, key=list(Privacy).index)
    assert ours.privacy is theirs.privacy is policy
    near = places == ("here", "here")
    for end, said_near in ((ours, False), (theirs, near)):
        told = end.peers[-1].described  # type: ignore[attr-defined]
        # A presenter offers before it knows who is near: its local addresses stay with it.
        assert ("192.168.1.7" in told) == (policy is Privacy.OPEN or (policy is Privacy.BALANCED and said_near))
        assert ("198.51.100.7" in told) == (policy is not Privacy.PRIVATE)
        assert "203.0.113.1" in told


async def test_only_servers_that_the_host_knows_are_used_at_either_end(carrier: Carrier) -> None:
    ours, theirs = TalkingEngine(), TalkingEngine()
    agent = agent_of(carrier)
    agent.engine, agent._ice_hosts, agent._hosts_allowed = ours, ("turn.example",), frozenset({OWN, "turn.example"})
    told = [{"urls": [f"stun:{host}:3478"]} for host in (OWN, "turn.example", "evil.example")]
    agent.opened("ROOM22", told, [])
    presenter = Presenter(carrier, agent.room.first("p"), "m1", engine=theirs)
    presenter.connection.joined([{"member": "h1", "name": "host"}], told)
    await presenter.until(lambda: bool(ours.peers))
    for end in (ours, theirs):
        assert [server.urls for server in end.servers] == [(f"stun:{OWN}:3478",), ("stun:turn.example:3478",)]
    assert agent.counts["ice_server_refused"] == presenter.connection.counts["ice_server_refused"] == 1


async def test_a_server_that_names_other_servers_without_end_is_told_of_a_few_times(
    carrier: Carrier, caplog: pytest.LogCaptureFixture
) -> None:
    agent = agent_of(carrier)
    for number in range(3 * HOSTS_REFUSED):
        agent.ice_servers_are([{"urls": [f"stun:evil{number}.example:3478"]}])
    assert agent.counts["ice_server_refused"] == 3 * HOSTS_REFUSED
    assert len([line for line in caplog.messages if "is not its own host" in line]) == HOSTS_REFUSED


async def test_a_message_by_way_of_the_server_is_answered_the_same_way(carrier: Carrier) -> None:
    """The presenter would have used its channel if that carried anything."""
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1")
    await presenter.until(lambda: presenter.paths[-1:] == ["direct"])
    (participant,) = agent_of(carrier).participants.values()
    messages = participant.session.wire.paths.messages
    await presenter.until(lambda: (path := messages(monotonic())) is not None and path.name.startswith("bulk"))
    session = presenter.connection.core.session
    assert session is not None
    for name in ("bulk/1", "direct/1"):
        session.path_down(name)
    session.send_message(GetState(), monotonic())
    told = len(presenter.states)
    presenter.connection._drain()
    # A state that was on its way by the channel may come first.
    await presenter.until(lambda: (path := messages(monotonic())) is not None and path.name == "signaling")
    await presenter.until(lambda: len(presenter.states) > told)


async def test_a_member_under_a_new_name_is_known_by_its_seal(carrier: Carrier) -> None:
    """After a server restart the same session comes back as another member."""
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1", direct=False)
    await presenter.tap()
    agent_of(carrier).lost_server()
    carrier.presenters["m9"] = carrier.presenters.pop("m1")
    presenter.connection.signaling = carrier.towards_host("m9")
    presenter.connection.joined([{"member": "h1", "name": "host"}], [])
    assert (await presenter.tap()).after == 3
    assert [participant.member for participant in agent_of(carrier).participants.values()] == ["m9"]


async def test_ten_presenters_at_once_and_each_click_counts_once(carrier: Carrier) -> None:
    rule = agent_of(carrier).room.first("p")
    presenters = [Presenter(carrier, rule, f"m{n}", direct=n % 2 == 0) for n in range(10)]
    for presenter in presenters:
        await presenter.until(lambda presenter=presenter: bool(presenter.states))  # type: ignore[misc]
    for _ in range(10):
        for presenter in presenters:
            assert presenter.connection.submit(NEXT) is not None
        await asyncio.sleep(0)
    for presenter in presenters:
        await presenter.until(lambda presenter=presenter: len(presenter.receipts) == 10)  # type: ignore[misc]
    assert deck_of(carrier).slide == 101
    moves = sorted((receipt.before or 0, receipt.after or 0) for p in presenters for receipt in p.receipts)
    assert moves == [(slide, slide + 1) for slide in range(1, 101)]


async def test_a_view_link_cannot_click_and_is_told_so(carrier: Carrier) -> None:
    viewer = Presenter(carrier, agent_of(carrier).room.first("deck"), "m1", direct=False)
    receipt = await viewer.tap()
    assert (receipt.status, receipt.reason) == (Status.REFUSED, Reason.ROLE)
    assert deck_of(carrier).performed == []


async def test_all_are_told_of_a_slide_that_cannot_be_drawn(carrier: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [agent_of(carrier).room.first(page) for page in ("p", "operator", "deck")]
    pages = [Presenter(carrier, rule, f"m{number}", direct=False) for number, rule in enumerate(rules)]
    for page in pages:
        await page.until(lambda page=page: bool(page.states))  # type: ignore[misc]
        assert page.states[-1]["deck"]["drawable"] is True
    deck = deck_of(carrier)
    state = replace(deck.state(), drawable=False)
    monkeypatch.setattr(deck, "state", lambda: state)
    deck._changed()
    for page in pages:
        await page.until(lambda page=page: page.states[-1]["deck"]["drawable"] is False)  # type: ignore[misc]


async def test_the_laser_reaches_the_deck_and_the_deck_pages_and_fades(carrier: Carrier) -> None:
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1", direct=False)
    page = Presenter(carrier, agent_of(carrier).room.first("deck"), "m2", direct=False)
    await presenter.until(lambda: bool(presenter.states and page.states))
    presenter.connection.point([Point(0.25, 0.5)])
    await page.until(lambda: page.states[-1]["laser"] is not None)
    assert page.states[-1]["laser"]["x"] == pytest.approx(0.25, abs=1e-4)
    assert "laser" not in presenter.states[-1]
    await page.until(lambda: page.states[-1]["laser"] is None, seconds=3)
    assert deck_of(carrier).laser[-1] is None
    assert [answer.status for answer in presenter.lasers] == [Status.PERFORMED]


async def test_a_broken_deck_fails_one_intent_and_not_the_show(carrier: Carrier) -> None:
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1", direct=False)
    deck_of(carrier).broken = True
    receipt = await presenter.tap()
    assert (receipt.status, receipt.reason) == (Status.FAILED, Reason.DECK_ERROR)
    deck_of(carrier).broken = False
    assert (await presenter.tap()).status is Status.PERFORMED
    white = await presenter.tap(Intent(Verb.WHITE))
    assert (white.status, white.reason) == (Status.REFUSED, Reason.UNSUPPORTED)


async def test_a_receipt_leaves_before_the_log_hears_of_the_click(carrier: Carrier) -> None:
    """A log is written to a disk, which may be slow."""
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1", direct=False)
    await presenter.until(lambda: bool(presenter.states))
    (participant,) = agent_of(carrier).participants.values()
    left: list[int] = []
    heard: list[tuple[int, int]] = []
    send = carrier.send

    def sending(to: str, data: bytes) -> None:
        left.append(sum(participant.session.answered(sequence) is not None for sequence in (1, 2)))
        send(to, data)

    carrier.send = sending  # type: ignore[method-assign]
    agent_of(carrier).audit = lambda event, /, **fields: heard.append((len(heard) + 1, max(left, default=0)))
    session = presenter.connection.core.session
    assert session is not None
    for _ in range(2):  # at once, so that the second is handed over while the first is settled
        session.submit(NEXT, monotonic())
    presenter.connection._drain()
    await presenter.until(lambda: len(presenter.receipts) == len(heard) == 2)
    assert all(clicks <= receipts for clicks, receipts in heard), heard


async def test_a_restarted_host_is_knocked_at_again_and_replays_nothing(carrier: Carrier) -> None:
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1", direct=False)
    await presenter.tap()
    agent_of(carrier).participants.clear()  # what a new process knows of old sessions
    await presenter.until(lambda: presenter.connection.submit(NEXT) is not None)
    await presenter.until(lambda: Status.UNKNOWN in [receipt.status for receipt in presenter.receipts])
    assert deck_of(carrier).slide == 2
    assert (await presenter.tap()).after == 3


async def command(presenter: Presenter, **fields: Any) -> None:
    session = presenter.connection.core.session
    assert session is not None
    say(session, type="command", id=next(COMMAND_IDS), **fields)
    presenter.connection._drain()


def test_the_server_is_told_whose_places_a_link_leads_to() -> None:
    room = Room(b"t" * 16, SERVER, "")
    told = {role: room.make_link(role).announcement()["place"] for role in Role}
    assert told == {Role.VIEW: "audience", Role.LASER: "presenter", Role.CLICK: "presenter", Role.OPERATOR: "operator"}


def holds(carrier: Carrier, rule: LinkRule, *members: str, origin: int = 1) -> None:
    """The server says that they came by this link."""
    for member in members:
        agent_of(carrier).members.receive(Presence(member, False, "joined", "", rule.id, origin))


async def test_the_server_is_told_once_who_is_proven(carrier: Carrier) -> None:
    agent = agent_of(carrier)
    told: list[list[str]] = []
    agent.members._tell_proven = told.append
    rule = agent.room.first("p")
    holds(carrier, rule, "m1", "m2")
    presenter = Presenter(carrier, rule, "m1", direct=False)
    await presenter.tap()
    await presenter.tap()
    assert told == [["m1"]]
    # The server was started again, and its members are others.
    agent.lost_server()
    entries = [MemberEntry("m3", rule.id, proven=False, origin=1, seconds=0)]
    agent.members.are(entries)
    agent.members_are({"m3"})
    assert told == [["m1"]], "which of them that is, a frame says"
    carrier.presenters["m3"] = presenter.connection
    presenter.connection.signaling = carrier.towards_host("m3")
    await presenter.tap()
    assert told == [["m1"], ["m3"]]
    # We were away, and the server never heard it.
    agent.lost_server()
    agent.members.are(entries)
    agent.members_are({"m3"})
    assert told == [["m1"], ["m3"], ["m3"]]


async def test_of_those_who_fell_silent_only_so_many_are_remembered(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slidewire.host.host.SILENT_PER_LINK", 2)
    agent = agent_of(carrier)
    rules = agent.room.first("p"), agent.room.first("deck")
    for number in range(5):
        for rule in rules:
            await Presenter(carrier, rule, f"{rule.page}{number}", direct=False).tap()
    here = list(agent.participants.values())
    assert len(here) == 10
    for participant in here[:8]:
        assert participant.member is not None
        agent.member_gone(participant.member, for_good=False)
    agent._maintain(monotonic() + GIVES_WAY_AFTER - 1)
    assert list(agent.participants.values()) == here, "a short silence is no reason"
    agent._maintain(monotonic() + GIVES_WAY_AFTER + 1)
    assert list(agent.participants.values()) == here[4:], "two of each link, and those who are reached"


async def test_who_only_knocks_is_not_proven(carrier: Carrier) -> None:
    agent = agent_of(carrier)
    told: list[list[str]] = []
    agent.members._tell_proven = told.append
    rule = agent.room.first("p")
    holds(carrier, rule, "m1")
    carrier.presenters["m1"] = Presenter(carrier, rule, "m2", direct=False).connection
    hello = PresenterHandshake(rule.id, rule.link("").psk, b"e" * 32, Introduction(b"n" * 16)).hello
    agent.receive("m1", hello)
    assert [participant.member for participant in agent.participants.values()] == ["m1"] and told == []


async def test_who_knocks_without_end_takes_no_other_s_handshake(carrier: Carrier) -> None:
    agent = agent_of(carrier)
    carrier.up = False

    def accept_connection(rule: LinkRule, member: str) -> None:
        said = Introduction(secrets.token_bytes(16))
        agent.receive(member, PresenterHandshake(rule.id, rule.link("").psk, secrets.token_bytes(32), said).hello)

    accept_connection(agent.room.first("p"), "m1")
    accept_connection(agent.room.first("deck"), "m2")
    for _ in range(3 * UNPROVEN_PARTICIPANTS):
        accept_connection(agent.room.first("deck"), "m3")
    members = [participant.member for participant in agent.participants.values()]
    assert members == ["m1", "m2", *["m3"] * (UNPROVEN_PARTICIPANTS - 1)]


async def test_an_operator_sees_who_holds_the_places_and_sends_them_away(carrier: Carrier) -> None:
    agent = agent_of(carrier)
    deck, way_in = agent.room.first("deck"), agent.room.first("operator")
    holds(carrier, deck, "m1", "m2", "m3", origin=7)
    holds(carrier, deck, "m4", origin=8)
    holds(carrier, way_in, "m5", "m6", origin=9)
    viewer = Presenter(carrier, deck, "m1", direct=False)
    elsewhere = Presenter(carrier, deck, "m4", direct=False)
    operator = Presenter(carrier, way_in, "m5", direct=False)

    def places() -> dict[str, Any]:
        return {row["link"]: row for row in operator.states[-1]["room"]["places"]} if operator.states else {}

    await operator.until(lambda: deck.id in places() and places()[deck.id]["proven"] == 2)
    row = places()[deck.id]
    assert (row["count"], row["proven"], row["away"]) == (4, 2, 0)
    assert row["origins"] == [{"origin": 7, "count": 3}], "of one that is alone nothing is said"
    agent.members.receive(Presence("m3", False, "away"))
    await operator.until(lambda: places()[deck.id]["away"] == 1)

    await command(operator, name="send_away", link=deck.id, origin=7)
    await viewer.until(lambda: viewer.closed == ["removed"])
    assert [who for what, who in carrier.asked if what == "remove_member"] == ["m1", "m2", "m3"]
    assert elsewhere.closed == []
    await command(operator, name="send_away", link=deck.id)
    await elsewhere.until(lambda: elsewhere.closed == ["removed"])
    carrier.asked.clear()
    await command(operator, name="send_away", link=way_in.id)
    await operator.until(lambda: ("remove_member", "m6") in carrier.asked)
    assert operator.closed == [] and ("remove_member", "m5") not in carrier.asked


async def test_where_people_are_together_is_nobody_s_business_where_a_show_is_private(carrier: Carrier) -> None:
    agent = agent_of(carrier)
    holds(carrier, agent.room.first("deck"), "m1", "m2")
    assert agent.members.describe(Privacy.BALANCED)[0].origins == [OriginEntry(1, 2)]
    assert agent.members.describe(Privacy.PRIVATE)[0].origins == []


async def test_an_operator_mutes_removes_makes_and_revokes(carrier: Carrier) -> None:
    agent = agent_of(carrier)
    presenter = Presenter(carrier, agent.room.first("p"), "m1", direct=False)
    operator = Presenter(carrier, agent.room.first("operator"), "m2", direct=False)
    await presenter.tap()
    await operator.until(
        lambda: bool(operator.states) and any(p["clicks"] == 1 for p in operator.states[-1]["room"]["presenters"])
    )
    (seen,) = [p for p in operator.states[-1]["room"]["presenters"] if p["role"] == "click"]
    assert (seen["name"], seen["path"], seen["last"]["to"]) == ("Ada", "signaling", 2)

    await command(operator, name="mute", session=seen["session"], muted=True)
    await presenter.until(lambda: presenter.states[-1]["you"]["muted"])
    receipt = await presenter.tap()
    assert (receipt.status, receipt.reason) == (Status.REFUSED, Reason.MUTED)
    assert deck_of(carrier).slide == 2

    before = len(agent.room.links)
    await command(operator, name="make_link", role="laser", label="Participant", expires_in=60)
    await operator.until(lambda: len(operator.states[-1]["room"]["links"]) == before + 1)
    assert carrier.asked[-1][0] == "add_links"
    (told,) = carrier.asked[-1][1]
    assert set(told) == {"id", "commit", "expires", "place"}, "the server learns no secret and no other rule"
    assert told["place"] == "presenter"

    await command(operator, name="revoke_link", link=seen["link"])
    await presenter.until(lambda: presenter.closed == ["link_revoked"])
    assert ("revoke_link", seen["link"]) in carrier.asked
    assert all(participant.link.role is not Role.CLICK for participant in agent.participants.values())


async def test_a_presenter_may_not_command(carrier: Carrier) -> None:
    agent = agent_of(carrier)
    presenter = Presenter(carrier, agent.room.first("p"), "m1", direct=False)
    await presenter.tap()
    await command(presenter, name="end_show")
    await command(presenter, name="mute", session=next(iter(agent.participants)), muted=True)
    await presenter.tap()
    assert not agent.ended.is_set()
    assert deck_of(carrier).slide == 3


async def test_the_server_saw_nothing_it_could_read(carrier: Carrier) -> None:
    presenter = Presenter(carrier, agent_of(carrier).room.first("p"), "m1")
    await presenter.until(lambda: presenter.paths[-1:] == ["direct"])
    transcript = b"".join(carrier.carried)
    assert len(transcript) > 2000
    for secret in (b"fingerprint", b"candidate", b"sha-256", b"ice-ufrag", b"next", b"Notes", b"192.0.2.", b"Ada"):
        assert secret not in transcript


class Hostile(Presenter):
    """A presenter that seals whatever it likes."""

    def say(self, *records: Record) -> None:
        session = self.connection.core.session
        assert session is not None and session.wire.introduction is None
        assert self.connection.signaling is not None
        self.connection.signaling.send("h1", session.wire._sealer.seal(encode(records)))


async def hostile(carrier: Carrier, page: str, member: str = "evil") -> Hostile:
    presenter = Hostile(carrier, agent_of(carrier).room.first(page), member, direct=False)
    await presenter.until(lambda: bool(presenter.states))
    return presenter


SMALL = Part(0, 1, 0, 1, b'{"type":"get_state"}')


async def test_many_small_requests_beside_a_refused_intent_do_not_stop_the_show(
    carrier: Carrier, caplog: pytest.LogCaptureFixture
) -> None:
    """They once ended the task that performs all clicks: answering one message drained the next inside of it."""
    evil, speaker = await hostile(carrier, "deck"), Presenter(carrier, agent_of(carrier).room.first("p"), "m1", False)
    await speaker.tap()
    for sequence in range(1, 9):
        evil.say(IntentRecord(sequence, 60_000, NEXT), *[SMALL] * 330)
    await evil.until(lambda: bool(evil.closed))
    assert evil.closed == ["flooding"]
    assert agent_of(carrier).counts["flooding"] == 1
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == []
    assert [(await speaker.tap()).status for _ in range(3)] == [Status.PERFORMED] * 3


async def test_a_failure_at_one_participant_ends_that_one_alone_and_is_logged_once(
    carrier: Carrier, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever raises: a message, a state that cannot be described, the end of a click."""
    agent = agent_of(carrier)
    for number, break_it in enumerate((_break_messages, _break_state, _break_settling)):
        caplog.clear()
        evil = await hostile(carrier, "operator", f"evil{number}")
        page = Presenter(carrier, agent.room.first("deck"), f"page{number}", direct=False)
        speaker = Presenter(carrier, agent.room.first("p"), f"speaker{number}", direct=False)
        await speaker.until(lambda page=page, speaker=speaker: bool(page.states and speaker.states))  # type: ignore[misc]
        participant = next(g for g in agent.participants.values() if g.member == f"evil{number}")
        break_it(participant, evil)
        told = len(page.states)
        assert (await speaker.tap()).status is Status.PERFORMED
        await evil.until(lambda evil=evil: bool(evil.closed))  # type: ignore[misc]
        await speaker.until(lambda page=page, told=told: len(page.states) > told)  # type: ignore[misc]
        assert evil.closed == ["failed"] and participant.id not in agent.participants
        assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
        assert (await speaker.tap()).status is Status.PERFORMED


def _fail(*_: Any, **__: Any) -> Any:
    raise RecursionError("of the test")


def _break_messages(participant: Participant, evil: Hostile) -> None:
    participant._message_arrived = _fail  # type: ignore[method-assign]
    evil.say(SMALL)


def _break_state(participant: Participant, evil: Hostile) -> None:
    # The room is described with it.
    participant.best_path = _fail  # type: ignore[method-assign]
    evil.say(SMALL)


def _break_settling(participant: Participant, evil: Hostile) -> None:
    participant.session.settle = _fail  # type: ignore[method-assign]
    evil.connection.submit(NEXT)


async def test_a_command_that_fails_is_answered_and_the_operator_stays(
    carrier: Carrier, caplog: pytest.LogCaptureFixture
) -> None:
    operator = Presenter(carrier, agent_of(carrier).room.first("operator"), "boss", direct=False)
    await operator.until(lambda: bool(operator.states))
    rows = agent_of(carrier)._commands.rows
    rows["mute"] = replace(rows["mute"], handler=_fail)
    reply = await told(operator.connection, "mute", session=1)
    assert not reply["ok"] and reply["error"]["code"] == "failed"
    assert "Traceback" in caplog.text and not operator.closed


def note_messages(participant: Participant) -> list[dict[str, Any]]:
    """What it is told from now on."""
    said: list[dict[str, Any]] = []
    send = participant.send_message

    def noting(message: FromHost) -> bool:
        said.append(as_json(message))
        return send(message)

    participant.send_message = noting  # type: ignore[method-assign]
    return said


async def test_afterwards_only_what_changed_is_told(carrier: Carrier) -> None:
    agent = agent_of(carrier)
    speaker = Presenter(carrier, agent.room.first("p"), "m1", direct=False)
    await speaker.until(lambda: bool(speaker.states))
    (participant,) = agent.participants.values()
    said = note_messages(participant)
    await speaker.tap()
    await speaker.until(lambda: speaker.states[-1]["deck"]["slide"] == 2)
    assert said[-1]["since"] == said[-1]["version"] - 1
    assert said[-1].keys() == {"type", "version", "since", "deck"} and "driver" not in said[-1]["deck"]
    assert speaker.states[-1].keys() >= {"deck", "you", "media", "started"}
    assert speaker.states[-1]["deck"]["driver"] == deck_of(carrier).driver


async def test_a_state_that_was_lost_is_asked_for_and_told_whole(carrier: Carrier) -> None:
    agent = agent_of(carrier)
    speaker = Presenter(carrier, agent.room.first("p"), "m1", direct=False)
    await speaker.until(lambda: bool(speaker.states))
    (participant,) = agent.participants.values()
    send = participant.send_message
    participant.send_message = lambda message: True  # type: ignore[method-assign]
    await speaker.tap()
    await speaker.until(lambda: participant.held is not None and participant.held.deck.slide == 2)
    participant.send_message = send  # type: ignore[method-assign]
    await speaker.tap()
    await speaker.until(lambda: speaker.states[-1]["deck"]["slide"] == 3)


async def test_the_laser_is_told_by_itself_and_no_faster_than_a_page_can_show_it(carrier: Carrier) -> None:
    agent = agent_of(carrier)
    speaker = Presenter(carrier, agent.room.first("p"), "m1", direct=False)
    pages = [Presenter(carrier, agent.room.first("deck"), f"page{n}", direct=False) for n in range(20)]
    await speaker.until(lambda: all(page.states for page in (speaker, *pages)))
    said = [said for participant in agent.participants.values() for said in (note_messages(participant),)]
    for step in range(100):
        speaker.connection.point([Point(step / 100, 0.5)])
        await asyncio.sleep(0.005)

    def has_seen_the_last(page: Presenter) -> bool:
        return any(abs((state.get("laser") or {"x": 0.0})["x"] - 0.99) < 1e-3 for state in page.states)

    await speaker.until(lambda: all(has_seen_the_last(page) for page in pages))
    kinds = [message["type"] for messages in said for message in messages]
    assert "state" not in kinds
    assert 20 <= kinds.count("laser") < 20 * 100 / 2


async def test_a_picture_that_is_under_way_ends_with_the_host(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def draw_without_end(slide: int, width: int, most: int) -> None:
        await asyncio.Event().wait()

    def drawing() -> list[asyncio.Task[Any]]:
        return [task for task in asyncio.all_tasks() if task.get_name() == "pictures"]

    agent = agent_of(carrier)
    monkeypatch.setattr(agent.show.deck, "picture", draw_without_end)
    page = await hostile(carrier, "deck")
    page.say(Part(0, 1, 0, 1, b'{"type":"picture","id":1,"slide":1,"width":640}'))
    await page.until(lambda: len(drawing()) == 1)
    await agent.close()
    await page.until(lambda: not drawing())


@pytest.mark.parametrize(
    "message",
    [
        {"type": "offer", "generation": True, "sdp": DESCRIPTION},
        {"type": "candidate", "generation": True, "candidate": None},
        {"type": "picture", "id": True, "slide": 1, "width": 640},
        {"type": "picture", "id": 1, "slide": True, "width": 640},
        {"type": "command", "id": True, "name": "x"},
    ],
)
async def test_true_is_no_number(carrier: Carrier, caplog: pytest.LogCaptureFixture, message: dict[str, Any]) -> None:
    """It once became the name of a path, from which a number was read that was not there."""
    engine = NotingEngine()
    agent_of(carrier).engine = engine
    evil = await hostile(carrier, "operator")
    said = note_messages(next(iter(agent_of(carrier).participants.values())))
    evil.say(Part(0, 1, 0, 1, json.dumps(message).encode()))
    await evil.until(lambda: any(told["type"] == "error" for told in said))
    assert [told["code"] for told in said if told["type"] == "error"] == ["malformed"]
    assert not engine.peers and not [record for record in caplog.records if record.levelname == "ERROR"]
