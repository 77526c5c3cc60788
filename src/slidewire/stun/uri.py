"""Where a STUN or TURN server is, as a URI says it: RFC 7064 and RFC 7065.

    scheme ":" host [":" port] ["?transport=" ("udp" | "tcp")]

The host is a name, an IPv4 address or an IPv6 address in brackets. Two departures: a name is made of ASCII letters,
digits, dots, hyphens and underscores, so that nothing else reaches a resolver or a log; and `stun:` may name its
transport as well, because a client can send its Binding requests over TCP (RFC 8489 §6.2.2).

`web/src/protocol/privacy.ts` reads the same URIs; protocol/vectors/privacy.json is for both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, cast

from slidewire.base.addresses import bracketed, parse_host_port

PORT: Final = 3478
TLS_PORT: Final = 5349

_URI: Final = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<authority>[^?]*[^?:])(?:\?transport=(?P<transport>udp|tcp))?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Uri:
    text: str
    scheme: Literal["stun", "stuns", "turn", "turns"]
    host: str
    """Without brackets."""
    named_port: int | None
    """None: it leaves the port to the scheme."""
    transport: Literal["udp", "tcp"]

    @property
    def port(self) -> int:
        return self.named_port or (TLS_PORT if self.is_secure else PORT)

    @property
    def is_secure(self) -> bool:
        return self.scheme.endswith("s")

    @property
    def is_relay(self) -> bool:
        return self.scheme.startswith("turn")

    @property
    def carrier(self) -> Literal["UDP", "TCP", "DTLS", "TLS"]:
        if self.is_secure:
            return "DTLS" if self.transport == "udp" else "TLS"
        return "UDP" if self.transport == "udp" else "TCP"

    @property
    def stun(self) -> str | None:
        """The same server as a STUN server, where it is one on plain UDP."""
        return f"stun:{bracketed(self.host)}:{self.port}" if self.carrier == "UDP" else None


def parse_uri(text: str) -> Uri | None:
    """None for what is no such URI. Where no transport is named, it is what browsers take: TCP with TLS, else UDP."""
    found = _URI.fullmatch(text)
    if found is None:
        return None
    place = parse_host_port(found["authority"])
    if place is None:
        return None
    scheme = found["scheme"].lower()
    transport = (found["transport"] or ("tcp" if scheme.endswith("s") else "udp")).lower()
    return Uri(
        text,
        cast(Literal["stun", "stuns", "turn", "turns"], scheme),
        place.host,
        place.port,
        cast(Literal["udp", "tcp"], transport),
    )
