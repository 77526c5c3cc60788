"""Which addresses one end lets out to the other, and lets in from it: one policy for both directions, at both ends.

    what a candidate is          open    balanced               private
    ------------------------------------------------------------------------------
    relay                        yes     yes                    yes
    mDNS name (`….local`)        yes     yes                    no
    public address               yes     yes                    no
    local address                yes     on the same network    no
    any other name               no      no                     no

A room's policy is its operator's, and either end may tighten it: the stricter one holds. Each end filters what it says
(so that it tells nothing) and what it hears (so that nobody has it send anything to where the policy does not go). That
alone is no boundary: an ICE agent's checks come from its true address, whatever its candidates say. So under `private`
both agents are also told to use relays only (RFC 8829 §4.1.1, `iceTransportPolicy`), and under `balanced` the host's
agent uses the addresses of the default route and no others (RFC 8828 §5.2, mode 2).

Besides candidates, a description and a candidate hold addresses in other places, which are emptied unless all is open:
`raddr`/`rport` (RFC 8839 §5.1 has 0.0.0.0 and port 9 for that), `c=`, `o=`, `a=rtcp`, extension attributes, and the
*foundation*, which some agents compute as a hash of the local address: every private IPv4 address is tried in a second.

`web/src/client/privacy.ts` is this file's twin; protocol/vectors/privacy.json is for both.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any, Final

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
    if word is None:
        return absent
    return next((policy for policy in Privacy if policy == word), Privacy.PRIVATE)


class Kind(StrEnum):
    """What a connection-address is."""

    MDNS = "mdns"
    PUBLIC = "public"
    LOCAL = "local"
    """Of a private network, this machine's own, or anything else that is not plainly public."""
    OTHER = "other"
    """No address, and no name that is looked up on the link only."""


_MDNS: Final = re.compile(r"[A-Za-z0-9-]{1,63}\.local")
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
    if _MDNS.fullmatch(address):
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


# RFC 8839 §5.1. What follows are pairs of a name and a value; the first two may be `raddr` and `rport`.
_CANDIDATE: Final = re.compile(
    r"candidate:(?P<foundation>[A-Za-z0-9+/]{1,32}) (?P<component>[0-9]{1,5}) (?P<transport>[A-Za-z]{1,8}) "
    r"(?P<priority>[0-9]{1,10}) (?P<address>\S{1,255}) (?P<port>[0-9]{1,5}) typ (?P<type>host|srflx|prflx|relay)"
    r"(?P<rest>(?: \S{1,255} \S{1,255})*)"
)
_KEPT: Final = frozenset({"tcptype", "generation", "ufrag"})
"""Extensions that say nothing of where somebody is."""


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
        passed = self._judge(text)
        self.stopped += passed is None
        return passed

    def description(self, sdp: str) -> str:
        """An offer or answer as it may pass: without the candidates that may not."""
        if self.policy is Privacy.OPEN:
            return sdp
        lines = [self._line(line) for line in sdp.replace("\r\n", "\n").split("\n")]
        return "\r\n".join(line for line in lines if line is not None)

    def _line(self, line: str) -> str | None:
        if line.startswith("a=candidate:"):
            passed = self.candidate(line[2:])
            return None if passed is None else f"a={passed}"
        if line.startswith("a=remote-candidates"):
            return None
        # RFC 8840 §4.1.3: that is how a description says that there is no default candidate (yet).
        line = re.sub(r"^c=.*", "c=IN IP4 0.0.0.0", line)
        line = re.sub(r"^a=rtcp:.*", "a=rtcp:9 IN IP4 0.0.0.0", line)
        line = re.sub(r"^(o=\S+ \S+ \S+ IN) .*", r"\1 IP4 0.0.0.0", line)
        return re.sub(r"^(m=\S+) [1-9]\d*", r"\1 9", line)

    def _judge(self, text: str) -> str | None:
        found = _CANDIDATE.fullmatch(text)
        if found is None:
            return None
        kind = kind_of(found["address"])
        if kind is Kind.OTHER:
            return None
        if self.policy is Privacy.OPEN:
            return text
        if found["type"] == "relay":
            if kind is Kind.MDNS:
                return None
        elif self.policy is Privacy.PRIVATE or (kind is Kind.LOCAL and not self.is_near):
            return None
        return self._scrubbed(found)

    def _scrubbed(self, found: re.Match[str]) -> str:
        foundation = self._foundations.setdefault(found["foundation"], str(len(self._foundations) + 1))
        head = " ".join((foundation, *found.group("component", "transport", "priority", "address", "port")))
        words = found["rest"].split()
        pairs = dict(zip(words[::2], words[1::2], strict=True))
        nowhere = "::" if ":" in found["address"] else "0.0.0.0"  # noqa: S104  nothing is bound to it
        related = "" if found["type"] == "host" else f" raddr {nowhere} rport 9"
        kept = "".join(f" {name} {value}" for name, value in pairs.items() if name in _KEPT)
        return f"candidate:{head} typ {found['type']}{related}{kept}"


# --- ICE servers ------------------------------------------------------------------------------------------------------


def permit_servers(servers: Sequence[object], hosts: Collection[str]) -> tuple[list[dict[str, Any]], list[str]]:
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
            permitted.append({**server, "urls": kept})
    return permitted, refused
