"""What both ends of a session share: records in, sealed frames out, over whatever paths are up.

The wire seals and opens, keeps the heartbeat, measures round trips, and cuts messages into parts. It gathers the
records that one drain of the effects finds due for a path into one frame. What the records mean is decided above it,
in `presenter.py` and `host.py`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from slidewire.control import messages
from slidewire.control.host_clock import milliseconds, serial_difference
from slidewire.control.noise import TransportKeys
from slidewire.control.parts import JSON_STREAM, MESSAGE_BYTES, PICTURE_BYTES, Assembler, split
from slidewire.control.paths import Path, PathKind, PathTable
from slidewire.control.records import (
    MAX_RECORDS,
    Ack,
    IntentRecord,
    IntroductionAck,
    IntroductionRecord,
    Laser,
    LaserReceipt,
    Part,
    Ping,
    Pong,
    Receipt,
    Record,
    UnknownIntent,
    UnknownRecord,
    Unsupported,
    WindowBase,
    decode,
    encode,
)
from slidewire.control.seal import Opener, Rejection, Sealer

_ORDER: tuple[type, ...] = (
    *(IntroductionAck, Unsupported, Pong, Ping, Ack, Receipt, LaserReceipt),
    *(WindowBase, IntentRecord, UnknownIntent, Laser, UnknownRecord),
)
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send these bytes on that path."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class MessageArrived:
    message: messages.Received


@dataclass(frozen=True, slots=True)
class PictureArrived:
    id: int
    data: bytes


class SealedSession:
    """One end of a sealed session. Times are seconds of a monotonic clock."""

    def __init__(
        self,
        session: int,
        keys: TransportKeys,
        epoch: float | None,
        message_bytes: int = MESSAGE_BYTES,
        read_message: Callable[[bytes], messages.Received | None] = messages.read_from_host,
        picture_bytes: int = PICTURE_BYTES,
    ) -> None:
        """`epoch` is when the session clock read zero; None at the presenter, which has no session clock of its own.
        `message_bytes` and `picture_bytes`: the longest message and picture that are put together from parts.
        `read_message` reads what the other end says."""
        self.session = session
        self.handshake_hash = keys.handshake_hash
        self.exported = keys.exported
        self.paths = PathTable()
        self.version = 0
        """The host's state version, told in every PONG."""
        self.introduction: IntroductionRecord | None = None
        """At the presenter: said in every frame until the host has answered it."""
        self.message_bytes_sent = 0
        """Of all messages so far."""
        self.counts: Counter[str] = Counter()
        """Rejected frames by name (`Rejection`), and `malformed_records`, `malformed_message`."""
        self._epoch = epoch
        self._sealer = Sealer(session, keys.send)
        self._opener = Opener(session, keys.receive)
        self._assembler = Assembler(message_bytes, picture_bytes)
        self._read_message = read_message
        self._due: dict[str, list[Record]] = {}
        self._frames: deque[Transmit] = deque()
        self._next_id = {JSON_STREAM: 0}

    def clock(self, now: float) -> int:
        return 0 if self._epoch is None else milliseconds(now - self._epoch)

    def seconds_of(self, clock: int) -> float:
        """The monotonic time at which the session clock reads `clock`."""
        return (self._epoch or 0.0) + clock / 1000

    # Receiving

    def open(self, data: bytes) -> list[Record] | None:
        """The records of a frame, or None if it did not open: rejects are counted, and never answered."""
        plaintext = self._opener.open(data)
        if isinstance(plaintext, Rejection):
            self.counts[plaintext.value] += 1
            return None
        records = decode(plaintext)
        if records is None:
            self.counts["malformed_records"] += 1
        return records

    def hear(self, records: list[Record], path_name: str, now: float) -> None:
        """A PING is answered, the last one of a frame: more are of no use, and an answer is longer. PONGs update their
        path."""
        path = self.paths.get(path_name)
        if path is not None:
            path.heard()
        last = next((record for record in reversed(records) if isinstance(record, Ping)), None)
        if last is not None and path is not None:
            self.send(Pong(last.stamp, self.clock(now), self.version), [path])
        for record in records:
            if isinstance(record, Pong) and path is not None:
                elapsed = serial_difference(milliseconds(now), record.stamp) / 1000
                if 0 <= elapsed < 60:
                    path.heard_pong(elapsed, now)

    def assemble(self, part: Part) -> MessageArrived | PictureArrived | None:
        whole = self.complete(part)
        return None if whole is None else self.read(part, whole)

    def complete(self, part: Part) -> bytes | None:
        """The whole of what this is the last missing part of."""
        return self._assembler.add(part)

    def read(self, part: Part, whole: bytes) -> MessageArrived | PictureArrived | None:
        """None: it is no message, which is counted."""
        if part.stream != JSON_STREAM:
            return PictureArrived(part.id, whole)
        if (message := self._read_message(whole)) is None:
            self.counts["malformed_message"] += 1
            return None
        return MessageArrived(message)

    # Sending

    def send(self, record: Record, paths: Iterable[Path]) -> None:
        """Put a record into the next frame of each of these paths."""
        for path in paths:
            self._due.setdefault(path.name, []).append(record)

    def send_message(self, message: messages.FromPresenter | messages.FromHost, now: float) -> bool:
        """Send a message by the best path for messages. False: there is none, the message is not kept."""
        return self.send_encoded(messages.encode(message), now)

    def send_encoded(self, data: bytes, now: float) -> bool:
        """Send a message that is encoded already."""
        path = self.paths.messages(now)
        if path is None:
            return False
        id_ = self._next_id[JSON_STREAM]
        self._next_id[JSON_STREAM] = (id_ + 1) & 0xFFFF
        self.message_bytes_sent += len(data)
        for part in split(JSON_STREAM, id_, data, path.kind):
            self.send_part(part, path.name)
        return True

    def send_part(self, part: Part, path_name: str) -> None:
        self._transmit(path_name, [part])

    def path_up(self, name: str, kind: PathKind, now: float) -> None:
        self.paths.up(name, kind, now)

    def path_down(self, name: str) -> None:
        self.paths.down(name)
        self._due.pop(name, None)

    def send_due_pings(self, now: float) -> None:
        stamp = Ping(milliseconds(now))
        self.send(stamp, self.paths.due_pings(now))

    def end_frame(self) -> None:
        """What is sent from here on goes into other frames than what was sent before."""
        due, self._due = self._due, {}
        for path_name, records in due.items():
            records.sort(key=lambda record: _RANK[type(record)])
            for start in range(0, len(records), MAX_RECORDS):
                self._transmit(path_name, records[start : start + MAX_RECORDS])

    def next_frame(self) -> Transmit | None:
        """The next frame to transmit; call until None."""
        if not self._frames:
            self.end_frame()
        return self._frames.popleft() if self._frames else None

    def _transmit(self, path_name: str, records: list[Record]) -> None:
        if self.introduction is not None:
            records = [self.introduction, *records]
        self._frames.append(Transmit(path_name, self._sealer.seal(encode(records))))
