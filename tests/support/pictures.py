"""Pictures as a screen shows them, and how much two of them are alike."""

from __future__ import annotations

import functools
import math
import random
from typing import Any

import av
from av.video.codeccontext import VideoCodecContext
from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageStat

from slidewire.host.desktop.screen_source import Picture
from slidewire.media.frames import Codec, Frame

WORDS = ("alpha", "rate", "loss", "clicks", "room", "screen", "frames", "of", "the", "and")


@functools.cache
def slide(number: int, width: int = 640, height: int = 360) -> Image.Image:
    """A slide with text of its own. The same number is the same picture: not to be painted on."""
    dice = random.Random(number)
    image = Image.new("RGB", (width, height), (250, 250, 245))
    draw = ImageDraw.Draw(image)
    colour = tuple(dice.randrange(40, 160) for _ in range(3))
    draw.rectangle((0, 0, width, height // 8), fill=colour)
    font = ImageFont.load_default(height // 18)
    for line in range(7):
        text = " ".join(dice.choice(WORDS) for _ in range(7))
        draw.text((width // 16, height * (3 + 2 * line) // 18), text, fill=(20, 20, 30), font=font)
    return image


def as_picture(image: Image.Image, captured: float = 0.0) -> Picture:
    return Picture(image.width, image.height, bytearray(image.convert("RGBX").tobytes("raw", "BGRX")), captured)


def as_image(picture: Picture) -> Image.Image:
    return Image.frombytes("RGB", (picture.width, picture.height), bytes(picture.pixels), "raw", "BGRX")


class Decoder:
    """What a receiver sees: one decoder that gets every frame."""

    def __init__(self, codec: Codec) -> None:
        context = av.CodecContext.create("libvpx" if codec is Codec.VP8 else "h264", "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        self._context = context

    def show(self, frame: Frame) -> Image.Image:
        (shown,) = self._context.decode(av.Packet(frame.data))
        return as_seen(shown)


def as_seen(frame: Any) -> Image.Image:
    """A frame of the video library (whose types for this are missing) in colours."""
    image = frame.to_image()
    assert isinstance(image, Image.Image)
    return image


def likeness(a: Image.Image, b: Image.Image) -> float:
    """The peak signal-to-noise ratio in decibels, of brightness: 30 is readable text, 40 is hard to tell from it."""
    assert a.size == b.size
    statistics = ImageStat.Stat(ImageChops.difference(a.convert("L"), b.convert("L")))
    error = statistics.sum2[0] / statistics.count[0]
    return 99.0 if error == 0 else 10 * math.log10(255**2 / error)
