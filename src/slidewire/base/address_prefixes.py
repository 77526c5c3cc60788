"""Which addresses belong together: those of one customer, and those of one subnet.

docs/decisions says why a customer is an IPv6 /56.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

CUSTOMER_BITS: Final = 56
"""What an Internet provider gives one customer (RIPE-690 §4.2; RFC 6177 §2)."""
SUBNET_BITS: Final = 64
"""One link (RFC 4291 §2.5.1)."""


def customer_of(address: str) -> str:
    """Who an address counts as wherever something is limited: itself for IPv4, its /56 for IPv6."""
    return _network(address, CUSTOMER_BITS) if ":" in address else address


def subnet_of(address: str) -> str:
    """The place an address is at: itself for IPv4 (a household behind one translator), its /64 for IPv6."""
    return _network(address, SUBNET_BITS) if ":" in address else address


def plain_address(address: str) -> str:
    """Without the name of an interface, and an IPv4 address that was mapped into IPv6 as itself."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


@lru_cache(4096)  # the same few are asked for again and again, and `ipaddress` takes its time
def _network(address: str, bits: int) -> str:
    plain = plain_address(address)
    try:
        return str(ipaddress.IPv6Network((plain, bits), strict=False))
    except ValueError:
        return plain  # IPv4, or no address
