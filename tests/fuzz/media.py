"""A media session at whose other end somebody means harm: any packets, reports and feedback, in any order and at any
time; and any offer. What it says stays within bounds, nothing is more work than its bytes pay for, and it goes on."""

from __future__ import annotations

import random
import struct
from typing import Final

from slidewire.fec import red
from slidewire.media import nack_tracker as missing
from slidewire.media import offer_answer as sdp
from slidewire.media.effects import SendPacket
from slidewire.media.frames import Codec, Frame, Line
from slidewire.media.offer_answer import OfferError
from slidewire.media.session import Session
from slidewire.rtp import packet as rtp
from slidewire.rtp import rtcp
from slidewire.rtp.extensions import Element, build
from tests.media.offers import offer
from tests.rtp.feedback import feedback
from tests.support.work import counted

LINES: Final = tuple(Line)
OFFER: Final = offer(LINES)
_ROUNDS: Final = 300
_MOST_SENT: Final = 40
"""Packets that one input may cause at once: a page's NACK of many, or a second's reports."""
_LINES, _LINES_A_BYTE = 1000 + 20 * missing.MOST, 8
"""Lines of the product that one datagram may run. Whatever it is, all missing packets may be due to be asked for."""


def run(seed: int) -> int:
    dice = random.Random(seed)
    check_offer(dice)
    agreed = [each for each in sdp.negotiate(sdp.read_offer(OFFER, LINES), LINES, dice.randbytes) if each is not None]
    now = dice.random() * 1e6
    session = Session(agreed, "name", dice.randbytes, now)
    session.opened(now)
    numbers = [dice.randrange(0x10000) for _ in LINES]
    for _ in range(_ROUNDS):
        now += dice.choice((0.0, 0.001, 0.02, 0.3, 5.0)) * dice.random()
        what = dice.random()
        if what < 0.8:
            data = _packet(dice, numbers, agreed) if what < 0.5 else _report(dice, agreed)
            with counted() as work:
                session.receive(data, now)
            assert work.lines <= _LINES + _LINES_A_BYTE * len(data), (work.lines, data.hex())
        elif what < 0.9:
            _send(dice, session, now)
        else:
            session.want_key(dice.choice(LINES), now)
            session.give_way(now)
        if session.get_timer() <= now:
            session.handle_timer(now)
        _drain(session)
        assert 10_000 < session.rate < 20_000_000
    session.statistics()
    return _ROUNDS


def check_offer(dice: random.Random) -> None:
    lines = OFFER.split("\r\n")
    for _ in range(dice.randint(0, 6)):
        at = dice.randrange(len(lines))
        change = dice.random()
        if change < 0.3:
            del lines[at]
        elif change < 0.6:
            lines[at] = lines[dice.randrange(len(lines))]
        else:
            cut = dice.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:cut] + chr(dice.choice((0, 10, 13, 32, 58, 0x30, 0x7F, 0x1F600))) + lines[at][cut:]
    said = answered("\r\n".join(lines), dice)
    assert said.isascii() and all(line[1:2] == "=" and line.isprintable() for line in said.split("\r\n")[:-1])


def answered(text: str, dice: random.Random) -> str:
    own = sdp.Credentials("ufrag", "p" * 22, (("sha-256", "AB"),))
    try:
        read = sdp.read_offer(text, LINES)
        return sdp.write_answer(read, sdp.negotiate(read, LINES, dice.randbytes), own, "name")
    except OfferError as refused:
        return f"s={refused}\r\n"


