"""The presenter's end of the control session: a tap goes out on every path until it is answered.

    submit(intent) -> INTENT on every live path, again on a schedule until ACK or RECEIPT
    RECEIPT        -> ReceiptArrived, once
    nothing        -> `unknown` 1.5 s after the deadline, or `expired` if no path ever took it

Feed `receive_frame`, `handle_timer`, `path_up` and `path_down`; drain `next_effect` after each; call `handle_timer`
again at `get_timer`. protocol/control.md §5 is what this file obeys.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from slidewire.base.rates import Bucket, Rate
from slidewire.control import messages
from slidewire.control.host_clock import HostClock
from slidewire.control.intents import Intent, Point, Reason, Status
from slidewire.control.introduction import Introduction, commitment
from slidewire.control.noise import TransportKeys
from slidewire.control.paths import Path, PathKind
from slidewire.control.records import (
    Ack,
    IntentRecord,
    IntroductionAck,
    IntroductionRecord,
    Laser,
    LaserReceipt,
    Part,
    Pong,
    Receipt,
    WindowBase,
)
from slidewire.control.sas import short_authentication_string
from slidewire.control.sealed_session import (
    MessageArrived,
    PictureArrived,
    SealedSession,
    Transmit,
)

TIME_TO_LIVE = 2.0
UNKNOWN_AFTER = 1.5
LASER_TIME_TO_LIVE = 0.5
WELCOME_AGES = 1.0
"""Seconds after its hello at which a welcome may be an old one, repeated or kept: the deadlines that follow from its
clock may be long past. Intents then wait for the first PONG, which is a round trip."""
INTENTS_PER_FRAME = 32
SECOND_COPY = 10
"""Milliseconds after the first sending."""
THIRD_COPY = 100
"""Or when an answer should have come, if that is sooner; from there to that moment at twice the time each."""
DOUBT_MARGIN = 15
"""After the round trip an answer should have come. From then on something is lost, and copies follow densely."""
DOUBT_WHERE_MUCH_IS_LOST = 20
COPY_EVERY = 10
COPIES_FOR = 200
RARELY = 100
ASK_EVERY = 250
"""Once it is acknowledged, in case the receipt is lost."""
STREAM_AGAIN = 0.500
"""A stream does not lose what it was given, unless its carrier does."""
COPIES = Rate(per_second=12.5, burst=60)
"""Frames of copies into one stream, which is forwarded by a server that bounds what one presenter says. Faster taps
than that needs none: what follows a tap is the next one."""
RIDES_ALONG_AFTER = 0.010
"""An unacknowledged intent rides along in a frame that another one caused, if it was last sent this long ago."""


@dataclass(frozen=True, slots=True)
class ReceiptArrived:
    """What became of one intent. Every submitted intent gets exactly one."""

    sequence: int
    intent: Intent
    status: Status
    before: int | None
    after: int | None
    reason: Reason
    elapsed: float
    """Seconds from `submit` to here."""
    path: str | None
    """The path the receipt came by; None when none came."""


@dataclass(frozen=True, slots=True)
class LaserAnswered:
    sequence: int
    status: Status
    reason: Reason


@dataclass(frozen=True, slots=True)
class StateVersion:
    """The host's state is at this version: if the newest state held is another, ask with `get_state`."""

    version: int


@dataclass(frozen=True, slots=True)
class PathSilent:
    """A path that was live is not any more. What is up goes on being used, but its owner should look for another."""

    path: str


Effect = Transmit | ReceiptArrived | LaserAnswered | MessageArrived | PictureArrived | StateVersion | PathSilent


