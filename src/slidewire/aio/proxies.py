"""The address of a client that comes through proxies.

A trusted proxy (`--trusted-proxy`) may say who came to it, in the one header that it was named for (`--proxy-header`).
Proxies pass on what they do not know: a header that *this* proxy neither writes nor removes is the client's own, so no
other header is read. Each proxy on the way adds an address at the end. The list is read from there, hop by hop, up to
the first address that is not a trusted proxy. What is not an address ends it at the hop before, which is the last that
is known. From any other client the header means nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final

from slidewire.base.address_prefixes import plain_address
from slidewire.base.addresses import parse_host_port

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_HEADER: Final = "X-Forwarded-For"
USUAL_HEADERS: Final = (DEFAULT_HEADER, "Forwarded", "X-Real-IP")
HOPS: Final = 32
"""Addresses of one list that are looked at, from its end."""
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_OTHERS: Final = frozenset({"host", "connection", "content-length", "content-type", "transfer-encoding", "upgrade"})
_PARAMETER: Final = re.compile(r'\s*([A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^;,"\s]*)\s*')


class TrustedProxies:
    def __init__(self, networks: Iterable[str] = (), header: str = DEFAULT_HEADER) -> None:
        """Raises ValueError for what is no network, and for what is no header's name."""
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(text, strict=False) for text in networks)
        if _HEADER_NAME.fullmatch(header) is None or header.lower() in _OTHERS:
            raise ValueError(f"{header!r} is no header that says who a client is")
        self.header = header
        self._read = _forwarded if header.lower() == "forwarded" else _listed

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(plain_address(address))
        except ValueError:
            return False
        return any(parsed in network for network in self._networks if network.version == parsed.version)

    def client(self, peer: str, said: Iterable[str]) -> str:
        """Who is at the far end of this connection. `said`: the values of the header, in the order they came."""
        client = peer
        hops = (hop for value in reversed(list(said)) for hop in reversed(list(self._read(value))))
        for _, hop in zip(range(HOPS), hops, strict=False):
            if client not in self:
                break
            address = _address(hop)
            if address is None:
                break  # a name, "unknown", or nonsense: the proxy that wrote it is the last known address
            client = address
        return client


def _forwarded(value: str) -> Iterator[str]:
    """RFC 7239 §4: what each proxy says in `for`; "" where it says none, or two."""
    for element in _split(value, ","):
        found: list[str] = []
        for pair in _split(element, ";"):
            match = _PARAMETER.fullmatch(pair)
            if match is None:
                found.clear()
                break
            if match[1].lower() == "for":
                found.append(match[2][1:-1] if match[2].startswith('"') else match[2])
        yield found[0] if len(found) == 1 else ""


def _split(text: str, at: str) -> Iterator[str]:
    """Outside of quotes. After a quote that is never closed nothing is told apart any more."""
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


def _listed(value: str) -> Iterator[str]:
    return (part.strip(" \t") for part in value.split(","))


def _address(said: str) -> str | None:
    """`192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1` or `[2001:db8::1]:8080`."""
    node = parse_host_port(said)
    host = said if node is None else node.host
    if "%" in host:
        return None  # a zone names an interface of another machine
    try:
        return plain_address(str(ipaddress.ip_address(host)))
    except ValueError:
        return None
