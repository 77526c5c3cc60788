"""The host's end of a session, against a presenter that keeps to nothing."""

import json
from typing import Any

import pytest

from slidewire.control.host_session import Flooding, Perform
from slidewire.control.intents import Intent, Outcome, Status, Verb
from slidewire.control.parts import PRESENTER_MESSAGE_BYTES, Assembler, split
from slidewire.control.paths import PathKind
from slidewire.control.quotas import QUOTAS, Request
from slidewire.control.records import (
    MAX_RECORDS,
    IntentRecord,
    IntroductionAck,
    IntroductionRecord,
    Part,
    Ping,
    Pong,
    Receipt,
    Record,
    WindowBase,
    decode,
    encode,
)
from slidewire.control.seal import WINDOW, Opener, Sealer
from slidewire.control.sealed_session import MessageArrived, Transmit
from slidewire.testing.network import NetworkConditions
from slidewire.testing.pair import Pair

NEXT = Intent(Verb.NEXT)


class Hostile:
    """Holds the keys of a session that was begun in good order, and seals whatever it likes."""

    def __init__(self) -> None:
        self.pair = Pair(seed=1, weather={"direct": NetworkConditions(delay=0.02)})
        self.pair.run(0.5)
        self.host = self.pair.host
        self.sealer, self.opener = self.pair.presenter.wire._sealer, self.pair.presenter.wire._opener

    def frame(self, *records: Record, path: str = "direct") -> list[Any]:
        """Effects that are not frames, as the host has them after this frame; what deck says to a `Perform` is said."""
        self.host.receive_frame(self.sealer.seal(encode(records)), path, self.pair.now)
        return [effect for effect in self.effects() if not isinstance(effect, Transmit)]

    def effects(self) -> list[Any]:
        found = []
        while (effect := self.host.next_effect()) is not None:
            found.append(effect)
        return found

    def answers(self, *records: Record) -> list[list[Record]]:
        """The records of each frame that the host answers with."""
        self.host.receive_frame(self.sealer.seal(encode(records)), "direct", self.pair.now)
        frames = []
        for effect in self.effects():
            if isinstance(effect, Transmit):
                plain = self.opener.open(effect.data)
                assert isinstance(plain, bytes)
                frames.append(decode(plain) or [])
        return frames


def message(**fields: Any) -> Part:
    return Part(0, 1, 0, 1, json.dumps(fields).encode())


def test_a_frame_full_of_pings_is_answered_with_one_pong() -> None:
    assert Hostile().answers(*[Ping(stamp) for stamp in range(1000)]) == [[Pong(MAX_RECORDS - 1, 500, 0)]]


def test_a_frame_full_of_introductions_is_answered_once() -> None:
    hostile = Hostile()
    (answers,) = hostile.answers(*[IntroductionRecord(hostile.pair.introduction.encode())] * 5)
    assert [type(record) for record in answers] == [IntroductionAck]


def test_copies_of_what_is_long_over_are_answered_no_more_often_than_a_frame_holds() -> None:
    hostile = Hostile()
    hostile.frame(WindowBase(1000))
    (answers,) = hostile.answers(*[IntentRecord(1, 0xFFFF, NEXT)] * 500)
    assert answers == [Receipt(1, Status.DUPLICATE, None, None, answers[0].reason)] * MAX_RECORDS  # type: ignore[union-attr]


def test_counters_that_leap_ahead_cost_no_more_than_others() -> None:
    sealer = Sealer(7, bytes(32))
    opener = Opener(7, bytes(32))
    for counter in (0, 5, 1 << 20, (1 << 32) - 2, (1 << 32) - 1):
        sealer._counter = counter
        assert opener.open(sealer.seal(b"x")) == b"x"
        assert opener._seen.bit_length() <= WINDOW
    sealer._counter = (1 << 32) - 2
    assert opener.open(sealer.seal(b"x")) != b"x", "it was seen"


def test_many_small_messages_are_served_up_to_a_quota_and_then_the_presenter_is_to_be_sent_away() -> None:
    hostile = Hostile()
    arrived, flooding = 0, 0
    for _ in range(60):
        effects = hostile.frame(*[message(type="get_state")] * MAX_RECORDS)
        arrived += sum(isinstance(effect, MessageArrived) for effect in effects)
        flooding += sum(isinstance(effect, Flooding) for effect in effects)
    assert arrived == QUOTAS[Request.MESSAGE].cap.burst
    assert flooding == 1, "that is said once"
    assert hostile.host.wire.counts["messages_too_fast"] > 1000


