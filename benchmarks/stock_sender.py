"""aiortc's own sender in the place of a `MediaPeer`: the same encoded frames, its packets, its retransmissions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp
from av import Packet

from slidewire.media.frames import Frame, Line
from slidewire.rtc.media_peer import MediaEvents


class _Track(MediaStreamTrack):
    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()

    async def recv(self) -> Any:
        frame = await self.frames.get()
        packet: Any = Packet(frame.data)
        packet.pts, packet.time_base = frame.timestamp, Fraction(1, 90_000)
        return packet


class StockSender:
    def __init__(self, events: MediaEvents) -> None:
        self._events = events
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("connectionstatechange", self._changed)
        self._track = _Track()
        self._described = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, sdp: str, lines: Sequence[Line]) -> str:
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        sender: Any = self._connection.addTrack(self._track)
        # It cannot ask a source of encoded frames for a key frame by itself.
        sender._send_keyframe = lambda: self._events.key_wanted(lines[0])
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        self._described.set()
        return str(self._connection.localDescription.sdp)

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        task = asyncio.ensure_future(self._add(candidate))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def send(self, line: Line, frame: Frame) -> None:
        if self._connection.connectionState == "connected":
            self._track.frames.put_nowait(frame)

    def statistics(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await self._connection.close()

    async def _add(self, candidate: dict[str, Any] | None) -> None:
        await self._described.wait()
        if candidate is None or not candidate["candidate"]:
            await asyncio.sleep(10)
            await self._connection.addIceCandidate(None)
            return
        parsed = candidate_from_sdp(candidate["candidate"].removeprefix("candidate:"))
        parsed.sdpMid, parsed.sdpMLineIndex = candidate["sdpMid"], candidate["sdpMLineIndex"]
        await self._connection.addIceCandidate(parsed)

    def _changed(self) -> None:
        if self._connection.connectionState == "connected":
            self._events.candidate(None)
            self._events.opened()
