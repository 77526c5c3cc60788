"""Where a client is, if others speak for it.

A proxy that we were told of (`--trusted-proxy`) may say in `Forwarded` (RFC 7239) or `X-Forwarded-For` who came to it.
Each proxy on the way adds one at the end, so what stands at the end is what *our* proxy saw, and whatever a client
wrote there itself stands before it. The client is the rightmost address that is none of the proxies'. From anybody else
these headers are letters.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final

from slidewire.rates import plain_address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PAIR: Final = re.compile(r'\s*([A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;,"\s]*)\s*')
MOST: Final = 32
"""Addresses of one chain that are looked at, from its end."""


class TrustedProxies:
    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Raises ValueError for what is no network."""
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(text, strict=False) for text in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(plain_address(address))
        except ValueError:
            return False
        return any(parsed in network for network in self._networks if network.version == parsed.version)

    def client(self, peer: str, forwarded: Iterable[str], x_forwarded_for: Iterable[str]) -> str:
        """Who is at the far end of this connection. The two are the values of those headers, in order; where there are
        both, `Forwarded` counts."""
        if peer not in self:
            return peer
        chain = list(_forwarded(",".join(forwarded))) or _listed(",".join(x_forwarded_for))
        client = peer
        for said in reversed(chain[-MOST:]):
            address = _address(said)
            if address is None:
                break  # a name, "unknown", or nonsense: whoever said it is the last we know
            client = address
            if address not in self:
                break
        return client


def _forwarded(text: str) -> Iterator[str]:
    """The values of `for`, one for each proxy: "?" where it says none."""
    for element in _split(text, ","):
        found = "?"
        for pair in _split(element, ";"):
            match = _PAIR.fullmatch(pair)
            if match is not None and match[1].lower() == "for":
                found = match[2].strip('"')
        if element.strip():
            yield found


def _split(text: str, at: str) -> Iterator[str]:
    """Outside of quotes."""
    start, quoted, escaped = 0, False, False
    for index, letter in enumerate(text):
        if escaped:
            escaped = False
        elif letter == "\\" and quoted:
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif letter == at and not quoted:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _address(said: str) -> str | None:
    """`192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1` or `[2001:db8::1]:8080`."""
    host = said
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return plain_address(str(ipaddress.ip_address(host)))
    except ValueError:
        return None
