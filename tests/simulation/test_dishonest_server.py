"""A server that cheats, against the real host agent and the real presenter connection.

Nothing it does makes a host do what was not asked, twice, or late; and what it tries is counted under a stable name.
docs/design/security.md names the test for each attack.
"""

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slidewire.aio.clock import monotonic
from slidewire.control.handshake import (
    HELLOS_AT_ONCE,
    Admission,
    HandshakeResponder,
    PresenterHandshake,
    hello_link,
    prologue,
)
from slidewire.control.host_session import HostSession
from slidewire.control.intents import Intent, Reason, Role, Status, Verb
from slidewire.control.introduction import Introduction
from slidewire.control.messages import GetState
from slidewire.control.noise import HandshakeError, Initiator, Responder
from slidewire.control.paths import PathKind
from slidewire.control.presenter_session import PresenterSession
from slidewire.control.records import IntroductionRecord
from slidewire.control.seal import HELLO, NO_SESSION, SEALED, WELCOME, Opener, Rejection, no_session
from slidewire.control.sealed_session import Transmit
from slidewire.control.state import HostEntry
from slidewire.host import host as agent_module
from slidewire.host.host import FORGET_PARTICIPANT_AFTER, GIVES_WAY_AFTER, UNPROVEN_PARTICIPANTS, Host
from slidewire.host.participants.links import LinkRule, Room
from tests.support.cheat import (
    SERVER,
    Carried,
    DishonestServer,
    SharedClock,
    Speaker,
    altered,
    performed,
    reflected,
)

NEXT = Intent(Verb.NEXT)


def goto(slide: int) -> Intent:
    return Intent(Verb.GOTO, slide)


def new_room() -> Room:
    room = Room(b"t" * 16, SERVER, "", code="ROOM22")
    room.make_link(Role.CLICK, "p", "Presenter")
    room.make_link(Role.OPERATOR, "operator", "Operator")
    return room


@pytest.fixture
async def server() -> AsyncIterator[DishonestServer]:
    server = DishonestServer()
    await server.add_host("h1", new_room())
    yield server
    await server.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SharedClock:
    return SharedClock(monkeypatch)


def rule_of(agent: Host) -> LinkRule:
    return agent.room.first("p")


async def a_speaker(server: DishonestServer, member: str = "m1", direct: bool = False) -> tuple[Host, Speaker]:
    agent = server.hosts["h1"]
    speaker = server.add_presenter(member, rule_of(agent), direct=direct)
    await speaker.ready()
    return agent, speaker


def session_of(speaker: Speaker) -> int:
    assert speaker.connection.core.session is not None
    return speaker.connection.core.session.wire.session


# Altering


async def test_not_a_byte_can_be_altered_unnoticed(server: DishonestServer) -> None:
    """Every byte of every message of a whole meeting, the descriptions of the direct connection among them."""
    rng = random.Random(1)
    noticed = altogether = 0

    def alter_each_byte(message: Carried) -> list[Carried]:
        nonlocal noticed, altogether
        for index in range(len(message.data)):
            noticed += server.insert(altered(message, index, rng.randrange(1, 256))) == 1
        altogether += len(message.data)
        return [message]

    server.policy = alter_each_byte
    agent = server.hosts["h1"]
    speaker = server.add_presenter("m1", rule_of(agent), direct=True)
    await speaker.until(lambda: speaker.paths[-1:] == ["direct"])
    assert (await speaker.tap(NEXT)).status is Status.PERFORMED
    kinds = {message.data[0] for message in server.carried}
    assert {HELLO, WELCOME, SEALED} <= kinds
    assert altogether > 2000, "the offer and its answer were among them"
    assert noticed == altogether
    assert performed(agent) == [NEXT]
    assert agent.counts["forged"] > 1000


async def test_fingerprints_cannot_be_swapped_because_they_cannot_be_found(server: DishonestServer) -> None:
    """What the server carries shows neither, and cutting one message's bytes into another opens neither."""
    agent = server.hosts["h1"]
    speaker = server.add_presenter("m1", rule_of(agent), direct=True)
    await speaker.until(lambda: speaker.paths[-1:] == ["direct"])
    other = server.add_presenter("m2", rule_of(agent), direct=True)
    await other.until(lambda: other.paths[-1:] == ["direct"])
    transcript = b"".join(message.data for message in server.carried)
    assert b"fingerprint" not in transcript and b"sha-256" not in transcript
    before = agent.counts["forged"]
    own, foreign = (
        [m for m in server.carried if m.up and m.member == member and m.data[0] == SEALED] for member in ("m1", "m2")
    )
    tried = 0
    for mine in own:
        for theirs in foreign:
            header = SEALED.to_bytes() + mine.data[1:5] + (2**31 + tried).to_bytes(4, "big")
            tried += 1
            assert server.insert(Carried("h1", "m1", True, header + theirs.data[9:])) == 1
    assert agent.counts["forged"] == before + tried > before
    assert performed(agent) == []


