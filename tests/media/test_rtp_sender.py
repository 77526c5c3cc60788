"""The sending half in simulated weather: what is lost comes again or is repaired, and what is too much is not sent."""

from __future__ import annotations

import itertools
import statistics

import pytest

from slidewire.fec import red
from slidewire.media.frames import Codec, Frame, Line
from slidewire.media.pacer import HEADROOM, OUTSIDE
from slidewire.rtp import packet as rtp
from slidewire.rtp import rtcp, vp8
from slidewire.testing.network import NetworkConditions
from tests.media.receiving import Watching


def missing(watching: Watching) -> int:
    """Packets of media that the page will never see, of those that left more than two seconds ago."""
    sent = [int.from_bytes(data[2:4], "big") for data in media_of(watching)]
    return sum(number not in watching.got.media for number in sent)


def media_of(watching: Watching) -> list[bytes]:
    local = watching.agreed[Line.SCREEN].local
    assert local is not None
    return [data for data in watching.sent if not rtp.is_rtcp(data) and data[8:12] == local.media.to_bytes(4, "big")]


def overhead(watching: Watching) -> float:
    return float(watching.session.statistics()["screen"]["overhead"])


def test_frames_become_packets_that_begin_with_a_key_frame() -> None:
    watching = Watching()
    watching.bits = 0
    watching.run(0.01)
    assert watching.keys_wanted == 1, "it asks for one as soon as it can send"
    watching._key_wanted = False
    watching.frame()
    assert watching.session.statistics()["screen"]["dropped"] == 1
    watching.frame(is_key=True, size=5000)
    watching.run(0.5)
    packets = [packet for data in media_of(watching) if (packet := rtp.parse(data)) is not None]
    assert [packet.marker for packet in packets] == [False] * 4 + [True]
    payloads = [payload for packet in packets if (payload := vp8.parse(packet.payload)) is not None]
    assert sum(len(payload.data) for payload in payloads) == 5000 and payloads[0].starts_frame
    assert len({packet.timestamp for packet in packets}) == 1


def test_long_round_trip_repair_packets_leave_next_to_nothing_to_ask_for() -> None:
    watching = Watching(NetworkConditions(delay=0.15, loss=0.05))
    watching.bits = 800_000
    watching.run(5)
    before = len(media_of(watching))
    watching.run(20)
    got, sent = watching.got, len(media_of(watching)) - before
    lost = sent - len(got.by_network) + before
    assert lost > 0.03 * sent, "the weather was as bad as it was meant to be"
    assert got.recovered > 0.8 * lost
    assert 0.2 < overhead(watching) < 0.36
    watching.weather(NetworkConditions(delay=0.15))
    watching.bits = 0
    watching.run(2)
    assert missing(watching) == 0, "what repair packets leave is retransmitted"


def test_short_round_trip_retransmissions_alone() -> None:
    watching = Watching(NetworkConditions(delay=0.01, loss=0.05))
    watching.bits = 800_000
    watching.run(3)
    repairs = watching.got.repairs
    watching.run(12)
    assert watching.got.repairs == repairs and watching.got.retransmitted > 20
    watching.weather(NetworkConditions(delay=0.01))
    watching.bits = 0
    watching.run(2)
    assert missing(watching) == 0


def test_what_comes_again_or_is_recovered_is_what_was_sent() -> None:
    watching = Watching(NetworkConditions(delay=0.1, loss=0.05, burst=3))
    watching.bits = 800_000
    watching.run(10)
    local = watching.agreed[Line.SCREEN].local
    assert local is not None and watching.got.recovered > 10 and watching.got.retransmitted > 10
    for data in media_of(watching):
        sent = rtp.parse(data)
        assert sent is not None
        came = watching.got.media.get(sent.sequence_number)
        again = rtp.parse(came) if came is not None else None
        if again is not None:
            assert again._replace(extension=None) == sent._replace(extension=None)


def test_without_loss_nothing_is_added() -> None:
    watching = Watching(NetworkConditions(delay=0.15))
    watching.run(10)
    assert watching.got.repairs == 0 and watching.got.retransmitted == 0


@pytest.mark.parametrize("burst", [1, 4])
def test_loss_alone_does_not_lower_the_rate(burst: float) -> None:
    watching = Watching(NetworkConditions(delay=0.05, loss=0.1, burst=burst))
    watching.run(20)
    assert watching.session.statistics()["loss"] == pytest.approx(0.1, abs=0.05)
    assert watching.session.rate > 800_000


