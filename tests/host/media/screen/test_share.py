from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from PIL import Image

from slidewire.host.desktop.errors import ScreenError
from slidewire.host.desktop.screen_source import Picture
from slidewire.host.media.screen import share as share_module
from slidewire.host.media.screen.changes import KEY_INTERVAL, REPEATS, STILL_THERE
from slidewire.host.media.screen.encoder import Encoder
from slidewire.host.media.screen.share import ScreenShare
from slidewire.host.media.screen.tiers import PATIENCE, TIERS
from slidewire.media.frames import Codec, Frame
from tests.support.pictures import Decoder, as_picture, likeness, slide

BOTH = pytest.mark.parametrize("codec", [Codec.VP8, Codec.H264])
FULL = 9_000_000


class Screen:
    """A screen that a test paints on, in place of a capture."""

    def __init__(self) -> None:
        self.image: Image.Image | None = slide(1)
        self.looks = 0
        self.threads: set[int] = set()
        self.is_closed = False

    def grab(self) -> Picture:
        self.looks += 1
        self.threads.add(threading.get_ident())
        if self.image is None:
            raise ScreenError("the screen is unplugged: plug it in")
        return as_picture(self.image, time.monotonic())

    def close(self) -> None:
        self.is_closed = True


class Receiver:
    """A sink that decodes as a browser would: nothing before the first key frame, and everything after it."""

    def __init__(self, codec: Codec) -> None:
        self.frames: list[Frame] = []
        self.shown: Image.Image | None = None
        self._decoder = Decoder(codec)

    def take(self, frame: Frame) -> None:
        assert self.frames or frame.is_key, "the first frame is a key frame"
        assert not self.frames or frame.timestamp > self.frames[-1].timestamp
        self.frames.append(frame)
        self.shown = self._decoder.show(frame)

    def sees(self, image: Image.Image) -> bool:
        return self.shown is not None and likeness(self.shown, image.resize(self.shown.size)) > 27

    @property
    def keys(self) -> int:
        return sum(frame.is_key for frame in self.frames)


@asynccontextmanager
async def shared(screen: Screen) -> AsyncIterator[ScreenShare]:
    share = ScreenShare(screen)
    share.start()
    try:
        yield share
    finally:
        await share.stop()


async def until(condition: Callable[[], object], what: str, patience: float = 10.0) -> None:
    async with asyncio.timeout(patience):
        while not condition():
            await asyncio.sleep(0.005)
    assert condition(), what


@BOTH
async def test_viewers_see_what_the_screen_shows(codec: Codec) -> None:
    screen = Screen()
    async with shared(screen) as share:
        receiver = Receiver(codec)
        share.watch(receiver, codec, FULL)
        await until(lambda: receiver.sees(slide(1)), "the first slide is seen")
        screen.image = slide(2)
        await until(lambda: receiver.sees(slide(2)), "the second slide is seen")
        assert receiver.keys == 1
        assert share.problem is None
    assert len(screen.threads) == 1 and threading.get_ident() not in screen.threads
    await until(lambda: screen.is_closed, "the capture is closed")


async def test_nothing_is_looked_at_while_nobody_watches() -> None:
    """Another screen that is watched beside it says how long is long enough to tell."""
    screen, other = Screen(), Screen()
    async with shared(screen) as share, shared(other) as watched:
        watched.watch(Receiver(Codec.VP8), Codec.VP8, FULL)
        await until(lambda: other.looks > 3, "the other one is looked at")
        assert screen.looks == 0
        receiver = Receiver(Codec.VP8)
        viewer = share.watch(receiver, Codec.VP8, FULL)
        await until(lambda: receiver.frames, "a frame comes")
        viewer.leave()
        await until(lambda: share.numbers.encoders == 0, "the encoder is gone")
        looks, frames = screen.looks, len(receiver.frames)
        screen.image = slide(2)
        so_far = other.looks
        await until(lambda: other.looks > so_far + 4, "the other one is still looked at")
        assert (screen.looks, len(receiver.frames)) == (looks, frames)
        share.watch(Receiver(Codec.VP8), Codec.VP8, FULL)
        await until(lambda: screen.looks > looks, "it looks again")


