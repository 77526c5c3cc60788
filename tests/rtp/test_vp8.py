from __future__ import annotations

import base64
import json
from pathlib import Path

import av
import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from slidewire.fec import red
from slidewire.rtp import packet as rtp
from slidewire.rtp import vp8

CHROMIUM = Path(__file__).parents[1] / "fec" / "vectors" / "chromium_ulpfec.json"


@pytest.mark.parametrize(
    ("descriptor", "expected"),
    [
        # The examples of RFC 7741 §4.5, with the fields as they are printed there.
        ("90 80 11", vp8.Payload(b"!", True, 0, picture_id=17, picture_id_bits=7)),
        ("90 80 91 11", vp8.Payload(b"!", True, 0, picture_id=4369)),
        ("10", vp8.Payload(b"!", True, 0)),
        ("80 80 11", vp8.Payload(b"!", False, 0, picture_id=17, picture_id_bits=7)),
        # Every field at once, and temporal layer or key index alone, which share a byte.
        ("b3 f0 92 34 56 a7", vp8.Payload(b"!", True, 3, False, 0x1234, 15, 0x56, 2, True, 7)),
        ("81 10 65", vp8.Payload(b"!", False, 1, key_index=5)),
        ("80 20 65", vp8.Payload(b"!", False, 0, temporal_layer=1, is_layer_sync=True)),
    ],
)
def test_descriptors(descriptor: str, expected: vp8.Payload) -> None:
    data = bytes.fromhex(descriptor)
    assert vp8.parse(data + b"!") == expected
    assert all(vp8.parse(data[:end]) is None for end in range(len(data) + 1))


@given(st.binary(max_size=16))
def test_a_stranger_reads_the_same(data: bytes) -> None:
    """The WebRTC library has a parser of its own, which raises where we say None, and takes the
    reserved bit before the partition's index for a part of it."""
    ours = vp8.parse(data)
    try:
        theirs, rest = VpxPayloadDescriptor.parse(data)
    except ValueError:
        assert ours is None
        return
    if not rest:
        assert ours is None
        return
    assert ours is not None and ours.data == rest
    assert (ours.starts_partition, ours.partition) == (bool(theirs.partition_start), theirs.partition_id & 7)
    assert (ours.picture_id, ours.tl0picidx, ours.key_index) == (theirs.picture_id, theirs.tl0picidx, theirs.keyidx)
    if theirs.tid is not None:
        assert (ours.temporal_layer, ours.is_layer_sync) == (theirs.tid[0], bool(theirs.tid[1]))


@given(st.binary(min_size=1, max_size=5000), st.integers(0, 0x7FFF), st.integers(5, 1200))
def test_a_frame_comes_together_again(frame: bytes, picture_id: int, limit: int) -> None:
    payloads = vp8.packetize(frame, picture_id, limit)
    parts = [vp8.parse(payload) for payload in payloads]
    assert b"".join(part.data for part in parts if part is not None) == frame
    assert all(part is not None and part.picture_id == picture_id for part in parts)
    assert [part.starts_frame for part in parts if part is not None] == [True] + [False] * (len(parts) - 1)
    sizes = [len(payload) for payload in payloads]
    assert max(sizes) <= limit and max(sizes) - min(sizes) <= 1
    assert all(VpxPayloadDescriptor.parse(payload)[0].picture_id == picture_id for payload in payloads)


def test_there_must_be_room_for_the_descriptor() -> None:
    with pytest.raises(ValueError, match="more than 4"):
        vp8.packetize(b"frame", 1, 4)
    assert vp8.packetize(b"", 1, 1200) == []


def test_what_the_encoder_of_libvpx_made() -> None:
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 322, 178, "yuv420p"
    encoder.options = {"deadline": "realtime", "g": "3", "keyint_min": "3", "lag-in-frames": "0"}
    frames = [bytes(packet) for _ in range(4) for packet in encoder.encode(av.VideoFrame(322, 178, "yuv420p"))]
    assert [vp8.is_key(frame) for frame in frames] == [True, False, False, True]
    assert [vp8.dimensions(frame) for frame in frames] == [(322, 178), None, None, (322, 178)]


@given(st.binary(max_size=16))
def test_any_bytes_have_a_size_or_none(data: bytes) -> None:
    size = vp8.dimensions(data)
    assert size is None or (vp8.is_key(data) and data[3:6] == b"\x9d\x01\x2a")


def test_what_chromium_sends() -> None:
    """Picture IDs go up by one from frame to frame, and each frame starts with the first byte of VP8's own header."""
    capture = json.loads(CHROMIUM.read_text())
    media: list[rtp.Packet] = []
    for encoded in capture["packets"]:
        packet = rtp.parse(base64.b64decode(encoded))
        inner = red.unwrap(packet) if packet is not None else None
        if inner is not None and inner.payload_type == capture["payload_types"]["VP8"]:
            media.append(inner)
    pictures: dict[int, list[vp8.Payload]] = {}
    for packet in media:
        payload = vp8.parse(packet.payload)
        assert payload is not None and payload.picture_id is not None
        pictures.setdefault(payload.picture_id, []).append(payload)
    ids = list(pictures)
    assert len(ids) >= 3 and ids == list(range(ids[0], ids[0] + len(ids)))
    for parts in list(pictures.values())[1:]:
        assert [part.starts_frame for part in parts] == [True] + [False] * (len(parts) - 1)
        assert not vp8.is_key(parts[0].data) and vp8.dimensions(parts[0].data) is None
