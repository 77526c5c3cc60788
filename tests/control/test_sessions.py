"""The two sessions against each other: once, in order, not late, and the receipt is true. Time is simulated."""

import random
from collections.abc import Iterable
from typing import Any

import pytest

from slidewire.base.rates import Bucket
from slidewire.control.handshake import (
    HELLOS_AT_ONCE,
    HELLOS_FROM_ONE_ADDRESS,
    HELLOS_PER_SECOND,
    Admission,
    HandshakeResponder,
    PresenterHandshake,
    prologue,
    session_name,
)
from slidewire.control.host_session import Established, IntroductionInvalid
from slidewire.control.intents import Intent, Outcome, Point, Reason, Role, Status, Verb
from slidewire.control.introduction import Introduction, commitment, read_introduction
from slidewire.control.messages import GetState, Offer
from slidewire.control.noise import Initiator
from slidewire.control.parts import JSON_STREAM, MESSAGE_BYTES, PICTURE_BYTES, PICTURE_STREAM, Assembler, split
from slidewire.control.paths import Path, PathKind
from slidewire.control.presenter_session import TIME_TO_LIVE, UNKNOWN_AFTER, LaserAnswered, PathSilent
from slidewire.control.quotas import QUOTAS, Request
from slidewire.control.records import (
    Ack,
    IntentRecord,
    IntroductionRecord,
    Laser,
    Part,
    Ping,
    Receipt,
    Record,
    WindowBase,
    encode,
)
from slidewire.control.seal import HELLO, WELCOME
from slidewire.control.sealed_session import MessageArrived, Transmit
from slidewire.signaling.limits import Limits
from slidewire.testing.network import NetworkConditions
from slidewire.testing.pair import LINK_ID, PSK, Pair
from tests.support.work import counted

NEXT, PREVIOUS = Intent(Verb.NEXT), Intent(Verb.PREVIOUS)
ADA = Introduction(bytes(range(16)), "Ada", "phone")


def test_a_tap_is_performed_and_its_receipt_names_both_slides() -> None:
    pair = Pair(seed=1, weather={"direct": NetworkConditions(delay=0.025)})
    pair.deck.slide = 12
    sequence = pair.tap(NEXT)
    pair.run(0.2)
    (receipt,) = pair.receipts
    assert (receipt.sequence, receipt.status, receipt.before, receipt.after) == (sequence, Status.PERFORMED, 12, 13)
    assert receipt.elapsed == pytest.approx(0.050)
    assert receipt.path == "direct"
    assert any(isinstance(effect, Established) for effect in pair.effects)


@pytest.mark.parametrize(
    "tiny",
    [
        [Ping(n) for n in range(2000)],
        [IntroductionRecord(b"")] * 2000,
        [WindowBase(n) for n in range(2, 2000)],
        [IntentRecord(n, 1 << 31, NEXT) for n in range(1, 1000)],
        [Laser(n, 1 << 31, ()) for n in range(1, 1000)],
        [Ack(n) for n in range(2000)],
    ],
    ids=lambda records: type(records[0]).__name__,
)
def test_a_frame_of_tiny_records_is_work_and_an_answer_by_its_bytes(tiny: list[Record]) -> None:
    pair = Pair(seed=1, weather={"direct": NetworkConditions(delay=0.025)})
    pair.tap(NEXT)
    pair.run(0.2)
    size = len(encode(tiny))
    host = pair.host
    assert host is not None
    host.wire.open = lambda data: tiny  # type: ignore[method-assign]
    with counted() as work:
        host.receive_frame(b"", "direct", pair.now)
        host.wire.end_frame()
    said = sum(len(frame.data) for frame in host.wire._frames)
    assert said <= 100 + size and work.lines < 500 + 10 * size


def test_two_hundred_taps_at_once_are_two_hundred_steps() -> None:
    pair = Pair(
        seed=2, weather={"direct": NetworkConditions(delay=0.02, loss=0.2), "signaling": NetworkConditions(delay=0.06)}
    )
    for _ in range(200):
        pair.tap(NEXT)
        pair.run(0.005)
    pair.run(3)
    assert pair.deck.slide == 201
    assert [receipt.status for receipt in pair.receipts].count(Status.PERFORMED) == 200
    for _ in range(200):
        pair.tap(PREVIOUS)
        pair.run(0.005)
    pair.run(3)
    assert pair.deck.slide == 1


def test_a_burst_goes_out_at_once_and_costs_no_more_than_it_must() -> None:
    pair = Pair(seed=16, weather={"direct": NetworkConditions(delay=0.02)})
    for _ in range(200):
        pair.tap(NEXT)
    pair.run(0.1)
    assert [receipt.status for receipt in pair.receipts] == [Status.PERFORMED] * 200
    assert pair.deck.slide == 201
    assert pair.datagrams < 450, "a frame for each tap and its answer; repetitions share frames"