async def test_a_screen_at_rest_is_encoded_no_more_than_it_must() -> None:
    async with shared(Screen()) as share:
        receiver = Receiver(Codec.VP8)
        share.watch(receiver, Codec.VP8, FULL)
        await until(lambda: len(receiver.frames) == 1 + len(REPEATS), "the picture and its repeats come")
        looks = share.numbers.looks
        await until(lambda: len(receiver.frames) == 2 + len(REPEATS), "and once a second")
        last, still_there = (frame.captured for frame in receiver.frames[-2:])
        assert last is not None and still_there is not None
        assert still_there - last > STILL_THERE - 0.01, "and nothing in between"
        assert share.numbers.looks > looks + 2, "although it goes on looking"
        assert share.numbers.changes == 1
        assert len(receiver.frames[-1].data) < len(receiver.frames[0].data) / 10


async def test_viewers_of_one_tier_share_an_encoder_and_a_late_one_starts_with_a_shared_key_frame() -> None:
    screen = Screen()
    async with shared(screen) as share:
        first = Receiver(Codec.VP8)
        share.watch(first, Codec.VP8, FULL)
        await until(lambda: first.frames, "the first viewer sees it")
        late = [Receiver(Codec.VP8) for _ in range(3)]
        for receiver in late:
            share.watch(receiver, Codec.VP8, FULL)
        await until(lambda: all(receiver.sees(slide(1)) for receiver in late), "all of them see it")
        assert share.numbers.encoders == 1
        assert first.keys == 2, "one key frame for all three"
        assert all(receiver.frames[0] is first.frames[-len(receiver.frames)] for receiver in late), "the same frames"
        key_times = [frame.captured for frame in first.frames if frame.is_key]
        assert key_times[0] is not None and key_times[1] is not None
        assert key_times[1] - key_times[0] >= KEY_INTERVAL - 0.1


async def test_who_asks_all_the_time_gets_a_key_frame_a_second() -> None:
    screen = Screen()
    async with shared(screen) as share:
        receiver = Receiver(Codec.H264)
        viewer = share.watch(receiver, Codec.H264, FULL)
        async with asyncio.timeout(10):
            while receiver.keys < 3:
                viewer.want_key()
                await asyncio.sleep(0.02)
        times = [frame.captured or 0.0 for frame in receiver.frames if frame.is_key]
        assert all(later - earlier > KEY_INTERVAL - 0.1 for earlier, later in itertools.pairwise(times))
        assert times[2] - times[0] < 2 * KEY_INTERVAL + 1, "and soon"


async def test_each_network_gets_what_it_carries() -> None:
    screen = Screen()
    screen.image = slide(1, 1280, 720)
    async with shared(screen) as share:
        wide, narrow, other = Receiver(Codec.VP8), Receiver(Codec.VP8), Receiver(Codec.H264)
        share.watch(wide, Codec.VP8, 3_000_000)
        share.watch(narrow, Codec.VP8, 150_000)
        share.watch(other, Codec.H264, 300_000)
        await until(lambda: all(it.shown for it in (wide, narrow, other)), "all see something")
        assert [it.shown.size for it in (wide, narrow, other) if it.shown] == [(1280, 720), (640, 360), (960, 540)]
        assert share.numbers.encoders == 3


async def test_a_viewer_changes_its_tier_without_a_gap_it_could_not_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    screen = Screen()
    screen.image = slide(1, 1280, 720)
    async with shared(screen) as share:
        receiver = Receiver(Codec.VP8)
        viewer = share.watch(receiver, Codec.VP8, 1_000_000)
        await until(lambda: receiver.shown, "it begins")
        viewer.set_rate(200_000)
        assert viewer.tier is TIERS[5]
        count = len(receiver.frames)
        await until(lambda: receiver.shown and receiver.shown.size == (640, 360), "down")
        assert receiver.frames[count].is_key, "nothing of the old tier comes after the way down"

        monkeypatch.setattr(share_module, "monotonic", lambda: now)
        viewer.set_rate(FULL)
        now += PATIENCE
        viewer.set_rate(FULL)
        monkeypatch.undo()
        assert viewer.tier is TIERS[0]
        await until(lambda: receiver.shown and receiver.shown.size == (1280, 720), "up")
        assert share.numbers.encoders <= 2
        await until(lambda: share.numbers.encoders == 1, "the old encoder is gone")


