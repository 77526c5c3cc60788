"""A page in Chromium with a media connection to a `MediaPeer` in this process; nothing of Slidewire's own page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page

from slidewire.control.privacy import Privacy
from slidewire.media.frames import Frame, Line
from slidewire.rtc.media_peer import MediaEvents, MediaPeer
from tests.support.weather_relay import WeatherRelay

SETUP = """
async (lines) => {
  const pc = globalThis.pc = new RTCPeerConnection();
  const found = globalThis.found = [];
  pc.onicecandidate = event => found.push(event.candidate ? event.candidate.toJSON() : null);
  globalThis.tracks = [];
  pc.ontrack = event => {
    tracks.push(event.track);
    const element = document.createElement(event.track.kind);
    element.autoplay = true; element.muted = true; element.playsInline = true;
    element.srcObject = new MediaStream([event.track]);
    document.body.append(element);
  };
  for (const [kind, fromPage] of lines)
    pc.addTransceiver(kind, {direction: fromPage ? 'sendonly' : 'recvonly'});
  await globalThis.beforeOffer?.(pc);
  await pc.setLocalDescription(await pc.createOffer());
  return pc.localDescription.sdp;
}
"""
STATS = "async () => [...(await pc.getStats()).values()]"


@dataclass(slots=True)
class Connected:
    page: Page
    peer: MediaPeer
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    frames: list[tuple[Line, Frame]] = field(default_factory=list)
    keys_wanted: list[Line] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    answer: str = ""
    closed: bool = False

    async def stats(self, kind: str = "inbound-rtp") -> list[dict[str, Any]]:
        """What the page's connection says of itself."""
        return [each for each in await self.page.evaluate(STATS) if each["type"] == kind]


@contextlib.asynccontextmanager
async def connected(
    page: Page,
    lines: Sequence[Line],
    *,
    before_offer: str = "",
    relay: WeatherRelay | None = None,
    on_key: Callable[[Line], None] = lambda line: None,
    make_peer: Callable[[MediaEvents], Any] = lambda events: MediaPeer([], events, Privacy.OPEN),
    on_frame: Callable[[Line, Frame], None] = lambda line, frame: None,
) -> AsyncIterator[Connected]:
    """`before_offer`: the body of a function of `pc`, run before the page makes its offer. With a `relay` all packets
    go through it. `make_peer` is for those that compare."""
    told: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    events = MediaEvents()
    both = Connected(page, make_peer(events))

    def came(line: Line, frame: Frame) -> None:
        both.frames.append((line, frame))
        on_frame(line, frame)

    def key_wanted(line: Line) -> None:
        both.keys_wanted.append(line)
        on_key(line)

    events.candidate, events.opened, events.rate = told.put_nowait, both.opened.set, both.rates.append
    events.frame = came
    events.key_wanted = key_wanted

    def closed() -> None:
        both.closed = True

    events.closed = closed
    await page.evaluate(f"() => {{ globalThis.beforeOffer = async (pc) => {{ {before_offer} }} }}")
    kinds = [["video" if line.is_video else "audio", line.from_page] for line in lines]
    try:
        offer = await page.evaluate(SETUP, kinds)
        both.answer = await both.peer.answer(_without_candidates(offer), lines)
        for ours in _candidates(both.answer):
            told.put_nowait({"candidate": ours, "sdpMid": "0", "sdpMLineIndex": 0})
        sdp = _without_candidates(both.answer)
        await page.evaluate("sdp => pc.setRemoteDescription({type: 'answer', sdp})", sdp)
        async with asyncio.timeout(15):
            await asyncio.gather(_trickle_in(both, relay), _trickle_out(page, told, relay), both.opened.wait())
        yield both
    finally:
        await both.peer.close()
        with contextlib.suppress(Exception):
            await page.evaluate("pc.close()")


async def _trickle_in(both: Connected, relay: WeatherRelay | None) -> None:
    for index in range(100):
        await both.page.wait_for_function("index => found.length > index", arg=index)
        candidate = await both.page.evaluate("index => found[index]", index)
        if candidate is None or not candidate["candidate"]:
            both.peer.add_candidate(None)
            return
        passed = await relay.theirs(candidate) if relay is not None else candidate
        if passed is not None:
            both.peer.add_candidate(passed)


async def _trickle_out(page: Page, told: asyncio.Queue[dict[str, Any] | None], relay: WeatherRelay | None) -> None:
    while (candidate := await told.get()) is not None:
        passed = await relay.ours(candidate) if relay is not None else candidate
        if passed is not None:
            await page.evaluate("candidate => pc.addIceCandidate(candidate)", passed)


def _candidates(sdp: str) -> list[str]:
    return [line[2:] for line in sdp.splitlines() if line.startswith("a=candidate:")]


def _without_candidates(sdp: str) -> str:
    lines = sdp.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates")))
