"""The names and addresses this machine can be reached by."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import ifaddr

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Names:
    """What a certificate of this machine should cover. Sorted, so that equal sets compare equal."""

    hosts: tuple[str, ...]
    addresses: tuple[Address, ...]
    needed: frozenset[str]
    """Those of them that people use: asked for, or printed. The others were found, come and go, and are a kindness."""


def interface_addresses() -> list[Address]:
    """All but loopback and link-local (which no URL can carry without naming an interface). IPv4 first."""
    found: set[Address] = set()
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            if not (address.is_loopback or address.is_link_local or address.is_unspecified):
                found.add(address)
    return sorted(found, key=_order)


def names_with(needed: Iterable[str], *, only_loopback: bool = False) -> Names:
    """For a server that is reached by these, and on whatever addresses the machine has if not `only_loopback`."""
    needed = frozenset(needed)
    hosts = {"localhost"}
    addresses: set[Address] = {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")}
    name = socket.gethostname().lower()
    if _is_dns_name(name):
        hosts.add(name)
        if "." not in name:
            hosts.add(f"{name}.local")
    if not only_loopback:
        addresses.update(interface_addresses())
    for text in needed:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            if _is_dns_name(text.lower()):
                hosts.add(text.lower())
        else:
            if not address.is_unspecified:
                addresses.add(address)
    return Names(tuple(sorted(hosts)), tuple(sorted(addresses, key=_order)), needed)


def _is_dns_name(name: str) -> bool:
    labels = name.rstrip(".").split(".")
    return len(name) <= 253 and all(
        0 < len(label) <= 63 and label.strip("-") == label and label.replace("-", "").isascii()
        and label.replace("-", "").isalnum()
        for label in labels
    )  # fmt: skip


def _order(address: Address) -> tuple[int, bool, int]:
    """IPv4 before IPv6; private networks, where phones of the same Wi-Fi are, before the rest."""
    return address.version, not address.is_private, int(address)
