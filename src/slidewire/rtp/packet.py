"""An RTP packet (RFC 3550 §5.1), parsed from bytes or built.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
   |                           timestamp                           |
   |           synchronization source (SSRC) identifier            |
   |            contributing source (CSRC) identifiers …           |
   |      defined by profile       |   length, in words of 32 bits |   if X
   |                        header extension …                     |
   |                            payload …                          |
   |                            padding …            | how many    |   if P

`parse` meets any bytes with one of two fates: a packet, or None. A packet that `parse` gave builds the same bytes
again, except that padding becomes zeros (§5.1 leaves its content open).
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

HEADER_BYTES: Final = 12
_HEADER: Final = struct.Struct("!BBHII")


class Extension(NamedTuple):
    """The header extension as a whole (§5.3.1). `data` is a multiple of four bytes long."""

    profile: int
    data: bytes


class Packet(NamedTuple):
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: Extension | None = None
    padding: int = 0
    """Bytes after the payload, from 0 to 255; the last one of them says how many."""

    def build(self) -> bytes:
        """The packet's bytes. ValueError if a field does not fit; the caller made it."""
        extension, padding = b"", b""
        first = 0x80 | len(self.csrcs)
        if self.extension is not None:
            profile, data = self.extension
            if len(data) % 4:
                raise ValueError("a header extension is made of words of four bytes")
            first |= 0x10
            extension = struct.pack("!HH", profile, len(data) // 4) + data
        if self.padding:
            first |= 0x20
            padding = bytes(self.padding - 1) + bytes([self.padding])
        if len(self.csrcs) > 15 or self.payload_type > 127:
            raise ValueError("at most 15 CSRCs, and a payload type of seven bits")
        second = self.marker << 7 | self.payload_type
        try:
            header = _HEADER.pack(first, second, self.sequence_number, self.timestamp, self.ssrc)
            csrcs = struct.pack(f"!{len(self.csrcs)}I", *self.csrcs)
        except struct.error as error:
            raise ValueError(f"a field of the header does not fit: {error}") from error
        return b"".join((header, csrcs, extension, self.payload, padding))


def parse(data: bytes) -> Packet | None:
    """None: not RTP, or cut off."""
    if len(data) < HEADER_BYTES:
        return None
    first, second, sequence_number, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        return None
    at = HEADER_BYTES + 4 * (first & 0xF)
    end = len(data)
    if first & 0x20:
        padding = data[-1]
        end -= padding
        if not padding:
            return None
    else:
        padding = 0
    if at > end:
        return None
    csrcs = struct.unpack_from(f"!{first & 0xF}I", data, HEADER_BYTES)
    extension = None
    if first & 0x10:
        if at + 4 > end:
            return None
        profile, words = struct.unpack_from("!HH", data, at)
        start, at = at + 4, at + 4 + 4 * words
        if at > end:
            return None
        extension = Extension(profile, data[start:at])
    return Packet(
        second & 0x7F, sequence_number, timestamp, ssrc, data[at:end], bool(second >> 7), csrcs, extension, padding
    )


def is_rtcp(data: bytes) -> bool:
    """RFC 5761 §4: whether a packet on a shared port is RTCP. Payload types 64 to 95 are not used for RTP there."""
    return len(data) >= 2 and data[0] >> 6 == 2 and 192 <= data[1] <= 223
