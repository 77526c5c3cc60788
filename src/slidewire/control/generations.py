"""The presenter's peer connections: generations of them, each made beside the one before, which stays until it carries.

    build -> CreateOffer ⟶ offer_created -> offer, candidates -> answer -> AcceptAnswer ⟶ channel_opened: a path

A peer connection is never repaired. When it fails, is silent or takes too long, the next generation is offered, less
and less often while that fails. An offer without an answer is repeated, always with its candidates: what it was sent by
may have been lost. Sans-I/O: `Connection` owns this, and its shell carries out the effects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET

from slidewire.control.messages import Answer, Candidate, IceCandidate, Offer, Received, Reoffer
from slidewire.control.paths import LIVE_FOR, SILENCE, UNKNOWN_ROUND_TRIP, Channel, Path, PathKind
from slidewire.control.presenter_session import PresenterSession
from slidewire.control.privacy import IceServer, Privacy

OFFER_AGAIN: Final = 1.0
"""Seconds until an offer without an answer is repeated, at first. The wait doubles."""
UNANSWERED_PATIENCE: Final = 15.0
"""Seconds that an offer may stay without an answer before the next generation is made."""
BACKOFF_FIRST: Final = 1.0
BACKOFF_LAST: Final = 30.0
"""Seconds between two generations, at first and at most; of each wait a random half is left out."""
FRESH: Final = 1.5
"""A data channel that answered within so many seconds is believed more than a server's word."""


def answered_patience(round_trip: float) -> float:
    """Seconds that an answered generation may take to open: several round trips of the path that offers take."""
    return LIVE_FOR + 10 * round_trip


def answers_within(round_trip: float | None) -> float:
    """Seconds within which a path answers a PING, if it answers."""
    return 2 * (UNKNOWN_ROUND_TRIP if round_trip is None else round_trip) + SILENCE


# --- effects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreateOffer:
    """Make a peer of this generation and its offer. Report `offer_created`; `peer_failed` where it cannot be made."""

    generation: int
    ice_servers: tuple[IceServer, ...] = field(repr=False)
    """Those that may be used."""
    privacy: Privacy


@dataclass(frozen=True, slots=True)
class AcceptAnswer:
    """Give the answer to the peer. Report `peer_failed` where it cannot be used."""

    generation: int
    sdp: str
    is_near: bool
    """Both ends are on the same network."""


@dataclass(frozen=True, slots=True)
class AddCandidate:
    """Give the peer a candidate of the other end; None: there are no more."""

    generation: int
    candidate: IceCandidate | None


@dataclass(frozen=True, slots=True)
class ClosePeer:
    generation: int


PeerEffect = CreateOffer | AcceptAnswer | AddCandidate | ClosePeer


@dataclass(frozen=True, slots=True)
class Rules:
    """What a generation may use, and what its offer says."""

    ice_servers: tuple[IceServer, ...] = ()
    privacy: Privacy = Privacy.OPEN
    wanted: Privacy = Privacy.OPEN
    """What this end asks the other for."""
    network: str = ""
    """Where this end is, in the server's word for it."""


@dataclass(slots=True)
class Generation:
    """One peer connection, from the decision to make it until it is closed."""

    number: int
    rules: Rules
    offer: Offer | None = None
    candidates: list[Candidate] = field(default_factory=list)
    """Messages. They are kept, as the offer is: an offer is repeated with its candidates."""
    is_answered: bool = False
    names: dict[Channel, str] = field(default_factory=dict)
    """The session's paths by the channels that are open."""