@pytest.mark.parametrize("seed", range(40))
def test_the_invariants_hold_in_any_weather(seed: int) -> None:
    rng = random.Random(seed)

    def weather() -> NetworkConditions:
        return NetworkConditions(
            delay=rng.uniform(0, 0.2),
            jitter=rng.uniform(0, 0.3),
            loss=rng.choice([0, 0.05, 0.2, 0.6]),
            burst=rng.choice([1, 4]),
            duplicate=rng.choice([0, 0.3]),
        )

    pair = Pair(seed, {"direct": weather(), "signaling": weather()}, performing=rng.choice([0, 0.01, 0.3]))
    asked = {}
    for _ in range(60):
        intent = rng.choice([NEXT, PREVIOUS, Intent(Verb.GOTO, rng.randint(1, 1000))])
        asked[pair.tap(intent)] = intent
        pair.run(rng.choice([0, 0.01, 0.3, 1.5]))
        if rng.random() < 0.1:
            pair.set_conditions(rng.choice(["direct", "signaling"]), weather())
    pair.run(TIME_TO_LIVE + UNKNOWN_AFTER + 1)

    done = [sequence for sequence, _, _ in pair.deck.performed]
    assert done == sorted(set(done)), f"seed {seed}: twice, or out of order"
    assert all(asked[sequence] == intent for sequence, intent, _ in pair.deck.performed), f"seed {seed}: altered"
    for sequence, _, at in pair.deck.performed:
        assert at - pair.submitted[sequence] <= TIME_TO_LIVE + 0.002, f"seed {seed}: intent {sequence} fired late"
    assert sorted(receipt.sequence for receipt in pair.receipts) == sorted(asked), f"seed {seed}: one receipt each"
    for receipt in pair.receipts:
        if receipt.status is Status.PERFORMED:
            assert receipt.sequence in done, f"seed {seed}: the receipt of {receipt.sequence} is not true"
        elif receipt.status is not Status.UNKNOWN:
            assert receipt.sequence not in done, f"seed {seed}: {receipt.sequence} was performed all the same"


def test_a_frame_held_back_for_a_minute_is_not_obeyed() -> None:
    pair = Pair(seed=3, weather={"direct": NetworkConditions(delay=60)})
    pair.tap(NEXT)
    pair.run(130)
    assert pair.deck.performed == []
    assert [receipt.status for receipt in pair.receipts] == [Status.UNKNOWN]


def test_without_any_path_an_intent_expires_here_and_is_never_sent() -> None:
    pair = Pair(seed=4)
    pair.path_down("direct")
    pair.tap(NEXT)
    pair.run(TIME_TO_LIVE + 0.01)
    (receipt,) = pair.receipts
    assert (receipt.status, receipt.reason) == (Status.EXPIRED, Reason.LATE)
    pair.path_up("direct", NetworkConditions())
    pair.run(5)
    assert pair.deck.performed == []


def test_an_intent_waits_for_a_path_while_it_lives() -> None:
    pair = Pair(seed=5)
    pair.path_down("direct")
    pair.tap(NEXT)
    pair.run(1.0)
    pair.path_up("signaling", NetworkConditions(delay=0.05))
    pair.run(1.0)
    assert [receipt.status for receipt in pair.receipts] == [Status.PERFORMED]


def test_order_is_kept_when_packets_overtake_each_other() -> None:
    pair = Pair(seed=6, weather={"direct": NetworkConditions(jitter=0.3)})
    for intent in (NEXT, NEXT, PREVIOUS):
        pair.tap(intent)
    pair.run(3)
    assert [intent for _, intent, _ in pair.deck.performed] == [NEXT, NEXT, PREVIOUS]


def test_a_slow_deck_does_not_perform_what_became_late_in_its_queue() -> None:
    pair = Pair(seed=7, performing=0.9)
    for _ in range(4):
        pair.tap(NEXT)
    pair.run(8)
    assert len(pair.deck.performed) == 3
    assert [receipt.status for receipt in pair.receipts] == [Status.PERFORMED] * 3 + [Status.EXPIRED]


def test_refusals_say_why() -> None:
    pair = Pair(seed=8, role=Role.VIEW)
    pair.tap(NEXT)
    pair.run(1)
    assert [(receipt.status, receipt.reason) for receipt in pair.receipts] == [(Status.REFUSED, Reason.ROLE)]
    assert pair.deck.performed == []
    pair = Pair(seed=8)
    pair.permit = lambda intent: Reason.MUTED
    pair.tap(NEXT)
    pair.run(1)
    assert [(receipt.status, receipt.reason) for receipt in pair.receipts] == [(Status.REFUSED, Reason.MUTED)]


