"""ICE as both kinds of peers have it from the library, aiortc 1.16 / aioice 0.13.0, and what is worked around in it.

- An early connectivity check that a NAT drops is repeated only after 0.5 s: `RETRY_RTO` is lowered.
- A consent check is sent once and given `RETRY_RTO` to be answered; six that were not, and a connection is closed. With
  any value of it a slow or lossy network is taken for a dead one: consent checks are repeated, too.
"""

from __future__ import annotations

from typing import Final

import aioice.stun
from aioice.ice import StunProtocol
from aiortc import RTCIceCandidate

from slidewire.sdp.candidate import Candidate

END_AFTER: Final = 10.0
"""Seconds from the last candidate until ICE may fail for want of one."""
CLOSES_WITHIN: Final = 2.0
"""Seconds. A relay that is gone would be told good-bye for a quarter of a minute."""

aioice.stun.RETRY_RTO = 0.1
CONSENT_REPEATED: Final = 4
"""Times, after 0.1, 0.3, 0.7 and 1.5 s; an answer is waited for until 3.1 s."""

_request = StunProtocol.request


async def _request_with_patience(
    self: StunProtocol,
    request: aioice.stun.Message,
    addr: tuple[str, int],
    integrity_key: bytes | None = None,
    retransmissions: int | None = None,
) -> tuple[aioice.stun.Message, tuple[str, int]]:
    """Only consent checks ask for no retransmission."""
    repeated = CONSENT_REPEATED if retransmissions == 0 else retransmissions
    return await _request(self, request, addr, integrity_key, repeated)


StunProtocol.request = _request_with_patience  # type: ignore[method-assign]


def library_candidate(candidate: Candidate) -> RTCIceCandidate:
    """Past the library's parser. It takes TCP's for UDP's of another name, and leaves them alone."""
    return RTCIceCandidate(
        component=candidate.component,
        foundation=candidate.foundation,
        ip=candidate.address,
        port=candidate.port,
        priority=candidate.priority,
        protocol=candidate.transport.lower(),
        type=candidate.type,
    )
