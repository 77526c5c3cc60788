"""The socket of a `SignalingClient`: opens it, feeds it, and explains why it could not be opened."""

from __future__ import annotations

import asyncio
import logging
import socket as sockets
import ssl
import urllib.request
from collections.abc import Callable
from typing import Final

import aiohttp
from aiohttp import WSMsgType
from yarl import URL

from slidewire.aio.clock import monotonic
from slidewire.aio.loop import Alarm
from slidewire.aio.own_clients import AddressInfo
from slidewire.aio.tasks import Tasks
from slidewire.signaling.client import Connect, Event, HangUp, SignalingClient, Transmit

CONNECT_SECONDS: Final = 5.0
CHECK_SECONDS: Final = 1.0
"""How long a socket in doubt may take to answer."""
WATCH_SECONDS: Final = 1.0
"""How often the socket's own address is compared with the computer's."""
SLEPT_SECONDS: Final = 3.0
"""When nothing ran here for this long, the computer slept, and its sockets may be dead."""
MAX_FRAME: Final = 1024 * 1024
"""`room_opened` and `resumed` list some hundred members."""
LEAVES_WITHIN: Final = 2.0
"""Seconds that are given to telling the server that we leave."""
TURN_MESSAGES: Final = 32
"""So many messages in a row before whatever else this program does gets its turn."""

log = logging.getLogger(__name__)


def websocket_url(server: str) -> str:
    """`wss://SERVER/ws` from what a person may have: a server's or a link's URL."""
    url = URL(server)
    if url.scheme not in ("https", "http", "wss", "ws") or not url.host:
        raise ValueError(f"{server} is not a server's address; it looks like https://clicker.example")
    scheme = "wss" if url.scheme in ("https", "wss") else "ws"
    return str(URL.build(scheme=scheme, host=url.host, port=url.port, path="/ws"))


def system_proxy(url: URL) -> str | None:
    """The HTTP proxy that this computer's settings (or environment) name for web sites, unless they except this one."""
    host = url.host or ""
    if host in ("localhost", "127.0.0.1", "::1") or urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get("https" if url.scheme == "wss" else "http")
    return proxy if proxy is not None and proxy.startswith(("http://", "https://")) else None


class SignalingSocket:
    """Keeps one `SignalingClient` connected until it is over.

    `on_event` is called on the event loop, one event at a time, in order. Call verbs of `client` (`add_links`,
    `revoke_link`, …) and then `flush`; within `on_event` the flush comes by itself.
    """

    def __init__(
        self,
        server: str,
        client: SignalingClient,
        on_event: Callable[[Event], None],
        *,
        tls: ssl.SSLContext | None = None,
        token: str | None = None,
        make_socket: Callable[[AddressInfo], sockets.socket] | None = None,
    ) -> None:
        """`tls`: whom to trust; None: the system's authorities. `token`: for a server that opens rooms only for who has
        one. It goes in a header, where no log keeps it. `make_socket`: makes the TCP sockets, if the server is to know
        them."""
        self.client = client
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._make_socket = make_socket
        self._url = websocket_url(server)
        self._on_event = on_event
        self._ssl: ssl.SSLContext | bool = tls or True
        self._session: aiohttp.ClientSession | None = None
        self._connection: asyncio.Task[None] | None = None
        self._tasks = Tasks()
        self._outbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._alarm = Alarm(self._ring)
        self._watch = Alarm(self._look)
        self._looked = monotonic()
        self._delivering = False
        self._ends: tuple[str, tuple[str, int]] | None = None
        """Our own address on the socket, and the other end's with its port."""

    async def start(self) -> None:
        # Our own limits are on every step; aiohttp's total would end the socket after five minutes.
        connector = None if self._make_socket is None else aiohttp.TCPConnector(socket_factory=self._make_socket)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        self.client.start(monotonic())
        self.flush()
        self._look()

    async def stop(self) -> None:
        """Leave the room and close. Safe to call twice."""
        self.client.leave()
        self.flush()
        self._alarm.set(None)
        self._watch.set(None)
        await self._tasks.finish(within=LEAVES_WITHIN)
        await self._tasks.cancel()
        if self._session is not None:
            await self._session.close()

    def send(self, to: str, data: bytes) -> bool:
        """To another member. False: not inside just now, and it was not sent."""
        sent = self.client.send(to, data)
        self.flush()
        return sent

    def check(self) -> None:
        """The network may have changed: look at once."""
        if self._has_moved():
            # Nothing comes back to the address that this socket has; no need to wait in order to find that out.
            self._outbox.put_nowait(None)
            self._connection = self._ends = None
            self.client.disconnected("This computer has another address now.", monotonic())
        self.client.check(monotonic(), CHECK_SECONDS)
        self.flush()

    def _has_moved(self) -> bool:
        return self._ends is not None and address_towards(self._ends[1]) not in (None, self._ends[0])

    def _look(self) -> None:
        """A program is not told that its computer slept or has another address."""
        now, before = monotonic(), self._looked
        self._looked = now
        self._watch.set(now + WATCH_SECONDS)
        if now - before > WATCH_SECONDS + SLEPT_SECONDS or self._has_moved():
            self.check()

    def flush(self) -> None:
        """Carry out what the client wants and deliver what happened. Call it after any of the client's verbs."""
        self._carry_out()
        if self._delivering:
            return  # called from within on_event: the loop below goes on
        self._delivering = True
        try:
            while (event := self.client.next_event()) is not None:
                try:
                    self._on_event(event)
                except Exception:
                    log.exception("handling %s failed", type(event).__name__)
                self._carry_out()
        finally:
            self._delivering = False

    def _carry_out(self) -> None:
        while (effect := self.client.next_effect()) is not None:
            match effect:
                case Connect():
                    self._outbox = asyncio.Queue()
                    self._connection = self._tasks.start(self._run(self._outbox), "signaling socket")
                case Transmit(data):
                    self._outbox.put_nowait(data)
                case HangUp():
                    self._outbox.put_nowait(None)
                    self._connection = None
        self._alarm.set(self.client.get_timer())

    def _ring(self) -> None:
        self.client.handle_timer(monotonic())
        self.flush()

    def _is_current(self) -> bool:
        return asyncio.current_task() is self._connection

    async def _run(self, outbox: asyncio.Queue[bytes | None]) -> None:
        """One socket's life."""
        assert self._session is not None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                socket = await self._session.ws_connect(
                    self._url,
                    headers=self._headers,
                    ssl=self._ssl,
                    proxy=system_proxy(URL(self._url)),
                    compress=0,
                    max_msg_size=MAX_FRAME,
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                    decode_text=False,
                )
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            self._connect_failed(error)
            return
        try:
            if not self._is_current():
                return
            own, other = socket.get_extra_info("sockname"), socket.get_extra_info("peername")
            self._ends = (own[0], other[:2]) if own and other else None
            self.client.connected(monotonic())
            self.flush()
            writer = asyncio.create_task(self._write(socket, outbox), name="signaling writer")
            try:
                reason = await self._read(socket)
            finally:
                outbox.put_nowait(None)
                await writer
        finally:
            await socket.close()
        if self._is_current():
            self._ends = None
            self.client.disconnected(reason, monotonic())
            self.flush()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> str:
        heard = 0
        while True:
            message = await socket.receive()
            if message.type is not WSMsgType.TEXT:
                return f"The server closed the connection ({socket.close_code or 'without a word'})."
            if self._is_current():
                self.client.receive_message(message.data, monotonic())
                self.flush()
            heard += 1
            if heard % TURN_MESSAGES == 0:
                await asyncio.sleep(0)

    async def _write(self, socket: aiohttp.ClientWebSocketResponse[bool], outbox: asyncio.Queue[bytes | None]) -> None:
        try:
            while (data := await outbox.get()) is not None:
                await socket.send_frame(data, WSMsgType.TEXT)
            await socket.close()
        except (aiohttp.ClientError, ConnectionError):
            pass  # it died under us; the reader reports that

    def _connect_failed(self, error: Exception) -> None:
        if not self._is_current():
            return
        reason, final, retry_after = explain(error, URL(self._url))
        self.client.connect_failed(reason, monotonic(), final=final, retry_after=retry_after)
        self.flush()