def test_permission_is_asked_after_what_went_before_was_performed() -> None:
    """Three quick taps near the end of a slide range: what the second may depends on what the first did."""
    pair = Pair(seed=21, performing=0.2)
    pair.permit = lambda intent: Reason.NONE if pair.deck.slide < 3 else Reason.RANGE
    sequences = [pair.tap(NEXT) for _ in range(4)]
    pair.run(1.5)
    assert pair.deck.slide == 3
    assert [(receipt.status, receipt.reason) for receipt in pair.receipts] == [
        (Status.PERFORMED, Reason.NONE),
        (Status.PERFORMED, Reason.NONE),
        (Status.REFUSED, Reason.RANGE),
        (Status.REFUSED, Reason.RANGE),
    ]
    pair.tap(PREVIOUS)
    assert pair.host.answered(sequences[0] + 100) is None


def test_what_was_muted_while_it_waited_in_the_queue_is_not_performed() -> None:
    pair = Pair(seed=22, performing=0.3)
    first, second = pair.tap(NEXT), pair.tap(NEXT)
    pair.run(0.1)
    pair.permit = lambda intent: Reason.MUTED
    pair.run(1)
    assert [sequence for sequence, _, _ in pair.deck.performed] == [first]
    assert [receipt.reason for receipt in pair.receipts if receipt.sequence == second] == [Reason.MUTED]


def test_a_receipt_that_was_lost_comes_again_with_a_copy_of_its_intent() -> None:
    pair = Pair(seed=9)
    pair.presenter.submit(NEXT, pair.now)
    pair._drain()
    pair._step()  # the intent arrives, and is performed; now the way back goes dead for a while
    pair._down["direct"].weather = NetworkConditions(loss=1)
    pair._drain()
    pair.run(0.3)
    pair._down["direct"].weather = NetworkConditions()
    pair.run(1)
    assert [receipt.status for receipt in pair.receipts] == [Status.PERFORMED]
    assert len(pair.deck.performed) == 1
    quiet = pair.datagrams
    pair.run(0.9)
    assert pair.datagrams - quiet <= 4, "once it is here, only the heartbeat goes on"


def test_an_abandoned_session_leaves_unknown_and_nothing_is_replayed() -> None:
    pair = Pair(seed=10, weather={"direct": NetworkConditions(loss=1)})
    pair.tap(NEXT)
    pair.presenter.abandon(pair.now)
    pair._drain()
    assert [receipt.status for receipt in pair.receipts] == [Status.UNKNOWN]
    pair.set_conditions("direct", NetworkConditions())
    pair.run(5)
    assert pair.deck.performed == []


def test_the_newest_laser_wins_and_an_old_one_is_dropped() -> None:
    pair = Pair(seed=11, weather={"direct": NetworkConditions(delay=0.01)})
    pair.presenter.point([Point(0.1, 0.1)], pair.now)
    held_back = pair.presenter.next_effect()
    assert isinstance(held_back, Transmit)
    pair.presenter.point([Point(0.1, 0.1), Point(0.2, 0.2)], pair.now)
    pair._drain()
    pair.run(0.1)
    assert [round(point.x, 3) for point in pair.deck.pointed] == [0.1, 0.2]
    pair.host.receive_frame(held_back.data, "direct", pair.now)
    pair._drain()
    assert len(pair.deck.pointed) == 2
    assert [effect.status for effect in pair.effects if isinstance(effect, LaserAnswered)] == [Status.PERFORMED]


def test_a_late_laser_is_dropped() -> None:
    pair = Pair(seed=12, weather={"direct": NetworkConditions(delay=2)})
    pair.presenter.point([Point(0.5, 0.5)], pair.now)
    pair._drain()
    pair.run(3)
    assert pair.deck.pointed == []
    assert pair.host.wire.counts["laser_late"] == 1


def test_messages_of_any_size_arrive_whole_by_the_reliable_path() -> None:
    pair = Pair(
        seed=13,
        weather={
            "signaling": NetworkConditions(delay=0.05),
            "direct": NetworkConditions(loss=1),
            "bulk": NetworkConditions(),
        },
    )
    sent = Offer(1, "ü" * 30_000)
    assert pair.presenter.send_message(sent, pair.now)
    pair._drain()
    pair.run(0.2)
    assert [effect.message for effect in pair.effects if isinstance(effect, MessageArrived)] == [sent]


