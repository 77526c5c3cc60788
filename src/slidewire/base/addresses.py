"""Transport addresses: an IP address as text, and a port.

The text is the one the operating system gives (RFC 5952 for IPv6), so that an address that came in a message equals the
one that came from a socket, and a plain tuple of the two finds it in a dictionary.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

SocketAddress: TypeAlias = tuple[Any, ...]
"""An address as the operating system gives it: (host, port), and for IPv6 two more numbers, which we never read."""

IPV4: Final = 0x01
IPV6: Final = 0x02
"""Address families as STUN numbers them (RFC 8489 §14.1)."""

_HOST_PORT: Final = re.compile(
    r"(?:\[(?P<literal>[0-9A-F:.]{2,45})\]|(?P<name>[\w.-]{1,255}))(?::(?P<port>(?:[1-9][0-9]{0,4})?))?",
    re.ASCII | re.IGNORECASE,
)


class Address(NamedTuple):
    host: str
    port: int

    @property
    def family(self) -> int:
        return IPV6 if ":" in self.host else IPV4

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


def bracketed(host: str) -> str:
    """A host as it stands before a port and in URLs (RFC 3986 §3.2.2): IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


class HostPort(NamedTuple):
    """A host and perhaps a port, as a person or a peer wrote them."""

    host: str
    """A name, an IPv4 address, or an IPv6 address without its brackets."""
    port: int | None


def parse_host_port(text: str) -> HostPort | None:
    """`host`, `host:port`, `[IPv6]` or `[IPv6]:port` (RFC 3986 §3.2, without userinfo). None for anything else.

    A name is made of ASCII letters, digits, dots, hyphens and underscores, so that nothing else reaches a resolver or a
    log. A port after the colon may be missing (§3.2.3), and is not 0.
    """
    found = _HOST_PORT.fullmatch(text)
    if found is None:
        return None
    port = int(found["port"]) if found["port"] else None
    if port is not None and port > 65_535:
        return None
    if found["literal"] is None:
        return HostPort(found["name"], port)
    try:
        ipaddress.IPv6Address(found["literal"])
    except ValueError:
        return None
    return HostPort(found["literal"], port)


@lru_cache(1024)  # one request asks several times, and `ipaddress` takes its time
def pack_host(host: str) -> bytes:
    """4 or 16 bytes. Raises ValueError for what is no IP address. A scope (`%eth0`) is left out."""
    return ipaddress.ip_address(host).packed


def unpack_host(packed: bytes) -> str:
    """From 4 or 16 bytes."""
    if len(packed) == 4:
        return ".".join(map(str, packed))
    return str(ipaddress.IPv6Address(packed))
