"""A page's side of a camera or a microphone, as browsers do it, for tests that own the clock.

Video: every packet in RED, repair packets (ULPFEC) behind each frame, retransmissions of RED in RTX, key frames on
request. Audio: each packet with the one before it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from slidewire.fec import masks, red, ulpfec
from slidewire.media.frames import Codec, Line
from slidewire.media.offer_answer import Format, Negotiated
from slidewire.rtp import vp8
from slidewire.rtp.extensions import ABSOLUTE_SEND_TIME, MUTABLE, TRANSPORT_WIDE, Element, build
from slidewire.rtp.packet import Packet, parse

VP8, RTX, RED, RED_RTX, ULPFEC = 96, 97, 118, 119, 120
OPUS, AUDIO_RED = 111, 63
CAMERA = Negotiated(
    Line.CAMERA,
    "1",
    (Format(Codec.VP8, VP8, RTX),),
    red=RED,
    red_rtx=RED_RTX,
    ulpfec=ULPFEC,
    feedback=frozenset({"nack", "nack pli", "transport-cc"}),
    extensions={ABSOLUTE_SEND_TIME: 2, TRANSPORT_WIDE: 3},
)
PLAIN_CAMERA = Negotiated(
    Line.CAMERA, "1", (Format(Codec.VP8, VP8),), feedback=frozenset({"nack pli"}), extensions=CAMERA.extensions
)
MICROPHONE = Negotiated(
    Line.MICROPHONE, "2", (Format(Codec.OPUS, OPUS),), red=AUDIO_RED, extensions={ABSOLUTE_SEND_TIME: 2}
)
MEDIA_SSRC, RTX_SSRC, AUDIO_SSRC = 0xCAFE, 0xCAFF, 0xBEEF
MUTABLE_IDS = {2: MUTABLE[ABSOLUTE_SEND_TIME], 3: MUTABLE[TRANSPORT_WIDE]}
HELD = 300
"""Packets that can be sent again."""


@dataclass
class Camera:
    dice: random.Random
    protection: float = 0.0
    """Repair packets for each packet of a frame."""
    number: int = 65500
    picture: int = 0x7FF0
    timestamp: int = 0xFFFF0000
    ssrc: int = MEDIA_SSRC
    wants_key: bool = True
    sent: list[bytes] = field(default_factory=list)
    """Frames, as they went into packets; the first byte's lowest bit is that of a delta frame."""
    _wide: int = 0
    _rtx_number: int = 0
    _held: dict[int, Packet] = field(default_factory=dict)

    def frame(self, data: bytes | None = None, ticks: int = 3000) -> list[bytes]:
        """The packets of the next frame, which is `data` or invented."""
        if data is None:
            size = self.dice.randrange(200, 9000) * (3 if self.wants_key else 1)
            data = self.dice.randbytes(size)
            data = bytes([data[0] & 0xFE | (not self.wants_key)]) + data[1:]
        self.wants_key = False
        self.sent.append(data)
        payloads = vp8.packetize(data, self.picture, 900)
        if len(payloads) > 2:  # encoders with several partitions make packets of several sizes
            head, (one, two, three) = payloads[1][:4], (payload[4:] for payload in payloads[:3])
            payloads[0] = payloads[0][:-200]
            payloads[1:3] = head + one[-200:] + two[:-200], head + two[-200:] + three
        self.picture = (self.picture + 1) & 0x7FFF
        self.timestamp = (self.timestamp + ticks) & 0xFFFFFFFF
        media = [self._packet(VP8, payload, payload is payloads[-1]) for payload in payloads]
        packets = [red.wrap(packet, RED) for packet in media]
        for packet in packets:
            self._held[packet.sequence_number] = packet
        count = min(len(media), round(self.protection * len(media) + 0.4)) if self.protection else 0
        if count and len(media) <= masks.MOST:
            sender = ulpfec.Sender(RED, ULPFEC, MUTABLE_IDS)
            rows = masks.spread(len(media), count)
            packets += sender.protect([packet.build() for packet in media], rows, self.number)
            self.number = (self.number + count) & 0xFFFF
        for old in list(self._held)[:-HELD]:
            del self._held[old]
        return [self._sent_now(packet).build() for packet in packets]

    def again(self, numbers: Sequence[int], *, names_line: bool = False) -> list[bytes]:
        """What a NACK asks for, as RTX of RED. Repair packets are not held. `names_line`: with one more header
        extension, as Chromium does it until it knows that its retransmissions are recognised."""
        packets = []
        for number in numbers:
            held = self._held.get(number)
            if held is not None:
                self._rtx_number = (self._rtx_number + 1) & 0xFFFF
                carried = held._replace(
                    payload_type=RED_RTX,
                    sequence_number=self._rtx_number,
                    ssrc=RTX_SSRC,
                    payload=number.to_bytes(2, "big") + held.payload,
                )
                packets.append(self._sent_now(carried, *([Element(4, b"1")] if names_line else [])).build())
        return packets

    def _packet(self, payload_type: int, payload: bytes, marker: bool) -> Packet:
        number, self.number = self.number, (self.number + 1) & 0xFFFF
        extension = build([Element(2, bytes(3)), Element(3, bytes(2))])
        return Packet(payload_type, number, self.timestamp, self.ssrc, payload, marker, extension=extension)

    def _sent_now(self, packet: Packet, *more: Element) -> Packet:
        """What changes with every sending changes."""
        self._wide = (self._wide + 1) & 0xFFFF
        elements = [Element(2, self.dice.randbytes(3)), Element(3, self._wide.to_bytes(2, "big")), *more]
        return packet._replace(extension=build(elements))


@dataclass
class Microphone:
    dice: random.Random
    number: int = 65530
    timestamp: int = 0xFFFFF000
    sent: list[bytes] = field(default_factory=list)
    _red: red.Sender = field(default_factory=lambda: red.Sender(AUDIO_RED))

    def frame(self, now: float = 0.0) -> bytes:
        """One packet of 20 ms, which says that it leaves now."""
        data = self.dice.randbytes(self.dice.randrange(1, 120))
        self.sent.append(data)
        packet = Packet(OPUS, self.number, self.timestamp, AUDIO_SSRC, data)
        self.number = (self.number + 1) & 0xFFFF
        self.timestamp = (self.timestamp + 960) & 0xFFFFFFFF
        left = round(now * (1 << 18)) & 0xFFFFFF
        return self._red.protect(packet)._replace(extension=build([Element(2, left.to_bytes(3, "big"))])).build()


def parsed(data: bytes) -> Packet:
    packet = parse(data)
    assert packet is not None
    return packet
