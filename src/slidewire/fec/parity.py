"""What XOR repair packets are made of, whatever their header (RFC 5109 §8, RFC 8627 §6.2): the bit string of a packet.

A source packet's bit string is eight bytes of recovery fields (its first two bytes, the length of what follows the
fixed RTP header, its timestamp) and then everything after the fixed header. A repair packet carries the XOR of such
strings, the shorter ones padded with zeros; the sequence number and the SSRC are known from its mask.

Bit strings are held as little-endian integers: padding costs nothing, and the XOR of two packets is one operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from slidewire.rtp.packet import HEADER_BYTES

RECOVERY_BYTES: Final = 8

Rows = Sequence[Sequence[int]]
"""For each repair packet the indices of the source packets under it."""


def fold(packet: bytes) -> int:
    """A source packet's bit string. The packet must have a whole RTP header."""
    length = len(packet) - HEADER_BYTES
    return int.from_bytes(b"".join((packet[:2], length.to_bytes(2, "big"), packet[4:8], packet[12:])), "little")


def combine(packets: Sequence[bytes], rows: Rows) -> list[bytes]:
    """For each row the recovery fields and the body of its repair packet, as long as the longest packet under it."""
    folded = [fold(packet) for packet in packets]
    combined = []
    for row in rows:
        bits = size = 0
        for index in row:
            bits ^= folded[index]
            size = max(size, len(packets[index]))
        combined.append(bits.to_bytes(size - HEADER_BYTES + RECOVERY_BYTES, "little"))
    return combined


def unfold(bits: int, size: int, ssrc: int, sequence_number: int) -> bytes | None:
    """The source packet with that bit string. `size`: how long the bodies were that it came from.

    None if it cannot be right: longer than that, or not all zeros after its end.
    """
    if bits.bit_length() > 8 * (RECOVERY_BYTES + size):
        return None
    data = bits.to_bytes(RECOVERY_BYTES + size, "little")
    end = RECOVERY_BYTES + int.from_bytes(data[2:4], "big")
    if end > len(data) or any(data[end:]):
        return None
    return b"".join(
        (
            bytes((data[0] & 0x3F | 0x80, data[1])),
            sequence_number.to_bytes(2, "big"),
            data[4:8],
            ssrc.to_bytes(4, "big"),
            data[RECOVERY_BYTES:end],
        )
    )
