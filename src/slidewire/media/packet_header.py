"""What the header of each packet to the page says besides its payload: when it leaves, its number on the way, how long
to wait before it is shown; and timestamps, which never go back whichever source they are from.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from slidewire.media.offer_answer import MID, PLAYOUT_DELAY
from slidewire.rtp import extensions
from slidewire.rtp.extensions import ABSOLUTE_SEND_TIME, TRANSPORT_WIDE

MOST_DELAY: Final = 1000
"""In 1/100 s: how long a page may hold a picture back, as browsers have it by themselves."""


class PacketHeader:
    """The header extension of what we send, and what is written into it when a packet leaves."""

    def __init__(self, ids: Mapping[str, int], mid: str) -> None:
        self._elements: list[extensions.Element] = []
        self._send_time = self._number = 0
        self._delay: int | None = None
        at = 12 + 4
        own = (
            (ABSOLUTE_SEND_TIME, bytes(3)),
            (TRANSPORT_WIDE, bytes(2)),
            (MID, mid.encode()),
            (PLAYOUT_DELAY, bytes(3)),
        )
        for uri, data in own:
            if uri not in ids or not 1 <= len(data) <= 16:
                continue
            if uri == ABSOLUTE_SEND_TIME:
                self._send_time = at + 1
            elif uri == TRANSPORT_WIDE:
                self._number = at + 1
            elif uri == PLAYOUT_DELAY:
                self._delay = len(self._elements)
            self._elements.append(extensions.Element(ids[uri], data))
            at += 1 + len(data)
        self.wait(0.0)

    def wait(self, seconds: float) -> None:
        """How long the page is to hold pictures back, at least, from now on."""
        if self._delay is not None:
            value = round(seconds * 100) << 12 | MOST_DELAY
            self._elements[self._delay] = self._elements[self._delay]._replace(data=value.to_bytes(3, "big"))
        self.extension = extensions.build(self._elements)
        """With zeros where it will be stamped."""
        profile, data = self.extension or (0, b"")
        self.bytes = struct.pack("!HH", profile, len(data) // 4) + data if self.extension else b""

    @property
    def can_wait(self) -> bool:
        return self._delay is not None

    @property
    def is_numbered(self) -> bool:
        return self._number > 0

    def leave(self, packet: bytes, number: int, now: float) -> bytes:
        """`number`: transport-wide."""
        leaving = bytearray(packet)
        if self._send_time:
            leaving[self._send_time : self._send_time + 3] = (int(now * (1 << 18)) & 0xFFFFFF).to_bytes(3, "big")
        if self._number:
            leaving[self._number : self._number + 2] = (number & 0xFFFF).to_bytes(2, "big")
        return bytes(leaving)


class SourceClock:
    """A source's timestamps as the stream's: from another place, 32 bits wide, never back when the source changes."""

    FAR: Final = 2.0
    """Seconds by which timestamps may differ from the time that passed, before it is another source."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._last: tuple[int, float] | None = None

    def timestamp(self, theirs: int, clock_rate: int, now: float) -> int:
        if self._last is not None:
            last, at = self._last
            passed = (now - at) * clock_rate
            if not last < theirs or abs(theirs - last - passed) > self.FAR * clock_rate:
                self._offset += last + max(1, round(passed)) - theirs
        self._last = (theirs, now)
        return (theirs + self._offset) & 0xFFFFFFFF
