"""STUN and TURN, put together: secrets, policy, the core, its sockets. `slidewire turn` runs it alone.

Nothing is decided here. Secrets and certificates are read again when their files change; the machine's own addresses
are looked up again now and then, because none of them may become a peer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from slidewire.aio import clock, datapath
from slidewire.aio.relay import RelayHost, RelayShell
from slidewire.aio.stream import StreamListener
from slidewire.aio.udp import bind_udp
from slidewire.server.addresses import interface_addresses
from slidewire.server.certificates import WatchedContext
from slidewire.server.config import ServerError
from slidewire.server.turn_secrets import ROTATE_SECONDS, SecretFile, load_secrets, secret_path
from slidewire.stun.address import IPV4, IPV6, pack_host
from slidewire.turn.credentials import DEFAULT_TTL, Credentials, anybody
from slidewire.turn.effects import Report
from slidewire.turn.limits import Limits
from slidewire.turn.policy import Network, PeerPolicy, nobody
from slidewire.turn.server import TurnServer

log = logging.getLogger(__name__)

REALM: Final = "slidewire"
_WATCH_SECONDS: Final = 2.0
_DRAIN_LOOK_SECONDS: Final = 0.1
_TRIES: Final = 20
_ANY: Final = {"0.0.0.0": IPV4, "::": IPV6}  # noqa: S104


@dataclass(frozen=True, slots=True)
class TurnSettings:
    listen: tuple[str, ...] = ("0.0.0.0", "::")  # noqa: S104  clients are anywhere
    port: int = 3478
    """UDP and TCP. 0 takes a free one."""
    other_port: bool = False
    """Take a free one as well where that one cannot be had, and say so."""
    tls_port: int | None = 5349
    """Used when there is a certificate."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    relay_ips: tuple[str, ...] = ()
    """Where relays are bound, one per address family. Without: where this machine reaches the world from."""
    external_ips: tuple[str, ...] = ()
    """What the world calls those, behind a one-to-one NAT."""
    realm: str = REALM
    secret_file: Path | None = None
    rotate_seconds: float = ROTATE_SECONDS
    """How long a secret is used, if the file is ours."""
    open_relay: bool = False
    allow: tuple[Network, ...] = ()
    reachable: Callable[[str, str], bool] = field(default=nobody)
    """(username, host): whom a closed relay reaches besides our own relays."""
    private: bool = False
    """… on private networks, too."""
    knows: Callable[[str], bool] = field(default=anybody)
    """(user): whether there is such a user (still)."""
    limits: Limits = field(default_factory=Limits)
    report: Callable[[Report], object] | None = None
    """Told what an operator may want to read of."""
    data_path: str | None = None
    """plain or compiled; without, the faster one there is (see `aio.datapath`)."""

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ServerError("Give both --tls-cert and --tls-key, or neither.")
        if not self.realm or len(self.realm.encode()) > 127 or not self.realm.isascii():
            raise ServerError("--realm is a short name in plain letters, such as the server's domain.")
        for option, hosts in (("--relay-ip", self.relay_ips), ("--external-ip", self.external_ips)):
            if len(_by_family(option, hosts)) != len(hosts):
                raise ServerError(f"{option} is given at most once for IPv4 and once for IPv6.")


@dataclass(frozen=True, slots=True)
class TurnReady:
    """Ports that listen; None where nothing does."""

    udp: int
    tcp: int
    tls: int | None
    realm: str
    data_path: str


