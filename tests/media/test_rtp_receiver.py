from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slidewire.media.effects import FrameArrived, SendRtcp
from slidewire.media.frame_assembler import AudioAssembler, Piece, VideoAssembler
from slidewire.media.frames import Codec, Frame, Line
from slidewire.media.nack_tracker import NackTracker
from slidewire.media.offer_answer import Format, Negotiated
from slidewire.media.rtp_receiver import RtpReceiver
from slidewire.rtp import h264, vp8
from slidewire.rtp.packet import Packet
from slidewire.rtp.rtcp import Nack, PictureLoss, Rtcp, SenderReport
from slidewire.testing.network import NetworkConditions, SimulatedPath
from tests.media.sending import (
    AUDIO_SSRC,
    CAMERA,
    MEDIA_SSRC,
    MICROPHONE,
    PLAIN_CAMERA,
    RED_RTX,
    ULPFEC,
    VP8,
    Camera,
    Microphone,
    parsed,
)
from tests.support.work import counted


def drained(incoming: RtpReceiver) -> tuple[list[Frame], list[Rtcp]]:
    frames: list[Frame] = []
    feedback: list[Rtcp] = []
    while (effect := incoming.next_effect()) is not None:
        match effect:
            case FrameArrived(_, frame):
                frames.append(frame)
            case SendRtcp(packets):
                feedback += packets
    return frames, feedback


def check_decodable(frames: list[Frame], sent: list[bytes]) -> None:
    """Each is one that was sent, in order, and a delta frame only right behind the frame that was sent before it."""
    before = -1
    timestamp = None
    for frame in frames:
        index = sent.index(frame.data, before + 1)
        assert frame.is_key or index == before + 1, "a delta frame after a hole"
        assert timestamp is None or frame.timestamp > timestamp
        before, timestamp = index, frame.timestamp


class Show:
    """A camera, a path to us and one back, and time."""

    def __init__(self, weather: NetworkConditions, seed: int = 1, protection: float = 0.0) -> None:
        dice = random.Random(seed)
        self.camera = Camera(dice, protection)
        self.incoming = RtpReceiver(CAMERA, 1)
        self.there, self.back = (
            SimulatedPath(weather, dice),
            SimulatedPath(NetworkConditions(delay=weather.delay), dice),
        )
        self.asked: dict[bytes, Rtcp] = {}
        self.frames: list[Frame] = []
        self.came_at: list[float] = []
        self.now = 100.0
        self.lost_frames: set[int] = set()

    def run(self, seconds: float, interval: float = 1 / 30) -> None:
        end, next_frame = self.now + seconds, self.now
        while self.now < end:
            if self.now >= next_frame - 1e-9:
                next_frame += interval
                for packet in self.camera.frame():
                    self.there.send(packet, self.now)
            while (data := self.there.deliver(self.now)) is not None:
                self.incoming.receive(data, self.now)
                self._effects()
            while (token := self.back.deliver(self.now)) is not None:
                self._answer(self.asked.pop(token))
            timer = self.incoming.get_timer()
            if timer is not None and timer <= self.now:
                self.incoming.handle_timer(self.now)
                self._effects()
            times = (next_frame, self.there.next_arrival(), self.back.next_arrival(), self.incoming.get_timer())
            self.now = max(self.now + 1e-6, min(time for time in times if time is not None))

    def _effects(self) -> None:
        frames, feedback = drained(self.incoming)
        self.frames += frames
        self.came_at += [self.now] * len(frames)
        for each in feedback:
            token = len(self.asked).to_bytes(8, "big") + self.camera.dice.randbytes(8)
            self.asked[token] = each
            self.back.send(token, self.now)

    def _answer(self, asked: Rtcp) -> None:
        if isinstance(asked, PictureLoss):
            self.camera.wants_key = True
        elif isinstance(asked, Nack):
            for packet in self.camera.again(asked.sequence_numbers):
                self.there.send(packet, self.now)


