"""What Chromium sent (tools/capture_fec.py), read and recovered by us: every protected packet is lost once."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from slidewire.fec import flexfec, red, ulpfec
from slidewire.rtp import packet as rtp
from slidewire.rtp.extensions import MUTABLE, without

VECTORS = Path(__file__).parent / "vectors"


def load(name: str) -> tuple[list[bytes], dict[str, int], dict[int, int]]:
    capture: dict[str, Any] = json.loads((VECTORS / f"chromium_{name}.json").read_text())
    mutable = {number: MUTABLE[uri] for uri, number in capture["extensions"].items() if uri in MUTABLE}
    return [base64.b64decode(packet) for packet in capture["packets"]], capture["payload_types"], mutable


def whole(data: bytes) -> rtp.Packet:
    packet = rtp.parse(data)
    assert packet is not None and packet.build() == data
    return packet


def test_red_and_ulpfec() -> None:
    packets, types, mutable = load("ulpfec")
    inner = [red.unwrap(whole(data)) for data in packets]
    assert all(packet is not None for packet in inner)
    by_type = [packet.payload_type for packet in inner if packet is not None]
    assert set(by_type) == {types["VP8"], types["ulpfec"]} and by_type.count(types["ulpfec"]) >= 6
    covered = set()
    for packet in inner:
        assert packet is not None
        if packet.payload_type == types["ulpfec"]:
            repair = ulpfec.parse(packet.payload)
            assert repair is not None and repair.build() == packet.payload
            covered |= {(repair.base + offset) & 0xFFFF for offset in repair.offsets}
    lost = 0
    for index, packet in enumerate(inner):
        assert packet is not None
        if packet.payload_type != types["VP8"] or packet.sequence_number not in covered:
            continue
        receiver = ulpfec.Receiver(types["red"], types["ulpfec"], mutable)
        assert receiver.recover(packets[:index] + packets[index + 1 :]) == [without(packet.build(), mutable)]
        assert receiver.counts.malformed == 0
        lost += 1
    assert lost >= 15


def test_flexfec_03() -> None:
    packets, types, mutable = load("flexfec")
    parsed = [whole(data) for data in packets]
    media = {packet.ssrc for packet in parsed if packet.payload_type == types["VP8"]}
    repairs = [packet for packet in parsed if packet.payload_type == types["flexfec-03"]]
    (ssrc,) = {packet.ssrc for packet in repairs}
    assert len(media) == 1 and len(repairs) >= 6
    covered = set()
    for packet in repairs:
        repair = flexfec.parse(flexfec.Layout.DRAFT_03, packet.payload)
        assert repair is not None
        assert flexfec.build(flexfec.Layout.DRAFT_03, repair.under, repair.combined) == packet.payload
        (under,) = repair.under
        covered |= {(under.base + offset) & 0xFFFF for offset in under.offsets}
    lost = 0
    for index, packet in enumerate(parsed):
        if packet.payload_type != types["VP8"] or packet.sequence_number not in covered:
            continue
        receiver = flexfec.Receiver(ssrc, media, mutable=mutable)
        assert receiver.recover(packets[:index] + packets[index + 1 :]) == [without(packets[index], mutable)]
        assert receiver.counts.malformed == 0
        lost += 1
    assert lost >= 15


def test_our_repair_packets_are_chromiums() -> None:
    """From the source packets and the mask in each of its repair packets we make the same bytes."""
    packets, types, mutable = load("flexfec")
    parsed = [whole(data) for data in packets]
    sources = {packet.sequence_number: data for packet, data in zip(parsed, packets, strict=True)
               if packet.payload_type == types["VP8"]}  # fmt: skip
    same = 0
    for packet in parsed:
        repair = flexfec.parse(flexfec.Layout.DRAFT_03, packet.payload)
        if packet.payload_type != types["flexfec-03"] or repair is None:
            continue
        (under,) = repair.under
        numbers = [(under.base + offset) & 0xFFFF for offset in under.offsets]
        if under.base not in sources or not all(number in sources for number in numbers):
            continue
        chosen = [sources[under.base], *(sources[number] for number in numbers)]
        sender = flexfec.Sender(packet.ssrc, packet.payload_type, packet.sequence_number, mutable=mutable)
        if numbers[0] == under.base:
            (made,) = sender.protect(chosen[1:], [range(len(numbers))], packet.timestamp)
            assert made.payload == packet.payload
            same += 1
    assert same >= 3