def _packet(dice: random.Random, numbers: list[int], agreed: list[sdp.Negotiated]) -> bytes:
    """Almost what a page sends."""
    index = dice.randrange(len(agreed))
    line = agreed[index]
    numbers[index] = (numbers[index] + dice.choice((1, 1, 1, 2, 5, -3, 400, 40_000))) & 0xFFFF
    payload = bytes(dice.choice((0x10, 0x90, 0x00, 0x7C, 0x78)) for _ in range(1)) + dice.randbytes(dice.randint(0, 60))
    if line.red is not None and dice.random() < 0.5:
        inner = dice.choice(sorted(line.payload_types))
        payload = red.build([red.Block(inner, 0, payload)])
    elements = [
        Element(id_, dice.randbytes(dice.choice((1, 2, 3)))) for id_ in line.extensions.values() if dice.random() < 0.7
    ]
    packet = rtp.Packet(
        dice.choice(sorted(line.payload_types)),
        numbers[index],
        dice.getrandbits(32) if dice.random() < 0.1 else numbers[index] * 3000,
        dice.choice([*line.remote, 7, dice.getrandbits(32)]),
        payload,
        dice.random() < 0.4,
        extension=build(elements),
    ).build()
    return _spoilt(dice, packet)


def _report(dice: random.Random, agreed: list[sdp.Negotiated]) -> bytes:
    if dice.random() < 0.02:
        return _much(dice)
    sources = [ssrc for each in agreed for ssrc in (*each.remote, *(each.local or ()))]
    ssrc = dice.choice(sources)
    numbers = tuple(dice.randrange(0x10000) for _ in range(dice.randint(1, 40)))
    block = rtcp.ReportBlock(
        ssrc, dice.randrange(256), dice.randrange(-99, 99), *(dice.getrandbits(32) for _ in "1234")
    )
    deltas = tuple(dice.choice((None, dice.randrange(256), dice.randrange(-0x8000, 0x8000))) for _ in numbers)
    packet: rtcp.Rtcp = dice.choice(
        (
            rtcp.SenderReport(ssrc, dice.getrandbits(64), dice.getrandbits(32), 1, 1, (block,)),
            rtcp.ReceiverReport(1, (block,)),
            rtcp.Nack(1, ssrc, numbers),
            rtcp.PictureLoss(1, ssrc),
            rtcp.FullIntraRequest(1, ((ssrc, dice.randrange(256)),)),
            rtcp.Remb(1, dice.getrandbits(40), (ssrc,)),
            rtcp.Goodbye((ssrc,)),
            feedback(1, ssrc, dice.randrange(200), dice.randrange(-99, 99), dice.randrange(256), deltas),
        )
    )
    return _spoilt(dice, rtcp.build([packet]))


def _much(dice: random.Random) -> bytes:
    """A datagram of feedback that says as much as it can in as few bytes."""
    total = dice.choice((2048, 2049, 0xFFFF))
    run = dice.choice((0x1FFF, 0x1FFF, 0x3FFF, 0x5FFF))
    chunks = struct.pack("!H", run) * (9 if total == 0xFFFF else 1)
    body = struct.pack("!IIHHI", 1, dice.getrandbits(32), dice.randrange(0x10000), total, 0) + chunks
    body += bytes(-len(body) % 4)
    feedback = struct.pack("!BBH", 0x8F, rtcp.TRANSPORT_LAYER_FEEDBACK, len(body) // 4) + body
    return feedback * (1200 // len(feedback))


def _spoilt(dice: random.Random, data: bytes) -> bytes:
    if dice.random() < 0.8 or not data:
        return data
    at = dice.randrange(len(data))
    return data[:at] if dice.random() < 0.3 else data[:at] + dice.randbytes(1) + data[at + 1 :]


def _send(dice: random.Random, session: Session, now: float) -> None:
    line = dice.choice(LINES)
    codec = dice.choice((Codec.VP8, Codec.H264)) if line.is_video else Codec.OPUS
    data = dice.choice((b"", b"\0\0\0\1\x65", b"\0", b"\1")) + dice.randbytes(dice.randint(0, 3000))
    captured = dice.choice((None, 0.0, now, -5.0, 1e12))
    frame = Frame(
        codec, data[: 1200 if codec is Codec.OPUS else None], dice.getrandbits(40), dice.random() < 0.5, captured
    )
    session.send(line, frame, now)


def _drain(session: Session) -> None:
    sent = 0
    while (effect := session.next_effect()) is not None:
        if isinstance(effect, SendPacket):
            sent += 1
            assert len(effect.data) <= 1500
    assert sent <= _MOST_SENT
