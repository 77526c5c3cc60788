"""A camera for tests: a moving pattern, encoded as it comes, with a key frame whenever one is asked for; a voice."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import av
import numpy as np

from slidewire.media.frames import Codec, Frame
from slidewire.rtp import h264, vp8

_REALTIME: Final = {"deadline": "realtime", "cpu-used": "16", "lag-in-frames": "0", "auto-alt-ref": "0"}
_ENCODERS: Final[dict[Codec, tuple[str, dict[str, str]]]] = {
    Codec.VP8: ("libvpx", _REALTIME | {"error-resilient": "1", "undershoot-pct": "95", "overshoot-pct": "15"}),
    Codec.H264: ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}),
}


class Camera:
    """Frames by number; after `key_wanted` the next one is a key frame."""

    def __init__(
        self, width: int = 640, height: int = 480, rate: int = 30, bitrate: int = 800_000, codec: Codec = Codec.VP8
    ) -> None:
        self.codec, self.rate = codec, rate
        self.width, self.height = width, height
        self.key_wanted = False
        self._number = 0
        name, options = _ENCODERS[codec]
        encoder = av.CodecContext.create(name, "w")
        assert isinstance(encoder, av.VideoCodecContext)
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.time_base, encoder.framerate = fractions.Fraction(1, rate), fractions.Fraction(rate)
        encoder.bit_rate, encoder.gop_size = bitrate, 3000
        encoder.options = options | {"maxrate": str(bitrate), "bufsize": str(bitrate // 2)}
        self._encoder = encoder
        ground = np.add.outer(np.arange(height) // 4, np.arange(2 * width) // 3) % 160 + 40
        self._ground = ground.astype(np.uint8)

    def next(self) -> Frame:
        picture = av.VideoFrame.from_ndarray(self.draw(self._number), format="yuv420p")
        picture.pts = self._number
        if self.key_wanted:
            picture.pict_type = av.video.frame.PictureType.I
            self.key_wanted = False
        data = b"".join(bytes(packet) for packet in self._encoder.encode(picture))
        is_key = vp8.is_key(data) if self.codec is Codec.VP8 else h264.is_key(data)
        frame = Frame(self.codec, data, self._number * 90_000 // self.rate, is_key)
        self._number += 1
        return frame

    def film(self, seconds: float) -> list[Frame]:
        """So much of it, encoded beforehand, for those who need the processor for something else."""
        return [frame for _ in range(round(seconds * self.rate)) if (frame := self.next()).data]

    def draw(self, number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Boxes that move over a ground that moves as well."""
        width, height = self.width, self.height
        drawn = np.full((height * 3 // 2, width), 128, np.uint8)
        drawn[:height] = self._ground[:, number % width : number % width + width]
        for box in range(30):
            x = (box * 97 + number * (3 + box % 5)) % (width - 40)
            y = (box * 53 + number * (1 + box % 3)) % (height - 30)
            drawn[y : y + 30, x : x + 40] = 20 + (box * 31 + number * 7) % 200
        return drawn


def voice(seconds: float, *, in_band: bool = False) -> list[Frame]:
    """A tone that goes up and down, in Opus packets of 20 ms. `in_band`: each with a coarse copy of the last."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.bit_rate = 48_000, 32_000
    encoder.layout, encoder.format = "mono", "s16"
    encoder.options = {"application": "voip", "frame_duration": "20"}
    if in_band:
        encoder.options |= {"fec": "1", "packet_loss": "20"}
    packets: list[bytes] = []
    for number in range(round(seconds * 50)):
        time = (np.arange(960) + number * 960) / 48_000
        tone = (8000 * np.sin(2 * np.pi * (300 + 100 * np.sin(time)) * time)).astype(np.int16)
        sound = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        sound.sample_rate, sound.pts = 48_000, number * 960
        packets += [bytes(packet) for packet in encoder.encode(sound)]
    return [Frame(Codec.OPUS, data, number * 960, True) for number, data in enumerate(packets)]


class Projector:
    """Plays a film over and over; after `key_wanted` from its beginning, which is a key frame."""

    def __init__(self, film: Sequence[Frame], rate: int) -> None:
        assert film[0].is_key
        self.rate = rate
        self.key_wanted = False
        self._film = film
        self._at = self._shown = 0

    def next(self) -> Frame:
        if self.key_wanted or self._at == len(self._film):
            self._at, self.key_wanted = 0, False
        frame = replace(self._film[self._at], timestamp=self._shown * 90_000 // self.rate)
        self._at += 1
        self._shown += 1
        return frame


@contextlib.contextmanager
def filming(camera: Camera | Projector, take: Callable[[Frame], None]) -> Iterator[None]:
    """Gives its frames to `take` at their rate, for as long as the block lasts. Encoding runs in a thread."""
    task = asyncio.create_task(_run(camera, take))
    try:
        yield
    finally:
        task.cancel()


async def _run(camera: Camera | Projector, take: Callable[[Frame], None]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        frame = camera.next() if isinstance(camera, Projector) else await asyncio.to_thread(camera.next)
        if frame.data:
            take(frame)
        due = max(due + 1 / camera.rate, loop.time() - 0.1)
        await asyncio.sleep(max(0.0, due - loop.time()))
