"""H.264 in RTP (RFC 6184), non-interleaved (packetization-mode 1): access units cut into payloads, and back.

    |F|NRI|  type   |   the first byte of a NAL unit: 1 to 23 are units of the codec
    type 24, STAP-A:  one byte as above, then for each unit its size in two bytes, and the unit
    type 28, FU-A:    one byte as above (indicator), one more |S|E|R|  type  |, and a part of one unit without its first
                      byte; S: the first part, E: the last

An access unit is what belongs to one picture, here with start codes (Annex B), as encoders give and decoders take it.
`join` meets any payloads with one of two fates: an access unit, or None.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

STAP_A: Final = 24
FU_A: Final = 28
IDR: Final = 5
SPS: Final = 7
_TYPE: Final = 0x1F
_START: Final = b"\x00\x00\x00\x01"
_FU_START, _FU_END = 0x80, 0x40
_CODE: Final = re.compile(rb"\x00\x00\x01")


def units(access_unit: bytes) -> list[bytes]:
    """Its NAL units, without start codes and the zeros around them (Annex B)."""
    codes = [code.start() for code in _CODE.finditer(access_unit)]
    found = []
    for start, end in pairwise([*codes, len(access_unit)]):
        unit = access_unit[start + 3 : end].rstrip(b"\x00")  # a unit ends with a bit that is set
        if unit:
            found.append(unit)
    return found


def packetize(access_unit: bytes, limit: int) -> list[bytes]:
    """RTP payloads of at most `limit` bytes: small units together, larger ones in parts of nearly the same size."""
    if limit < 4:
        raise ValueError("an H.264 payload needs four bytes at least")
    payloads: list[bytes] = []
    together: list[bytes] = []
    size = 1
    for unit in units(access_unit):
        if size + 2 + len(unit) > limit:
            payloads += _gathered(together)
            together, size = [], 1
        if len(unit) > limit:
            payloads += _parts(unit, limit)
        else:
            together.append(unit)
            size += 2 + len(unit)
    return payloads + _gathered(together)


def join(payloads: Iterable[bytes]) -> bytes | None:
    """The access unit of these payloads, which are all of one picture's and in order. None if one of them is malformed
    or of a kind that is not for us, or a unit is not whole."""
    found: list[bytes] = []
    parts: list[bytes] | None = None
    for payload in payloads:
        if not payload:
            return None
        type_ = payload[0] & _TYPE
        if type_ == FU_A:
            if len(payload) < 3:
                return None
            if payload[1] & _FU_START:
                if parts is not None:
                    return None
                parts = [bytes([payload[0] & ~_TYPE | payload[1] & _TYPE])]
            if parts is None:
                return None
            parts.append(payload[2:])
            if payload[1] & _FU_END:
                found.append(b"".join(parts))
                parts = None
            continue
        if parts is not None:
            return None
        if type_ == STAP_A:
            several = _several(payload)
            if several is None:
                return None
            found += several
        elif 1 <= type_ < STAP_A:
            found.append(payload)
        else:
            return None
    if not found or parts is not None:
        return None
    return b"".join(_START + unit for unit in found)


def is_key(access_unit: bytes) -> bool:
    """Whether decoding can begin with it: it has a slice of an IDR picture."""
    return any(access_unit[at.end()] & _TYPE == IDR for at in _CODE.finditer(access_unit, 0, len(access_unit) - 1))


def starts_key(payload: bytes) -> bool:
    """Of one RTP payload: whether it brings a slice of an IDR picture, or the parameters that come before one."""
    return any(type_ in (IDR, SPS) for type_ in _types(payload))


def _types(payload: bytes) -> Iterator[int]:
    if not payload:
        return
    type_ = payload[0] & _TYPE
    if type_ == FU_A:
        if len(payload) > 1 and payload[1] & _FU_START:
            yield payload[1] & _TYPE
    elif type_ == STAP_A:
        for unit in _several(payload) or ():
            yield unit[0] & _TYPE
    else:
        yield type_


def _several(payload: bytes) -> list[bytes] | None:
    found = []
    at = 1
    while at < len(payload):
        if at + 2 > len(payload):
            return None
        (size,) = struct.unpack_from("!H", payload, at)
        at += 2
        if not size or at + size > len(payload):
            return None
        found.append(payload[at : at + size])
        at += size
    return found or None


def _gathered(together: list[bytes]) -> list[bytes]:
    if len(together) < 2:
        return list(together)
    # §5.7.1: F and NRI are the highest among the units.
    first = max(unit[0] & 0x60 for unit in together) | max(unit[0] & 0x80 for unit in together) | STAP_A
    return [bytes([first]) + b"".join(struct.pack("!H", len(unit)) + unit for unit in together)]


def _parts(unit: bytes, limit: int) -> list[bytes]:
    indicator, type_, body = unit[0] & ~_TYPE | FU_A, unit[0] & _TYPE, unit[1:]
    count = max(2, -(-len(body) // (limit - 2)))
    payloads = []
    for index in range(count):
        start, end = len(body) * index // count, len(body) * (index + 1) // count
        flags = (_FU_START if index == 0 else 0) | (_FU_END if index == count - 1 else 0)
        payloads.append(bytes([indicator, flags | type_]) + body[start:end])
    return payloads
