"""A show with a speaker and participants that keep to nothing: the real host, real sessions, simulated time.

One to four of them hold a link of any role, also the speaker's own. They say whatever `slidewire.testing.hostile`
makes up, by way of the server and by data channels, one frame a second or hundreds at once; they leave, come back, and
shake hands anew. An operator's commands are aimed at each other and at nobody: an operator may send the speaker away.

After every play:

- the speaker clicked, and each click was performed once, in time, and has one receipt, which says so;
- nobody sent the speaker away;
- nothing was raised, in no task and behind no `except` that logs it; the log has no line for every frame;
- what the host holds of them has an end, and when it is closed, nothing of it runs.

The server carries, as it does, without delay and in order; the simulation of `slidewire.testing.world` has the weather.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from slidewire.audit.log import START, chained
from slidewire.control.handshake import PresenterHandshake
from slidewire.control.intents import Intent, Role, Status, Verb
from slidewire.control.introduction import Introduction
from slidewire.control.paths import PathKind
from slidewire.control.presenter_session import PresenterSession, ReceiptArrived
from slidewire.control.privacy import Privacy
from slidewire.control.records import IntroductionRecord, encode
from slidewire.control.seal import LAST_COUNTER, WELCOME
from slidewire.host.host import PRESENTERS_PER_LINK, UNPROVEN_PARTICIPANTS, Host
from slidewire.host.participants.commands import Commands
from slidewire.host.participants.links import LinkRule, Room
from slidewire.presenter.connection import PresenterConnection, PresenterEvents
from slidewire.rtc.engine import Channel, IceServer, PeerError, PeerEvents
from slidewire.signaling.client import Presence
from slidewire.testing.deck import MemoryDeck
from slidewire.testing.hostile import DESCRIPTION, HIGHEST_SLIDE, HostileSpeech
from tests.support.simulated_loop import SimulatedLoop, simulated

SERVER: Final = "https://clicker.example"
CLICKS: Final = 12
IN_TIME: Final = 0.5
"""Simulated seconds from the click to its receipt. The deck takes up to 20 ms, and serves one participant at a time."""
FRAME_TAKES: Final = 30e-6
"""What carrying a frame costs the host in simulated time, so that a flood is one."""
MOST_FRAMES: Final = 700
"""Of all hostile participants of a play together."""
MOST_LINES: Final = 40
"""Of the log, from WARNING on, for each time that one of them came."""


class Peer:
    """A peer connection whose other end does what it likes. It is open as soon as it is answered, or never."""

    is_relayed = False

    def __init__(self, dice: random.Random, events: PeerEvents) -> None:
        self.dice, self.events = dice, events
        self.open: set[Channel] = set()
        self.is_closed = False

    async def offer(self) -> str:
        return DESCRIPTION

    async def answer(self, sdp: str) -> str:
        await asyncio.sleep(self.dice.choice((0.0, 0.01)))
        if self.dice.random() < 0.2:
            raise PeerError("the description cannot be used")
        asyncio.get_running_loop().call_later(self.dice.choice((0.0, 0.02)), self._come_up)
        return DESCRIPTION

    def _come_up(self) -> None:
        for channel in self.dice.sample(tuple(Channel), self.dice.randrange(3)):
            if not self.is_closed:
                self.open.add(channel)
                self.events.opened(channel)

    def fail(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.open.clear()
            self.events.closed()

    async def accept_answer(self, sdp: str) -> None:
        pass

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        pass

    def send(self, channel: Channel, data: bytes) -> bool:
        return channel in self.open

    def has_room(self, channel: Channel) -> bool:
        return channel in self.open and self.dice.random() < 0.7

    async def wait_for_room(self, channel: Channel) -> bool:
        await asyncio.sleep(self.dice.choice((0.001, 0.2)))
        return channel in self.open

    async def close(self) -> None:
        self.is_closed = True
        self.open.clear()


class Engine:
    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.peers: list[Peer] = []

    def create_peer(self, ice_servers: Sequence[IceServer], events: PeerEvents, privacy: Privacy) -> Peer:
        self.peers.append(Peer(self.dice, events))
        return self.peers[-1]


class Server:
    """It hands over what members and the host say to each other."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.loop = loop
        self.agent: Host | None = None
        self.members: dict[str, Callable[[bytes], None]] = {}
        self.removed: list[str] = []

    # What the host asks of it

    def send(self, to: str, data: bytes) -> None:
        if to in self.members:
            self.loop.call_soon(lambda: self.members.get(to, _ignore)(data))

    def add_links(self, links: list[dict[str, object]]) -> None:
        json.dumps(links)

    def revoke_link(self, link: str) -> None:
        pass

    def remove_member(self, member: str, reason: str) -> None:
        self.removed.append(member)
        self.loop.call_soon(self.leave, member, True)

    def prove(self, members: list[str]) -> None:
        pass

    def close_room(self) -> None:
        raise AssertionError("the room was closed")

    # What members ask of it

    def join(self, member: str, link: str, origin: int, hear: Callable[[bytes], None]) -> None:
        assert self.agent is not None
        self.members[member] = hear
        self.agent.members.receive(Presence(member, False, "joined", "", link, origin))

    def leave(self, member: str, for_good: bool) -> None:
        assert self.agent is not None
        if self.members.pop(member, None) is not None:
            self.agent.members.receive(Presence(member, False, "left" if for_good else "away"))
            self.agent.member_gone(member, for_good)

    def carry(self, member: str, data: bytes) -> None:
        self.loop.call_soon(self._carried, member, data)

    def _carried(self, member: str, data: bytes) -> None:
        assert self.agent is not None
        if member in self.members:
            self.loop.spend(FRAME_TAKES)
            self.agent.receive(member, data)


