"""Which addresses one end lets out to the other, and lets in from it: one policy for both directions, at both ends.

    what a candidate is          open    balanced               private
    ------------------------------------------------------------------------------
    relay                        yes     yes                    yes
    mDNS name (`UUID.local`)     yes     yes                    no
    public address               yes     yes                    no
    local address                yes     on the same network    no
    any other name               no      no                     no

A room's policy is its operator's, and either end may tighten it: the stricter one holds. Each end filters what it says
(so that it tells nothing) and what it receives (so that no peer has it send anything to where the policy does not go).
That alone is no boundary: an ICE agent's checks come from its true address, whatever its candidates say. So under
`private` both agents are also told to use relays only (RFC 8829 §4.1.1, `iceTransportPolicy`), and under `balanced` the
host's agent uses the addresses of the default route and no others (RFC 8828 §5.2, mode 2).

What passes is written anew from what was read (`slidewire.sdp`), so that no other reader finds more in it. That leaves
out the addresses which a description and a candidate hold in other places: `raddr`/`rport` (RFC 8839 §5.1 has 0.0.0.0
and port 9 for that), `c=`, `o=`, `a=rtcp` and extension attributes. The *foundation*, which some agents compute as a
hash of the local address, becomes a number: every private IPv4 address is tried in a second.

`web/src/protocol/privacy.ts` is this file's twin; protocol/vectors/privacy.json is for both.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from msgspec import UNSET

from slidewire.sdp.candidate import MDNS, Candidate
from slidewire.sdp.description import Description, read_description, write_description
from slidewire.stun.uri import parse_uri


class Privacy(StrEnum):
    """From the loosest to the strictest."""

    OPEN = "open"
    BALANCED = "balanced"
    PRIVATE = "private"

    @property
    def is_relay_only(self) -> bool:
        return self is Privacy.PRIVATE


_ORDER: Final = list(Privacy)


def stricter(one: Privacy, other: Privacy) -> Privacy:
    return max(one, other, key=_ORDER.index)


def read_privacy(word: object, absent: Privacy) -> Privacy:
    """What the other end asks for. What a later version may say is taken for the strictest."""
    if word is None or word is UNSET:
        return absent
    return next((policy for policy in Privacy if policy == word), Privacy.PRIVATE)


class Kind(StrEnum):
    """What a connection-address is."""

    MDNS = "mdns"
    PUBLIC = "public"
    LOCAL = "local"
    """Of a private network, this machine's own, or anything else that is not plainly public."""
    OTHER = "other"
    """No address, and no name that a browser made up for itself."""


_LOCAL_4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "224.0.0.0/3"),
    )
)
_GLOBAL_6: Final = ipaddress.IPv6Network("2000::/3")
_TUNNELS: Final = (ipaddress.IPv6Network("2001::/32"), ipaddress.IPv6Network("2002::/16"))
"""Teredo and 6to4 addresses have an IPv4 address in them."""


def kind_of(address: str) -> Kind:
    """Addresses in an unusual notation are none: what reads them elsewhere might read them otherwise."""
    if MDNS.fullmatch(address):
        return Kind.MDNS
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return Kind.OTHER
    if isinstance(read, ipaddress.IPv4Address):
        return Kind.LOCAL if any(read in network for network in _LOCAL_4) else Kind.PUBLIC
    if read.scope_id is not None:
        return Kind.OTHER
    is_public = read in _GLOBAL_6 and not any(read in tunnel for tunnel in _TUNNELS)
    return Kind.PUBLIC if is_public else Kind.LOCAL


class Filter:
    """One direction of one peer connection. What it does not let pass is counted."""

    def __init__(self, policy: Privacy) -> None:
        self.policy = policy
        self.is_near = False
        """Both ends are on the same network."""
        self.stopped = 0
        self._foundations: dict[str, str] = {}

    def candidate(self, text: str) -> str | None:
        """A candidate (`candidate:…`) as it may pass, or None."""
        read = Candidate.read(text)
        passed = None
        if read is None:
            self.stopped += 1
        else:
            passed = self.passing(read)
        return None if passed is None else passed.text

    def description(self, sdp: str) -> str:
        """An offer or answer as it may pass: without the candidates that may not. ValueError: it is too long."""
        return write_description(self.passing_description(read_description(sdp)))

    def passing(self, candidate: Candidate) -> Candidate | None:
        if not self._may_pass(candidate):
            self.stopped += 1
            return None
        known = self._foundations
        return candidate.with_foundation(known.setdefault(candidate.foundation, str(len(known) + 1)))

    def passing_description(self, description: Description) -> Description:
        self.stopped += description.refused
        return description.with_candidates(self.passing)

    def _may_pass(self, candidate: Candidate) -> bool:
        kind = kind_of(candidate.address)
        if kind is Kind.OTHER:
            return False
        if self.policy is Privacy.OPEN:
            return True
        if candidate.type == "relay":
            return kind is not Kind.MDNS
        return self.policy is not Privacy.PRIVATE and (kind is not Kind.LOCAL or self.is_near)


# --- ICE servers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IceServer:
    """One STUN or TURN server: the browser's `RTCIceServer`."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


def permit_servers(servers: Sequence[object], hosts: Collection[str]) -> tuple[list[IceServer], list[str]]:
    """What of `iceServers` may be used: URLs (RFC 7064, RFC 7065) at one of these hosts, each `HOST` or `HOST:PORT`.
    Second, the hosts of those that may not."""
    allowed = {host.strip("[]").lower() if host.count(":") != 1 else host.lower() for host in hosts}
    permitted, refused = [], []
    for server in servers:
        urls = server.get("urls") if isinstance(server, dict) else None
        urls = [urls] if isinstance(urls, str) else urls
        kept = []
        for url in urls if isinstance(urls, list) else []:
            uri = parse_uri(url) if isinstance(url, str) else None
            host = uri.host.lower() if uri is not None else "?"
            if uri is not None and (host in allowed or f"{host}:{uri.named_port}" in allowed):
                kept.append(url)
            else:
                refused.append(host)
        if kept and isinstance(server, dict):
            names = server.get("username"), server.get("credential")
            if all(name is None or isinstance(name, str) for name in names):
                permitted.append(IceServer(tuple(kept), *names))
    return permitted, refused