class Generations:
    """All peer connections of the session that stands. Times are seconds of one monotonic clock."""

    def __init__(self, rules: Callable[[], Rules], random: Callable[[], float], is_enabled: bool = True) -> None:
        """`rules` are those of a generation that is made now. `random` gives a number from 0 up to 1. Without
        `is_enabled` none is ever made."""
        self.session: PresenterSession | None = None
        self.is_enabled = is_enabled
        self._rules = rules
        self._random = random
        self._known: list[Generation] = []
        """In order of their numbers."""
        self._number = 0
        self._built = float("-inf")
        self._failures = 0
        self._next_build = 0.0
        self._next_offer = float("inf")
        self._offer_wait = OFFER_AGAIN
        self._woken: float | None = None
        """When the device woke up, until what does not answer is replaced."""
        self._judge_at = float("inf")
        self._effects: deque[PeerEffect] = deque()

    # Receiving

    def receive_message(self, message: Received, now: float) -> bool:
        """Whether the message was for a peer connection."""
        match message:
            case Answer():
                self._receive_answer(message)
            case Candidate(generation, candidate):
                if self._get(generation) is not None:
                    self._effects.append(AddCandidate(generation, candidate))
            case Reoffer():
                self.build(now)
            case _:
                return False
        return True

    def _receive_answer(self, answer: Answer) -> None:
        """An answer is for the generation it names and no other: the newest one may have been offered since."""
        known = self._get(answer.generation)
        if known is None or known.offer is None or known.is_answered:
            return
        known.is_answered = True
        own = known.rules.network
        self._effects.append(AcceptAnswer(known.number, answer.sdp, own != "" and answer.network == own))

    # What the shell reports

    def offer_created(self, number: int, sdp: str, now: float) -> None:
        if (known := self._get(number)) is None:
            return
        wanted = known.rules.wanted
        privacy = UNSET if wanted is Privacy.OPEN else str(wanted)
        known.offer = Offer(number, sdp, privacy, known.rules.network or UNSET)
        self._say(known.offer, now)
        for candidate in known.candidates:
            self._say(candidate, now)

    def candidate_found(self, number: int, candidate: IceCandidate | None, now: float) -> None:
        """A candidate of this end; None: that was all."""
        if (known := self._get(number)) is None:
            return
        message = Candidate(number, candidate)
        known.candidates.append(message)
        if known.offer is not None:
            self._say(message, now)

    def channel_opened(self, number: int, channel: Channel, is_relayed: bool, now: float) -> None:
        known = self._get(number)
        if known is None or self.session is None:
            return
        kind = PathKind.of(channel, is_relayed)
        known.names[channel] = f"{kind.value}/{number}"
        self.session.path_up(known.names[channel], kind, now)
        if channel is Channel.CONTROL:
            for old in [old for old in self._known if old.number < number]:
                self._discard(old)  # it has done its work

    def peer_failed(self, number: int, now: float) -> None:
        """The connection failed or ended."""
        if (known := self._get(number)) is not None:
            self._discard(known)
            self.ensure(now)

    # What the connection decides

    def ensure(self, now: float) -> None:
        """See to it that the newest generation answers or is followed by another."""
        if self.session is None:
            return
        newest = self._known[-1] if self._known else None
        path = self.path(newest)
        if path is not None and path.is_live(now):
            self._failures = 0
            return
        if now >= self._next_offer:
            self._repeat_offer(now, 2 * self._offer_wait)
        is_over = newest is None or path is not None or now - self._built > self._patience(newest)
        if is_over and now >= self._next_build:
            self.build(now)

    def handle_timer(self, now: float) -> None:
        if self._woken is not None and now >= self._judge_at:
            woken, self._woken = self._woken, None
            path = self.path(self._known[-1]) if self._known else None
            if (path is None or path.last_pong is None or path.last_pong < woken) and self._built < woken:
                self.build(now)
        self.ensure(now)

    def get_timer(self) -> float | None:
        """For what cannot wait until `ensure` is called next."""
        return None if self._woken is None else self._judge_at

    def build(self, now: float) -> None:
        """Offer another generation now."""
        if self.session is None or not self.is_enabled:
            return
        backoff = min(BACKOFF_LAST, BACKOFF_FIRST * 2.0 ** min(self._failures, 16))
        self._failures += 1
        self._next_build = now + backoff * (0.5 + self._random() / 2)
        self._built = now
        self._offer_wait, self._next_offer = OFFER_AGAIN, now + OFFER_AGAIN
        self._make_room()
        self._number += 1
        rules = self._rules()
        self._known.append(Generation(self._number, rules))
        self._effects.append(CreateOffer(self._number, rules.ice_servers, rules.privacy))

    def _make_room(self) -> None:
        """Keep the one that carried and one that is coming up. What is silent on a bad network may carry again: it is
        not given up for others that may never open."""
        carried = next((old for old in reversed(self._known) if self.path(old) is not None), None)
        waiting = [old for old in self._known if old is not carried]
        for old in waiting[:-1]:
            self._discard(old)

    def offer_again(self, now: float) -> None:
        """The offer may have been lost with a path."""
        self._repeat_offer(now, OFFER_AGAIN)

    def wake(self, now: float) -> None:
        """The device slept, or its network changed: what does not answer now is replaced."""
        path = self.path(self._known[-1]) if self._known else None
        self._woken, self._judge_at = now, now + answers_within(None if path is None else path.round_trip)

    def restart(self, now: float) -> None:
        """The rules are stricter now: what was made by those before is closed, even if nothing takes its place."""
        self.close()
        self.build(now)

    def close(self) -> None:
        for known in list(self._known):
            self._discard(known)
        self._failures, self._next_offer, self._woken = 0, float("inf"), None

    def next_effect(self) -> PeerEffect | None:
        return self._effects.popleft() if self._effects else None

    # What is known

    def path(self, generation: Generation | None, channel: Channel = Channel.CONTROL) -> Path | None:
        if generation is None or self.session is None or (name := generation.names.get(channel)) is None:
            return None
        return self.session.wire.paths.get(name)

    def control_paths(self) -> list[Path]:
        return [path for known in self._known if (path := self.path(known)) is not None]

    def is_fresh(self, now: float) -> bool:
        """Whether a data channel answered a moment ago."""
        return any(path.last_pong is not None and now - path.last_pong < FRESH for path in self.control_paths())

    def path_name(self, number: int, channel: Channel) -> str:
        """The session's name for what comes by that channel; empty where it is none of its paths."""
        known = self._get(number)
        return "" if known is None else known.names.get(channel, "")

    # Inside

    def _get(self, number: int) -> Generation | None:
        return next((known for known in self._known if known.number == number), None)

    def _patience(self, newest: Generation) -> float:
        if not newest.is_answered:
            return UNANSWERED_PATIENCE
        assert self.session is not None
        signaling = self.session.wire.paths.get(PathKind.SIGNALING)
        return answered_patience((signaling.round_trip if signaling is not None else None) or 0.0)

    def _repeat_offer(self, now: float, wait: float) -> None:
        newest = self._known[-1] if self._known else None
        if newest is None or newest.offer is None or newest.is_answered:
            return
        self._offer_wait, self._next_offer = wait, now + wait
        self._say(newest.offer, now)
        for candidate in newest.candidates:
            self._say(candidate, now)

    def _say(self, message: Offer | Candidate, now: float) -> None:
        if self.session is not None:
            self.session.send_message(message, now)

    def _discard(self, known: Generation) -> None:
        self._known.remove(known)
        if self.session is not None:
            for name in known.names.values():
                self.session.path_down(name)
        self._effects.append(ClosePeer(known.number))
