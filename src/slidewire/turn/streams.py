"""Clients over TCP and TLS: frames in their byte stream, and how long they may keep us waiting.

STUN messages and ChannelData are told apart by two bits (RFC 8656 §12, §12.4):

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
|0 0| STUN type             |  length of what follows the header |
|0 1| Channel Number        |  length, padded to 4 in a stream   |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from slidewire.stun.attributes import MAGIC_COOKIE
from slidewire.stun.message import HEADER_BYTES
from slidewire.turn.five_tuple import FiveTuple
from slidewire.turn.limits import Limits

_HEAD: Final = struct.Struct("!HH")
_COOKIE: Final = MAGIC_COOKIE.to_bytes(4, "big")


BUSY: Final = float("inf")
"""The deadline of a client that has an allocation: that one's end is end enough."""


class NotTurn(Exception):
    """The stream carries something else, or a frame larger than it may be. There is no way to find the next frame."""


def is_channel_data(data: bytes | bytearray | memoryview) -> bool:
    return data[0] & 0xC0 == 0x40


def channel_data(number: int, payload: bytes, *, stream: bool) -> bytes:
    """RFC 8656 §12.5: padded to four bytes over a stream."""
    padding = bytes(-len(payload) % 4) if stream else b""
    return _HEAD.pack(number, len(payload)) + payload + padding


def split_channel_data(data: bytes) -> tuple[int, bytes] | None:
    """Number and payload of a ChannelData frame; None if it is cut short."""
    if len(data) < 4:
        return None
    number, length = _HEAD.unpack_from(data)
    return (number, data[4 : 4 + length]) if len(data) >= 4 + length else None


def take_frame(buffer: bytearray, largest: int) -> bytes | None:
    """Take a whole frame off the front, without its padding; None if there is none yet. Raises NotTurn."""
    if len(buffer) < 4:
        return None
    kind, length = _HEAD.unpack_from(buffer)
    match kind >> 14:
        case 0:
            size = padded = HEADER_BYTES + length
            if length % 4 or (len(buffer) >= 8 and buffer[4:8] != _COOKIE):
                raise NotTurn
        case 1:
            size = 4 + length
            padded = size + -size % 4
        case _:
            raise NotTurn
    if padded > largest:
        raise NotTurn
    if len(buffer) < padded:
        return None
    frame = bytes(buffer[:size])
    del buffer[:padded]
    return frame


@dataclass(slots=True, eq=False)
class Stream:
    """One stream client, from its first byte."""

    client: FiveTuple
    customer: bytes
    deadline: float
    """When to close it, unless something better happens."""
    since: float = 0.0
    messages_full_at: float = 0.0
    """Of the bucket of a stranger's messages."""
    buffer: bytearray = field(default_factory=bytearray)
    spoke: bool = False
    """A whole STUN message has come."""
    is_read: bool = False
    """Frames are being taken off the buffer."""

    def next_frame(self, largest: int) -> bytes | None:
        """Take a whole frame off the buffer; None if there is none yet. Raises NotTurn."""
        return take_frame(self.buffer, largest)


class Streams:
    """The stream clients that are connected, and whether there may be one more.

    Those with an allocation have proved who they are, and are counted by that. The others, strangers, have places of
    their own, so many for an address; where none is left, the oldest of them is closed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._streams: dict[FiveTuple, Stream] = {}
        self._strangers: dict[FiveTuple, Stream] = {}
        self._by_address: dict[bytes, dict[FiveTuple, Stream]] = {}
        """Strangers, those of longest standing first."""

    def get(self, client: FiveTuple) -> Stream | None:
        return self._streams.get(client)

    def has(self, customer: bytes) -> bool:
        """Whether a stranger of this customer is connected: the address is not forged, then."""
        return customer in self._by_address

    def in_the_way(self, client: FiveTuple, now: float) -> Stream | None:
        """Whom to close before there is a place for this client. None if there is one, or if there is none to be had:
        a client that has just come is given the time for a handshake."""
        of_address = self._by_address.get(client.customer, {})
        if len(of_address) >= self._limits.streams_per_address:
            strangers = of_address
        elif len(self._streams) >= self._limits.streams:
            strangers = self._strangers
        else:
            return None
        oldest = next(iter(strangers.values()), None)
        return oldest if oldest is not None and oldest.since + self._limits.place <= now else None

    def open(self, client: FiveTuple, now: float) -> Stream | None:
        """None if there are too many."""
        customer, limits = client.customer, self._limits
        of_address = self._by_address.get(customer, {})
        if len(self._streams) >= limits.streams or len(of_address) >= limits.streams_per_address:
            return None
        stream = self._streams[client] = Stream(client, customer, now + limits.first_message, now)
        self.has_nothing(stream)
        return stream

    def has_nothing(self, stream: Stream) -> None:
        """It is a stranger, for the first time or again."""
        self._strangers[stream.client] = self._by_address.setdefault(stream.customer, {})[stream.client] = stream

    def has_allocation(self, stream: Stream) -> None:
        """It takes no stranger's place any more."""
        if self._strangers.pop(stream.client, None) is None:
            return
        of_address = self._by_address[stream.customer]
        del of_address[stream.client]
        if not of_address:
            del self._by_address[stream.customer]

    def may_say_more(self, stream: Stream, now: float) -> bool:
        """A stranger has little to say: each message costs us as much as a datagram, of which there may be no more."""
        if stream.client not in self._strangers:
            return True
        full_at = self._limits.stranger_messages.take(stream.messages_full_at, now)
        if full_at is None:
            return False
        stream.messages_full_at = full_at
        return True

    def forget(self, stream: Stream) -> None:
        if self._streams.pop(stream.client, None) is not None:
            self.has_allocation(stream)
            stream.buffer.clear()

    def received(self, stream: Stream, frames: int, busy: bool, now: float) -> None:
        """Move the deadline after that many whole frames came. `busy`: it has an allocation, and may stand still in the
        middle of a frame as long as that lives: what it sends may be under way through a network that is gone for a
        while. A client that has none, and leaves half a frame behind or has nothing to stay for, is not waited for
        long."""
        limits = self._limits
        if not stream.spoke:
            return  # the first deadline stands, however many bytes trickle in
        if busy:
            stream.deadline = BUSY
        elif not stream.buffer:
            stream.deadline = now + limits.idle
        elif frames or stream.deadline == BUSY:
            stream.deadline = now + limits.first_message