def test_a_good_network_brings_every_frame_at_once() -> None:
    show = Show(NetworkConditions(delay=0.05))
    show.run(10)
    assert len(show.frames) >= 297
    check_decodable(show.frames, show.camera.sent)
    counts = show.incoming.counts()
    assert (counts.lost, counts.nacks, counts.plis, counts.dropped, counts.keys) == (0, 0, 0, 0, 1)
    assert counts.frames == len(show.frames)
    steps = {later.timestamp - earlier.timestamp for earlier, later in pairwise(show.frames)}
    assert steps == {3000}, "across the wrap of the timestamps"


@pytest.mark.parametrize("loss", [0.02, 0.05, 0.1])
def test_retransmission_brings_back_what_is_lost(loss: float) -> None:
    show = Show(NetworkConditions(delay=0.05, jitter=0.005, loss=loss))
    show.run(20)
    check_decodable(show.frames, show.camera.sent)
    counts = show.incoming.counts()
    assert counts.retransmitted >= counts.lost * 0.93 > 10
    assert len(show.frames) >= 580 and counts.dropped <= 2
    assert counts.nacks < 1.5 * counts.lost
    assert counts.round_trip == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("round_trip", [0.02, 0.3, 0.6])
def test_round_trips_are_learned_from_retransmissions(round_trip: float) -> None:
    """So that nothing is asked for again before it can be here."""
    show = Show(NetworkConditions(delay=round_trip / 2, loss=0.03))
    show.run(40)
    counts = show.incoming.counts()
    assert counts.round_trip == pytest.approx(round_trip, rel=0.3, abs=0.01)
    asked, lost = counts.nacks, counts.lost
    show.run(20)
    counts = show.incoming.counts()
    assert counts.nacks - asked < 1.35 * (counts.lost - lost) + 3


def test_repair_packets_bring_back_what_is_lost_without_a_round_trip() -> None:
    waits = {}
    for protection in (0.0, 0.5):
        show = Show(NetworkConditions(delay=0.15, loss=0.05), protection=protection)
        show.run(20)
        check_decodable(show.frames, show.camera.sent)
        counts = show.incoming.counts()
        assert len(show.frames) >= 580
        if protection:
            assert counts.recovered > 0.5 * counts.lost
            assert counts.retransmitted < 0.4 * counts.recovered
            assert counts.recovered + counts.retransmitted <= counts.lost
        waits[protection] = sum(
            later - earlier > 0.2 for earlier, later in zip(show.came_at, show.came_at[1:], strict=False)
        )
    assert waits[0.5] < 0.35 * waits[0.0]


def test_a_lost_repair_packet_is_no_hole() -> None:
    """It is never sent again: whoever waited for it would stand still."""
    camera = Camera(random.Random(3), protection=0.5)
    incoming = RtpReceiver(CAMERA, 1)
    now = 0.0
    frames: list[Frame] = []
    for _ in range(30):
        now += 0.033
        for packet in camera.frame():
            if parsed(packet).payload[0] != ULPFEC:
                incoming.receive(packet, now)
        incoming.handle_timer(now + 0.02)
        got, feedback = drained(incoming)
        frames += got
        assert feedback == []
    assert [frame.data for frame in frames] == camera.sent


def test_a_retransmission_that_is_not_the_same_packet_gives_nothing_to_repair_packets() -> None:
    """It carries one more header extension, so that it does not lie where the repair packet's XOR has it."""
    camera = Camera(random.Random(4), protection=0.34)
    incoming = RtpReceiver(CAMERA, 1)
    for packet in camera.frame():
        incoming.receive(packet, 0.0)
    first = camera.number
    packets = camera.frame(b"\1" + random.Random(5).randbytes(2400))
    assert [parsed(packet).payload[0] for packet in packets] == [VP8, VP8, VP8, ULPFEC]
    for packet in (packets[2], packets[3]):
        incoming.receive(packet, 0.1)
    incoming.receive(camera.again([first], names_line=True)[0], 0.2)
    assert len(drained(incoming)[0]) == 1 and incoming.counts().recovered == 0
    incoming.receive(camera.again([first + 1])[0], 0.3)
    assert [frame.data for frame in drained(incoming)[0]] == camera.sent[1:]


