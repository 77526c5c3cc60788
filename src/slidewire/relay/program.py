"""STUN and TURN, put together: secrets, policy, the core, its sockets. `slidewire turn` runs it alone.

Nothing is decided here. Secrets and certificates are read again when their files change; the machine's own addresses
are looked up again now and then, because none of them may become a peer.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from slidewire.aio import clock
from slidewire.aio.descriptors import for_others, raise_limit
from slidewire.aio.stream import StreamListener
from slidewire.base.addresses import IPV4, IPV6, pack_host
from slidewire.relay.credential_secrets import ROTATE_SECONDS, SecretFile, ignore_count, load_secrets, secret_path
from slidewire.relay.datapath import NoSuchPath
from slidewire.relay.datapath_selection import select_data_path
from slidewire.relay.listeners import Listening, listen_on, usable
from slidewire.relay.metrics import Metric, relay_metrics
from slidewire.relay.shell import FIRST_PORT, LAST_PORT, RelayHost, RelayShell
from slidewire.system.addresses import Names, interface_addresses, names_with
from slidewire.system.certificates import LocalCertificates, WatchedContext
from slidewire.system.directories import state_directory
from slidewire.system.errors import SetupError
from slidewire.turn.allocation import Ports, make_ports
from slidewire.turn.credentials import DEFAULT_TTL, Credentials, knows_all
from slidewire.turn.effects import Report
from slidewire.turn.limits import Limits
from slidewire.turn.policy import Network, PeerPolicy, reaches_none
from slidewire.turn.server import TurnServer

log = logging.getLogger(__name__)

REALM: Final = "slidewire"
_WATCH_SECONDS: Final = 2.0
_DRAIN_LOOK_SECONDS: Final = 0.1
_ANY: Final = {"0.0.0.0": IPV4, "::": IPV6}  # noqa: S104


@dataclass(frozen=True, slots=True)
class TurnSettings:
    listen: tuple[str, ...] = ("0.0.0.0", "::")  # noqa: S104  clients are anywhere
    port: int = 3478
    """UDP and TCP. 0 takes a free one."""
    other_port: bool = False
    """Take a free one as well where that one cannot be had, and say so."""
    tls_port: int | None = 5349
    tls_cert: Path | None = None
    tls_key: Path | None = None
    state_dir: Path | None = None
    """Where a certificate of our own making is kept, for when none is given. None: there is no TLS then."""
    relay_ips: tuple[str, ...] = ()
    """Where relays are bound, one per address family. Without: where this machine reaches the world from."""
    external_ips: tuple[str, ...] = ()
    """What the world calls those, behind a one-to-one NAT."""
    realm: str = REALM
    secret_file: Path | None = None
    rotate_seconds: float = ROTATE_SECONDS
    """How long a secret is used, if the file is ours."""
    rotated: Callable[[int], object] = field(default=ignore_count)
    """Told how many secrets there are, when a new one was made."""
    open_relay: bool = False
    allow: tuple[Network, ...] = ()
    reachable: Callable[[str, str], bool] = field(default=reaches_none)
    """(username, host): whom a closed relay reaches besides our own relays."""
    private: bool = False
    """… on private networks, too."""
    knows: Callable[[str], bool] = field(default=knows_all)
    """(user): whether there is such a user (still)."""
    limits: Limits = field(default_factory=Limits)
    report: Callable[[Report], object] | None = None
    """Told what an operator may want to read of."""
    data_path: str | None = None
    """plain or compiled; without, the faster one there is (see `datapath_selection`)."""

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SetupError("Give both --tls-cert and --tls-key, or neither.")
        if not self.realm or len(self.realm.encode()) > 127 or not self.realm.isascii():
            raise SetupError("--realm is a short name in plain letters, such as the server's domain.")
        for option, hosts in (("--relay-ip", self.relay_ips), ("--external-ip", self.external_ips)):
            if len(_by_family(option, hosts)) != len(hosts):
                raise SetupError(f"{option} is given at most once for IPv4 and once for IPv6.")


@dataclass(frozen=True, slots=True)
class TurnReady:
    """Ports that listen; None where nothing does."""

    udp: int
    tcp: int
    tls: int | None
    realm: str
    data_path: str
    ca: Path | None = None
    """The authority to trust, if the certificate is of our own making."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several processes gets from the one that started it (`turn_workers`)."""

    listening: Listening
    relay_hosts: dict[int, RelayHost]
    relay_ports: tuple[int, int]
    """The ports of its relays, first and last; no other process has them."""
    live: dict[str, Any]
    """By host, 65,536 bytes that all of them share: which ports are live relays."""
    nonce_key: bytes
    """The same for all: a nonce of one process is valid at the others."""

    def ports_of(self, host: str) -> Ports:
        return memoryview(self.live[host]).cast("B")


