"""One datagram, and all that it sets in motion, is a few lines of work for each of its bytes: counted, not timed."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from slidewire.media import offer_answer as sdp
from slidewire.media.congestion import MOST_RECENT, Congestion
from slidewire.media.effects import SendPacket
from slidewire.media.frames import Codec, Frame, Line
from slidewire.media.session import Session
from slidewire.rtp import packet as rtp
from slidewire.rtp import rtcp
from slidewire.rtp.transport_feedback import TransportFeedback
from tests.media.offers import offer
from tests.support.work import counted

LINES = tuple(Line)
DATAGRAM = 1200


def session() -> tuple[Session, list[sdp.Negotiated]]:
    """One that has sent thousands of packets of which nothing was told so far."""
    dice = random.Random(1)
    read = sdp.read_offer(offer(LINES), LINES)
    agreed = [each for each in sdp.negotiate(read, LINES, dice.randbytes) if each is not None]
    made = Session(agreed, "name", dice.randbytes, 0.0)
    made.opened(0.0)
    for number in range(600):
        now = 0.005 * number
        made.send(Line.SCREEN, Frame(Codec.VP8, dice.randbytes(3000), number * 3000, number == 0, now), now)
        made.handle_timer(now)
        drained(made)
    return made, agreed


def drained(made: Session) -> int:
    """Packets that left."""
    sent = 0
    while (effect := made.next_effect()) is not None:
        sent += isinstance(effect, SendPacket)
    return sent


def feedback(total: int, chunks: bytes, base: int = 0) -> bytes:
    body = struct.pack("!IIHHI", 1, 2, base, total, 0) + chunks
    body += bytes(-len(body) % 4)
    return struct.pack("!BBH", 0x8F, rtcp.TRANSPORT_LAYER_FEEDBACK, len(body) // 4) + body


def nack(media: int, base: int) -> bytes:
    return struct.pack("!BBHIIHH", 0x81, rtcp.TRANSPORT_LAYER_FEEDBACK, 3, 1, media, base, 0xFFFF)


KINDS: dict[str, Callable[[int], bytes]] = {
    "feedback of one run": lambda _: feedback(2048, struct.pack("!H", 0x1FFF)),
    "feedback of all there is": lambda _: feedback(0xFFFF, struct.pack("!H", 0x1FFF) * 9),
    "feedback of runs that came": lambda _: feedback(0xFFFF, struct.pack("!H", 0x3FFF) * 9),
    "feedback of short runs": lambda _: feedback(0xFFFF, struct.pack("!H", 0x2400) * 64),
    "feedback of vectors": lambda _: feedback(0xFFFF, b"\xbf\xff" * 500),
    "nack": lambda media: nack(media, 0) * 60,
    "picture loss": lambda media: rtcp.build([rtcp.PictureLoss(1, media)]),
    "full intra": lambda media: rtcp.build([rtcp.FullIntraRequest(1, tuple((media, n) for n in range(140)))]),
    "reports": lambda media: rtcp.build([rtcp.ReceiverReport(1, (rtcp.ReportBlock(media, 255, 9, 9, 9, 9, 9),) * 31)]),
    "remb": lambda media: rtcp.build([rtcp.Remb(1, 1 << 40, (media,) * 255)]),
    "names": lambda _: struct.pack("!BBHI", 0x81, rtcp.SOURCE_DESCRIPTION, 250, 1) + b"\x02\x00" * 498 + bytes(4),
    "many": lambda _: struct.pack("!BBHI", 0x9F, rtcp.SOURCE_DESCRIPTION, 1, 1),
    "good-byes": lambda _: rtcp.build([rtcp.Goodbye((1,) * 31)]),
    "empty": lambda _: struct.pack("!BBH", 0x80, 207, 0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_datagram_of_rtcp_is_work_by_its_bytes(kind: str) -> None:
    made, agreed = session()
    (media, *_) = [each.local.media for each in agreed if each.line is Line.SCREEN and each.local is not None]
    made.receive(feedback(0xFFFF, struct.pack("!H", 0x1FFF) * 9), 3.0)  # what was sent is told of once
    drained(made)
    one = KINDS[kind](media)
    data = one * max(1, DATAGRAM // len(one))
    for now in (3.1, 3.2):
        with counted() as work:
            made.receive(data, now)
        assert work.lines < 500 + 8 * len(data), kind
        assert drained(made) <= 40


def test_what_was_sent_is_looked_at_once_when_it_is_told_of() -> None:
    made = Congestion(0.0)
    for number in range(2000):
        made.sent(number, 1200, 0.001 * number)
    told = TransportFeedback(1, 2, 0, 0, 0, 2000, ())
    with counted() as first:
        made.feedback(told, 3.0)
    with counted() as again:
        for _ in range(100):
            made.feedback(told, 3.0)
    assert first.lines < 60 * 2000 and again.lines < 100 * 100
    assert made.network.loss == 1.0


def test_a_page_whose_clock_stands_still_does_not_make_us_remember_more() -> None:
    made = Congestion(0.0)
    most = 0
    for number in range(5000):
        now = 0.001 * number
        made.sent(number, 1200, now)
        with counted() as work:
            made.feedback(TransportFeedback(1, 2, number & 0xFFFF, 0, 0, 1, ((0, 4),)), now)
        most = max(most, work.lines)
    assert len(made._came) == MOST_RECENT and most < 300


@pytest.mark.parametrize("step", [1, 2, 500, 2900, 20_000])
def test_a_packet_of_media_is_work_by_its_bytes_however_its_numbers_jump(step: int) -> None:
    made, agreed = session()
    for line in agreed:
        if not line.line.from_page:
            continue
        for number in range(200):
            payload_type = line.red if line.red is not None else line.formats[0].payload_type
            payload = bytes((line.formats[0].payload_type, 0x10)) + b"\x01"
            packet = rtp.Packet(payload_type, number * step & 0xFFFF, number * 3000, line.remote[0], payload, True)
            data = packet.build()
            with counted() as work:
                made.receive(data, 3.0 + 0.01 * number)
            assert work.lines < 3000, (line.line, step, number)
            drained(made)