class TurnService:
    def __init__(self, settings: TurnSettings) -> None:
        self._settings = settings
        self._secrets: SecretFile | None = None
        self._context: WatchedContext | None = None
        self._shell: RelayShell | None = None
        self._listeners: list[StreamListener] = []
        self._watcher: asyncio.Task[None] | None = None
        self._relay_hosts: dict[int, RelayHost] = {}
        self.core: TurnServer | None = None

    async def start(self) -> TurnReady:
        """Raises ServerError, with the remedy; nothing is left behind then."""
        try:
            return self._start()
        except BaseException:
            await self.stop()
            raise

    @property
    def shell(self) -> RelayShell:
        """The sockets, once it has started; also the owner of stream connections that others accept."""
        assert self._shell is not None, "start() comes first"
        return self._shell

    async def stop(self) -> None:
        """Safe to call twice."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        if self._shell is not None:
            self._shell.close()
            self._shell = None
        for listener in self._listeners:
            await listener.close()
        self._listeners.clear()

    async def drain(self, seconds: float) -> None:
        """Give nobody anything new, and wait until everybody has left, or that long."""
        assert self.core is not None, "start() comes first"
        self.core.draining = True
        deadline = clock.monotonic() + seconds
        while self.core.allocations and clock.monotonic() < deadline:  # noqa: ASYNC110  nothing says when it is empty
            await asyncio.sleep(_DRAIN_LOOK_SECONDS)

    def reload(self) -> None:
        """Read secrets and certificates again, now. What cannot be read stays as it was."""
        assert self.core is not None and self._secrets is not None, "start() comes first"
        try:
            now = clock.wall()
            self._secrets.refresh(now)
            if (found := self._secrets.in_use_first(now)) != self.core.credentials.secrets:
                self.core.credentials.secrets = found
                log.info("The TURN secrets are others now; allocations stay as they are.")
            if self._context is not None and self._context.refresh():
                log.info("New connections get the new certificate.")
        except (ServerError, OSError) as error:
            log.warning("The TURN secrets stay as they were: %s", error)

    def _start(self) -> TurnReady:
        settings = self._settings
        self._secrets = SecretFile(secret_path(settings.secret_file), every=settings.rotate_seconds)
        credentials = Credentials(self._secrets.in_use_first(clock.wall()), knows=settings.knows)
        if settings.tls_cert is not None and settings.tls_key is not None:
            self._context = WatchedContext(settings.tls_cert, settings.tls_key)
            self._context.context.set_alpn_protocols(["stun.turn"])  # RFC 7443
        hosts = _usable(settings.listen)
        self._relay_hosts = _relay_hosts(settings, hosts)
        _raise_open_files()
        try:
            path = datapath.choose(settings.data_path)
        except datapath.NoSuchPath as error:
            raise ServerError(str(error)) from None
        self.core = TurnServer(
            realm=settings.realm,
            credentials=credentials,
            policy=self._policy(),
            entropy=os.urandom,
            wall=clock.wall,
            limits=settings.limits,
            families=self._relay_hosts,
            make_meter=path.make_meter,
            report=settings.report,
        )
        self._shell = RelayShell(self.core, self._relay_hosts, path=path)
        udp, tcp = self._listen(self._shell, hosts)
        tls = None
        if self._context is not None and settings.tls_port is not None:
            tls = self._listen_streams(self._shell, hosts, settings.tls_port, self._context, "--tls-port")
        self._watcher = asyncio.create_task(self._watch(), name="secrets and addresses")
        return TurnReady(udp, tcp, tls, settings.realm, path.name)

    def _policy(self) -> PeerPolicy:
        settings = self._settings
        own = {str(address) for address in interface_addresses()}
        own.update(host for relay in self._relay_hosts.values() for host in (relay.bound, relay.announced))
        return PeerPolicy(
            open=settings.open_relay,
            allow=settings.allow,
            own=frozenset(own),
            reachable=settings.reachable,
            private=settings.private,
        )

    # --- listening ----------------------------------------------------------------------------------------------------

    def _listen(self, shell: RelayShell, hosts: tuple[str, ...]) -> tuple[int, int]:
        """UDP and TCP on the same port of every address."""
        port = _port_to_use(self._settings, hosts)
        for host in hosts:
            try:
                port = shell.listen(host, port)[1]
            except OSError as error:
                raise ServerError(_explain(error, host, port, "--port")) from None
        return port, self._listen_streams(shell, hosts, port, None, "--port")

    def _listen_streams(
        self, shell: RelayShell, hosts: tuple[str, ...], port: int, context: WatchedContext | None, option: str
    ) -> int:
        for host in hosts:
            listener = StreamListener(shell, context.context if context else None, self._settings.limits.first_message)
            self._listeners.append(listener)
            try:
                port = listener.open(host, port)[1]
            except OSError as error:
                raise ServerError(_explain(error, host, port, option)) from None
        return port

    # --- what changes while it runs -----------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while self.core is not None and self._secrets is not None:
            await asyncio.sleep(_WATCH_SECONDS)
            self.reload()
            policy = self._policy()
            if policy.own != self.core.policy.own:
                self.core.policy = replace(self.core.policy, own=policy.own)


def _by_family(option: str, hosts: tuple[str, ...]) -> dict[int, str]:
    found = {}
    for host in hosts:
        try:
            found[IPV4 if len(pack_host(host)) == 4 else IPV6] = host
        except ValueError:
            raise ServerError(f"{option} {host} is not an IP address.") from None
    return found


def _usable(listen: tuple[str, ...]) -> tuple[str, ...]:
    """`::` is left out where the machine has no IPv6, unless it is all that was asked for."""
    if len(listen) > 1 and "::" in listen and not _has_ipv6():
        return tuple(host for host in listen if host != "::")
    return listen


def _port_to_use(settings: TurnSettings, hosts: tuple[str, ...]) -> int:
    """One that is free for UDP and TCP on all of these, unless it must be the one that was asked for."""
    port = settings.port
    if port and not settings.other_port:
        return port
    if port:
        try:
            return _reserve(port, hosts)
        except OSError as error:
            log.warning("%s STUN and TURN take another port.", _explain(error, hosts[0], port, "--turn-port"))
    for _ in range(_TRIES):
        try:
            return _reserve(0, hosts)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                break
    return 0  # whoever listens there says what is wrong


def _reserve(port: int, hosts: tuple[str, ...]) -> int:
    """Have it for a moment, for UDP and TCP. Raises OSError."""
    with contextlib.ExitStack() as held:
        for host in hosts:
            bound = held.enter_context(bind_udp(host, port))
            port = bound.getsockname()[1]
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            held.enter_context(socket.create_server((host, port), family=family))
    return port


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _relay_hosts(settings: TurnSettings, hosts: tuple[str, ...]) -> dict[int, RelayHost]:
    """Where relays are bound: as told, else on the one address listened on, else from where the world is reached."""
    bound = _by_family("--relay-ip", settings.relay_ips)
    external = _by_family("--external-ip", settings.external_ips)
    if not bound:
        for host in hosts:
            family = IPV6 if ":" in host else IPV4
            found = host if host not in _ANY else _outward(family) or _own(family)
            if found is not None:
                bound.setdefault(family, found)
    if not bound:
        raise ServerError("This machine has no address that relays could have. Give one with --relay-ip.")
    for family in external.keys() - bound.keys():
        raise ServerError(f"--external-ip {external[family]} needs a --relay-ip of its kind behind it.")
    return {family: RelayHost(host, external.get(family, host)) for family, host in bound.items()}


def _outward(family: int) -> str | None:
    """The address this machine would use towards the world. Nothing is sent to find out."""
    inet, somewhere = (socket.AF_INET6, "2001:db8::1") if family == IPV6 else (socket.AF_INET, "192.0.2.1")
    try:
        with socket.socket(inet, socket.SOCK_DGRAM) as probe:
            probe.connect((somewhere, 9))
            host = str(probe.getsockname()[0])
    except OSError:
        return None
    return host if not host.startswith("fe80:") else None


def _own(family: int) -> str | None:
    """An address of this machine, where there is no way to the world: a network of its own, or nothing but itself."""
    version = 6 if family == IPV6 else 4
    found = next((str(address) for address in interface_addresses() if address.version == version), None)
    return found or ("127.0.0.1" if version == 4 else None)


def _raise_open_files() -> None:
    """Every allocation has a socket of its own."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _explain(error: OSError, host: str, port: int, option: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"Port {port} on {host} is taken by another program. Stop it, or give another with {option}."
        case errno.EACCES | errno.EPERM:
            return f"Port {port} needs more rights than this program has. Give one above 1023 with {option}."
        case errno.EADDRNOTAVAIL:
            return f"This machine has no address {host}. Give one of its own with --listen."
        case _:
            return f"{host} port {port} cannot be listened on: {error.strerror or error}. Check --listen and {option}."


__all__ = [
    "DEFAULT_TTL",
    "TurnReady",
    "TurnService",
    "TurnSettings",
    "load_secrets",
    "secret_path",
]
