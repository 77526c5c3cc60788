"""The host's end of the control session: every intent performed at most once, in order, and never late.

    INTENT         -> Perform, when all before it are settled; ACK to a copy that comes before it is
    settle()       -> RECEIPT by the path it came by and the best other, twice; again for every further copy
    LASER          -> Pointed, if it is newer than the last
    settle_laser() -> LASER_RECEIPT by the path it came by

The session decides order, repetition and expiry. Whether the presenter may, and what the deck does, is decided by the
owner, which answers with `settle`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from slidewire.control import messages
from slidewire.control.host_clock import serial_difference
from slidewire.control.intents import Intent, Outcome, Point, Reason, Role, Status
from slidewire.control.introduction import Introduction, read_introduction
from slidewire.control.noise import TransportKeys
from slidewire.control.parts import JSON_STREAM, PRESENTER_MESSAGE_BYTES
from slidewire.control.paths import Path, PathKind
from slidewire.control.quotas import Request, SessionQuotas
from slidewire.control.records import (
    Ack,
    IntentRecord,
    IntroductionAck,
    IntroductionRecord,
    Laser,
    LaserReceipt,
    Part,
    Receipt,
    Record,
    UnknownIntent,
    UnknownRecord,
    Unsupported,
    WindowBase,
)
from slidewire.control.sas import short_authentication_string
from slidewire.control.sealed_session import MessageArrived, PictureArrived, SealedSession, Transmit

AHEAD = 1024
"""How far beyond the next expected intent a sequence may lie."""
RECEIPTS_KEPT = 2048
ANSWERS_COPIES_AFTER = 0.005
"""A copy of an intent is answered, unless its receipt went out by the same path this short a time ago."""
RECEIPT_AGAIN = 0.015
"""A receipt goes out twice: with a copy of its intent, or else after this."""


@dataclass(frozen=True, slots=True)
class Established:
    """The first sealed frame opened and says who it is from: from here on the presenter is proven."""

    introduction: Introduction


@dataclass(frozen=True, slots=True)
class IntroductionInvalid:
    """The first sealed frame does not open what the hello committed to: send this presenter away."""


@dataclass(frozen=True, slots=True)
class Perform:
    """It is this intent's turn. Ask `is_due` right before it is performed, and answer with `settle`."""

    sequence: int
    intent: Intent