def test_a_replayed_hello_opens_nothing() -> None:
    rng = random.Random(1)
    door = HandshakeResponder(lambda _: Admission(PSK, Role.CLICK), rng.randbytes)
    handshake = PresenterHandshake(LINK_ID, PSK, rng.randbytes(32), ADA)
    first = door.receive_hello(handshake.hello, 0.0)
    again = door.receive_hello(handshake.hello, 9.0)
    assert first is not None and again is not None
    assert again.welcome == first.welcome and again.session is None
    other = HandshakeResponder(lambda _: Admission(PSK, Role.CLICK), rng.randbytes).receive_hello(handshake.hello, 0.0)
    assert other is not None and other.session is not None
    assert not other.session.established, "a recorded hello proves nothing: the host waits for a sealed frame"


def test_a_forged_welcome_does_not_spoil_the_true_one() -> None:
    rng = random.Random(2)
    handshake = PresenterHandshake(LINK_ID, PSK, rng.randbytes(32), ADA)
    assert handshake.receive_welcome(bytes([WELCOME]) + rng.randbytes(80), 0.0, 0.0) is None
    admitted = HandshakeResponder(lambda _: Admission(PSK, Role.LASER), rng.randbytes).receive_hello(
        handshake.hello, 0.0
    )
    assert admitted is not None
    welcomed = handshake.receive_welcome(admitted.welcome, 0.0, 0.0)
    assert welcomed is not None and welcomed[1] is Role.LASER
    assert handshake.receive_welcome(admitted.welcome, 0.0, 0.0) is None, "a handshake finishes once"


def test_hellos_that_lead_nowhere_are_counted_by_name() -> None:
    rng = random.Random(3)
    door = HandshakeResponder(lambda link: Admission(PSK, Role.CLICK) if link == LINK_ID else None, rng.randbytes)
    assert door.receive_hello(b"", 0.0) is None
    assert door.receive_hello(b"\x01\xff", 0.0) is None
    unknown = PresenterHandshake("zzzzzzzzzz", PSK, rng.randbytes(32), Introduction(bytes(16)))
    assert door.receive_hello(unknown.hello, 0.0) is None
    wrong = PresenterHandshake(LINK_ID, bytes(32), rng.randbytes(32), Introduction(bytes(16)))
    assert door.receive_hello(wrong.hello, 0.0) is None
    assert door.counts == {"malformed_hello": 2, "link_not_ours": 1, "wrong_secret": 1}


def test_paths_are_judged_by_their_answers() -> None:
    pair = Pair(seed=14, weather={"direct": NetworkConditions(delay=0.01), "signaling": NetworkConditions(delay=0.05)})
    pair.run(2)
    best = pair.presenter.wire.paths.best(pair.now)
    assert best is not None and best.kind is PathKind.DIRECT
    assert best.round_trip == pytest.approx(0.02, abs=0.002)
    pair.set_conditions("direct", NetworkConditions(loss=1))
    pair.run(4.5)
    best = pair.presenter.wire.paths.best(pair.now)
    assert best is not None and best.kind is PathKind.SIGNALING
    assert [path.kind for path in pair.presenter.wire.paths.control(pair.now)] == [PathKind.SIGNALING]


def test_an_outcome_for_something_never_asked_is_ignored() -> None:
    pair = Pair(seed=15)
    pair.host.settle(77, Outcome(Status.PERFORMED, 1, 2), pair.now)
    pair._drain()
    pair.run(1)
    assert pair.receipts == []


def test_a_thousand_taps_without_a_path_do_not_stop_the_session() -> None:
    pair = Pair(seed=17)
    pair.path_down("direct")
    for _ in range(3000):
        pair.tap(NEXT)
    pair.run(TIME_TO_LIVE + 0.1)
    assert {receipt.status for receipt in pair.receipts} == {Status.EXPIRED}
    pair.path_up("direct", NetworkConditions())
    pair.tap(NEXT)
    pair.run(1)
    assert pair.receipts[-1].status is Status.PERFORMED
    assert pair.deck.slide == 2


def test_a_message_in_more_parts_than_it_may_have_takes_no_memory() -> None:
    assembler = Assembler()
    for number in range(2000):
        assert assembler.add(Part(0, 1, number, 60_000, b"")) is None
    assert not assembler._halves


@pytest.mark.parametrize("by", [PathKind.BULK, PathKind.SIGNALING])
def test_a_picture_may_be_longer_than_any_other_message(by: PathKind) -> None:
    picture = bytes(PICTURE_BYTES)
    assembler = Assembler(picture_bytes=PICTURE_BYTES)
    assert [whole for part in split(PICTURE_STREAM, 1, picture, by) if (whole := assembler.add(part))] == [picture]
    with pytest.raises(ValueError, match="4194304 bytes, this one has 4194305"):
        next(split(PICTURE_STREAM, 1, bytes(PICTURE_BYTES + 1), by))
    with pytest.raises(ValueError, match="1048576 bytes"):
        next(split(JSON_STREAM, 1, bytes(MESSAGE_BYTES + 1), by))
    assert not any(Assembler().add(part) for part in split(PICTURE_STREAM, 1, bytes(10_000), by)), "none are expected"


