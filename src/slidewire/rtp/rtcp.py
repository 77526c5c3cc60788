"""RTCP (RFC 3550 §6, RFC 4585): what reports and asks about RTP streams, several packets in one datagram.

    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   |V=2|P| count/FMT|      PT       |    length in words, less one |

`parse` walks a datagram to its end. Each packet in it meets one of three fates: a value of a class below, `Unknown` (a
whole packet that is not for us), or it is malformed, and counted. Feedback datagrams may be of reduced size (RFC 5506),
so that no order of packets is asked for. `build` joins packets; nothing here knows when to send what.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from slidewire.rtp.transport_feedback import TransportFeedback

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
BYE: Final = 203
TRANSPORT_LAYER_FEEDBACK: Final = 205
PAYLOAD_SPECIFIC_FEEDBACK: Final = 206

_NACK, _TRANSPORT_WIDE = 1, 15
_PLI, _FIR, _APPLICATION = 1, 4, 15
_CNAME: Final = 1


class ReportBlock(NamedTuple):
    """§6.4.1: how one source is received."""

    ssrc: int
    fraction_lost: int
    """Of 256, since the last report."""
    lost: int
    """Packets since the beginning; negative if duplicates outnumber losses."""
    highest_sequence: int
    """Extended: the low 16 bits are the sequence number."""
    jitter: int
    last_sender_report: int
    delay_since_last: int
    """In 1/65536 s."""


class SenderReport(NamedTuple):
    ssrc: int
    ntp_time: int
    """64 bits: seconds since 1900, and their fraction."""
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


class ReceiverReport(NamedTuple):
    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


class SourceDescription(NamedTuple):
    """§6.5, of one source, and of what it describes only the CNAME."""

    ssrc: int
    cname: str


class Goodbye(NamedTuple):
    """§6.6."""

    ssrcs: tuple[int, ...]


class Nack(NamedTuple):
    """RFC 4585 §6.2.1: these packets are missing."""

    sender: int
    media: int
    sequence_numbers: tuple[int, ...]


class PictureLoss(NamedTuple):
    """RFC 4585 §6.3.1: a key frame is needed."""

    sender: int
    media: int


class FullIntraRequest(NamedTuple):
    """RFC 5104 §4.3.1: the same as a command; an SSRC, and a number that tells repeated ones from new ones."""

    sender: int
    entries: tuple[tuple[int, int], ...]


class Remb(NamedTuple):
    """draft-alvestrand-rmcat-remb: at most so many bits per second, for these streams together."""

    sender: int
    bitrate: int
    ssrcs: tuple[int, ...]


class Unknown(NamedTuple):
    packet_type: int
    format: int
    """The five bits of the first byte: a count in some types, a feedback's format in others."""
    body: bytes


Rtcp = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Goodbye
    | Nack
    | PictureLoss
    | FullIntraRequest
    | Remb
    | TransportFeedback
    | Unknown
)


class Compound(NamedTuple):
    packets: tuple[Rtcp, ...]
    malformed: int
    """Packets that could not be understood. Where one's length leads astray, the rest of the datagram counts as one."""


class _Malformed(Exception):
    pass


def parse(data: bytes) -> Compound:
    packets: list[Rtcp] = []
    malformed = at = 0
    while at < len(data):
        if at + 4 > len(data):
            malformed += 1
            break
        first, packet_type, words = struct.unpack_from("!BBH", data, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            malformed += 1
            break
        body = data[at + 4 : end]
        at = end
        if first & 0x20:
            if not body or not 0 < body[-1] <= len(body):
                malformed += 1
                continue
            body = body[: -body[-1]]
        try:
            packets.append(_read(packet_type, first & 0x1F, body))
        except (_Malformed, struct.error, UnicodeDecodeError, ValueError):
            malformed += 1
    return Compound(tuple(packets), malformed)


def build(packets: Iterable[Rtcp]) -> bytes:
    """One datagram. ValueError or struct.error if a field does not fit; the caller made it."""
    return b"".join(_build(packet) for packet in packets)


def _read(packet_type: int, count: int, body: bytes) -> Rtcp:
    reader = _READERS.get((packet_type, None)) or _READERS.get((packet_type, count))
    found = reader(count, body) if reader is not None else None
    return Unknown(packet_type, count, body) if found is None else found


def _read_blocks(count: int, body: bytes, at: int) -> tuple[ReportBlock, ...]:
    if len(body) < at + 24 * count:
        raise _Malformed
    blocks = []
    for start in range(at, at + 24 * count, 24):
        ssrc, loss, highest, jitter, last, delay = struct.unpack_from("!6I", body, start)
        lost = (loss & 0xFFFFFF) - ((loss & 0x800000) << 1)
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last, delay))
    return tuple(blocks)


def _read_sender_report(count: int, body: bytes) -> SenderReport:
    ssrc, ntp_time, timestamp, packets, octets = struct.unpack_from("!IQIII", body)
    return SenderReport(ssrc, ntp_time, timestamp, packets, octets, _read_blocks(count, body, 24))


def _read_receiver_report(count: int, body: bytes) -> ReceiverReport:
    (ssrc,) = struct.unpack_from("!I", body)
    return ReceiverReport(ssrc, _read_blocks(count, body, 4))


def _read_source_description(count: int, body: bytes) -> SourceDescription | None:
    if count != 1:
        return None
    (ssrc,) = struct.unpack_from("!I", body)
    at = 4
    while at < len(body) and body[at]:
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            raise _Malformed
        value = body[at + 2 : at + 2 + body[at + 1]]
        if body[at] == _CNAME:
            return SourceDescription(ssrc, value.decode())
        at += 2 + len(value)
    return None


