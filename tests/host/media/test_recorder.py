"""Recordings, read again by a player's library."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from io import FileIO, RawIOBase
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.host.media.recorder import LEFT_FREE, Recorder, RecordingError, new_file, open_recorder
from slidewire.host.media.recording_clock import BEHIND, HELD, WRONG, RecordingClock
from slidewire.media.frames import Codec, Frame, Sink
from slidewire.rtp import vp8

WALL = 3_900_000_000.0


class Camera:
    """Pictures of which each is brighter than the last, and a tone, both real; frames as `Incoming` gives them."""

    def __init__(self, width: int = 320, height: int = 240, wall: float = WALL) -> None:
        self.wall = wall
        self.video: Any = av.CodecContext.create("libvpx", "w")
        self.video.width, self.video.height, self.video.pix_fmt = width, height, "yuv420p"
        self.video.time_base, self.video.bit_rate = Fraction(1, 25), 300_000
        self.video.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "g": "50"}
        self.audio: Any = av.CodecContext.create("libopus", "w")
        self.audio.sample_rate, self.audio.layout, self.audio.format = 48_000, "stereo", "s16"
        self.size = width, height

    def picture(self, number: int, captured: bool = True) -> Frame:
        grey = np.full((self.size[1] * 3 // 2, self.size[0]), 128, np.uint8)
        grey[: self.size[1]] = 16 + number * 2 % 200
        picture = av.VideoFrame.from_ndarray(grey, "yuv420p")
        picture.pts = number
        (packet,) = self.video.encode(picture)
        when = self.wall + number * 0.04 if captured else None
        return Frame(Codec.VP8, bytes(packet), 7000 + number * 3600, vp8.is_key(bytes(packet)), when)

    def sound(self, number: int, captured: bool = True, loud: bool = True) -> Frame:
        """20 ms each."""
        wave = np.sin(np.arange(960) / 48_000 * 2 * np.pi * 500) * (9000 if loud else 0)
        samples = av.AudioFrame.from_ndarray(np.repeat(wave.astype(np.int16), 2)[None, :], "s16", "stereo")
        samples.sample_rate, samples.pts = 48_000, number * 960
        data = b"".join(bytes(packet) for packet in self.audio.encode(samples))
        when = self.wall + number * 0.02 if captured else None
        return Frame(Codec.OPUS, data, 90_000 + number * 960, True, when)


class Clock:
    now = 500.0

    def __call__(self) -> float:
        return self.now


class Read:
    """What a player sees and hears."""

    def __init__(self, path: Path) -> None:
        self.pictures: list[tuple[float, int, tuple[int, int]]] = []
        """Time, brightness, size."""
        self.sounds: list[tuple[float, np.ndarray[Any, Any]]] = []
        with av.open(path) as container:
            self.duration = container.duration
            for packet in container.demux():
                for frame in packet.decode():
                    assert isinstance(frame, av.VideoFrame | av.AudioFrame) and frame.time is not None
                    if isinstance(frame, av.VideoFrame):
                        brightness = int(frame.to_ndarray(format="gray").mean())
                        self.pictures.append((frame.time, brightness, (frame.width, frame.height)))
                    else:
                        self.sounds.append((frame.time, frame.to_ndarray()))


def show(recorder: Recorder, clock: Clock, seconds: float, camera: Camera, first: int = 0) -> None:
    """What is captured comes 60 ms later."""
    start = clock.now
    for number in range(first, first + round(seconds * 50)):
        clock.now = start + (number - first) * 0.02
        if number % 2 == 0:
            recorder.take(camera.picture(number // 2))
        recorder.take(camera.sound(number))
    clock.now = start + seconds


async def test_pictures_and_sound_are_what_was_taken(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "a.webm", clock=clock)
    show(recorder, clock, 6.0, Camera())
    await recorder.close()
    read = Read(recorder.path)
    assert [brightness for _, brightness, _ in read.pictures] == pytest.approx(
        [luma(16 + number * 2 % 200) for number in range(150)], abs=3
    )
    times = [time for time, _, _ in read.pictures]
    assert times == pytest.approx([times[0] + number * 0.04 for number in range(150)], abs=0.0011)
    heard = [time for time, _ in read.sounds]
    assert len(heard) == 300 and heard[-1] - heard[1] == pytest.approx(298 * 0.02, abs=0.003)
    assert heard[1] - times[0] == pytest.approx(0.02 - 0.0065, abs=0.002), "together, less what the codec is late by"
    assert read.duration == pytest.approx(6_000_000, abs=60_000)
    assert recorder.problem is None


def luma(value: int) -> float:
    """From the video's range of 16 to 235 to a picture's of 0 to 255."""
    return (value - 16) * 255 / 219


async def test_another_presenter_with_another_clock_and_size(tmp_path: Path) -> None:
    """Delta frames of the new one are left out until it sends a key frame, which it is asked for."""
    clock = Clock()
    recorder = Recorder(tmp_path / "a.webm", clock=clock)
    cameras = [Cable(), Cable(), Cable(), Cable()]
    recorder.follow(cameras[0], cameras[1])
    show(recorder, clock, 3.0, Camera())
    recorder.follow(cameras[2], cameras[3])
    assert [cable.sinks for cable in cameras] == [[], [], [recorder], [recorder]]
    assert cameras[2].keys_wanted == 1
    recorder.follow(cameras[2], None)
    recorder.follow(cameras[2], cameras[3])
    assert cameras[2].keys_wanted == 1 and cameras[3].sinks == [recorder], "the picture goes on"
    clock.now += 1.0
    second = Camera(160, 120, wall=5.0)
    second.picture(0)  # the key frame that we did not see
    show(recorder, clock, 4.0, second, first=2)
    await recorder.close()
    assert all(not cable.sinks for cable in cameras)
    read = Read(recorder.path)
    sizes = [size for _, _, size in read.pictures]
    assert sizes.count((320, 240)) == 75 and 40 < sizes.count((160, 120)) <= 53
    times = [time for time, _, _ in read.pictures]
    assert times == sorted(times)
    change = sizes.index((160, 120))
    first_seen = 4.0 + 1.96
    assert times[change] - times[0] == pytest.approx(first_seen, abs=0.05), "after the pause, at its first key frame"
    assert read.sounds[-1][0] == pytest.approx(8.0, abs=0.1)


class Cable:
    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        self.keys_wanted = 0

    def subscribe(self, sink: Sink) -> None:
        self.sinks.append(sink)

    def unsubscribe(self, sink: Sink) -> None:
        self.sinks.remove(sink)

    def want_key(self) -> None:
        self.keys_wanted += 1


async def test_a_key_frame_is_asked_for_until_one_comes(tmp_path: Path) -> None:
    clock, cable, camera = Clock(), Cable(), Camera()
    recorder = Recorder(tmp_path / "a.webm", clock=clock)
    recorder.follow(cable, None)
    for number in range(60):
        recorder.take(camera.picture(number + 1) if number else replace(camera.picture(1), is_key=False))
        clock.now += 0.04
    await recorder.close()
    assert cable.keys_wanted == 1 + 50, "the encoder's next key frame is its 51st picture"
    assert len(Read(recorder.path).pictures) == 10


async def test_only_sound(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "a.webm", clock=clock)
    camera = Camera()
    for number in range(200):
        recorder.take(camera.sound(number))
        clock.now += 0.02
    await recorder.close()
    read = Read(recorder.path)
    assert len(read.sounds) == 200 and not read.pictures
    assert np.abs(read.sounds[50][1]).max() > 0.1


async def test_nothing_at_all(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.webm")
    await recorder.close()
    assert not recorder.path.exists(), "nobody can play a file in which nothing is"
    assert recorder.problem is None


async def test_h264_is_said_and_sound_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    clock = Clock()
    recorder = Recorder(tmp_path / "a.webm", said.append, clock)
    camera = Camera()
    for number in range(100):
        recorder.take(Frame(Codec.H264, b"\0\0\1\x65", number * 3000, True, WALL))
        recorder.take(camera.sound(number))
        clock.now += 0.02
    await recorder.close()
    assert len(said) == 1 and "H.264" in said[0]
    assert len(Read(recorder.path).sounds) == 100


# --- what goes wrong --------------------------------------------------------------------------------------------------


async def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RecordingError, match=r"cannot be written to .*deeper: a file is in the way\. Choose"):
        new_file(tmp_path / "file" / "deeper", datetime.now(UTC))
    with pytest.raises(RecordingError, match=r"written to /proc: .*\. Choose another folder with --record\."):
        Recorder(Path("/proc/a.webm"))
    (tmp_path / "taken.webm").write_bytes(b"somebody's")
    with pytest.raises(RecordingError, match="a file is in the way"):
        Recorder(tmp_path / "taken.webm")
    assert (tmp_path / "taken.webm").read_bytes() == b"somebody's"


def test_names_are_not_taken_twice(tmp_path: Path) -> None:
    when = datetime(2026, 11, 22, 20, 15, 0, tzinfo=UTC)
    folder = tmp_path / "new" / "folder"
    names = []
    for _ in range(3):
        path = new_file(folder, when)
        path.touch()
        names.append(path.name)
    assert names == ["slidewire-2026-11-22-201500.webm"] + [
        f"slidewire-2026-11-22-201500-{number}.webm" for number in (2, 3)
    ]


async def test_a_disk_is_not_filled_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = LEFT_FREE
    monkeypatch.setattr("slidewire.host.media.recorder.shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    said: list[str] = []
    clock, camera = Clock(), Camera()
    recorder = Recorder(tmp_path / "film.webm", said.append, clock)
    show(recorder, clock, 2.0, camera)
    async with asyncio.timeout(20):
        while recorder._written < recorder._handed_over:
            await asyncio.sleep(0.01)
    assert said == []
    free -= 1
    clock.now += 2
    async with asyncio.timeout(10):
        while not said:
            await asyncio.sleep(0.01)
    await recorder.close()
    assert said == ["The recording ended: there is no room left on the disk. What came before is in film.webm."]
    assert Read(recorder.path).pictures


class Full:
    """A file on a disk that has room for so many bytes."""

    def __init__(self, path: Path, room: int) -> None:
        self.file, self.room = FileIO(path, "w"), room

    def write(self, data: bytes) -> int | None:
        if self.file.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


async def test_a_full_disk_ends_the_recording_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.webm"
    open_ = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *rest, **more: Full(path, 60_000) if self == path else open_(self, *rest, **more)
    )
    said: list[str] = []
    clock = Clock()
    recorder = Recorder(path, said.append, clock)
    camera = Camera()
    for second in range(8):
        show(recorder, clock, 1.0, camera, first=second * 50)
        await asyncio.sleep(0.05)
    await recorder.close()
    assert said == ["The recording ended: there is no room left on the disk. What came before is in a.webm."]
    assert recorder.problem == said[0]
    recorder.take(camera.sound(9999))
    seen = Read(path)
    assert len(seen.pictures) > 20 and len(seen.sounds) > 40


class Hanging:
    """A file on a disk that may hang."""

    def __init__(self, path: Path, goes_on: threading.Event) -> None:
        self.file, self.goes_on = FileIO(path, "w"), goes_on

    def write(self, data: bytes) -> int | None:
        self.goes_on.wait(60)
        return self.file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


async def test_a_disk_that_hangs_is_waited_for_so_long_and_gets_the_rest_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slidewire.host.media.recorder.CLOSED_WITHIN", 0.2)
    monkeypatch.setattr("slidewire.host.media.recorder.TAKES_WITHIN", 0.3)
    said: list[str] = []
    goes_on, clock, camera = threading.Event(), Clock(), Camera()
    file: Any = Hanging(tmp_path / "a.webm", goes_on)
    recorder = Recorder(tmp_path / "a.webm", said.append, clock, file)
    number = 0
    async with asyncio.timeout(20):
        while not said:
            show(recorder, clock, 1.0, camera, first=number * 50)
            number += 1
            await asyncio.sleep(0.05)
    assert "does not keep up" in said[0] and "--record" in said[0]
    await recorder.close()
    assert len(said) == 2 and "has not taken the end of a.webm yet" in said[1]
    goes_on.set()
    async with asyncio.timeout(20):
        await recorder._done.wait()
    assert recorder.problem is None and len(said) == 2
    assert len(Read(recorder.path).pictures) == number * 25


async def test_a_file_is_made_beside_the_event_loop_and_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, made = threading.Event(), list[RawIOBase]()

    def make(path: Path) -> RawIOBase:
        goes_on.wait(60)
        made.append(path.open("xb", buffering=0))
        return made[0]

    when = datetime(2026, 11, 22, 20, 15, 0, tzinfo=UTC)
    with monkeypatch.context() as hanging:
        hanging.setattr("slidewire.host.media.recorder._make", make)
        hanging.setattr("slidewire.host.media.recorder.OPENED_WITHIN", 0.1)
        with pytest.raises(RecordingError, match=r"has not answered for 0\.1 seconds.*--record\."):
            await open_recorder(tmp_path / "videos", when, print)
        goes_on.set()
        async with asyncio.timeout(20):
            while not made or not made[0].closed or list((tmp_path / "videos").iterdir()):
                await asyncio.sleep(0.01)  # and it is removed, as nothing is in it
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RecordingError, match="a file is in the way"):
        await open_recorder(tmp_path / "file", when, print)
    recorder = await open_recorder(tmp_path / "videos", when, print)
    assert recorder.path.name == "slidewire-2026-11-22-201500.webm"
    await recorder.close()
    assert list((tmp_path / "videos").iterdir()) == [], "a file in which nothing is can be played by nobody"


KILLED = """
import asyncio, sys
from pathlib import Path
from slidewire.host.media.recorder import Recorder
from tests.host.media.test_recorder import Camera
async def main():
    recorder, camera = Recorder(Path(sys.argv[1])), Camera()
    for number in range(100_000):
        if number % 2 == 0:
            recorder.take(camera.picture(number // 2))
        recorder.take(camera.sound(number))
        if number % 50 == 0:
            print(number // 50, flush=True)
        await asyncio.sleep(0.02)
asyncio.run(main())
"""


def test_what_was_recorded_before_the_program_was_killed_can_be_played(tmp_path: Path) -> None:
    path = tmp_path / "a.webm"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as program:
        assert program.stdout is not None
        for line in program.stdout:
            if int(line) == 4:
                program.send_signal(signal.SIGKILL)
                break
    read = Read(path)
    assert read.pictures[-1][0] > 1.2 and read.sounds[-1][0] > 1.2
    assert len(read.pictures) > 25


# --- times ------------------------------------------------------------------------------------------------------------


def video(number: int, captured: float | None) -> Frame:
    return Frame(Codec.VP8, b"", number * 3600, number == 0, captured)


def audio(number: int, captured: float | None) -> Frame:
    return Frame(Codec.OPUS, b"", number * 960, True, captured)


def test_frames_before_the_first_report_are_dated_back() -> None:
    times = RecordingClock()
    for number in range(300):
        if number % 2 == 0:
            times.take(video(number // 2, WALL + number * 0.02 if number > 50 else None), number * 0.02 + 0.1)
        times.take(audio(number, WALL + number * 0.02 if number > 240 else None), number * 0.02 + 0.03)
        if number == 200:
            assert times.ready(4.0) == [], "sound has no time yet"
    placed = times.rest()
    assert [each.time for each in placed] == sorted(each.time for each in placed)
    assert len(placed) == 450
    for each in placed:
        captured = each.frame.timestamp / each.frame.codec.clock_rate
        assert each.time == pytest.approx(captured + 0.1, abs=0.0011), "whichever of both came later to know its time"


def test_a_source_that_never_reports_is_placed_by_when_it_came() -> None:
    times = RecordingClock()
    given = []
    for number in range(int((HELD + 3) * 50)):
        times.take(audio(number, None), number * 0.02 + 0.5)
        given += times.ready(number * 0.02 + 0.5)
    assert len(given) == pytest.approx(50 * (HELD + 3 - BEHIND), abs=3)
    assert [each.time for each in given] == pytest.approx([0.5 + number * 0.02 for number in range(len(given))])


def test_a_microphone_that_was_on_for_a_moment_keeps_nothing_back() -> None:
    """It was off again before its first report."""
    times, given = RecordingClock(), 0
    times.take(audio(0, None), 0.0)
    for number in range(60 * 25):
        times.take(video(number, WALL + number * 0.04), number * 0.04)
        given += len(times.ready(number * 0.04))
    assert given == pytest.approx(25 * (60 - BEHIND), abs=3)


def test_timestamps_that_leap_without_a_report_are_not_believed() -> None:
    times, given = RecordingClock(), list[float]()
    for number in range(50 * 20):
        leap = 48_000 * 3600 if number > 500 else 0
        times.take(Frame(Codec.OPUS, b"", number * 960 + leap, True), number * 0.02)
        given += [each.time for each in times.ready(number * 0.02)]
    assert len(given) == pytest.approx(50 * (20 - BEHIND), abs=3)
    assert given == pytest.approx([number * 0.02 for number in range(len(given))], abs=0.01)


def test_the_same_presenter_by_another_connection() -> None:
    """Its clock goes on; its timestamps begin anew, without a report at first."""
    times = RecordingClock()
    for number in range(100):
        times.take(audio(number + 50_000, WALL + number * 0.02), number * 0.02)
    for number in range(200):
        captured = WALL + 5 + number * 0.02
        times.take(audio(number, captured if number > 120 else None), 5 + number * 0.02)
    placed = times.rest()
    assert len(placed) == 300
    assert [each.time for each in placed[100:]] == pytest.approx([5 + number * 0.02 for number in range(200)])


def test_sound_does_not_jump_with_every_report() -> None:
    times = RecordingClock()
    for number in range(200):
        times.take(audio(number, WALL + number * 0.02 + (0.004 if number % 50 < 25 else -0.004)), number * 0.02)
    placed = times.rest()
    steps = {round(after.time - before.time, 6) for before, after in pairwise(placed)}
    assert steps == {0.02}


events = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(0, 2**34),
        st.none() | st.floats(-1e10, 1e10) | st.floats(0, 100),
        st.floats(0, 9),
        st.booleans(),
    ),
    max_size=60,
)


@given(events)
def test_whatever_a_page_says_of_its_clock(said: list[tuple[bool, int, float | None, float, bool]]) -> None:
    """Each kind's times grow, no frame is lost, and nothing is far from when it came."""
    times, now, came = RecordingClock(), 0.0, list[float]()
    given = []
    for is_video, timestamp, captured, wait, changes in said:
        now += wait
        if changes:
            times.follow()
        codec = Codec.VP8 if is_video else Codec.OPUS
        times.take(Frame(codec, len(came).to_bytes(1, "big"), timestamp, True, captured), now)
        came.append(now)
        given += times.ready(now)
    given += times.rest()
    assert sorted(each.frame.data[0] for each in given) == list(range(len(came)))
    assert all(abs(each.time - came[each.frame.data[0]]) < WRONG + 0.1 for each in given)
    for kind in (True, False):
        own = [each.time for each in given if each.frame.codec.is_video is kind]
        assert all(before < after for before, after in pairwise(own))