async def test_garbage_of_every_length_and_kind_is_counted(server: DishonestServer) -> None:
    agent, speaker = await a_speaker(server)
    rng = random.Random(2)
    session = session_of(speaker).to_bytes(4, "big")
    for kind in range(256):
        if kind != NO_SESSION:
            for length in (0, 1, 3, 24, 25, 60, 1500):
                for up in (True, False):
                    assert server.insert(Carried("h1", "m1", up, bytes([kind]) + rng.randbytes(length))) == 1
    for length in range(80):
        assert server.insert(Carried("h1", "m1", True, SEALED.to_bytes() + session + rng.randbytes(length))) == 1
    assert server.insert(Carried("h1", "m1", True, b"")) == 1
    assert performed(agent) == []
    assert {"not_for_a_host", "session_unknown", "malformed_hello", "forged", "malformed"} <= set(agent.counts)
    assert (await speaker.tap(NEXT)).status is Status.PERFORMED


# Replaying


async def test_what_is_replayed_at_once_or_later_does_nothing(server: DishonestServer) -> None:
    server.policy = lambda message: [message, message, message]
    agent, speaker = await a_speaker(server)
    for slide in range(2, 12):
        assert (await speaker.tap(goto(slide))).status is Status.PERFORMED
    for message in list(server.carried):
        assert server.insert(message) >= 1 or message.data[0] == WELCOME
    assert performed(agent) == [goto(slide) for slide in range(2, 12)]
    assert agent.counts["replayed"] > 20 and agent.counts["repeated_hello"] >= 2
    assert speaker.connection.counts["replayed"] > 10 and speaker.connection.counts["welcome_not_ours"] >= 2


async def test_a_restarted_host_obeys_nothing_of_before(server: DishonestServer) -> None:
    agent, speaker = await a_speaker(server)
    for _ in range(5):
        await speaker.tap(NEXT)
    recorded = [message for message in server.carried if message.up]
    again = await server.add_host("h1", agent.room)  # the same links, in a new process
    for _ in range(3):
        for message in recorded:
            server.insert(message)
    assert performed(again) == []
    assert again.counts["session_unknown"] > 10
    assert not any(participant.session.established for participant in again.participants.values())
    await agent.close()


async def test_hellos_replayed_without_end_take_no_room(server: DishonestServer) -> None:
    agent, _ = await a_speaker(server)
    rule = rule_of(agent)
    for number in range(5 * UNPROVEN_PARTICIPANTS):  # a server that has recorded very many
        said = Introduction(random.Random(number).randbytes(16))
        hello = PresenterHandshake(rule.id, rule.link("").psk, said.nonce * 2, said).hello
        server.insert(Carried("h1", "m7", True, hello))
    assert len(agent.participants) <= UNPROVEN_PARTICIPANTS + 1
    assert performed(agent) == []


async def test_nothing_opens_in_another_room_or_by_another_link(server: DishonestServer) -> None:
    agent, speaker = await a_speaker(server)
    await speaker.tap(NEXT)
    other = await server.add_host("h2", new_room())
    sibling = agent.room.make_link(Role.CLICK, "p", "Another")
    for message in [message for message in server.carried if message.up]:
        elsewhere = Carried("h2", "m1", True, message.data)
        assert server.insert(elsewhere) == 1
        if message.data[0] == HELLO:  # under another link's name
            assert hello_link(message.data) == rule_of(agent).id
            renamed = message.data[:2] + sibling.id.encode() + message.data[12:]
            assert server.insert(Carried("h1", "m1", True, renamed)) == 1
    assert performed(other) == [] and performed(agent) == [NEXT]
    assert other.counts["link_not_ours"] >= 1 and other.counts["session_unknown"] >= 1
    assert agent.counts["wrong_secret"] == 1


