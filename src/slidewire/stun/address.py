"""A transport address: an IP address as text and a port.

The text is the one the operating system gives (RFC 5952 for IPv6), so that an address that came in a message equals the
one that came from a socket, and a plain tuple of the two finds it in a dictionary.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final, NamedTuple

IPV4: Final = 0x01
IPV6: Final = 0x02
"""Address families as STUN numbers them (RFC 8489 §14.1)."""


class Address(NamedTuple):
    host: str
    port: int

    @property
    def family(self) -> int:
        return IPV6 if ":" in self.host else IPV4

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@lru_cache(1024)  # one request asks several times, and `ipaddress` takes its time
def pack_host(host: str) -> bytes:
    """4 or 16 bytes. Raises ValueError for what is no IP address. A scope (`%eth0`) is left out."""
    return ipaddress.ip_address(host).packed


def unpack_host(packed: bytes) -> str:
    """From 4 or 16 bytes."""
    if len(packed) == 4:
        return ".".join(map(str, packed))
    return str(ipaddress.IPv6Address(packed))
