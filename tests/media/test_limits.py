"""What a media connection does when there is more to do than it can."""

from __future__ import annotations

import asyncio

import pytest
from aioice.stun import TransactionTimeout

from slidewire.control.privacy import Privacy
from slidewire.media.frames import Line
from slidewire.rtc.media_peer import WORK, MediaEvents, MediaPeer
from tests.media.offers import offer


class Clocks:
    """A processor on which every question for the time used is 5 ms later than the one before."""

    now = 1000.0
    spent = 0.0

    def thread_time(self) -> float:
        self.spent += 0.005
        return self.spent


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr("slidewire.rtc.media_peer.time", clocks)
    monkeypatch.setattr(MediaPeer, "_now", lambda peer: clocks.now)
    return clocks


async def test_packets_that_cost_more_than_clicks_could_wait_for_are_lost(clocks: Clocks) -> None:
    peer = MediaPeer([], MediaEvents(), Privacy.OPEN)
    try:
        await peer.answer(offer([Line.CAMERA]), [Line.CAMERA])
        heard: list[bytes] = []
        assert peer._session is not None
        peer._session.receive = lambda data, now: heard.append(data)  # type: ignore[method-assign]
        peer._is_open = True
        for number in range(1000):
            clocks.now += 0.001
            peer._received(b"%d" % number)
        # Between its two questions for the time a packet costs 5 ms.
        assert len(heard) == pytest.approx((WORK.burst + 1.0 * WORK.per_second) / 0.005, abs=3)
        clocks.now += 10
        peer._received(b"again")
        assert heard[-1] == b"again"
    finally:
        await peer.close()


async def test_a_relay_that_does_not_answer_loses_packets_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = MediaPeer([], MediaEvents(), Privacy.OPEN)
    tries = 0

    async def send(data: bytes) -> None:
        nonlocal tries
        tries += 1
        raise TransactionTimeout

    monkeypatch.setattr(peer._transport._dtls, "_send_rtp", send)
    try:
        assert not await peer._transport.send(b"one")
        assert not await peer._transport.send(b"two")
    finally:
        await peer.close()
    assert tries == 2


async def test_who_never_connects_does_not_keep_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slidewire.rtc.media_transport.CONNECTS_WITHIN", 0.05)
    closed = asyncio.Event()
    peer = MediaPeer([], MediaEvents(closed=closed.set), Privacy.OPEN)
    try:
        await peer.answer(offer([Line.SCREEN]), [Line.SCREEN])  # in which no address is named
        async with asyncio.timeout(10):
            await closed.wait()
    finally:
        await peer.close()