def test_every_frame_introduces_the_presenter_until_the_host_has_answered() -> None:
    pair = Pair(seed=30, weather={"direct": NetworkConditions(delay=0.02, loss=1)})
    pair.tap(NEXT)
    pair.run(0.3)
    assert (pair.host.established, pair.host.introduction) == (False, None)
    pair.set_conditions("direct", NetworkConditions(delay=0.02))
    pair.run(0.2)
    assert pair.host.introduction == pair.introduction
    assert pair.presenter.sas is not None, "and the host's answer was heard"
    assert [receipt.status for receipt in pair.receipts] == [Status.PERFORMED]


def test_an_introduction_costs_no_round_trip() -> None:
    pair = Pair(seed=31, weather={"signaling": NetworkConditions(delay=0.05)})
    pair.tap(NEXT)
    pair.run(0.15)
    assert [receipt.elapsed for receipt in pair.receipts] == [pytest.approx(0.1)]
    assert pair.presenter.sas == pair.host.sas is not None


def test_whose_answer_is_lost_says_it_again() -> None:
    pair = Pair(seed=32)
    pair._down["direct"].weather = NetworkConditions(loss=1)
    pair.run(0.2)
    assert (pair.host.established, pair.presenter.sas) == (True, None)
    pair._down["direct"].weather = NetworkConditions()
    pair.run(1.2)
    assert pair.presenter.sas == pair.host.sas is not None
    assert sum(isinstance(effect, Established) for effect in pair.effects) == 1


def test_a_host_that_opens_another_nonce_gets_no_words_out_of_the_presenter() -> None:
    pair = Pair(seed=33)
    pair.host._nonce = bytes(16)
    pair.tap(NEXT)
    pair.run(1)
    assert pair.presenter.sas is None
    assert pair.presenter.wire.counts["words_false"] == 1


def test_nothing_is_obeyed_or_answered_before_the_introduction() -> None:
    pair = Pair(seed=34, weather={})
    pair.presenter.wire.introduction = None
    pair.path_up("signaling", NetworkConditions())
    pair.tap(NEXT)
    pair.presenter.send_message(GetState(), pair.now)
    pair.run(0.5)
    assert pair.deck.performed == [] and not pair.host.established
    assert pair.host.wire.counts["not_introduced"] == pair.datagrams > 3, "and not a PONG came back"


def test_an_introduction_that_opens_another_nonce_is_no_second_try() -> None:
    pair = Pair(seed=35, weather={})
    pair.presenter.wire.introduction = IntroductionRecord(ADA.encode())
    pair.path_up("direct", NetworkConditions())
    pair.tap(NEXT)
    pair.run(0.02)
    assert sum(isinstance(effect, IntroductionInvalid) for effect in pair.effects) == 1
    pair.presenter.wire.introduction = IntroductionRecord(pair.introduction.encode())
    pair.run(3)
    assert pair.deck.performed == [] and not pair.host.established and pair.host.sas is None
    assert pair.host.wire.counts["introduction_false"] == 1
    assert pair.host.wire.counts["not_introduced"] > 5
    assert sum(isinstance(effect, IntroductionInvalid) for effect in pair.effects) == 1


def test_a_host_answers_so_many_hellos_by_one_link_and_others_by_another() -> None:
    """Each is a try at words that suit somebody."""
    rng = random.Random(36)
    door = HandshakeResponder(lambda _: Admission(PSK, Role.CLICK), rng.randbytes)

    def accept_connection(link_id: str, now: float) -> bool:
        handshake = PresenterHandshake(link_id, PSK, rng.randbytes(32), Introduction(rng.randbytes(16)))
        return door.receive_hello(handshake.hello, now) is not None

    assert sum(accept_connection(LINK_ID, 5.0) for _ in range(HELLOS_AT_ONCE + 50)) == HELLOS_AT_ONCE
    assert door.counts == {"too_many_hellos": 50}
    assert accept_connection("zzzzzzzzzz", 5.0)
    assert sum(accept_connection(LINK_ID, 6.0) for _ in range(50)) == HELLOS_PER_SECOND


def test_one_address_cannot_have_all_the_hellos_of_a_link() -> None:
    rng = random.Random(38)
    door = HandshakeResponder(lambda _: Admission(PSK, Role.CLICK), rng.randbytes)

    def accept_connection(origin: int, now: float) -> bool:
        handshake = PresenterHandshake(LINK_ID, PSK, rng.randbytes(32), Introduction(rng.randbytes(16)))
        return door.receive_hello(handshake.hello, now, origin) is not None

    for second in range(60):
        eve = sum(accept_connection(1, second) for _ in range(200))
        assert eve == (HELLOS_FROM_ONE_ADDRESS.burst if second == 0 else HELLOS_FROM_ONE_ADDRESS.per_second)
        assert accept_connection(2, second)


