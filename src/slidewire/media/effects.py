"""What the sans-I/O half of a media connection wants done, as values."""

from __future__ import annotations

from dataclasses import dataclass

from slidewire.media.frames import Frame, Line
from slidewire.rtp.rtcp import Rtcp


@dataclass(frozen=True, slots=True)
class SendPacket:
    """An RTP or RTCP packet leaves, now."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SendRtcp:
    """These leave soon, in one datagram with whatever else there is to say."""

    packets: tuple[Rtcp, ...]


@dataclass(frozen=True, slots=True)
class FrameArrived:
    """The next frame of a line from the page, whole and in order."""

    line: Line
    frame: Frame


@dataclass(frozen=True, slots=True)
class KeyWanted:
    """The page cannot go on with this line without a key frame."""

    line: Line


@dataclass(frozen=True, slots=True)
class RateChanged:
    bits_per_second: float
    """For the frames of all lines to the page together."""


Effect = SendPacket | FrameArrived | KeyWanted | RateChanged