def _read_goodbye(count: int, body: bytes) -> Goodbye:
    return Goodbye(struct.unpack_from(f"!{count}I", body))


def _read_nack(_: int, body: bytes) -> Nack:
    sender, media = struct.unpack_from("!II", body)
    if len(body) < 12 or len(body) % 4:
        raise _Malformed
    lost: list[int] = []
    for first, following in struct.iter_unpack("!HH", body[8:]):
        lost.append(first)
        lost.extend((first + 1 + bit) & 0xFFFF for bit in range(16) if following >> bit & 1)
    return Nack(sender, media, tuple(lost))


def _read_picture_loss(_: int, body: bytes) -> PictureLoss:
    return PictureLoss(*struct.unpack_from("!II", body))


def _read_full_intra_request(_: int, body: bytes) -> FullIntraRequest:
    (sender,) = struct.unpack_from("!I4x", body)
    if len(body) % 8:
        raise _Malformed
    return FullIntraRequest(sender, tuple(struct.iter_unpack("!IB3x", body[8:])))


def _read_remb(_: int, body: bytes) -> Remb | None:
    sender, name, count, bitrate = struct.unpack_from("!I4x4sB3s", body)
    if name != b"REMB":
        return None
    value = int.from_bytes(bitrate, "big")
    return Remb(sender, (value & 0x3FFFF) << (value >> 18), struct.unpack_from(f"!{count}I", body, 16))


_READERS: Final[dict[tuple[int, int | None], Callable[[int, bytes], Rtcp | None]]] = {
    (SENDER_REPORT, None): _read_sender_report,
    (RECEIVER_REPORT, None): _read_receiver_report,
    (SOURCE_DESCRIPTION, None): _read_source_description,
    (BYE, None): _read_goodbye,
    (TRANSPORT_LAYER_FEEDBACK, _NACK): _read_nack,
    (TRANSPORT_LAYER_FEEDBACK, _TRANSPORT_WIDE): lambda _, body: TransportFeedback.parse(body),
    (PAYLOAD_SPECIFIC_FEEDBACK, _PLI): _read_picture_loss,
    (PAYLOAD_SPECIFIC_FEEDBACK, _FIR): _read_full_intra_request,
    (PAYLOAD_SPECIFIC_FEEDBACK, _APPLICATION): _read_remb,
}


def _build(packet: Rtcp) -> bytes:
    match packet:
        case SenderReport(ssrc, ntp_time, timestamp, packets, octets, blocks):
            head = struct.pack("!IQIII", ssrc, ntp_time, timestamp, packets, octets)
            return _framed(SENDER_REPORT, len(blocks), head + _build_blocks(blocks))
        case ReceiverReport(ssrc, blocks):
            return _framed(RECEIVER_REPORT, len(blocks), struct.pack("!I", ssrc) + _build_blocks(blocks))
        case SourceDescription(ssrc, cname):
            name = cname.encode()
            item = struct.pack("!IBB", ssrc, _CNAME, len(name)) + name
            return _framed(SOURCE_DESCRIPTION, 1, item + bytes(4 - len(item) % 4))  # §6.5: at least one zero
        case Goodbye(ssrcs):
            return _framed(BYE, len(ssrcs), struct.pack(f"!{len(ssrcs)}I", *ssrcs))
        case Nack(sender, media, lost):
            head = struct.pack("!II", sender, media)
            return _framed(TRANSPORT_LAYER_FEEDBACK, _NACK, head + _build_nack_items(lost))
        case PictureLoss(sender, media):
            return _framed(PAYLOAD_SPECIFIC_FEEDBACK, _PLI, struct.pack("!II", sender, media))
        case FullIntraRequest(sender, entries):
            items = b"".join(struct.pack("!IB3x", ssrc, number) for ssrc, number in entries)
            return _framed(PAYLOAD_SPECIFIC_FEEDBACK, _FIR, struct.pack("!I4x", sender) + items)
        case Remb(sender, bitrate, ssrcs):
            exponent = max(0, bitrate.bit_length() - 18)
            value = (exponent << 18 | bitrate >> exponent).to_bytes(3, "big")
            head = struct.pack("!I4x4sB3s", sender, b"REMB", len(ssrcs), value)
            return _framed(PAYLOAD_SPECIFIC_FEEDBACK, _APPLICATION, head + struct.pack(f"!{len(ssrcs)}I", *ssrcs))
        case TransportFeedback():
            return _framed(TRANSPORT_LAYER_FEEDBACK, _TRANSPORT_WIDE, packet.build())
        case Unknown(packet_type, format_, body):
            return _framed(packet_type, format_, body)


def _build_blocks(blocks: tuple[ReportBlock, ...]) -> bytes:
    """§6.4.1: a count of losses that does not fit stays at its end."""
    return b"".join(
        struct.pack(
            "!6I",
            block.ssrc,
            block.fraction_lost << 24 | max(-0x800000, min(0x7FFFFF, block.lost)) & 0xFFFFFF,
            *block[3:],
        )
        for block in blocks
    )


def _build_nack_items(lost: tuple[int, ...]) -> bytes:
    """Each item names one packet, and of the sixteen after it which else."""
    items: list[tuple[int, int]] = []
    for sequence_number in lost:
        if items:
            first, following = items[-1]
            ahead = (sequence_number - first - 1) & 0xFFFF
            if ahead < 16:
                items[-1] = first, following | 1 << ahead
                continue
        items.append((sequence_number, 0))
    return b"".join(struct.pack("!HH", *item) for item in items)


def _framed(packet_type: int, count: int, body: bytes) -> bytes:
    padding = -len(body) % 4
    if padding:
        body += bytes(padding - 1) + bytes([padding])
    return struct.pack("!BBH", 0x80 | bool(padding) << 5 | count, packet_type, len(body) // 4) + body