async def test_what_is_reflected_to_its_sender_does_nothing(server: DishonestServer) -> None:
    server.policy = lambda message: [message, reflected(message)]
    agent, speaker = await a_speaker(server)
    for slide in range(2, 8):
        assert (await speaker.tap(goto(slide))).status is Status.PERFORMED
    assert len(performed(agent)) == 6
    assert agent.counts["forged"] + agent.counts["replayed"] > 5
    assert agent.counts["not_for_a_host"] >= 1, "its own welcome"
    heard = speaker.connection.counts
    assert heard["forged"] + heard["replayed"] > 5 and heard["not_for_us"] >= 1


# Losing, repeating, reordering, keeping


async def test_half_is_dropped_the_rest_repeated_and_shuffled(server: DishonestServer) -> None:
    rng = random.Random(3)
    agent, speaker = await a_speaker(server)

    def scramble(message: Carried) -> list[Carried]:
        if rng.random() < 0.5:
            for _ in range(rng.choice([1, 1, 2, 5])):
                asyncio.get_running_loop().call_later(rng.random() * 0.3, server.deliver, message)
        return []

    server.policy = scramble
    taps = 60
    for slide in range(2, 2 + taps):
        speaker.connection.submit(goto(slide))
        await asyncio.sleep(0.01)
    await speaker.until(lambda: len(speaker.receipts) == taps)
    done = [intent.argument for intent in performed(agent)]
    assert done == sorted(set(done)), "twice, or out of order"
    for receipt in speaker.receipts:
        if receipt.status is not Status.UNKNOWN:
            assert (receipt.status is Status.PERFORMED) == (receipt.intent.argument in done)
    assert len(done) > taps / 2


@pytest.mark.parametrize(("minutes", "name"), [(0.8, None), (FORGET_PARTICIPANT_AFTER / 60 + 0.2, "session_unknown")])
async def test_what_was_kept_for_a_minute_is_not_performed(
    server: DishonestServer, clock: SharedClock, minutes: float, name: str | None
) -> None:
    agent, speaker = await a_speaker(server)
    assert (await speaker.tap(NEXT)).status is Status.PERFORMED
    kept: list[Carried] = []
    server.policy = lambda message: kept.append(message) or []  # type: ignore[func-returns-value]
    speaker.connection.submit(NEXT)
    await speaker.until(lambda: any(message.up and message.data[0] == SEALED for message in kept))
    clock.pass_time(60 * minutes)
    if name is not None:
        await speaker.until(lambda: not agent.participants)  # forgotten meanwhile
    sent = [message for message in kept if message.up and message.data[0] == SEALED]
    assert sent
    for message in sent:
        server.deliver(message)
    await speaker.until(lambda: len(speaker.receipts) == 2)
    assert performed(agent) == [NEXT]
    assert speaker.receipts[-1].status in (Status.UNKNOWN, Status.EXPIRED)
    assert name is None or agent.counts[name] >= len(sent)


async def test_a_tap_after_a_welcome_that_was_kept_for_a_minute_is_performed_and_not_late(
    server: DishonestServer, clock: SharedClock
) -> None:
    """The welcome's clock is a minute old: a deadline that followed from it would be long past."""
    agent = server.hosts["h1"]
    kept: list[Carried] = []

    def keep_welcomes(message: Carried) -> list[Carried]:
        if message.data[0] == WELCOME:
            kept.append(message)
            return []
        return [message]

    server.policy = keep_welcomes
    speaker = server.add_presenter("m1", rule_of(agent))
    await speaker.until(lambda: kept)
    clock.pass_time(58)
    frames: list[Carried] = []
    server.policy = lambda message: [message]
    server.deliver(kept[0])
    receipt = await speaker.tap(NEXT)
    assert (receipt.status, performed(agent)) == (Status.PERFORMED, [NEXT])
    server.policy = lambda message: frames.append(message) or []  # type: ignore[func-returns-value]
    speaker.connection.submit(NEXT)
    clock.pass_time(2.005)
    for message in frames:
        server.deliver(message)
    await speaker.until(lambda: len(speaker.receipts) == 2)
    assert performed(agent) == [NEXT]


