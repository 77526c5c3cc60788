"""The ways to the other end, and what is known of each (protocol/control.md §6).

A path is a name and a kind: the session sends on it and never learns what it is made of. Liveness and round trip come
from the session's own frames, because the libraries underneath notice a dead peer only after half a minute: a path is
live while its PINGs are answered, until an intent went out on it and nothing at all came back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PING_INTERVAL = 1.0
PING_AGAIN = 0.150
"""An unanswered PING is followed by another after the path's round trip and this: at 20 % loss each way one PING in
three stays unanswered, and a path that carries four frames of five must not be given up for that. `bulk` loses nothing,
and what waits in it for an acknowledgement takes room from the taps beside it."""
UNKNOWN_ROUND_TRIP = 0.250
LIVE_FOR = 3.0
"""Seconds without a PONG after which a path is not counted on any more."""
SILENCE = 0.150
"""A path is dead when nothing was heard by it for twice its round trip and this, after an intent went out on it."""
PROBE_AFTER = 0.050
PROBE_EVERY = 0.020
"""Before that, from its round trip and PROBE_AFTER on, it is asked: on a lossy path some answer gets through."""


MUCH = 0.2
"""The share of unanswered PINGs that a path loses much at: 11 % each way."""


class Channel(StrEnum):
    """The data channels of a peer connection. Both ends negotiate them by number (RFC 8832 §1: without DCEP)."""

    CONTROL = "control"
    BULK = "bulk"

    @property
    def id(self) -> int:
        return 0 if self is Channel.CONTROL else 1


class PathKind(StrEnum):
    SIGNALING = "signaling"
    RELAYED = "relayed"
    DIRECT = "direct"
    BULK = "bulk"
    """The reliable data channel: messages only."""

    @staticmethod
    def of(channel: Channel, is_relayed: bool) -> PathKind:
        if channel is Channel.BULK:
            return PathKind.BULK
        return PathKind.RELAYED if is_relayed else PathKind.DIRECT

    @property
    def carries_control(self) -> bool:
        return self is not PathKind.BULK

    @property
    def is_stream(self) -> bool:
        """What it carries arrives, in order, or the path itself is gone."""
        return self in (PathKind.SIGNALING, PathKind.BULK)

    @property
    def carries_messages(self) -> bool:
        return self in (PathKind.SIGNALING, PathKind.BULK)


_PREFERENCE = {PathKind.DIRECT: 0, PathKind.RELAYED: 1, PathKind.SIGNALING: 2}


@dataclass(slots=True)
class Path:
    name: str
    kind: PathKind
    up_since: float
    next_ping: float
    last_ping: float = 0.0
    last_pong: float | None = None
    round_trip: float | None = None
    """Seconds, smoothed as RFC 6298 does (alpha 1/8)."""
    latest: float | None = None
    """… as it was measured last."""
    unanswered: int = 0
    """PINGs in a row that stayed so, until now."""
    loss: float = 0.0
    """The share of PINGs that stayed unanswered, smoothed likewise."""
    unheard_since: float | None = None
    """When an intent went out on it that nothing was heard after."""
    probed_since: float | None = None
    """When it was first asked for a sign of life after that."""
    is_silent: bool = False
    """Nothing was heard for too long after an intent; any frame ends that."""
    was_live: bool = True
    """Whether it was when last judged."""

    def is_live(self, now: float) -> bool:
        """Answering, or too young to be judged."""
        return not self.is_silent and self._was_answered(now)

    def _was_answered(self, now: float) -> bool:
        return now - (self.up_since if self.last_pong is None else self.last_pong) < LIVE_FOR

    def is_proven(self, now: float) -> bool:
        return self.last_pong is not None and self.is_live(now)

    @property
    def expected(self) -> float:
        return UNKNOWN_ROUND_TRIP if self.round_trip is None else self.round_trip

    def ping_patience(self, now: float) -> float:
        """Seconds to wait for a PONG before the next PING."""
        if self.kind is PathKind.BULK or not self._was_answered(now):
            return PING_INTERVAL
        return min(PING_INTERVAL, self.expected + PING_AGAIN)

    def ping_due(self) -> float:
        return min(self.next_ping, max(self._probes_from(), self.last_ping + PROBE_EVERY))

    def _probes_from(self) -> float:
        return float("inf") if self.unheard_since is None else self.unheard_since + self.expected + PROBE_AFTER

    def silent_at(self) -> float:
        """When it will be given up if nothing is heard. Not before a probe could be answered: if we stood still, the
        answers may have come and wait to be read."""
        if self.unheard_since is None or self.probed_since is None:
            return float("inf")
        return max(self.unheard_since + 2 * self.expected + SILENCE, self.probed_since + self.expected + PROBE_AFTER)

    def pinged(self, now: float) -> None:
        if self.next_ping <= now and self.last_pong is not None:
            is_lost = self.last_pong < self.last_ping
            self.loss += (float(is_lost) - self.loss) / 8
            self.unanswered = self.unanswered + 1 if is_lost else 0
        self.last_ping, self.next_ping = now, now + self.ping_patience(now)
        if self.probed_since is None and self._probes_from() <= now:
            self.probed_since = now

    def sent_intent(self, now: float) -> None:
        if self.unheard_since is None and not self.is_silent:
            self.unheard_since = now

    def heard(self) -> None:
        """A frame that came by it opened."""
        self.unheard_since = self.probed_since = None
        self.is_silent = False

    def heard_pong(self, round_trip: float, now: float) -> None:
        self.last_pong, self.latest, self.unanswered = now, round_trip, 0
        self.next_ping = self.last_ping + PING_INTERVAL
        previous = self.round_trip
        self.round_trip = round_trip if previous is None else previous + (round_trip - previous) / 8


class PathTable:
    """Every path that is up, by name."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}

    def up(self, name: str, kind: PathKind, now: float) -> None:
        self._paths[name] = Path(name, kind, up_since=now, next_ping=now)

    def down(self, name: str) -> None:
        self._paths.pop(name, None)

    def __len__(self) -> int:
        return len(self._paths)

    def get(self, name: str) -> Path | None:
        return self._paths.get(name)

    def control(self, now: float) -> list[Path]:
        """Where an intent or a receipt goes: every live path, or all when none is live (nothing is lost by it)."""
        carrying = [path for path in self._paths.values() if path.kind.carries_control]
        return [path for path in carrying if path.is_live(now)] or carrying

    def round_trip(self, now: float) -> float | None:
        """The shortest that is known, of the paths that intents go on: when the first answer can come."""
        return min((path.round_trip for path in self.control(now) if path.round_trip is not None), default=None)

    def loses(self, now: float) -> bool:
        """Whether all paths that can lose something lose much; also where streams are all there is: the sooner
        something follows, the sooner TCP sees what it lost."""
        return all(path.loss > MUCH for path in self.control(now) if not path.kind.is_stream)

    def answer(self, name: str, now: float) -> list[Path]:
        """Where an answer goes to what came by this path: back the same way, and by the best other."""
        there = self.control(now)
        there.sort(key=lambda path: (path.name != name, not path.is_proven(now), _PREFERENCE[path.kind]))
        return there[:2]

    def messages(self, now: float) -> Path | None:
        """Where a message goes: the bulk channel if it is live, else signaling if it is up."""
        carrying = [path for path in self._paths.values() if path.kind.carries_messages]
        carrying.sort(key=lambda path: path.kind is PathKind.SIGNALING)
        return next((path for path in carrying if path.is_live(now)), carrying[-1] if carrying else None)

    def best(self, now: float) -> Path | None:
        """The path to speak of: proven, and the most direct."""
        proven = [path for path in self._paths.values() if path.kind in _PREFERENCE and path.is_proven(now)]
        return min(proven, key=lambda path: _PREFERENCE[path.kind], default=None)

    def due_pings(self, now: float) -> list[Path]:
        """The paths whose PING is due; each is taken to be sent."""
        due = [path for path in self._paths.values() if path.ping_due() <= now]
        for path in due:
            path.pinged(now)
        return due

    def died(self, now: float) -> list[Path]:
        """The paths that were live when this was last asked, and are not any more."""
        for path in self._paths.values():
            if path.silent_at() <= now:
                path.unheard_since = path.probed_since = None
                path.is_silent, path.next_ping = True, now
        dead = [path for path in self._paths.values() if path.was_live and not path.is_live(now)]
        for path in self._paths.values():
            path.was_live = path.is_live(now)
        return dead

    def ping_now(self, now: float) -> None:
        """Check every path at once: something may have changed (the page was hidden, the network came back)."""
        for path in self._paths.values():
            path.next_ping = now

    def ping_answered(self, every: float, now: float) -> None:
        """Ask the best path again, if its last PING was answered and went out that long ago."""
        path = self.best(now)
        if path is not None and path.last_pong is not None and path.last_ping <= min(path.last_pong, now - every):
            path.next_ping = now

    def next_event(self) -> float | None:
        """When a PING is due, or a path to be given up."""
        return min((min(path.ping_due(), path.silent_at()) for path in self._paths.values()), default=None)
