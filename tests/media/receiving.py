"""A page that watches, without a browser: what it gets over simulated weather, repairs, asks for again and reports."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from slidewire.fec import flexfec
from slidewire.media.effects import KeyWanted, SendPacket
from slidewire.media.frames import Codec, Frame, Line
from slidewire.media.offer_answer import Negotiated, negotiate, read_offer
from slidewire.media.session import Session
from slidewire.media.twcc_feedback import TwccFeedback
from slidewire.rtp import packet as rtp
from slidewire.rtp import rtcp
from slidewire.rtp.extensions import TRANSPORT_WIDE, parse
from slidewire.rtp.sequence import difference
from slidewire.testing.network import CALM, NetworkConditions, SimulatedPath
from tests.media.offers import offer

STEP = 0.001


@dataclass(slots=True)
class Got:
    """What came, by sequence number; and what the page made of it."""

    media: dict[int, bytes] = field(default_factory=dict)
    by_network: set[int] = field(default_factory=set)
    recovered: int = 0
    retransmitted: int = 0
    repairs: int = 0
    audio: list[rtp.Packet] = field(default_factory=list)
    transits: list[float] = field(default_factory=list)


class Watching:
    """`run` lets simulated time pass. Frames of the screen's line follow the session's rate, 25 a second."""

    def __init__(
        self, weather: NetworkConditions = CALM, *, seed: int = 1, lines: tuple[Line, ...] = (Line.SCREEN,)
    ) -> None:
        dice = random.Random(seed)
        self.now = 100.0
        agreed = negotiate(read_offer(offer(lines), lines), lines, dice.randbytes)
        self.agreed: dict[Line, Negotiated] = {each.line: each for each in agreed if each is not None}
        self.session = Session(list(self.agreed.values()), "name", dice.randbytes, self.now)
        self.there, self.back = SimulatedPath(weather, dice), SimulatedPath(weather, dice)
        self.got = Got()
        self.keys_wanted = 0
        self._key_wanted = False
        self.bits: float | None = None
        """Per second, of the source; None: as the session says."""
        self.asks = True
        """Whether it sends NACKs."""
        self._number, self._due = 0, self.now
        self._arrivals = TwccFeedback(1)
        video = next((each for line, each in self.agreed.items() if line.is_video), None)
        self._fec: flexfec.Receiver | None = None
        if video is not None and video.local is not None:
            self._media, self._rtx, fec = video.local
            self._fec = flexfec.Receiver(fec, [self._media], mutable=video.mutable)
        self._asked: dict[int, float] = {}
        self._highest: int | None = None
        self.sent: list[bytes] = []
        self.session.opened(self.now)

    def weather(self, weather: NetworkConditions) -> None:
        self.there.weather = self.back.weather = weather

    def run(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            if self.bits != 0 and self.now >= self._due:
                self._due += 0.04
                self.frame()
            if self.session.get_timer() <= self.now:
                self.session.handle_timer(self.now)
            self._effects()
            while (data := self.there.deliver(self.now)) is not None:
                self._receive(data)
            self._speak()
            while (data := self.back.deliver(self.now)) is not None:
                self.session.receive(data, self.now)
            each()

    def frame(self, is_key: bool = False, size: int | None = None) -> None:
        bits = self.session.rate if self.bits is None else self.bits
        data = random.Random(self._number).randbytes(size or max(50, int(bits / 8 / 25)))
        is_key = is_key or self._key_wanted
        self._key_wanted = False
        data = bytes([data[0] & 0xFE if is_key else data[0] | 1]) + data[1:]
        line = next(line for line in self.agreed if line.is_video)
        self.session.send(line, Frame(Codec.VP8, data, self._number * 3600, is_key), self.now)
        self._number += 1

    def say(self, *packets: rtcp.Rtcp) -> None:
        self.back.send(rtcp.build(packets), self.now)

    def _effects(self) -> None:
        while (effect := self.session.next_effect()) is not None:
            if isinstance(effect, SendPacket):
                self.sent.append(effect.data)
                self.there.send(self.now.hex().encode().ljust(32) + effect.data, self.now)
            elif isinstance(effect, KeyWanted):
                self.keys_wanted += 1
                self._key_wanted = True

    def _receive(self, stamped: bytes) -> None:
        left, data = float.fromhex(stamped[:32].strip().decode()), stamped[32:]
        if rtp.is_rtcp(data):
            for report in rtcp.parse(data).packets:
                if isinstance(report, rtcp.SenderReport):
                    middle = report.ntp_time >> 16 & 0xFFFFFFFF
                    self.say(rtcp.ReceiverReport(1, (rtcp.ReportBlock(report.ssrc, 0, 0, 0, 0, middle, 0),)))
            return
        packet = rtp.parse(data)
        assert packet is not None
        ids = next(iter(self.agreed.values())).extensions
        numbers = [value for id_, value in parse(packet.extension) if id_ == ids[TRANSPORT_WIDE]]
        self._arrivals.note(int.from_bytes(numbers[0], "big"), packet.ssrc, self.now)
        self.got.transits.append(self.now - left)
        if self._fec is None:
            self.got.audio.append(packet)
            return
        if packet.ssrc == self._rtx:
            original = int.from_bytes(packet.payload[:2], "big")
            again = packet._replace(
                payload_type=packet.payload_type - 1, ssrc=self._media, sequence_number=original,
                payload=packet.payload[2:],
            )  # fmt: skip
            self.got.retransmitted += original not in self.got.media
            self._came(original, again.build())
            return
        for found in self._fec.recover([data]):
            number = int.from_bytes(found[2:4], "big")
            if number not in self.got.media:
                self.got.recovered += 1
                self._came(number, found)
        if packet.ssrc == self._media:
            self.got.by_network.add(packet.sequence_number)
            self._came(packet.sequence_number, data)
            self._notice(packet.sequence_number)
        else:
            self.got.repairs += 1

    def _came(self, number: int, data: bytes) -> None:
        self.got.media.setdefault(number, data)
        self._asked.pop(number, None)

    def _notice(self, number: int) -> None:
        ahead = 1 if self._highest is None else difference(number, self._highest)
        if ahead <= 0:
            return
        for missing in range(number - ahead + 1, number):
            if missing & 0xFFFF not in self.got.media:
                self._asked[missing & 0xFFFF] = 0.0
        self._highest = number

    def _speak(self) -> None:
        due = self._arrivals.get_timer()
        if due is not None and due <= self.now:
            self._arrivals.handle_timer(self.now)
            while (effect := self._arrivals.next_effect()) is not None:
                self.say(*effect.packets)
        missing = [number for number, at in self._asked.items() if self.now - at > 0.35]
        if missing and self.asks:
            self._asked |= dict.fromkeys(missing, self.now)
            self.say(rtcp.Nack(1, self._media, tuple(missing[:100])))