@pytest.mark.parametrize("pings", [True, False])
async def test_a_clock_skewed_by_kept_pongs_does_not_make_a_tap_live_longer(
    server: DishonestServer, clock: SharedClock, pings: bool
) -> None:
    delays = iter([0.0, 0.4, 0.1, 0.4, 0.2] * 1000)
    agent, speaker = await a_speaker(server)
    arrived = 0

    def deliver_late(message: Carried) -> None:
        nonlocal arrived
        arrived += 1
        server.deliver(message)

    def keep_for_a_while(message: Carried) -> list[Carried]:
        if message.up is not pings:
            return [message]
        asyncio.get_running_loop().call_later(next(delays), deliver_late, message)
        return []

    server.policy = keep_for_a_while
    await speaker.until(lambda: arrived >= 8)
    kept: list[Carried] = []
    server.policy = lambda message: kept.append(message) or []  # type: ignore[func-returns-value]
    speaker.connection.submit(NEXT)
    clock.pass_time(2.005)
    for message in kept:
        server.deliver(message)
    await speaker.until(lambda: speaker.receipts)
    assert performed(agent) == []


# Impersonating


async def test_nobody_enters_without_the_secret(server: DishonestServer) -> None:
    """The server knows the link's id and its join token, which whoever joins shows it."""
    agent, _ = await a_speaker(server)
    rule = rule_of(agent)
    token = rule.link("").join_token
    guesses = [bytes(32), token + bytes(16), token * 2, rule.id.encode().ljust(32, b"\0")]
    for number, psk in enumerate(guesses):
        forged = PresenterHandshake(rule.id, psk, random.Random(number).randbytes(32), Introduction(bytes(16)))
        assert server.insert(Carried("h1", "m1", True, forged.hello)) == 1
    assert agent.counts["wrong_secret"] == len(guesses)
    assert len(agent.participants) == 1


async def test_a_key_of_low_order_is_refused(server: DishonestServer) -> None:
    """Even from somebody who has the link: a session's keys never come from a known exchange."""
    agent, _ = await a_speaker(server)
    rule = rule_of(agent)
    for point in (bytes(32), b"\1" + bytes(31)):
        initiator = Initiator(rule.link("").psk, prologue(rule.id), bytes(range(32)))
        state = initiator._state
        state.mix_key_and_hash(rule.link("").psk)
        state.mix_hash(point)
        state.mix_key(point)
        head = bytes([HELLO, len(rule.id)]) + rule.id.encode()
        assert server.insert(Carried("h1", "m1", True, head + point + state.encrypt_and_hash(b'{"commit":""}'))) == 1
    assert agent.counts["wrong_secret"] == 2


async def test_nobody_poses_as_the_host_without_the_secret(server: DishonestServer) -> None:
    agent = server.hosts["h1"]
    rule = rule_of(agent)
    door = HandshakeResponder(lambda _: Admission(bytes(32), Role.OPERATOR), random.Random(4).randbytes)

    def answer_ourselves(message: Carried) -> list[Carried]:
        assert door.receive_hello(message.data, 0.0) is None, "it cannot even read the hello"
        forger = Responder(bytes(32), prologue(rule.id), bytes(range(32)))
        forger._state.mix_key_and_hash(bytes(32))
        forger._remote = message.data[12:44]
        welcome, _ = forger.write_message_2(b'{"session":1,"clock":0,"v":1,"role":"click"}')
        return [Carried("h1", "m1", False, bytes([WELCOME]) + welcome)]

    server.policy = answer_ourselves
    speaker = server.add_presenter("m1", rule)
    await speaker.until(lambda: speaker.connection.counts["welcome_not_ours"] >= 2)
    assert speaker.connection.submit(NEXT) is None, "there is no session"
    server.policy = lambda message: [message]
    assert (await speaker.tap(NEXT)).status is Status.PERFORMED, "and the true host is still heard"


# In the middle, with the link's secret


class Middle:
    """A server that has the link: it is the host to the presenter, and a presenter to the host."""

    def __init__(self, rule: LinkRule, seed: int) -> None:
        self.rule, self.psk = rule, rule.link("").psk
        self.rng = random.Random(seed)
        self.door = HandshakeResponder(lambda _: Admission(self.psk, rule.role), self.rng.randbytes)
        self.as_host: HostSession | None = None
        """What the presenter takes for its host."""

    def welcome(self, hello: bytes) -> bytes:
        admitted = self.door.receive_hello(hello, monotonic())
        assert admitted is not None
        if admitted.session is not None:
            self.as_host = admitted.session
            self.as_host.path_up("signaling", PathKind.SIGNALING, monotonic())
        return admitted.welcome

    def hear(self, data: bytes) -> list[bytes]:
        """What the false host answers."""
        assert self.as_host is not None
        self.as_host.receive_frame(data, "signaling", monotonic())
        answers = []
        while (effect := self.as_host.next_effect()) is not None:
            if isinstance(effect, Transmit):
                answers.append(effect.data)
        return answers

    def accept_connection(self, introduction: Introduction | None = None) -> PresenterHandshake:
        said = introduction or Introduction(self.rng.randbytes(16), "Ada", "phone")
        return PresenterHandshake(self.rule.id, self.psk, self.rng.randbytes(32), said)


