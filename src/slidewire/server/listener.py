"""The listening sockets of the web's port, and the abuse limiter that each connection and each request
passes.

A connection of an address that is blocked is reset before TLS begins. Behind a proxy the address is known only once
there is a request; there the same limiter answers 429.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Middleware
from aiohttp.web_protocol import RequestHandler

from slidewire.aio.accept import Acceptor, reset
from slidewire.aio.clock import monotonic
from slidewire.aio.first_byte import SharedPort, UndecidedConnection
from slidewire.aio.http import SECURITY_HEADERS, Handler, error_response
from slidewire.aio.own_clients import OWN, OwnClients
from slidewire.aio.proxies import USUAL_HEADERS, TrustedProxies
from slidewire.aio.stream import StreamOwner
from slidewire.base.addresses import SocketAddress
from slidewire.base.rates import Block
from slidewire.signaling.abuse_limiter import AbuseLimiter

log = logging.getLogger(__name__)

_NO_IPV6: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


def tell_block(block: Block[str]) -> None:
    """Into the log: the one place where an address is written down, because of what it did."""
    log.warning("%s is blocked for %.0f s: %s.", block.key, block.seconds, block.why)


class _Handler(RequestHandler):
    """aiohttp's own, but what is no request is answered in the shape of all errors, with nothing of it, and paid."""

    def __init__(self, malformed: Callable[[str], object], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._malformed = malformed

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        super().handle_error(request, status, exc, message)  # writes the log, and raises where an answer has begun
        if status < 500:
            self._malformed(request.remote or "?")
        phrase = HTTPStatus(status).phrase
        answer = error_response(status, phrase.lower().replace(" ", "_"), f"{phrase}.", SECURITY_HEADERS)
        answer.force_close()
        return answer


def http_of(
    server: web.Server, malformed: Callable[[str], object] = lambda address: None, **options: Any
) -> Callable[[], asyncio.Protocol]:
    """Makes what speaks HTTP on each connection. `malformed` is called with the address of an unreadable request."""
    return lambda: _Handler(malformed, server, loop=asyncio.get_running_loop(), **options)


class Listener:
    def __init__(
        self,
        abuse_limiter: AbuseLimiter,
        proxies: TrustedProxies,
        own: OwnClients,
        *,
        http: Callable[[], asyncio.Protocol],
        streams: StreamOwner | None,
        context: ssl.SSLContext | None,
        seconds: float,
    ) -> None:
        """`seconds`: how long TLS, and after it the first byte, may take."""
        self._abuse_limiter = abuse_limiter
        self._proxies = proxies
        self._own = own
        self._context = context
        self._seconds = seconds
        self._port = SharedPort(http, streams, is_tls=context is not None, seconds=seconds, left=self._left)
        self._acceptor = Acceptor(self._accepted)

    def open(self, hosts: tuple[str, ...], port: int) -> int:
        """The same port of every address. Raises OSError."""
        for host in hosts:
            try:
                port = self._acceptor.open(host, port)[1]
            except OSError as error:
                if len(hosts) == 1 or host != "::" or error.errno not in _NO_IPV6:
                    raise
        return port

    async def close(self) -> None:
        """Accept no more connections, and close those that have not sent anything yet."""
        await self._acceptor.close()
        self._port.close()

    def _accepted(self, accepted: socket.socket, remote: SocketAddress) -> Coroutine[Any, Any, None] | None:
        address = str(remote[0])
        if remote in self._own:
            return self._begin(self._port(remote), accepted, 0.0)
        if address not in self._proxies and not self._abuse_limiter.accept_connection(address, monotonic()):
            return None
        wait = self._abuse_limiter.turn_in(address, monotonic()) if self._context is not None else 0.0
        return self._begin(self._port(remote), accepted, wait)

    async def _begin(self, visitor: UndecidedConnection, accepted: socket.socket, wait: float) -> None:
        handshake = self._seconds if self._context is not None else None
        try:
            if wait > 0:
                await asyncio.sleep(wait)
                if self._abuse_limiter.blocked_for(visitor.address, monotonic()):
                    reset(accepted)
                    visitor.leave()
                    return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: visitor, accepted, ssl=self._context, ssl_handshake_timeout=handshake
            )
        except OSError as error:  # ssl.SSLError is one
            log.debug("a client did not get through TLS: %s", error)
            accepted.close()
            visitor.leave()

    def _left(self, remote: SocketAddress) -> None:
        address = str(remote[0])
        if remote in self._own:
            self._own.forget(remote)
        elif address not in self._proxies:
            self._abuse_limiter.left(address)


def guard(abuse_limiter: AbuseLimiter, proxies: TrustedProxies, own: OwnClients, request_work: float) -> Middleware:
    """A middleware: from here on `request.remote` is where the client is, and who asks too much is answered 429."""
    hint = _Hint(proxies)

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        remote = request.transport.get_extra_info("peername") if request.transport is not None else None
        if remote and remote in own:
            return await handler(request.clone(remote=OWN))
        peer = request.remote or "?"
        headers = request.headers
        hint(peer, headers)
        if peer in proxies:
            request = request.clone(remote=proxies.client(peer, headers.getall(proxies.header, ())))
        address = request.remote or "?"
        wait = abuse_limiter.ask(address, monotonic())
        if wait > 0:
            after = {"Retry-After": str(max(1, round(wait))), "X-RateLimit-Remaining": "0"}
            return error_response(429, "rate_limited", "Too many requests. Wait a little, then ask again.", after)
        turn = abuse_limiter.queue(address, monotonic(), request_work)
        if turn > 0:
            await asyncio.sleep(turn)
        if peer not in proxies:
            return await handler(request)
        # Whose connection it is, is known only now: it has a share like those who come by themselves.
        if not abuse_limiter.hold(address, monotonic()):
            return error_response(429, "rate_limited", "Too many requests at once. End some of them.", _SOON)
        try:
            return await handler(request)
        finally:
            abuse_limiter.left(address)

    return guarded


_SOON: Final = {"Retry-After": "5", "X-RateLimit-Remaining": "0"}
_LOOPBACK: Final = TrustedProxies(["127.0.0.0/8", "::1/128"])


class _Hint:
    """Tells the operator once that a proxy is there and is not trusted, and which option mends that."""

    def __init__(self, proxies: TrustedProxies) -> None:
        self._proxies = proxies
        self._told = False

    def __call__(self, peer: str, headers: Mapping[str, str]) -> None:
        proxies = self._proxies
        if self._told or (proxies.header in headers and peer in proxies):
            return
        said = next((name for name in USUAL_HEADERS if name in headers), None)
        if said is None:
            return
        if peer in proxies:
            self._told = True
            log.warning(
                "The proxy at %s does not say in %s who came to it, but sends %s. If it writes that one itself, start "
                "with --proxy-header %s; until then all of its clients count as one.", peer, proxies.header, said, said,
            )  # fmt: skip
        elif peer in _LOOPBACK:
            self._told = True
            log.warning(
                "A proxy on this machine speaks for others. With --trusted-proxy %s --proxy-header %s it is believed; "
                "until then all of its clients count as one.", peer, said,
            )  # fmt: skip