def _ignore(data: bytes) -> None:
    pass


class TowardsHost:
    def __init__(self, server: Server, member: str) -> None:
        self._server, self._member = server, member

    def send(self, to: str, data: bytes) -> None:
        self._server.carry(self._member, data)


class HostileParticipant:
    def __init__(self, play: Play, number: int, rule: LinkRule) -> None:
        self.play, self.number, self.rule = play, number, rule
        self.dice = play.dice
        self.speech = HostileSpeech(play.dice, play.sessions_to_harm, play.links_to_harm)
        self.member = ""
        self.session: PresenterSession | None = None
        self._handshake: PresenterHandshake | None = None
        self._introduction = Introduction(b"")
        self._said: list[bytes] = []
        self._times = 0

    async def run(self) -> None:
        dice = self.dice
        while self.play.is_on:
            if self.member not in self.play.server.members or dice.random() < 0.01:
                await self._come()
            burst = dice.choice((1, 1, 3, 10, 60, 200))
            pause = dice.choice((0.0, 0.0, 0.0005, 0.02))
            for _ in range(burst):
                if self.play.frames >= MOST_FRAMES or not self.play.is_on:
                    return
                self._act()
                if pause:
                    await asyncio.sleep(pause)
            await asyncio.sleep(dice.choice((0.0, 0.01, 0.1, 0.5, 1.5)))

    async def _come(self) -> None:
        dice, play = self.dice, self.play
        play.server.leave(self.member, dice.random() < 0.5)
        self._times += 1
        play.arrivals += 1
        if not self.member or dice.random() < 0.5:
            self.member = f"evil{self.number}.{self._times}"
        play.server.join(self.member, self.rule.id, dice.choice((0, self.number, 77)), self._hear)
        if self.session is None or dice.random() < 0.8:
            link = self.rule.link(SERVER)
            name = str(self.speech.value())[:100]
            self._introduction = Introduction(dice.randbytes(16), name, "web", "", dice.choice(("", "d1", "d2")))
            self._handshake = PresenterHandshake(link.link_id, link.psk, dice.randbytes(32), self._introduction)
            self._say(self._handshake.hello)
            await asyncio.sleep(0.001)
            if self.session is not None and dice.random() < 0.9:
                self._seal(encode([IntroductionRecord(self._introduction.encode())]))

    def _hear(self, data: bytes) -> None:
        if data[:1] == bytes([WELCOME]) and self._handshake is not None:
            welcomed = self._handshake.receive_welcome(data, self.play.loop.time(), self.play.loop.time())
            if welcomed is not None:
                self.session, self._handshake = welcomed[0], None
                self.session.wire.path_up("signaling", PathKind.SIGNALING, self.play.loop.time())

    def _act(self) -> None:
        dice = self.dice
        what = dice.random()
        if self.session is None or what < 0.03:
            self._say(dice.randbytes(dice.choice((0, 1, 5, 40, 400))))
        elif what < 0.08 and self._said:
            self._say(dice.choice(self._said))
        elif what < 0.12 and self._said:
            altered = bytearray(dice.choice(self._said))
            if altered:
                altered[dice.randrange(len(altered))] ^= dice.randrange(1, 256)
            self._say(bytes(altered))
        elif what < 0.16:
            # Under the number of somebody else, above all the speaker's.
            sessions = [*self.play.agent.participants, dice.randrange(1 << 32)]
            self._say(dice.choice((b"\x03", b"\x04")) + dice.choice(sessions).to_bytes(4, "big") + dice.randbytes(40))
        elif what < 0.18:
            self._fail_a_peer()
        elif what < 0.2:
            sealer = self.session.wire._sealer
            sealer._counter = min(sealer._counter + dice.choice((1, 1000, 1 << 20, 1 << 31)), LAST_COUNTER - 100)
        elif what < 0.24:
            for frame in self.speech.parts():
                self._seal(frame)
        else:
            self._seal(self.speech.plaintext())

    def _fail_a_peer(self) -> None:
        for peer in self._peers():
            peer.fail()

    def _peers(self) -> list[Peer]:
        """The connections of its session; the last ones are the newest."""
        participant = self.play.agent.participants.get(self.session.wire.session) if self.session is not None else None
        return [] if participant is None else [peer._peer for peer in participant._peers.values()]  # type: ignore[misc]

    def _seal(self, plaintext: bytes) -> None:
        if self.session is None or (sealer := self.session.wire._sealer)._counter > LAST_COUNTER - 10:
            self.session = None  # its numbers are used up
            return
        data = sealer.seal(plaintext)
        ways = [(peer, channel) for peer in self._peers() for channel in sorted(peer.open)]
        if ways and self.dice.random() < 0.6:
            self.play.frames += 1
            peer, channel = self.dice.choice(ways)
            self.play.loop.spend(FRAME_TAKES)
            peer.events.received(channel, data)
        else:
            self._say(data)

    def _say(self, data: bytes) -> None:
        self.play.frames += 1
        self._said = [*self._said[-9:], data]
        self.play.server.carry(self.member, data)


