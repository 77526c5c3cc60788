"""What moves: encoded frames, from sources to sinks. Nothing here is decoded.

A source is a screen's encoder, or a page's camera as it was received and repaired; a sink is another page's connection,
or a recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Codec(StrEnum):
    """By the names that SDP has for them."""

    VP8 = "VP8"
    H264 = "H264"
    OPUS = "opus"

    @property
    def clock_rate(self) -> int:
        return 90_000 if self.is_video else 48_000

    @property
    def is_video(self) -> bool:
        return self is not Codec.OPUS


class Line(StrEnum):
    """What an m-line of a media connection is for, seen from the room."""

    SCREEN = "screen"
    """Video, to the page."""
    CAMERA = "camera"
    """Video, from the page."""
    MICROPHONE = "microphone"
    """Audio, from the page."""
    SOUND = "sound"
    """Audio, to the page: what operators say to presenters."""
    PROGRAM = "program"
    """Video, to the page: the presenter who is on air."""
    PROGRAM_SOUND = "program_sound"
    """Audio, to the page: the same."""
    TALKBACK = "talkback"
    """Audio, from the page: the operator's voice, for `SOUND`."""

    @property
    def is_video(self) -> bool:
        return self in (Line.SCREEN, Line.CAMERA, Line.PROGRAM)

    @property
    def from_page(self) -> bool:
        return self in (Line.CAMERA, Line.MICROPHONE, Line.TALKBACK)


@dataclass(frozen=True, slots=True)
class Frame:
    codec: Codec
    data: bytes
    """A VP8 frame; an H.264 access unit with start codes (Annex B); one Opus packet."""
    timestamp: int
    """In units of the codec's clock, of this source; it only grows and never wraps."""
    is_key: bool
    """Of audio every frame is one."""
    captured: float | None = None
    """Seconds on a clock that its source's audio and video have in common; None until it is known."""


class Sink(Protocol):
    def take(self, frame: Frame) -> None: ...


class Source(Protocol):
    def subscribe(self, sink: Sink) -> None: ...

    def unsubscribe(self, sink: Sink) -> None: ...

    def want_key(self) -> None:
        """A sink needs a key frame, soon."""
