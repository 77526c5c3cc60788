"""SCTP under the data channels of aiortc 1.16: what a tap needs of it, by its private parts.

- It takes packets for lost after no less than a second (RFC 9260 §6.3.1), the first after three. `SCTP_RTO_MIN` and
  `SCTP_RTO_INITIAL` are lowered to what browsers have.
- When the network is back, and packets arrive, it goes on waiting for that timer: `_handle_data`.
- It lets messages out one after another, as far as they fit into a window that shrinks to one packet when much is lost:
  a receipt waits for the picture before it, and after two seconds without a network for several round trips.
  `send_at_once` lets a small message out before what waits, whatever the window: control says little, at moments that
  protocol/control.md bounds, and slows down by itself where nothing is answered.
- Its timers of setting up and of shutting down (T1 and T2) go on after DTLS has ended, and what they send then fails
  without being asked: `_send_chunk_if_there_is_dtls`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from weakref import WeakKeyDictionary

import aiortc.rtcsctptransport as library
from aiortc.rtcsctptransport import Chunk, DataChunk, RTCSctpTransport, tsn_plus_one
from OpenSSL import SSL

library.SCTP_RTO_MIN = 0.4  # type: ignore[assignment]
"""An acknowledgement may be delayed by 0.2 s (RFC 9260 §6.2), which its estimate of the round trip may not have met."""
library.SCTP_RTO_INITIAL = 0.5

_handle_data = RTCSctpTransport._handle_data
_heard: WeakKeyDictionary[RTCSctpTransport, float] = WeakKeyDictionary()
"""When the other end's last packet came."""
_sending: set[asyncio.Future[None]] = set()
"""A loop holds its tasks only weakly."""


async def _handle_data_after_silence(self: RTCSctpTransport, data: bytes) -> None:
    now = time.time()
    silence = now - _heard.get(self, now)
    _heard[self] = now
    await _handle_data(self, data)
    oldest = (self._sent_queue[0]._sent_time or now) if self._sent_queue else now
    if min(silence, now - oldest) > self._rto and self._t3_handle is not None:
        self._t3_cancel()
        self._t3_expired()


RTCSctpTransport._handle_data = _handle_data_after_silence  # type: ignore[method-assign]

_send_chunk = RTCSctpTransport._send_chunk


async def _send_chunk_if_there_is_dtls(self: RTCSctpTransport, chunk: Chunk) -> None:
    try:
        await _send_chunk(self, chunk)
    except (ConnectionError, SSL.Error) as error:
        if chunk is self._t1_chunk or chunk is self._t2_chunk:
            return
        raise ConnectionError("DTLS has ended") from error


RTCSctpTransport._send_chunk = _send_chunk_if_there_is_dtls  # type: ignore[method-assign]


def send_at_once(sctp: RTCSctpTransport, stream: int, data: bytes) -> bool:
    """Send one unordered message that is never repeated. False, and nothing is sent: it is too long for one chunk, the
    association is not up, or half of another message is out, which no chunk may interrupt (RFC 9260 §6.9)."""
    waiting = sctp._outbound_queue
    is_whole = not waiting or bool(waiting[0].flags & library.SCTP_DATA_FIRST_FRAG)
    is_up = sctp._association_state is sctp.State.ESTABLISHED
    if not (is_up and is_whole and 0 < len(data) <= library.USERDATA_MAX_LENGTH):
        return False
    chunk = DataChunk(
        library.SCTP_DATA_UNORDERED | library.SCTP_DATA_FIRST_FRAG | library.SCTP_DATA_LAST_FRAG,
    )
    chunk.stream_id, chunk.protocol, chunk.user_data = stream, library.WEBRTC_BINARY, data
    # It takes the number of the first that waits: transmission sequence numbers are in the order of sending.
    chunk.tsn = waiting[0].tsn if waiting else sctp._local_tsn
    for later in waiting:
        later.tsn = tsn_plus_one(later.tsn)
    sctp._local_tsn = tsn_plus_one(sctp._local_tsn)
    # Nothing of it is in the window, and it is abandoned when it would be repeated.
    chunk._book_size, chunk._in_flight, chunk._max_retransmits, chunk._expiry = 0, False, 0, None
    chunk._abandoned = chunk._acked = chunk._retransmit = False
    chunk._misses, chunk._sent_count, chunk._sent_time = 0, 1, time.time()
    sctp._sent_queue.append(chunk)
    sending = asyncio.ensure_future(_send(sctp, chunk))
    _sending.add(sending)
    sending.add_done_callback(_sending.discard)
    return True


async def _send(sctp: RTCSctpTransport, chunk: DataChunk) -> None:
    if sctp._association_state is not sctp.State.ESTABLISHED:
        return  # it ended meanwhile
    if sctp._t3_handle is None:
        sctp._t3_start()
    with contextlib.suppress(ConnectionError):  # DTLS is over: its owner is told elsewhere
        await sctp._send_chunk(chunk)