def test_after_an_outage_a_key_frame_is_asked_for_and_nothing_else_is_shown() -> None:
    show = Show(NetworkConditions(delay=0.05))
    show.run(2)
    shown = len(show.frames)
    show.there.weather = NetworkConditions(loss=1.0)
    show.run(3)
    assert len(show.frames) <= shown + 3
    show.there.weather = NetworkConditions(delay=0.05)
    show.run(3)
    check_decodable(show.frames, show.camera.sent)
    counts = show.incoming.counts()
    assert counts.keys == 2 and 1 <= counts.plis <= 2
    assert counts.dropped > 80
    back = next(index for index, frame in enumerate(show.frames) if index > 0 and frame.is_key)
    assert show.came_at[back] - 105 < 0.5, "at once: of so much nothing is asked for again"


def test_frames_that_wait_for_a_hopeless_packet_go_on_after_the_next_key_frame() -> None:
    """Whoever sends does not answer: one second later the hole is given up."""
    camera = Camera(random.Random(1))
    incoming = RtpReceiver(CAMERA, 1)
    now, frames, plis = 0.0, list[Frame](), 0
    for index in range(90):
        now += 1 / 30
        packets = camera.frame()
        for packet in packets[1 if index == 10 else 0 :]:
            incoming.receive(packet, now)
        timer = incoming.get_timer()
        if timer is not None and timer <= now:
            incoming.handle_timer(now)
        got, feedback = drained(incoming)
        frames += got
        if any(isinstance(each, PictureLoss) for each in feedback):
            plis += 1
            camera.wants_key = True
    check_decodable(frames, camera.sent)
    assert plis == 1 and len(frames) == pytest.approx(90 - 31, abs=2)
    assert incoming.counts().given_up == 1 and incoming.counts().dropped == 90 - len(frames)


def test_key_frames_are_not_asked_for_too_often() -> None:
    """A page that does not answer gets a request every half a second, as long as packets come."""
    camera = Camera(random.Random(1), wants_key=False)
    incoming = RtpReceiver(CAMERA, 1)
    plis = 0
    for index in range(300):
        now = index / 30
        for packet in camera.frame():
            incoming.receive(packet, now)
        frames, feedback = drained(incoming)
        plis += sum(isinstance(each, PictureLoss) for each in feedback)
        assert not frames
    assert 18 <= plis <= 21
    assert incoming.get_timer() is None or incoming.get_timer() >= 9.9  # type: ignore[operator]
    incoming.handle_timer(20.0)
    incoming.handle_timer(30.0)
    assert len(drained(incoming)[1]) <= 1, "nothing comes any more: the camera is off"


def test_whoever_begins_to_look_gets_a_key_frame() -> None:
    show = Show(NetworkConditions(delay=0.02))
    show.run(1)
    show.incoming.want_key(show.now)
    show.run(1)
    assert show.incoming.counts().keys == 2
    assert show.incoming.counts().plis == 1


def test_a_sender_that_begins_anew_is_followed() -> None:
    """Another SSRC, or the same one with other numbers: timestamps go on growing, and a key frame comes first."""
    dice = random.Random(5)
    incoming = RtpReceiver(CAMERA, 1)
    frames: list[Frame] = []
    sent: list[bytes] = []
    now = 0.0
    for ssrc, number, timestamp in ((1, 10, 500_000), (2, 40_000, 7), (2, 5000, 0x90000000)):
        camera = Camera(dice, number=number, timestamp=timestamp, ssrc=ssrc)
        for _ in range(10):
            now += 1 / 30
            for packet in camera.frame():
                incoming.receive(packet, now)
        got, feedback = drained(incoming)
        frames += got
        sent += camera.sent
        for each in feedback:
            assert isinstance(each, PictureLoss), "nothing of the old one is asked for"
    check_decodable(frames, sent)
    assert len(frames) >= 20
    assert incoming.counts().frames == len(frames)


