"""What the host and its drawing process say to each other: a frame each way for each request.

A frame is the length of a header and of a body (4 bytes each, big endian), the header (a message in MessagePack), and
the body (bytes: a PDF, or a picture). The host believes nothing of what comes back but its form: the process may have
been taken over by the deck.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from slidewire.host.decks.web.deck_file import DeckKind
from slidewire.host.decks.web.page_layout import Side

LENGTHS = struct.Struct(">II")
MAX_HEADER = 32 * 2**20
"""The notes are the longest."""
MAX_PICTURE = 64 * 2**20


class Open(msgspec.Struct, tag="open", frozen=True):
    """The first request. Its body is the PDF, or the one picture."""

    path: bytes
    """As the system has it, which need not be text."""
    kind: DeckKind
    memory: int
    """Bytes that the process may take, the body included."""
    seconds: int
    """The process ends itself when a request takes longer: the host may be gone."""
    side: Side | None = None
    """Where the pages have notes; None: it is found out."""


class Describe(msgspec.Struct, tag="describe", frozen=True):
    slide: int


class Draw(msgspec.Struct, tag="draw", frozen=True):
    slide: int
    width: int
    most: int
    """Bytes."""


Request = Open | Describe | Draw


class Opened(msgspec.Struct, tag="opened", frozen=True):
    count: int
    notes: dict[int, str]
    network: bool
    """Whether the system keeps it from the network,"""
    files: bool
    """and from files that are not the deck's."""
    labels: dict[int, str] = {}
    remarks: list[str] = []
    """Sentences for who started the show."""


class Unusable(msgspec.Struct, tag="unusable", frozen=True):
    """The deck cannot be opened."""

    message: str


class Described(msgspec.Struct, tag="described", frozen=True):
    title: str | None
    notes: str | None
    """On the page itself."""


class Drawn(msgspec.Struct, tag="drawn", frozen=True):
    """The body is the picture. None: this slide cannot be drawn."""

    media_type: Literal["image/jpeg", "image/png"] | None


Reply = Opened | Unusable | Described | Drawn

_encoder = msgspec.msgpack.Encoder()
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode


def encode_head(message: Request | Reply, body: bytes = b"") -> bytes:
    """The frame without its body, which may be long and is not copied."""
    header = _encoder.encode(message)
    return LENGTHS.pack(len(header), len(body)) + header