async def test_what_moves_comes_again_and_again_and_always_as_it_is_now() -> None:
    screen = Screen()
    async with shared(screen) as share:
        receiver = Receiver(Codec.H264)
        share.watch(receiver, Codec.H264, FULL)
        await until(lambda: receiver.frames, "it begins")
        wanted, number = len(receiver.frames) + 5, 1
        pictures = [slide(number) for number in range(8)]
        async with asyncio.timeout(30):
            while len(receiver.frames) < wanted:
                number += 1
                screen.image = pictures[number % 8]
                await asyncio.sleep(0.03)
        await until(lambda: receiver.sees(pictures[number % 8]), "the last one is seen")


async def test_a_screen_that_vanishes_is_told_of_and_comes_back_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_module, "RETRY_AFTER", 0.05)
    screen = Screen()
    said = []
    async with shared(screen) as share:
        share.changed = lambda: said.append(share.problem)
        receiver = Receiver(Codec.VP8)
        share.watch(receiver, Codec.VP8, FULL)
        await until(lambda: receiver.sees(slide(1)), "it begins")
        screen.image = None
        await until(lambda: share.problem, "the problem is told")
        late = Receiver(Codec.VP8)
        share.watch(late, Codec.VP8, FULL)
        await until(lambda: late.sees(slide(1)), "who comes now sees what was seen last")
        screen.image = slide(2, 800, 600)
        await until(lambda: share.problem is None, "the problem is over")
        await until(lambda: receiver.sees(slide(2, 800, 600)), "and the new screen is seen")
        assert receiver.shown is not None and receiver.shown.size == (800, 600)
        assert said == ["the screen is unplugged: plug it in", None], "once, although it was tried often"


async def test_without_a_screen_from_the_beginning_it_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_module, "RETRY_AFTER", 0.05)
    screen = Screen()
    screen.image = None
    async with shared(screen) as share:
        receiver = Receiver(Codec.VP8)
        share.watch(receiver, Codec.VP8, FULL)
        await until(lambda: screen.looks > 3, "it tries again")
        assert screen.looks < 20, "but not all the time"
        assert share.problem and not receiver.frames
        screen.image = slide(1)
        await until(lambda: receiver.sees(slide(1)), "it is there")


@BOTH
async def test_a_codec_that_this_computer_has_not_got_holds_up_no_other(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing(Encoder):
        def encode(self, *arguments: Any, **more: Any) -> Frame | None:
            if self.codec is codec:
                raise ScreenError("no such encoder: look for a newer av")
            return super().encode(*arguments, **more)

    monkeypatch.setattr(share_module, "Encoder", Missing)
    screen, said = Screen(), list[str | None]()
    other = Codec.H264 if codec is Codec.VP8 else Codec.VP8
    async with shared(screen) as share:
        share.changed = lambda: said.append(share.problem)
        without = share.watch(Receiver(codec), codec, 150_000)  # the narrower one's turn is first
        receiver = Receiver(other)
        share.watch(receiver, other, FULL)
        await until(lambda: receiver.sees(slide(1)), "the other one is seen")
        await until(lambda: len(receiver.frames) >= 1 + len(REPEATS), "and goes on")
        screen.image = slide(2)
        await until(lambda: receiver.sees(slide(2)), "so is the next slide")
        assert said == ["no such encoder: look for a newer av"], "once, although it was tried often"
        without.leave()
        await until(lambda: share.problem is None, "nobody misses it any more")


class Broken:
    def take(self, frame: Frame) -> None:
        raise RuntimeError("no more")


async def test_a_viewer_that_fails_leaves_and_the_others_see_everything(caplog: pytest.LogCaptureFixture) -> None:
    screen = Screen()
    async with shared(screen) as share:
        share.watch(Broken(), Codec.VP8, FULL)
        receiver = Receiver(Codec.VP8)
        share.watch(receiver, Codec.VP8, FULL)
        await until(lambda: receiver.sees(slide(1)), "the other one sees it")
        screen.image = slide(2)
        await until(lambda: receiver.sees(slide(2)), "and goes on seeing")
        assert share.problem is None
    assert caplog.text.count("a viewer of the screen failed") == 1


async def test_stopping_twice_is_stopping_once() -> None:
    screen = Screen()
    share = ScreenShare(screen)
    share.start()
    await share.stop()
    await share.stop()
    await until(lambda: screen.is_closed, "the capture is closed")