class TurnService:
    """`share`: one of several processes that are one relay."""

    def __init__(self, settings: TurnSettings, share: Share | None = None) -> None:
        self._settings = settings
        self._share = share
        self._certificates: LocalCertificates | None = None
        self._secrets: SecretFile | None = None
        self._context: WatchedContext | None = None
        self._shell: RelayShell | None = None
        self._listeners: list[StreamListener] = []
        self._watcher: asyncio.Task[None] | None = None
        self._relay_hosts: dict[int, RelayHost] = {}
        self.core: TurnServer | None = None

    def prepare(self) -> bool:
        """Have secrets and certificates, and make what has to be made. True if there is TLS. Raises SetupError."""
        settings = self._settings
        self._secrets = SecretFile(
            secret_path(settings.secret_file), every=settings.rotate_seconds, rotated=settings.rotated
        )
        files = self._tls_files()
        if files is not None:
            self._context = WatchedContext(*files)
            self._context.context.set_alpn_protocols(["stun.turn"])  # RFC 7443
        return files is not None

    @property
    def ca(self) -> Path | None:
        """The authority to trust, if the certificate is of our own making. `prepare` comes first."""
        return None if self._certificates is None else self._certificates.authority_path

    async def start(self) -> TurnReady:
        """Raises SetupError, with the remedy; nothing is left behind then."""
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

    async def count(self) -> int:
        """How many allocations there are."""
        assert self.core is not None, "start() comes first"
        return len(self.core.allocations)

    async def metrics(self, *, users: bool = False) -> list[Metric]:
        assert self.core is not None, "start() comes first"
        return relay_metrics(self.core, users=users)

    async def drain(self, seconds: float) -> None:
        """Refuse new allocations, and wait until there are none left, or that long."""
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
        except (SetupError, OSError) as error:
            log.warning("The TURN secrets stay as they were: %s", error)

    def _start(self) -> TurnReady:
        settings, share = self._settings, self._share
        self.prepare()
        assert self._secrets is not None
        credentials = Credentials(self._secrets.in_use_first(clock.wall()), knows=settings.knows)
        hosts = usable(settings.listen)
        self._relay_hosts = relay_hosts(settings, hosts) if share is None else share.relay_hosts
        limits = within_files(settings.limits, raise_limit())
        try:
            path = select_data_path(settings.data_path)
        except NoSuchPath as error:
            raise SetupError(str(error)) from None
        self.core = TurnServer(
            realm=settings.realm,
            credentials=credentials,
            policy=self._policy(),
            entropy=os.urandom,
            wall=clock.wall,
            limits=limits,
            families=self._relay_hosts,
            nonce_key=None if share is None else share.nonce_key,
            make_meter=path.make_meter,
            make_ports=make_ports if share is None else share.ports_of,
            report=settings.report,
        )
        relay_ports = (FIRST_PORT, LAST_PORT) if share is None else share.relay_ports
        self._shell = RelayShell(self.core, self._relay_hosts, relay_ports, path=path)
        if share is None:
            tls_port = settings.tls_port if self._context is not None else None
            (listening,) = listen_on(hosts, settings.port, tls_port, other_port=settings.other_port)
        else:
            listening = share.listening
        self._listen(self._shell, listening)
        self._watcher = asyncio.create_task(self._watch(), name="secrets and addresses")
        udp, tcp, tls = listening.ports
        return TurnReady(udp, tcp, tls, settings.realm, path.name, self.ca)

    def _tls_files(self) -> tuple[Path, Path] | None:
        """The certificate and its key: those that were given, or our own."""
        settings = self._settings
        if settings.tls_cert is not None and settings.tls_key is not None:
            return settings.tls_cert, settings.tls_key
        if settings.state_dir is None or settings.tls_port is None:
            return None
        self._certificates = certificates = LocalCertificates(settings.state_dir)
        certificates.ensure(names_for(settings), dt.datetime.now(dt.UTC))
        return certificates.certificate_path, certificates.key_path

    def _listen(self, shell: RelayShell, listening: Listening) -> None:
        for bound in listening.udp:
            shell.adopt(bound)
        context = self._context.context if self._context is not None else None
        for made, with_tls in ((listening.tcp, None), (listening.tls, context)):
            for accepting in made:
                listener = StreamListener(shell, with_tls, self._settings.limits.first_message)
                self._listeners.append(listener)
                listener.adopt(accepting)

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

    # --- what changes while it runs -----------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while self.core is not None and self._secrets is not None:
            await asyncio.sleep(_WATCH_SECONDS)
            if self._certificates is not None:
                try:
                    await asyncio.to_thread(
                        self._certificates.ensure, names_for(self._settings), dt.datetime.now(dt.UTC)
                    )
                except (SetupError, OSError) as error:
                    log.warning("The certificate could not be renewed: %s", error)
            self.reload()
            policy = self._policy()
            if policy.own != self.core.policy.own:
                self.core.policy = replace(self.core.policy, own=policy.own)


def state_folder() -> Path:
    """Where `slidewire turn` keeps the authority it made for itself. Not that of `slidewire serve`: each is tied to the
    names that its own server needs."""
    return state_directory() / "turn"


def names_for(settings: TurnSettings) -> Names:
    """What a certificate of ours should cover."""
    domain = (settings.realm,) if "." in settings.realm else ()
    return names_with((*settings.listen, *settings.relay_ips, *settings.external_ips, *domain))


def _by_family(option: str, hosts: tuple[str, ...]) -> dict[int, str]:
    found = {}
    for host in hosts:
        try:
            found[IPV4 if len(pack_host(host)) == 4 else IPV6] = host
        except ValueError:
            raise SetupError(f"{option} {host} is not an IP address.") from None
    return found


def relay_hosts(settings: TurnSettings, hosts: tuple[str, ...]) -> dict[int, RelayHost]:
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
        raise SetupError("This machine has no address that relays could have. Give one with --relay-ip.")
    for family in external.keys() - bound.keys():
        raise SetupError(f"--external-ip {external[family]} needs a --relay-ip of its kind behind it.")
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


def within_files(limits: Limits, files: int) -> Limits:
    """No more sockets than there may be files: of what is there for others, a quarter for allocations, each of which
    has one, and a quarter for streams. The rest is the web's, where there is one."""
    most = max(1, for_others(files) // 4)
    return replace(
        limits,
        allocations=min(limits.allocations, most),
        allocations_per_address=min(limits.allocations_per_address, max(1, most // 4)),
        streams=min(limits.streams, most),
        streams_per_address=min(limits.streams_per_address, max(1, most // 4)),
    )


__all__ = [
    "DEFAULT_TTL",
    "TurnReady",
    "TurnService",
    "TurnSettings",
    "load_secrets",
    "secret_path",
]
