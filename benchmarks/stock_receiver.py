"""aiortc's own receiver in the place of a `MediaPeer`: its feedback (REMB, NACK), its jitter buffer, its decoder."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from aiortc import MediaStreamTrack, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from benchmarks.stock_sender import StockSender
from slidewire.media.frames import Codec, Frame, Line
from slidewire.rtc.media_peer import MediaEvents


class StockReceiver(StockSender):
    def __init__(self, events: MediaEvents) -> None:
        super().__init__(events)
        self._connection.on("track", self._begin)

    async def answer(self, sdp: str, lines: Sequence[Line]) -> str:
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        self._described.set()
        return str(self._connection.localDescription.sdp)

    def _begin(self, track: MediaStreamTrack) -> None:
        task = asyncio.ensure_future(self._watch(track))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, track: MediaStreamTrack) -> None:
        """It gives decoded pictures; all that is told of one is that it came."""
        line, codec = (Line.CAMERA, Codec.VP8) if track.kind == "video" else (Line.MICROPHONE, Codec.OPUS)
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                self._events.frame(line, Frame(codec, b"", frame.pts, is_key=True))
