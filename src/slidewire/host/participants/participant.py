"""One presenter as the host knows it: a control session, and the paths it is reached by.

The session decides; this file carries. It moves bytes between the session and its paths (the signaling socket, and one
peer connection per generation of offers), hands intents to the show controller, and keeps the session's one timer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from slidewire.aio.clock import monotonic
from slidewire.aio.loop import Alarm
from slidewire.aio.tasks import Tasks
from slidewire.control import messages
from slidewire.control.answering import Answering, CreateAnswer, OfferRefused, PathsChanged, SendMessage
from slidewire.control.generations import AddCandidate, ClosePeer
from slidewire.control.host_session import (
    Effect,
    Established,
    Flooding,
    HostSession,
    IntroductionInvalid,
    Perform,
    Pointed,
)
from slidewire.control.intents import Intent, Outcome, Reason, Status
from slidewire.control.introduction import Introduction
from slidewire.control.paths import Path, PathKind
from slidewire.control.privacy import Privacy
from slidewire.control.quotas import LinkPool, Request, SessionQuotas
from slidewire.control.sealed_session import MessageArrived, PictureArrived, Transmit
from slidewire.control.state import State
from slidewire.host.decks.driver import DeckState
from slidewire.host.participants.links import LinkRule
from slidewire.host.participants.permissions import permit_intent, permit_laser
from slidewire.host.participants.signaling_budget import SendingShare, SignalingBudget
from slidewire.host.show.controller import IntentRequest, ShowController
from slidewire.rtc.engine import Channel, Engine, IceServer, PeerError, PeerEvents
from slidewire.rtc.guarded import GuardedPeer, from_init, to_init

SIGNALING = "signaling"
log = logging.getLogger(__name__)

LOOK_AGAIN = 0.1
"""Seconds to wait for room on a channel before asking whether it is still the way for messages."""
FRAMES_AT_ONCE = 16
"""Frames that are handed to the WebRTC library before others have their turn. It takes 0.3 ms for each."""
PACE_ON_SIGNALING = 0.05
"""Seconds between the parts of a picture on the signaling path: 160 KB/s, within the server's rates."""


@dataclass(frozen=True, slots=True)
class LastClick:
    intent: Intent
    outcome: Outcome


class ParticipantHost(Protocol):
    """What a participant needs of the host."""

    show: ShowController
    engine: Engine

    privacy: Privacy
    network: str
    budget: SignalingBudget

    def count(self, what: str, times: int) -> None: ...
    def ice_servers(self) -> list[IceServer]: ...
    def send_signaling(self, member: str, data: bytes) -> None: ...
    def message_arrived(self, participant: Participant, message: messages.Received) -> None: ...
    def participant_changed(self, participant: Participant) -> None:
        """Something an operator sees of this participant is different now."""

    def participant_acts(self, participant: Participant) -> None:
        """It clicks, points or gives a command: more than a page does by itself."""

    def participant_clicked(self, participant: Participant, click: LastClick) -> None: ...
    def participant_failed(self, participant: Participant) -> None:
        """Serving this participant raised an exception, which is logged: it is to be sent away."""

    def participant_floods(self, participant: Participant) -> None: ...
    def participant_established(self, participant: Participant) -> None: ...
    def introduction_invalid(self, participant: Participant) -> None: ...


