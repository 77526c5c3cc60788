"""A presenter's camera and microphone into a WebM file, as they came: VP8 and Opus, nothing is encoded again.

The file is playable up to its last second whatever happens to this program: Matroska is written in clusters of a
second, each as soon as it is complete. Everything that may wait for a disk, from making the file to its end, is done by
threads that keep no program from ending; the event loop only hands frames over, and none if the disk does not keep up.
Whatever goes wrong ends the recording with a sentence, and nothing else; a disk that hangs is said, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from io import RawIOBase
from pathlib import Path
from typing import Final

import av
import av.container
import av.stream

from slidewire.host.media.recording_clock import Placed, RecordingClock
from slidewire.media.frames import Codec, Frame, Source
from slidewire.rtp import vp8

log = logging.getLogger(__name__)

MOST_WAITING: Final = 64 << 20
"""Bytes handed over and not written yet."""
LOOK_EVERY: Final = 0.25
OPENED_WITHIN: Final = 5.0
CLOSED_WITHIN: Final = 10.0
"""Seconds that the host waits for a disk. It may take longer; then that is said."""
TAKES_WITHIN: Final = 10.0
"""Seconds after which a disk that takes nothing is said to do so."""
LEFT_FREE: Final = 256 << 20
"""Bytes of the disk that are for everything else: a recording ends before it is full."""
OPUS_LOOKAHEAD: Final = 312 / 48_000
"""Seconds: what an Opus packet says was heard that much before its timestamp."""
USUAL_SIZE: Final = (1280, 720)
"""For the file's header, if there is sound before there is a picture. Players take a picture's own size."""
MUXER: Final = {"cluster_time_limit": "1000", "flush_packets": "1", "max_interleave_delta": "1000000"}


class RecordingError(Exception):
    """A sentence for the operator."""


def new_file(folder: Path, when: datetime) -> Path:
    """A name that is not taken, in a folder that is there. Raises `RecordingError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(_cannot_write(folder, error)) from error
    name = f"slidewire-{when:%Y-%m-%d-%H%M%S}"
    path = folder / f"{name}.webm"
    for number in range(2, 1000):
        if not path.exists():
            break
        path = folder / f"{name}-{number}.webm"
    return path


async def open_recorder(folder: Path, when: datetime, failed: Callable[[str], None]) -> Recorder:
    """A new file in `folder`, whatever its disk does. Raises `RecordingError`."""
    loop, opened = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def tell(found: tuple[Path, RawIOBase] | RecordingError) -> None:
        if not opened.done():
            opened.set_result(found)
        elif isinstance(found, tuple):  # it is waited for no longer, and we do not wait for this disk
            threading.Thread(target=_discard, args=found, name="recorder's file", daemon=True).start()

    def work() -> None:
        found: tuple[Path, RawIOBase] | RecordingError
        try:
            path = new_file(folder, when)
            found = path, _make(path)
        except RecordingError as error:
            found = error
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=work, name="recorder's file", daemon=True).start()
    try:
        async with asyncio.timeout(OPENED_WITHIN):
            found = await opened
    except TimeoutError:
        raise RecordingError(
            f"The disk of {folder} has not answered for {OPENED_WITHIN:g} seconds, so nothing is recorded. Try again, "
            "or choose another folder with --record."
        ) from None
    if isinstance(found, RecordingError):
        raise found
    return Recorder(found[0], failed, file=found[1])


class Recorder:
    """One file. It is a sink for both, camera and microphone; what is recorded is of one presenter at a time."""

    def __init__(
        self,
        path: Path,
        failed: Callable[[str], None] = lambda sentence: None,
        clock: Callable[[], float] = time.monotonic,
        file: RawIOBase | None = None,
    ) -> None:
        """Without `file` it is made at once, however long that takes; raises `RecordingError`. `failed` is called on
        the event loop, with a sentence."""
        self.path = path
        self._file = file if file is not None else _make(path)
        self.problem: str | None = None
        """Why nothing is recorded any more."""
        self._failed = failed
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._began = clock()
        self._sources: tuple[Source | None, Source | None] = (None, None)
        self._needs_key = True
        self._closed = self._has_warned = self._is_slow = False
        self._handed_over = self._written = 0
        """Bytes; each is changed by one thread only."""
        self._took = time.monotonic()
        """When the disk last had nothing left to write: real time, whatever frames are timed by."""
        self._done = asyncio.Event()
        self._queue: queue.SimpleQueue[tuple[Frame | None, float] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="recorder", daemon=True)
        self._thread.start()

    def follow(self, camera: Source | None, microphone: Source | None) -> None:
        """From now on what comes from these, which are of one presenter."""
        if self._closed:
            return
        before, self._sources = self._sources, (camera, microphone)
        if not any(source is not None and source is was for source, was in zip(self._sources, before, strict=True)):
            self._queue.put((None, self._now()))  # another presenter, with another clock
        for source, was in zip(self._sources, before, strict=True):
            if source is not was:
                if was is not None:
                    was.unsubscribe(self)
                if source is not None:
                    source.subscribe(self)
        if camera is not before[0]:
            self._needs_key = True
            if camera is not None:
                camera.want_key()

    def take(self, frame: Frame) -> None:
        """A frame came. Never waits."""
        if frame.codec.is_video:
            self.take_video(frame)
        else:
            self.take_audio(frame)

    def take_video(self, frame: Frame) -> None:
        if frame.codec is not Codec.VP8:
            if not self._has_warned:
                self._has_warned = True
                self._failed(
                    "This presenter's browser sends H.264, which a WebM file cannot hold: only sound is recorded."
                )
        elif frame.is_key or not self._needs_key:
            self._needs_key = not self._hand_over(frame)
        elif self._sources[0] is not None:
            self._sources[0].want_key()

    def take_audio(self, frame: Frame) -> None:
        self._hand_over(frame)

    async def close(self) -> None:
        """The file is complete when this returns, unless the disk takes longer than a person should wait."""
        self.follow(None, None)
        self._closed = True
        self._queue.put(None)
        try:
            async with asyncio.timeout(CLOSED_WITHIN):
                await self._done.wait()
        except TimeoutError:
            self._say(
                f"The disk has not taken the end of {self.path.name} yet. It is written as soon as the disk goes on, "
                "if this program still runs then; what came before can be played."
            )

    def _hand_over(self, frame: Frame) -> bool:
        if self._closed or self.problem is not None:
            return False
        if not self._is_slow and time.monotonic() - self._took > TAKES_WITHIN:
            self._is_slow = True
            self._say(
                f"The disk does not keep up with the recording {self.path.name}: parts of it may be missing. Choose a "
                "folder on another disk with --record."
            )
        if self._handed_over - self._written > MOST_WAITING:
            return False
        self._handed_over += len(frame.data)
        self._queue.put((frame, self._now()))
        return True

    def _now(self) -> float:
        return self._clock() - self._began

    def _fail(self, sentence: str) -> None:
        if self.problem is None:
            self.problem = sentence
            self._say(sentence)

    def _say(self, sentence: str) -> None:
        log.warning("%s", sentence)
        self._failed(sentence)

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _write_all(self) -> None:
        times, writer = RecordingClock(), _Writer(self._file)
        problem: Exception | None = None
        works: list[Callable[[], None]] = [lambda: self._write_until_the_end(times, writer), writer.close]
        for work in works:
            try:
                work()
            except (OSError, ValueError, av.FFmpegError) as error:
                problem = problem or error
        if writer.has_begun:
            self._file.close()
            kept = f"What came before is in {self.path.name}."
        else:
            _discard(self.path, self._file)
            kept = "Nothing came before."
        if problem is not None:
            self._tell(self._fail, f"The recording ended: {_reason(problem)} {kept}")
        self._tell(self._done.set)

    def _tell(self, what: Callable[..., None], *words: str) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: there is nothing left to tell
            self._loop.call_soon_threadsafe(what, *words)

    def _write_until_the_end(self, times: RecordingClock, writer: _Writer) -> None:
        looked = float("-inf")
        while True:
            self._took = time.monotonic()
            if self._now() - looked > 1.0:
                looked = self._now()
                if shutil.disk_usage(self.path.parent).free < LEFT_FREE:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            try:
                item = self._queue.get(timeout=LOOK_EVERY)
            except queue.Empty:
                writer.write(times.ready(self._now()))
                continue
            if item is None:
                writer.write(times.rest())
                return
            frame, now = item
            if frame is None:
                times.follow()
            else:
                times.take(frame, now)
                self._written += len(frame.data)
            if self._queue.empty():
                writer.write(times.ready(self._now()))


class _Writer:
    """Frames that have their times, into a file."""

    def __init__(self, file: RawIOBase) -> None:
        self.has_begun = False
        """Something is in the file that can be played."""
        self._file = file
        self._container: av.container.OutputContainer | None = None
        self._streams: dict[bool, av.stream.Stream] = {}

    def write(self, frames: list[Placed]) -> None:
        for placed in frames:
            if self._container is None:
                self._open(next((each.frame for each in frames if each.frame.codec.is_video), None))
            assert self._container is not None
            is_video = placed.frame.codec.is_video
            packet = av.Packet(placed.frame.data)
            packet.stream = self._streams[is_video]
            packet.time_base = Fraction(1, 1000)
            packet.pts = packet.dts = round((placed.time - (0 if is_video else OPUS_LOOKAHEAD)) * 1000)
            packet.is_keyframe = placed.frame.is_key
            self._container.mux_one(packet)
            self.has_begun = True

    def close(self) -> None:
        if self._container is not None:
            self._container.close()

    def _open(self, first: Frame | None) -> None:
        container = self._container = av.open(self._file, "w", format="webm", options=MUXER)
        width, height = (vp8.dimensions(first.data) if first is not None else None) or USUAL_SIZE
        video = container.add_mux_stream("vp8", width=width, height=height)
        # The encoder is there only for what a file's header says of Opus.
        audio = container.add_stream("libopus", rate=48_000, layout="stereo")
        self._streams = {True: video, False: audio}
        container.start_encoding()


def _make(path: Path) -> RawIOBase:
    """Raises `RecordingError`."""
    try:
        return path.open("xb", buffering=0)
    except OSError as error:
        raise RecordingError(_cannot_write(path.parent, error)) from error


def _discard(path: Path, file: RawIOBase) -> None:
    """A file of ours in which nothing is: no player could open it."""
    file.close()
    with contextlib.suppress(OSError):  # it is not there any more, or the disk is not
        path.unlink()


def _cannot_write(folder: Path, error: OSError) -> str:
    return f"Recordings cannot be written to {folder}: {_reason(error)} Choose another folder with --record."


def _reason(error: Exception) -> str:
    match getattr(error, "errno", None):
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "there is no room left on the disk."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "this program may not write there."
        case errno.EEXIST | errno.ENOTDIR:
            return "a file is in the way."
        case _:
            return f"{getattr(error, 'strerror', None) or error}."