def test_one_stray_packet_does_no_harm() -> None:
    """Its number is far from all others; a sender that began anew would go on from there."""
    camera, incoming = Camera(random.Random(1), number=20_000), RtpReceiver(CAMERA, 1)
    frames: list[Frame] = []
    for index in range(30):
        for packet in camera.frame():
            incoming.receive(packet, index / 30)
        stray = parsed(packet)._replace(sequence_number=(index * 5000 + 45_000) & 0xFFFF)
        incoming.receive(stray.build(), index / 30)
        got, feedback = drained(incoming)
        frames += got
        assert feedback == []
    assert [frame.data for frame in frames] == camera.sent


def test_packets_of_two_pictures_are_no_frame() -> None:
    """Their sequence numbers say that they belong together, their picture IDs that something went wrong before."""
    dice, incoming = random.Random(1), RtpReceiver(replace(PLAIN_CAMERA, formats=CAMERA.formats), 1)
    frames: list[Frame] = []
    for index in range(12):
        key = index in (0, 8)
        payloads = vp8.packetize(bytes([not key]) + dice.randbytes(2000), index, 900)
        if index == 4:
            payloads[1] = vp8.packetize(payloads[1][4:], 77, 900)[0]
            payloads[1] = bytes([payloads[1][0] & ~0x10]) + payloads[1][1:]  # no frame starts with it
        for part, payload in enumerate(payloads):
            packet = Packet(VP8, 100 + index * 3 + part, index * 3000, 9, payload, part == 2)
            incoming.receive(packet.build(), index / 30)
        frames += drained(incoming)[0]
    assert [frame.timestamp // 3000 for frame in frames] == [0, 1, 2, 3, 8, 9, 10, 11]


def test_audio_is_recovered_from_the_packet_behind() -> None:
    microphone = Microphone(random.Random(1))
    incoming = RtpReceiver(MICROPHONE, 1)
    frames: list[Frame] = []
    dice = random.Random(2)
    for index in range(1000):
        packet = microphone.frame()
        if dice.random() >= 0.1:
            incoming.receive(packet, index * 0.02)
        incoming.handle_timer(index * 0.02 + 0.001)
        got, feedback = drained(incoming)
        frames += got
        assert feedback == [], "audio is not asked for again"
    counts = incoming.counts()
    assert 70 < counts.lost < 130
    assert counts.recovered > 0.85 * counts.lost
    assert len(frames) > 980
    start = frames[0].timestamp
    for frame in frames:
        place, rest = divmod(frame.timestamp - start, 960)
        assert rest == 0 and microphone.sent[place] == frame.data and frame.is_key and frame.codec is Codec.OPUS


def test_what_is_received_is_reported() -> None:
    microphone = Microphone(random.Random(1))
    incoming = RtpReceiver(MICROPHONE, 1)
    assert incoming.report_blocks(0.0) == ()
    packets = [microphone.frame() for _ in range(100)]
    for index, packet in enumerate(packets):
        if index % 4:
            incoming.receive(packet, index * 0.02)
    incoming.sender_report(SenderReport(AUDIO_SSRC, 0x1111_2222_3333_4444, 0, 0, 0), 2.0)
    (block,) = incoming.report_blocks(2.5)
    assert block.ssrc == AUDIO_SSRC
    assert block.fraction_lost == 256 * 24 // 99 and block.lost == 24, "repaired or not"
    assert block.highest_sequence == 65530 + 99
    assert block.last_sender_report == 0x2222_3333 and block.delay_since_last == 32768
    assert block.jitter < 5
    for index in range(100, 120):
        incoming.receive(microphone.frame(), index * 0.02)
    (block,) = incoming.report_blocks(3.0)
    assert block.fraction_lost == 0 and block.lost == 24


def test_sender_reports_give_audio_and_video_one_clock() -> None:
    """Captured at the same moments; their timestamps and the times of their reports have nothing in common."""
    camera, microphone = Camera(random.Random(1), timestamp=0xFFFFF000), Microphone(random.Random(2), timestamp=77)
    video, audio = RtpReceiver(CAMERA, 1), RtpReceiver(MICROPHONE, 1)
    wall = 3_900_000_000.0
    frames: list[Frame] = []
    sounds: list[Frame] = []
    for index in range(100):
        now = index * 0.04
        for packet in camera.frame(ticks=3600):
            video.receive(packet, now + 0.1)
        for later in (0.02, 0.04):  # when it was heard to its end
            audio.receive(microphone.frame(now + later), now + 0.03 + later)
        if index == 20:
            at = parsed(packet).timestamp
            video.sender_report(SenderReport(MEDIA_SSRC, ntp(wall + now), at, 0, 0), now + 0.1)
        if index == 35:
            audio.sender_report(browsers_report(microphone, wall + now + 0.041, 0.001), now + 0.2)
        frames += drained(video)[0]
        sounds += drained(audio)[0]
    assert frames[0].captured is None and sounds[0].captured is None
    assert frames[80].captured == pytest.approx(wall + 80 * 0.04, abs=0.002)
    assert sounds[160].captured == pytest.approx(wall + 80 * 0.04, abs=0.002)


@pytest.mark.parametrize("pause", [0.5, 30.0, 90.0, 200.0])
def test_a_microphone_that_was_off_is_not_heard_too_early(pause: float) -> None:
    """Its timestamps go on as if no time had gone by; only its next report says otherwise."""
    microphone, incoming = Microphone(random.Random(2)), RtpReceiver(MICROPHONE, 1)
    wall, now = 3_900_000_000.0, 50.0
    for index in range(100):
        now += 0.02
        incoming.receive(microphone.frame(now), now + 0.05)
        if index == 50:
            incoming.sender_report(browsers_report(microphone, wall + now), now + 0.05)
    now += pause
    incoming.receive(microphone.frame(now), now + 0.07)
    last = drained(incoming)[0][-1].captured
    assert last == pytest.approx(wall + now - 0.02, abs=0.001)


def test_a_busy_browser_reports_sound_late() -> None:
    """It takes the moment of encoding for that of capture; its packets' times of sending are late, too."""
    microphone, incoming, dice = Microphone(random.Random(2)), RtpReceiver(MICROPHONE, 1), random.Random(3)
    wall, now = 3_900_000_000.0, 50.0
    for index in range(1, 700):
        now += 0.02
        late = dice.choice([0.0, 0.0, 0.001, 0.03, 0.08])
        incoming.receive(microphone.frame(now + late), now + late + 0.05)
        if index % 250 == 240:
            incoming.sender_report(browsers_report(microphone, wall + now + late), now + late + 0.05)
            incoming.receive(microphone.frame(now + 0.02), now + 0.07)
            captured = drained(incoming)[0][-1].captured
            assert captured == pytest.approx(wall + now, abs=0.002)
            now += 0.02


def test_sound_that_slips_is_followed() -> None:
    """A busy machine loses 60 ms of sound: all that follows is that much later, with timestamps as if nothing was."""
    microphone, incoming = Microphone(random.Random(2)), RtpReceiver(MICROPHONE, 1)
    wall, now = 3_900_000_000.0, 50.0
    for index in range(300):
        now += 0.08 if index == 200 else 0.02
        incoming.receive(microphone.frame(now), now + 0.05)
        if index == 100:
            incoming.sender_report(browsers_report(microphone, wall + now), now + 0.05)
    assert drained(incoming)[0][-1].captured == pytest.approx(wall + now - 0.02, abs=0.001)


def test_a_network_that_was_away_is_no_pause_of_the_microphone() -> None:
    microphone, incoming = Microphone(random.Random(2)), RtpReceiver(MICROPHONE, 1)
    wall, now = 3_900_000_000.0, 50.0
    for index in range(200):
        now += 0.02
        incoming.receive(microphone.frame(now), max(now + 0.05, 53.0) if index > 100 else now + 0.05)
        if index == 50:
            incoming.sender_report(browsers_report(microphone, wall + now), now + 0.05)
    assert drained(incoming)[0][-1].captured == pytest.approx(wall + now - 0.02, abs=0.001)


def browsers_report(microphone: Microphone, when: float, later: float = 0.0) -> SenderReport:
    """Chromium's: the beginning of the last packet is put at the time at which it was sent, `later` ago."""
    timestamp = (microphone.timestamp - 960 + round(later * 48_000)) & 0xFFFFFFFF
    return SenderReport(AUDIO_SSRC, ntp(when), timestamp, 0, 0)


def ntp(seconds: float) -> int:
    return round(seconds * 2**32)


def test_h264_in_several_packets() -> None:
    """A page without VP8. Nothing in a packet says where a frame starts, other than what came before."""
    agreed = Negotiated(Line.CAMERA, "1", (Format(Codec.H264, 102, 103),), feedback=CAMERA.feedback)
    dice = random.Random(1)
    incoming = RtpReceiver(agreed, 1)
    number, frames = 100, list[Frame]()
    sent = []
    for index in range(20):
        units = [bytes([0x65 if index in (0, 12) else 0x41]) + dice.randbytes(3000).replace(b"\0", b"\1")]
        if index in (0, 12):
            units = [b"\x67profile", b"\x68pps", *units]
        sent.append(b"".join(b"\0\0\0\1" + unit.rstrip(b"\0") for unit in units))
        payloads = h264.packetize(sent[-1], 1000)
        for payload in payloads:
            packet = Packet(102, number, index * 3000, 9, payload, payload is payloads[-1])
            number += 1
            if not (index == 5 and payload is payloads[1]):
                incoming.receive(packet.build(), index * 0.1)
        incoming.handle_timer(index * 0.1 + 0.05)
        frames += drained(incoming)[0]
    assert [frame.data for frame in frames] == sent[:5] + sent[12:]


# --- whatever comes ---------------------------------------------------------------------------------------------------

fates = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=400)


