"""Two peers of the engine on this machine, in the orders in which a browser's words arrive."""

import asyncio
import time
from collections.abc import AsyncIterator

import aioice.ice
import aioice.stun
import pytest
from aioice.ice import StunProtocol
from aiortc import RTCDtlsTransport

from slidewire.control.privacy import Privacy
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.rtc.engine import Channel, Peer, PeerEvents


class End:
    """One peer, and what it told its owner."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.closed = False
        self.received: list[tuple[Channel, bytes]] = []
        self.peer: Peer = AiortcEngine().create_peer(
            [], PeerEvents(opened=self._opened, received=self._received, closed=self._closed), Privacy.OPEN
        )

    def _received(self, channel: Channel, data: bytes) -> None:
        self.received.append((channel, data))

    def _opened(self, channel: Channel) -> None:
        self.opened.set()

    def _closed(self) -> None:
        self.closed = True


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    browser, host = End(), End()
    yield browser, host
    await browser.peer.close()
    await host.peer.close()


def split(sdp: str) -> tuple[str, list[str]]:
    """A description without its candidates, as a browser sends it, and they."""
    lines = sdp.splitlines(keepends=True)
    trickled = [line.strip().removeprefix("a=") for line in lines if line.startswith("a=candidate:")]
    kept = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
    return "".join(kept), trickled


async def both_open(ends: tuple[End, End]) -> None:
    async with asyncio.timeout(10):
        for end in ends:
            await end.opened.wait()


async def test_a_browser_that_hides_its_candidates_is_waited_for(ends: tuple[End, End]) -> None:
    """Its names cannot be looked up, "no more candidates" comes at once, and then its first check."""
    browser, host = ends
    offer, _ = split(await browser.peer.offer())
    host.peer.add_candidate(None)
    answer = await host.peer.answer(offer)
    await asyncio.sleep(0.3)  # the way back takes its time
    await browser.peer.accept_answer(answer)
    browser.peer.add_candidate(None)
    await both_open(ends)
    assert not host.closed


async def test_candidates_may_overtake_the_description(ends: tuple[End, End]) -> None:
    browser, host = ends
    offer, candidates = split(await browser.peer.offer())
    for candidate in candidates:
        host.peer.add_candidate({"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0})
    await asyncio.sleep(0)
    # The browser never hears where the host is: only the host can make the first check.
    answer, _ = split(await host.peer.answer(offer))
    await browser.peer.accept_answer(answer)
    await both_open(ends)


async def test_a_slow_network_is_not_a_dead_one(ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch) -> None:
    """Consent checks (RFC 7675) answered after 0.3 s are answered; six that are not would end the connection."""
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.02)
    browser, host = ends
    await browser.peer.accept_answer(await host.peer.answer(await browser.peer.offer()))
    await both_open(ends)
    checks: set[bytes] = set()
    send = StunProtocol.send_stun

    def send_late(self: StunProtocol, message: aioice.stun.Message, to: tuple[str, int]) -> None:
        checks.add(message.transaction_id)
        asyncio.get_running_loop().call_later(0.15, send, self, message, to)

    monkeypatch.setattr(StunProtocol, "send_stun", send_late)
    async with asyncio.timeout(20):
        while len(checks) < 2 * (aioice.ice.CONSENT_FAILURES + 4):
            assert not host.closed and not browser.closed
            await asyncio.sleep(0.02)
    monkeypatch.undo()


async def test_what_is_urgent_passes_what_waits_and_all_of_it_arrives_whole(ends: tuple[End, End]) -> None:
    """Also where half of a message of several packets is out, which nothing may interrupt."""
    browser, host = ends
    await browser.peer.accept_answer(await host.peer.answer(await browser.peer.offer()))
    await both_open(ends)
    pictures = [bytes([number]) * (8000 if number % 10 == 9 else 1100) for number in range(200)]
    receipts = [bytes([number]) for number in range(100)]
    for number, picture in enumerate(pictures):
        host.peer.send(Channel.BULK, picture)
        if number == 150:
            host.peer.send(Channel.CONTROL, b"soon")
    async with asyncio.timeout(20):
        for receipt in receipts:
            host.peer.send(Channel.CONTROL, receipt)
            await asyncio.sleep(0.001)
        while len(browser.received) < len(pictures) + len(receipts) + 1:
            await asyncio.sleep(0.001)
    assert [data for channel, data in browser.received if channel is Channel.BULK] == pictures
    control = [data for channel, data in browser.received if channel is Channel.CONTROL]
    assert sorted(control) == sorted([b"soon", *receipts])
    assert browser.received.index((Channel.CONTROL, b"soon")) < 10


async def swallow(self: RTCDtlsTransport, data: bytes) -> None:
    pass


async def test_what_was_lost_is_said_again_as_soon_as_the_other_end_is_heard_again(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when the timer says so, which here it does in an hour."""
    browser, host = ends
    await browser.peer.accept_answer(await host.peer.answer(await browser.peer.offer()))
    await both_open(ends)
    sctp = browser.peer._connection.sctp  # type: ignore[attr-defined]
    sctp._rto = 3600.0
    send_data = RTCDtlsTransport._send_data
    monkeypatch.setattr(RTCDtlsTransport, "_send_data", swallow)
    browser.peer.send(Channel.BULK, b"a picture")
    async with asyncio.timeout(10):
        while not sctp._sent_queue:
            await asyncio.sleep(0.001)
    monkeypatch.setattr(RTCDtlsTransport, "_send_data", send_data)
    host.peer.send(Channel.CONTROL, b"soon after")
    async with asyncio.timeout(10):
        while browser.received != [(Channel.CONTROL, b"soon after")]:
            await asyncio.sleep(0.001)
    assert host.received == [], "it may still be on its way"
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 7200)
    host.peer.send(Channel.CONTROL, b"long after")
    async with asyncio.timeout(10):
        while host.received != [(Channel.BULK, b"a picture")]:
            await asyncio.sleep(0.001)
