"""WebSockets for the signaling hub: an aiohttp handler on one side, the sans-I/O `Hub` on the other.

One task reads each socket and one writes it, with a bounded outbox between the hub and the writer: a reader never
touches another peer's socket, so no peer's slowness or sudden end reaches another. A peer that does not keep up with
its outbox is closed with 4408 and may resume.

A page's first messages may come as POST requests, over the connection that brought the page: a socket made of requests
(protocol/signaling.md), which to the hub is one like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiohttp import ClientConnectionError, WSMsgType, web

from slidewire.aio.clock import monotonic
from slidewire.aio.loop import Alarm
from slidewire.aio.own_clients import OWN
from slidewire.signaling.effects import SILENT, Close, DropRoom, MemberGone, SaveRoom, SaveTombstone, Send
from slidewire.signaling.hub import Hub
from slidewire.signaling.messages import MAX_MESSAGE
from slidewire.signaling.room import ConnectionId
from slidewire.signaling.router import ALONE

MAX_FRAME: Final = 4 * MAX_MESSAGE
"""Past the protocol's own limit, which is answered in words, up to here; beyond, WebSocket's 1009 closes."""
OUTBOX_MESSAGES: Final = 8192
OUTBOX_BYTES: Final = 4 * 1024 * 1024
ALL_OUTBOX_BYTES: Final = 64 * 1024 * 1024
"""What may wait for all sockets together …"""
CROWDED_BYTES: Final = 64 * 1024
"""… and for one when there is no more than that."""
CLOSE_SECONDS: Final = 3.0
TURN_MESSAGES: Final = 4
"""So many messages of one socket are read in a row before the others get their turn …"""
TURN_WRITES: Final = 32
"""… and so many are written: who hears many must not fall behind because many are heard."""
POST_HEADER: Final = "Slidewire-Socket"
"""Names the socket that a POST belongs to. Only who opened it knows its name."""
HANDSHAKE: Final = ("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
"""The headers that make a request a WebSocket's (RFC 6455 §4.2.1)."""
NEWS_SECONDS: Final = 0.5
"""How long a POST waits for something to answer."""
TOGETHER_SECONDS: Final = 0.001
"""… and for the rest, once something has come: what belongs together comes at once."""
POST_SECONDS: Final = 5.0
"""A socket made of requests is closed so long after the last one."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class _Waiting:
    """Bytes that wait for all sockets together."""

    def __init__(self) -> None:
        self.total = 0


class _Outbox:
    """What waits to be written to one socket, and how it ends."""

    def __init__(self, transport: asyncio.Transport | None, waiting: _Waiting) -> None:
        self.close: Close | None = None
        self.transport = transport
        self._waiting = waiting
        self._messages: deque[bytes] = deque()
        self._size = 0
        self._wake = asyncio.Event()
        self._last_resort: asyncio.TimerHandle | None = None

    def put(self, data: bytes) -> bool:
        """False: it is full. After the end everything is silently dropped."""
        if self.close is None:
            most = OUTBOX_BYTES if self._waiting.total < ALL_OUTBOX_BYTES else CROWDED_BYTES
            if len(self._messages) >= OUTBOX_MESSAGES or self._size + len(data) > most:
                return False
            self._messages.append(data)
            self._count(len(data))
            self._wake.set()
        return True

    def take(self) -> bytes | None:
        if not self._messages:
            return None
        data = self._messages.popleft()
        self._count(-len(data))
        return data

    def _count(self, size: int) -> None:
        self._size += size
        self._waiting.total += size

    def forget(self) -> None:
        """What waits will not be written."""
        self._messages.clear()
        self._count(-self._size)

    def end(self, close: Close, *, discard: bool = False) -> None:
        """Close after what is in here, or at once, discarding it. Cut the line if the peer does not even read that."""
        if self.close is not None:
            return
        self.close = close
        if discard:
            self.forget()
        self._abort_in(2 * CLOSE_SECONDS)
        self._wake.set()

    def ended(self) -> None:
        """The end was said. The answer may take a while, but not for ever: it may come behind a flood."""
        self._abort_in(CLOSE_SECONDS)

    @property
    def cut_off(self) -> bool:
        """We ended it, and the line is cut."""
        return self.close is not None and self.transport is not None and self.transport.is_closing()

    def _abort_in(self, seconds: float) -> None:
        if self._last_resort is not None:
            self._last_resort.cancel()
        if self.transport is not None:
            self._last_resort = asyncio.get_running_loop().call_later(seconds, self.transport.abort)

    def done(self) -> None:
        self.forget()
        if self._last_resort is not None:
            self._last_resort.cancel()

    async def wait(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    async def news(self) -> None:
        """Wait until something comes that was not here before, and then for the rest of it; not for ever."""
        self._wake.clear()
        if self.close is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wait(), NEWS_SECONDS)
                await asyncio.sleep(TOGETHER_SECONDS)


class HubSockets:
    """All the sockets of one hub. `save` is told what must outlive the process, and `member_gone` when there is less to
    be relayed than there was."""

    def __init__(
        self,
        hub: Hub,
        *,
        save: Callable[[SaveRoom | DropRoom | SaveTombstone], None] = lambda effect: None,
        member_gone: Callable[[], None] = lambda: None,
        origins: frozenset[str] = frozenset(),
        may_open_rooms: Callable[[web.Request], Awaitable[bool]] | None = None,
    ) -> None:
        """`may_open_rooms`: whether who asks for a socket may open rooms with it. Without it, anybody may."""
        self._hub = hub
        self._may_open_rooms = may_open_rooms
        self._save = save
        self._member_gone = member_gone
        self._origins = origins
        self._waiting = _Waiting()
        self._outboxes: dict[ConnectionId, _Outbox] = {}
        self._posted: dict[str, tuple[ConnectionId, asyncio.TimerHandle]] = {}
        """Sockets made of requests, by name: how the hub knows them, and what ends them."""
        self._ids = map(ConnectionId, itertools.repeat(ALONE), itertools.count(1))
        self._alarm = Alarm(self._ring)
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """GET /ws."""
        address = self._let_in(request)
        if not all(request.headers.get(name, "").isascii() for name in HANDSHAKE):  # the library fails at it
            raise web.HTTPBadRequest(text="A WebSocket begins with headers in ASCII.")
        may_open = self._may_open_rooms is None or await self._may_open_rooms(request)
        socket = web.WebSocketResponse(
            compress=False,
            max_msg_size=MAX_FRAME,
            timeout=CLOSE_SECONDS,
            writer_limit=64 * 1024,
            decode_text=False,
            autoping=False,
            autoclose=False,
        )
        await socket.prepare(request)
        connection, outbox = next(self._ids), _Outbox(request.transport, self._waiting)
        self._outboxes[connection] = outbox
        self._idle.clear()
        where = (
            request.transport.get_extra_info("peername") if address == OWN and request.transport is not None else None
        )
        self._hub.connect(
            connection,
            str(where[0]) if where else address,
            monotonic(),
            request.host,
            may_open_rooms=may_open,
            charged_to=address,
        )
        self._pump()
        writer = asyncio.create_task(self._write(socket, outbox), name=f"signaling writer {connection.number}")
        try:
            await self._read(connection, address, socket, outbox)
        finally:
            self._hub.disconnect(connection, monotonic())
            self._outboxes.pop(connection, None)
            self._pump()
            outbox.end(Close(connection, 1000, "gone"))
            try:
                await writer
            finally:
                outbox.done()
                if request.transport is not None:
                    request.transport.close()
                if not self._outboxes:
                    self._idle.set()
        return socket

    async def handle_post(self, request: web.Request) -> web.Response:
        """POST /ws: messages, a line each; and in the answer what the server has to say by then."""
        name = request.headers.get(POST_HEADER)
        if name is None:
            who = self._let_in(request)
            may_open = self._may_open_rooms is None or await self._may_open_rooms(request)
            name = self._open_posted(who, request.host, may_open_rooms=may_open)
        elif name not in self._posted or not self._is_welcome(request):
            raise web.HTTPNotFound(text="There is no such socket (any more). Open another.")
        address = request.remote or "?"
        connection, last = self._posted[name]
        last.cancel()
        outbox = self._outboxes[connection]
        try:
            for heard, line in enumerate((await self._read_lines(request)).splitlines(), 1):
                self._hub.receive_message(connection, line, monotonic())
                self._pump()
                if heard % TURN_MESSAGES == 0:
                    await self._give_way(connection, address)
            await outbox.news()
            said = b"\n".join(iter(outbox.take, None))
        finally:
            ends = asyncio.get_running_loop().call_later(POST_SECONDS, self._close_posted, name)
            self._posted[name] = connection, ends
            if outbox.close is not None:
                self._close_posted(name)
        return web.Response(body=said, headers={POST_HEADER: name})

    @staticmethod
    async def _read_lines(request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(POST_SECONDS):
                body = await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        if len(body) > MAX_FRAME:
            raise web.HTTPRequestEntityTooLarge(MAX_FRAME, len(body))
        return body

    def _open_posted(self, address: str, reached_by: str, *, may_open_rooms: bool) -> str:
        name, connection = secrets.token_urlsafe(16), next(self._ids)
        ends = asyncio.get_running_loop().call_later(POST_SECONDS, self._close_posted, name)
        self._posted[name] = connection, ends
        self._outboxes[connection] = _Outbox(None, self._waiting)
        self._idle.clear()
        self._hub.connect(connection, address, monotonic(), reached_by, may_open_rooms=may_open_rooms)
        return name

    def _close_posted(self, name: str) -> None:
        posted = self._posted.pop(name, None)
        if posted is not None:
            connection, ends = posted
            ends.cancel()
            if (outbox := self._outboxes.pop(connection, None)) is not None:
                outbox.done()
            self._hub.disconnect(connection, monotonic())
            self._pump()
            if not self._outboxes:
                self._idle.set()

    @property
    def waiting_bytes(self) -> int:
        """What waits to be written, to all of them together."""
        return self._waiting.total

    def operate(self, work: Callable[[Hub, float], T]) -> T:
        """Do something with the hub, and carry out what comes of it."""
        done = work(self._hub, monotonic())
        self._pump()
        return done

    async def stop(self, retry_after: float) -> None:
        """Tell all members to come back later, and wait a moment until they are gone."""
        self._closing = True
        self._hub.shut_down(retry_after)
        self._pump()
        for name in list(self._posted):
            self._close_posted(name)
        self._alarm.set(None)
        try:
            await asyncio.wait_for(self._idle.wait(), CLOSE_SECONDS + 2)
        except TimeoutError:
            log.warning("%d signaling sockets did not close in time", len(self._outboxes))
        self._alarm.set(None)

    def _let_in(self, request: web.Request) -> str:
        """The address of a client that wants another socket, or the reason why it gets none."""
        if self._closing:
            raise web.HTTPServiceUnavailable(text="The server is stopping.", headers={"Retry-After": "1"})
        if not self._is_welcome(request):
            raise web.HTTPForbidden(text="This page comes from another site than the server. Open the server's own.")
        address = request.remote or "?"
        wait = self._hub.admit(address, monotonic())
        self._pump()
        if wait > 0:
            text = "Too many connections from this address. Wait a little, then try again."
            headers = {"Retry-After": str(max(1, round(wait))), "X-RateLimit-Remaining": "0"}
            raise web.HTTPTooManyRequests(text=text, headers=headers)
        return address

    def _is_welcome(self, request: web.Request) -> bool:
        """Browsers say which site's page is asking: only our own may. Other programs say nothing."""
        origin = request.headers.get("Origin")
        return origin is None or origin in self._origins or origin.partition("://")[2] == request.host

    async def _give_way(
        self, connection: ConnectionId, address: str, transport: asyncio.Transport | None = None
    ) -> None:
        """To the others, for a moment; and if much is to be done for this address, until it is its turn again. What it
        sends meanwhile is not read: when the buffers on the way are full, it waits in its own machine."""
        now = monotonic()
        wait = self._hub.queue(connection, address, TURN_MESSAGES, now)
        if wait == 0:
            await asyncio.sleep(0)
            return
        self._hub.had_to_wait(connection, TURN_MESSAGES, now)
        self._pump()
        if transport is not None and not transport.is_closing():
            transport.pause_reading()
        try:
            await asyncio.sleep(wait)
        finally:
            if transport is not None and not transport.is_closing():
                transport.resume_reading()

    async def _read(
        self, connection: ConnectionId, address: str, socket: web.WebSocketResponse, outbox: _Outbox
    ) -> None:
        """Until the other end closes, or answers our close, or is gone."""
        for heard in itertools.count(1):
            message = await socket.receive()
            match message.type:
                case WSMsgType.TEXT:
                    self._hub.receive_message(connection, message.data, monotonic())
                case WSMsgType.BINARY:
                    self._hub.receive_binary(connection, monotonic())
                case WSMsgType.PING | WSMsgType.PONG as kind:
                    paid = self._hub.receive_control(connection, len(message.data), monotonic())
                    if paid and kind is WSMsgType.PING:
                        await socket.pong(message.data)
                case _:
                    return
            self._pump()
            if heard % TURN_MESSAGES == 0:
                await self._give_way(connection, address, outbox.transport)
                if outbox.cut_off:
                    return  # what it had sent before does not matter any more

    async def _write(self, socket: web.WebSocketResponse, outbox: _Outbox) -> None:
        written = 0
        try:
            while True:
                await outbox.wait()
                while (data := outbox.take()) is not None:
                    await socket.send_frame(data, WSMsgType.TEXT)
                    written += 1
                    if written % TURN_WRITES == 0:
                        await asyncio.sleep(0)
                if (end := outbox.close) is not None:
                    outbox.ended()
                    await socket.send_frame(struct.pack("!H", end.code) + end.reason.encode(), WSMsgType.CLOSE)
                    return
        except (ClientConnectionError, ConnectionError):
            pass  # it died under us; its reader reports that

    def _ring(self) -> None:
        self._hub.handle_timer(monotonic())
        self._pump()

    def _pump(self) -> None:
        """Carry out everything the hub wants done, then set the alarm."""
        while (effect := self._hub.next_effect()) is not None:
            match effect:
                case Send(connection, data):
                    outbox = self._outboxes.get(connection)
                    if outbox is not None and not outbox.put(data):
                        outbox.end(Close(connection, SILENT, "too slow"), discard=True)
                        self._hub.disconnect(connection, monotonic())
                case Close(connection):
                    outbox = self._outboxes.get(connection)
                    if outbox is not None:
                        outbox.end(effect)
                case MemberGone():
                    self._member_gone()
                case _:
                    self._save(effect)
        if not self._closing:
            self._alarm.set(self._hub.get_timer())