@dataclass(frozen=True, slots=True)
class Pointed:
    """The laser moved through these points, oldest first; none: it was switched off. Answer with `settle_laser`."""

    sequence: int
    points: tuple[Point, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Flooding:
    """The presenter asks for far more than its quotas: send it away."""


Effect = Transmit | Established | IntroductionInvalid | Perform | Pointed | MessageArrived | PictureArrived | Flooding


@dataclass(slots=True)
class _Settled:
    receipt: Receipt
    came_by: str
    sent_by: dict[str, float] = field(default_factory=dict)
    """When it was last sent by which path."""


class HostSession:
    """One session with one presenter. `now` is in seconds of one monotonic clock, that counts while suspended."""

    def __init__(
        self, session: int, keys: TransportKeys, role: Role, now: float, nonce: bytes, committed: bytes
    ) -> None:
        """`nonce` is our own part in the verification words; `committed` is what the presenter's has to open."""
        self.wire = SealedSession(session, keys, now, PRESENTER_MESSAGE_BYTES, messages.read_from_presenter, 0)
        self.role = role
        self.is_withdrawn = False
        """The presenter was sent away: nothing of it that still waits anywhere is to be performed."""
        self.quotas = SessionQuotas()
        """What it may still ask. The owner gives it one that shares the pool of the link."""
        self.introduction: Introduction | None = None
        """Who the presenter is; None until it has proven itself."""
        self._nonce = nonce
        self._committed = committed
        self._pretended = False
        self._expected = 1
        self._floor = 1
        self._waiting: dict[int, IntentRecord | UnknownIntent] = {}
        self._came_by: dict[int, str] = {}
        self._performing: dict[int, IntentRecord] = {}
        self._settled: OrderedDict[int, _Settled] = OrderedDict()
        self._again: dict[int, float] = {}
        """When which receipt is to be sent a second time without being asked, the earliest first."""
        self._next_expiry = float("inf")
        """No deadline of an intent that waits is earlier."""
        self._laser_sequence = 0
        self._is_told_of_flood = False
        self._effects: deque[Effect] = deque()

    @property
    def established(self) -> bool:
        return self.introduction is not None

    @property
    def sas(self) -> str | None:
        """The verification words; None until the presenter is established."""
        if self.introduction is None:
            return None
        return short_authentication_string(self.wire.handshake_hash, self.introduction.nonce, self._nonce)

    # What the deck's owner does

    def is_due(self, sequence: int, now: float) -> bool:
        """Whether a `Perform` may still be performed. False: it grew too old in the queue."""
        record = self._performing.get(sequence)
        return record is not None and not self._is_late(record.deadline, now)

    def answered(self, sequence: int) -> Outcome | None:
        """The outcome an intent was answered with; None if it was not, or the receipt is forgotten."""
        settled = self._settled.get(sequence)
        if settled is None:
            return None
        receipt = settled.receipt
        return Outcome(receipt.status, receipt.before, receipt.after, receipt.reason)

    def settle(self, sequence: int, outcome: Outcome, now: float) -> None:
        """Say what became of an intent."""
        if self._performing.pop(sequence, None) is not None and not self.is_withdrawn:
            self._answer(sequence, outcome, now)
            self._advance(now)

    def settle_laser(self, sequence: int, reason: Reason, path: str) -> None:
        """Say whether the laser was moved (NONE), or why not."""
        status = Status.PERFORMED if reason is Reason.NONE else Status.REFUSED
        if (by := self.wire.paths.get(path)) is not None:
            self.wire.send(LaserReceipt(sequence, status, reason), [by])

    def withdraw(self) -> None:
        self.is_withdrawn = True

    def send_message(self, message: messages.FromHost, now: float) -> bool:
        """False: no path carries messages now, and the message is not kept."""
        return self.wire.send_message(message, now)

    # What the world does

    def path_up(self, name: str, kind: PathKind, now: float) -> None:
        self.wire.path_up(name, kind, now)
        if self.established:
            self.wire.send_due_pings(now)

    def path_down(self, name: str) -> None:
        self.wire.path_down(name)

    def receive_frame(self, data: bytes, path: str, now: float) -> bool:
        """Whether the frame opened: then it is the presenter's, by whatever path it came."""
        by = self.wire.paths.get(path)
        # A peer connection is this presenter's alone, and is charged for what does not open either. Through the server
        # any member of the room may send under this session's number.
        is_own = by is not None and by.kind is not PathKind.SIGNALING
        if is_own and not self.permits(Request.FRAME, now):
            return False
        records = self.wire.open(data)
        if records is None or not (is_own or self.permits(Request.FRAME, now)):
            return records is not None
        if self.introduction is None and not self._meet(records):
            return True
        self.wire.hear(records, path, now)
        # Of these, one of a frame counts, as each costs more than its few bytes: an introduction, also one that was
        # read before (our answer to it may have been lost), and the highest floor.
        if by is not None and any(isinstance(record, IntroductionRecord) for record in records):
            self.wire.send(IntroductionAck(self._nonce), [by])
        unknown = bytes({record.type: None for record in records if isinstance(record, UnknownRecord)})
        if by is not None and unknown:
            self.wire.send(Unsupported(unknown), [by])
        self._raise_window_base(
            max((record.sequence for record in records if isinstance(record, WindowBase)), default=0), now
        )
        for record in records:
            match record:
                case IntentRecord() | UnknownIntent():
                    self._receive_intent(record, path, now)
                case Laser():
                    self._receive_laser(record, path, now)
                case Part(stream=stream) if stream == JSON_STREAM:  # presenters have no pictures to send
                    self._receive_part(record, now)
                case _:
                    pass  # what only a presenter is told
        self._advance(now)
        return True

    def handle_timer(self, now: float) -> None:
        if self.established:
            self.wire.send_due_pings(now)
        if self._next_expiry <= now:
            self._expire_waiting(now)
        while self._again and next(iter(self._again.values())) <= now:
            settled = self._settled[next(iter(self._again))]
            by = self.wire.paths.answer(settled.came_by, now)
            self._send_receipt(settled, [path for path in by if not path.kind.is_stream], now)
        self._advance(now)

    def get_timer(self) -> float | None:
        moments = [next(iter(self._again.values()))] if self._again else []
        if self.established and (ping := self.wire.paths.next_event()) is not None:
            moments.append(ping)
        if self._waiting:
            moments.append(self._next_expiry)
        return min(moments, default=None)

    def next_effect(self) -> Effect | None:
        if self._effects:
            return self._effects.popleft()
        return self.wire.next_frame()

    def permits(self, request: Request, now: float, cost: float = 1.0) -> bool:
        """Whether something that this presenter asks for may be done; it is charged for it."""
        is_permitted = self.quotas.take(request, now, cost)
        if not is_permitted:
            self.wire.counts[request] += 1
        if self.quotas.is_flooding and not self._is_told_of_flood:
            self._is_told_of_flood = True
            self._effects.append(Flooding())
        return is_permitted

    def _receive_part(self, part: Part, now: float) -> None:
        if not self.permits(Request.BYTES, now, len(part.data)):
            return
        whole = self.wire.complete(part)
        if whole is None or not self.permits(Request.MESSAGE, now):  # before it is read: what is no message costs, too
            return
        if (arrived := self.wire.read(part, whole)) is not None:
            self._effects.append(arrived)

    def _meet(self, records: list[Record]) -> bool:
        """Whether these records say who the presenter is. Nothing is obeyed before, and there is one try."""
        said = next((record for record in records if isinstance(record, IntroductionRecord)), None)
        if said is None or self._pretended:
            self.wire.counts["not_introduced"] += 1
            return False
        self.introduction = read_introduction(said.data, self._committed)
        if self.introduction is None:
            self._pretended = True
            self.wire.counts["introduction_false"] += 1
            self._effects.append(IntroductionInvalid())
            return False
        self._effects.append(Established(self.introduction))
        return True

    # Intents

    def _receive_intent(self, record: IntentRecord | UnknownIntent, path: str, now: float) -> None:
        sequence = record.sequence
        by = [known] if (known := self.wire.paths.get(path)) is not None else []
        if (settled := self._settled.get(sequence)) is not None:
            if now - settled.sent_by.get(path, float("-inf")) >= ANSWERS_COPIES_AFTER:
                self._send_receipt(settled, by, now)
        elif sequence < self._floor:
            self.wire.send(Receipt(sequence, Status.DUPLICATE, None, None, Reason.NONE), by)
        elif sequence >= self._expected + AHEAD or sequence == 0:
            self.wire.counts["sequence_out_of_range"] += 1
        elif sequence in self._came_by:  # a quick deck's receipt is faster than this: the first copy gets no ACK
            self.wire.send(Ack(sequence), by)
        else:
            earliest = self._next_expiry if self._waiting else float("inf")
            self._next_expiry = min(earliest, self._deadline_in_seconds(record))
            self._waiting[sequence] = record
            self._came_by[sequence] = path

    def _raise_window_base(self, sequence: int, now: float) -> None:
        """The presenter waits for nothing below: neither do we, and its receipts can go."""
        if sequence <= self._floor:
            return
        self._floor = sequence
        self._expected = max(self._expected, sequence)  # a thousand taps without any path are a thousand numbers
        while self._settled and next(iter(self._settled)) < sequence:
            self._forget(self._settled.popitem(last=False)[0])
        for old in [number for number in self._waiting if number < sequence]:
            del self._waiting[old], self._came_by[old]

    def _advance(self, now: float) -> None:
        """Hand over every intent whose turn has come: all before it are handed over, settled, or below the floor."""
        while True:
            if self._expected in self._waiting:
                record = self._waiting.pop(self._expected)
                self._turn_comes(record, now)
            elif self._expected not in self._settled and self._expected >= self._floor:
                return  # a gap: its intent is still on the way, or expired with those behind it
            self._expected += 1

    def _turn_comes(self, record: IntentRecord | UnknownIntent, now: float) -> None:
        if self._is_late(record.deadline, now):
            self._answer(record.sequence, Outcome(Status.EXPIRED, reason=Reason.LATE), now)
        elif not self.permits(Request.INTENT, now):
            self._answer(record.sequence, Outcome(Status.REFUSED, reason=Reason.RATE), now)
        elif isinstance(record, UnknownIntent):
            self._answer(record.sequence, Outcome(Status.REFUSED, reason=Reason.UNSUPPORTED), now)
        else:
            self._performing[record.sequence] = record
            self._effects.append(Perform(record.sequence, record.intent))

    def _answer(self, sequence: int, outcome: Outcome, now: float) -> None:
        receipt = Receipt(sequence, outcome.status, outcome.before, outcome.after, outcome.reason)
        came_by = self._came_by.pop(sequence, "")
        settled = self._settled[sequence] = _Settled(receipt, came_by)
        self._send_receipt(settled, self.wire.paths.answer(came_by, now), now)
        self._again[sequence] = now + RECEIPT_AGAIN
        if len(self._settled) > RECEIPTS_KEPT:
            forgotten, _ = self._settled.popitem(last=False)
            self._forget(forgotten)
            self._floor = max(self._floor, forgotten + 1)

    def _send_receipt(self, settled: _Settled, by: Iterable[Path], now: float) -> None:
        self._again.pop(settled.receipt.sequence, None)
        for path in by:
            settled.sent_by[path.name] = now
            self.wire.send(settled.receipt, [path])

    def _forget(self, sequence: int) -> None:
        """Its receipt is not kept any more."""
        self._again.pop(sequence, None)

    def _expire_waiting(self, now: float) -> None:
        for sequence, record in list(self._waiting.items()):
            if self._is_late(record.deadline, now):
                del self._waiting[sequence]
                self._answer(sequence, Outcome(Status.EXPIRED, reason=Reason.LATE), now)
        deadlines = (self._deadline_in_seconds(record) for record in self._waiting.values())
        self._next_expiry = min(deadlines, default=float("inf"))

    # Laser

    def _receive_laser(self, record: Laser, path: str, now: float) -> None:
        if record.sequence <= self._laser_sequence:
            return
        if self._is_late(record.deadline, now):
            self.wire.counts["laser_late"] += 1
            return
        if not self.permits(Request.LASER, now):
            return
        self._laser_sequence = record.sequence
        self._effects.append(Pointed(record.sequence, record.points, path))

    # Time

    def _is_late(self, deadline: int, now: float) -> bool:
        return serial_difference(self.wire.clock(now), deadline) > 0

    def _deadline_in_seconds(self, record: IntentRecord | UnknownIntent) -> float:
        # One millisecond past it: at the deadline itself an intent is not late yet.
        return self.wire.seconds_of(record.deadline + 1)
