"""The ways to the other end, and what is known of each (protocol/control.md §6).

A path is a name and a kind: the session sends on it and never learns what it is made of. Liveness and round trip come
from the session's own PINGs, because the libraries underneath notice a dead peer only after half a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PING_INTERVAL = 1.0
PING_AGAIN = 0.150
"""An unanswered PING is followed by another after the path's round trip and this: at 20 % loss each way one PING in
three stays unanswered, and a path that carries four frames of five must not be given up for that."""
UNKNOWN_ROUND_TRIP = 0.250
LIVE_FOR = 3.0
"""Seconds without a PONG after which a path is not counted on any more."""


class PathKind(StrEnum):
    SIGNALING = "signaling"
    RELAYED = "relayed"
    DIRECT = "direct"
    BULK = "bulk"
    """The reliable data channel: messages only."""

    @property
    def carries_control(self) -> bool:
        return self is not PathKind.BULK

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

    def is_live(self, now: float) -> bool:
        """Answering, or too young to be judged."""
        return now - (self.up_since if self.last_pong is None else self.last_pong) < LIVE_FOR

    def is_proven(self, now: float) -> bool:
        return self.last_pong is not None and self.is_live(now)

    def ping_patience(self, now: float) -> float:
        """Seconds to wait for a PONG before the next PING."""
        expected = UNKNOWN_ROUND_TRIP if self.round_trip is None else self.round_trip
        return min(PING_INTERVAL, expected + PING_AGAIN) if self.is_live(now) else PING_INTERVAL

    def heard_pong(self, round_trip: float, now: float) -> None:
        self.last_pong = now
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

    def messages(self, now: float) -> Path | None:
        """Where a message goes: the bulk channel if it is live, else signaling."""
        carrying = [path for path in self._paths.values() if path.kind.carries_messages]
        carrying.sort(key=lambda path: (not path.is_live(now), path.kind is not PathKind.BULK))
        return carrying[0] if carrying else None

    def best(self, now: float) -> Path | None:
        """The path to speak of: proven, and the most direct."""
        proven = [path for path in self._paths.values() if path.kind in _PREFERENCE and path.is_proven(now)]
        return min(proven, key=lambda path: _PREFERENCE[path.kind], default=None)

    def due_pings(self, now: float) -> list[Path]:
        """The paths whose PING is due; each is taken to be sent."""
        due = [path for path in self._paths.values() if path.next_ping <= now]
        for path in due:
            path.last_ping, path.next_ping = now, now + path.ping_patience(now)
        return due

    def ping_now(self, now: float) -> None:
        """Check every path at once: something may have changed (the page was hidden, the network came back)."""
        for path in self._paths.values():
            path.next_ping = now

    def next_ping(self) -> float | None:
        return min((path.next_ping for path in self._paths.values()), default=None)