@pytest.mark.parametrize("kilobits", [300, 600, 1500])
def test_the_rate_finds_a_narrow_way_and_keeps_its_queue_short(kilobits: int) -> None:
    weather = NetworkConditions(delay=0.025, rate=kilobits * 1000 / 8, queue=1.0)
    watching = Watching(weather)
    watching.run(12)
    watching.got.transits.clear()
    sent = sum(len(data) + OUTSIDE for data in watching.sent)
    watching.run(15)
    used = (sum(len(data) + OUTSIDE for data in watching.sent) - sent) * 8 / 15 / 1000
    assert 0.6 * kilobits < used < 1.05 * kilobits
    waits = sorted(transit - 0.025 for transit in watching.got.transits)
    assert statistics.median(waits) < 0.06 and waits[int(0.95 * len(waits))] < 0.15


def test_when_the_way_narrows_the_rate_follows_within_two_seconds() -> None:
    watching = Watching(NetworkConditions(delay=0.05))
    watching.run(6)
    assert watching.session.rate > 1_000_000
    watching.weather(NetworkConditions(delay=0.05, rate=400_000 / 8, queue=2.0))
    watching.run(3)
    assert watching.session.rate < 450_000
    watching.run(2)
    watching.got.transits.clear()
    watching.run(2)
    assert statistics.median(watching.got.transits) < 0.15, "the queue is gone again"


def test_a_way_that_became_longer_is_not_taken_for_a_narrow_one() -> None:
    watching = Watching(NetworkConditions(delay=0.05))
    watching.bits = 800_000
    watching.run(6)
    watching.weather(NetworkConditions(delay=0.12))
    watching.run(20)
    assert watching.session.rate > 800_000


def test_a_stall_does_not_undo_what_is_known_of_the_way() -> None:
    """Nothing arrives for 0.3 s, then all of it: a busy computer, a radio that was asleep."""
    watching = Watching(NetworkConditions(delay=0.05))
    watching.bits = 800_000
    watching.run(8)
    dropped = watching.session.statistics()["screen"]["dropped"]
    watching.weather(NetworkConditions(delay=0.35))
    watching.run(0.1)
    watching.weather(NetworkConditions(delay=0.05))
    watching.run(5)
    assert watching.session.rate > 800_000
    assert watching.session.statistics()["screen"]["dropped"] == dropped


def test_when_nothing_comes_through_less_is_sent_and_more_again_afterwards() -> None:
    watching = Watching(NetworkConditions(delay=0.05))
    watching.run(5)
    rate = watching.session.rate
    watching.weather(NetworkConditions(delay=0.05, loss=1.0))
    watching.run(5)
    assert watching.session.rate < rate / 2
    watching.weather(NetworkConditions(delay=0.05))
    watching.run(20)
    assert watching.session.rate > 400_000


def test_below_what_video_needs_only_audio_goes_on() -> None:
    watching = Watching(NetworkConditions(delay=0.05, rate=60_000 / 8, queue=1.0), lines=(Line.SCREEN, Line.SOUND))
    sound = watching.agreed[Line.SOUND].local
    assert sound is not None
    talk = iter(range(10_000_000))
    due = [watching.now]

    def speak() -> None:
        if watching.now >= due[0]:
            due[0] += 0.02
            number = next(talk)
            watching.session.send(Line.SOUND, Frame(Codec.OPUS, bytes(60), number * 960, True), watching.now)

    watching.run(15, speak)
    frames = watching.session.statistics()["screen"]["frames"]
    packets = watching.session.statistics()["sound"]["packets"]
    watching.run(2, speak)
    assert watching.session.statistics()["screen"]["frames"] == frames
    assert watching.session.statistics()["sound"]["packets"] >= packets + 98
    watching.weather(NetworkConditions(delay=0.05))
    asked = watching.keys_wanted
    watching.run(30, speak)
    assert watching.keys_wanted > asked, "video comes back with a key frame"


def test_a_lump_leaves_at_the_pace() -> None:
    watching = Watching()
    watching.bits = 0
    watching.run(0.1)
    watching.sent.clear()
    watching.frame(is_key=True, size=60_000)
    rate = watching.session._pacer.rate
    watching.run(0.1)
    sent = sum(len(data) + OUTSIDE for data in watching.sent)
    assert sent == pytest.approx(rate * HEADROOM / 8 * 0.1, abs=1.5 * 1250), "to a packet or so"


