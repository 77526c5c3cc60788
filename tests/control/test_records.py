"""The record codec against the shared vectors, and against anything at all."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.control.intents import Intent, Point, Reason, Status, Verb
from slidewire.control.records import (
    Ack,
    IntentRecord,
    IntroductionAck,
    IntroductionRecord,
    Laser,
    LaserReceipt,
    Part,
    Ping,
    Pong,
    Receipt,
    Record,
    UnknownIntent,
    UnknownRecord,
    Unsupported,
    WindowBase,
    decode,
    encode,
)

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "protocol/vectors/control.json").read_text())

u32 = st.integers(0, 2**32 - 1)
u16 = st.integers(0, 2**16 - 1)
slides = st.none() | st.integers(1, 2**16 - 1)
points = st.builds(lambda x, y: Point(x / 65535, y / 65535), u16, u16)
plain_verbs = st.sampled_from([verb for verb in Verb if verb is not Verb.GOTO])
intents = st.builds(Intent, plain_verbs) | st.builds(Intent, st.just(Verb.GOTO), st.integers(1, 2**16 - 1))
records: st.SearchStrategy[Record] = st.one_of(
    st.builds(Ping, u32),
    st.builds(Pong, u32, u32, u16),
    st.builds(IntentRecord, u32, u32, intents),
    st.builds(Receipt, u32, st.sampled_from(Status), slides, slides, st.sampled_from(Reason)),
    st.builds(Ack, u32),
    st.builds(WindowBase, u32),
    st.builds(Laser, u32, u32, st.lists(points, max_size=16).map(tuple)),
    st.builds(LaserReceipt, u32, st.sampled_from(Status), st.sampled_from(Reason)),
    st.builds(Part, st.integers(0, 255), u16, u16, u16, st.binary(max_size=64)),
    st.builds(IntroductionRecord, st.binary(max_size=64)),
    st.builds(IntroductionAck, st.binary(max_size=16)),
    st.builds(Unsupported, st.binary(max_size=16)),
    st.builds(UnknownIntent, u32, u32, st.integers(10, 255), u16),
    st.builds(UnknownRecord, st.integers(14, 255)),
)


def _intent(sequence: int, deadline: int, verb: str | int, argument: int) -> Record:
    number = verb if isinstance(verb, int) else Verb[verb.upper()].value
    try:
        return IntentRecord(sequence, deadline, Intent(Verb(number), argument))
    except ValueError:
        return UnknownIntent(sequence, deadline, number, argument)


def as_record(fields: dict[str, Any]) -> Record:
    """A record from the field names of the vectors file."""
    match fields:
        case {"type": "ping", "stamp": stamp}:
            return Ping(stamp)
        case {"type": "pong", "stamp": stamp, "clock": clock, "version": version}:
            return Pong(stamp, clock, version)
        case {"type": "intent", "sequence": sequence, "deadline": deadline, "verb": verb, "argument": argument}:
            return _intent(sequence, deadline, verb, argument)
        case {"type": "receipt", "sequence": n, "status": status, "from": before, "to": after, "reason": reason}:
            return Receipt(n, Status[status.upper()], before, after, Reason[reason.upper()])
        case {"type": "ack", "sequence": sequence}:
            return Ack(sequence)
        case {"type": "floor", "sequence": sequence}:
            return WindowBase(sequence)
        case {"type": "laser", "sequence": sequence, "deadline": deadline, "points": where}:
            return Laser(sequence, deadline, tuple(Point(x, y) for x, y in where))
        case {"type": "laser_receipt", "sequence": sequence, "status": status, "reason": reason}:
            return LaserReceipt(sequence, Status[status.upper()], Reason[reason.upper()])
        case {"type": "part", "stream": stream, "id": id_, "number": number, "total": total, "data": data}:
            return Part(stream, id_, number, total, bytes.fromhex(data))
        case {"type": "introduction", "bytes": text}:
            return IntroductionRecord(bytes.fromhex(text))
        case {"type": "met", "bytes": text}:
            return IntroductionAck(bytes.fromhex(text))
        case {"type": "unsupported", "bytes": text}:
            return Unsupported(bytes.fromhex(text))
    raise AssertionError(f"a vector of no known type: {fields}")


@pytest.mark.parametrize("vector", VECTORS["records"], ids=lambda vector: f"{vector['type']}-{vector['hex']}")
def test_record_vectors(vector: dict[str, Any]) -> None:
    record = as_record(vector)
    assert encode([record]).hex() == vector["hex"]
    (decoded,) = decode(bytes.fromhex(vector["hex"])) or []
    assert encode([decoded]).hex() == vector["hex"]


@pytest.mark.parametrize("name", VECTORS["malformed"])
def test_malformed_vectors(name: str) -> None:
    assert decode(bytes.fromhex(VECTORS["malformed"][name])) is None


@pytest.mark.parametrize("name", VECTORS["skipped"])
def test_what_a_later_version_adds_is_skipped(name: str) -> None:
    vector = VECTORS["skipped"][name]
    decoded = decode(bytes.fromhex(vector["hex"])) or []
    known = [record for record in decoded if not isinstance(record, UnknownRecord)]
    assert known == [as_record(fields) for fields in vector["records"]]


def test_the_vectors_files_are_what_the_generator_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_vectors", ROOT / "tools/make_vectors.py")
    assert spec is not None and spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    monkeypatch.setattr(generator, "TARGET", tmp_path / "control.json")
    monkeypatch.setattr(generator, "SESSION_TARGET", tmp_path / "session.json")
    generator.main()
    assert json.loads((tmp_path / "control.json").read_text()) == VECTORS
    session = json.loads((ROOT / "protocol/vectors/session.json").read_text())
    assert json.loads((tmp_path / "session.json").read_text()) == session


@given(st.lists(records, max_size=8))
def test_round_trip(sent: list[Record]) -> None:
    assert decode(encode(sent)) == sent


@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_malformed(data: bytes) -> None:
    decoded = decode(data)
    assert decoded is None or all(isinstance(record, tuple) for record in decoded)


@given(st.lists(records, min_size=1, max_size=4), st.data())
def test_a_cut_frame_is_malformed_or_ends_at_a_record(sent: list[Record], data: st.DataObject) -> None:
    plaintext = encode(sent)
    cut = data.draw(st.integers(0, len(plaintext) - 1))
    decoded = decode(plaintext[:cut])
    assert decoded is None or decoded == sent[: len(decoded)]