@dataclass(slots=True)
class _Outstanding:
    intent: Intent
    submitted: float
    expires: float
    deadline: int = 0
    """In the host's session clock, as it was known when this was sent first."""
    doubt_after: int = 0
    """Milliseconds after the first sending at which an answer should have come."""
    due: float = float("-inf")
    """When it is to be sent again."""
    first_sent: float | None = None
    last_sent: float = float("-inf")
    acknowledged: bool = False
    in_stream: dict[str, float] = field(default_factory=dict)
    """When it last went into which stream."""

    @property
    def ends(self) -> float:
        """When it is given up."""
        return self.expires if self.first_sent is None else self.expires + UNKNOWN_AFTER

    def next_event(self) -> float:
        return self.ends if self.first_sent is None else min(self.due, self.ends)

    def acknowledge(self, now: float) -> None:
        if not self.acknowledged:
            self.acknowledged, self.due = True, now + ASK_EVERY / 1000

    def may_go(self, now: float) -> bool:
        """Its own repetition is due, or it may ride along with another intent's."""
        if self.first_sent is None or self.due <= now:
            return now < self.ends
        return not self.acknowledged and now - self.last_sent >= RIDES_ALONG_AFTER

    def may_enter(self, path: Path, now: float, has_others: bool) -> bool:
        """Whether it goes by this path, now that it may go."""
        if not path.kind.is_stream or not has_others:  # a stream learns what it lost from what follows
            return True
        return self.is_new_to(path) or now - self.in_stream[path.name] >= STREAM_AGAIN

    def is_new_to(self, stream: Path) -> bool:
        return self.in_stream.get(stream.name, float("-inf")) < stream.up_since

    def sent(self, paths: Iterable[Path], now: float) -> None:
        """It went out. Riding along in a frame that another intent caused uses up no repetition of its own."""
        if self.first_sent is None:
            self.first_sent = self.due = now
        self.last_sent = now
        self.in_stream.update((path.name, now) for path in paths if path.kind.is_stream)
        self.skip(now)

    def skip(self, now: float) -> None:
        """Repetitions that were due by now are not made up for: without a path there is nothing to do about them."""
        while self.first_sent is not None and self.due <= now:
            self.due = self.first_sent + self._next_after(round((self.due - self.first_sent) * 1000)) / 1000

    def _next_after(self, after: int) -> int:
        """The sending that follows the one so many milliseconds after the first."""
        if self.acknowledged:
            return after + ASK_EVERY
        if after < SECOND_COPY:
            return SECOND_COPY
        if after < self.doubt_after:
            return min(self.doubt_after, max(2 * after, THIRD_COPY))
        return after + (COPY_EVERY if after < self.doubt_after + COPIES_FOR else RARELY)