def test_a_hello_that_commits_to_nothing_is_malformed() -> None:
    door = HandshakeResponder(lambda _: Admission(PSK, Role.CLICK), random.Random(37).randbytes)
    for number, payload in enumerate((b"{}", b"[]", b'{"commit":"*"}', b"\xff")):
        initiator = Initiator(PSK, prologue(LINK_ID), bytes([number]) * 32)
        hello = bytes([HELLO, len(LINK_ID)]) + LINK_ID.encode() + initiator.write_message_1(payload)
        assert door.receive_hello(hello, 0.0) is None
    assert door.counts == {"malformed_hello": 4}


@pytest.mark.parametrize("kept", [0.0, 0.4, 0.9, 1.5, 3.0, 60.0])
@pytest.mark.parametrize("round_trip", [0.02, 0.1, 0.3])
def test_a_tap_right_after_a_late_welcome_is_performed_and_never_late(kept: float, round_trip: float) -> None:
    """A server kept the welcome, or the first ones were lost and this is a repetition: its clock is old."""
    weather = NetworkConditions(delay=round_trip / 2)
    pair = Pair(seed=40, weather={}, welcome_kept=kept)
    pair.path_up("signaling", weather)
    pair.tap(NEXT)
    pair.run(2 * round_trip + 0.01)
    assert [receipt.status for receipt in pair.receipts] == [Status.PERFORMED]
    assert pair.receipts[0].elapsed == pytest.approx(round_trip if kept <= 1 else 2 * round_trip, abs=0.002)
    # The same again, and a server keeps the tap for its time to live: nothing makes it live longer.
    pair = Pair(seed=40, weather={}, welcome_kept=kept)
    pair.path_up("signaling", weather)
    up, frames = pair._up["signaling"], list[bytes]()
    carry = up.send

    def keep(data: bytes, now: float, *rest: Any) -> bool:
        if not pair.presenter._knows_clock:
            return carry(data, now, *rest)
        frames.append(data)
        return True

    up.send = keep  # type: ignore[method-assign, assignment]
    pair.tap(NEXT)
    pair.run(TIME_TO_LIVE + 0.003)
    assert len(frames) > 5
    for frame in frames:
        pair.host.receive_frame(frame, "signaling", pair.now)
    pair.run(1)
    assert pair.deck.performed == []


def test_without_a_pong_no_tap_leaves_after_a_late_welcome() -> None:
    pair = Pair(seed=41, weather={}, welcome_kept=30)
    pair.path_up("signaling", NetworkConditions(loss=1))
    pair.tap(NEXT)
    pair.run(TIME_TO_LIVE + 0.1)
    assert [(receipt.status, receipt.reason) for receipt in pair.receipts] == [(Status.EXPIRED, Reason.LATE)]
    pair.set_conditions("signaling", NetworkConditions())
    pair.run(3)
    assert pair.deck.performed == []
    pair.tap(NEXT)
    pair.run(0.1)
    assert pair.deck.slide == 2


def test_who_taps_too_fast_is_refused_and_told_so() -> None:
    pair = Pair(seed=50)
    for _ in range(round(QUOTAS[Request.INTENT].cap.burst) + 100):
        pair.tap(NEXT)
    pair.run(0.5)
    assert pair.deck.slide == 1 + round(QUOTAS[Request.INTENT].cap.burst)
    refused = [receipt for receipt in pair.receipts if receipt.status is Status.REFUSED]
    assert len(refused) == 100 and {receipt.reason for receipt in refused} == {Reason.RATE}
    assert pair.host.wire.counts["intents_too_fast"] == 100
    pair.run(0.5)
    pair.tap(PREVIOUS)
    pair.run(0.1)
    assert pair.receipts[-1].status is Status.PERFORMED, "a second later it goes on"


def test_a_key_held_down_for_a_minute_is_never_too_fast() -> None:
    pair = Pair(seed=51, weather={"direct": NetworkConditions(delay=0.02, loss=0.1)})
    for _ in range(60 * 33):
        pair.tap(NEXT)
        pair.run(1 / 33)
    pair.run(1)
    assert {receipt.status for receipt in pair.receipts} == {Status.PERFORMED}


