"""Media in the room: the real agent, real sealed sessions, and media connections that note what they are told."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest

from slidewire.aio.clock import monotonic
from slidewire.control import paths
from slidewire.control.intents import Intent, Role, Status, Verb
from slidewire.control.messages import Command, EndShow, MediaOffer, Received, StateMessage
from slidewire.control.privacy import Privacy
from slidewire.host.host import Host
from slidewire.host.media import router as media
from slidewire.host.media.recorder import Recorder, open_recorder
from slidewire.host.media.router import MediaOptions
from slidewire.host.media.screen_sharing import Screen, SharingError
from slidewire.host.participants.links import LinkRule, Room
from slidewire.host.participants.participant import Participant
from slidewire.host.show.pictures import Pictures
from slidewire.media.frames import Codec, Frame, Line, Sink
from slidewire.rtc.engine import IceServer, PeerError
from slidewire.rtc.media_peer import MediaEvents
from tests.support.cheat import SERVER, DishonestServer, Speaker
from tests.support.messages import as_json, say

NEXT = Intent(Verb.NEXT)
IDS = itertools.count(1)
PRESENTER = [Line.SCREEN, Line.CAMERA, Line.MICROPHONE, Line.SOUND]
OPERATOR = [Line.PROGRAM, Line.PROGRAM_SOUND, Line.TALKBACK]
PARTICIPANT_PAGE = [Line.PROGRAM, Line.PROGRAM_SOUND]
LOCAL = "candidate:1 1 udp 2130706431 192.168.1.7 50000 typ host"
PUBLIC = "candidate:2 1 udp 1694498815 198.51.100.7 50000 typ srflx raddr 192.168.1.7 rport 50000"
RELAY = "candidate:3 1 udp 16777215 203.0.113.1 50001 typ relay raddr 198.51.100.7 rport 50000"
KEY = b"\x10\x02\x00\x9d\x01\x2a" + struct.pack("<HH", 640, 360) + bytes(100)
"""The beginning of a VP8 key frame."""

SDP = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n" + "".join(f"a={text}\r\n" for text in (LOCAL, PUBLIC, RELAY))


def picture(number: int, *, key: bool = True) -> Frame:
    return Frame(Codec.VP8, bytes([number]) * 100, number * 3000, key)


def sound(number: int, size: int = 60) -> Frame:
    return Frame(Codec.OPUS, bytes([number]) * size, number * 960, is_key=True)


class Peer:
    """A media connection that is open as soon as it has answered."""

    rate = 2_000_000.0
    queue: float | None = 0.030

    def __init__(self, servers: Sequence[IceServer], events: MediaEvents, privacy: Privacy) -> None:
        self.servers, self.events, self.privacy = servers, events, privacy
        self.offers: list[str] = []
        self.candidates: list[dict[str, Any] | None] = []
        self.sent: dict[Line, list[int]] = {line: [] for line in Line}
        self.keys: list[Line] = []
        self.closed = False

    async def answer(self, sdp: str, lines: Sequence[Line]) -> str:
        if "m=" not in sdp:
            raise PeerError("it has no camera line")
        self.offers.append(sdp)
        self.events.opened()
        return SDP

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        self.candidates.append(candidate)

    def send(self, line: Line, frame: Frame) -> None:
        assert not self.closed
        self.sent[line].append(frame.data[0])

    def want_key(self, line: Line) -> None:
        self.keys.append(line)

    def codec(self, line: Line) -> Codec | None:
        return Codec.H264 if line.is_video else Codec.OPUS

    def give_way(self) -> None:
        self.rate /= 2
        self.events.rate(self.rate)

    def statistics(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None:
        self.closed = True


class Watcher:
    def __init__(self, screen: FakeScreen, sink: Sink, codec: Codec, rate: float) -> None:
        self.screen, self.sink, self.codec, self.rates, self.keys = screen, sink, codec, [rate], 0

    def set_rate(self, bits: float) -> None:
        self.rates.append(bits)

    def want_key(self) -> None:
        self.keys += 1

    def leave(self) -> None:
        self.screen.watchers.remove(self)


class FakeScreen:
    def __init__(self) -> None:
        self.problem: str | None = None
        self.changed: Callable[[], None] = lambda: None
        self.watchers: list[Watcher] = []
        self.stopped = False

    def watch(self, sink: Sink, codec: Codec, rate: float) -> Watcher:
        self.watchers.append(Watcher(self, sink, codec, rate))
        return self.watchers[-1]

    async def stop(self) -> None:
        self.stopped = True


class Visitor:
    """Somebody with a page: what it is told of media."""

    def __init__(self, show: Show, speaker: Speaker, rule: LinkRule) -> None:
        self.show, self.speaker, self.rule = show, speaker, rule
        self.told: list[dict[str, Any]] = []
        self.generation = 0
        connection = speaker.connection
        arrived = connection._message_arrived

        def noting(message: Received) -> None:
            if not isinstance(message, StateMessage):
                self.told.append(as_json(message))
            arrived(message)

        connection._message_arrived = noting  # type: ignore[method-assign]

    async def until(self, true: Callable[[], object]) -> None:
        await self.speaker.until(true)

    @property
    def participant(self) -> Participant:
        (found,) = [
            g for g in self.show.agent.participants.values() if g.link.id == self.rule.id and g.session.established
        ]
        return found

    @property
    def state(self) -> dict[str, Any]:
        return self.speaker.states[-1]

    @property
    def media(self) -> dict[str, Any]:
        found: dict[str, Any] = self.state["media"]
        return found

    async def say(self, kind: str, **fields: Any) -> None:
        session = self.speaker.connection.core.session
        assert session is not None
        say(session, type=kind, **fields)
        self.speaker.connection._drain()

    async def hears(self, kind: str, **fields: Any) -> dict[str, Any]:
        def fits(message: dict[str, Any]) -> bool:
            return message["type"] == kind and all(message.get(name) == value for name, value in fields.items())

        await self.until(lambda: any(map(fits, self.told)))
        return next(filter(fits, self.told))

    async def command(self, name: str, **fields: Any) -> dict[str, Any]:
        id_ = next(IDS)
        await self.say("command", id=id_, name=name, **fields)
        return await self.hears("reply", id=id_)

    async def offer(self, lines: Sequence[Line], sdp: str = SDP, **fields: Any) -> None:
        self.generation += 1
        await self.say("media_offer", generation=self.generation, sdp=sdp, lines=list(lines), **fields)

    async def connect(self, lines: Sequence[Line], **on: bool) -> Peer:
        count = len(self.show.peers)
        await self.offer(lines)
        await self.hears("media_answer", generation=self.generation)
        if on:
            await self.say("media_on", **on)
        assert len(self.show.peers) == count + 1
        return self.show.peers[-1]


class Show:
    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.screens: list[FakeScreen] = []
        self.shared: list[str] = []
        self.broken: str | None = None
        self.audit: list[tuple[str, dict[str, Any]]] = []
        self.server = DishonestServer()
        self._members = map("m{}".format, itertools.count(1))

    def options(self, **fields: Any) -> MediaOptions:
        def make_peer(servers: Sequence[IceServer], events: MediaEvents, privacy: Privacy) -> Peer:
            self.peers.append(Peer(servers, events, privacy))
            return self.peers[-1]

        async def open_screen(choice: str) -> Screen:
            if self.broken is not None:
                raise SharingError(self.broken)
            self.shared.append(choice)
            self.screens.append(FakeScreen())
            return self.screens[-1]

        return MediaOptions(make_peer, open_screen=open_screen, **fields)

    async def begin(self, options: MediaOptions | None) -> Host:
        room = Room(b"t" * 16, SERVER, "", code="ROOM22")
        for role, page in ((Role.CLICK, "p"), (Role.OPERATOR, "operator"), (Role.VIEW, "program"), (Role.VIEW, "deck")):
            room.make_link(role, page)
        self.agent = await self.server.add_host("h1", room, options)
        self.agent.audit = lambda event, /, **fields: self.audit.append((event, fields))
        return self.agent

    async def visitor(self, rule: LinkRule) -> Visitor:
        speaker = self.server.add_presenter(next(self._members), rule)
        await speaker.ready()
        return Visitor(self, speaker, rule)

    async def presenter(self, **rules: Any) -> Visitor:
        return await self.visitor(self.agent.room.make_link(rules.pop("role", Role.CLICK), **rules))

    async def operator(self) -> Visitor:
        return await self.visitor(self.agent.room.make_link(Role.OPERATOR, "operator"))


@pytest.fixture
async def show() -> AsyncIterator[Show]:
    show = Show()
    await show.begin(show.options())
    yield show
    await show.server.close()
    assert all(peer.closed for peer in show.peers) and all(screen.stopped for screen in show.screens)


# The connection


async def test_an_offer_is_answered_and_a_newer_one_takes_its_place(show: Show) -> None:
    ada = await show.presenter()
    first = await ada.connect(PRESENTER)
    second = await ada.connect(PRESENTER)
    await ada.until(lambda: first.closed)
    assert not second.closed and len(show.peers) == 2
    await ada.say("media_close", generation=1)  # late: it is not about this one
    await ada.say("media_close", generation=2)
    await ada.until(lambda: second.closed)
    assert (await ada.speaker.tap(NEXT)).status is Status.PERFORMED


async def test_an_offer_said_again_is_answered_again_by_the_same_connection(show: Show) -> None:
    ada = await show.presenter()
    await ada.connect(PRESENTER)
    show.peers[0].events.candidate({"candidate": RELAY})
    await ada.hears("media_candidate")
    said = [message for message in ada.told if message["type"].startswith("media_")]
    await ada.say("media_offer", generation=1, sdp=SDP, lines=PRESENTER)
    await ada.until(lambda: len(ada.told) == 2 * len(said))
    assert ada.told == 2 * said and len(show.peers) == 1


async def test_candidates_right_behind_the_offer_find_their_connection(show: Show) -> None:
    ada = await show.presenter()
    await ada.offer(PRESENTER)
    await ada.say("media_candidate", generation=1, candidate={"candidate": RELAY})
    await ada.say("media_candidate", generation=1, candidate=None)
    await ada.until(lambda: show.peers and len(show.peers[0].candidates) == 2)
    assert show.peers[0].candidates[1] is None


@pytest.mark.parametrize("room", list(Privacy))
@pytest.mark.parametrize("wanted", [None, *Privacy])
@pytest.mark.parametrize("near", [False, True])
async def test_privacy_is_the_stricter_one_in_both_directions(
    show: Show, room: Privacy, wanted: Privacy | None, near: bool
) -> None:
    show.agent.privacy, show.agent.network = room, "here"
    ada = await show.presenter()
    fields = {"privacy": wanted} if wanted else {}
    await ada.offer(PRESENTER, **fields, network="here" if near else "there")
    answer = await ada.hears("media_answer")
    for text in (LOCAL, PUBLIC, RELAY):
        show.peers[0].events.candidate({"candidate": text.replace("5000", "6000")})
        await ada.say("media_candidate", generation=1, candidate={"candidate": text.replace("5000", "6000")})
    show.peers[0].events.candidate(None)
    await ada.hears("media_candidate", candidate=None)
    await ada.say("media_candidate", generation=1, candidate=None)
    await ada.until(lambda: None in show.peers[0].candidates)

    policy = max(room, wanted or Privacy.OPEN, key=list(Privacy).index)
    assert show.peers[0].privacy is policy and answer.get("network") == ("here" if near else None)
    told = [m["candidate"]["candidate"] for m in ada.told if m["type"] == "media_candidate" and m["candidate"]]
    heard = [candidate["candidate"] for candidate in show.peers[0].candidates if candidate]
    for passed in (answer["sdp"], show.peers[0].offers[0], *map("".join, (told, heard))):
        assert ("192.168.1.7" in passed) == (policy is Privacy.OPEN or (policy is Privacy.BALANCED and near))
        assert ("198.51.100.7" in passed) == (policy is not Privacy.PRIVATE)
        assert "203.0.113.1" in passed


async def test_only_servers_that_the_host_knows_are_used(show: Show) -> None:
    own = {"urls": ["stun:clicker.example:3478"]}
    show.agent._hosts_allowed = frozenset({"clicker.example"})
    show.agent.ice_servers_are([own, {"urls": ["stun:evil.example:3478"]}])
    ada = await show.presenter()
    peer = await ada.connect(PRESENTER)
    assert [server.urls for server in peer.servers] == [("stun:clicker.example:3478",)]


# Refusals


async def test_offers_that_are_refused_say_why(show: Show) -> None:
    viewer, ada = await show.presenter(role=Role.VIEW), await show.presenter()
    stranger = await show.presenter(by_hand=True)
    deck = await show.visitor(show.agent.room.first("deck"))
    for who, lines, sdp, code in (
        (viewer, PRESENTER, SDP, "role"),
        (viewer, PARTICIPANT_PAGE, SDP, "role"),
        (deck, PARTICIPANT_PAGE, SDP, "role"),
        (ada, OPERATOR, SDP, "role"),
        (stranger, PRESENTER, SDP, "not_admitted"),
        (ada, PRESENTER, "nonsense", "offer_unusable"),
    ):
        await who.offer(lines, sdp)
        refused = await who.hears("media_refused", generation=who.generation)
        assert refused["code"] == code and refused["message"].endswith(".")
    await viewer.connect([Line.SCREEN])
    assert [peer.closed for peer in show.peers] == [True, False]


async def test_offers_without_end_are_refused_and_clicks_go_on(show: Show) -> None:
    ada = await show.presenter()
    for _ in range(30):
        await ada.offer(PRESENTER)
    await ada.hears("media_refused", code="rate", generation=30)
    assert len(show.peers) <= 8
    assert (await ada.speaker.tap(NEXT)).status is Status.PERFORMED


async def test_pages_without_end_by_one_link_leave_places_for_the_others(show: Show) -> None:
    link = show.agent.room.make_link(Role.CLICK)
    many = [await show.visitor(link) for _ in range(53)]
    for each in many[:52]:
        await each.connect(PRESENTER)
    await many[52].offer(PRESENTER)
    refused = await many[52].hears("media_refused", generation=1)
    assert refused["code"] == "link_full" and "Ask the operator" in refused["message"]

    boss = await show.operator()
    await boss.connect(OPERATOR)
    others = show.agent.room.make_link(Role.CLICK)
    crowd = [await show.visitor(others) for _ in range(5)]
    for each in crowd[:4]:
        await each.connect(PRESENTER)
    await crowd[4].offer(PRESENTER)
    await crowd[4].hears("media_refused", code="link_full")

    speaking = await many[7].connect(PRESENTER)  # who has a place may make its connection anew
    assert not speaking.closed
    assert (await many[52].speaker.tap(NEXT)).status is Status.PERFORMED


async def test_there_is_an_end_to_places_for_all(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "CONNECTIONS", 2)
    ada, bob, boss = await show.presenter(), await show.presenter(), await show.operator()
    await ada.connect(PRESENTER)
    await boss.connect(OPERATOR)
    await bob.offer(PRESENTER)
    assert "Try again" in (await bob.hears("media_refused", code="full"))["message"]
    await ada.say("media_close", generation=1)
    await ada.until(lambda: show.peers[0].closed)
    await bob.connect(PRESENTER)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "media_offer"},
        {"type": "media_offer", "generation": "1", "sdp": "", "lines": ["screen"]},
        {"type": "media_offer", "generation": 1, "sdp": 7, "lines": ["screen"]},
        {"type": "media_offer", "generation": 1, "sdp": "", "lines": ["screen", "screen"]},
        {"type": "media_offer", "generation": 1, "sdp": "", "lines": ["x-ray"]},
        {"type": "media_offer", "generation": 1, "sdp": "", "lines": []},
        {"type": "media_offer", "generation": True, "sdp": "", "lines": ["screen"]},
        {"type": "media_on", "camera": 1},
        {"type": "media_candidate", "candidate": None},
    ],
)
async def test_nonsense_is_answered_and_does_nothing(show: Show, message: dict[str, Any]) -> None:
    ada = await show.presenter()
    await ada.say(**{"kind": message["type"], **{k: v for k, v in message.items() if k != "type"}})
    await ada.hears("error", code="malformed")
    assert not show.peers


async def test_where_media_are_turned_off_everything_is_refused() -> None:
    show = Show()
    await show.begin(None)
    try:
        ada, boss = await show.presenter(), await show.operator()
        assert not any(ada.media.values()) and boss.state["room"]["media"]["problem"]
        await ada.offer(PRESENTER)
        await ada.hears("media_refused", code="off")
        for name in ("share_screen", "record"):
            assert (await boss.command(name, on=True))["error"]["code"] == "media_off"
        assert (await boss.command("on_air", session=ada.participant.id))["error"]["code"] == "media_off"
    finally:
        await show.server.close()


# Who sees whom


async def test_the_first_who_turns_a_camera_on_is_on_air_and_seen(show: Show) -> None:
    ada, bob, boss = await show.presenter(), await show.presenter(), await show.operator()
    page = await show.visitor(show.agent.room.first("program"))
    a, b = await ada.connect(PRESENTER), await bob.connect(PRESENTER)
    watching = [await boss.connect(OPERATOR), await page.connect(PARTICIPANT_PAGE)]
    await ada.say("media_on", camera=True, microphone=False, screen=False)
    await ada.until(lambda: ada.media["on_air"])
    await bob.say("media_on", camera=True, microphone=True, screen=False)
    await boss.until(lambda: sum(p["camera"] for p in boss.state["room"]["presenters"]) == 2)
    told = {p["session"]: (p["camera"], p["microphone"], p["on_air"]) for p in boss.state["room"]["presenters"]}
    assert told[ada.participant.id] == (True, False, True) and told[bob.participant.id] == (True, True, False)
    assert not bob.media["on_air"]

    await page.until(lambda: page.media["on_air"] and not page.media["camera"])
    a.events.frame(Line.CAMERA, picture(1))
    a.events.frame(Line.MICROPHONE, sound(2))
    b.events.frame(Line.CAMERA, picture(3))
    b.events.frame(Line.MICROPHONE, sound(4))
    for peer in watching:
        assert peer.sent[Line.PROGRAM] == [1] and peer.sent[Line.PROGRAM_SOUND] == [2]
    assert a.keys == [Line.CAMERA] and ("put_on_air", ada.participant.id) == (
        show.audit[-1][0],
        int(show.audit[-1][1]["session"], 16),
    )


async def test_switching_who_is_on_air_sends_nothing_old_and_begins_with_a_key_frame(show: Show) -> None:
    ada, bob, boss = await show.presenter(), await show.presenter(), await show.operator()
    a, b, watching = await ada.connect(PRESENTER), await bob.connect(PRESENTER), await boss.connect(OPERATOR)
    await ada.say("media_on", camera=True)
    await ada.until(lambda: ada.media["on_air"])
    a.events.frame(Line.CAMERA, picture(1))
    assert (await boss.command("on_air", session=bob.participant.id))["ok"]
    a.events.frame(Line.CAMERA, picture(2))
    b.events.frame(Line.CAMERA, picture(3, key=False))
    b.events.frame(Line.CAMERA, picture(4))
    assert b.keys[0] is Line.CAMERA
    await bob.until(lambda: bob.media["on_air"] and not ada.media["on_air"])
    assert (await boss.command("on_air", session=None))["ok"]
    b.events.frame(Line.CAMERA, picture(5))
    assert watching.sent[Line.PROGRAM] == [1, 4]
    assert [event for event, _ in show.audit if "air" in event] == ["put_on_air", "put_on_air", "taken_off_air"]

    # Who was taken off air does not come back by switching the camera off and on: operators decide now.
    for camera in (False, True):
        await bob.say("media_on", camera=camera)
    await boss.until(lambda: sum(p["camera"] for p in boss.state["room"]["presenters"]) == 2)
    assert not any(p["on_air"] for p in boss.state["room"]["presenters"])


async def test_key_frames_that_watchers_ask_for_are_asked_of_the_source_once_a_second(show: Show) -> None:
    ada, boss = await show.presenter(), await show.operator()
    page = await show.visitor(show.agent.room.first("program"))
    a = await ada.connect(PRESENTER, camera=True)
    await ada.until(lambda: ada.media["on_air"])
    watching = [await boss.connect(OPERATOR), await page.connect(PARTICIPANT_PAGE)]
    for _ in range(10):
        for peer in watching:
            peer.events.key_wanted(Line.PROGRAM)
    assert a.keys == [Line.CAMERA]


async def test_who_may_not_be_on_air_is_not(show: Show) -> None:
    viewer, boss = await show.presenter(role=Role.VIEW), await show.operator()
    await viewer.say("media_on", camera=True, microphone=True)
    await boss.connect(OPERATOR, microphone=True)
    for session, code in ((viewer.participant.id, "role"), (boss.participant.id, "role"), (7, "presenter_unknown")):
        assert (await boss.command("on_air", session=session))["error"]["code"] == code
    assert not any(p["on_air"] or p["camera"] for p in boss.state["room"]["presenters"])
    assert (await viewer.command("on_air", session=None))["error"]["code"] == "not_allowed"


@pytest.mark.parametrize("how", ["mute", "remove", "revoke", "expire", "leave"])
async def test_the_media_of_who_is_sent_away_end_at_once(show: Show, how: str) -> None:
    ada, boss = await show.presenter(), await show.operator()
    a, watching = await ada.connect(PRESENTER, camera=True), await boss.connect(OPERATOR)
    await ada.until(lambda: ada.media["on_air"])
    a.events.frame(Line.CAMERA, picture(1))
    participant, agent = ada.participant, show.agent
    if how == "mute":
        await boss.command("mute", session=participant.id, muted=True)
    elif how == "remove":
        await boss.command("remove", session=participant.id)
    elif how == "revoke":
        await boss.command("revoke_link", link=ada.rule.id)
    elif how == "expire":
        agent.change_rule(replace(participant.link, expires=1.0))
        agent._maintain(monotonic())
    else:
        participant.has_left = True
        participant.last_heard -= 3
        agent._maintain(monotonic())
    a.events.frame(Line.CAMERA, picture(2))
    assert watching.sent[Line.PROGRAM] == [1]
    await boss.until(lambda: not any(p["on_air"] for p in boss.state["room"]["presenters"]))
    if how == "mute":
        assert not a.closed and (await boss.command("on_air", session=participant.id))["error"]["code"] == "muted"
    else:
        await boss.until(lambda: a.closed)


@pytest.mark.parametrize("role", [Role.CLICK, Role.OPERATOR])
async def test_who_was_sent_away_gets_nothing_in_the_moment_its_connections_last(show: Show, role: Role) -> None:
    ada = await show.presenter(role=role)
    participant, agent = ada.participant, show.agent
    agent.dismiss(participant, "removed", "The operator removed you from the show.")
    agent.message_arrived(participant, MediaOffer(1, SDP, ["screen"]))
    agent.message_arrived(participant, Command(1, EndShow()))
    assert show.peers == [] and not agent.room.ended


def shake_hands_again(visitor: Visitor) -> None:
    connection = visitor.speaker.connection
    connection.core._shake_hands(monotonic(), is_doubt=False)
    connection._drain()


async def test_who_comes_back_in_a_new_session_is_still_on_air(show: Show) -> None:
    ada, boss = await show.presenter(), await show.operator()
    a = await ada.connect(PRESENTER, camera=True)
    await ada.until(lambda: ada.media["on_air"])
    old = ada.participant.id
    shake_hands_again(ada)
    await ada.until(lambda: ada.participant.id != old and ada.media["on_air"])
    again = await ada.connect(PRESENTER, camera=True)
    await ada.until(lambda: a.closed)
    watching = await boss.connect(OPERATOR)
    again.events.frame(Line.CAMERA, picture(1))
    assert watching.sent[Line.PROGRAM] == [1] and [event for event, _ in show.audit].count("put_on_air") == 1


async def test_who_comes_back_as_another_device_that_nobody_let_in_has_no_media(show: Show) -> None:
    boss, ada = await show.operator(), await show.presenter(by_hand=True)
    await boss.command("admit", session=ada.participant.id)
    await ada.until(lambda: ada.participant.admitted)
    a = await ada.connect(PRESENTER, camera=True)
    await ada.until(lambda: ada.media["on_air"])
    old = ada.participant.id
    ada.speaker.connection._device = "another"
    shake_hands_again(ada)
    await ada.until(lambda: ada.participant.id != old)
    assert not ada.participant.admitted
    await boss.until(lambda: a.closed and not any(p["on_air"] for p in boss.state["room"]["presenters"]))


async def test_what_one_operator_says_is_heard_by_every_presenter_and_by_one_at_a_time(show: Show) -> None:
    ada, bob, boss, chief = [await show.presenter() for _ in "ab"] + [await show.operator() for _ in "bc"]
    ears = [await ada.connect(PRESENTER), await bob.connect(PRESENTER)]
    first, second = await boss.connect(OPERATOR), await chief.connect(OPERATOR)
    first.events.frame(Line.TALKBACK, sound(1))
    second.events.frame(Line.TALKBACK, sound(2))
    first.events.frame(Line.TALKBACK, sound(3))
    assert [ear.sent[Line.SOUND] for ear in ears] == [[1, 3]] * 2
    await boss.say("media_close", generation=1)
    await boss.until(lambda: first.closed)
    second.events.frame(Line.TALKBACK, sound(4))
    assert [ear.sent[Line.SOUND] for ear in ears] == [[1, 3, 4]] * 2
    assert not second.sent[Line.PROGRAM_SOUND]


# The screen


async def test_the_screen_is_shared_seen_by_who_shows_it_and_hidden_again(show: Show) -> None:
    ada, bob, boss = await show.presenter(), await show.presenter(role=Role.VIEW), await show.operator()
    a = await ada.connect(PRESENTER, screen=True)
    await bob.connect([Line.SCREEN])  # it does not show it
    assert not ada.media["screen"]
    assert (await boss.command("share_screen", on=True))["ok"]
    await ada.until(lambda: ada.media["screen"] and bob.media["screen"])
    await boss.until(lambda: boss.state["room"]["media"]["screen"])
    (screen,) = show.screens
    (watcher,) = screen.watchers
    assert watcher.codec is Codec.H264 and watcher.rates[0] > 1_000_000 and show.shared == ["screen"]
    watcher.sink.take(picture(1))
    a.events.key_wanted(Line.SCREEN)
    assert a.sent[Line.SCREEN] == [1] and watcher.keys >= 1
    a.rate = 300_000
    a.events.rate(300_000)
    assert watcher.rates[-1] == 300_000
    await bob.say("media_on", screen=True)
    await bob.until(lambda: len(screen.watchers) == 2)
    await bob.say("media_on", screen=False)
    await bob.until(lambda: len(screen.watchers) == 1)
    await boss.command("share_screen", on=False)
    await ada.until(lambda: not ada.media["screen"])
    assert screen.stopped and not screen.watchers
    assert [event for event, _ in show.audit if "screen" in event] == ["screen_shared", "screen_hidden"]


async def test_a_screen_that_cannot_be_shared_is_a_sentence_for_operators(show: Show) -> None:
    boss, ada = await show.operator(), await show.presenter()
    show.broken = "There is no screen."
    assert (await boss.command("share_screen", on=True))["ok"]
    await boss.until(lambda: boss.state["room"]["media"]["problem"] == show.broken)
    assert not boss.state["room"]["media"]["screen"] and not ada.media["screen"]
    await boss.command("share_screen", on=False)
    await boss.until(lambda: boss.state["room"]["media"]["problem"] is None)
    show.broken = None
    await boss.command("share_screen", on=True)
    await boss.until(lambda: boss.state["room"]["media"]["screen"] and not boss.state["room"]["media"]["problem"])
    show.screens[0].problem = "the monitor was unplugged"
    show.screens[0].changed()
    await boss.until(lambda: "unplugged" in (boss.state["room"]["media"]["problem"] or ""))


async def test_it_may_be_shared_from_the_start() -> None:
    show = Show()
    await show.begin(show.options(share="2"))
    ada = await show.presenter()
    assert ada.media["screen"] and show.shared == ["2"]
    await show.server.close()
    assert show.screens[0].stopped


async def test_pictures_come_behind_the_clicks_of_who_sees_the_screen_live(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, boss = await show.presenter(), await show.operator()
    pictures, participant = show.agent.pictures, ada.participant

    async def waited(*, clicking: bool) -> float:
        """On a clock that stands still but for the waiting."""
        participant.clicked_at = began = now = 1000.0

        async def sleep(seconds: float) -> None:
            nonlocal now
            if clicking:
                participant.clicked_at = now + seconds / 2
            now += seconds

        with monkeypatch.context() as patch:
            patch.setattr("slidewire.host.show.pictures.monotonic", lambda: now)
            patch.setattr("slidewire.host.show.pictures.asyncio", SimpleNamespace(sleep=sleep))
            await pictures._let_clicks_pass(participant)
        return now - began

    assert await waited(clicking=True) == 0, "it sees no screen"
    await ada.connect(PRESENTER, screen=True)
    await boss.command("share_screen", on=True)
    await ada.until(lambda: show.agent.media.sees_live(participant))
    assert await waited(clicking=False) == Pictures.BEHIND_CLICKS
    assert await waited(clicking=True) == Pictures.AT_MOST
    await ada.say("media_on", screen=False)
    await ada.until(lambda: not show.agent.media.sees_live(participant))
    assert await waited(clicking=True) == 0


# The recording


async def recorded(path: Path) -> dict[str, int]:
    """How many packets of each kind are in the file."""
    with av.open(path) as container:
        return dict(Counter(packet.stream.type for packet in container.demux() if packet.size))


async def test_who_is_on_air_is_recorded_and_told(tmp_path: Path) -> None:
    show = Show()
    await show.begin(show.options(record=tmp_path / "videos"))
    ada, bob, boss = await show.presenter(), await show.presenter(), await show.operator()
    a, b = await ada.connect(PRESENTER, camera=True, microphone=True), await bob.connect(PRESENTER, camera=True)
    await ada.until(lambda: ada.media["on_air"] and ada.media["recording"])
    assert not bob.media["recording"] and boss.state["room"]["media"]["recording"]
    for number in range(10):
        for peer in (a, b):
            peer.events.frame(Line.CAMERA, replace(picture(number), data=KEY))
            peer.events.frame(Line.MICROPHONE, sound(number))
    assert (await boss.command("record", on=False))["ok"]
    await ada.until(lambda: not ada.media["recording"])
    a.events.frame(Line.CAMERA, replace(picture(10), data=KEY))
    assert (await boss.command("record", on=True))["ok"]
    await ada.until(lambda: ada.media["recording"])
    await boss.command("mute", session=ada.participant.id, muted=True)
    await ada.until(lambda: not ada.media["recording"])
    await show.server.close()
    (first,) = (tmp_path / "videos").iterdir()  # of the second, in which nothing came, nothing is left
    kinds = await recorded(first)
    assert 0 < kinds["video"] <= 10 and 0 < kinds["audio"] <= 10, "one presenter's"
    assert [event for event, _ in show.audit if "recording" in event] == ["recording_ended", "recording_began"]


async def test_where_no_folder_was_given_nothing_is_recorded_and_it_is_said_how(show: Show) -> None:
    boss = await show.operator()
    error = (await boss.command("record", on=True))["error"]
    assert error["code"] == "no_folder" and "--record" in error["message"]
    assert not boss.state["room"]["media"]["recording"]


async def test_a_recording_that_cannot_go_on_is_said_and_over(tmp_path: Path) -> None:
    show = Show()
    await show.begin(show.options(record=tmp_path))
    boss = await show.operator()
    recorder = show.agent.media._recorder
    assert recorder is not None
    recorder._fail("There is no room left.")
    await boss.until(lambda: boss.state["room"]["media"]["problem"] == "There is no room left.")
    assert not boss.state["room"]["media"]["recording"]
    assert (await boss.command("record", on=True))["ok"]
    await boss.until(lambda: boss.state["room"]["media"]["recording"] and not boss.state["room"]["media"]["problem"])
    await show.server.close()


async def test_a_folder_that_is_no_more_is_said_and_recording_begins_when_it_is_back(tmp_path: Path) -> None:
    show = Show()
    folder = tmp_path / "videos"
    await show.begin(show.options(record=folder))
    boss = await show.operator()
    assert (await boss.command("record", on=False))["ok"]
    await boss.until(lambda: not boss.state["room"]["media"]["recording"])
    folder.rename(tmp_path / "before")
    folder.write_text("in the way")
    assert (await boss.command("record", on=True))["ok"]
    await boss.until(lambda: "a file is in the way" in (boss.state["room"]["media"]["problem"] or ""))
    assert not boss.state["room"]["media"]["recording"]
    assert show.audit[-1] == ("recording_ended", {"who": "the host", "reason": "failed"})
    folder.unlink()
    assert (await boss.command("record", on=True))["ok"]
    await boss.until(lambda: boss.state["room"]["media"]["recording"] and not boss.state["room"]["media"]["problem"])
    await show.server.close()


async def test_who_thinks_better_of_it_while_the_disk_takes_its_time_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = Show()
    await show.begin(show.options(record=tmp_path))
    boss = await show.operator()
    assert (await boss.command("record", on=False))["ok"]
    await boss.until(lambda: not boss.state["room"]["media"]["recording"])
    goes_on, opened = asyncio.Event(), list[Recorder]()

    async def slowly(*arguments: Any) -> Recorder:
        await goes_on.wait()
        opened.append(await open_recorder(*arguments))
        return opened[-1]

    monkeypatch.setattr(media, "open_recorder", slowly)
    for on in (True, False, True, True, False):
        assert (await boss.command("record", on=on))["ok"]
    goes_on.set()
    await boss.until(lambda: opened and opened[0]._closed)
    assert not boss.state["room"]["media"]["recording"] and show.agent.media._recorder is None
    assert (await boss.command("record", on=True))["ok"]
    await boss.until(lambda: boss.state["room"]["media"]["recording"])
    assert len(opened) == 2
    await show.server.close()


# Clicks first


async def test_media_of_a_page_whose_clicks_suffer_give_way(show: Show) -> None:
    """Only that page's, and the sound of an operator leaves less for its screen."""
    ada, bob, boss = await show.presenter(), await show.presenter(), await show.operator()
    a, b = await ada.connect(PRESENTER, screen=True), await bob.connect(PRESENTER, screen=True)
    talking = await boss.connect(OPERATOR)
    await boss.command("share_screen", on=True)
    await boss.until(lambda: show.screens and len(show.screens[0].watchers) == 2)
    near, far = show.screens[0].watchers
    media, page = show.agent.media, show.agent.media._pages[ada.participant.id]
    (path,) = ada.participant.session.wire.paths._paths.values()
    now = monotonic()
    for latest, after in ((0.020, 1), (0.090, 2), (0.090, 3)):
        path.latest, path.last_pong = latest, now + after
        media._look_at(page, now + after)
    assert (a.rate, b.rate) == (1_000_000, 2_000_000)
    assert (near.rates[-1], far.rates[-1]) == (1_000_000, 2_000_000)
    talking.events.frame(Line.TALKBACK, sound(1))
    assert (near.rates[-1], far.rates[-1]) == (960_000, 1_960_000)


