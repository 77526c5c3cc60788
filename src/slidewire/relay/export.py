"""The configuration of another TURN server that replaces ours: same secret, realm, forbidden peers and quotas.

What another engine cannot be told is said in a comment of the file: neither knows the members of a room, so a closed
relay there reaches relays alone, and neither can refuse ports below 1024.

Every name of an option is from the engine's own documentation: coturn's examples/etc/turnserver.conf and eturnal's
reference.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Final, Literal

from slidewire.turn.limits import Limits
from slidewire.turn.policy import SPECIAL, Network

Engine = Literal["coturn", "eturnal"]
_ANY: Final = ("0.0.0.0", "::")  # noqa: S104
_NAT64: Final = ("64:ff9b::/96", "translation; we look at the address behind it, others cannot")
EVERYWHERE: Final = ("0.0.0.0/0", "::/0")

_LEFT_OUT: Final = (
    "The secrets are left out. Ask for them with --with-secret, or put those of {path} here, one entry for each."
)


@dataclass(frozen=True, slots=True)
class Export:
    realm: str
    secret_file: str
    """Said in a comment."""
    secrets: tuple[str, ...] = ()
    """Newest first. Empty: they are left out."""
    relays: tuple[str, ...] = ()
    """The relay addresses of every server of the fleet, as the world knows them."""
    open: bool = False
    """Any public address is a peer; otherwise only `relays`."""
    allow: tuple[Network, ...] = ()
    listen: tuple[str, ...] = _ANY
    port: int = 3478
    tls_port: int = 5349
    tls_cert: str | None = None
    tls_key: str | None = None
    metrics_port: int | None = None
    limits: Limits = field(default_factory=Limits)

    def denied(self) -> list[tuple[str, str]]:
        """(network, why)"""
        everything = [] if self.open else [(network, "a closed relay") for network in EVERYWHERE]
        return [*everything, *SPECIAL.items(), _NAT64]

    def allowed(self) -> list[str]:
        """What is a peer in spite of that."""
        hosts = [str(ipaddress.ip_network(host)) for host in self.relays]
        return [*hosts, *map(str, self.allow)]

    def bandwidth(self) -> int | None:
        """Bytes per second of one allocation."""
        rate = self.limits.bandwidth
        return None if rate is None else int(rate.per_second)


def export(engine: Engine, what: Export) -> str:
    return _coturn(what) if engine == "coturn" else _eturnal(what)


def _head(what: Export, needs: str) -> list[str]:
    peers = "every public address" if what.open else "the fleet's relays alone"
    return [
        f"# Written by `slidewire turn export`, for {needs}.",
        f"# Peers: {peers}. Ports below 1024 cannot be refused here, nor can a room's members be told apart.",
    ]


# --- coturn -----------------------------------------------------------------------------------------------------------


def _coturn(what: Export) -> str:
    limits, bandwidth = what.limits, what.bandwidth()
    lines = _head(what, "coturn 4.18 or later. An option that a version does not know is warned about and skipped")
    lines += ["", f"listening-port={what.port}", *(f"listening-ip={host}" for host in what.listen if host not in _ANY)]
    if what.tls_cert is not None and what.tls_key is not None:
        lines += [f"tls-listening-port={what.tls_port}", f"cert={what.tls_cert}", f"pkey={what.tls_key}"]
    else:
        lines += ["no-tls"]
    lines += ["no-dtls", "min-port=49152", "max-port=65535", "", f"realm={what.realm}", "use-auth-secret"]
    if what.secrets:
        lines += [f"static-auth-secret={secret}" for secret in what.secrets]
    else:
        lines += [f"# {_LEFT_OUT.format(path=what.secret_file)}", "#static-auth-secret="]
    lines += [
        "",
        f"user-quota={limits.allocations_per_user}",
        f"total-quota={limits.allocations}",
        *([] if bandwidth is None else [f"max-bps={bandwidth}"]),
        f"max-allocate-lifetime={limits.max_lifetime}",
        f"stale-nonce={int(limits.nonce_lifetime)}",
        f"permission-lifetime={int(limits.permission_lifetime)}",
        f"channel-lifetime={int(limits.channel_lifetime)}",
        "",
        "# Short answers to strangers, and not many of them",
        "no-software-attribute",
        "no-rfc5780",
        "no-stun-backward-compatibility",
        "response-origin-only-with-rfc5780",
        "unauthorized-ratelimit",
        f"unauthorized-ratelimit-rps={int(limits.answers.per_second)}",
        "",
        "# What nobody here uses",
        "no-tcp-relay",
        "no-cli",
        "no-multicast-peers",
    ]
    if what.metrics_port is not None:
        lines += [
            "",
            "# Let nobody but your own monitoring reach it",
            "prometheus",
            f"prometheus-port={what.metrics_port}",
        ]
    lines += ["", "# Peers that are allowed win over those that are denied"]
    lines += [f"allowed-peer-ip={_range(network)}" for network in what.allowed()]
    if any(ipaddress.ip_network(network).is_loopback for network in what.allowed()):
        lines += ["allow-loopback-peers"]
    for network, why in what.denied():
        lines += [f"# {network}: {why}", f"denied-peer-ip={_range(network)}"]
    return "\n".join(lines) + "\n"


def _range(text: str) -> str:
    """coturn reads no CIDR, and takes a range that begins with :: for one without a beginning, which holds all of IPv4.
    (It forbids :: itself without being told.)"""
    network = ipaddress.ip_network(text)
    if network.num_addresses == 1:
        return _plain(network[0])
    first = network[1] if network[0] == ipaddress.IPv6Address(0) else network[0]
    return f"{_plain(first)}-{_plain(network[-1])}"


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Never with an IPv4 address at the end: such a text might be read as that address."""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return ":".join(f"{int.from_bytes(address.packed[at : at + 2], 'big'):x}" for at in range(0, 16, 2))


