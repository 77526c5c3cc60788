"""What the hub asks of its shell: text to write, sockets to close, rooms to remember."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from slidewire.signaling.messages import Code
from slidewire.signaling.room import ConnectionId, StoredRoom, Tombstone

NORMAL, RESTART, BAD_MESSAGE, WRONG_SECRET, OVER, UNKNOWN, SILENT, REPLACED, FULL = (
    1000, 1012, 4400, 4401, 4403, 4404, 4408, 4409, 4429,
)  # fmt: skip

CLOSES: Final[dict[Code, int]] = {
    Code.VERSION_UNSUPPORTED: BAD_MESSAGE,
    Code.FIRST_MESSAGE: BAD_MESSAGE,
    Code.LINK_UNKNOWN: UNKNOWN,
    Code.LINK_WRONG: WRONG_SECRET,
    Code.LINK_EXPIRED: OVER,
    Code.LINK_REVOKED: OVER,
    Code.ROOM_ENDED: OVER,
    Code.ROOM_TAKEN: OVER,
    Code.KEY_NEEDED: OVER,
    Code.ROOM_FULL: FULL,
    Code.UNPROVEN: FULL,
    Code.REMOVED: OVER,
    Code.REPLACED: REPLACED,
    Code.SERVER_CLOSING: RESTART,
}
"""The errors that close the socket, and with what."""


@dataclass(frozen=True, slots=True)
class Send:
    """Write one text message."""

    connection: ConnectionId
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close after everything sent before. The hub has already forgotten the connection."""

    connection: ConnectionId
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class SaveRoom:
    """Remember this across a restart, in place of what was saved under its code."""

    room: StoredRoom


@dataclass(frozen=True, slots=True)
class DropRoom:
    code: str


@dataclass(frozen=True, slots=True)
class SaveTombstone:
    tombstone: Tombstone


@dataclass(frozen=True, slots=True)
class MemberGone:
    """A member left or changed its address: `Hub.has_member` and `Hub.reaches` answer otherwise now."""


Effect = Send | Close | SaveRoom | DropRoom | SaveTombstone | MemberGone