@pytest.mark.parametrize("said", [b"{}", b"[]", b'{"type":1}', b"\xff", b"[" * 1000, b""])
def test_what_is_no_message_costs_what_a_message_costs(said: bytes) -> None:
    hostile, flooding = Hostile(), 0
    for _ in range(60):
        effects = hostile.frame(*[Part(0, 1, 0, 1, said)] * MAX_RECORDS)
        flooding += sum(isinstance(effect, Flooding) for effect in effects)
    assert 0 < hostile.host.wire.counts["malformed_message"] <= QUOTAS[Request.MESSAGE].cap.burst
    assert flooding == 1


def test_frames_beyond_the_quota_are_not_opened() -> None:
    hostile = Hostile()
    sealed = hostile.sealer.seal(encode([Ping(1)]))
    for _ in range(5000):
        hostile.host.receive_frame(sealed[:-1] + b"x", "direct", hostile.pair.now)
    opened = hostile.host.wire.counts["forged"] + hostile.host.wire.counts["replayed"]
    assert opened <= QUOTAS[Request.FRAME].cap.burst
    assert opened + hostile.host.wire.counts["frames_too_fast"] == 5000


def test_who_sends_through_the_server_under_anothers_number_spends_nothing_of_it() -> None:
    hostile = Hostile()
    hostile.host.path_up("signaling", PathKind.SIGNALING, hostile.pair.now)
    for _ in range(5000):
        hostile.host.receive_frame(bytes([3]) + bytes(40), "signaling", hostile.pair.now)
    assert not hostile.host.wire.counts["frames_too_fast"]
    assert any(isinstance(effect, Perform) for effect in hostile.frame(IntentRecord(1, 60_000, NEXT)))


def test_intents_that_wait_for_one_before_them_cost_the_same_however_many_they_are() -> None:
    """Deadlines are looked at when the earliest of them has come, and not for every frame."""
    hostile = Hostile()
    looked = 0
    whether_late = hostile.host._is_late

    def is_late(deadline: int, now: float) -> bool:
        nonlocal looked
        looked += 1
        return whether_late(deadline, now)

    hostile.host._is_late = is_late  # type: ignore[method-assign]
    for start in range(2, 1000, MAX_RECORDS):
        hostile.frame(*[IntentRecord(start + n, 60_000, NEXT) for n in range(MAX_RECORDS)])
    for _ in range(100):
        hostile.frame(Ping(1))
        hostile.host.handle_timer(hostile.pair.now)
    assert looked == 0


def test_receipts_that_are_kept_cost_nothing_afterwards() -> None:
    hostile = Hostile()
    for sequence in range(1, 401):
        for effect in hostile.frame(IntentRecord(sequence, 60_000, NEXT)):
            if isinstance(effect, Perform):
                hostile.host.settle(effect.sequence, Outcome(Status.PERFORMED, 1, 2), hostile.pair.now)
    hostile.host.handle_timer(hostile.pair.now + 1)
    assert len(hostile.host._settled) == 400 and not hostile.host._again


def test_halves_of_messages_are_bounded_together() -> None:
    assembler = Assembler(PRESENTER_MESSAGE_BYTES)
    for id_ in range(1000):
        for part in list(split(0, id_, bytes(PRESENTER_MESSAGE_BYTES), PathKind.SIGNALING))[:-1]:
            assert assembler.add(part) is None
        kept = sum(len(piece) for half in assembler._halves.values() for piece in half.pieces.values())
        assert kept == assembler._size <= 2 * PRESENTER_MESSAGE_BYTES


def test_a_longer_message_than_a_presenter_has_is_dropped_and_the_next_one_read() -> None:
    assembler = Assembler(PRESENTER_MESSAGE_BYTES)
    for part in split(0, 1, bytes(PRESENTER_MESSAGE_BYTES + 1), PathKind.SIGNALING):
        assert assembler.add(part) is None
    whole = [assembler.add(part) for part in split(0, 2, bytes(PRESENTER_MESSAGE_BYTES), PathKind.SIGNALING)]
    assert whole[-1] == bytes(PRESENTER_MESSAGE_BYTES)


def test_a_picture_from_a_presenter_takes_no_memory() -> None:
    hostile = Hostile()
    hostile.frame(*[Part(1, 1, number, 1024, bytes(100)) for number in range(50)])
    assert not hostile.host.wire._assembler._halves


def test_what_was_sent_while_the_host_slept_is_no_flood_and_what_follows_is() -> None:
    """A speaker who taps on meanwhile, by several paths at once, is not sent away when it wakes."""
    hostile = Hostile()
    hostile.frame(Ping(0))
    hostile.pair.now += 20
    backlog = [effect for _ in range(3000) for effect in hostile.frame(Ping(1))]
    assert not any(isinstance(effect, Flooding) for effect in backlog)
    assert hostile.host.wire.counts["frames_too_fast"] >= 3000 - QUOTAS[Request.FRAME].cap.burst
    found = []
    for _ in range(3000):
        hostile.pair.now += 0.0005
        found += hostile.frame(Ping(1))
    assert sum(isinstance(effect, Flooding) for effect in found) == 1
