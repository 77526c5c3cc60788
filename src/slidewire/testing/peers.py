"""Peer connections in simulated time: two ends, which open when each has the other's description and a candidate.

A description and a candidate hold the name of the peer that made them. So whatever is given to another peer than it was
meant for is found at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from slidewire.control.messages import IceCandidate
from slidewire.control.paths import Channel
from slidewire.testing.network import NetworkConditions, SimulatedPath

CANDIDATES = 2
"""How many each end finds, before the end of them."""


class SimulatedPeer:
    """One end."""

    def __init__(
        self,
        network: PeerNetwork,
        name: int,
        opened: Callable[[Channel, bool], None],
        received: Callable[[Channel, bytes], None],
        failed: Callable[[], None],
    ) -> None:
        """`opened`: of a channel, and whether through a relay. `failed`: never after `close`."""
        self.name = name
        self.opened, self.received, self.failed = opened, received, failed
        self.remote: SimulatedPeer | None = None
        self.candidates: set[int] = set()
        """Names of the peers whose candidates it was told."""
        self.is_closed = False
        self.is_reachable = network.is_reachable()
        self.paths: dict[Channel, SimulatedPath] = {}
        self.last_arrival = 0.0
        """In `bulk`, which keeps the order."""
        self._network = network

    # What an engine does

    def offer(self) -> str:
        return f"offer of {self.name}"

    def answer(self, sdp: str) -> str | None:
        """None: the offer cannot be used."""
        self.remote = self._network.get(sdp, "offer of ")
        if self.remote is None:
            return None
        self._network.judge(self)
        return f"answer of {self.name} to {self.remote.name}"

    def accept_answer(self, sdp: str) -> None:
        answer, _, asked = sdp.partition(" to ")
        if asked != str(self.name):
            self._network.broken(f"the answer to offer {asked} was given to the peer that made offer {self.name}")
        self.remote = self._network.get(answer, "answer of ")
        self._network.judge(self)

    def candidate(self, number: int) -> IceCandidate:
        return IceCandidate(f"candidate:{number} of {self.name}")

    def add_candidate(self, candidate: IceCandidate | None) -> None:
        text = "" if candidate is None else candidate.candidate
        other = self._network.get(text.partition(" of ")[2], "")
        if other is None:
            return
        self.candidates.add(other.name)
        self._network.judge(self)

    def send(self, channel: Channel, data: bytes) -> None:
        self._network.send(self, channel, data)

    def close(self) -> None:
        self.is_closed = True
        self._network.closed(self)


class PeerNetwork:
    """Every peer, and which of them reach each other."""

    def __init__(
        self,
        rng: random.Random,
        now: Callable[[], float],
        at: Callable[..., None],
        weather: Callable[[], NetworkConditions],
        lost: Callable[[], None],
        broken: Callable[[str], Any],
        is_fair: bool,
    ) -> None:
        """`at` calls a function at a moment. `lost` is told when a stream lost something. `broken` reports a promise
        that was not kept. In a fair network every two peers reach each other."""
        self.opened = 0
        """How many pairs have opened so far."""
        self.broken = broken
        self._rng, self._now, self._at, self._weather, self._lost = rng, now, at, weather, lost
        self._is_fair = is_fair
        self._names = 0
        self._known: dict[int, SimulatedPeer] = {}
        self._open: list[tuple[SimulatedPeer, SimulatedPeer]] = []

    def new(
        self,
        opened: Callable[[Channel, bool], None],
        received: Callable[[Channel, bytes], None],
        failed: Callable[[], None],
    ) -> SimulatedPeer:
        self._names += 1
        peer = self._known[self._names] = SimulatedPeer(self, self._names, opened, received, failed)
        return peer

    def is_reachable(self) -> bool:
        return self._is_fair or self._rng.random() > 0.1

    def get(self, text: str, before: str) -> SimulatedPeer | None:
        """The peer that the text names behind those words."""
        name = text.removeprefix(before) if text.startswith(before) else ""
        return self._known.get(int(name)) if name.isdecimal() and len(name) < 10 else None

    def judge(self, peer: SimulatedPeer) -> None:
        """Open the channels if both ends have all they need."""
        other = peer.remote
        if other is None or other.remote is not peer or any(peer in pair for pair in self._open):
            return
        if other.name not in peer.candidates or peer.name not in other.candidates:
            return
        if not peer.is_reachable or not other.is_reachable:
            return  # nothing comes through between these two
        self._open.append((peer, other))
        self._at(self._now() + self._rng.choice([0.02, 0.1, 0.5]), self._carry, peer, other)

    def _carry(self, peer: SimulatedPeer, other: SimulatedPeer) -> None:
        if peer.is_closed or other.is_closed:
            return
        self.opened += 1
        is_relayed = self._rng.random() < 1 / 3
        for end in (peer, other):
            stream = NetworkConditions(delay=self._rng.choice([0.001, 0.02, 0.05, 0.2]))
            end.paths = {
                Channel.CONTROL: SimulatedPath(self._weather(), self._rng),
                Channel.BULK: SimulatedPath(stream, self._rng),
            }
            for channel in Channel:
                self._at(self._now() + self._rng.random() * 0.05, self._tell_opened, end, channel, is_relayed)

    def _tell_opened(self, end: SimulatedPeer, channel: Channel, is_relayed: bool) -> None:
        if not end.is_closed:
            end.opened(channel, is_relayed)

    def send(self, peer: SimulatedPeer, channel: Channel, data: bytes) -> None:
        path, other = peer.paths.get(channel), peer.remote
        arrivals = [] if path is None else path.arrivals(len(data), self._now())
        if channel is Channel.BULK:
            if not arrivals or other is None or other.is_closed:
                self._lost()
            arrivals = [max(moment, peer.last_arrival) for moment in arrivals[:1]]
            peer.last_arrival = max(arrivals, default=peer.last_arrival)
        for moment in arrivals:
            self._at(moment, self._deliver, other, channel, data)

    def _deliver(self, end: SimulatedPeer, channel: Channel, data: bytes) -> None:
        if end.is_closed or not end.paths:
            self._lost()
        else:
            end.received(channel, data)

    def closed(self, peer: SimulatedPeer) -> None:
        """The other end may be told, or finds out by silence."""
        self._known.pop(peer.name, None)
        self._open = [pair for pair in self._open if peer not in pair]
        if peer.remote is not None and self._rng.random() < 0.7:
            self._at(self._now() + 0.1, self._fail, peer.remote)

    def _fail(self, end: SimulatedPeer) -> None:
        if not end.is_closed:
            end.failed()

    # What goes wrong

    def lose_one(self) -> None:
        """One open connection carries nothing any more, and its ends may be told."""
        pairs = [pair for pair in self._open if pair[0].paths]
        if not pairs:
            return
        pair = self._rng.choice(pairs)
        for end in pair:
            end.paths = {}
            if self._rng.random() < 0.8:
                self._at(self._now() + self._rng.random(), self._fail, end)

    def rebind(self) -> None:
        """One end of each has another address: what is on its way arrives, what follows takes another way."""
        for first, _ in self._open:
            if first.paths:
                first.paths[Channel.CONTROL] = SimulatedPath(self._weather(), self._rng)

    def every_path(self) -> list[SimulatedPath]:
        return [path for pair in self._open for end in pair for path in end.paths.values()]

    def control_paths(self) -> list[SimulatedPath]:
        return [end.paths[Channel.CONTROL] for pair in self._open for end in pair if end.paths]