def meet(server: DishonestServer, handshake: PresenterHandshake) -> PresenterSession | None:
    """A session with the host in the middle's own name, as far as the host answers: no sealed frame is sent yet."""
    welcomes: list[bytes] = []
    server.policy, before = lambda message: welcomes.append(message.data) or [], server.policy  # type: ignore[func-returns-value]
    server.deliver(Carried("h1", "m1", True, handshake.hello))
    server.policy = before
    welcomed = handshake.receive_welcome(welcomes[-1], monotonic(), monotonic()) if welcomes else None
    return None if welcomed is None else welcomed[0]


def pinging(session: PresenterSession) -> list[bytes]:
    session.path_up("signaling", PathKind.SIGNALING, monotonic())
    return [effect.data for effect in iter(session.next_effect, None) if isinstance(effect, Transmit)]


@pytest.mark.parametrize("presenter_first", [True, False])
async def test_who_is_in_the_middle_with_the_secret_has_one_try_at_the_words(
    server: DishonestServer, presenter_first: bool
) -> None:
    """Whichever side it settles first, what the other side's words will be it learns when it can change them no more;
    and each further try is another presenter on the operator's page, of whom the host answers so many."""
    agent = server.hosts["h1"]
    middle = Middle(rule_of(agent), 20)
    words: list[str] = []

    def stand_between(message: Carried) -> list[Carried]:
        if not message.up:
            return []
        if message.data[0] == HELLO:
            return [Carried("h1", "m1", False, middle.welcome(message.data))]
        return [Carried("h1", "m1", False, answer) for answer in middle.hear(message.data)]

    def try_the_host() -> None:
        session = meet(server, middle.accept_connection())
        if session is None:
            return
        (participant,) = [
            participant for participant in agent.participants.values() if participant.id == session.wire.session
        ]
        assert (participant.session.sas, session.sas) == (None, None), "it cannot know them before it shows its part"
        for frame in pinging(session):
            server.deliver(Carried("h1", "m1", True, frame))
        assert participant.session.sas is not None
        words.append(participant.session.sas)

    if not presenter_first:
        server.presenters["m1"] = Speaker(server, "m1", rule_of(agent), direct=False)
        try_the_host()
    server.policy = stand_between
    speaker = server.add_presenter("m1", rule_of(agent))
    await speaker.until(lambda: speaker.connection.sas is not None)
    assert middle.as_host is not None and middle.as_host.sas == speaker.connection.sas, "it is quite the host"
    tries = HELLOS_AT_ONCE + 100
    while len(words) + agent.counts["too_many_hellos"] < tries:
        try_the_host()
    assert agent.counts["too_many_hellos"] > 50
    assert len(set(words)) == len(words) and speaker.connection.sas not in words
    seen = [participant for participant in agent.participants.values() if participant.session.established]
    assert len(seen) == len(words), "each of them is on the operator's page"
    assert performed(agent) == []


async def test_nobody_holds_any_number_of_sessions_by_one_link(
    server: DishonestServer, clock: SharedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_module, "PRESENTERS_PER_LINK", 5)
    agent, speaker = await a_speaker(server)
    middle = Middle(rule_of(agent), 23)
    for _ in range(10):
        if (session := meet(server, middle.accept_connection())) is not None:
            for frame in pinging(session):
                server.deliver(Carried("h1", "m1", True, frame))
    assert len(agent.participants) == 5 and agent.counts["link_full"] == 6
    clock.pass_time(GIVES_WAY_AFTER + 1)
    assert (await speaker.tap(NEXT)).status is Status.PERFORMED
    _, another = await a_speaker(server, "m2")
    assert (await another.tap(NEXT)).status is Status.PERFORMED, "who has fallen silent gives way"
    assert len(agent.participants) == 5
    assert (await speaker.tap(NEXT)).status is Status.PERFORMED, "who was there before goes on"