class Log(logging.Handler):
    """Counts what was said, and keeps what should not have been."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: Counter[str] = Counter()
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        self.lines[record.msg] += 1
        if record.levelno >= logging.ERROR or record.exc_info:
            cause = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
            self.errors.append(f"{record.name}: {said}\n{cause}")


@contextlib.contextmanager
def listening() -> Iterator[Log]:
    """What the host and asyncio log, kept from everybody else."""
    log, loggers = Log(), [logging.getLogger(name) for name in ("slidewire", "asyncio")]
    before = [(logger, logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.addHandler(log)
        logger.propagate = False
        logger.setLevel(logging.INFO)
    try:
        yield log
    finally:
        for logger, propagate, level in before:
            logger.removeHandler(log)
            logger.propagate = propagate
            logger.setLevel(level)


class Play:
    def __init__(self, seed: int, loop: SimulatedLoop) -> None:
        self.dice = random.Random(seed)
        self.loop = loop
        self.is_on = True
        self.frames = self.arrivals = 0
        self.receipts: list[ReceiptArrived] = []
        self.closed: list[str] = []

    async def run(self) -> None:
        dice = self.dice
        self.deck = MemoryDeck(count=60_000)
        self.deck.delay = dice.choice((0.0, 0.0, 0.005, 0.02))
        room = Room(dice.randbytes(16), SERVER, "", code="ROOM22")
        speaker_rule = room.make_link(Role.CLICK, "p", "Presenter")
        rules = [
            speaker_rule,
            room.make_link(Role.CLICK, "p", "Another"),
            room.make_link(Role.LASER, "p", "Laser"),
            room.make_link(Role.OPERATOR, "operator", "Operator"),
            room.make_link(Role.VIEW, "deck", "Deck"),
            room.make_link(Role.VIEW, "program", "Program"),
        ]
        for number in (1, 2, 4):  # some have rules of their own
            if dice.random() < 0.2:
                rules[number] = replace(rules[number], by_hand=True)
            elif dice.random() < 0.2:
                rules[number] = replace(rules[number], first=2, last=9, one_device=dice.random() < 0.5)
            room.change(rules[number])
        self.speaker_link = speaker_rule.id
        self.server = Server(self.loop)
        self.engine = Engine(dice)
        privacy = dice.choice(tuple(Privacy))
        self.agent = Host(room, SERVER, self.deck, self.engine, "main", privacy=privacy)
        self.agent.audit = _audit
        self.server.agent = self.agent
        self.agent.signaling = self.server
        await self.agent.start()
        self.agent.opened("ROOM22", [], [])
        speaker = self._speaker(speaker_rule)
        await asyncio.sleep(0.5)
        hostile = [HostileParticipant(self, number, dice.choice(rules)) for number in range(1, dice.randint(1, 4) + 1)]
        tasks = [asyncio.create_task(participant.run()) for participant in hostile]
        for click in range(CLICKS):
            await asyncio.sleep(dice.choice((0.05, 0.3, 1.0)))
            assert speaker.submit(Intent(Verb.GOTO, HIGHEST_SLIDE + 1 + click)) is not None
        await asyncio.sleep(4.0)
        self.is_on = False
        await asyncio.gather(*tasks)
        await asyncio.sleep(1.0)
        self._judge()
        await speaker.close()
        await self.agent.close()
        await asyncio.sleep(0.001)  # what was told to end needs a turn of the loop for it
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"after the host was closed, these still run: {left}"

    def _speaker(self, rule: LinkRule) -> PresenterConnection:
        def closed(code: str, reason: str) -> None:
            self.closed.append(code)

        events = PresenterEvents(
            path_changed=lambda path: None,
            receipt=self.receipts.append,
            laser=lambda answered: None,
            state=lambda state: None,
            closed=closed,
        )
        connection = PresenterConnection(rule.link(SERVER), None, "Ada", events)
        connection.signaling = TowardsHost(self.server, "speaker")
        self.server.join("speaker", rule.id, 5, lambda data: connection.receive("h1", data))
        connection.joined([{"member": "h1", "name": "host"}], [])
        return connection

    def sessions_to_harm(self) -> list[int]:
        return [participant.id for participant in self.agent.participants.values() if participant.member != "speaker"][
            :20
        ]

    def links_to_harm(self) -> list[str]:
        return [rule.id for rule in self.agent.room.links.values() if rule.id != self.speaker_link][:20]

    def _judge(self) -> None:
        told = [(receipt.status.word, receipt.reason.word, round(receipt.elapsed, 3)) for receipt in self.receipts]
        assert self.closed == [] and "speaker" not in self.server.removed, f"the speaker was sent away: {self.closed}"
        assert len(self.receipts) == CLICKS, f"receipts: {told}"
        assert {receipt.status for receipt in self.receipts} == {Status.PERFORMED}, f"receipts: {told}"
        assert max(receipt.elapsed for receipt in self.receipts) <= IN_TIME, f"receipts: {told}"
        own = Counter(intent.argument for intent in self.deck.performed if intent.argument > HIGHEST_SLIDE)
        assert own == Counter(range(HIGHEST_SLIDE + 1, HIGHEST_SLIDE + 1 + CLICKS)), f"the deck did {own}"
        assert not self.agent.ended.is_set()
        self._judge_memory()

    def _judge_memory(self) -> None:
        agent = self.agent
        by_link = Counter(participant.link.id for participant in agent.participants.values())
        assert all(count <= PRESENTERS_PER_LINK + UNPROVEN_PARTICIPANTS + 1 for count in by_link.values()), by_link
        assert len(agent._commands._replies) <= Commands.REMEMBERED
        for participant in agent.participants.values():
            wire = participant.session.wire
            assert len(wire._frames) <= 100 and sum(map(len, wire._due.values())) <= 1000
            assert wire._assembler._size <= wire._assembler._most_together
            assert len(participant._peers) <= 3
        assert sum(not peer.is_closed for peer in self.engine.peers) <= 3 * len(agent.participants) + 3


def _audit(event: str, /, **fields: Any) -> None:
    """As it is written down; what cannot be raises."""
    chained(1, "2026-01-01T00:00:00.000Z", event, fields, START)


def run(seed: int) -> int:
    with listening() as log:
        with simulated(random.Random(~seed)) as loop:
            play = Play(seed, loop)
            loop.run_until_complete(play.run())
            failures = loop.failures
            del play.agent.signaling
        gc.collect()  # a task that failed unseen says so when it goes
    assert not log.errors, "\n".join(log.errors)
    assert not failures, "\n".join(failures)
    assert log.lines.total() <= MOST_LINES * (1 + play.arrivals), log.lines
    return play.frames