@settings(max_examples=120)
@given(st.integers(0, 2**32), fates, st.booleans())
def test_lost_shuffled_and_repeated_packets(seed: int, fate: list[tuple[int, int]], protected: bool) -> None:
    """Each packet comes 0 to 3 times, each time up to 30 packets later."""
    camera = Camera(random.Random(seed), protection=0.4 if protected else 0.0)
    camera.dice.randrange(2)
    incoming = RtpReceiver(CAMERA if protected else replace(PLAIN_CAMERA, red=118), 1)
    queue: list[tuple[float, int, bytes]] = []
    place = 0
    while place < len(fate):
        for packet in camera.frame(b"" + bytes([camera.dice.random() < 0.8]) + camera.dice.randbytes(2500)):
            copies, late = fate[place % len(fate)]
            queue += [(place + late * copy, copy, packet) for copy in range(1, copies + 1)]
            place += 1
    frames: list[Frame] = []
    for when, _, packet in sorted(queue):
        incoming.receive(packet, when * 0.01)
        frames += drained(incoming)[0]
    incoming.handle_timer(1e6)
    frames += drained(incoming)[0]
    check_decodable(frames, camera.sent)


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.lists(st.binary(max_size=60), max_size=30))
def test_garbage(seed: int, garbage: list[bytes]) -> None:
    """Nothing raises, whether it looks like our payload types or like nothing at all."""
    dice = random.Random(seed)
    camera, microphone = Camera(dice, protection=0.5), Microphone(dice)
    video, audio = RtpReceiver(CAMERA, 1), RtpReceiver(MICROPHONE, 1)
    now = 0.0
    for junk in garbage:
        now += dice.random() * 0.2
        video.receive(junk, now)
        audio.receive(junk, now)
        for payload_type in (VP8, RED_RTX, 118, 97, 111, 63):
            header = Packet(payload_type, dice.randrange(65536), dice.randrange(2**32), MEDIA_SSRC, junk)
            (audio if payload_type in (111, 63) else video).receive(header.build(), now)
        for packet in camera.frame():
            spoiled = bytearray(packet)
            spoiled[dice.randrange(len(spoiled))] ^= 1 << dice.randrange(8)
            video.receive(bytes(spoiled), now)
        audio.receive(microphone.frame()[: dice.randrange(60)], now)
        for incoming in (video, audio):
            incoming.sender_report(SenderReport(MEDIA_SSRC, dice.randrange(2**64), dice.randrange(2**32), 0, 0), now)
            incoming.handle_timer(now)
            incoming.report_blocks(now)
            incoming.statistics()
            drained(incoming)


