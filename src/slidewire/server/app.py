"""The server, put together: certificates, the signaling hub and its sockets, relays, the pages, the listening port.

Nothing is decided here; parts are made, connected, started, and stopped in the opposite order. It runs alone
(`slidewire serve`) or in one process with a host (`slidewire up`).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from slidewire import __version__
from slidewire.aio import clock
from slidewire.aio.accept import listen_tcp
from slidewire.aio.descriptors import for_others, raise_limit
from slidewire.aio.http import Pages, add_security_headers, below, one_shape_of_errors
from slidewire.aio.own_clients import OWN, OwnClients
from slidewire.aio.proxies import TrustedProxies
from slidewire.aio.websocket_server import HubSockets
from slidewire.base.addresses import bracketed
from slidewire.relay.credential_secrets import SECRET_FILE
from slidewire.relay.program import TurnReady, TurnSettings
from slidewire.server import audit_events
from slidewire.server import browser_tickets as tickets
from slidewire.server.accounts.authentication import Authenticator, Cookies
from slidewire.server.accounts.service import Accounts
from slidewire.server.accounts.store import AccountStore
from slidewire.server.api.handlers import Api
from slidewire.server.api.token_file import TOKEN_FILE, load_token
from slidewire.server.audit_events import AuditWriter
from slidewire.server.config import ServerSettings
from slidewire.server.host_names import HostNames, answer_only_to, parse_authority
from slidewire.server.leak_test import LeakTest
from slidewire.server.listener import Listener, guard, http_of, tell_block
from slidewire.server.metrics_endpoint import MetricsEndpoint
from slidewire.server.network_id import make_networks
from slidewire.server.public_url import listen_addresses, names_of, public_host, public_url
from slidewire.server.relay_fleet import Fleet
from slidewire.server.relays import OwnRelay, ice_servers
from slidewire.server.store.files import open_accounts, open_rooms
from slidewire.server.store.room_writer import RoomWriter
from slidewire.server.trust_pages import TrustPages, welcome, words_for_people
from slidewire.signaling.abuse_limiter import AbuseLimiter
from slidewire.signaling.hub import Hub
from slidewire.signaling.limits import Limits
from slidewire.system.certificates import LocalCertificates, WatchedContext
from slidewire.system.errors import SetupError, why_not_opened
from slidewire.turn.server import TurnServer

log = logging.getLogger(__name__)

RESTART_SECONDS = 0.5
"""How long clients are told to wait when the server stops in good order."""
_ADDED = "{added:/?(%23.*)?}"
"""What chats and mail programs put behind a page's name: a slash, or all of the fragment. The page makes it right."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A server that listens."""

    url: str
    """How the world reaches it, without a trailing slash."""
    local_url: str
    """How a program on this machine reaches it."""
    port: int
    ca: Path | None
    """The authority to trust, if the certificate is of our own making."""
    fingerprint: str | None
    """SHA-256 of that authority."""
    account_link: str | None
    """Makes the first account. It is a secret, and good once."""
    turn: dict[str, int | None]
    """The ports of our own relay: "udp", "tcp", and "tls", which is the web's."""


