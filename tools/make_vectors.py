"""Writes protocol/vectors/control.json from the Python side, for the browser twin to agree with.

The values in it were checked against outside sources where there are any (RFC 5869 through `cryptography`, Noise through
noise.json, which other people's implementations wrote). Run it after protocol/control.md changed, and read the diff.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slidewire.control.intents import Intent, Point, Reason, Status, Verb
from slidewire.control.links import commit, derive_join_token, derive_psk, encode_base64url
from slidewire.control.records import (
    Ack,
    Floor,
    IntentRecord,
    Laser,
    LaserReceipt,
    Part,
    Ping,
    Pong,
    Receipt,
    Record,
    Seen,
    encode,
)
from slidewire.control.seal import Sealer

TARGET = Path(__file__).parent.parent / "protocol" / "vectors" / "control.json"

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
    ({"type": "seen", "sequence": 4}, Seen(4)),
    ({"type": "floor", "sequence": 5}, Floor(5)),
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
]

MALFORMED = {
    "empty header": "01",
    "length past the end": "0100080000",
    "body too short": "01000200",
    "unknown verb": "03000b000000010000000063" + "0000",
    "goto without a slide": "03000b0000000100000000050000",
    "unknown status": "04000a000000010900010002" + "00",
    "too many laser points": "080009" + "0000000100000000" + "ff",
    "good record, then garbage": "05000400000001" + "ff",
}

SKIPPED = {
    "unknown type": ("63000301020305000400000001", [{"type": "ack", "sequence": 1}]),
    "longer body": ("0500050000000199", [{"type": "ack", "sequence": 1}]),
    "no records": ("", []),
}


def main() -> None:
    secret, link_id = bytes(range(16)), "abcdefgh23"
    token = derive_join_token(link_id, secret)
    key = bytes(range(32))
    sealer = Sealer(0x01020304, key)
    frames = []
    for name, records in [
        ("ping", [RECORDS[0][1]]),
        ("a tap", [Floor(1), RECORDS[2][1]]),
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
    }
    TARGET.write_text(json.dumps(vectors, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
