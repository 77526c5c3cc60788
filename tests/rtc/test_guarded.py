"""Two engines, each behind its filters: what they tell each other, and what an end that does not keep to it gets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from slidewire.control.privacy import Privacy
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.rtc.engine import Channel, IceServer, Peer, PeerError, PeerEvents
from slidewire.rtc.guarded import MOST_CANDIDATES, GuardedPeer
from slidewire.sdp.candidate import LONGEST

LOCAL = "candidate:1 1 udp 2130706431 192.168.1.7 50000 typ host"
PUBLIC = "candidate:5c1b2f 1 udp 1694498815 198.51.100.7 50000 typ srflx raddr 192.168.1.7 rport 50000"
RELAY = "candidate:0a77 1 udp 16777215 203.0.113.1 50001 typ relay raddr 198.51.100.7 rport 50000"
HEAD = "v=0\r\no=- 1 2 IN IP4 192.168.1.7\r\nm=application 50000 UDP/DTLS/SCTP x\r\nc=IN IP4 192.168.1.7\r\n"
WRITTEN = """v=0\r
o=- 1 1 IN IP4 0.0.0.0\r
s=-\r
t=0 0\r
m=application 9 UDP/DTLS/SCTP x\r
c=IN IP4 0.0.0.0\r
"""


def text_of(candidate: dict[str, Any] | None) -> str | None:
    return None if candidate is None else str(candidate["candidate"])


class Scripted:
    """An engine whose peer says everything it knows, and notes what reaches it."""

    is_relayed = False

    def __init__(self) -> None:
        self.descriptions: list[str] = []
        self.candidates: list[str | None] = []
        self.privacy: Privacy | None = None

    def create_peer(self, ice_servers: Sequence[IceServer], events: PeerEvents, privacy: Privacy) -> Peer:
        self.privacy, self.events = privacy, events
        return self

    async def offer(self) -> str:
        return HEAD + "".join(f"a={text}\r\n" for text in (LOCAL, PUBLIC, RELAY))

    async def answer(self, sdp: str) -> str:
        self.descriptions.append(sdp)
        return await self.offer()

    async def accept_answer(self, sdp: str) -> None:
        self.descriptions.append(sdp)

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        self.candidates.append(text_of(candidate))

    def send(self, channel: Channel, data: bytes) -> bool:
        return False

    def has_room(self, channel: Channel) -> bool:
        return True

    async def wait_for_room(self, channel: Channel) -> bool:
        return False

    async def close(self) -> None:
        pass


def guarded(policy: Privacy) -> tuple[Scripted, GuardedPeer, list[str | None], list[int]]:
    engine = Scripted()
    told: list[str | None] = []
    refused: list[int] = []
    events = PeerEvents(
        lambda channel: None,
        lambda channel, data: None,
        lambda: None,
        lambda candidate: told.append(text_of(candidate)),
    )
    return engine, GuardedPeer(engine, [], events, policy, refused.append), told, refused


@pytest.mark.parametrize(
    ("policy", "near", "expected"),
    [
        (Privacy.OPEN, False, ["192.168.1.7 50000 typ host", "198.51.100.7", "203.0.113.1"]),
        (Privacy.BALANCED, True, ["192.168.1.7 50000 typ host", "198.51.100.7", "203.0.113.1"]),
        (Privacy.BALANCED, False, ["198.51.100.7 50000 typ srflx raddr 0.0.0.0 rport 9", "203.0.113.1"]),
        (Privacy.PRIVATE, True, ["203.0.113.1 50001 typ relay raddr 0.0.0.0 rport 9"]),
    ],
)
async def test_what_is_said_and_what_is_heard_pass_the_same_table(
    policy: Privacy, near: bool, expected: list[str]
) -> None:
    engine, peer, told, refused = guarded(policy)
    peer.is_near = near
    peer.add_candidate({"candidate": LOCAL.replace("50000", "50002")})  # before the description: it waits
    answer = await peer.answer(await engine.offer())
    for text in (LOCAL, PUBLIC, RELAY):
        peer.add_candidate({"candidate": text})
        engine.events.candidate({"candidate": text})
    peer.add_candidate(None)
    engine.events.candidate(None)

    for passed in (
        answer,
        engine.descriptions[0],
        "\n".join(filter(None, told)),
        "\n".join(filter(None, engine.candidates)),
    ):
        assert all(part in passed for part in expected)
        assert "5c1b2f" not in passed and not re.search(r"192\.168\.1\.7 (?!\d+ typ host)", passed)
        if policy is not Privacy.OPEN and not near:
            assert "192.168.1.7" not in passed
        if policy is Privacy.PRIVATE:
            assert "192.168.1.7" not in passed and "198.51.100.7" not in passed
    assert told[-1] is engine.candidates[-1] is None and engine.privacy is policy
    assert len(told) - 1 == len(expected)
    # In the description, before it, and after it.
    assert sum(refused) == {3: 0, 2: 3, 1: 5}[len(expected)]


@pytest.mark.parametrize("early", [True, False])
async def test_no_more_candidates_than_anybody_has_are_kept_or_used(early: bool) -> None:
    engine, peer, _, refused = guarded(Privacy.OPEN)
    if not early:
        await peer.answer(HEAD)
    said = [{"candidate": LOCAL.replace("50000", str(50_000 + n))} for n in range(1000)]
    for candidate in said:
        peer.add_candidate(candidate)
        peer.add_candidate(candidate)
    guard = peer._guard
    assert len(guard._told) == MOST_CANDIDATES and len(guard._early or ()) == (MOST_CANDIDATES if early else 0)
    if early:
        await peer.answer(HEAD)
    peer.add_candidate(None)
    assert engine.candidates == [*(candidate["candidate"] for candidate in said[:MOST_CANDIDATES]), None]
    assert sum(refused) == 2 * (len(said) - MOST_CANDIDATES)


async def test_nor_are_they_in_a_description() -> None:
    engine, peer, _, refused = guarded(Privacy.OPEN)
    said = [f"a={LOCAL.replace('50000', str(50_000 + n))}\r\n" for n in range(1000)]
    await peer.answer(HEAD + "".join(said) + "a=mid:0\r\n")
    assert engine.descriptions == [WRITTEN + "".join(said[:MOST_CANDIDATES]) + "a=mid:0\r\n"]
    assert sum(refused) == len(said) - MOST_CANDIDATES


async def test_a_description_is_not_a_book() -> None:
    engine, peer, _, _ = guarded(Privacy.OPEN)
    with pytest.raises(PeerError, match="too long"):
        await peer.answer(HEAD + "a=x:y\r\n" * 10_000)
    assert engine.descriptions == []


async def test_a_candidate_is_not_a_book() -> None:
    engine, peer, _, refused = guarded(Privacy.OPEN)
    await peer.answer(HEAD)
    words = LOCAL + 9 * f" x {96 * 'y'}".replace("x", "x{}") + " x "
    words = words.format(*range(9))
    room = LONGEST - len(words)
    for size in (room, room + 1):
        peer.add_candidate({"candidate": words + size * "y"})
    peer.add_candidate({"candidate": LOCAL, "usernameFragment": 257 * "u"})
    assert engine.candidates == [LOCAL] and sum(refused) == 2


async def test_relay_only_engines_ignore_whoever_says_where_it_is() -> None:
    """The real engine: it opens no socket of its own, and a host candidate of the other end reaches nobody."""
    opened = asyncio.Event()
    refused: list[int] = []
    events = PeerEvents(lambda channel: opened.set(), lambda channel, data: None, lambda: None)
    ours = GuardedPeer(AiortcEngine(), [], events, Privacy.PRIVATE, refused.append)
    attacker = AiortcEngine().create_peer(
        [], PeerEvents(lambda channel: None, lambda channel, data: None, lambda: None), Privacy.OPEN
    )
    try:
        offer = await attacker.offer()
        assert "typ host" in offer
        answer = await ours.answer(offer)
        assert "a=candidate" not in answer and sum(refused) == offer.count("a=candidate")
        await attacker.accept_answer(answer)
        for line in offer.split("\r\n"):
            if line.startswith("a=candidate"):
                ours.add_candidate({"candidate": line[2:], "sdpMid": "0", "sdpMLineIndex": 0})
        ice: Any = ours._peer._ice  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        assert not ice._remote_candidates and not ice._protocols and not opened.is_set()
    finally:
        await ours.close()
        await attacker.close()
