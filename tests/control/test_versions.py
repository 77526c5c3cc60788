"""Version n and version n + 1 with each other, both ways: what only the later one has is answered or ignored, and costs
nothing beside it (protocol/control.md §4, §7).

The later version has one more verb, record type, status, reason and field of a record. Here its frames are made byte by
byte, as no version can write what it does not know."""

from __future__ import annotations

import struct
from dataclasses import replace

from slidewire.control.host_session import Perform
from slidewire.control.intents import Intent, Outcome, Reason, Status, Verb
from slidewire.control.noise import TransportKeys
from slidewire.control.presenter_session import ReceiptArrived
from slidewire.control.records import Receipt, Unsupported, decode
from slidewire.control.seal import Opener, Sealer
from slidewire.control.sealed_session import Transmit
from slidewire.testing.pair import Pair

LATER_VERB, LATER_RECORD, LATER_STATUS, LATER_REASON = 200, 99, 201, 202


def record(type_: int, body: bytes) -> bytes:
    return struct.pack("!BH", type_, len(body)) + body


def intent(sequence: int, verb: int, argument: int = 0, deadline: int = 60_000, added: bytes = b"") -> bytes:
    return record(3, struct.pack("!IIBH", sequence, deadline, verb, argument) + added)


def receipt(sequence: int, status: int, reason: int, added: bytes = b"") -> bytes:
    return record(4, struct.pack("!IBHHB", sequence, status, 4, 5, reason) + added)


class LaterEnd:
    """Seals what version n + 1 says as one end of a session whose other end is ours."""

    def __init__(self, keys: TransportKeys, session: int) -> None:
        self._sealer = Sealer(session, keys.send)
        for _ in range(100):  # counters that the end which it stands for has used
            self._sealer.seal(b"")
        self._opener = Opener(session, keys.receive)

    def frame(self, *records: bytes) -> bytes:
        return self._sealer.seal(b"".join(records))

    def read(self, frame: bytes) -> list[object]:
        plaintext = self._opener.open(frame)
        assert isinstance(plaintext, bytes)
        return list(decode(plaintext) or [])


def connected_pair() -> Pair:
    pair = Pair(seed=1)
    pair.run(1.0)
    return pair


def later_presenter(pair: Pair) -> LaterEnd:
    return LaterEnd(pair.presenter_keys, pair.host.wire.session)


def later_host(pair: Pair) -> LaterEnd:
    keys = pair.presenter_keys
    return LaterEnd(replace(keys, send=keys.receive, receive=keys.send), pair.host.wire.session)


def host_says(pair: Pair, later: LaterEnd, *records: bytes) -> tuple[list[Intent], list[object]]:
    """What our host performs after a frame of a later presenter, and all that it answers."""
    frame = later.frame(*records)
    pair.host.receive_frame(frame, "direct", pair.now)
    performed: list[Intent] = []
    said: list[object] = []
    while (effect := pair.host.next_effect()) is not None:
        if isinstance(effect, Perform):
            assert pair.host.is_due(effect.sequence, pair.now)
            performed.append(effect.intent)
            pair.host.settle(effect.sequence, Outcome(Status.PERFORMED, 1, 2), pair.now)
        elif isinstance(effect, Transmit):
            said += later.read(effect.data)
    return performed, said


def test_a_later_presenter_and_this_host() -> None:
    pair = connected_pair()
    later = later_presenter(pair)
    performed, said = host_says(
        pair,
        later,
        record(LATER_RECORD, b"what a later version says"),
        intent(1, Verb.NEXT),
        intent(2, LATER_VERB, argument=7),
        intent(3, Verb.NEXT, argument=7),
        intent(4, Verb.GOTO, argument=12, added=b"a field of a later version"),
        record(LATER_RECORD, b"and again"),
    )
    assert performed == [Intent(Verb.NEXT), Intent(Verb.GOTO, 12)]
    assert Unsupported(bytes([LATER_RECORD])) in said
    answers = {answer.sequence: answer for answer in said if isinstance(answer, Receipt)}
    assert [answers[number].status for number in (1, 2, 3, 4)] == [
        Status.PERFORMED,
        Status.REFUSED,
        Status.REFUSED,
        Status.PERFORMED,
    ]
    assert answers[2].reason is answers[3].reason is Reason.UNSUPPORTED


def test_an_intent_that_this_host_does_not_have_is_answered_once_in_its_turn_and_again_when_repeated() -> None:
    pair = connected_pair()
    later = later_presenter(pair)
    performed, said = host_says(pair, later, intent(2, LATER_VERB))
    assert (performed, [answer for answer in said if isinstance(answer, Receipt)]) == ([], [])
    performed, said = host_says(pair, later, intent(1, Verb.NEXT))
    assert {answer.sequence for answer in said if isinstance(answer, Receipt)} == {1, 2}
    pair.now += 0.1
    performed, said = host_says(pair, later, intent(2, LATER_VERB))
    assert Receipt(2, Status.REFUSED, None, None, Reason.UNSUPPORTED) in said


def test_an_intent_of_a_later_version_expires_as_any_other() -> None:
    pair = connected_pair()
    later = later_presenter(pair)
    _, said = host_says(pair, later, intent(1, LATER_VERB, deadline=1))
    assert Receipt(1, Status.EXPIRED, None, None, Reason.LATE) in said


def test_a_later_host_and_this_presenter() -> None:
    pair = connected_pair()
    later = later_host(pair)
    for _ in range(3):
        pair.presenter.submit(Intent(Verb.NEXT), pair.now)
    while pair.presenter.next_effect() is not None:
        pass
    frame = later.frame(
        record(LATER_RECORD, b"what a later version says"),
        receipt(1, Status.PERFORMED, LATER_REASON),
        receipt(2, LATER_STATUS, Reason.NONE),
        receipt(3, Status.REFUSED, Reason.AT_END, added=b"a field of a later version"),
    )
    pair.presenter.receive_frame(frame, "direct", pair.now)
    receipts = []
    while (effect := pair.presenter.next_effect()) is not None:
        if isinstance(effect, ReceiptArrived):
            receipts.append((effect.sequence, effect.status, effect.reason))
    assert receipts == [
        (1, Status.PERFORMED, Reason.NONE),
        (2, Status.UNKNOWN, Reason.NONE),
        (3, Status.REFUSED, Reason.AT_END),
    ]


def test_a_later_presenter_is_told_what_was_not_read_and_a_presenter_of_this_version_ignores_it() -> None:
    pair = connected_pair()
    later = later_host(pair)
    pair.presenter.submit(Intent(Verb.NEXT), pair.now)
    pair.presenter.receive_frame(later.frame(record(13, bytes([20, 21])), receipt(1, 1, 0)), "direct", pair.now)
    effects = []
    while (effect := pair.presenter.next_effect()) is not None:
        effects.append(effect)
    assert [effect.status for effect in effects if isinstance(effect, ReceiptArrived)] == [Status.PERFORMED]