async def test_a_presenter_made_to_shake_hands_again_and_again_does_so_once_a_second(server: DishonestServer) -> None:
    """Each handshake has other words; that is the other way to try until they suit."""
    begun = monotonic()
    _, speaker = await a_speaker(server)

    def handshakes() -> int:
        return sum(message.data[0] == HELLO for message in server.carried)

    async with asyncio.timeout(20):
        while handshakes() < 3 or speaker.connection.counts["hint_believed"] <= 50:
            server.insert(Carried("h1", "m1", False, no_session(session_of(speaker))))
            await asyncio.sleep(0.01)
            assert handshakes() <= 1 + (monotonic() - begun) + 0.1, "the first is among what makes a speaker"


async def test_a_commitment_that_does_not_open_sends_its_owner_away(server: DishonestServer) -> None:
    """It has tried the words of another nonce, and would like this one better."""
    agent = server.hosts["h1"]
    away = server.presenters["m1"] = Speaker(server, "m1", rule_of(agent), direct=False)
    session = meet(server, Middle(rule_of(agent), 21).accept_connection())
    assert session is not None
    told: list[str] = []
    away.connection._events.closed = lambda code, reason: told.append(code)
    away.connection.core.session, away.connection.core.target = session, "h1"
    session.wire.introduction = IntroductionRecord(Introduction(bytes(16), "Ada", "phone").encode())
    session.path_up("signaling", PathKind.SIGNALING, monotonic())
    away.connection.submit(NEXT)
    await away.until(lambda: told)
    assert told == ["introduction_false"]
    assert agent.counts["introduction_false"] == 1
    assert agent.participants == {} and performed(agent) == []


async def test_introductions_replayed_withheld_or_out_of_order_change_nothing(server: DishonestServer) -> None:
    agent = server.hosts["h1"]
    kept: list[Carried] = []

    def withhold_the_first(message: Carried) -> list[Carried]:
        if message.up and message.data[0] == SEALED and len(kept) < 3:
            kept.append(message)
            return []
        return [message]

    server.policy = withhold_the_first
    speaker = server.add_presenter("m1", rule_of(agent))
    await speaker.until(lambda: speaker.connection.submit(goto(5)) is not None)
    await speaker.until(lambda: len(speaker.receipts) == 1)
    assert performed(agent) == [goto(5)], "each of the next frames says it as well"
    (participant,) = agent.participants.values()
    introduced = participant.session.introduction
    for message in reversed(kept):  # the first introductions, after all
        server.deliver(message)
    for message in kept:
        assert server.insert(message) == 1
    # Under another session's number, and to a host that is new.
    other = await a_speaker(server, "m2")
    for message in kept:
        header = message.data[:1] + session_of(other[1]).to_bytes(4, "big") + (2**30).to_bytes(4, "big")
        assert server.insert(Carried("h1", "m2", True, header + message.data[9:])) == 1
    again = await server.add_host("h1", agent.room)
    for message in kept:
        assert server.insert(message) == 1
    assert again.counts["session_unknown"] == 3 and again.participants == {}
    assert agent.counts["replayed"] == 3 and agent.counts["forged"] == 3
    assert participant.session.introduction is introduced and performed(agent) == [goto(5)] and performed(again) == []
    await agent.close()


async def test_who_says_nothing_of_itself_is_not_obeyed(server: DishonestServer) -> None:
    agent = server.hosts["h1"]
    server.presenters["m1"] = Speaker(server, "m1", rule_of(agent), direct=False)
    session = meet(server, Middle(rule_of(agent), 22).accept_connection())
    assert session is not None
    session.wire.introduction = None
    session.submit(NEXT, monotonic())
    session.send_message(GetState(), monotonic())
    frames = pinging(session)
    for frame in frames:
        assert server.insert(Carried("h1", "m1", True, frame)) == 1
    assert agent.counts["not_introduced"] == len(frames) > 0
    assert performed(agent) == []
    assert not any(participant.session.established for participant in agent.participants.values())


# Lying about who is where


