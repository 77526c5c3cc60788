"""What the server is told when it starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from slidewire.aio.proxies import DEFAULT_HEADER, TrustedProxies
from slidewire.signaling.limits import Limits
from slidewire.system.directories import state_directory
from slidewire.system.errors import SetupError


@dataclass(frozen=True, slots=True)
class ServerSettings:
    listen: str = "0.0.0.0"  # noqa: S104  phones must reach it
    port: int = 8443
    """0 takes a free one."""
    url: str | None = None
    """How the world reaches this server, if it cannot tell by itself: behind a proxy, or by name."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    http: bool = False
    """Plain HTTP, for behind a proxy: on loopback addresses only."""
    http_anywhere: bool = False
    """Plain HTTP on any address. Phones refuse the app's sealing there: browsers want a secure context."""
    accounts: bool = False
    """Operators of the server sign in: for `serve`. `up` is run by its user, at the same computer."""
    audit_days: int = 0
    """How long the log of what operators of the server did is kept. 0: there is none."""
    audit_addresses: bool = False
    """Whether it has the addresses they came from."""
    rooms_need_key: bool = False
    """New rooms are only for those who sign in or have an API key with the scope for them."""
    turn: bool = True
    """STUN and TURN as well, for the rooms of this server."""
    turn_port: int = 3478
    """UDP and TCP. 0, or one that cannot be had: a free one."""
    relay_ips: tuple[str, ...] = ()
    external_ips: tuple[str, ...] = ()
    """See `TurnSettings`."""
    private_members: bool = False
    """Relay to where a room's members are on private networks, too: for a machine among theirs."""
    turn_uris: tuple[str, ...] = ()
    """Other relays, in place of ours."""
    turn_secret_file: Path | None = None
    """The secret that we share with them."""
    state_dir: Path = field(default_factory=state_directory)
    pages_dir: Path = Path(__file__).parent / "pages"
    limits: Limits = field(default_factory=Limits)
    heartbeat: float = 15.0
    trusted_proxies: tuple[str, ...] = ()
    """Networks of proxies that are trusted to say which address a request came from."""
    proxy_header: str = DEFAULT_HEADER
    """The one header in which they say it."""
    host_names: tuple[str, ...] = ()
    """Names by which this server is reached, besides those that it knows (`hosts`)."""
    keepalive_seconds: float = 15.0
    """How long a connection may take over its request's headers, and idle between requests."""
    watch_seconds: float = 2.0
    """How often certificate files and addresses are looked at."""

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SetupError("Give both --tls-cert and --tls-key, or neither.")
        if bool(self.turn_uris) != (self.turn_secret_file is not None):
            raise SetupError("Give --turn-uri and --turn-secret-file together: relays, and the secret they know.")
        try:
            TrustedProxies(self.trusted_proxies)
        except ValueError as error:
            raise SetupError(f"--trusted-proxy: {error}; give a network such as 192.0.2.0/24.") from None
        try:
            TrustedProxies(header=self.proxy_header)
        except ValueError as error:
            raise SetupError(f"--proxy-header: {error}; X-Forwarded-For, Forwarded or X-Real-IP are.") from None
        if self.http and self.tls_cert is not None:
            raise SetupError("--http and --tls-cert contradict one another: give one of them.")
        if self.http and not self.http_anywhere and not self.is_loopback:
            raise SetupError(
                f"Plain HTTP on {self.listen} would show the pages to everyone on the way, and phones would not run "
                "them. Use --listen 127.0.0.1 behind a proxy, drop --http, or insist with --http-anywhere."
            )

    @property
    def is_loopback(self) -> bool:
        if self.listen == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.listen).is_loopback
        except ValueError:
            return False

    @property
    def is_any(self) -> bool:
        """Listening on every address of the machine."""
        return self.listen in ("", "0.0.0.0", "::")  # noqa: S104
