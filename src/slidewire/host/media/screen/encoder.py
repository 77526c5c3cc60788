"""One encoder: pictures in, VP8 or H.264 frames out, at a bit rate, with a key frame when one is wanted.

Set up for a screen and for now: no frame waits for a later one, one thread (two of libvpx's wait for each other in a
loop that takes ten times the processor), what did not change is skipped, and no bits go into what would not be seen.
Through PyAV, libvpx cannot be told another bit rate, and libx264 only without its limits: the next frame after
`set_rate` is the first, and a key frame, of a new encoder.
"""

from __future__ import annotations

from fractions import Fraction

from av import CodecContext, FFmpegError, VideoFrame
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from slidewire.host.desktop.errors import ScreenError
from slidewire.host.media.screen.changes import SLOWEST
from slidewire.media.frames import Codec, Frame

CLOCK_RATE = Codec.VP8.clock_rate
NO_KEY_BY_ITSELF = 1_000_000
"""Frames between key frames that were not asked for: practically none."""
STUDIO_RANGE, BT601 = 1, 6
"""What the canvas is: said in H.264, where receivers may take it for something else; VP8 knows no other."""


class Encoder:
    """For pictures of one size."""

    def __init__(self, codec: Codec, width: int, height: int, rate: float) -> None:
        self.codec = codec
        self.width, self.height = width, height
        self._rate = int(rate)
        self._context: VideoCodecContext | None = None

    def set_rate(self, rate: float) -> None:
        if int(rate) != self._rate:
            self._rate = int(rate)
            self._context = None

    def encode(self, picture: VideoFrame, timestamp: int, captured: float, *, key: bool = False) -> Frame | None:
        """Timestamps only grow. The picture is not needed afterwards. None if the encoder saw nothing worth a frame.
        Raises `ScreenError`."""
        try:
            if self._context is None:
                self._context = vp8(self) if self.codec is Codec.VP8 else h264(self)
            picture.pts = timestamp
            picture.time_base = Fraction(1, CLOCK_RATE)
            picture.pict_type = PictureType.I if key else PictureType.NONE
            packets = self._context.encode(picture)
        except (FFmpegError, ValueError) as error:
            self._context = None
            raise ScreenError(f"the screen cannot be encoded as {self.codec} ({error}): look for a newer av") from error
        data = b"".join(map(bytes, packets))
        if not data:
            return None
        return Frame(self.codec, data, timestamp, any(packet.is_keyframe for packet in packets), captured)

    @property
    def rate(self) -> int:
        return self._rate


def vp8(encoder: Encoder) -> VideoCodecContext:
    context = _context("libvpx", encoder)
    context.qmin, context.qmax = 16, 56
    rate = str(encoder.rate)
    context.options = {
        "deadline": "realtime",
        "cpu-used": "-12",
        "lag-in-frames": "0",
        # A constant bit rate, over one second.
        "minrate": rate,
        "maxrate": rate,
        "bufsize": rate,
        "undershoot-pct": "100",
        "overshoot-pct": "15",
        "screen-content-mode": "2",
        "static-thresh": "100",
    }
    return context


def h264(encoder: Encoder) -> VideoCodecContext:
    context = _context("libx264", encoder)
    context.profile = "Baseline"
    # It counts frames, not time, and would starve the first frame after a rest: let it spend for few frames, and no
    # more than a sharp picture takes. That many frames do not cost more than the rate is the cadence's care.
    context.framerate = Fraction(int(SLOWEST))
    context.qmin = 24
    context.color_range = STUDIO_RANGE
    context.colorspace = context.color_primaries = context.color_trc = BT601
    rate = str(encoder.rate)
    context.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "maxrate": rate,
        "bufsize": rate,
        "forced-idr": "1",
    }
    return context


def _context(library: str, encoder: Encoder) -> VideoCodecContext:
    context = CodecContext.create(library, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = encoder.width, encoder.height
    context.pix_fmt = "yuv420p"
    context.bit_rate = encoder.rate
    context.time_base = Fraction(1, CLOCK_RATE)
    context.gop_size = NO_KEY_BY_ITSELF
    context.thread_count = 1
    return context
