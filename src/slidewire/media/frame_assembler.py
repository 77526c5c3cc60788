"""Packets put into order and together: the next frame of a stream, as soon as a decoder that has those before it can
use it.

Packets lie at their places (sequence numbers, unwrapped), of which `head` is the first one that has not been dealt
with. A place without a packet is either waited for or hopeless, which is for others to say. A video frame can be
decoded if it is a key frame or if the frame right before it was given out; so a hopeless hole breaks the stream, and
nothing but a key frame mends it.

Work follows what comes: a packet is looked at a few times while it lies here, and a hole is one step, however wide.

Not every hole is one. Repair packets have sequence numbers of the stream they protect and are not sent again. Where
the last frame was whole and the next one's picture ID follows, nothing that lies between them can matter.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from slidewire.media.frames import Codec
from slidewire.rtp import h264, vp8
from slidewire.rtp.packet import Packet

MOST: Final = 4096
"""Packets that may lie here: several seconds of video. More is no order of packets any more."""

KEYS: Final = 4
"""Key frames that may be on their way at once."""


class Piece(NamedTuple):
    """What a packet brings for its frame."""

    codec: Codec
    data: bytes
    timestamp: int
    marker: bool
    starts: bool | None
    """Whether a frame starts with it; None: the packet does not say."""
    is_key: bool
    """Only of the piece that starts a frame."""
    picture_id: int | None = None
    picture_id_bits: int = vp8.PICTURE_ID_BITS


class AssembledFrame(NamedTuple):
    codec: Codec
    data: bytes
    timestamp: int
    is_key: bool


class AwaitedPackets(Protocol):
    """The missing packets that are still waited for, by their place."""

    def __contains__(self, place: object) -> bool: ...
    def first_from(self, place: int) -> int | None:
        """The first one that is not before this place; those that are will not be asked about again."""


class _Places:
    """What lies where, from a place on that only goes forward."""

    def __init__(self) -> None:
        self.pieces: dict[int, Piece | None] = {}
        self._order: list[int] = []
        self._of_frames: list[int] = []
        """Their places, and of those what is of a frame; as heaps."""

    def insert(self, place: int, piece: Piece | None) -> None:
        self.pieces[place] = piece
        heapq.heappush(self._order, place)
        if piece is not None:
            heapq.heappush(self._of_frames, place)

    @property
    def first_of_frame(self) -> int | None:
        return self._of_frames[0] if self._of_frames else None

    def forget_before(self, place: int) -> None:
        while self._order and self._order[0] < place:
            del self.pieces[heapq.heappop(self._order)]
        while self._of_frames and self._of_frames[0] < place:
            heapq.heappop(self._of_frames)

    def gap(self, head: int, awaited: AwaitedPackets) -> int:
        """The first place from `head` on that has a packet or is waited for. There has to be a packet."""
        first_waited = awaited.first_from(head)
        return self._order[0] if first_waited is None else min(self._order[0], first_waited)


class FrameAssembler(Protocol):
    head: int
    dropped: int
    """Frames that were not given out, as far as one can tell."""
    is_broken: bool
    """Nothing is given out before there is a key frame."""

    @property
    def has_key(self) -> bool:
        """A key frame has begun to come."""

    def insert(self, place: int, piece: Piece | None) -> None:
        """None: this place is taken by something that is no part of a frame."""

    def next_frame(self, awaited: AwaitedPackets) -> AssembledFrame | None:
        """Call until None, after every packet and whenever places are not waited for any more."""


def piece(codec: Codec, packet: Packet) -> Piece | None:
    """None: it carries nothing of a frame."""
    if codec is Codec.VP8:
        payload = vp8.parse(packet.payload)
        if payload is None:
            return None
        starts = payload.starts_frame
        key = starts and vp8.is_key(payload.data)
        identity = payload.picture_id, payload.picture_id_bits
        return Piece(codec, payload.data, packet.timestamp, packet.marker, starts, key, *identity)
    if codec is Codec.H264 and packet.payload:
        key = h264.starts_key(packet.payload)
        return Piece(codec, packet.payload, packet.timestamp, packet.marker, starts=None, is_key=key)
    if codec is Codec.OPUS and packet.payload:
        return Piece(codec, packet.payload, packet.timestamp, packet.marker, starts=True, is_key=True)
    return None


class AudioAssembler:
    """Every packet is a frame; holes are left behind."""

    has_key = True

    def __init__(self, head: int) -> None:
        self.head = head
        self.dropped = 0
        self.is_broken = False
        self._places = _Places()
        self._highest = head - 1

    def insert(self, place: int, piece: Piece | None) -> None:
        if place >= self.head and place not in self._places.pieces:
            self._places.insert(place, piece)
            self._highest = max(self._highest, place)

    def next_frame(self, awaited: AwaitedPackets) -> AssembledFrame | None:
        while self.head <= self._highest:
            if self.head not in self._places.pieces:
                place = self._places.gap(self.head, awaited)
                self.dropped += place - self.head
                self.head = place
                if place in awaited:
                    return None
            found = self._places.pieces[self.head]
            self.head += 1
            self._places.forget_before(self.head)
            if found is not None:
                return AssembledFrame(found.codec, found.data, found.timestamp, is_key=True)
        return None


@dataclass(slots=True)
class _Scan:
    """What there is of the frame that starts at a place."""

    pieces: list[Piece]
    end: int
    """The first place behind what was looked at."""
    is_whole: bool
    is_hopeless: bool = False


class VideoAssembler:
    def __init__(self, head: int) -> None:
        self.head = head
        self.dropped = 0
        self.is_broken = True
        self._places = _Places()
        self._pieces = self._places.pieces
        self._highest = head - 1
        self._keys: list[int] = []
        """Places at or after the head where a key frame starts; the last few, in order."""
        self._begun: dict[int, _Scan] = {}
        """Frames that go on where they end: it is looked from there on. A frame may have thousands of packets."""
        self._last: Piece | None = None
        """Of the frame that was given out last."""

    @property
    def has_key(self) -> bool:
        return bool(self._keys)

    def insert(self, place: int, piece: Piece | None) -> None:
        if place < self.head or place in self._pieces:
            return
        self._places.insert(place, piece)
        self._highest = max(self._highest, place)
        if piece is not None and piece.is_key:
            self._keys = sorted([*self._keys, place])
            if len(self._keys) > KEYS:
                self._begun.pop(self._keys.pop(0), None)
        if len(self._pieces) > MOST:
            self._advance(self._highest - MOST // 2)
            self.is_broken = True

    def next_frame(self, awaited: AwaitedPackets) -> AssembledFrame | None:
        while self.head <= self._highest:
            if self.is_broken and (key := self._complete_key(awaited)) is not None:
                self._advance(key)
            elif not self._pieces.get(self.head):
                if self.head in self._pieces:
                    self._advance(self.head + 1)
                elif (place := self._next_picture()) is not None:
                    self._advance(place)
                elif (place := self._places.gap(self.head, awaited)) > self.head:
                    self.is_broken = True
                    self._advance(place)
                else:
                    return None
                continue
            found = self._look(self.head, awaited)
            if found.is_hopeless:
                self.is_broken = True
                self._advance(max(found.end, self.head + 1))
                continue
            first = found.pieces[0]
            if self.is_broken and not first.is_key:
                self._advance(found.end)
                continue
            if not found.is_whole:
                return None
            self._advance(found.end)
            data = _joined(found.pieces)
            if data is None:
                self.is_broken = True
                continue
            self._count_dropped(first)
            self.is_broken = False
            self._last = first
            return AssembledFrame(first.codec, data, first.timestamp, first.is_key)
        return None

    def _complete_key(self, awaited: AwaitedPackets) -> int | None:
        for place in list(self._keys):
            found = self._look(place, awaited)
            if found.is_whole:
                return place
            if found.is_hopeless:
                self._keys.remove(place)  # or it would be looked at again with each packet
        return None

    def _look(self, start: int, awaited: AwaitedPackets) -> _Scan:
        found = self._begun.pop(start, None) or _Scan([], start, is_whole=False)
        pieces, place = found.pieces, found.end
        while place <= self._highest:
            if place not in self._pieces:
                found.is_hopeless = not pieces or place not in awaited
                break
            piece = self._pieces[place]
            if piece is not None:
                if not pieces and not self._begins(place, piece):
                    return _Scan(pieces, place, is_whole=False, is_hopeless=True)
                if pieces and piece.timestamp != pieces[0].timestamp:
                    return _Scan(pieces, place, is_whole=True)  # some sender forgot the marker
                pieces.append(piece)
                if piece.picture_id != pieces[0].picture_id:
                    return _Scan(pieces, place, is_whole=False, is_hopeless=True)  # never of one frame
                if piece.marker:
                    return _Scan(pieces, place + 1, is_whole=True)
            place += 1
        found.end = place
        if pieces and not found.is_hopeless:
            self._begun[start] = found
        return found

    def _begins(self, place: int, piece: Piece) -> bool:
        """Where the packet does not say it, whatever came right before must belong to another frame."""
        if piece.starts is not None:
            return piece.starts
        if place == self.head:
            return True
        before = self._pieces.get(place - 1)
        return place - 1 in self._pieces and (before is None or before.timestamp != piece.timestamp)

    def _next_picture(self) -> int | None:
        """The head is missing: where the very next picture starts, if nothing else of a frame can lie before it."""
        place = self._places.first_of_frame
        if self.is_broken or place is None or self._last is None or self._last.picture_id is None:
            return None
        piece = self._pieces[place]
        is_next = piece is not None and piece.starts is True and _ahead(piece, self._last) == 1
        return place if is_next else None

    def _advance(self, place: int) -> None:
        self._places.forget_before(place)
        self.head = place
        self._highest = max(self._highest, place - 1)
        self._keys = [key for key in self._keys if key >= place]
        self._begun = {start: found for start, found in self._begun.items() if start >= place}

    def _count_dropped(self, first: Piece) -> None:
        """Picture IDs tell how many frames there were since the last one."""
        if self._last is not None and (ahead := _ahead(first, self._last)) is not None:
            self.dropped += max(0, ahead - 1)


def _joined(pieces: Sequence[Piece]) -> bytes | None:
    if pieces[0].codec is Codec.H264:
        return h264.join(piece.data for piece in pieces)
    return b"".join(piece.data for piece in pieces)


def _ahead(newer: Piece, older: Piece) -> int | None:
    """How many pictures, of those that both are numbered by."""
    if newer.picture_id is None or older.picture_id is None or newer.picture_id_bits != older.picture_id_bits:
        return None
    return (newer.picture_id - older.picture_id) % (1 << newer.picture_id_bits)