async def test_a_presenter_split_between_two_hosts_is_obeyed_once(server: DishonestServer) -> None:
    """Main and backup have the same links. The server may move a presenter; it may not make one tap two."""
    agent, speaker = await a_speaker(server)
    backup = await server.add_host("h2", agent.room)
    server.policy = lambda message: [message, Carried("h2" if message.host == "h1" else "h1", *_rest(message))]
    rng = random.Random(5)
    taps = 40
    for slide in range(2, 2 + taps):
        await speaker.until(lambda slide=slide: speaker.connection.submit(goto(slide)) is not None)  # type: ignore[misc]
        await asyncio.sleep(rng.choice([0, 0.01, 0.05]))
        if rng.random() < 0.3:
            speaker.connection.lost_server()
            speaker.connection.host_here(rng.choice(["h1", "h2"]))
    await speaker.until(lambda: len(speaker.receipts) == taps)
    main, other = ([intent.argument for intent in performed(host)] for host in (agent, backup))
    assert len(set(main + other)) == len(main + other), "one tap moved both decks, or one twice"
    assert main == sorted(main) and other == sorted(other)
    for receipt in speaker.receipts:
        if receipt.status is Status.PERFORMED:
            assert receipt.intent.argument in main + other


def _rest(message: Carried) -> tuple[str, bool, bytes]:
    return message.member, message.up, message.data


async def test_forged_hints_do_not_end_a_session_that_answers_directly(server: DishonestServer) -> None:
    _, speaker = await a_speaker(server, direct=True)
    await speaker.until(lambda: speaker.paths[-1:] == ["direct"])
    session = session_of(speaker)
    for _ in range(20):
        server.insert(Carried("h1", "m1", False, no_session(session)))
    assert speaker.connection.counts["hint_contradicted"] == 20
    receipt = await speaker.tap(NEXT)
    assert receipt.status is Status.PERFORMED
    assert session_of(speaker) == session


async def test_a_tap_kept_in_a_replaced_session_does_not_overtake_later_ones(server: DishonestServer) -> None:
    """The server keeps a tap back, makes the presenter shake hands anew, and lets go of it within its time to live."""
    agent, speaker = await a_speaker(server)
    session = session_of(speaker)
    kept: list[Carried] = []

    def keep_the_old(message: Carried) -> list[Carried]:
        if message.up and message.data[:5] == SEALED.to_bytes() + session.to_bytes(4, "big"):
            kept.append(message)
            return []
        return [message]

    server.policy = keep_the_old
    speaker.connection.submit(goto(50))
    server.deliver(Carried("h1", "m1", False, no_session(session)))
    await speaker.until(lambda: session_of(speaker) != session)
    assert (await speaker.tap(goto(60))).status is Status.PERFORMED
    assert kept
    for message in kept:
        server.deliver(message)
    await speaker.tap(goto(70))
    assert performed(agent) == [goto(60), goto(70)]
    assert [receipt.status for receipt in speaker.receipts if receipt.intent == goto(50)] == [Status.UNKNOWN]
    assert agent.counts["session_unknown"] >= 1
    assert speaker.connection.counts["hint_believed"] == 1
    assert len(agent.participants) == 1, "and the host knows this presenter once"


async def test_a_muted_presenter_stays_muted_in_its_next_session(server: DishonestServer) -> None:
    agent, speaker = await a_speaker(server)
    (participant,) = agent.participants.values()
    participant.muted = True
    session = session_of(speaker)
    server.deliver(Carried("h1", "m1", False, no_session(session)))
    await speaker.until(lambda: session_of(speaker) != session)
    assert (await speaker.tap(NEXT)).status is Status.REFUSED
    assert performed(agent) == []


async def test_a_link_holder_who_floods_is_refused_and_the_others_go_on(server: DishonestServer) -> None:
    agent, flooder = await a_speaker(server, "m1")
    _, speaker = await a_speaker(server, "m2")
    for _ in range(700):
        flooder.connection.submit(NEXT)
        await asyncio.sleep(0)
    await flooder.until(lambda: len(flooder.receipts) == 700)
    refused = sum(receipt.reason is Reason.RATE for receipt in flooder.receipts)
    assert refused > 100 and agent.counts["intents_too_fast"] == refused
    assert len(performed(agent)) < 600
    assert (await speaker.tap(goto(7))).status is Status.PERFORMED


async def test_lies_about_members_cost_a_path_and_nothing_else(server: DishonestServer) -> None:
    agent, speaker = await a_speaker(server, direct=True)
    await speaker.until(lambda: speaker.paths[-1:] == ["direct"])
    server.policy = lambda message: []
    agent.member_gone("m1", for_good=True)
    agent.members_are({"m8", "m9"})
    agent.hosts_are([HostEntry("h1", "<b>host</b>", away=True)])
    speaker.connection.joined(
        [{"member": "m1", "name": "it is you"}], [{"urls": 5}, {"urls": ["turn:x"], "username": 1}]
    )
    for _ in range(5):
        assert (await speaker.tap(NEXT)).status is Status.PERFORMED
    assert len(performed(agent)) == 5


