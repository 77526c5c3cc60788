"""What pion and GStreamer sent, read and recovered by us: every protected packet is lost once."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from slidewire.fec import flexfec, red, ulpfec
from slidewire.rtp import packet as rtp

VECTORS = Path(__file__).parent / "vectors"


def load(name: str) -> Any:
    return json.loads(gzip.decompress((VECTORS / f"{name}.json.gz").read_bytes()))


def packets(texts: list[str]) -> list[bytes]:
    return [base64.b64decode(text) for text in texts]


PION = {block["name"]: block for block in load("pion_flexfec")}
GSTREAMER = load("gstreamer")


@pytest.mark.parametrize("name", [name for name in PION if name.startswith("03")])
def test_flexfec_of_pion(name: str) -> None:
    media, fec = packets(PION[name]["media"]), packets(PION[name]["fec"])
    assert len(media) == int(name.split()[1].split("/", maxsplit=1)[0])
    for index, lost in enumerate(media):
        receiver = flexfec.Receiver(0xFEC, [0xCAFE])
        assert receiver.recover(media[:index] + media[index + 1 :] + fec) == [lost]
        assert receiver.counts.malformed == 0


@pytest.mark.parametrize("name", [name for name in PION if name.startswith("20")])
def test_repair_packets_that_do_not_name_their_streams_are_malformed(name: str) -> None:
    """RFC 8627 §4.2.1: the protected SSRCs are the repair packet's CSRCs. Pion writes none."""
    media, fec = packets(PION[name]["media"]), packets(PION[name]["fec"])
    receiver = flexfec.Receiver(0xFEC, [0xCAFE], flexfec.Layout.RFC_8627)
    assert receiver.recover(media[1:] + fec) == []
    assert receiver.counts.malformed == len(fec)


@pytest.mark.parametrize("name", ["50 multi", "90 multi"])
def test_ulpfec_of_gstreamer(name: str) -> None:
    received = packets(GSTREAMER[name]["red"])
    covered: set[int] = set()
    sources: dict[int, bytes] = {}
    for data in received:
        packet = rtp.parse(data)
        assert packet is not None
        inner = red.unwrap(packet)
        assert inner is not None
        if inner.payload_type == 120:
            repair = ulpfec.parse(inner.payload)
            assert repair is not None and repair.build() == inner.payload, "as we would have written it"
            covered |= {(repair.base + offset) & 0xFFFF for offset in repair.offsets}
        else:
            sources[inner.sequence_number] = inner.build()
    assert covered == set(sources) and len(sources) == len(GSTREAMER[name]["media"])
    for index, data in enumerate(received):
        lost = sources.get(int.from_bytes(data[2:4], "big"))
        if lost is not None:
            receiver = ulpfec.Receiver(118, 120)
            assert receiver.recover(received[:index] + received[index + 1 :]) == [lost]


def test_audio_red_of_gstreamer() -> None:
    case = GSTREAMER["audio red 1"]
    receiver = red.Receiver(63)
    recovered: list[rtp.Packet] = []
    expected = []
    read = [(rtp.parse(a), rtp.parse(b)) for a, b in zip(packets(case["media"]), packets(case["red"]), strict=True)]
    for index, (plain, wrapped) in enumerate(read):
        assert plain is not None and wrapped is not None
        inner = red.unwrap(wrapped)
        assert inner is not None and (inner.payload_type, inner.payload) == (111, plain.payload)
        if index % 4 == 2:
            follower = read[index + 1][1]
            assert follower is not None
            blocks = red.parse(follower.payload)
            if blocks is not None and len(blocks) > 1 and blocks[0].data:  # it leaves out what does not fit
                expected.append((plain.sequence_number, plain.timestamp, plain.payload))
            continue
        recovered += receiver.recover([wrapped])
    assert [(packet.sequence_number, packet.timestamp, packet.payload) for packet in recovered] == expected
    assert len(expected) == 12
