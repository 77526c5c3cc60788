"""The names and addresses this machine can be reached by, and the URL to print on a QR code."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import ifaddr

from slidewire.server.config import ServerError, ServerSettings

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


def names_of(settings: ServerSettings) -> Names:
    needed = {settings.listen, urlsplit(public_url(settings, settings.port)).hostname or ""}
    return _names(needed, only_loopback=settings.is_loopback)


def names_with(needed: Iterable[str]) -> Names:
    """For a server that is reached by these, and on whatever addresses the machine has."""
    return _names(set(needed), only_loopback=False)


def _names(needed: set[str], *, only_loopback: bool) -> Names:
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
    return Names(tuple(sorted(hosts)), tuple(sorted(addresses, key=_order)), frozenset(needed))


def public_url(settings: ServerSettings, port: int) -> str:
    """Without a trailing slash."""
    if settings.url is not None:
        _url_host(settings.url)
        return settings.url.rstrip("/")
    scheme = "http" if settings.http else "https"
    host = settings.listen
    if settings.is_any:
        reachable = [address for address in interface_addresses() if address.version == 4]
        host = str(reachable[0]) if reachable else "localhost"
    default = 80 if settings.http else 443
    bracketed = f"[{host}]" if ":" in host else host
    return f"{scheme}://{bracketed}" + ("" if port == default else f":{port}")


def public_host(settings: ServerSettings) -> str:
    """As it stands in URLs."""
    host = urlsplit(public_url(settings, settings.port)).hostname or "localhost"
    return f"[{host}]" if ":" in host else host


def listen_addresses(settings: ServerSettings) -> tuple[str, ...]:
    """IP addresses for what does not listen by name."""
    if not settings.listen:
        return ("0.0.0.0", "::")  # noqa: S104  that is what it means
    try:
        found = socket.getaddrinfo(settings.listen, None, type=socket.SOCK_STREAM)
    except OSError:
        return (settings.listen,)  # whoever listens there says what is wrong
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def _url_host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ServerError(f"--url {url} is not the address of a server; it looks like https://clicker.example")
    return parts.hostname


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
