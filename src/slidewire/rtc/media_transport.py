"""ICE, DTLS and SRTP of the library, under media that are our own: RTP and RTCP packets go in and come out as bytes.

Besides the files named `aiortc_…` this is the only one that touches the library's private parts (aiortc 1.16): its DTLS
transport parses and routes packets by itself, which two overridden methods keep it from, and has no public way to send
them. What is worked around in ICE (`aiortc_ice`, `gathering`) holds here as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Sequence

from aioice import Candidate as LibraryCandidate
from aioice.stun import TransactionError
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport
from aiortc.exceptions import InvalidStateError
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcicetransport import RTCIceParameters, candidate_from_aioice
from aiortc.sdp import candidate_to_sdp

from slidewire.aio.tasks import Tasks
from slidewire.control.privacy import Privacy
from slidewire.media.offer_answer import Credentials
from slidewire.rtc.aiortc_ice import CLOSES_WITHIN, END_AFTER, library_candidate
from slidewire.rtc.engine import IceServer
from slidewire.rtc.gathering import Gathering
from slidewire.rtc.ingress import meter
from slidewire.sdp.candidate import Candidate

log = logging.getLogger(__name__)

CONNECTS_WITHIN = 30.0
BACKLOG = 1024
"""Datagrams that wait to be read: a large picture comes at once."""
"""Seconds, twice as long as pages wait: a peer without an address or a handshake does not keep a place."""


class _Dtls(RTCDtlsTransport):
    def __init__(self, ice: RTCIceTransport, received: Callable[[bytes], None]) -> None:
        super().__init__(ice, [RTCCertificate.generateCertificate()])
        self._received = received

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        self._received(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self._received(data)


class MediaTransport:
    """One connection, from the first candidate to its end. The page offers, so ICE is controlled by it."""

    def __init__(
        self,
        ice_servers: Sequence[IceServer],
        privacy: Privacy,
        *,
        received: Callable[[bytes], None],
        opened: Callable[[], None],
        closed: Callable[[], None],
        candidate: Callable[[str | None], None],
        permits: Callable[[], bool],
        tls: ssl.SSLContext | None,
    ) -> None:
        """`received` is given RTP and RTCP as they were before SRTP. `candidate` is called with candidates that come
        after `gather`, as `candidate:…`, and with None at their end."""
        policy = RTCIceTransportPolicy.RELAY if privacy.is_relay_only else RTCIceTransportPolicy.ALL
        self._gatherer = RTCIceGatherer(iceServers=[], iceTransportPolicy=policy)
        self._ice = RTCIceTransport(self._gatherer)
        self._dtls = _Dtls(self._ice, received)
        self._opened, self._closed, self._candidate = opened, closed, candidate
        self._finished = False
        self._tasks = Tasks()
        self._gathering = Gathering(self._gatherer._connection, ice_servers, self._found, privacy, tls=tls)
        meter(self._gatherer._connection, permits, BACKLOG)

    async def gather(self) -> list[str]:
        """The candidates that are known at once."""
        await self._gatherer.gather()
        return [_text(candidate) for candidate in self._gatherer._connection.local_candidates]

    @property
    def credentials(self) -> Credentials:
        ice = self._gatherer.getLocalParameters()
        prints = self._dtls.getLocalParameters().fingerprints
        named = tuple((each.algorithm, each.value) for each in prints if each.algorithm == "sha-256")
        return Credentials(str(ice.usernameFragment), str(ice.password), named)

    def start(self, remote: Credentials, *, handshakes: bool, is_lite: bool) -> None:
        """`handshakes`: we begin the DTLS handshake, they wait for it."""
        self._dtls._set_role("client" if handshakes else "server")
        self._tasks.start(self._connect(remote, is_lite))

    def add_candidate(self, candidate: str | None) -> None:
        """As `candidate:…`; None: there are no more. Bad ones are ignored."""
        self._tasks.start(self._add_candidate(candidate))

    async def send(self, packet: bytes) -> bool:
        """False: it is gone, for there is no connection."""
        try:
            await self._dtls._send_rtp(packet)
        except (ConnectionError, TransactionError):  # the latter of a relay that did not answer
            return False
        return True

    async def close(self) -> None:
        self._finished = True
        self._tasks.request_cancel()
        await self._gathering.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSES_WITHIN):
                await self._dtls.stop()
                await self._ice.stop()

    async def _connect(self, remote: Credentials, is_lite: bool) -> None:
        prints = [RTCDtlsFingerprint(algorithm, value) for algorithm, value in remote.fingerprints]
        try:
            async with asyncio.timeout(CONNECTS_WITHIN):
                await self._ice.start(RTCIceParameters(remote.ufrag, remote.password, is_lite))
                if self._ice.state == "completed":
                    self._dtls.on("statechange", self._dtls_changed)
                    await self._dtls.start(RTCDtlsParameters(prints))
        except (ConnectionError, InvalidStateError, TimeoutError) as error:
            log.debug("media did not connect: %s", type(error).__name__)
        if self._dtls.state != "connected":
            self._end()

    def _dtls_changed(self) -> None:
        if self._finished:
            return
        if self._dtls.state == "connected":
            self._opened()
        elif self._dtls.state in ("closed", "failed"):
            self._end()

    def _end(self) -> None:
        if not self._finished:
            self._finished = True
            self._closed()

    async def _add_candidate(self, candidate: str | None) -> None:
        try:
            if not candidate:
                await asyncio.sleep(END_AFTER)
                await self._ice.addRemoteCandidate(None)
                return
            if (read := Candidate.read(candidate)) is not None:
                await self._ice.addRemoteCandidate(library_candidate(read))
        except (ValueError, AssertionError, KeyError, IndexError, InvalidStateError, OSError) as error:
            log.debug("ignored a candidate: %s", type(error).__name__)

    def _found(self, candidate: LibraryCandidate | None) -> None:
        if not self._finished:
            self._candidate(None if candidate is None else _text(candidate))


def _text(candidate: LibraryCandidate) -> str:
    return f"candidate:{candidate_to_sdp(candidate_from_aioice(candidate))}"
