"""The screen share: one source, one encoder for each codec and tier in use, any number of viewers.

Without viewers nothing is looked at. Everything is decided on the event loop; one thread looks, converts and
encodes, one thing at a time, so that there is always only the newest picture and nothing to fall behind with. Encoding
takes the time it takes, and the next look is later for it.

A viewer that comes, or that gets another tier, waits for a key frame of its encoder: the one that all who asked within
a second share. It costs the others a few frames and no freeze; key frames are no larger than their rate allows. On its
way up a viewer keeps what it had until the better one's key frame is there.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from av import VideoFrame

from slidewire.aio.clock import monotonic
from slidewire.host.desktop.errors import ScreenError
from slidewire.host.desktop.screen_source import Picture, ScreenSource
from slidewire.host.media.screen.canvas import Canvas
from slidewire.host.media.screen.changes import FASTEST, Cadence, Pace, changed_rows, share_of
from slidewire.host.media.screen.encoder import CLOCK_RATE, Encoder
from slidewire.host.media.screen.tiers import TIERS, Ladder, Tier
from slidewire.media.frames import Codec, Frame, Sink

log = logging.getLogger(__name__)

RETRY_AFTER = 1.0
"""Seconds after which a screen that could not be looked at is tried again."""

T = TypeVar("T")


class Viewer:
    """One who watches. Made by `ScreenShare.watch`."""

    def __init__(self, share: ScreenShare, sink: Sink, codec: Codec, rate: float) -> None:
        self.codec = codec
        self.sink = sink
        self._share = share
        self._ladder = Ladder(rate, share.tiers)
        self.is_waiting = True
        """For a key frame of its tier. What comes meanwhile is of no use to it."""
        self.previous: Tier | None = None
        """The tier whose frames it still takes while it waits."""

    @property
    def tier(self) -> Tier:
        return self._ladder.tier

    def set_rate(self, bits: float) -> None:
        """What its network carries, in bits a second."""
        before = self.tier
        after = self._ladder.set_rate(bits, monotonic())
        if after is before:
            return
        # Down, its network is full: better nothing for a moment than more of what is too much.
        shown = self.previous if self.is_waiting else before
        self.previous = shown if shown is not None and shown.rate < after.rate else None
        self.is_waiting = True
        self._share.key_wanted(self)

    def want_key(self) -> None:
        self._share.key_wanted(self)

    def leave(self) -> None:
        self._share.forget(self)


@dataclass(slots=True)
class _Lane:
    """An encoder and its viewers' wishes. The encoder is made when the picture's size is known."""

    tier: Tier
    cadence: Cadence
    encoder: Encoder | None = None
    problem: str | None = None
    """Why it cannot encode. The others go on."""
    blind_until: float = -math.inf

    def due(self) -> float:
        return max(self.cadence.due(), self.blind_until)


@dataclass(frozen=True, slots=True)
class _Look:
    picture: Picture
    rows: list[range]


@dataclass(slots=True)
class Numbers:
    """What a share has done since it was made."""

    looks: int = 0
    changes: int = 0
    frames: int = 0
    keys: int = 0
    bytes: int = 0
    encoders: int = 0
    """Those at work now."""


class ScreenShare:
    """Shares what a source sees, from `start` to `stop`. The source is closed with it."""

    def __init__(self, source: ScreenSource, *, fastest: float = FASTEST, tiers: Sequence[Tier] = TIERS) -> None:
        self.tiers = tiers
        self.problem: str | None = None
        """Why nothing new is seen, for a person; None while all is well."""
        self.changed: Callable[[], None] = lambda: None
        """Called when `problem` has changed."""
        self.numbers = Numbers()
        self._source = source
        self._pace = Pace(fastest)
        self._fastest = fastest
        self._viewers: list[Viewer] = []
        self._lanes: dict[tuple[Codec, Tier], _Lane] = {}
        self._picture: Picture | None = None
        self._canvas: Canvas | None = None
        self._wake = asyncio.Event()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="screen")
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._began = monotonic()
        self._last_timestamp = -1
        self._problem: str | None = None
        """Of looking, or of all of it."""
        self._blind_until = -math.inf

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="screen share")

    async def stop(self) -> None:
        """No viewer gets anything from now on."""
        if self._stopped:
            return
        self._stopped = True
        self._viewers.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        # The thread may be in the middle of a look, which cannot be stopped: it closes the source when that is over.
        self._worker.submit(self._source.close)
        self._worker.shutdown(wait=False)

    def watch(self, sink: Sink, codec: Codec, rate: float) -> Viewer:
        """Frames of that codec for a network that carries so many bits a second, the first one a key frame."""
        viewer = Viewer(self, sink, codec, rate)
        self._viewers.append(viewer)
        self.key_wanted(viewer)
        return viewer

    def forget(self, viewer: Viewer) -> None:
        if viewer in self._viewers:
            self._viewers.remove(viewer)

    def key_wanted(self, viewer: Viewer) -> None:
        lane = self._lanes.get((viewer.codec, viewer.tier))
        if lane is not None:
            lane.cadence.want_key()
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            self._match_lanes()
            if not self._lanes:
                await self._wake.wait()
                continue
            try:
                await self._round()
            except ScreenError as error:
                self._say(str(error))
                await asyncio.sleep(RETRY_AFTER)
            except Exception:
                log.exception("the screen share failed; it is tried again")
                self._say("the screen share failed, and is tried again: the log says why")
                await asyncio.sleep(RETRY_AFTER)

    def _match_lanes(self) -> None:
        """An encoder for each codec and tier that is watched, and no other."""
        wanted = {(viewer.codec, viewer.tier) for viewer in self._viewers}
        wanted |= {(viewer.codec, viewer.previous) for viewer in self._viewers if viewer.previous is not None}
        for key in self._lanes.keys() - wanted:
            del self._lanes[key]
        self._tell()
        for key in sorted(wanted - self._lanes.keys(), key=lambda key: key[1].rate):
            tier = key[1]
            self._lanes[key] = _Lane(tier, Cadence(min(tier.fastest, self._fastest), tier.rate))
        if not self._lanes:
            self._picture = self._canvas = None
            self._pace = Pace(self._fastest)
        self.numbers.encoders = len(self._lanes)

    async def _round(self) -> None:
        """Look if it is time to, then encode for whom it is time to."""
        began = monotonic()
        moved = False
        if began >= self._next_look():
            try:
                moved = await self._look()
            except ScreenError as error:
                self._say(str(error))
                self._blind_until = monotonic() + RETRY_AFTER
        if self._canvas is not None:
            for key, lane in list(self._lanes.items()):
                if lane.due() <= monotonic():
                    await self._encode_or_say(key[0], lane)
        if moved:
            self._pace.took(monotonic() - began)
        due = self._next_look()
        if self._canvas is not None:
            due = min([due, *(lane.due() for lane in self._lanes.values())])
        try:
            async with asyncio.timeout(max(due - monotonic(), 0.0)):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _next_look(self) -> float:
        return max(self._pace.due(), self._blind_until)

    async def _look(self) -> bool:
        """Says whether anything has changed."""
        look = await self._in_thread(lambda: self._see(self._picture, self._canvas))
        self._say(None)
        height = look.picture.height
        now = look.picture.captured
        self._pace.looked(now, share_of(look.rows, height))
        self.numbers.looks += 1
        if not look.rows:
            return False
        self._picture = look.picture
        self.numbers.changes += 1
        for lane in self._lanes.values():
            lane.cadence.changed(now)
        return True

    def _see(self, before: Picture | None, canvas: Canvas | None) -> _Look:
        """In the thread: take a picture and put what changed onto the canvas."""
        picture = self._source.grab()
        size = picture.width, picture.height
        if canvas is None or canvas.captured != size:
            before = None
            self._canvas = canvas = Canvas(*size)
        rows = changed_rows(before.pixels if before else None, picture.pixels, picture.width * 4)
        if rows:
            canvas.draw(picture, rows)
        return _Look(picture, rows)

    async def _encode_or_say(self, codec: Codec, lane: _Lane) -> None:
        """A codec that this computer has not got is tried again now and then, and holds up no other."""
        try:
            await self._encode(codec, lane)
            lane.problem = None
        except ScreenError as error:
            lane.problem = str(error)
            lane.blind_until = monotonic() + RETRY_AFTER
        self._tell()

    async def _encode(self, codec: Codec, lane: _Lane) -> None:
        canvas, picture = self._canvas, self._picture
        if canvas is None or picture is None:
            return
        now = monotonic()
        key = lane.cadence.is_key_due(now)
        # Repeats show what the screen is now, not what it was when it last changed.
        captured = picture.captured if lane.cadence.has_change else now
        timestamp = max(round((captured - self._began) * CLOCK_RATE), self._last_timestamp + 1)
        self._last_timestamp = timestamp
        captured = self._began + timestamp / CLOCK_RATE  # exactly: receivers compare the two
        frame = await self._in_thread(lambda: self._encode_in_thread(codec, lane, canvas, timestamp, captured, key))
        lane.cadence.encoded(now, len(frame.data) * 8 if frame else 0, is_key=frame is not None and frame.is_key)
        if frame is not None:
            self._deliver(codec, lane.tier, frame)

    def _encode_in_thread(
        self, codec: Codec, lane: _Lane, canvas: Canvas, timestamp: int, captured: float, key: bool
    ) -> Frame | None:
        frame: VideoFrame = canvas.picture(lane.tier.width, lane.tier.height)
        encoder = lane.encoder
        if encoder is None or (encoder.width, encoder.height) != (frame.width, frame.height):
            lane.encoder = encoder = Encoder(codec, frame.width, frame.height, lane.tier.rate)
        return encoder.encode(frame, timestamp, captured, key=key)

    def _deliver(self, codec: Codec, tier: Tier, frame: Frame) -> None:
        self.numbers.frames += 1
        self.numbers.keys += frame.is_key
        self.numbers.bytes += len(frame.data)
        for viewer in tuple(self._viewers):
            if viewer.codec is not codec:
                continue
            if viewer.tier is tier:
                if viewer.is_waiting and not frame.is_key:
                    continue
                viewer.is_waiting, viewer.previous = False, None
            elif viewer.previous is not tier:
                continue
            try:
                viewer.sink.take(frame)
            except Exception:
                # One viewer's trouble: the others need every frame.
                log.exception("a viewer of the screen failed, and gets no more of it")
                self.forget(viewer)

    def _say(self, problem: str | None) -> None:
        self._problem = problem
        self._tell()

    def _tell(self) -> None:
        of_lanes = (lane.problem for lane in self._lanes.values() if lane.problem is not None)
        problem = self._problem or next(of_lanes, None)
        if problem == self.problem:
            return
        if problem is None:
            log.info("the screen is there again")
        else:
            log.warning("%s", problem)
        self.problem = problem
        self.changed()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)
