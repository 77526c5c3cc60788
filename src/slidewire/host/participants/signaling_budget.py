"""What a host may send through the signaling server, divided among its participants.

Sans-I/O. The server takes so many messages and bytes of a host (protocol/signaling.md) and closes one that sends more.
So the host stays below that by itself, whatever participants make it answer: every session has a share, the sessions of
one link have a pool beyond their shares, and the last part of the whole is kept for those who may click.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from slidewire.base.rates import Bucket, Rate

MESSAGES: Final = Rate(340, 1300)
"""The server takes 400 a second of a host and 1600 at once …"""
BYTES: Final = Rate(1.75 * 1024 * 1024, 6 * 1024 * 1024)
"""… and 2 MiB a second, 8 MiB at once."""
SHARE: Final = Rate(4, 24)
"""Frames of one session that only looks on …"""
CLICKING_SHARE: Final = Rate(40, 160)
"""… and of one that may click: while a key is held down, its host answers 40 times a second."""
POOL: Final = Rate(80, 400)
"""Frames of all sessions of one link together, beyond their shares."""


class Precedence(IntEnum):
    """Who may use how much of the whole: the values are the percentage that must be left."""

    CLICKING = 2
    """What is sent to those who may click, receipts above all."""
    LOOKING_ON = 25
    CLICKING_CONTENT = 40
    """States, pictures: what may as well be sent a moment later."""
    LOOKING_ON_CONTENT = 60


@dataclass(slots=True)
class SendingShare:
    """One session's."""

    link: str
    may_click: bool
    bucket: Bucket = field(init=False)

    def __post_init__(self) -> None:
        self.bucket = Bucket(CLICKING_SHARE if self.may_click else SHARE)

    @property
    def frames(self) -> Precedence:
        return Precedence.CLICKING if self.may_click else Precedence.LOOKING_ON

    @property
    def content(self) -> Precedence:
        return Precedence.CLICKING_CONTENT if self.may_click else Precedence.LOOKING_ON_CONTENT


class SignalingBudget:
    def __init__(self) -> None:
        self._messages = Bucket(MESSAGES)
        self._bytes = Bucket(BYTES)
        self._pools: dict[str, Bucket] = {}

    def take(self, share: SendingShare, size: int, now: float) -> bool:
        """Whether a frame of so many bytes may be sent; it is charged for."""
        if not self._has_left(share.frames, now):
            return False
        if share.bucket.take(now) > 0 and self._pool(share.link).take(now) > 0:
            return False
        self._messages.charge(now, 1)
        self._bytes.charge(now, size)
        return True

    def has_room(self, share: SendingShare, now: float) -> bool:
        """Whether a state or a part of a picture may be sent now: `take` then permits a frame."""
        buckets = (share.bucket, self._pool(share.link))
        return self._has_left(share.content, now) and any(
            bucket.rate.wait(bucket.full_at, now) == 0 for bucket in buckets
        )

    def _pool(self, link: str) -> Bucket:
        return self._pools.setdefault(link, Bucket(POOL))

    def _has_left(self, precedence: Precedence, now: float) -> bool:
        return all(
            bucket.rate.left(bucket.full_at, now) * 100 >= precedence * bucket.rate.burst
            for bucket in (self._messages, self._bytes)
        )