def address_towards(other: tuple[str, int]) -> str | None:
    """The address with which this computer would speak to that one now; None if it could not."""
    family = sockets.AF_INET6 if ":" in other[0] else sockets.AF_INET
    with sockets.socket(family, sockets.SOCK_DGRAM) as asking:
        try:
            asking.connect(other)  # sends nothing: it only asks the routing table
        except OSError:
            return None
        return str(asking.getsockname()[0])


def explain(error: Exception, url: URL) -> tuple[str, str | None, float]:
    """A sentence, the name of the failure if trying again cannot mend it, and the seconds the server asked to wait."""
    where = f"{url.host}:{url.port}"
    match error:
        case aiohttp.ClientConnectorCertificateError():
            why = _why(error.certificate_error)
            advice = "If the server made it itself, download /ca.pem from it and give it with --ca FILE."
            return f"The certificate of {where} is not trusted here: {why}. {advice}", "certificate", 0.0
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return f"{where} does not speak TLS. Is it http:// instead of https://?", None, 0.0
        case aiohttp.ClientConnectorDNSError():
            return f"The name {url.host} is not known. Check it, and that this computer is online.", None, 0.0
        case TimeoutError():
            return f"{where} did not answer within {CONNECT_SECONDS:.0f} seconds.", None, 0.0
        case aiohttp.ClientProxyConnectionError():
            return f"The proxy {error.host}:{error.port} of this computer's settings cannot be reached.", None, 0.0
        case aiohttp.ClientHttpProxyError():
            # Its own text has the proxy's URL in it, and with that a password perhaps.
            return f"The proxy of this computer's settings answered {error.status} when asked for {where}.", None, 0.0
        case ConnectionRefusedError():
            return f"Nothing listens on {where}. Is the server running?", None, 0.0
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return f"Nothing listens on {where}. Is the server running?", None, 0.0
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, sockets.gaierror):
            return f"The name {url.host} is not known. Check it, and that this computer is online.", None, 0.0
        case aiohttp.WSServerHandshakeError():
            return _refused(error, url)
        case OSError() if error.strerror:
            return f"{where} cannot be reached: {error.strerror}.", None, 0.0
        case _:
            return f"{where} cannot be reached ({type(error).__name__}).", None, 0.0


def _refused(error: aiohttp.WSServerHandshakeError, url: URL) -> tuple[str, str | None, float]:
    """Something speaks HTTP there, and opens no WebSocket."""
    where = f"{url.host}:{url.port}"
    wait = error.headers.get("Retry-After", "0") if error.headers is not None else "0"
    after = float(wait) if wait.isdigit() else 0.0
    match error.status:
        case 421:
            advice = f"Use the address that it printed, or have it started with --host-name {url.host}."
            return f"The server does not go by the name {url.host}. {advice}", None, after
        case 429:
            return f"{where} gets too many connections from this address.", None, after
        case 503:
            return f"{where} is starting or stopping.", None, after
        case status:
            return f"{where} answered {status}: it is no slidewire server, or a proxy is in between.", None, after


def _why(error: Exception) -> str:
    return getattr(error, "verify_message", "") or str(error)
