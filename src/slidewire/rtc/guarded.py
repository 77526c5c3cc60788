"""A peer between two filters: what it says of where it is, and what it is told, passes as the room's privacy has it.

The other end may be anybody with a link, and may have been written for the purpose. So what it says is filtered as
strictly as what we say, whatever it has promised, and what the policy forbids never reaches the WebRTC library. Nor do
more candidates than anybody has, or the same one twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from slidewire.control.privacy import Filter, Privacy
from slidewire.rtc.engine import Channel, Engine, IceServer, Peer, PeerError, PeerEvents

MOST_CANDIDATES: Final = 64
"""Of the other end: in its description, and besides. A computer with a dozen interfaces has half as many."""
LONGEST_CANDIDATE: Final = 1024
"""Characters, with what stands around it."""
LONGEST_DESCRIPTION: Final = 65_536
"""Characters. A browser says a tenth of that; with a megabyte of it the WebRTC library is busy for 15 seconds."""


class Guard:
    """Both directions of one connection, whatever it carries. `is_near` is to be settled before a description of the
    other end is heard: candidates that come before that wait."""

    def __init__(
        self,
        privacy: Privacy,
        heard: Callable[[dict[str, Any] | None], None],
        said: Callable[[dict[str, Any] | None], None],
        refused: Callable[[int], None],
    ) -> None:
        """`heard` and `said` get the candidates that pass, the other end's and ours. `refused` hears how many of the
        other end's were not let in."""
        self._out, self._in = Filter(privacy), Filter(privacy)
        self._heard, self._said, self._refused = heard, said, refused
        self._told: set[str] = set()
        """Candidates of the other end, which repeats them: a library that is told one twice checks it twice."""
        self._early: list[dict[str, Any] | None] | None = []

    @property
    def is_near(self) -> bool:
        return self._in.is_near

    @is_near.setter
    def is_near(self, near: bool) -> None:
        self._in.is_near = self._out.is_near = near

    def hear(self, sdp: str) -> str:
        """The other end's description as it may pass. Candidates that waited for it follow. Raises `PeerError`."""
        if len(sdp) > LONGEST_DESCRIPTION:
            raise PeerError("the description cannot be used: it is too long")
        stopped = self._in.stopped
        passed, too_many = _with_few(self._in.description(sdp))
        if (refused := self._in.stopped - stopped + too_many) > 0:
            self._refused(refused)
        early, self._early = self._early or [], None
        for candidate in early:
            self._pass_on(candidate)
        return passed

    def hear_candidate(self, candidate: dict[str, Any] | None) -> None:
        if (known := repr(candidate)) in self._told:
            return
        if candidate is not None and (len(self._told) >= MOST_CANDIDATES or len(known) > LONGEST_CANDIDATE):
            self._refused(1)
            return
        self._told.add(known)
        self._pass_on(candidate)

    def _pass_on(self, candidate: dict[str, Any] | None) -> None:
        if self._early is not None:
            self._early.append(candidate)
        elif (passed := _through(self._in, candidate)) is not _STOPPED:
            self._heard(passed)
        else:
            self._refused(1)

    def say(self, sdp: str) -> str:
        """Our description as it may pass."""
        return self._out.description(sdp)

    def say_candidate(self, candidate: dict[str, Any] | None) -> None:
        passed = _through(self._out, candidate)
        if passed is not _STOPPED:
            self._said(passed)


class GuardedPeer:
    """A `Peer`, guarded."""

    def __init__(
        self,
        engine: Engine,
        ice_servers: Sequence[IceServer],
        events: PeerEvents,
        privacy: Privacy,
        refused: Callable[[int], None],
    ) -> None:
        """`refused` hears how many of the other end's candidates were not let in."""
        self._guard = Guard(privacy, self._let_in, events.candidate, refused)
        self._peer: Peer = engine.create_peer(
            ice_servers, replace(events, candidate=self._guard.say_candidate), privacy
        )

    @property
    def is_near(self) -> bool:
        return self._guard.is_near

    @is_near.setter
    def is_near(self, near: bool) -> None:
        self._guard.is_near = near

    async def offer(self) -> str:
        return self._guard.say(await self._peer.offer())

    async def accept_answer(self, sdp: str) -> None:
        await self._peer.accept_answer(self._guard.hear(sdp))

    async def answer(self, sdp: str) -> str:
        return self._guard.say(await self._peer.answer(self._guard.hear(sdp)))

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        self._guard.hear_candidate(candidate)

    def send(self, channel: Channel, data: bytes) -> bool:
        return self._peer.send(channel, data)

    async def wait_for_room(self, channel: Channel) -> bool:
        return await self._peer.wait_for_room(channel)

    @property
    def is_relayed(self) -> bool:
        return self._peer.is_relayed

    async def close(self) -> None:
        await self._peer.close()

    def _let_in(self, candidate: dict[str, Any] | None) -> None:
        self._peer.add_candidate(candidate)


def _with_few(sdp: str) -> tuple[str, int]:
    """A description with its first candidates only, and how many came beyond: to each of them checks are sent."""
    lines, count = [], 0
    for line in sdp.splitlines(keepends=True):
        count += line.startswith("a=candidate:")
        if count <= MOST_CANDIDATES or not line.startswith("a=candidate:"):
            lines.append(line)
    return "".join(lines), max(0, count - MOST_CANDIDATES)


_STOPPED: dict[str, Any] = {}


def _through(filter_: Filter, candidate: dict[str, Any] | None) -> dict[str, Any] | None:
    """The candidate as it may pass, or `_STOPPED`. The end of candidates always may."""
    if candidate is None or candidate.get("candidate") in ("", None):
        return None
    text = filter_.candidate(str(candidate["candidate"]))
    return _STOPPED if text is None else {**candidate, "candidate": text}
