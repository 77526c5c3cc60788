"""A presenter's connection to the host: how it is made, doubted, replaced, and what is said again by another path.

    hello ⇄ welcome: a session, usable at once by signaling → offer → channels open: the same session, directly as well

The session lives longer than any of its paths. The server may go and come back, and generations of peer connections
replace each other (`Generations`); each is only a path to the session. A new session is made when the host does not
know this one, or when no path has answered for three seconds. In the second case the session is only doubted: if it
answers after all, it goes on (protocol/control.md §6).

Sans-I/O. Report what happens and drain `next_effect` after each report; call `handle_timer` at `get_timer`. What needs
randomness or cryptography of its own takes two steps: `CreateHandshake` … `handshake_created`, `ReadWelcome` …
`welcome_read`, `CreateOffer` … `offer_created`.

`web/src/protocol/connection.ts` is this file's twin; protocol/vectors/connection.json is for both.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from slidewire.control import messages
from slidewire.control.effects import (
    CheckServer,
    ConnectionClosed,
    CreateHandshake,
    Effect,
    PathChanged,
    PathLost,
    PrivacyTightened,
    ReadWelcome,
    SendByPeer,
    SendBySignaling,
    ServersRefused,
    SessionBegan,
    StateChanged,
)
from slidewire.control.generations import (
    Generations,
    Rules,
    answers_within,
)
from slidewire.control.handshake import REPEAT_HELLO, PresenterHandshake, Welcome, session_name
from slidewire.control.intents import Intent, Point
from slidewire.control.paths import LIVE_FOR, Channel, PathKind
from slidewire.control.presenter_session import (
    TIME_TO_LIVE,
    LaserAnswered,
    PathSilent,
    PresenterSession,
    ReceiptArrived,
    StateVersion,
)
from slidewire.control.presenter_session import Effect as SessionEffect
from slidewire.control.privacy import Privacy, permit_servers, stricter
from slidewire.control.seal import NO_SESSION, SEALED, WELCOME, peek_session
from slidewire.control.sealed_session import MessageArrived, PictureArrived, Transmit
from slidewire.control.state import apply, read_state

SIGNALING: Final = PathKind.SIGNALING.value
"""The name of the path through the server."""
LOOK_EVERY: Final = 0.5
"""Seconds after which everything is looked at when nothing happens: silence has no event."""
SLEPT: Final = 3.0
"""Nothing ran for so many seconds: the device was asleep."""
ASK_AGAIN: Final = 1.0
"""Seconds before a state that did not come is asked for again."""
HELLO_PATIENCE: Final = 4.0
"""Seconds that a host may leave a hello unanswered before another host is asked."""
SERVER_SILENT_AFTER: Final = 1.5
"""Seconds without a PONG through the server after which its socket is checked: it may have died without a sign."""
MOST_UNREAD: Final = 256
"""Messages that are kept while a welcome is read. What is more is dropped, as if it had been lost."""


@dataclass(frozen=True, slots=True)
class HostEntry:
    """A host of the room, in the order in which the server lists them."""

    member: str
    is_away: bool = False


@dataclass(slots=True, eq=False)
class _Attempt:
    """One handshake with one host, until its session is adopted or not needed."""

    host: str
    since: float
    is_doubt: bool
    """The session is only silent: nothing says that it is over."""
    request: CreateHandshake | None = None
    handshake: PresenterHandshake | None = field(default=None, repr=False)
    asked: float | None = None
    """When the hello was sent first."""
    welcome: Welcome | None = field(default=None, repr=False)
    """It came while the session is in doubt."""
    adopt_at: float = float("inf")


class Connection:
    """A presenter's end of everything between it and the host. `now` is in seconds of one monotonic clock."""

    def __init__(
        self,
        own_host: str,
        random: Callable[[], float],
        *,
        privacy: Privacy = Privacy.OPEN,
        makes_offers: bool = True,
    ) -> None:
        """`own_host`: the signaling server's, whose STUN and TURN servers may be used. `random`: a number from 0 up to
        1. `privacy`: what this end wants at least; the room's own may be stricter."""
        self.session: PresenterSession | None = None
        self.target: str | None = None
        """The member that frames by signaling go to."""
        self._privacy_wanted = privacy
        self.network = ""
        """Where this end is, in the server's word for it."""
        self.generations = Generations(self._rules, random, makes_offers)
        self._own_host = own_host
        self._privacy_of_room = Privacy.OPEN
        self._ice_servers: Sequence[object] = ()
        self._ice_hosts: tuple[str, ...] = ()
        """Whose servers may be used besides, as the host says."""
        self._is_member = False
        self._hosts: Sequence[HostEntry] = ()
        self._host_turn = 0
        self._first: tuple[PresenterHandshake, float] | None = None
        """Made before there is a place in the room, and when."""
        self._attempt: _Attempt | None = None
        self._next_hello = float("-inf")
        self._reading: ReadWelcome | None = None
        self._unread: deque[tuple[bytes, str]] = deque()
        self._state: messages.StateMessage | None = None
        """The host's, as it was told last: always whole."""
        self._asked_for_state = float("-inf")
        self._was_live = True
        self._reported: PathKind | None = None
        self._now = float("-inf")
        self._looked: float | None = None
        self._is_over = False
        self._counts: Counter[str] = Counter()
        self._effects: deque[Effect] = deque()

    @property
    def counts(self) -> Counter[str]:
        """How often something came that was not obeyed, by a stable name for each kind (docs/design/security.md)."""
        return self._counts + (self.session.wire.counts if self.session is not None else Counter())

    @property
    def is_shaking_hands(self) -> bool:
        return self._attempt is not None

    @property
    def held_version(self) -> int:
        """Of the host's state; 0: nothing was told yet."""
        return 0 if self._state is None else self._state.version

    # What the user does

    def submit(self, intent: Intent, now: float, time_to_live: float = TIME_TO_LIVE) -> int | None:
        """The intent's sequence number in this session; None while there is no session."""
        self._now = now
        return None if self.session is None else self.session.submit(intent, now, time_to_live)

    def point(self, points: Sequence[Point], now: float) -> int | None:
        self._now = now
        return None if self.session is None else self.session.point(points, now)

    def send_message(self, message: messages.FromPresenter, now: float) -> bool:
        """False: there is no way to send it now, and it is not kept."""
        self._now = now
        return self.session is not None and self.session.send_message(message, now)

    # What the device does

    def start(self, handshake: PresenterHandshake, now: float) -> None:
        """`handshake`: the first, made before there is a place in the room. Its hello goes along with `join`."""
        self._happens(now)
        self._first = handshake, now

    def wake(self, now: float, *, is_new_network: bool = False) -> None:
        """The device slept, or its network changed: find out at once what is alive, and replace the rest."""
        self._happens(now)
        self.generations.wake(now)
        if self.session is not None:
            self._effects.append(CheckServer())
            self.session.check_paths(now)
        if is_new_network:
            self.generations.build(now)

    def set_privacy(self, wanted: Privacy, now: float) -> None:
        """What this end wants at least, from now on."""
        self._happens(now)
        before, self._privacy_wanted = self._privacy_wanted, wanted
        if wanted is before:
            return
        if stricter(wanted, before) is wanted:
            self._effects.append(PrivacyTightened())
            self.generations.restart(now)
            self._say_again(now)  # what went by the connections that are gone
        else:
            self.generations.build(now)  # beside the one that carries, which stays until the new one does

    def close(self, now: float) -> None:
        """It is over. What is outstanding gets its receipts."""
        self._happens(now)
        if self._is_over:
            return
        self._is_over = True
        self._abandon(now)
        self.generations.close()

    # What the server says

    def joined(self, hosts: Sequence[HostEntry], ice_servers: Sequence[object], network: str, now: float) -> None:
        """There is a place in the room, for the first time or again."""
        self._happens(now)
        self._is_member, self._hosts = True, hosts
        self._ice_servers, self.network = ice_servers, network
        if self.target not in [host.member for host in hosts]:
            self.target = None
        self._signaling_up(now)
        self._say_again(now)
        self._ensure_session(now)

    def hosts_changed(self, hosts: Sequence[HostEntry], now: float) -> None:
        self._happens(now)
        self._is_member, self._hosts = True, hosts
        self._ensure_session(now)

    def ice_servers_changed(self, ice_servers: Sequence[object]) -> None:
        """For the next generation: the end of a credential does not end what was allocated with it."""
        self._ice_servers = ice_servers

    def server_lost(self, now: float) -> None:
        self._happens(now)
        self._is_member = False
        if self.session is not None:
            self.session.path_down(SIGNALING)
        self._ensure_session(now)

    # Receiving

    def receive_signaling(self, data: bytes, member: str, now: float) -> None:
        """What the server says came from this member."""
        self._happens(now)
        if self._is_over:
            return
        if self._reading is not None:  # what comes behind a welcome may belong to its session
            if len(self._unread) < MOST_UNREAD:
                self._unread.append((data, member))
            return
        kind, session = data[0] if data else None, self.session
        if member != self.target:
            self._counts["not_from_our_host"] += 1
        elif kind == WELCOME:
            self._receive_welcome(data)
        elif kind == SEALED and session is not None:
            session.receive_frame(data, SIGNALING, now)
            self._end_doubt(now)
        elif kind == NO_SESSION and session is not None and peek_session(data) == session.wire.session:
            self._receive_hint(now)
        else:
            self._counts["not_for_us"] += 1

    def receive_peer(self, data: bytes, generation: int, channel: Channel, now: float) -> None:
        """What came by a data channel."""
        self._happens(now)
        if self.session is not None and not self._is_over:
            self.session.receive_frame(data, self.generations.path_name(generation, channel), now)
            self._end_doubt(now)

    def _receive_hint(self, now: float) -> None:
        """The host does not know the session. That is not sealed, so anyone may have written it: a host that answers
        by a data channel contradicts it."""
        if self.generations.is_fresh(now):
            self._counts["hint_contradicted"] += 1
            return
        self._counts["hint_believed"] += 1
        attempt = self._attempt
        if attempt is None:
            self._shake_hands(now, is_doubt=False)
        else:
            attempt.is_doubt = False
            if attempt.welcome is not None:
                self._adopt(attempt, attempt.welcome, now)

    # Peer connections

    def offer_created(self, generation: int, sdp: str, now: float) -> None:
        self._happens(now)
        self.generations.offer_created(generation, sdp, now)

    def candidate_found(self, generation: int, candidate: messages.IceCandidate | None, now: float) -> None:
        self._happens(now)
        self.generations.candidate_found(generation, candidate, now)

    def channel_opened(self, generation: int, channel: Channel, is_relayed: bool, now: float) -> None:
        self._happens(now)
        self.generations.channel_opened(generation, channel, is_relayed, now)

    def peer_failed(self, generation: int, now: float) -> None:
        self._happens(now)
        self.generations.peer_failed(generation, now)

    def _rules(self) -> Rules:
        permitted, refused = permit_servers(self._ice_servers, (self._own_host, *self._ice_hosts))
        if refused:
            self._counts["ice_server_refused"] += len(refused)
            self._effects.append(ServersRefused(len(refused)))
        privacy = stricter(self._privacy_wanted, self._privacy_of_room)
        return Rules(tuple(permitted), privacy, self._privacy_wanted, self.network)

    # The host, and the handshake with it

    def _route(self, now: float) -> None:
        """Choose the host: the first that is present, unless the one we have still answers."""
        present = [host for host in self._hosts if not host.is_away]
        current = next((host for host in self._hosts if host.member == self.target), None)
        attempt = self._attempt
        is_unanswered = attempt is not None and now - attempt.since > HELLO_PATIENCE and len(present) > 1
        is_here = current is not None and (not current.is_away or not present or self.generations.is_fresh(now))
        if is_here and not is_unanswered:
            return
        self._host_turn += is_unanswered
        chosen = present[self._host_turn % len(present)].member if present else None
        if chosen != self.target:
            self.target, self._attempt = chosen, None
            self._signaling_up(now)

    def _signaling_up(self, now: float) -> None:
        """The host may be the same under a new name. If it is another, it answers that it does not know the session."""
        if self.session is None:
            return
        if self.target is not None and self._is_member:
            self.session.path_up(SIGNALING, PathKind.SIGNALING, now)
        else:
            self.session.path_down(SIGNALING)

    def _ensure_session(self, now: float) -> None:
        """See to it that there is a session that answers, or a handshake for one."""
        if self._is_over:
            return
        self._end_doubt(now)
        is_answering = self._is_answering(now)  # before a path comes up that is too young to be judged
        self._route(now)
        attempt = self._attempt
        if not self._is_member or self.target is None:
            self._attempt = None
        elif attempt is None:
            if not is_answering:
                self._shake_hands(now, is_doubt=True)
        elif attempt.welcome is None:
            self._send_hello(attempt, now)

    def _is_answering(self, now: float) -> bool:
        """Whether any path has answered within three seconds, or is too young to be judged."""
        if self.session is None:
            return False
        signaling = self.session.wire.paths.get(SIGNALING)
        paths = [*self.generations.control_paths(), *([signaling] if signaling is not None else [])]
        heard = [path.up_since if path.last_pong is None else path.last_pong for path in paths]
        return max(heard, default=float("-inf")) > now - LIVE_FOR

    def _shake_hands(self, now: float, is_doubt: bool) -> None:
        if self.target is None or not self._is_member:
            return
        attempt = self._attempt = _Attempt(self.target, now, is_doubt)
        if self._first is not None:  # its hello went along with `join`
            attempt.handshake, attempt.asked = self._first
            self._first = None
            self._next_hello = now + REPEAT_HELLO
            return
        attempt.request = CreateHandshake("" if self.session is None else session_name(self.session.wire))
        self._effects.append(attempt.request)
        if self.session is not None:
            self._effects.append(CheckServer())  # the host is silent, or the socket is dead: find out which

    def handshake_created(self, request: CreateHandshake, handshake: PresenterHandshake, now: float) -> None:
        self._happens(now)
        attempt = self._attempt
        if attempt is not None and attempt.request is request:
            attempt.handshake = handshake
            self._send_hello(attempt, now)

    def _send_hello(self, attempt: _Attempt, now: float) -> None:
        """At most one each second, also if the server provokes handshakes: it could wait for words that suit it."""
        if attempt.handshake is None or now < self._next_hello:
            return
        self._next_hello = now + REPEAT_HELLO
        attempt.asked = now if attempt.asked is None else attempt.asked
        self._effects.append(SendBySignaling(attempt.host, attempt.handshake.hello))

    def _receive_welcome(self, data: bytes) -> None:
        if self._attempt is None or self._attempt.handshake is None:
            self._counts["welcome_not_ours"] += 1
            return
        self._reading = ReadWelcome(self._attempt.handshake, data)
        self._effects.append(self._reading)

    def welcome_read(self, request: ReadWelcome, welcome: Welcome | None, now: float) -> None:
        """`welcome` None: the host of this handshake did not write it."""
        self._happens(now)
        if request is not self._reading:
            return
        self._reading = None
        self._settle(request.handshake, welcome, now)
        while self._unread and self._reading is None:
            self.receive_signaling(*self._unread.popleft(), now)

    def _settle(self, handshake: PresenterHandshake, welcome: Welcome | None, now: float) -> None:
        attempt = self._attempt
        if welcome is None or attempt is None or attempt.handshake is not handshake:
            self._counts["welcome_not_ours"] += 1
        elif self.session is None or not attempt.is_doubt:
            self._adopt(attempt, welcome, now)
        else:
            # A host that slept answers what came first, our hello. What it says to the old session follows.
            self.session.check_paths(now)
            signaling = self.session.wire.paths.get(SIGNALING)
            attempt.welcome = welcome
            attempt.adopt_at = now + answers_within(None if signaling is None else signaling.round_trip)

    def _end_doubt(self, now: float) -> None:
        """The session goes on if it has answered since it was doubted. If not, it had its chance after the welcome."""
        attempt = self._attempt
        if attempt is None or not attempt.is_doubt or self.session is None:
            return
        best = self.session.wire.paths.best(now)
        if best is not None and best.last_pong is not None and best.last_pong >= attempt.since:
            self._attempt = None
        elif attempt.welcome is not None and now >= attempt.adopt_at:
            self._adopt(attempt, attempt.welcome, now)

    def _adopt(self, attempt: _Attempt, welcome: Welcome, now: float) -> None:
        assert attempt.handshake is not None
        self._attempt = None
        self.generations.close()
        self._abandon(now)
        if self.session is not None:
            self._counts += self.session.wire.counts
        self.session = attempt.handshake.session(welcome, now, now if attempt.asked is None else attempt.asked)
        self.generations.session = self.session
        self._privacy_of_room = welcome.privacy
        self._ice_hosts = welcome.ice_hosts
        self._state, self._asked_for_state = None, float("-inf")
        self._effects.append(SessionBegan(welcome.role))
        self._signaling_up(now)
        self.generations.build(now)

    def _abandon(self, now: float) -> None:
        """Nothing unanswered is ever replayed."""
        if (session := self.session) is None:
            return
        session.abandon(now)
        while (effect := session.next_effect()) is not None:
            self._obey(effect, now)

    # Time

    def handle_timer(self, now: float) -> None:
        has_slept = self._looked is not None and now - self._looked > SLEPT
        self._looked = now
        if has_slept:
            self.wake(now)
        self._happens(now)
        if self._is_over:
            return
        if self.session is not None:
            self.session.handle_timer(now)
            signaling = self.session.wire.paths.get(SIGNALING)
            last = None if signaling is None else signaling.last_pong
            if last is not None and now - last > SERVER_SILENT_AFTER:
                self._effects.append(CheckServer())
        self._ensure_session(now)
        self.generations.handle_timer(now)

    def get_timer(self) -> float | None:
        if self._is_over or self._looked is None:
            return None
        moments = [self._looked + LOOK_EVERY]
        if self.session is not None and (timer := self.session.get_timer()) is not None:
            moments.append(timer)
        if (timer := self.generations.get_timer()) is not None:
            moments.append(timer)
        if self._attempt is not None:
            moments.append(self._attempt.adopt_at)
            if self._attempt.handshake is not None and self._attempt.welcome is None:
                moments.append(self._next_hello)
        return min(moments)

    def _happens(self, now: float) -> None:
        self._now = now
        if self._looked is None:
            self._looked = now

    # Effects

    def next_effect(self) -> Effect | None:
        """What is to be done next; call until None."""
        while True:
            if self._effects:
                return self._effects.popleft()
            if (of_peers := self.generations.next_effect()) is not None:
                return of_peers
            if self._is_over or self.session is None:
                return None
            effect = self.session.next_effect()
            if effect is not None:
                self._obey(effect, self._now)
            elif not self._report(self.session, self._now):
                return None

    def _obey(self, effect: SessionEffect, now: float) -> None:
        match effect:
            case Transmit(path, data) if path == SIGNALING:
                if self.target is not None:
                    self._effects.append(SendBySignaling(self.target, data))
            case Transmit(path, data):
                kind, _, generation = path.partition("/")
                channel = Channel.BULK if kind == PathKind.BULK else Channel.CONTROL
                self._effects.append(SendByPeer(int(generation), channel, data))
            case StateVersion(version):
                if version != self.held_version:
                    self._ask_for_state(now)
            case PathSilent(path):
                self._path_silent(path, now)
            case MessageArrived(message):
                self._receive_message(effect, message, now)
            case ReceiptArrived() | LaserAnswered() | PictureArrived():
                self._effects.append(effect)

    def _receive_message(self, effect: MessageArrived, message: messages.Received, now: float) -> None:
        if self.generations.receive_message(message, now):
            return
        match message:
            case messages.StateMessage():
                self._receive_state(message, now)
            case messages.LaserMoved(at) if self._state is not None:
                self._receive_state(replace(self._state, laser=at), now)
            case messages.Closed(code, reason):
                self.close(now)  # another handshake would only be answered the same
                self._effects.append(ConnectionClosed(code, reason))
            case _:
                self._effects.append(effect)

    def _receive_state(self, message: messages.StateMessage, now: float) -> None:
        held = apply(self._state, message)
        state = None if held is None else read_state(held)
        if state is None:
            self._ask_for_state(now)
        else:
            self._state = held
            self._effects.append(StateChanged(state))

    def _ask_for_state(self, now: float) -> None:
        if self.session is not None and now - self._asked_for_state > ASK_AGAIN:
            self._asked_for_state = now
            self.session.send_message(messages.GetState(), now)

    # Paths that die

    def _path_silent(self, name: str, now: float) -> None:
        """A live path took an intent and did not answer, or answers no PING: look for another beside it at once."""
        assert self.session is not None
        if name == SIGNALING:
            self._effects.append(CheckServer(is_silent=True))
        else:
            # Both channels of a peer live and die together, but only one carries intents and is found out by them.
            bulk = self.session.wire.paths.get(f"{PathKind.BULK.value}/{name.partition('/')[2]}")
            if bulk is not None and bulk.is_silent:
                return
            if bulk is not None:
                bulk.is_silent = True
        self.generations.ensure(now)
        self._say_again(now)

    def _say_again(self, now: float) -> None:
        """What may have been lost with a path, by another."""
        if self.session is None or not self._is_live(self.session, now):
            return
        self.generations.offer_again(now)
        self._asked_for_state = float("-inf")
        self._ask_for_state(now)
        self._effects.append(PathLost())

    def _is_live(self, session: PresenterSession, now: float) -> bool:
        """Whether any path answers, or is too young to be judged."""
        return any(path.is_live(now) for path in session.wire.paths.control(now))

    def _report(self, session: PresenterSession, now: float) -> bool:
        """Whether something is new: the best path is of another kind, or there is a live path again."""
        was_live, self._was_live = self._was_live, self._is_live(session, now)
        if self._was_live and not was_live:
            self._say_again(now)
        best = session.wire.paths.best(now)
        kind = None if best is None else best.kind
        has_changed, self._reported = kind is not self._reported, kind
        if has_changed:
            self._effects.append(PathChanged(kind))
        return has_changed or (self._was_live and not was_live)
