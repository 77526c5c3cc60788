"""VP8 in RTP (RFC 7741): a frame cut into payloads, and what the first bytes of a payload say about it.

     0 1 2 3 4 5 6 7
    |X|R|N|S|R| PID |   payload descriptor; N: no frame refers to this one, S: a partition starts here
    |I|L|T|K|  RSV  |   if X: which of the following are there
    |M| picture ID  |   if I; 15 bits if M
    |   TL0PICIDX   |   if L
    |TID|Y| KEYIDX  |   if T or K

The first three bytes of a frame (RFC 6386 §9.1) are 19 bits for the size of the first partition, and flags, of which
the lowest bit of all is unset in a key frame; three bytes of a start code and the size of the picture follow there.

`parse` meets any bytes with one of two fates: a payload, or None. Nothing here puts frames together: what is missing is
known from the sequence numbers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PICTURE_ID_BITS: Final = 15
DESCRIPTOR_BYTES: Final = 4
"""Of the descriptor that `packetize` writes."""

_EXTENDED: Final = 0x80
_NON_REFERENCE: Final = 0x20
_START: Final = 0x10
_PARTITION: Final = 0x07
_PICTURE_ID, _TL0PICIDX, _TEMPORAL_LAYER, _KEY_INDEX = 0x80, 0x40, 0x20, 0x10
_LONG_PICTURE_ID: Final = 0x80
_START_CODE: Final = b"\x9d\x01\x2a"


class Payload(NamedTuple):
    data: bytes
    """The part of the frame."""
    starts_partition: bool
    partition: int
    is_reference: bool = True
    """False: the sender says that no other frame needs this one."""
    picture_id: int | None = None
    picture_id_bits: int = PICTURE_ID_BITS
    """7 or 15: after which the picture ID wraps."""
    tl0picidx: int | None = None
    temporal_layer: int | None = None
    is_layer_sync: bool = False
    key_index: int | None = None

    @property
    def starts_frame(self) -> bool:
        return self.starts_partition and not self.partition


def parse(payload: bytes) -> Payload | None:
    """An RTP payload. None if it is cut off or carries nothing of a frame."""
    if not payload:
        return None
    first, at = payload[0], 1
    picture_id = tl0picidx = temporal_layer = key_index = None
    bits, is_layer_sync = PICTURE_ID_BITS, False
    if first & _EXTENDED:
        if len(payload) < 2:
            return None
        there, at = payload[1], 2
        needed = payload + bytes(5)  # what is cut off is found out at the end
        if there & _PICTURE_ID:
            bits = 15 if needed[at] & _LONG_PICTURE_ID else 7
            size = (bits + 1) // 8
            picture_id = int.from_bytes(needed[at : at + size], "big") & (1 << bits) - 1
            at += size
        if there & _TL0PICIDX:
            tl0picidx = needed[at]
            at += 1
        if there & (_TEMPORAL_LAYER | _KEY_INDEX):
            if there & _TEMPORAL_LAYER:
                temporal_layer, is_layer_sync = needed[at] >> 6, bool(needed[at] & 0x20)
            if there & _KEY_INDEX:
                key_index = needed[at] & 0x1F
            at += 1
    if at >= len(payload):
        return None
    return Payload(
        payload[at:],
        bool(first & _START),
        first & _PARTITION,
        not first & _NON_REFERENCE,
        picture_id,
        bits,
        tl0picidx,
        temporal_layer,
        is_layer_sync,
        key_index,
    )


def packetize(frame: bytes, picture_id: int, limit: int) -> list[bytes]:
    """A frame as RTP payloads of at most `limit` bytes, of nearly the same size: repair packets are as long as the
    longest packet under them. Partitions are not kept apart (§4.2 leaves that open)."""
    room = limit - DESCRIPTOR_BYTES
    if room < 1:
        raise ValueError(f"a VP8 payload needs more than {DESCRIPTOR_BYTES} bytes")
    count = -(-len(frame) // room)
    name = (0x8000 | picture_id & 0x7FFF).to_bytes(2, "big")
    payloads = []
    for index in range(count):
        start, end = len(frame) * index // count, len(frame) * (index + 1) // count
        first = _EXTENDED | (_START if index == 0 else 0)
        payloads.append(bytes((first, _PICTURE_ID)) + name + frame[start:end])
    return payloads


def is_key(frame: bytes) -> bool:
    """Of a frame, or of the beginning of one."""
    return bool(frame) and not frame[0] & 0x01


def dimensions(frame: bytes) -> tuple[int, int] | None:
    """Width and height of a key frame; None for any other, or if it is cut off."""
    if len(frame) < 10 or not is_key(frame) or frame[3:6] != _START_CODE:
        return None
    return int.from_bytes(frame[6:8], "little") & 0x3FFF, int.from_bytes(frame[8:10], "little") & 0x3FFF