async def test_frames_under_another_members_name_stay_whose_they_are(server: DishonestServer) -> None:
    agent, ada = await a_speaker(server, "m1")
    _, grace = await a_speaker(server, "m2")
    swap = {"m1": "m2", "m2": "m1"}
    server.policy = lambda message: [Carried(message.host, swap[message.member], message.up, message.data)]
    clicks = {participant.id: 0 for participant in agent.participants.values()}
    for speaker, taps in ((ada, 2), (grace, 3)):
        for _ in range(taps):
            assert (await speaker.tap(NEXT)).status is Status.PERFORMED
        clicks[session_of(speaker)] = taps
    assert {participant.id: participant.clicks for participant in agent.participants.values()} == clicks


async def test_ice_servers_of_the_servers_own_choice_are_not_used(server: DishonestServer) -> None:
    """It would see lengths and times there as well, and have packets sent to where it likes."""
    agent = server.hosts["h1"]
    evil = [
        {"urls": "turn:127.0.0.1:9?transport=udp", "username": "u", "credential": "c"},
        {"urls": "stun:127.0.0.1:9"},
    ]
    agent.opened("ROOM22", evil, [])
    speaker = server.add_presenter("m1", rule_of(agent), direct=True)
    speaker.connection.joined([{"member": "h1", "name": "host"}], evil)
    assert (await speaker.tap(NEXT)).status is Status.PERFORMED
    assert performed(agent) == [NEXT]
    assert agent.ice_servers() == []
    assert agent.counts["ice_server_refused"] == 2
    assert speaker.connection.counts["ice_server_refused"] >= 2


# Afterwards


async def test_a_link_that_leaks_later_opens_no_recorded_frame(server: DishonestServer) -> None:
    agent, speaker = await a_speaker(server)
    for _ in range(3):
        await speaker.tap(NEXT)
    rule = rule_of(agent)
    psk = rule.link("").psk  # leaked, after everything was recorded
    hello = next(message.data for message in server.carried if message.data[0] == HELLO)
    welcome = next(message.data for message in server.carried if message.data[0] == WELCOME)
    frames = [message.data for message in server.carried if message.data[0] == SEALED]
    assert len(frames) > 5

    # What the secret does open is the hello, which says nothing of who knocks.
    reader = Responder(psk, prologue(rule.id), bytes(range(32)))
    assert set(json.loads(reader.read_message_1(hello[12:]))) == {"commit", "v"}
    # For the rest one of the two ephemeral keys is needed, which both ends have thrown away.
    state = reader._state
    state.mix_hash(welcome[1:33])
    state.mix_key(welcome[1:33])
    with pytest.raises(HandshakeError):
        state.decrypt_and_hash(welcome[33:])
    session = session_of(speaker)
    for key in state.split():
        assert {Opener(session, key).open(frame) for frame in frames} == {Rejection.FORGED}
    # The same frames with the right key, so that the above means something.
    held = agent.participants[session].session.wire._opener
    fresh = Opener(session, b"k" * 32)
    fresh._cipher = held._cipher
    assert sum(isinstance(fresh.open(frame), bytes) for frame in frames) >= 3


async def test_what_was_tried_is_shown_to_operators_without_a_secret(server: DishonestServer) -> None:
    agent, speaker = await a_speaker(server)
    operator = server.add_presenter("m2", agent.room.first("operator"))
    await operator.ready()
    for message in [message for message in server.carried if message.up and message.data[0] == SEALED]:
        server.insert(message)
    await speaker.tap(NEXT)
    await operator.until(lambda: operator.states[-1]["room"]["rejected"].get("replayed", 0) > 2)
    rejected = operator.states[-1]["room"]["rejected"]
    assert all(name.replace("_", "").isalpha() and isinstance(count, int) for name, count in rejected.items())


def test_the_page_about_security_names_tests_that_there_are() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs/design/security.md").read_text(encoding="utf-8")
    here = Path(__file__).read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 15
    assert {name for name in named if f"def {name}(" not in here} == set()
    for path in re.findall(r"`(tests/[\w/]+\.py)`", page):
        assert (root / path).exists()