class Participant:
    def __init__(
        self, session: HostSession, rule: LinkRule, host: ParticipantHost, pool: LinkPool | None = None
    ) -> None:
        """`pool`: what all participants of this link may ask together."""
        self.session = session
        session.quotas = SessionQuotas(pool)
        self.link = rule
        self.admitted = False
        """Whether it is let in: the host says so once it has proven itself."""
        self.muted = False
        self.is_local = False
        """It is the deck page on the host's own computer, whose keyboard may click."""
        self.member: str | None = None
        """Where the signaling server reaches it; None while it does not."""
        self.clicks = 0
        self.last: LastClick | None = None
        self.clicked_at = float("-inf")
        self.since = time.time()
        self.last_heard = monotonic()
        """When the last frame of it opened."""
        self.has_left = False
        """It said so: the page was closed, and will not come back as this session."""
        self.held: State | None = None
        """The state that it was told last; None: it is to be told the whole."""
        self._host = host
        self._share = SendingShare(rule.id, rule.role.may_click)
        self._peers: dict[int, GuardedPeer] = {}
        self._answering = Answering(session)
        self._heard_by = SIGNALING
        self._settled: list[LastClick] = []
        """Clicks whose receipts are on their way out; then the others hear of them."""
        self._alarm = Alarm(self._timer_fired)
        self._working = Tasks()
        self._ending = Tasks()
        self._closed = self._is_draining = self._has_failed = False

    @property
    def id(self) -> int:
        return self.session.wire.session

    @property
    def introduction(self) -> Introduction:
        """What it says of itself; nothing until it is established."""
        return self.session.introduction or Introduction(b"")

    # Paths

    def reached_by(self, member: str | None) -> None:
        """The signaling server now reaches this participant as that member, or not at all."""
        if member == self.member:
            return
        self.member = member
        if member is None:
            self._path_down(SIGNALING)
        else:
            self.has_left = False
            self._path_up(SIGNALING, PathKind.SIGNALING)

    def receive(self, data: bytes, path: str) -> bool:
        """Whether the frame was this participant's."""
        now = monotonic()
        opened = False
        with self.contained():
            self._heard_by = path
            opened = self.session.receive_frame(data, path, now)
        if opened:
            self.last_heard = now
        self.drain()
        return opened

    def best_path(self) -> tuple[str, float | None]:
        """The kind of the best proven path and its round trip in seconds; "none" if there is none."""
        path = self.session.wire.paths.best(monotonic())
        return (path.kind.value, path.round_trip) if path else ("none", None)

    def watch_path(self, every: float) -> Path | None:
        """The best proven path. Beside media its round trip is asked for that often."""
        now = monotonic()
        self.session.wire.paths.ping_answered(every, now)
        self._timer_fired()
        return self.session.wire.paths.best(now)

    def is_live(self, path: str) -> bool:
        known = self.session.wire.paths.get(path)
        return known is not None and known.is_live(monotonic())

    def _path_up(self, name: str, kind: PathKind) -> None:
        self.session.path_up(name, kind, monotonic())
        self.drain()
        self._host.participant_changed(self)

    def _path_down(self, name: str) -> None:
        self.session.path_down(name)
        self._host.participant_changed(self)

    # The session's effects

    def send_message(self, message: messages.FromHost) -> bool:
        sent = self.session.send_message(message, monotonic())
        self.drain()
        return sent

    def send_error(self, code: str, message: str) -> None:
        """Answer something of it that cannot be done."""
        if self.session.permits(Request.ERROR, monotonic()):
            self.send_message(messages.Error(code, message))

    def can_be_told(self) -> bool:
        """Whether a state may be sent now: there is a path for it, and what waits on it is not much."""
        now = monotonic()
        path = self.session.wire.paths.messages(now)
        if path is None:
            return False
        if path.kind is PathKind.SIGNALING:
            return self._host.budget.has_room(self._share, now)
        peer = self._peers.get(int(path.name.partition("/")[2]))
        return peer is not None and peer.has_room(Channel.BULK)

    def permits(self, request: Request) -> bool:
        """Whether something that it asks for, and its session does not see, may be done."""
        is_permitted = self.session.permits(request, monotonic())
        if self.session.quotas.is_flooding:
            self.drain()
        return is_permitted

    @contextlib.contextmanager
    def contained(self) -> Iterator[None]:
        """An exception in here ends this participant, and reaches no other."""
        try:
            yield
        except Exception:
            if not self._has_failed:
                self._has_failed = True
                log.exception("serving presenter %08x failed: it is sent away", self.id)
                self._host.participant_failed(self)

    def _settle(self, sequence: int, intent: Intent, outcome: Outcome) -> None:
        with self.contained():
            self.session.settle(sequence, outcome, monotonic())
            self.clicks += outcome.status is Status.PERFORMED
            self.last = LastClick(intent, outcome)
            self.clicked_at = monotonic()
            self._settled.append(self.last)
        self.drain()

    def drain(self) -> None:
        """Carry out what the session wants done. Whatever calls this from within leaves it to the call that runs."""
        if self._is_draining:
            return
        self._is_draining = True
        try:
            with self.contained():
                self._carry_out()
        finally:
            self._is_draining = False

    def _carry_out(self) -> None:
        frames = 0
        while not self._closed and (effect := self.session.next_effect()) is not None:
            self._obey(effect)
            if isinstance(effect, Perform):
                # The deck first, frames in the loop's next turn: by then a quick deck has answered, and one frame
                # carries ACK and RECEIPT.
                asyncio.get_running_loop().call_soon(self.drain)
                return
            frames += isinstance(effect, Transmit)
            if frames == FRAMES_AT_ONCE:
                asyncio.get_running_loop().call_soon(self.drain)
                return
        self._alarm.set(None if self._closed else self.session.get_timer())
        self._tell_settled()

    def _tell_settled(self) -> None:
        """After everything was sent: the log of clicks waits for a disk, and no receipt waits for that."""
        settled, self._settled = self._settled, []
        for click in settled:
            self._host.participant_clicked(self, click)
        if settled:
            self._host.participant_changed(self)

    def _obey(self, effect: Effect) -> None:
        match effect:
            case Transmit(path, data):
                self._transmit(path, data)
            case Perform(sequence, intent):
                self._host.participant_acts(self)
                self._host.show.submit(
                    IntentRequest(
                        intent,
                        is_due=lambda: self.session.is_due(sequence, monotonic()),
                        permit=lambda position: self._permit(intent, position),
                        done=lambda outcome: self._settle(sequence, intent, outcome),
                        link=self.link.id,
                        session=self.id,
                    )
                )
            case Pointed(sequence, points, path):
                self._host.participant_acts(self)
                reason = self._permit_laser()
                if reason is Reason.NONE:
                    self._host.show.point_through(points)
                self.session.settle_laser(sequence, reason, path)
            case MessageArrived(message):
                self._message_arrived(message)
            case Established():
                self._host.participant_established(self)
            case IntroductionInvalid():
                self._host.introduction_invalid(self)
            case Flooding():
                self._host.participant_floods(self)
            case PictureArrived():
                pass  # presenters have no pictures to send

    def _transmit(self, path: str, data: bytes) -> None:
        if path == SIGNALING:
            if self.member is None:
                return
            if self._host.budget.take(self._share, len(data), monotonic()):
                self._host.send_signaling(self.member, data)
            else:
                self._host.count("answers_over_budget", 1)  # as if it were lost on the way
            return
        kind, _, generation = path.partition("/")
        peer = self._peers.get(int(generation))
        if peer is not None:
            peer.send(Channel.BULK if kind == PathKind.BULK else Channel.CONTROL, data)

    def _timer_fired(self) -> None:
        with self.contained():
            self.session.handle_timer(monotonic())
        self.drain()

    # Permission

    def _permit(self, intent: Intent, position: DeckState) -> Reason:
        return self._refusal(self.link.role.may_click or self.is_local) or permit_intent(intent, position, self.link)

    def _permit_laser(self) -> Reason:
        return self._refusal(self.link.role.may_point) or permit_laser(self._host.show.position, self.link)

    def _refusal(self, may: bool) -> Reason:
        """`may`: whether the role of its link is for that."""
        if self.session.is_withdrawn:
            return Reason.REVOKED
        if not may:
            return Reason.ROLE
        if not self.link.is_good(time.time()):
            return Reason.REVOKED
        if not self.admitted:
            return Reason.NOT_ADMITTED
        return Reason.MUTED if self.muted else Reason.NONE

    # Peer connections

    def _message_arrived(self, message: messages.Received) -> None:
        if self._heard_by == SIGNALING:
            self._answering.receive_by_signaling()
        match message:
            case messages.Malformed():
                self.send_error("malformed", message.sentence)
            case messages.Offer() if not self.admitted:
                pass  # an answer would tell this computer's addresses; once admitted it is asked for a new offer
            case messages.Offer():
                self._answering.receive_offer(message, self._host.privacy, self._host.network, monotonic())
            case messages.Candidate():
                self._answering.receive_candidate(message, monotonic())
            case _:
                self._host.message_arrived(self, message)
        self._drain_answering()

    def _create_answer(self, wanted: CreateAnswer) -> None:
        """Not a step of this waits, so that the candidates which come right behind the offer find their peer."""
        number, answering = wanted.generation, self._answering

        def report(happened: Callable[[], None]) -> None:
            happened()
            self._drain_answering()

        peer = GuardedPeer(
            self._host.engine,
            self._host.ice_servers(),
            PeerEvents(
                opened=lambda channel: report(
                    lambda: answering.channel_opened(number, channel, peer.is_relayed, monotonic())
                ),
                received=lambda channel, data: self._receive_peer(number, channel, data),
                closed=lambda: report(lambda: answering.peer_failed(number)),
                permits=lambda: self.permits(Request.DATAGRAM),
                candidate=lambda candidate: report(lambda: answering.candidate_found(number, from_init(candidate))),
            ),
            wanted.privacy,
            lambda times: self._host.count("candidate_refused", times),
        )
        peer.is_near = wanted.is_near
        self._peers[number] = peer
        self._working.start(self._answer(peer, wanted))

    def _receive_peer(self, generation: int, channel: Channel, data: bytes) -> None:
        self.receive(data, self._answering.path_name(generation, channel))

    async def _answer(self, peer: GuardedPeer, wanted: CreateAnswer) -> None:
        with self.contained():
            try:
                answer = await peer.answer(wanted.sdp)
            except PeerError as error:
                self._answering.offer_unusable(wanted.generation, str(error))
            else:
                self._answering.answer_created(wanted.generation, answer)
            self._drain_answering()

    def _drain_answering(self) -> None:
        while (effect := self._answering.next_effect()) is not None:
            match effect:
                case CreateAnswer():
                    self._create_answer(effect)
                case AddCandidate(generation, candidate):
                    if (peer := self._peers.get(generation)) is not None:
                        peer.add_candidate(to_init(candidate))
                case ClosePeer(generation):
                    self._close_peer(generation)
                case SendMessage(message):
                    self.send_message(message)
                case OfferRefused(reason):
                    self.send_error("offer_unusable", reason)
                case PathsChanged():
                    self.drain()
                    self._host.participant_changed(self)

    def follow(self, old: Participant) -> None:
        """This is `old` again, in a new session."""
        self.muted, self.clicks, self.last, self.since = old.muted, old.clicks, old.last, old.since

    def _close_peer(self, generation: int) -> None:
        if (peer := self._peers.pop(generation, None)) is not None:
            self._ending.start(peer.close())

    async def wait_for_room(self) -> str | None:
        """Wait until a picture's next part may be sent; the path for it, or None when there is none."""
        while (path := self.session.wire.paths.messages(monotonic())) is not None:
            kind, _, generation = path.name.partition("/")
            if kind != PathKind.BULK:
                await asyncio.sleep(PACE_ON_SIGNALING)  # the socket is shared with receipts, and the server counts
                if self.can_be_told():
                    return path.name
                continue
            peer = self._peers.get(int(generation))
            try:
                async with asyncio.timeout(LOOK_AGAIN):
                    return path.name if peer is not None and await peer.wait_for_room(Channel.BULK) else None
            except TimeoutError:
                pass  # it may have died meanwhile
        return None

    # The end

    def say_goodbye(self, code: str, reason: str) -> None:
        self.send_message(messages.Closed(code, reason))

    async def close(self) -> None:
        self._closed = True
        self._alarm.set(None)
        self._tell_settled()
        await self._working.cancel()
        for generation in list(self._peers):
            self._close_peer(generation)
        await self._ending.finish()
