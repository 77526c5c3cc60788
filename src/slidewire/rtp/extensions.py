"""General header extensions (RFC 8285): named elements inside an RTP packet's header extension.

One-byte headers (profile 0xBEDE) carry IDs 1 to 14 and 1 to 16 bytes each; two-byte headers (profile 0x100 and four
bits for the application) IDs 1 to 255 and 0 to 255 bytes each. Which ID means what is negotiated in SDP.

Some elements are rewritten on their way: send times, transport-wide sequence numbers. Forward error correction must
not see them, or what it recovers is wrong in these places: `without` sets them to zero, in the packet's own bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from slidewire.rtp.packet import HEADER_BYTES, Extension

ONE_BYTE: Final = 0xBEDE
TWO_BYTE: Final = 0x1000
_TWO_BYTE_MASK: Final = 0xFFF0
_STOP: Final = 15

ABSOLUTE_SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_WIDE: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
TRANSPORT_WIDE_02: Final = "http://www.webrtc.org/experiments/rtp-hdrext/transport-wide-cc-02"
TRANSMISSION_OFFSET: Final = "urn:ietf:params:rtp-hdrext:toffset"
VIDEO_TIMING: Final = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing"

MUTABLE: Final[Mapping[str, int]] = {
    ABSOLUTE_SEND_TIME: 0,
    TRANSPORT_WIDE: 0,
    TRANSPORT_WIDE_02: 0,
    TRANSMISSION_OFFSET: 0,
    VIDEO_TIMING: 7,
}
"""What libwebrtc's receivers set to zero before they use a packet for recovery, and from which byte of the element."""


class Element(NamedTuple):
    id: int
    data: bytes


def parse(extension: Extension | None) -> tuple[Element, ...]:
    """The elements, in their order. What is malformed ends the list (§4.1.2: ignore the rest), as does ID 15."""
    if extension is None:
        return ()
    data = extension.data
    return tuple(Element(id_, data[at : at + size]) for id_, at, size in _places(extension.profile, data))


def build(elements: Sequence[Element]) -> Extension | None:
    """With one-byte headers where all fit (§4.1.2), with two-byte headers otherwise. None for no element at all."""
    if not elements:
        return None
    if all(1 <= id_ < _STOP and 1 <= len(data) <= 16 for id_, data in elements):
        profile = ONE_BYTE
        body = b"".join(bytes([id_ << 4 | len(data) - 1]) + data for id_, data in elements)
    elif all(1 <= id_ <= 255 and len(data) <= 255 for id_, data in elements):
        profile = TWO_BYTE
        body = b"".join(bytes([id_, len(data)]) + data for id_, data in elements)
    else:
        raise ValueError("an element's ID is from 1 to 255 and its data at most 255 bytes")
    return Extension(profile, body + bytes(-len(body) % 4))


def without(packet: bytes, mutable: Mapping[int, int]) -> bytes:
    """An RTP packet's bytes with those elements zeroed: ID → first byte of it that changes on the way."""
    if not mutable or len(packet) < HEADER_BYTES or not packet[0] & 0x10:
        return packet
    at = HEADER_BYTES + 4 * (packet[0] & 0xF)
    if at + 4 > len(packet):
        return packet
    profile, words = struct.unpack_from("!HH", packet, at)
    at += 4
    changed: bytearray | None = None
    for id_, start, size in _places(profile, packet[at : at + 4 * words]):
        kept = mutable.get(id_)
        if kept is not None and kept < size:
            changed = changed or bytearray(packet)
            changed[at + start + kept : at + start + size] = bytes(size - kept)
    return packet if changed is None else bytes(changed)


def _places(profile: int, data: bytes) -> Iterator[tuple[int, int, int]]:
    """(ID, first byte, size) of each element."""
    one_byte = profile == ONE_BYTE
    if not one_byte and profile & _TWO_BYTE_MASK != TWO_BYTE:
        return
    at = 0
    while at < len(data):
        if one_byte:
            id_, size = data[at] >> 4, (data[at] & 0xF) + 1
            if data[at] == 0:
                at += 1
                continue
            if id_ in (0, _STOP):
                return
            at += 1
        else:
            if data[at] == 0:
                at += 1
                continue
            if at + 2 > len(data):
                return
            id_, size = data[at], data[at + 1]
            at += 2
        if at + size > len(data):
            return
        yield id_, at, size
        at += size