class Server:
    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._certificates: LocalCertificates | None = None
        self._context: WatchedContext | None = None
        self._room_writer: RoomWriter | None = None
        self._audit: AuditWriter | None = None
        self._accounts: Accounts | None = None
        self._sockets: HubSockets | None = None
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None
        self._proxies = TrustedProxies(settings.trusted_proxies, settings.proxy_header)
        self.own_clients = OwnClients()
        """Makes the sockets by which this process connects to its own server."""
        self._relay: OwnRelay | None = None
        self._fleet: Fleet | None = None
        self._port = settings.port
        self._watcher: asyncio.Task[None] | None = None
        self.hub: Hub | None = None
        self.tickets = tickets.Tickets()
        self._limits = within_files(settings.limits, raise_limit(), relaying=settings.turn and not settings.turn_uris)
        self.abuse_limiter = AbuseLimiter(self._limits, os.urandom(32), tell_block, never_blocked=OWN)

    async def start(self) -> Ready:
        """Raises SetupError, with the remedy; nothing is left behind then."""
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """In good order: clients are told when to come back. Safe to call twice."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        if self._listener is not None:
            await self._listener.close()
            self._listener = None
        if self._sockets is not None:
            await self._sockets.stop(RESTART_SECONDS)
            self._sockets = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        for relays in (self._relay, self._fleet):
            if relays is not None:
                await relays.stop()
        self._relay = self._fleet = None
        if self._accounts is not None:
            await self._accounts.close()
            self._accounts = None
        if self._room_writer is not None:
            await self._room_writer.close()
            self._room_writer = None
        if self._audit is not None:
            await asyncio.to_thread(self._audit.close)
            self._audit = None

    async def _start(self) -> Ready:
        settings = self._settings
        _have_addresses(settings)
        self._make_state_dir()
        self._prepare_tls()
        if settings.accounts:
            self._accounts = Accounts(AccountStore(open_accounts(settings.state_dir)))
        room_repository = open_rooms(settings.state_dir)
        self._room_writer = RoomWriter(room_repository)
        if settings.audit_days:
            folder = settings.state_dir / audit_events.FOLDER
            self._audit = AuditWriter(folder, clock.wall, days=settings.audit_days, addresses=settings.audit_addresses)
            self._audit("server_started", version=__version__)
        audit = self._audit or audit_events.discard
        rooms, tombstones = room_repository.load(clock.wall())
        relays = self._make_relays(audit)
        self.hub = Hub(
            entropy=os.urandom,
            wall=clock.wall,
            ice_servers=ice_servers(relays) if relays is not None else lambda room, member, reached_by: [],
            limits=self._limits,
            abuse_limiter=self.abuse_limiter,
            heartbeat=settings.heartbeat,
            network=make_networks(private_members=settings.private_members),
            rooms=rooms,
            tombstones=tombstones,
        )
        origins = frozenset() if settings.url is None else frozenset({settings.url.rstrip("/")})
        member_gone = self._relay.member_gone if self._relay is not None else lambda: None
        authenticator = self._make_authenticator(self.hub, origins)
        self._sockets = HubSockets(
            self.hub,
            save=self._room_writer.save,
            member_gone=member_gone,
            origins=origins,
            may_open_rooms=authenticator.may_open_rooms if settings.rooms_need_key else None,
        )
        turn = await self._relay.start(self.hub) if self._relay is not None else None
        if self._fleet is not None:
            await self._fleet.start()
        app = self._make_app(self._sockets)
        app.add_routes(Api(authenticator, self.hub, self._sockets.operate, relays, audit).routes())
        token = load_token(settings.state_dir / TOKEN_FILE)
        metrics = MetricsEndpoint(self.abuse_limiter, self.hub, self._sockets, self._turn_core, token)
        app.router.add_get("/metrics", metrics.get)
        options: dict[str, Any] = {
            "access_log": None,
            "keepalive_timeout": settings.keepalive_seconds,
            "lingering_time": 2.0,
            "logger": below,
            "auto_decompress": False,  # no handler takes compressed bodies, so none is unpacked
        }
        self._runner = web.AppRunner(app, shutdown_timeout=2.0, **options)
        await self._runner.setup()
        port = self._port = await self._listen(self._runner, options)
        self._watcher = asyncio.create_task(self._watch(), name="certificate watch")
        certificates = self._certificates
        url = public_url(settings, port)
        return Ready(
            url=url,
            local_url=self._local_url(port),
            port=port,
            ca=certificates.authority_path if certificates else None,
            fingerprint=certificates.authority.fingerprint if certificates else None,
            account_link=await self._invitation(url, audit),
            turn=_turn_ports(turn, port if self._context is not None else None),
        )

    def _make_authenticator(self, hub: Hub, origins: frozenset[str]) -> Authenticator:
        settings = self._settings
        secure = not settings.http or (settings.url or "").startswith("https://")
        return Authenticator(
            hub,
            self._accounts,
            load_token(settings.state_dir / TOKEN_FILE),
            Cookies(secure=secure),
            origins,
            secure,
        )

    async def _invitation(self, url: str, audit: audit_events.Audit) -> str | None:
        """The link that makes the first account, until there is one: there is no default password to know."""
        if self._accounts is None:
            return None
        names = await self._accounts.ask(lambda store: store.names())
        if names:
            return None
        token = await self._accounts.ask(lambda store: store.invite(None, clock.wall()))
        audit("invited", who="the server")
        return f"{url}/account#{token}"

    def _make_relays(self, audit: audit_events.Audit) -> OwnRelay | Fleet | None:
        settings = self._settings
        if settings.turn_uris and settings.turn_secret_file is not None:
            self._fleet = Fleet(settings.turn_uris, settings.turn_secret_file)
        elif settings.turn:
            turn = TurnSettings(
                listen=listen_addresses(settings),
                port=settings.turn_port,
                other_port=True,
                tls_port=None,
                relay_ips=settings.relay_ips,
                external_ips=settings.external_ips,
                secret_file=settings.state_dir / SECRET_FILE,
                private=settings.private_members,
                rotated=audit_events.secrets_rotated(audit),
            )
            host = public_host(settings)
            self._relay = OwnRelay(turn, public_host=host, tls=not settings.http, http_port=lambda: self._port)
        return self._fleet or self._relay

    def _turn_core(self) -> TurnServer | None:
        return self._relay.core if self._relay is not None else None

    def _make_state_dir(self) -> None:
        folder = self._settings.state_dir
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_mode & stat.S_ISVTX:  # /tmp and the like: not ours to close to others
                raise SetupError(f"{folder} is for everyone. Give a folder of its own, such as {folder / 'slidewire'}.")
            folder.chmod(0o700)
        except OSError as error:
            raise SetupError(
                f"{folder} cannot be used to keep rooms and certificates ({error.strerror}). Make it writable, or set "
                "XDG_DATA_HOME to a folder that is."
            ) from None

    def _prepare_tls(self) -> None:
        settings = self._settings
        if settings.http:
            return
        if settings.tls_cert is not None and settings.tls_key is not None:
            self._context = WatchedContext(settings.tls_cert, settings.tls_key)
            return
        self._certificates = LocalCertificates(settings.state_dir)
        self._certificates.ensure(names_of(settings), _now())
        self._context = WatchedContext(self._certificates.certificate_path, self._certificates.key_path)

    def _host_names(self) -> HostNames:
        settings = self._settings
        for name in settings.host_names:
            found = parse_authority(name)
            if found is None or found.name != name.lower().removesuffix("."):
                raise SetupError(f"--host-name {name} is not a name such as clicker.example, without port or path.")
        context = self._context
        given = (*names_of(settings).hosts, *settings.host_names)
        return HostNames(given, (lambda: context.names) if context is not None else tuple)

    def _make_app(self, sockets: HubSockets) -> web.Application:
        pages = Pages(self._settings.pages_dir)
        trust = TrustPages(self._certificates)
        app = web.Application(
            middlewares=[
                guard(self.abuse_limiter, self._proxies, self.own_clients, self._limits.request_work),
                words_for_people,
                one_shape_of_errors,
                answer_only_to(self._host_names()),
            ]
        )
        app.on_response_prepare.append(add_security_headers)
        if self._settings.tls_cert is not None:
            app.on_response_prepare.append(_keep_to_tls)
        app.add_routes(
            [
                web.get("/", welcome),
                web.get("/ws", sockets.handle, allow_head=False),
                web.post("/ws", sockets.handle_post),
                web.get(f"/p/{{link_id}}{_ADDED}", pages.page("presenter", "camera", "microphone")),
                web.get(f"/operator{_ADDED}", pages.page("operator", "microphone")),
                web.get(f"/deck{_ADDED}", pages.page("deck")),
                web.get(f"/program{_ADDED}", pages.page("program")),
                web.get("/leaktest", pages.page("leaktest")),
                web.get("/leaktest/seen", LeakTest(self._fleet or self._relay).seen),
                *([web.get("/account", pages.page("account"))] if self._settings.accounts else []),
                web.get("/assets/{name}", pages.asset),
                web.get("/healthz", _healthy),
                web.get("/readyz", _healthy),
                web.get(f"{tickets.PATH}/{{ticket}}", self.tickets.take, allow_head=False),
                *trust.routes(),
                web.get("/{name}", pages.beside),
            ]
        )
        return app

    async def _listen(self, runner: web.AppRunner, options: dict[str, Any]) -> int:
        settings = self._settings
        context = self._context.context if self._context is not None else None
        assert runner.server is not None
        if context is not None:
            context.set_alpn_protocols(["http/1.1", "stun.turn"])  # RFC 7443
        self._listener = Listener(
            self.abuse_limiter,
            self._proxies,
            self.own_clients,
            http=http_of(runner.server, self._malformed, **options),
            streams=self._relay.streams if self._relay is not None else None,
            context=context,
            seconds=settings.keepalive_seconds,
        )
        try:
            return self._listener.open(listen_addresses(settings), settings.port)
        except OSError as error:
            raise SetupError(why_not_opened(error, settings.listen, settings.port, "--port")) from None

    def _malformed(self, address: str) -> None:
        """Each of these ends its connection, so who goes on is blocked as who opens too many is. Of a proxy's clients
        it is not known which it was."""
        if address not in self._proxies:
            self.abuse_limiter.penalize(address, "requests that are none", clock.monotonic())

    def _local_url(self, port: int) -> str:
        settings = self._settings
        scheme = "http" if settings.http else "https"
        host = "127.0.0.1" if settings.is_any and settings.listen != "::" else settings.listen
        host = "::1" if host == "::" else host
        return f"{scheme}://{bracketed(host)}:{port}"

    async def _watch(self) -> None:
        """Take up renewed certificate files, and renew our own when the machine moves to another network."""
        while self._context is not None:
            await asyncio.sleep(self._settings.watch_seconds)
            try:
                if self._certificates is not None:
                    names = names_of(self._settings)
                    await asyncio.to_thread(self._certificates.ensure, names, _now())
                if self._context.refresh():
                    log.info("New connections get the new certificate.")
            except (SetupError, OSError) as error:
                log.warning("The certificate could not be renewed: %s", error)


def within_files(limits: Limits, files: int, *, relaying: bool) -> Limits:
    """No more connections than there may be files. With a relay of ours half of those are for it."""
    most = for_others(files) // (2 if relaying else 1)
    if most >= limits.held:
        return limits
    log.warning(
        "This program may open %d files at once, so that %d connections are possible instead of %d. For more, raise "
        "its hard limit: LimitNOFILE= in the unit of systemd, or `ulimit -Hn`.", files, most, limits.held,
    )  # fmt: skip
    return replace(limits, held=most)


def _have_addresses(settings: ServerSettings) -> None:
    """Before anything is made for an address that was mistyped, above all another authority in place of the one that
    phones trust. Raises SetupError."""
    for host in listen_addresses(settings):
        if host != "::":  # left out where the machine has no IPv6
            try:
                listen_tcp(host, 0).close()
            except OSError as error:
                raise SetupError(why_not_opened(error, settings.listen, settings.port, "--port")) from None


def _turn_ports(turn: TurnReady | None, tls: int | None) -> dict[str, int | None]:
    if turn is None:
        return {"udp": None, "tcp": None, "tls": None}
    return {"udp": turn.udp, "tcp": turn.tcp, "tls": tls}


async def _keep_to_tls(request: web.Request, response: web.StreamResponse) -> None:
    """RFC 6797. Not with a certificate of our own making: a visitor who has to click a warning away could not any
    more."""
    response.headers["Strict-Transport-Security"] = "max-age=31536000"


async def _healthy(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
