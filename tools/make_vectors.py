"""Writes protocol/vectors/control.json from the Python side, for the browser twin to agree with.

The values in it were checked against outside sources where there are any (RFC 5869 through `cryptography`, Noise
through noise.json, which other people's implementations wrote). Run it after protocol/control.md changed, and
read the diff.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from slidewire.base.base64url import encode_base64url
from slidewire.control.handshake import prologue, session_name
from slidewire.control.intents import Intent, Point, Reason, Status, Verb
from slidewire.control.introduction import Introduction, device_name
from slidewire.control.links import commit, derive_join_token, derive_psk
from slidewire.control.messages import Offer
from slidewire.control.messages import encode as encode_message
from slidewire.control.noise import Initiator, Responder
from slidewire.control.paths import PathKind
from slidewire.control.presenter_session import PresenterSession, ReceiptArrived
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
    Unsupported,
    WindowBase,
    encode,
)
from slidewire.control.sas import short_authentication_string
from slidewire.control.seal import Sealer
from slidewire.control.sealed_session import SealedSession, Transmit
from slidewire.testing.network import NetworkConditions
from slidewire.testing.pair import Pair

VECTORS = Path(__file__).parent.parent / "protocol" / "vectors"
TARGET = VECTORS / "control.json"
SESSION_TARGET = VECTORS / "session.json"

ADA = Introduction(bytes(range(16)), "Ada", "phone", device="8c7a")

RECORDS: list[tuple[dict[str, Any], Record]] = [
    ({"type": "ping", "stamp": 1}, Ping(1)),
    ({"type": "pong", "stamp": 4294967295, "clock": 65536, "version": 7}, Pong(4294967295, 65536, 7)),
    (
        {"type": "intent", "sequence": 1, "deadline": 2000, "verb": "next", "argument": 0},
        IntentRecord(1, 2000, Intent(Verb.NEXT)),
    ),
    (
        {"type": "intent", "sequence": 258, "deadline": 4000000000, "verb": "goto", "argument": 12},
        IntentRecord(258, 4_000_000_000, Intent(Verb.GOTO, 12)),
    ),
    (
        {"type": "receipt", "sequence": 1, "status": "performed", "from": 12, "to": 13, "reason": "none"},
        Receipt(1, Status.PERFORMED, 12, 13, Reason.NONE),
    ),
    (
        {"type": "receipt", "sequence": 2, "status": "refused", "from": None, "to": None, "reason": "focus"},
        Receipt(2, Status.REFUSED, None, None, Reason.FOCUS),
    ),
    ({"type": "ack", "sequence": 3}, Ack(3)),
    ({"type": "floor", "sequence": 5}, WindowBase(5)),
    (
        {"type": "laser", "sequence": 9, "deadline": 500, "points": [[0, 0], [0.25, 0.5], [1, 1]]},
        Laser(9, 500, (Point(0, 0), Point(0.25, 0.5), Point(1, 1))),
    ),
    ({"type": "laser", "sequence": 10, "deadline": 501, "points": []}, Laser(10, 501, ())),
    (
        {"type": "laser_receipt", "sequence": 9, "status": "refused", "reason": "role"},
        LaserReceipt(9, Status.REFUSED, Reason.ROLE),
    ),
    (
        {"type": "part", "stream": 0, "id": 2, "number": 1, "total": 3, "data": b"{}".hex()},
        Part(0, 2, 1, 3, b"{}"),
    ),
    ({"type": "introduction", "bytes": ADA.encode().hex()}, IntroductionRecord(ADA.encode())),
    ({"type": "met", "bytes": bytes(range(16, 32)).hex()}, IntroductionAck(bytes(range(16, 32)))),
    ({"type": "unsupported", "bytes": "1463"}, Unsupported(bytes([20, 99]))),
]

MALFORMED = {
    "empty header": "01",
    "length past the end": "0100080000",
    "body too short": "01000200",
    "too many laser points": "080009" + "0000000100000000" + "ff",
    "good record, then garbage": "05000400000001" + "ff",
}

SKIPPED = {
    "unknown type": ("63000301020305000400000001", [{"type": "ack", "sequence": 1}]),
    "reserved number": ("0600040000000405000400000001", [{"type": "ack", "sequence": 1}]),
    "longer body": ("0500050000000199", [{"type": "ack", "sequence": 1}]),
    "no records": ("", []),
    "a reason of a later version": (
        "04000a0000000102" + "00000000" + "c8",
        [{"type": "receipt", "sequence": 1, "status": "refused", "from": None, "to": None, "reason": "none"}],
    ),
    "a status of a later version": (
        "04000a000000010900010002" + "00",
        [{"type": "receipt", "sequence": 1, "status": "unknown", "from": 1, "to": 2, "reason": "none"}],
    ),
    "a verb of a later version": (
        "03000b000000010000000063" + "0000" + "05000400000001",
        [
            {"type": "intent", "sequence": 1, "deadline": 0, "verb": 99, "argument": 0},
            {"type": "ack", "sequence": 1},
        ],
    ),
    "an argument of a later version": (
        "03000b000000010000000001" + "0003",
        [{"type": "intent", "sequence": 1, "deadline": 0, "verb": "next", "argument": 3}],
    ),
    "goto without a slide": (
        "03000b0000000100000000050000",
        [{"type": "intent", "sequence": 1, "deadline": 0, "verb": "goto", "argument": 0}],
    ),
}


class _Transcript:
    """Everything that was done to a presenter session, and every frame that came out of it."""

    def __init__(self, session: PresenterSession) -> None:
        self._session = session
        self.steps: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def note(self, now: float, **step: Any) -> None:
        self.steps.append({"at": round(now * 1000), **step, "frames": [], "receipts": []})

    def path_up(self, name: str, kind: PathKind, now: float) -> None:
        self.note(now, do="path_up", path=name, kind=kind.value)
        self._session.path_up(name, kind, now)

    def path_down(self, name: str) -> None:
        self.steps.append({"at": self.steps[-1]["at"], "do": "path_down", "path": name, "frames": [], "receipts": []})
        self._session.path_down(name)

    def submit(self, intent: Intent, now: float, time_to_live: float) -> int:
        self.note(now, do="submit", verb=intent.verb.word, argument=intent.argument, ttl=round(time_to_live * 1000))
        return self._session.submit(intent, now, time_to_live)

    def point(self, points: list[Point], now: float) -> int:
        self.note(now, do="point", points=[[p.x, p.y] for p in points])
        return self._session.point(points, now)

    def send_message(self, message: Offer, now: float) -> bool:
        self.note(now, do="message", message=json.loads(encode_message(message)))
        return self._session.send_message(message, now)

    def receive_frame(self, data: bytes, path: str, now: float) -> None:
        self.note(now, do="receive", path=path, frame=data.hex())
        self._session.receive_frame(data, path, now)

    def handle_timer(self, now: float) -> None:
        self.note(now, do="timer")
        self._session.handle_timer(now)

    def next_effect(self) -> Any:
        effect = self._session.next_effect()
        self.steps[-1]["drained"] = True
        if isinstance(effect, Transmit):
            self.steps[-1]["frames"].append({"path": effect.path, "frame": effect.data.hex()})
        elif isinstance(effect, ReceiptArrived):
            told = {"sequence": effect.sequence, "status": effect.status.word, "reason": effect.reason.word}
            self.steps[-1]["receipts"].append({**told, "from": effect.before, "to": effect.after})
        return effect


def session_vector() -> dict[str, Any]:
    """A session in bad weather, step by step: the browser twin must send the very same bytes at the same moments."""
    weather = {
        "direct": NetworkConditions(delay=0.025, jitter=0.02, loss=0.3, burst=3),
        "signaling": NetworkConditions(delay=0.06),
    }
    pair = Pair(seed=20261122, weather={}, performing=0.01)
    pair.step = 0.001
    keys = pair.presenter_keys
    transcript = _Transcript(pair.presenter)
    start = round(pair.now * 1000)
    pair.presenter = cast("PresenterSession", transcript)
    for name, kind in weather.items():
        pair.path_up(name, kind)
    pair.run(1.2)
    for _ in range(3):
        pair.tap(Intent(Verb.NEXT))
        pair.run(0.007)
    pair.tap(Intent(Verb.GOTO, 500))
    for _ in range(70):
        pair.tap(Intent(Verb.NEXT))
    pair.run(0.5)
    pair.presenter.point([Point(0.25, 0.5), Point(1 / 3, 2 / 3)], pair.now)
    pair.presenter.send_message(Offer(1, "v=0\r\n" * 2000), pair.now)
    pair.run(1.0)
    pair.set_conditions("direct", NetworkConditions(loss=1))
    pair.path_down("signaling")
    pair.tap(Intent(Verb.PREVIOUS))
    pair.run(4.2)
    pair.path_up("signaling", weather["signaling"])
    pair.tap(Intent(Verb.BLACK), 0.5)
    pair.run(1.5)
    return {
        "session": pair.host.wire.session,
        "send": keys.send.hex(),
        "receive": keys.receive.hex(),
        "introduction": pair.introduction.encode().hex(),
        "host_clock": 0,
        "start": start,
        "steps": transcript.steps,
    }


def session_name_vector(link_id: str, psk: bytes) -> dict[str, str]:
    """A handshake with keys that are known, and what the presenter calls the session afterwards."""
    presenter, host = bytes(range(32, 64)), bytes(range(64, 96))
    initiator = Initiator(psk, prologue(link_id), presenter)
    responder = Responder(psk, prologue(link_id), host)
    responder.read_message_1(first := initiator.write_message_1(b"{}"))
    second, keys = responder.write_message_2(b"{}")
    return {
        "psk": psk.hex(),
        "prologue": prologue(link_id).decode(),
        "initiator_ephemeral": presenter.hex(),
        "responder_ephemeral": host.hex(),
        "message_1": first.hex(),
        "message_2": second.hex(),
        "session_name": session_name(SealedSession(1, keys, None)),
    }


def main() -> None:
    secret, link_id = bytes(range(16)), "abcdefgh23"
    token = derive_join_token(link_id, secret)
    key = bytes(range(32))
    sealer = Sealer(0x01020304, key)
    frames: list[dict[str, Any]] = []
    for name, records in [
        ("ping", [RECORDS[0][1]]),
        ("a tap", [WindowBase(1), RECORDS[2][1]]),
        ("every record", [record for _, record in RECORDS]),
    ]:
        plaintext = encode(records)
        counter = len(frames)
        frames.append(
            {
                "name": name,
                "session": 0x01020304,
                "key": key.hex(),
                "counter": counter,
                "records_hex": plaintext.hex(),
                "frame_hex": sealer.seal(plaintext).hex(),
            }
        )
    vectors = {
        "derive": [
            {
                "link_id": link_id,
                "secret": encode_base64url(secret),
                "join_token": encode_base64url(token),
                "commit": encode_base64url(commit(token)),
                "psk": derive_psk(link_id, secret).hex(),
            }
        ],
        "records": [{**fields, "hex": encode([record]).hex()} for fields, record in RECORDS],
        "malformed": MALFORMED,
        "skipped": {name: {"hex": text, "records": records} for name, (text, records) in SKIPPED.items()},
        "frames": frames,
        "words": [
            {
                "handshake_hash": value.hex(),
                "presenter_nonce": (ours := value[:16][::-1]).hex(),
                "host_nonce": (theirs := value[8:24]).hex(),
                "words": short_authentication_string(value, ours, theirs),
            }
            for value in (bytes(32), bytes(range(32)), bytes(range(255, 223, -1)))
        ],
        "devices": [
            {"seed": seed.hex(), "link_id": id_, "device": device_name(seed, id_)}
            for seed in (bytes(range(32)), b"8c7a3f52-9d0e-4b61-a8c4-2f6d0b7e1395")
            for id_ in (link_id, "aaaaaaaaaa")
        ],
        "session_names": [session_name_vector(link_id, derive_psk(link_id, secret))],
    }
    TARGET.write_text(json.dumps(vectors, indent=1) + "\n", encoding="utf-8")
    SESSION_TARGET.write_text(json.dumps(session_vector(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
