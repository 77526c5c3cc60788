"""H.264 payloads: every access unit comes back; any bytes are an access unit or None."""

from __future__ import annotations

import fractions

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.rtp import h264

UNITS = st.lists(
    st.builds(
        # Encoders see to it that no start code is inside, and that a unit ends with a bit that is set.
        lambda first, body: bytes([first]) + body.replace(b"\x00", b"\x01") + b"\x80",
        st.integers(1, 23).flatmap(lambda type_: st.sampled_from((type_, 0x20 | type_, 0x60 | type_))),
        st.binary(max_size=300),
    ),
    min_size=1,
    max_size=6,
)


@given(UNITS, st.integers(4, 200), st.booleans())
def test_what_is_cut_is_joined_again(nal_units: list[bytes], limit: int, short_codes: bool) -> None:
    code = b"\x00\x00\x01" if short_codes else b"\x00\x00\x00\x01"
    access_unit = b"".join(code + unit for unit in nal_units)
    assert h264.units(access_unit) == nal_units
    payloads = h264.packetize(access_unit, limit)
    assert all(1 <= len(payload) <= limit for payload in payloads)
    assert h264.join(payloads) == b"".join(b"\x00\x00\x00\x01" + unit for unit in nal_units)
    is_key = any(unit[0] & 0x1F == h264.IDR for unit in nal_units)
    assert h264.is_key(access_unit) is is_key
    starts = any(unit[0] & 0x1F in (h264.IDR, h264.SPS) for unit in nal_units)
    assert any(map(h264.starts_key, payloads)) is starts


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_are_an_access_unit_or_none(payloads: list[bytes]) -> None:
    joined = h264.join(payloads)
    assert joined is None or h264.units(joined) is not None
    for payload in payloads:
        h264.starts_key(payload)
        h264.is_key(payload)
        h264.units(payload)


@given(UNITS, st.integers(4, 200), st.data())
def test_a_missing_part_is_never_passed_over(nal_units: list[bytes], limit: int, data: st.DataObject) -> None:
    payloads = h264.packetize(b"".join(b"\x00\x00\x01" + unit for unit in nal_units), limit)
    gone = data.draw(st.integers(0, len(payloads) - 1))
    was_part = payloads[gone][0] & 0x1F == h264.FU_A
    joined = h264.join(payloads[:gone] + payloads[gone + 1 :])
    if was_part and (payloads[gone][1] & 0xC0):
        assert joined is None, "a unit without its beginning or its end"


def test_fragments_as_the_rfc_draws_them() -> None:
    """RFC 6184 §5.8: the indicator has the unit's F and NRI, the header its type."""
    unit = bytes([0x65]) + bytes(range(1, 11))
    assert h264.packetize(b"\x00\x00\x01" + unit, 7) == [
        bytes([0x7C, 0x85, 1, 2, 3, 4, 5]),
        bytes([0x7C, 0x45, 6, 7, 8, 9, 10]),
    ]
    small = h264.packetize(b"\x00\x00\x01\x67\x01\x00\x00\x01\x68\x02", 100)
    assert small == [bytes([0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2])], "§5.7.1"
    for bad in ([b"\x7c\x45\x01"], [b"\x7c\x85\x01"], [b"\x78\x00\x05\x67"], [b"\x19\x00"], [b""], []):
        assert h264.join(bad) is None


def test_what_a_real_encoder_makes_can_be_decoded_afterwards() -> None:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 320, 240, "yuv420p"
    encoder.time_base = fractions.Fraction(1, 30)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoded, keys = 0, []
    for number in range(5):
        picture = av.VideoFrame(320, 240, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes((number * 40 + index) % 251 for index in range(plane.buffer_size)))
        picture.pts = number
        for packet in encoder.encode(picture):
            again = h264.join(h264.packetize(bytes(packet), 300))
            assert again is not None
            keys.append(h264.is_key(again))
            decoded += len(decoder.decode(av.Packet(again)))
    decoded += len(decoder.decode(None))
    assert decoded == 5 and keys[0] and not any(keys[1:])
    with pytest.raises(ValueError, match="four bytes"):
        h264.packetize(b"\x00\x00\x01\x65", 3)
