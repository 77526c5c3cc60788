"""The host's half of a presenter's peer connections: each offer is answered once, by a peer of its own generation.

    offer -> CreateAnswer ⟶ answer_created -> answer, candidates … channel_opened: a path of the session

An offer that comes again is answered again, with the same answer and the same candidates: the first answer may have
been lost. A newer offer does not end an older connection; the newest that opens is kept. Sans-I/O: a participant owns
this beside its session, and carries out the effects.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET

from slidewire.control.generations import AddCandidate, ClosePeer
from slidewire.control.host_session import HostSession
from slidewire.control.messages import Answer, Candidate, IceCandidate, Offer
from slidewire.control.paths import Channel, PathKind
from slidewire.control.privacy import Privacy, read_privacy, stricter
from slidewire.control.quotas import Request

PEERS: Final = 3
"""Peer connections at once: the one in use, and those that are coming up."""
MOST_EARLY: Final = 16
"""Candidates that are kept for an offer which is still on its way."""


@dataclass(frozen=True, slots=True)
class CreateAnswer:
    """Make a peer of this generation, and its answer to this offer. Report `answer_created` or `offer_unusable`."""

    generation: int
    sdp: str
    privacy: Privacy
    is_near: bool
    """Both ends are on the same network."""


@dataclass(frozen=True, slots=True)
class SendMessage:
    """To the presenter, by the session."""

    message: Answer | Candidate


@dataclass(frozen=True, slots=True)
class PathsChanged:
    """A path of the session came up or went down."""


@dataclass(frozen=True, slots=True)
class OfferRefused:
    """The offer cannot be used: a sentence for the presenter."""

    reason: str


Effect = CreateAnswer | AddCandidate | ClosePeer | SendMessage | PathsChanged | OfferRefused


@dataclass(slots=True)
class _Generation:
    number: int
    network: str = ""
    """The network that both ends are on; empty where they are on different ones."""
    names: dict[Channel, str] = field(default_factory=dict)
    """The session's paths by the channels that are open."""


class Answering:
    def __init__(self, session: HostSession) -> None:
        self._session = session
        self._known: dict[int, _Generation] = {}
        self._newest = 0
        self._said: list[Answer | Candidate] = []
        """What was said to the newest offer: an answer, and candidates."""
        self._early: deque[Candidate] = deque(maxlen=MOST_EARLY)
        """Of generations that are not offered yet: an offer by signaling is overtaken by candidates in a channel."""
        self._effects: deque[Effect] = deque()

    # Receiving

    def receive_offer(self, offer: Offer, privacy: Privacy, network: str, now: float) -> None:
        """`privacy` and `network` are the host's own. Of what it and the offer ask for, the stricter holds. A presenter
        that names our network is on it: it cannot be guessed."""
        number = offer.generation
        if number <= self._newest:
            # Repeated, because the answer to it may have been lost; or overtaken by a newer one.
            if number == self._newest and self._session.permits(Request.REPEATED_OFFER, now):
                self._effects.extend(SendMessage(message) for message in self._said)
            return
        if not self._session.permits(Request.OFFER, now):
            return
        self._newest, self._said = number, []
        self._make_room()
        is_near = network != "" and offer.network == network
        wanted = read_privacy(offer.privacy, absent=Privacy.OPEN)
        self._known[number] = _Generation(number, network if is_near else "")
        self._effects.append(CreateAnswer(number, offer.sdp, stricter(wanted, privacy), is_near))
        early, self._early = self._early, deque(maxlen=MOST_EARLY)
        for message in early:
            if message.generation == number:
                self._effects.append(AddCandidate(number, message.candidate))
            elif message.generation > number:
                self._early.append(message)

    def receive_candidate(self, message: Candidate, now: float) -> None:
        """A candidate is for the generation it names and no other."""
        if not self._session.permits(Request.CANDIDATE, now):
            return
        if message.generation in self._known:
            self._effects.append(AddCandidate(message.generation, message.candidate))
        elif message.generation > self._newest:
            self._early.append(message)

    def receive_by_signaling(self) -> None:
        """A presenter says through the server what it could say directly: to it the channels are dead. Whatever comes
        by one of them brings it back."""
        for known in self._known.values():
            bulk = self._session.wire.paths.get(known.names.get(Channel.BULK, ""))
            if bulk is not None:
                bulk.is_silent = True

    # What the shell reports

    def answer_created(self, number: int, sdp: str) -> None:
        if (known := self._known.get(number)) is not None:
            self._say(Answer(number, sdp, known.network or UNSET))

    def candidate_found(self, number: int, candidate: IceCandidate | None) -> None:
        """A candidate of this end; None: that was all."""
        if number in self._known:
            self._say(Candidate(number, candidate))

    def offer_unusable(self, number: int, reason: str) -> None:
        self.peer_failed(number)
        self._effects.append(OfferRefused(reason))

    def channel_opened(self, number: int, channel: Channel, is_relayed: bool, now: float) -> None:
        if (known := self._known.get(number)) is None:
            return
        kind = PathKind.of(channel, is_relayed)
        known.names[channel] = f"{kind.value}/{number}"
        self._session.path_up(known.names[channel], kind, now)
        self._effects.append(PathsChanged())
        if channel is Channel.CONTROL:
            for old in [old for old in self._known if old < number]:
                self.peer_failed(old)  # it has done its work

    def peer_failed(self, number: int) -> None:
        """The connection failed or ended, or is not wanted any more."""
        if (known := self._known.pop(number, None)) is None:
            return
        for name in known.names.values():
            self._session.path_down(name)
        if known.names:
            self._effects.append(PathsChanged())
        self._effects.append(ClosePeer(number))

    def next_effect(self) -> Effect | None:
        return self._effects.popleft() if self._effects else None

    # What is known

    def path_name(self, number: int, channel: Channel) -> str:
        """The session's name for what comes by that channel; empty where it is none of its paths."""
        known = self._known.get(number)
        return "" if known is None else known.names.get(channel, "")

    # Inside

    def _say(self, message: Answer | Candidate) -> None:
        if message.generation == self._newest:
            self._said.append(message)
        self._effects.append(SendMessage(message))

    def _make_room(self) -> None:
        """A presenter that offers without end gets a few connections at once. The one that carried is not given up for
        others that may never open."""
        carried = [number for number, known in self._known.items() if Channel.CONTROL in known.names][-1:]
        waiting = sorted(self._known.keys() - set(carried))
        for number in waiting[: 1 - PEERS + len(carried)]:
            self.peer_failed(number)