def test_memory_is_bounded() -> None:
    """A flood of packets of which nothing ever follows."""
    incoming = RtpReceiver(CAMERA, 1)
    for index in range(20_000):
        number = index * 2 & 0xFFFF
        payload = b"\x60\x90\x80\x80\x01" + bytes(3)
        incoming.receive(Packet(118, number, index, MEDIA_SSRC, payload).build(), index * 1e-5)
        if not index % 1000:
            drained(incoming)
    assert held(incoming) < 20_000


def test_frames_without_end_are_not_looked_at_again_with_each_packet() -> None:
    looks = 0

    class Pieces(dict[int, Piece | None]):
        def __getitem__(self, place: int) -> Piece | None:
            nonlocal looks
            looks += 1
            return super().__getitem__(place)

    assembly = VideoAssembler(0)
    assembly._pieces = assembly._places.pieces = Pieces()
    nothing = NackTracker(patience=1.0, ask=True)
    for place in range(4000):
        is_key = place in (1, 2, 3, 4)
        assembly.insert(place, Piece(Codec.VP8, b"x", 3000, marker=False, starts=is_key, is_key=is_key))
        assert assembly.next_frame(nothing) is None
    assert looks < 5 * 4000


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.H264, Codec.OPUS])
@pytest.mark.parametrize("step", [1, 2, 200, 2900])
def test_work_follows_packets_not_the_holes_between_them(codec: Codec, step: int) -> None:
    """Neither a wide hole nor a frame that will never be whole is gone through again and again."""
    assembly = AudioAssembler(0) if codec is Codec.OPUS else VideoAssembler(0)
    missing = NackTracker(patience=1.0, ask=True)
    starts = None if codec is Codec.H264 else True
    packets = 1500
    with counted() as work:
        for number in range(packets):
            place = number * step
            if step > 1:
                missing.notice(place - step + 1, place, 0.0)
            missing.came(place, 0.0, retransmitted=False)
            is_key = number % 7 == 0
            assembly.insert(place, Piece(codec, b"x", 3000, marker=False, starts=starts, is_key=is_key))
            while assembly.next_frame(missing) is not None:
                pass
        missing.notice(packets * step, packets * step + 1000, 0.0)  # more than are waited for: all of them are given up
        assembly.insert(packets * step + 1000, Piece(codec, b"x", 3001, marker=True, starts=starts, is_key=False))
        while assembly.next_frame(missing) is not None:
            pass
    assert work.lines < 600 * packets


def held(thing: object, seen: set[int] | None = None) -> int:
    """How many values hang together with this one."""
    seen = seen if seen is not None else set()
    if id(thing) in seen or isinstance(thing, type):
        return 0
    seen.add(id(thing))
    if isinstance(thing, dict):
        inside = [*thing.keys(), *thing.values()]
    elif isinstance(thing, (str, bytes, int, float)) or thing is None:
        inside = []
    elif hasattr(thing, "__iter__"):
        inside = list(thing)
    else:
        names = [*getattr(thing, "__dict__", ()), *getattr(type(thing), "__slots__", ())]
        inside = [getattr(thing, name, None) for name in names]
    return 1 + sum(held(each, seen) for each in inside)
