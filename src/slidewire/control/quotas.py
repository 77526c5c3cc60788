"""How much one participant may ask of a host: a table of rates by kind of request, for each session and each link.

Sans-I/O. Every session has a share of its own, and the sessions of one link have a pool together beyond their shares;
no session exceeds its cap. A participant that floods exhausts its own share and the pool of its link. Sessions of other
links, and sessions of the same link that keep to their shares, are served as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from slidewire.base.rates import Bucket, Rate


class Request(StrEnum):
    """What a participant's frames ask of a host, as far as it costs something. The values name the counters."""

    DATAGRAM = "datagrams_too_fast"
    """To the peer connection that carries control, whatever is in it."""
    MEDIA_DATAGRAM = "media_datagrams_too_fast"
    FRAME = "frames_too_fast"
    INTENT = "intents_too_fast"
    LASER = "laser_too_fast"
    MESSAGE = "messages_too_fast"
    BYTES = "message_bytes_too_fast"
    """The bytes of messages."""
    STATE = "get_state_too_fast"
    COMMAND = "commands_too_fast"
    PICTURE = "pictures_too_fast"
    OFFER = "offers_too_fast"
    REPEATED_OFFER = "repeated_offers_too_fast"
    """The answer and the candidates are sent again."""
    CANDIDATE = "candidates_too_fast"
    MEDIA = "media_too_fast"
    ERROR = "errors_too_fast"
    """A message that is answered with an error."""


@dataclass(frozen=True, slots=True)
class Quota:
    cap: Rate
    """Of one session, whatever the others do."""
    share: Rate
    """Of one session, which the others of its link cannot take from it."""
    pool: Rate
    """Of all sessions of one link together, beyond their shares."""


KIB: Final = 1024

QUOTAS: Final[dict[Request, Quota]] = {
    # Each costs the WebRTC library half a millisecond. Most are acknowledgements of a picture (RFC 9260 §6.2), of which
    # any number may be missing.
    Request.DATAGRAM: Quota(Rate(400, 600), Rate(60, 300), Rate(300, 600)),
    # A camera and a microphone are 450 packets a second with their repair packets.
    Request.MEDIA_DATAGRAM: Quota(Rate(1500, 3000), Rate(600, 1200), Rate(2000, 4000)),
    # While receipts are lost, each data channel brings a frame every 10 ms (protocol/control.md §5).
    Request.FRAME: Quota(Rate(600, 1500), Rate(60, 200), Rate(400, 1000)),
    # A key that is held down repeats 30 times a second; two hundred taps at once are two hundred steps.
    Request.INTENT: Quota(Rate(40, 400), Rate(5, 60), Rate(60, 400)),
    Request.LASER: Quota(Rate(120, 120), Rate(60, 60), Rate(240, 240)),
    # A page begins with two offers, up to 64 candidates, a few pictures and what it wants of media.
    Request.MESSAGE: Quota(Rate(40, 200), Rate(4, 100), Rate(100, 1000)),
    Request.BYTES: Quota(Rate(128 * KIB, 512 * KIB), Rate(8 * KIB, 128 * KIB), Rate(256 * KIB, 1024 * KIB)),
    Request.STATE: Quota(Rate(2, 8), Rate(1, 4), Rate(16, 64)),
    # A link that is made is written to the disk, and told to all operators.
    Request.COMMAND: Quota(Rate(5, 20), Rate(2, 8), Rate(8, 16)),
    Request.PICTURE: Quota(Rate(10, 40), Rate(2, 12), Rate(40, 200)),
    # Reading an offer is the most costly thing of all. Presenters make at most one a second.
    Request.OFFER: Quota(Rate(2, 10), Rate(0.5, 4), Rate(4, 40)),
    Request.REPEATED_OFFER: Quota(Rate(2, 8), Rate(0.5, 4), Rate(4, 40)),
    Request.CANDIDATE: Quota(Rate(40, 150), Rate(8, 80), Rate(100, 800)),
    Request.MEDIA: Quota(Rate(10, 100), Rate(2, 80), Rate(40, 800)),
    Request.ERROR: Quota(Rate(2, 8), Rate(0.5, 4), Rate(4, 20)),
}

LOOKING_ON: Final[dict[Request, Quota]] = {
    **QUOTAS,
    Request.DATAGRAM: Quota(Rate(200, 64), Rate(20, 24), Rate(200, 64)),
    Request.MEDIA_DATAGRAM: Quota(Rate(300, 600), Rate(60, 200), Rate(600, 1200)),
    # A PING and a PONG a second on each of three paths; while nothing is answered, five times as many.
    Request.FRAME: Quota(Rate(40, 200), Rate(16, 80), Rate(100, 400)),
    Request.INTENT: Quota(Rate(2, 16), Rate(0.5, 8), Rate(4, 32)),
    Request.LASER: Quota(Rate(2, 16), Rate(0.5, 8), Rate(4, 32)),
}
"""Of links that may neither click nor point."""

TOLERATED: Final = Rate(50, 400)
"""Refused requests of one session. A session that is refused more is flooding, and is sent away."""
TOLERATED_LOOKING_ON: Final = Rate(20, 150)
DROPPED_DATAGRAM: Final = 0.01
"""What a dropped datagram counts for, where another refused request counts for one. A page acknowledges a picture with
thousands of datagrams a second on a fast network, and to drop one costs next to nothing."""

SILENCE: Final = 2.0
BACKLOG_COMES_WITHIN: Final = 1.0
"""After so many seconds without a frame, those of the next so many seconds may have been sent meanwhile: the host was
asleep, or stood still. What exceeds the quota is not read, as ever, but it is no flood."""


class LinkPool:
    """What the sessions of one link may ask together beyond their shares."""

    def __init__(self, quotas: Mapping[Request, Quota] = QUOTAS) -> None:
        self.quotas = quotas
        self._buckets = {request: Bucket(quota.pool) for request, quota in quotas.items()}

    def take(self, request: Request, now: float, cost: float) -> bool:
        return self._buckets[request].take(now, cost) == 0


class SessionQuotas:
    """What one session has left. `now` is monotonic seconds."""

    def __init__(self, pool: LinkPool | None = None) -> None:
        """`pool` is that of the session's link; None: the session has one of its own."""
        self.pool = pool or LinkPool()
        quotas = self.pool.quotas
        self._caps = {request: Bucket(quota.cap) for request, quota in quotas.items()}
        self._shares = {request: Bucket(quota.share) for request, quota in quotas.items()}
        self._tolerance = Bucket(TOLERATED_LOOKING_ON if quotas is LOOKING_ON else TOLERATED)
        self._last_frame = self._silence_ended = float("-inf")
        self.is_flooding = False
        """It was refused more than is tolerated. Stays so."""

    def take(self, request: Request, now: float, cost: float = 1.0) -> bool:
        """Whether the request may be served."""
        if request is Request.FRAME:
            if now - self._last_frame >= SILENCE:
                self._silence_ended = now
            self._last_frame = now
        is_permitted = self._caps[request].take(now, cost) == 0 and (
            self._shares[request].take(now, cost) == 0 or self.pool.take(request, now, cost)
        )
        if not is_permitted and not (request is Request.FRAME and self._is_backlog(now)):
            weight = DROPPED_DATAGRAM if request in (Request.DATAGRAM, Request.MEDIA_DATAGRAM) else 1.0
            self.is_flooding |= self._tolerance.take(now, weight) > 0
        return is_permitted

    def _is_backlog(self, now: float) -> bool:
        return now - self._silence_ended < BACKLOG_COMES_WITHIN
