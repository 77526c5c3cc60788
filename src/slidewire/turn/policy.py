"""Which peers a client may reach. A relay is inside a network that is to be protected, so the default answer is no.

In this order:
1. addresses allowed by name (`allow`): yes, on any port;
2. what is special, private or this machine's own: no, through every disguise of IPv4 in IPv6. One exception can be
   made (`private`): on a private network of people's own devices, `reachable` is asked as anywhere else. It is not the
   default, because the private address that a server behind a balancer or a container's gateway sees is theirs;
3. ports below 1024: no (ICE never needs one, and most things worth attacking sit there);
4. an open relay: yes. A closed one, which is the default: only what `reachable` says, such as the addresses from which
   the members of the user's room are connected.

Our own relayed addresses are not decided here: two clients of one server must meet, and only the server knows which
ports are relays at the moment.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from slidewire.base.addresses import Address

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOWEST_PORT: Final = 1024

SPECIAL: Final[dict[str, str]] = {
    # IANA IPv4 Special-Purpose Address Registry, and what else must not be reached
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "metadata (Azure)",
    "169.254.0.0/16": "link-local and metadata",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "IETF protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "AS112",
    "192.52.193.0/24": "AMT",
    "192.88.99.0/24": "6to4 relay anycast",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "AS112",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved and broadcast",
    # IANA IPv6 Special-Purpose Address Registry, and likewise
    "::/96": "unspecified, loopback, IPv4-compatible",
    "::ffff:0:0/96": "IPv4-mapped",
    "::ffff:0:0:0/96": "IPv4-translated (SIIT)",
    "64:ff9b:1::/48": "local-use translation",
    "100::/64": "discard-only",
    "100:0:0:1::/64": "dummy prefix",
    "2001::/23": "IETF protocol assignments, Teredo",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "AS112",
    "3fff::/20": "documentation",
    "5f00::/16": "segment routing",
    "fc00::/7": "unique local, metadata",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}

_SPECIAL: Final = tuple((ipaddress.ip_network(network), reason) for network, reason in SPECIAL.items())

_PRIVATE: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
"""Where people's own devices may be. Never loopback, link-local (metadata sits there), or anything in disguise."""

_LOW_32: Final = (
    ipaddress.IPv6Network("::/96"),
    ipaddress.IPv6Network("::ffff:0:0/96"),
    ipaddress.IPv6Network("::ffff:0:0:0/96"),
    ipaddress.IPv6Network("64:ff9b::/96"),
)
_NAT64_LOCAL: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
_SIX_TO_FOUR: Final = ipaddress.IPv6Network("2002::/16")
_TEREDO: Final = ipaddress.IPv6Network("2001::/32")
_ISATAP: Final = (b"\0\0\x5e\xfe", b"\x02\0\x5e\xfe")


def disguised(address: IP) -> Iterable[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address may stand for."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    packed = address.packed
    if any(address in network for network in _LOW_32) or packed[8:12] in _ISATAP:
        yield ipaddress.IPv4Address(packed[12:])
    # RFC 6052 §2.2: with a /48, around the byte that is always zero; with a /96, at the end
    if address in _NAT64_LOCAL:
        yield ipaddress.IPv4Address(packed[6:8] + packed[9:11])
        yield ipaddress.IPv4Address(packed[12:])
    if address in _SIX_TO_FOUR:
        yield ipaddress.IPv4Address(packed[2:6])
    if address in _TEREDO:  # RFC 4380 §4: the server, and the client with every bit turned
        yield ipaddress.IPv4Address(packed[4:8])
        yield ipaddress.IPv4Address(bytes(byte ^ 0xFF for byte in packed[12:]))


def special(address: IP) -> str | None:
    """What is special about an address, or about one that it stands for."""
    for candidate in (address, *disguised(address)):
        for network, reason in _SPECIAL:
            if candidate in network:
                return reason
    return None


def tunnelled(host: str) -> bool:
    """RFC 8656 §21.4: whether a client comes through a tunnel that could be made to loop, 6to4 or Teredo."""
    if not host.startswith("200"):
        return False
    address = ipaddress.ip_address(host)
    return address in _SIX_TO_FOUR or address in _TEREDO


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Raises ValueError for what is no network: a rule that is not understood must not be left out."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def reaches_none(username: str, host: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class PeerPolicy:
    open: bool = False
    """An open relay reaches every public address."""
    allow: tuple[Network, ...] = ()
    own: frozenset[str] = frozenset()
    """Every address of this machine, and those it is reached by from outside."""
    reachable: Callable[[str, str], bool] = field(default=reaches_none)
    """(username, host): whom a closed relay reaches. Asked when a permission is made or renewed."""
    private: bool = False
    """What `reachable` says counts on private networks, too."""

    def refusal_of_host(self, username: str, host: str) -> str | None:
        """Why not, in a word or two for a counter; None if this peer may be reached."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return "not an address"
        if self._allows(address):
            return None
        own = {str(address), *map(str, disguised(address))} & self.own
        reason = "own address" if own else special(address)
        if reason is not None and (own or not self.private or not any(address in network for network in _PRIVATE)):
            return reason
        if self.reachable(username, host):
            return None
        return reason or (None if self.open else "closed relay")

    def refusal(self, username: str, peer: Address) -> str | None:
        """The same with the port."""
        if (reason := self.refusal_of_host(username, peer.host)) is not None:
            return reason
        if peer.port < LOWEST_PORT and not self.names(peer.host):
            return "low port"
        return None

    def names(self, host: str) -> bool:
        """Whether this address is allowed by name."""
        return self._allows(ipaddress.ip_address(host))

    def _allows(self, address: IP) -> bool:
        return any(address in network for network in self.allow)