@pytest.mark.parametrize("round_trip", [0.005, 0.05, 0.15, 0.6])
@pytest.mark.parametrize("a_second", [3, 10, 33])
def test_however_fast_it_taps_a_presenter_without_a_direct_path_says_no_more_than_the_server_takes(
    round_trip: float, a_second: int
) -> None:
    pair = Pair(seed=53, weather={"signaling": NetworkConditions(delay=round_trip / 2)})
    takes, next_effect = Bucket(Limits().messages), pair.presenter.next_effect

    def through_the_server() -> Any:
        effect = next_effect()
        if isinstance(effect, Transmit):
            assert takes.take(pair.now) == 0, "it would be dropped, and in the end whoever says so much is blocked"
        return effect

    pair.presenter.next_effect = through_the_server  # type: ignore[method-assign]
    for _ in range(60 * a_second):
        pair.tap(NEXT)
        pair.run(1 / a_second)
    pair.run(2)
    assert [receipt.status for receipt in pair.receipts] == 60 * a_second * [Status.PERFORMED]


def test_a_laser_that_is_too_fast_is_dropped_and_thirty_a_second_are_not() -> None:
    pair = Pair(seed=52)
    for number in range(300):
        pair.presenter.point([Point(number / 300, 0.5)], pair.now)
        pair._drain()
        pair.run(1 / 30)
    assert len(pair.deck.pointed) == 300
    for _ in range(500):
        pair.presenter.point([Point(0.5, 0.5)], pair.now)
        pair._drain()
    pair.run(0.1)
    assert 300 < len(pair.deck.pointed) < 300 + round(QUOTAS[Request.LASER].cap.burst) + 20
    assert pair.host.wire.counts["laser_too_fast"] > 300


def test_an_introduction_names_the_session_it_follows() -> None:
    pair = Pair(seed=18)
    replaces = session_name(pair.presenter.wire)
    assert replaces == session_name(pair.host.wire)
    said = Introduction(bytes(16), "Ada", "phone", replaces, "device")
    assert read_introduction(said.encode(), commitment(said.nonce)) == said


def test_an_intent_whose_paths_went_away_costs_no_time_until_one_comes_back() -> None:
    pair = Pair(seed=19, weather={"direct": NetworkConditions(loss=1)})
    pair.tap(NEXT)
    pair.path_down("direct")
    pair.run(0.5)
    pair.presenter.handle_timer(pair.now)
    timer = pair.presenter.get_timer()
    assert timer is not None and timer > pair.now, "else its owner spins"
    pair.path_up("signaling", NetworkConditions())
    pair.run(0.01)
    assert [receipt.status for receipt in pair.receipts] == [Status.PERFORMED]


def silent_paths(pair: Pair) -> list[str]:
    return [effect.path for effect in pair.effects if isinstance(effect, PathSilent)]


def live_paths(pair: Pair) -> list[str]:
    return [path.name for path in pair.presenter.wire.paths.control(pair.now)]


def test_a_path_that_swallows_an_intent_is_dead_after_two_round_trips_and_150_ms() -> None:
    pair = Pair(seed=20, weather={"direct": NetworkConditions(delay=0.025), "signaling": NetworkConditions(delay=0.03)})
    pair.run(1.5)
    pair.set_conditions("direct", NetworkConditions(loss=1))
    pair.tap(NEXT)
    pair.run(0.245)
    assert live_paths(pair) == ["direct", "signaling"]
    pair.run(0.01)
    assert silent_paths(pair) == ["direct"]
    assert live_paths(pair) == ["signaling"]
    best = pair.presenter.wire.paths.best(pair.now)
    assert best is not None and best.kind is PathKind.SIGNALING
    pair.run(60)
    pair.tap(NEXT)
    pair.run(1)
    assert silent_paths(pair) == ["direct"], "it dies once"
    pair.set_conditions("direct", NetworkConditions(delay=0.025))
    pair.run(1.1)
    assert live_paths(pair) == ["direct", "signaling"], "any frame that comes by it ends that"


def test_in_the_dark_bulk_is_not_filled_whose_window_the_taps_need() -> None:
    pair = Pair(seed=54, weather={name: NetworkConditions(delay=0.025) for name in ("direct", "bulk", "signaling")})
    pair.run(1.5)
    for name in ("direct", "bulk", "signaling"):
        pair.set_conditions(name, NetworkConditions(loss=1))
    said: list[str] = []
    next_effect = pair.presenter.next_effect

    def listening() -> Any:
        effect = next_effect()
        if isinstance(effect, Transmit):
            said.append(effect.path)
        return effect

    pair.presenter.next_effect = listening  # type: ignore[method-assign]
    pair.run(2)
    assert said.count("bulk") <= 2 and said.count("direct") >= 5, "PINGs"
    pair.run(2)
    said.clear()
    pair.presenter.send_message(Offer(1, ""), pair.now)
    pair._drain()
    assert said == ["signaling"], "and nothing that it would keep"


