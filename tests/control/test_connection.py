"""A presenter's connection against hosts of a few lines: how it shakes hands, doubts a session, and chooses a host.

Time is simulated; handshakes and sessions are the real ones.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from slidewire.control import connection as core
from slidewire.control.connection import Connection, HostEntry
from slidewire.control.effects import (
    CheckServer,
    ConnectionClosed,
    CreateHandshake,
    Effect,
    PathChanged,
    PathLost,
    PrivacyTightened,
    ReadWelcome,
    SendByPeer,
    SendBySignaling,
    ServersRefused,
    SessionBegan,
    StateChanged,
)
from slidewire.control.generations import AcceptAnswer, ClosePeer, CreateOffer
from slidewire.control.handshake import Admission, HandshakeResponder, PresenterHandshake
from slidewire.control.host_session import Established, HostSession, Perform
from slidewire.control.intents import Intent, Outcome, Role, Status, Verb
from slidewire.control.introduction import Introduction
from slidewire.control.messages import GetState
from slidewire.control.paths import Channel, PathKind
from slidewire.control.presenter_session import ReceiptArrived
from slidewire.control.privacy import IceServer, Privacy
from slidewire.control.seal import HELLO, SEALED, WELCOME, no_session, peek_session
from slidewire.control.sealed_session import MessageArrived, Transmit
from slidewire.testing.pair import LINK_ID, PSK
from tests.support.messages import as_json, say

NEXT = Intent(Verb.NEXT)


class FakeHost:
    """A host as far as a connection sees it: it answers hellos, frames of its sessions, and `04` to others."""

    def __init__(self, rng: random.Random) -> None:
        self.responder = HandshakeResponder(lambda _: Admission(PSK, Role.CLICK), rng.randbytes)
        self.sessions: dict[int, HostSession] = {}
        self.hellos: list[float] = []
        self.told: list[dict[str, Any]] = []
        self.replaced: list[str] = []
        self.is_deaf = False
        self.has_path = True

    def receive(self, data: bytes, now: float) -> list[bytes]:
        if data[0] == HELLO:
            self.hellos.append(now)
            if self.is_deaf or (admitted := self.responder.receive_hello(data, now)) is None:
                return []
            if admitted.session is not None:
                self.sessions[admitted.session.wire.session] = admitted.session
                admitted.session.path_up("signaling", PathKind.SIGNALING, now)
            return [admitted.welcome]
        if self.is_deaf or data[0] != SEALED:
            return []
        session = self.sessions.get(peek_session(data) or 0)
        if session is None:
            return [no_session(peek_session(data) or 0)]
        session.receive_frame(data, "signaling", now)
        return self.drain(session, now)

    def drain(self, session: HostSession, now: float) -> list[bytes]:
        frames = []
        while (effect := session.next_effect()) is not None:
            match effect:
                case Transmit("signaling", data):
                    frames.append(data)
                case Perform(sequence, _) if session.is_due(sequence, now):
                    session.settle(sequence, Outcome(Status.PERFORMED, 1, 2), now)
                case MessageArrived(message):
                    self.told.append(as_json(message))
                case Established(introduction):
                    self.replaced.append(introduction.replaces)
                case _:
                    pass
        return frames

    def say(self, message: dict[str, Any], now: float) -> list[bytes]:
        session = list(self.sessions.values())[-1]
        say(session, now, **message)
        return self.drain(session, now)


class Device:
    def __init__(self, *hosts: str, delay: float = 0.02, makes_offers: bool = False) -> None:
        self.rng = random.Random(3)
        self.now = 1000.0
        self.delay = delay
        self.connection = Connection("server", self.rng.random, makes_offers=makes_offers)
        self.hosts = {name: FakeHost(self.rng) for name in hosts}
        self.effects: list[Effect] = []
        self.waiting: list[ReadWelcome] = []
        self.is_reading = True
        """Welcomes are read as soon as they come."""
        self._on_its_way: list[tuple[float, str, bytes]] = []

    def drain(self) -> None:
        while (effect := self.connection.next_effect()) is not None:
            match effect:
                case SendBySignaling(member, data):
                    for answer in self.hosts[member].receive(data, self.now):
                        self._on_its_way.append((self.now + self.delay, member, answer))
                case CreateHandshake(replaces):
                    self.connection.handshake_created(effect, self.new_handshake(replaces), self.now)
                case ReadWelcome() if self.is_reading:
                    self.connection.welcome_read(effect, effect.handshake.read_welcome(effect.data), self.now)
                case ReadWelcome():
                    self.waiting.append(effect)
                case _:
                    self.effects.append(effect)

    def new_handshake(self, replaces: str) -> PresenterHandshake:
        introduction = Introduction(self.rng.randbytes(16), "Ada", "phone", replaces)
        return PresenterHandshake(LINK_ID, PSK, self.rng.randbytes(32), introduction)

    def join(self, *hosts: HostEntry, ice_servers: tuple[dict[str, Any], ...] = ()) -> None:
        entries = hosts or tuple(HostEntry(name) for name in self.hosts)
        self.connection.joined(entries, ice_servers, "", self.now)
        self.drain()

    def deliver(self, member: str, data: bytes) -> None:
        self.connection.receive_signaling(data, member, self.now)
        self.drain()

    def say(self, member: str, message: dict[str, Any]) -> None:
        for data in self.hosts[member].say(message, self.now):
            self.deliver(member, data)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            timer = self.connection.get_timer()
            moments = [moment for moment, _, _ in self._on_its_way] + ([timer] if timer is not None else [])
            if not moments or min(moments) > end:
                break
            self.now = max(self.now, min(moments))
            arrived = [known for known in self._on_its_way if known[0] <= self.now]
            self._on_its_way = [known for known in self._on_its_way if known[0] > self.now]
            for _, member, data in arrived:
                self.deliver(member, data)
            if timer is not None and timer <= self.now:
                self.connection.handle_timer(self.now)
                self.drain()
        self.now = end

    def tap(self) -> None:
        self.connection.submit(NEXT, self.now)
        self.drain()

    def told(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]


def joined(*hosts: str, **more: Any) -> Device:
    device = Device(*(hosts or ("h1",)), **more)
    device.join()
    device.run(0.2)
    assert device.told(SessionBegan) == [SessionBegan(Role.CLICK)]
    return device


# The handshake


def test_a_hello_is_repeated_each_second_until_it_is_answered() -> None:
    device = Device("h1")
    device.hosts["h1"].is_deaf = True
    device.join()
    device.run(3.5)
    assert [moment - 1000 for moment in device.hosts["h1"].hellos] == [0, 1, 2, 3]
    device.hosts["h1"].is_deaf = False
    device.run(3)
    assert len(device.hosts["h1"].hellos) == 5 and device.told(PathChanged) == [PathChanged(PathKind.SIGNALING)]


def test_the_hello_that_went_along_with_join_is_the_one_that_is_answered() -> None:
    device = Device("h1")
    handshake = device.new_handshake("")
    device.connection.start(handshake, device.now)
    hello = handshake.hello
    device.now += 0.3
    (welcome,) = device.hosts["h1"].receive(hello, device.now)
    device.join()
    device.deliver("h1", welcome)
    device.run(0.5)
    assert device.told(SessionBegan) and len(device.hosts["h1"].hellos) == 1


def test_no_two_hellos_within_a_second_whatever_the_server_provokes() -> None:
    device = joined()
    for _ in range(20):
        session = device.connection.session
        assert session is not None
        device.deliver("h1", no_session(session.wire.session))
        device.run(0.25)
    moments = device.hosts["h1"].hellos
    assert len(moments) > 4
    assert all(later - sooner >= 0.999 for sooner, later in pairwise(moments))


def test_a_handshake_that_was_made_for_something_else_is_not_used() -> None:
    device = Device("h1", "h2")
    connection = device.connection
    connection.joined((HostEntry("h1"),), (), "", device.now)
    request = connection.next_effect()
    assert isinstance(request, CreateHandshake)
    connection.joined((HostEntry("h2"),), (), "", device.now)
    connection.handshake_created(request, device.new_handshake(""), device.now)
    device.drain()
    assert (len(device.hosts["h1"].hellos), len(device.hosts["h2"].hellos)) == (0, 1)


def test_what_comes_behind_a_welcome_waits_until_it_is_read() -> None:
    device = Device("h1")
    device.is_reading = False
    device.join()
    device.run(0.05)
    (request,) = device.waiting
    host = device.hosts["h1"]
    (session,) = host.sessions.values()
    welcome = request.handshake.read_welcome(request.data)
    device.deliver("h1", no_session(session.wire.session))
    assert device.connection.counts == {}
    device.is_reading = True
    device.connection.welcome_read(request, welcome, device.now)
    device.drain()
    assert device.told(SessionBegan) and device.connection.counts["hint_believed"] >= 1


def test_a_welcome_that_is_not_ours_changes_nothing() -> None:
    device = Device("h1")
    device.hosts["h1"].is_deaf = True
    device.join()
    device.deliver("h1", bytes([WELCOME]) + bytes(100))
    device.deliver("h2", bytes([WELCOME]) + bytes(100))
    assert device.connection.counts == {"welcome_not_ours": 1, "not_from_our_host": 1}
    device.hosts["h1"].is_deaf = False
    device.run(2)
    assert device.told(SessionBegan)


# The session, doubted and replaced


def test_a_session_that_is_silent_is_doubted_and_goes_on_if_it_answers() -> None:
    """The host slept: it answers the hello first, which came first."""
    device = joined()
    host, session = device.hosts["h1"], device.connection.session
    host.is_deaf = True
    device.run(4)
    device.effects.clear()
    host.is_deaf = False
    device.run(4)
    assert device.connection.session is session and not device.told(SessionBegan)
    assert len(host.sessions) == 2, "the host made a second one, which is not used"
    device.tap()
    device.run(0.5)
    assert [receipt.status for receipt in device.told(ReceiptArrived)] == [Status.PERFORMED]


def test_a_session_that_stays_silent_is_replaced_and_its_intents_are_unknown() -> None:
    device = joined()
    host, session = device.hosts["h1"], device.connection.session
    assert session is not None
    host.is_deaf = True
    device.run(2.9)
    device.tap()
    host.sessions.clear()
    host.is_deaf = False
    receive = host.receive

    def withheld(data: bytes, now: float) -> list[bytes]:
        return [] if data[0] == SEALED and peek_session(data) == session.wire.session else receive(data, now)

    host.receive = withheld  # type: ignore[method-assign]
    device.run(2)
    assert device.connection.session is not session and len(device.told(SessionBegan)) == 2
    assert [receipt.status for receipt in device.told(ReceiptArrived)] == [Status.UNKNOWN]
    assert host.replaced[-1], "the new session names the one before"


def test_after_a_hint_the_session_is_replaced_without_waiting() -> None:
    device = joined()
    device.run(1)
    device.hosts["h1"].sessions.clear()
    device.tap()
    device.run(0.1)
    assert len(device.told(SessionBegan)) == 2
    assert device.connection.counts["hint_believed"] >= 1


def test_a_hint_that_a_data_channel_contradicts_changes_nothing() -> None:
    device = joined(makes_offers=True)
    session, host = device.connection.session, device.hosts["h1"]
    assert session is not None
    device.connection.channel_opened(1, Channel.CONTROL, False, device.now)
    (at_host,) = host.sessions.values()
    at_host.path_up("direct/1", PathKind.DIRECT, device.now)
    for effect in list(iter(device.connection.next_effect, None)):
        if isinstance(effect, SendByPeer):
            at_host.receive_frame(effect.data, "direct/1", device.now)
    while (answer := at_host.next_effect()) is not None:
        if isinstance(answer, Transmit) and answer.path == "direct/1":
            device.connection.receive_peer(answer.data, 1, Channel.CONTROL, device.now)
    assert PathChanged(PathKind.DIRECT) in list(iter(device.connection.next_effect, None))
    device.deliver("h1", no_session(session.wire.session))
    assert device.connection.counts["hint_contradicted"] == 1
    assert device.connection.session is session and len(host.hellos) == 1


def test_the_server_is_checked_while_nothing_comes_through_it() -> None:
    device = joined()
    device.run(3)
    assert not device.told(CheckServer)
    device.hosts["h1"].is_deaf = True
    device.run(2.6)
    assert device.told(CheckServer)


# Which host


def test_a_host_that_leaves_a_hello_unanswered_gives_way_to_the_next() -> None:
    device = Device("h1", "h2")
    device.hosts["h1"].is_deaf = True
    device.join()
    device.run(core.HELLO_PATIENCE + 1.2)
    assert device.connection.target == "h2" and device.told(SessionBegan)


def test_a_host_that_is_away_is_left_for_one_that_is_present_and_waited_for_if_there_is_none() -> None:
    device = joined("h1", "h2")
    device.connection.hosts_changed((HostEntry("h1", is_away=True),), device.now)
    assert device.connection.target == "h1"
    device.connection.hosts_changed((HostEntry("h1", is_away=True), HostEntry("h2")), device.now)
    device.drain()
    assert device.connection.target == "h2"
    device.run(1)
    assert len(device.told(SessionBegan)) == 2


def test_a_host_under_a_new_name_knows_the_session() -> None:
    device = joined("h1")
    device.connection.server_lost(device.now)
    device.drain()
    assert device.told(PathChanged)[-1] == PathChanged(None)
    device.hosts["h9"] = device.hosts.pop("h1")
    device.join(HostEntry("h9"))
    device.run(0.2)
    assert device.told(PathChanged)[-1] == PathChanged(PathKind.SIGNALING) and len(device.told(SessionBegan)) == 1


# The state


def test_a_gap_in_the_state_is_asked_for_once_a_second() -> None:
    device = joined()
    device.say("h1", {"type": "state", "version": 1, "deck": {"slide": 1}})
    device.say("h1", {"type": "state", "version": 2, "since": 1, "deck": {"slide": 2}})
    assert [told.state.deck.slide for told in device.told(StateChanged)] == [1, 2]
    host = device.hosts["h1"]
    host.told.clear()
    for version in (4, 5, 6):
        device.say("h1", {"type": "state", "version": version, "since": version - 1, "deck": {"slide": version}})
    assert host.told == [{"type": "get_state"}] and len(device.told(StateChanged)) == 2


def test_a_version_that_a_pong_shows_is_asked_for() -> None:
    device = joined()
    (session,) = device.hosts["h1"].sessions.values()
    session.wire.version = 7
    device.run(1.5)
    assert device.hosts["h1"].told == [{"type": "get_state"}]


def test_what_may_have_been_lost_is_said_again_when_the_server_is_back() -> None:
    device = joined(makes_offers=True)
    device.connection.offer_created(1, "o", device.now)
    device.connection.candidate_found(1, None, device.now)
    device.drain()
    host = device.hosts["h1"]
    host.told.clear()
    device.join()
    kinds = [message["type"] for message in host.told]
    assert kinds == ["offer", "candidate", "get_state"] and PathLost() in device.effects


# Peer connections


def test_an_offer_is_made_with_the_servers_that_may_be_used_and_what_the_room_wants() -> None:
    device = Device("h1", makes_offers=True)
    told = ({"urls": ["stun:server:3478"]}, {"urls": ["stun:evil:3478"]})
    device.join(ice_servers=told)
    device.run(0.1)
    (wanted,) = device.told(CreateOffer)
    assert wanted.generation == 1 and wanted.ice_servers == (IceServer(("stun:server:3478",)),)
    assert device.told(ServersRefused) == [ServersRefused(1)]
    assert device.connection.counts["ice_server_refused"] == 1


def test_a_new_session_closes_the_peers_of_the_one_before() -> None:
    device = joined(makes_offers=True)
    device.run(1)
    device.hosts["h1"].sessions.clear()
    device.tap()
    device.run(0.2)
    assert device.told(ClosePeer) == [ClosePeer(1)]
    assert [wanted.generation for wanted in device.told(CreateOffer)] == [1, 2]
    device.connection.offer_created(2, "o", device.now)
    for generation, answered in ((1, 0), (2, 1)):
        device.say("h1", {"type": "answer", "generation": generation, "sdp": "a"})
        assert len(device.told(AcceptAnswer)) == answered


def test_who_makes_no_offers_makes_none() -> None:
    device = joined()
    device.say("h1", {"type": "reoffer"})
    device.run(20)
    assert not device.told(CreateOffer)


# Sleep, and the end


def test_a_device_that_slept_looks_at_everything_at_once() -> None:
    device = joined()
    device.effects.clear()
    device.now += 60
    device.connection.handle_timer(device.now)
    device.drain()
    device.run(1)
    assert device.told(CheckServer) and not device.told(SessionBegan)


def test_what_the_host_ends_is_over() -> None:
    device = joined(makes_offers=True)
    device.say("h1", {"type": "closed", "code": "removed", "reason": "Thank you!"})
    assert device.told(ConnectionClosed) == [ConnectionClosed("removed", "Thank you!")]
    assert device.told(ClosePeer) == [ClosePeer(1)]
    assert device.connection.get_timer() is None
    hellos = len(device.hosts["h1"].hellos)
    device.join()
    device.run(10)
    assert len(device.hosts["h1"].hellos) == hellos


def test_without_a_session_nothing_is_taken() -> None:
    connection = Connection("server", random.Random(1).random)
    assert connection.submit(NEXT, 1.0) is None and connection.point([], 1.0) is None
    assert not connection.send_message(GetState(), 1.0)
    assert connection.next_effect() is None
    connection.handle_timer(2.0)
    assert connection.get_timer() == pytest.approx(2.5)


def test_a_stricter_wish_closes_what_was_made_before_and_a_looser_one_waits_for_the_next() -> None:
    device = Device("h1", makes_offers=True)
    device.join()
    device.run(0.5)
    assert device.told(CreateOffer)[-1].privacy is Privacy.BALANCED
    device.connection.set_privacy(Privacy.PRIVATE, device.now)
    device.drain()
    assert device.told(PrivacyTightened) and device.told(ClosePeer) == [ClosePeer(1)]
    assert [(offer.generation, offer.privacy) for offer in device.told(CreateOffer)] == [
        (1, Privacy.BALANCED),
        (2, Privacy.PRIVATE),
    ]
    device.effects.clear()
    device.connection.set_privacy(Privacy.OPEN, device.now)
    device.drain()
    assert [offer.privacy for offer in device.told(CreateOffer)] == [Privacy.BALANCED]
    assert not device.told(ClosePeer) and not device.told(PrivacyTightened)


def test_another_network_is_offered_another_generation_at_once() -> None:
    device = Device("h1", makes_offers=True)
    device.join()
    device.run(0.5)
    device.connection.wake(device.now)
    device.drain()
    assert len(device.told(CreateOffer)) == 1 and device.told(CheckServer) == [CheckServer()]
    device.connection.wake(device.now, is_new_network=True)
    device.drain()
    assert len(device.told(CreateOffer)) == 2


def test_what_is_outstanding_when_the_host_ends_it_gets_its_receipts_first() -> None:
    device = Device("h1")
    device.join()
    device.run(0.5)
    assert device.connection.submit(Intent(Verb.NEXT), device.now) == 1
    device.say("h1", {"type": "closed", "code": "removed", "reason": "Thank you!"})
    ends = [effect for effect in device.effects if isinstance(effect, ReceiptArrived | ConnectionClosed)]
    assert [type(effect) for effect in ends] == [ReceiptArrived, ConnectionClosed]
    assert isinstance(ends[0], ReceiptArrived) and ends[0].status in (Status.UNKNOWN, Status.EXPIRED)
