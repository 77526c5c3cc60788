"""A peer between two filters, which pass the descriptions and candidates that the room's privacy policy allows.

The other end may be hostile. What it sends is filtered as strictly as what we send, and what the policy forbids never
reaches the WebRTC library: the library gets what `slidewire.sdp` wrote from what it had read. The number of candidates
is limited, and none is passed on twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from slidewire.control.messages import IceCandidate
from slidewire.control.privacy import Filter, Privacy
from slidewire.rtc.engine import Channel, Engine, IceServer, Peer, PeerError, PeerEvents
from slidewire.sdp.candidate import Candidate, Trickled
from slidewire.sdp.description import read_description, write_description

MOST_CANDIDATES: Final = 64
"""Of the other end: in its description, and besides. A computer with a dozen interfaces has half as many."""


class Guard:
    """The descriptions and candidates of one connection, in both directions.

    Set `is_near` before a description of the other end is received. Candidates that come earlier wait for it.
    """

    def __init__(
        self,
        privacy: Privacy,
        received: Callable[[dict[str, Any] | None], None],
        sent: Callable[[dict[str, Any] | None], None],
        refused: Callable[[int], None],
    ) -> None:
        """`received` and `sent` get the candidates that pass, the other end's and ours. `refused` is told how many of
        the other end's were refused."""
        self._out, self._in = Filter(privacy), Filter(privacy)
        self._received, self._sent, self._refused = received, sent, refused
        self._told: set[Trickled | None] = set()
        """Candidates of the other end, which repeats them: a library that is told one twice checks it twice."""
        self._early: list[Trickled | None] | None = []

    @property
    def is_near(self) -> bool:
        return self._in.is_near

    @is_near.setter
    def is_near(self, near: bool) -> None:
        self._in.is_near = self._out.is_near = near

    def receive_description(self, sdp: str) -> str:
        """The other end's description as it may pass. Candidates that waited for it follow. Raises `PeerError`."""
        try:
            description = read_description(sdp)
        except ValueError as error:
            raise PeerError(f"the description cannot be used: {error}") from error
        stopped, count = self._in.stopped, 0

        def admit(candidate: Candidate) -> Candidate | None:
            nonlocal count
            count += 1  # to each of them checks are sent
            return candidate if count <= MOST_CANDIDATES else None

        passed = self._in.passing_description(description).with_candidates(admit)
        if (refused := self._in.stopped - stopped + max(0, count - MOST_CANDIDATES)) > 0:
            self._refused(refused)
        early, self._early = self._early or [], None
        for candidate in early:
            self._pass_on(candidate)
        return write_description(passed)

    def receive_candidate(self, said: dict[str, Any] | None) -> None:
        trickled = None if _is_end(said) else Trickled.read(said or {})
        is_bad = trickled is None and not _is_end(said)
        if trickled in self._told and not is_bad:
            return
        if is_bad or (trickled is not None and len(self._told) >= MOST_CANDIDATES):
            self._refused(1)
            return
        self._told.add(trickled)
        self._pass_on(trickled)

    def _pass_on(self, trickled: Trickled | None) -> None:
        if self._early is not None:
            self._early.append(trickled)
        elif trickled is None:
            self._received(None)
        elif (passed := self._in.passing(trickled.candidate)) is not None:
            self._received(trickled._replace(candidate=passed).said)
        else:
            self._refused(1)

    def send_description(self, sdp: str) -> str:
        """Our description as it may pass."""
        return self._out.description(sdp)

    def send_candidate(self, said: dict[str, Any] | None) -> None:
        if _is_end(said):
            self._sent(None)
            return
        trickled = Trickled.read(said or {})
        passed = None if trickled is None else self._out.passing(trickled.candidate)
        if trickled is not None and passed is not None:
            self._sent(trickled._replace(candidate=passed).said)


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
        """`refused` is told how many of the other end's candidates were refused."""
        self._guard = Guard(privacy, self._add_candidate, events.candidate, refused)
        self._peer: Peer = engine.create_peer(
            ice_servers, replace(events, candidate=self._guard.send_candidate), privacy
        )

    @property
    def is_near(self) -> bool:
        return self._guard.is_near

    @is_near.setter
    def is_near(self, near: bool) -> None:
        self._guard.is_near = near

    async def offer(self) -> str:
        return self._guard.send_description(await self._peer.offer())

    async def accept_answer(self, sdp: str) -> None:
        await self._peer.accept_answer(self._guard.receive_description(sdp))

    async def answer(self, sdp: str) -> str:
        return self._guard.send_description(await self._peer.answer(self._guard.receive_description(sdp)))

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        self._guard.receive_candidate(candidate)

    def send(self, channel: Channel, data: bytes) -> bool:
        return self._peer.send(channel, data)

    async def wait_for_room(self, channel: Channel) -> bool:
        return await self._peer.wait_for_room(channel)

    def has_room(self, channel: Channel) -> bool:
        return self._peer.has_room(channel)

    @property
    def is_relayed(self) -> bool:
        return self._peer.is_relayed

    async def close(self) -> None:
        await self._peer.close()

    def _add_candidate(self, candidate: dict[str, Any] | None) -> None:
        self._peer.add_candidate(candidate)


def to_init(candidate: IceCandidate | None) -> dict[str, Any] | None:
    """A candidate of a message as engines take it."""
    return None if candidate is None else msgspec.to_builtins(candidate)


def from_init(said: dict[str, Any] | None) -> IceCandidate | None:
    """A candidate of an engine as messages have it."""
    return None if said is None else msgspec.convert(said, IceCandidate)


def _is_end(said: dict[str, Any] | None) -> bool:
    """There are no more candidates."""
    return said is None or said.get("candidate") in ("", None)