async def test_operators_see_how_a_camera_comes_in(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slidewire.host.media.link_quality.EVERY", 0.1)
    ada, boss = await show.presenter(), await show.operator()

    def seen() -> Any:
        return next(p["reception"] for p in boss.state["room"]["presenters"] if p["session"] == ada.participant.id)

    peer = await ada.connect(PRESENTER, camera=True)
    await boss.until(lambda: any(p["camera"] for p in boss.state["room"]["presenters"]))
    assert seen() is None
    packets = itertools.count(0, 95)
    monkeypatch.setattr(
        peer, "statistics", lambda: {"camera": {"bytes": 0, "packets": (n := next(packets)), "lost": n * 5 // 95}}
    )
    await boss.until(lambda: seen() == {"kbps": 10, "lost": 5, "gone": 0})
    await ada.say("media_on", camera=False)
    await boss.until(lambda: seen() is None)


async def test_the_round_trip_of_clicks_is_looked_at_while_there_are_media(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await show.presenter()
    await ada.until(lambda: ada.participant.best_path()[1] is not None)
    await ada.connect(PRESENTER)
    (path,) = ada.participant.session.wire.paths._paths.values()
    pings = 0

    def counted() -> bool:
        nonlocal pings
        if path.last_ping != counted.last:  # type: ignore[attr-defined]
            pings, counted.last = pings + 1, path.last_ping  # type: ignore[attr-defined]
        return pings >= 4

    counted.last = path.last_ping  # type: ignore[attr-defined]
    monkeypatch.setattr(paths, "PING_INTERVAL", 3600.0)  # without media there would be no more of them
    await ada.until(counted)
    assert path.unanswered == 0 and path.loss == 0
