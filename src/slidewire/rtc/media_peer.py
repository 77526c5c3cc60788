"""A media connection as the rest of the program sees it: the session, its transport and the loop's clock together."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from slidewire.base.rates import Bucket, Rate
from slidewire.control.privacy import Privacy
from slidewire.media import offer_answer as descriptions
from slidewire.media.effects import FrameArrived, KeyWanted, RateChanged, SendPacket
from slidewire.media.frames import Codec, Frame, Line
from slidewire.media.offer_answer import Negotiated
from slidewire.media.session import Session
from slidewire.rtc.engine import IceServer, PeerError
from slidewire.rtc.media_transport import MediaTransport

WORK: Final = Rate(0.2, 0.2)
"""Processor seconds that packets from one page may cost in each second. A camera with its microphone takes a tenth of
that, on a slow computer half; a hostile script might send more than the clicks of the others could wait for."""


@dataclass(slots=True)
class MediaEvents:
    """What a media peer tells its owner, always on the event loop."""

    permits: Callable[[], bool] = field(default=lambda: True)
    """Asked for each datagram before it is looked at; False: it is dropped."""
    candidate: Callable[[dict[str, Any] | None], None] = field(default=lambda candidate: None)
    """One more candidate of ours, in the shape of `RTCIceCandidateInit`; None: that was all."""
    opened: Callable[[], None] = field(default=lambda: None)
    closed: Callable[[], None] = field(default=lambda: None)
    """The connection failed or ended. Called once, and never after `MediaPeer.close`."""
    frame: Callable[[Line, Frame], None] = field(default=lambda line, frame: None)
    key_wanted: Callable[[Line], None] = field(default=lambda line: None)
    rate: Callable[[float], None] = field(default=lambda bits_per_second: None)


class MediaPeer:
    """One generation of one media connection: never restarted, only replaced. The page offers, we answer."""

    def __init__(
        self,
        ice_servers: Sequence[IceServer],
        events: MediaEvents,
        privacy: Privacy,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._events = events
        self._agreed: dict[Line, Negotiated] = {}
        self._session: Session | None = None
        self._is_open = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._leaving: deque[bytes] = deque()
        self._leaves = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._early: list[dict[str, Any] | None] = []
        self._started = False
        self._mid = "0"
        self._work = Bucket(WORK)
        self._transport = MediaTransport(
            ice_servers,
            privacy,
            received=self._received,
            opened=self._transport_opened,
            closed=self._transport_closed,
            candidate=self._candidate_found,
            permits=events.permits,
            tls=tls,
        )

    async def answer(self, sdp: str, lines: Sequence[Line]) -> str:
        """The page's m-lines are in the order of `lines`. Raises PeerError."""
        try:
            offer = descriptions.read_offer(sdp, lines)
            agreed = descriptions.negotiate(offer, lines, os.urandom)
        except descriptions.OfferError as error:
            raise PeerError(str(error)) from error
        accepted = [each for each in agreed if each is not None]
        self._agreed = {each.line: each for each in accepted}
        self._mid = accepted[0].mid
        cname = os.urandom(9).hex()
        self._session = Session(accepted, cname, os.urandom, self._now())
        candidates = await self._transport.gather()
        self._transport.start(offer.credentials, handshakes=offer.setup != "active", is_lite=offer.ice_lite)
        self._started = True
        for candidate in offer.candidates:
            self._transport.add_candidate(candidate)
        early, self._early = self._early, []
        for each in early:
            self.add_candidate(each)
        return descriptions.write_answer(offer, agreed, self._transport.credentials, cname, candidates)

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        """A trickled candidate in the shape of `RTCIceCandidateInit`; None: there are no more. Bad ones are ignored."""
        if not self._started:
            self._early.append(candidate)
            return
        text = None if candidate is None else candidate.get("candidate")
        self._transport.add_candidate(text if isinstance(text, str) else None)

    def send(self, line: Line, frame: Frame) -> None:
        """A frame for the page; dropped while there is no connection."""
        if self._session is not None and self._is_open:
            self._session.send(line, frame, self._now())
            self._flush()

    def give_way(self) -> None:
        """Clicks are in need: half the rate for media, at most every half second."""
        if self._session is not None and self._is_open:
            self._session.give_way(self._now())
            self._flush()

    @property
    def rate(self) -> float:
        """Bits per second for the frames of all lines to the page together."""
        return self._session.rate if self._session is not None else 0.0

    @property
    def queue(self) -> float | None:
        """Seconds that our packets wait in queues on the way, as the page's feedback has it; None without any."""
        return self._session.queue(self._now()) if self._session is not None else None

    def want_key(self, line: Line) -> None:
        """Ask the page for a key frame."""
        if self._session is not None and self._is_open:
            self._session.want_key(line, self._now())
            self._flush()

    def codec(self, line: Line) -> Codec | None:
        """What the line carries; None: nothing was agreed on."""
        agreed = self._agreed.get(line)
        return agreed.codec if agreed is not None else None

    def statistics(self) -> dict[str, Any]:
        return self._session.statistics() if self._session is not None else {}

    async def close(self) -> None:
        self._closed = True
        self._stop()
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        await self._transport.close()

    def _received(self, data: bytes) -> None:
        if self._session is None or not self._is_open:
            return
        now, began = self._now(), time.thread_time()
        if self._work.take(now, 0.0):
            return  # as if the network had lost it
        self._session.receive(data, now)
        self._work.charge(now, time.thread_time() - began)
        self._flush()

    def _transport_opened(self) -> None:
        self._is_open = True
        self._sender = asyncio.create_task(self._send_all(), name="media packets")
        self._events.opened()
        assert self._session is not None
        self._session.opened(self._now())
        self._flush()

    def _transport_closed(self) -> None:
        self._stop()
        if not self._closed:
            self._closed = True
            self._events.closed()

    def _candidate_found(self, candidate: str | None) -> None:
        if candidate is None:
            self._events.candidate(None)
        else:
            self._events.candidate({"candidate": candidate, "sdpMid": self._mid, "sdpMLineIndex": 0})

    def _flush(self) -> None:
        """Do what the session wants done, and come back when it says."""
        assert self._session is not None
        while (effect := self._session.next_effect()) is not None:
            match effect:
                case SendPacket(data):
                    self._leaving.append(data)
                    self._leaves.set()
                case FrameArrived(line, frame):
                    self._events.frame(line, frame)
                case KeyWanted(line):
                    self._events.key_wanted(line)
                case RateChanged(bits_per_second):
                    self._events.rate(bits_per_second)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        when = self._session.get_timer()
        if self._is_open:
            self._timer = asyncio.get_running_loop().call_at(when, self._timed)

    def _timed(self) -> None:
        if self._session is not None:
            self._session.handle_timer(self._now())
            self._flush()

    async def _send_all(self) -> None:
        """A packet through a relay may have to wait for its channel; none overtakes another."""
        while True:
            await self._leaves.wait()
            self._leaves.clear()
            while self._leaving:
                await self._transport.send(self._leaving.popleft())

    def _stop(self) -> None:
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
