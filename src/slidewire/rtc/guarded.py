"""A peer between two filters: what it says of where it is, and what it is told, passes as the room's privacy has it.

The other end may be anybody with a link, and may have been written for the purpose. So what it says is filtered as
strictly as what we say, whatever it has promised, and what the policy forbids never reaches the WebRTC library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from slidewire.control.privacy import Filter, Privacy
from slidewire.rtc.engine import Channel, Engine, IceServer, Peer, PeerEvents


class GuardedPeer:
    """A `Peer`. `is_near` is to be settled before a description of the other end is given to it: candidates that come
    before that wait."""

    def __init__(
        self,
        engine: Engine,
        ice_servers: Sequence[IceServer],
        events: PeerEvents,
        privacy: Privacy,
        refused: Callable[[int], None],
    ) -> None:
        """`refused` hears how many of the other end's candidates were not let in."""
        self._out, self._in = Filter(privacy), Filter(privacy)
        self._tell, self._refused = events.candidate, refused
        self._early: list[dict[str, Any] | None] | None = []
        self._peer: Peer = engine.create_peer(ice_servers, replace(events, candidate=self._found), privacy)

    @property
    def is_near(self) -> bool:
        return self._in.is_near

    @is_near.setter
    def is_near(self, near: bool) -> None:
        self._in.is_near = self._out.is_near = near

    async def offer(self) -> str:
        return self._out.description(await self._peer.offer())

    async def accept_answer(self, sdp: str) -> None:
        passed = self._let_in(sdp)
        await self._peer.accept_answer(passed)

    async def answer(self, sdp: str) -> str:
        passed = self._let_in(sdp)
        return self._out.description(await self._peer.answer(passed))

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        if self._early is not None:
            self._early.append(candidate)
        elif (passed := _through(self._in, candidate)) is not _STOPPED:
            self._peer.add_candidate(passed)
        else:
            self._refused(1)

    def send(self, channel: Channel, data: bytes) -> bool:
        return self._peer.send(channel, data)

    async def wait_for_room(self, channel: Channel) -> bool:
        return await self._peer.wait_for_room(channel)

    @property
    def is_relayed(self) -> bool:
        return self._peer.is_relayed

    async def close(self) -> None:
        await self._peer.close()

    def _let_in(self, sdp: str) -> str:
        stopped = self._in.stopped
        passed = self._in.description(sdp)
        if self._in.stopped > stopped:
            self._refused(self._in.stopped - stopped)
        early, self._early = self._early or [], None
        for candidate in early:
            self.add_candidate(candidate)
        return passed

    def _found(self, candidate: dict[str, Any] | None) -> None:
        passed = _through(self._out, candidate)
        if passed is not _STOPPED:
            self._tell(passed)


_STOPPED: dict[str, Any] = {}


def _through(filter_: Filter, candidate: dict[str, Any] | None) -> dict[str, Any] | None:
    """The candidate as it may pass, or `_STOPPED`. The end of candidates always may."""
    if candidate is None or candidate.get("candidate") in ("", None):
        return None
    text = filter_.candidate(str(candidate["candidate"]))
    return _STOPPED if text is None else {**candidate, "candidate": text}