class PresenterSession:
    """One session with one host, from a finished handshake on. `now` is in seconds of one monotonic clock."""

    def __init__(
        self,
        session: int,
        keys: TransportKeys,
        host_clock: int,
        now: float,
        introduction: Introduction,
        committed: bytes,
        asked: float,
    ) -> None:
        """`introduction` is what the host is told of us; `committed` is what the host's nonce has to open; `asked` is
        when the hello was sent first."""
        self.wire = SealedSession(session, keys, epoch=None)
        self.wire.introduction = IntroductionRecord(introduction.encode())
        self.sas: str | None = None
        """The verification words; None until the host has answered the introduction, and where its part is false."""
        self._nonce = introduction.nonce
        self._committed = committed
        self._host_clock = HostClock(host_clock, now)
        self._knows_clock = now - asked <= WELCOME_AGES
        self._next_sequence = 1
        self._outstanding: dict[int, _Outstanding] = {}
        self._copies: dict[str, Bucket] = {}
        """What each stream may still get of them."""
        self._laser_sequence = 0
        self._effects: deque[Effect] = deque()

    # What the user does

    def submit(self, intent: Intent, now: float, time_to_live: float = TIME_TO_LIVE) -> int:
        """Send an intent; its sequence number. It expires `time_to_live` seconds from now."""
        sequence = self._next_sequence
        self._next_sequence += 1
        self._outstanding[sequence] = _Outstanding(intent, now, now + time_to_live)
        self._send_intents(now)
        return sequence

    def point(self, points: Sequence[Point], now: float) -> int:
        """Move the laser: the last few positions, oldest first; none to switch it off."""
        self._laser_sequence += 1
        deadline = self._deadline(now, LASER_TIME_TO_LIVE)
        self.wire.send(Laser(self._laser_sequence, deadline, tuple(points)), self.wire.paths.control(now))
        return self._laser_sequence

    def send_message(self, message: messages.FromPresenter, now: float) -> bool:
        """False: no path carries messages now, and the message is not kept."""
        return self.wire.send_message(message, now)

    @property
    def outstanding(self) -> int:
        return len(self._outstanding)

    def abandon(self, now: float) -> None:
        """The session is over (a new handshake replaced it): nothing that is unanswered is ever replayed."""
        for sequence in list(self._outstanding):
            self._give_up(sequence, now)

    # What the world does

    def path_up(self, name: str, kind: PathKind, now: float) -> None:
        self.wire.path_up(name, kind, now)
        self.wire.send_due_pings(now)
        self._send_intents(now)

    def path_down(self, name: str) -> None:
        self.wire.path_down(name)

    def check_paths(self, now: float) -> None:
        self.wire.paths.ping_now(now)
        self.wire.send_due_pings(now)

    def receive_frame(self, data: bytes, path: str, now: float) -> None:
        records = self.wire.open(data)
        if records is None:
            return
        by = self.wire.paths.get(path)
        was_dead = by is not None and not by.is_live(now)
        self.wire.hear(records, path, now)
        if was_dead and by is not None and by.is_live(now):
            self._send_intents(now)  # it carries again: what it swallowed need not wait for its repetition
        for record in records:
            match record:
                case IntroductionAck(nonce) if self.wire.introduction is not None:
                    self.wire.introduction = None
                    if commitment(nonce) == self._committed:
                        self.sas = short_authentication_string(self.wire.handshake_hash, self._nonce, nonce)
                    else:
                        self.wire.counts["words_false"] += 1
                case Pong(stamp, clock, version):
                    self._host_clock.learn(clock, stamp, now)
                    if not self._knows_clock:
                        self._knows_clock = True
                        self._send_intents(now)
                    self._effects.append(StateVersion(version))
                case Ack(sequence):
                    if (waiting := self._outstanding.get(sequence)) is not None:
                        waiting.acknowledge(now)
                case Receipt(sequence, status, before, after, reason):
                    self._settle(sequence, status, before, after, reason, path, now)
                case LaserReceipt(sequence, status, reason):
                    self._effects.append(LaserAnswered(sequence, status, reason))
                case Part():
                    if (arrived := self.wire.assemble(record)) is not None:
                        self._effects.append(arrived)
                case _:
                    pass  # what only a host is told
        self._judge_paths(now)

    def handle_timer(self, now: float) -> None:
        self._judge_paths(now)
        self.wire.send_due_pings(now)
        resend = False
        for sequence, waiting in list(self._outstanding.items()):
            if waiting.next_event() > now:
                continue
            if now >= waiting.ends:
                self._give_up(sequence, now)
            else:
                resend = True
        if resend:
            self._send_intents(now)

    def get_timer(self) -> float | None:
        moments = [waiting.next_event() for waiting in self._outstanding.values()]
        if (ping := self.wire.paths.next_event()) is not None:
            moments.append(ping)
        return min(moments, default=None)

    def next_effect(self) -> Effect | None:
        if self._effects:
            return self._effects.popleft()
        return self.wire.next_frame()

    # Inside

    def _deadline(self, now: float, time_to_live: float) -> int:
        return (self._host_clock.read(now) + round(time_to_live * 1000)) & 0xFFFFFFFF

    def _judge_paths(self, now: float) -> None:
        self._effects.extend(PathSilent(path.name) for path in self.wire.paths.died(now))

    def _doubt_after(self, now: float) -> int:
        if self.wire.paths.loses(now):
            return DOUBT_WHERE_MUCH_IS_LOST
        round_trip = self.wire.paths.round_trip(now)
        return THIRD_COPY if round_trip is None else math.ceil(round_trip * 1000) + DOUBT_MARGIN

    def _send_intents(self, now: float) -> None:
        """Every intent that needs sending, in as few frames as carry them: a lost packet's intents ride in the next."""
        due = [(sequence, waiting) for sequence, waiting in self._outstanding.items() if waiting.may_go(now)]
        paths = self.wire.paths.control(now) if self._knows_clock else []
        if not due or not paths:
            for _, waiting in due:
                waiting.skip(now)
            return
        has_others = any(not path.kind.is_stream for path in paths)
        floor = WindowBase(min(self._outstanding))
        for start in range(0, len(due), INTENTS_PER_FRAME):
            told: set[str] = set()
            together = due[start : start + INTENTS_PER_FRAME]
            full = {path.name for path in paths if not self._may_follow(path, together, now, has_others)}
            for sequence, waiting in together:
                if waiting.first_sent is None:
                    waiting.deadline = self._deadline(now, waiting.expires - now)
                    waiting.doubt_after = self._doubt_after(now)
                by = [path for path in paths if path.name not in full and waiting.may_enter(path, now, has_others)]
                waiting.sent(by, now)
                for path in by:
                    path.sent_intent(now)
                    self.wire.send(IntentRecord(sequence, waiting.deadline, waiting.intent), [path])
                    if path.name not in told:
                        told.add(path.name)
                        self.wire.send(floor, [path])
            self.wire.end_frame()

    def _may_follow(
        self, path: Path, together: Sequence[tuple[int, _Outstanding]], now: float, has_others: bool
    ) -> bool:
        """Whether a frame with these may go by the path: anything new may, and so many copies."""
        if not path.kind.is_stream:
            return True
        entering = [waiting for _, waiting in together if waiting.may_enter(path, now, has_others)]
        if not entering or any(waiting.is_new_to(path) for waiting in entering):
            return True
        return self._copies.setdefault(path.name, Bucket(COPIES)).take(now) == 0

    def _give_up(self, sequence: int, now: float) -> None:
        """Never sent: it cannot have happened. Sent, and silence ever since: it cannot be known here."""
        was_sent = self._outstanding[sequence].first_sent is not None
        status, reason = (Status.UNKNOWN, Reason.NONE) if was_sent else (Status.EXPIRED, Reason.LATE)
        self._settle(sequence, status, None, None, reason, None, now)

    def _settle(
        self,
        sequence: int,
        status: Status,
        before: int | None,
        after: int | None,
        reason: Reason,
        path: str | None,
        now: float,
    ) -> None:
        waiting = self._outstanding.pop(sequence, None)
        if waiting is not None:  # else the answer to another copy
            self._effects.append(
                ReceiptArrived(sequence, waiting.intent, status, before, after, reason, now - waiting.submitted, path)
            )
