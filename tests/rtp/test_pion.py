"""Transport-wide feedback that pion wrote, read by us: the arrivals that its recorder was told, to a tick."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

from slidewire.rtp import rtcp
from slidewire.rtp.transport_feedback import TICK, TransportFeedback

VECTORS = Path(__file__).parent / "vectors" / "pion_transport_feedback.json.gz"
PERIOD = 2**24 * 0.064


def test_transport_feedback_of_pion() -> None:
    count = 0
    for case in json.loads(gzip.decompress(VECTORS.read_bytes())):
        read: dict[int, float] = {}
        for text in case["packets"]:
            compound = rtcp.parse(base64.b64decode(text))
            assert compound.malformed == 0
            for packet in compound.packets:
                assert isinstance(packet, TransportFeedback)
                assert TransportFeedback.parse(packet.build()) == packet
                read |= packet.arrivals()
        told = {number: at / 1e6 for number, at in case["arrivals"]}
        assert read.keys() == told.keys()
        for number, at in told.items():
            apart = (read[number] - at) % PERIOD
            assert min(apart, PERIOD - apart) <= TICK + 1e-6
        count += len(told)
    assert count > 6000