# --- eturnal ----------------------------------------------------------------------------------------------------------


def _eturnal(what: Export) -> str:
    limits, bandwidth = what.limits, what.bandwidth()
    lines = [*_head(what, "eturnal 1.12 or later"), "eturnal:"]
    if what.secrets:
        lines += ["  secret:", *(f"    - {_quoted(secret)}" for secret in what.secrets)]
    else:
        lines += [f"  # {_LEFT_OUT.format(path=what.secret_file)}", "  #secret:", '  #  - "…"']
    lines += [f"  realm: {_quoted(what.realm)}", "  software_name: none", "  listen:"]
    tls = what.tls_cert is not None and what.tls_key is not None
    transports = [("udp", what.port), ("tcp", what.port), *([("tls", what.tls_port)] if tls else [])]
    hosts = ["::"] if "::" in what.listen else list(what.listen)
    for host in hosts:
        for transport, port in transports:
            lines += [f"    - ip: {_quoted(host)}", f"      port: {port}", f"      transport: {transport}"]
    if tls:
        lines += [f"  tls_crt_file: {_quoted(what.tls_cert or '')}", f"  tls_key_file: {_quoted(what.tls_key or '')}"]
    lines += [
        "  relay_min_port: 49152",
        "  relay_max_port: 65535",
        f"  max_allocations: {limits.allocations_per_user}",
        f"  max_permissions: {limits.permissions}",
        *([] if bandwidth is None else [f"  max_bps: {bandwidth}"]),
        "  strict_expiry: false",
    ]
    if allowed := what.allowed():
        lines += ["  whitelist_peers:", *(f"    - {_quoted(network)}" for network in allowed)]
    lines += ["  blacklist_peers:", *(f"    - {_quoted(network)}  # {why}" for network, why in what.denied())]
    if what.metrics_port is not None:
        lines += [
            "  modules:", "    mod_stats_prometheus:", '      ip: "127.0.0.1"', f"      port: {what.metrics_port}",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A YAML string in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
