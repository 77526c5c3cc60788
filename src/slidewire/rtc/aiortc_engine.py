"""The engine on aiortc 1.16, by its private parts where that must be; `aiortc_ice` and `aiortc_sctp` touch those of ICE
and SCTP.

What the design works around (each seen in aiortc 1.16.0 / aioice 0.13.0):
- Without `iceServers` it asks a third party's STUN server: it is given an empty list.
- It says nothing before every server has answered or had its time: `gathering` does without.
- A remote `.local` candidate blocks for a second while its name is looked up: candidates are added by tasks.
- It fails at once when told that there are no more candidates while it knows none it can use, although a browser, whose
  own are hidden behind `.local` names, is about to send its first check: it is told late (`END_AFTER`).
- It has no ICE restart: a connection that died is replaced by a new peer.
- It does not look again whether it can connect when its first candidate comes late: `_connect`.
- The selected candidate pair has no public name: `_nominated_pair` reads it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aioice import Candidate as LibraryCandidate
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidAccessError, InvalidStateError
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from aiortc.rtcicetransport import candidate_from_aioice
from aiortc.sdp import candidate_to_sdp

from slidewire.aio.tasks import Tasks
from slidewire.control.privacy import Privacy
from slidewire.rtc.aiortc_ice import CLOSES_WITHIN, END_AFTER, library_candidate
from slidewire.rtc.aiortc_sctp import send_at_once
from slidewire.rtc.engine import Channel, IceServer, Peer, PeerError, PeerEvents
from slidewire.rtc.gathering import Gathering
from slidewire.rtc.ingress import meter
from slidewire.sdp.candidate import Candidate, Trickled
from slidewire.sdp.description import Description, read_description, write_description

if TYPE_CHECKING:
    from slidewire.rtc.media_peer import MediaEvents, MediaPeer

log = logging.getLogger(__name__)

ROOM_BYTES = 8192
"""Bulk data is handed over while less than this is queued: more would stand before the next receipt."""


_FOR_DATA: Final = frozenset(
    {
        *("group", "ice-ufrag", "ice-pwd", "ice-options", "ice-lite", "fingerprint", "setup", "mid"),
        *("sctp-port", "max-message-size", "end-of-candidates"),
    }
)

_REQUIRED: Final = {
    "ice-ufrag": "ICE credentials",  # RFC 8839 §5.4
    "ice-pwd": "ICE credentials",
    "fingerprint": "fingerprint of a certificate",  # RFC 8122 §5, RFC 8827 §6.5
    "setup": "DTLS role",  # RFC 8842 §5.2
}


def for_data_channels(sdp: str) -> str:
    """A description as the library is to have it: written by us, with one m-line and what belongs to data channels. For
    each further m-line it would open sockets of its own, and some attributes of media it goes through once for each
    other. What a connection cannot be made without has to be there: the library finds out too late, in a task of its
    own. ValueError: it is no such description."""
    read = read_description(sdp)
    if [section.kind for section in read.sections] != ["application"]:
        raise ValueError("it has to have one m-line, which is for data channels")
    (section,) = read.sections
    lines = tuple(line for line in section.lines if isinstance(line, Candidate) or line.name in _FOR_DATA)
    attributes = tuple(each for each in read.attributes if each.name in _FOR_DATA)
    said = [each for each in (*attributes, *lines) if not isinstance(each, Candidate)]
    for name, missing in _REQUIRED.items():
        if not any(each.name == name for each in said):
            raise ValueError(f"it has no {missing}")
    if any(each.name == "setup" and each.value == "holdconn" for each in said):
        raise ValueError("no end begins the DTLS handshake")
    ports = [each.value or "" for each in said if each.name == "sctp-port"]
    if section.protocol == "DTLS/SCTP":  # of drafts, with the port for a format
        ports.append(section.formats[0])
    if not ports or not all(port.isdecimal() and 0 < int(port) <= 0xFFFF for port in ports):
        raise ValueError("it has no port for SCTP")  # RFC 8841 §5
    return write_description(Description(attributes, (replace(section, lines=lines),)))


class AiortcEngine:
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """`tls` says whom to trust as a `turns:` server; without it, whom the system does."""
        self._tls = tls

    def create_peer(self, ice_servers: Sequence[IceServer], events: PeerEvents, privacy: Privacy) -> Peer:
        return AiortcPeer(ice_servers, events, privacy, tls=self._tls)

    def create_media_peer(self, ice_servers: Sequence[IceServer], events: MediaEvents, privacy: Privacy) -> MediaPeer:
        """A peer for camera, microphone and screen. What is not used is not loaded."""
        from slidewire.rtc.media_peer import MediaPeer

        return MediaPeer(ice_servers, events, privacy, tls=self._tls)


class AiortcPeer:
    def __init__(
        self,
        ice_servers: Sequence[IceServer],
        events: PeerEvents,
        privacy: Privacy,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        policy = RTCIceTransportPolicy.RELAY if privacy.is_relay_only else RTCIceTransportPolicy.ALL
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[], iceTransportPolicy=policy))
        self._events = events
        self._finished = False
        self._described = asyncio.Event()
        """The other end's description is here: candidates mean something."""
        self._tasks = Tasks()
        self._channels = {
            Channel.CONTROL: self._create_channel(Channel.CONTROL, ordered=False, max_retransmits=0),
            Channel.BULK: self._create_channel(Channel.BULK, ordered=True, max_retransmits=None),
        }
        self._connection.on("connectionstatechange", self._connection_state_changed)
        self._gathering = Gathering(self._ice, ice_servers, self._candidate_found, privacy, tls=tls)
        meter(self._ice, events.permits)

    async def offer(self) -> str:
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._description()

    async def accept_answer(self, sdp: str) -> None:
        await self._set_remote(sdp, "answer")

    async def answer(self, sdp: str) -> str:
        await self._set_remote(sdp, "offer")
        try:
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except (ValueError, InvalidStateError) as error:
            raise PeerError(f"the offer cannot be answered: {error}") from error
        return self._description()

    def add_candidate(self, candidate: dict[str, Any] | None) -> None:
        self._tasks.start(self._add_candidate(candidate))

    def send(self, channel: Channel, data: bytes) -> bool:
        to = self._channels[channel]
        is_urgent = channel is Channel.CONTROL and to.readyState == "open"
        if is_urgent and send_at_once(self._sctp, channel.id, data):
            return True
        try:
            to.send(data)
        except InvalidStateError:
            return False
        return True

    async def wait_for_room(self, channel: Channel) -> bool:
        queue = self._channels[channel]
        while queue.readyState == "open":
            if self.has_room(channel):
                return True
            await asyncio.sleep(0.002)
        return False

    def has_room(self, channel: Channel) -> bool:
        queue = self._channels[channel]
        return queue.readyState == "open" and queue.bufferedAmount < ROOM_BYTES

    @property
    def is_relayed(self) -> bool:
        pair = self._nominated_pair()
        return pair is not None and "relay" in (pair.local_candidate.type, pair.remote_candidate.type)

    async def close(self) -> None:
        self._finished = True
        self._tasks.request_cancel()
        await self._gathering.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSES_WITHIN):
                await self._connection.close()

    def _create_channel(self, channel: Channel, ordered: bool, max_retransmits: int | None) -> RTCDataChannel:
        created = self._connection.createDataChannel(
            channel.value, negotiated=True, id=channel.id, ordered=ordered, maxRetransmits=max_retransmits
        )
        created.on("open", lambda: self._events.opened(channel))
        created.on("message", lambda data: self._received(channel, data))
        return created

    def _received(self, channel: Channel, data: bytes | str) -> None:
        if isinstance(data, bytes) and not self._finished:
            self._events.received(channel, data)

    async def _set_remote(self, sdp: str, kind: str) -> None:
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(for_data_channels(sdp), kind))
        except (ValueError, AssertionError, KeyError, IndexError, InvalidStateError, InvalidAccessError) as error:
            raise PeerError(f"the {kind} cannot be used: {error}") from error
        self._described.set()

    async def _add_candidate(self, candidate: dict[str, Any] | None) -> None:
        await self._described.wait()
        try:
            if candidate is None or not candidate.get("candidate"):
                await asyncio.sleep(END_AFTER)
                await self._connection.addIceCandidate(None)
                return
            trickled = Trickled.read(candidate)
            if trickled is not None:
                of_library = library_candidate(trickled.candidate)
                of_library.sdpMid, of_library.sdpMLineIndex = trickled.mid, trickled.section
                await self._connection.addIceCandidate(of_library)
        except (ValueError, AssertionError, KeyError, IndexError, InvalidStateError, OSError) as error:
            log.debug("ignored a candidate: %s", type(error).__name__)

    def _description(self) -> str:
        """More candidates may come, whatever the library thinks."""
        return str(self._connection.localDescription.sdp).replace("a=end-of-candidates\r\n", "")

    def _candidate_found(self, candidate: LibraryCandidate | None) -> None:
        if self._finished:
            return
        if candidate is None:
            self._events.candidate(None)
            return
        if len(self._ice.local_candidates) == 1:
            self._tasks.start(self._connect())
        text = f"candidate:{candidate_to_sdp(candidate_from_aioice(candidate))}"
        self._events.candidate({"candidate": text, "sdpMid": "0", "sdpMLineIndex": 0})

    async def _connect(self) -> None:
        """The library does not begin with ICE while it has no candidate, and then has to be told that it has one."""
        connection: Any = self._connection
        await connection._RTCPeerConnection__connect()

    def _connection_state_changed(self) -> None:
        if self._connection.connectionState in ("failed", "closed") and not self._finished:
            self._finished = True
            self._events.closed()

    def _nominated_pair(self) -> Any:
        return self._ice._nominated.get(1)

    @property
    def _ice(self) -> Any:
        """The ICE agent under the data channels: they were created before anything else."""
        return self._sctp.transport.transport._connection

    @property
    def _sctp(self) -> Any:
        return self._connection.sctp