def test_key_frames_are_asked_for_once_for_many_questions() -> None:
    watching = Watching()
    watching.run(2)
    asked = watching.keys_wanted
    local = watching.agreed[Line.SCREEN].local
    assert local is not None
    for _ in range(5):
        watching.say(rtcp.PictureLoss(1, local.media))
        watching.say(rtcp.FullIntraRequest(1, ((local.media, 7),)))
    watching.run(0.1)
    assert watching.keys_wanted == asked + 1
    watching.run(0.5)
    watching.say(rtcp.FullIntraRequest(1, ((local.media, 7),)))
    watching.run(0.1)
    assert watching.keys_wanted == asked + 1, "the same number is the same request"
    watching.say(rtcp.FullIntraRequest(1, ((local.media, 8),)))
    watching.run(0.1)
    assert watching.keys_wanted == asked + 2


def test_giving_way_halves_the_rate_at_most_every_half_second() -> None:
    watching = Watching()
    watching.run(1)
    rate = watching.session.rate
    for _ in range(5):
        watching.session.give_way(watching.now)
    assert watching.session.rate == pytest.approx(rate / 2, rel=0.1)


def test_timestamps_go_on_when_another_source_takes_over() -> None:
    watching = Watching()
    watching.bits = 0
    for moment, theirs in enumerate((900_000, 903_600, 12, 3612, 2**40, 2**40 + 3600)):
        watching.session.send(Line.SCREEN, Frame(Codec.VP8, b"\x00abc", theirs, True), watching.now + 0.04 * moment)
    watching.run(1)
    stamps = [int.from_bytes(data[4:8], "big") for data in media_of(watching)]
    steps = [(later - earlier) & 0xFFFFFFFF for earlier, later in itertools.pairwise(stamps)]
    assert len(steps) == 5 and all(3000 < step < 4200 for step in steps)


@pytest.mark.parametrize(("burst", "carried", "share"), [(1, 2, 0.3), (4, 4, 0.7)])
def test_audio_carries_its_last_packets_again_where_packets_are_lost(burst: float, carried: int, share: float) -> None:
    watching = Watching(NetworkConditions(delay=0.05, loss=0.1, burst=burst), lines=(Line.SOUND,))
    watching.bits = 0
    for number in range(400):
        data = number.to_bytes(2, "big") * 30
        watching.session.send(Line.SOUND, Frame(Codec.OPUS, data, number * 960, True), watching.now)
        watching.run(0.02)
    agreed = watching.agreed[Line.SOUND]
    assert agreed.red is not None
    heard, by_network = set(), set()
    most = 0
    for packet in watching.got.audio[-250:]:
        blocks = red.parse(packet.payload) if packet.payload_type == agreed.red else None
        heard |= {block.data for block in blocks} if blocks is not None else {packet.payload}
        by_network.add(blocks[-1].data if blocks is not None else packet.payload)
        most = max(most, len(blocks or ()))
    last = {number.to_bytes(2, "big") * 30 for number in range(200, 395)}
    assert len(last - by_network) > 8
    assert len(last - heard) < share * len(last - by_network)
    assert most == carried


def test_the_page_hears_when_what_was_captured() -> None:
    """Sender reports of audio and video give the source's clock: by it they are played in step."""
    watching = Watching(lines=(Line.PROGRAM, Line.PROGRAM_SOUND))
    watching.bits = 0
    for number in range(60):
        captured = 5000.0 + number / 25
        video = Frame(Codec.VP8, b"\x00abc", number * 3600, True, captured)
        watching.session.send(Line.PROGRAM, video, watching.now)
        sound = Frame(Codec.OPUS, b"abc", 777 + number * 1920, True, captured + 0.1)
        watching.session.send(Line.PROGRAM_SOUND, sound, watching.now)
        watching.run(0.04)
    reports = [
        report for data in watching.sent if rtp.is_rtcp(data)
        for report in rtcp.parse(data).packets if isinstance(report, rtcp.SenderReport)
    ]  # fmt: skip
    for report in reports[-2:]:
        line = next(line for line, each in watching.agreed.items() if each.local and each.local.media == report.ssrc)
        rate, begins = (90_000, 5000.0) if line is Line.PROGRAM else (48_000, 5000.1)
        first = next(
            int.from_bytes(data[4:8], "big") for data in watching.sent if data[8:12] == report.ssrc.to_bytes(4, "big")
        )
        since = ((report.rtp_timestamp - first) & 0xFFFFFFFF) / rate
        assert report.ntp_time / 2**32 - begins == pytest.approx(since, abs=0.001)