def test_the_only_path_is_used_even_when_it_is_dead() -> None:
    pair = Pair(seed=21, weather={"direct": NetworkConditions(delay=0.025)})
    pair.run(1.5)
    pair.set_conditions("direct", NetworkConditions(loss=1))
    pair.tap(NEXT)
    pair.run(1)
    assert silent_paths(pair) == ["direct"]
    assert pair.presenter.wire.paths.best(pair.now) is None
    pair.set_conditions("direct", NetworkConditions(delay=0.025))
    pair.run(0.2)
    assert [receipt.status for receipt in pair.receipts] == [Status.PERFORMED]
    assert pair.presenter.wire.paths.best(pair.now) is not None


def test_a_path_that_nothing_is_asked_of_dies_of_three_seconds_without_a_pong() -> None:
    pair = Pair(seed=22, weather={"direct": NetworkConditions(delay=0.025)})
    pair.run(1.5)
    pair.set_conditions("direct", NetworkConditions(loss=1))
    pair.run(1.9)
    assert silent_paths(pair) == []
    pair.run(2)
    assert silent_paths(pair) == ["direct"]


def test_who_stood_still_does_not_take_its_own_deafness_for_the_path_s() -> None:
    pair = Pair(seed=23, weather={"direct": NetworkConditions(delay=0.025)})
    pair.run(1.5)
    pair.tap(NEXT)
    pair.run(0.03)
    pair.now += 0.8  # the receipt lies unread
    pair.presenter.handle_timer(pair.now)
    pair._drain()
    pair.run(0.01)
    assert silent_paths(pair) == []
    assert [receipt.status for receipt in pair.receipts] == [Status.PERFORMED]


def said(pair: Pair) -> list[tuple[str, str, int]]:
    """From here on, what the host says of intents: what, by which path, and how many milliseconds after now."""
    start, send = pair.now, pair.host.wire.send
    heard: list[tuple[str, str, int]] = []

    def listen(record: Record, paths: Iterable[Path]) -> None:
        paths = list(paths)
        if isinstance(record, Ack | Receipt):
            heard.extend((type(record).__name__, path.name, round((pair.now - start) * 1000)) for path in paths)
        send(record, paths)

    pair.host.wire.send = listen  # type: ignore[method-assign]
    return heard


def test_a_quick_deck_s_receipt_goes_back_where_the_tap_came_from_and_by_the_best_other_path() -> None:
    weather = {
        "direct": NetworkConditions(delay=0.025),
        "relayed": NetworkConditions(delay=0.04),
        "signaling": NetworkConditions(delay=0.028),
    }
    pair = Pair(seed=24, weather=weather)
    pair.run(1.5)
    heard = said(pair)
    pair.tap(NEXT)
    pair.run(1)
    by = [(path, at) for what, path, at in heard if what == "Receipt"]
    assert by == [("direct", 25), ("relayed", 25), ("signaling", 28), ("direct", 35), ("relayed", 40), ("relayed", 50)]
    assert len(by) == len(heard), "no ACK: the receipt is as fast"


def test_a_slow_deck_s_receipt_goes_out_twice_and_a_copy_before_it_is_acknowledged() -> None:
    pair = Pair(seed=25, weather={"direct": NetworkConditions(delay=0.025)})
    pair.run(1.5)
    heard = said(pair)
    pair._deck_free = pair.now + 0.4
    pair.tap(NEXT)
    pair.run(1)
    assert [heard[0], *heard[-2:]] == [("Ack", "direct", 35), ("Receipt", "direct", 400), ("Receipt", "direct", 415)]
    assert len(heard) == 4, "the tap is asked about once more in 400 ms"
    assert [round(receipt.elapsed, 3) for receipt in pair.receipts] == [0.425]


def test_a_click_costs_six_frames_on_two_paths_and_hardly_more_where_the_way_is_long() -> None:
    frames = {}
    for round_trip in (0.02, 0.05, 0.15, 0.5):
        weather = NetworkConditions(delay=round_trip / 2)
        pair = Pair(seed=26, weather={"direct": weather, "signaling": weather})
        pair.run(2)
        before = pair.datagrams
        pair.run(100)
        idle = pair.datagrams - before
        for _ in range(100):
            pair.tap(NEXT)
            pair.run(1)
        frames[round_trip] = (pair.datagrams - before - 2 * idle) / 100
    assert frames == pytest.approx({0.02: 6, 0.05: 6, 0.15: 8, 0.5: 11}, abs=0.3)


@pytest.mark.parametrize(("loss", "burst", "most"), [(0.05, 1, 0), (0.2, 1, 3), (0.2, 4, 30)])
def test_a_path_that_loses_packets_is_hardly_ever_taken_for_a_dead_one(loss: float, burst: float, most: int) -> None:
    pair = Pair(seed=27, weather={"direct": NetworkConditions(delay=0.025, loss=loss, burst=burst)})
    for _ in range(1000):
        pair.tap(NEXT)
        pair.run(1.2)
    assert len(silent_paths(pair)) <= most
