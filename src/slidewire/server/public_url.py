"""The URL to print on a QR code, and what the server listens on."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from slidewire.base.addresses import bracketed
from slidewire.server.config import ServerSettings
from slidewire.system.addresses import Names, interface_addresses, names_with
from slidewire.system.errors import SetupError


def names_of(settings: ServerSettings) -> Names:
    needed = {settings.listen, urlsplit(public_url(settings, settings.port)).hostname or ""}
    return names_with(needed, only_loopback=settings.is_loopback)


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
    return f"{scheme}://{bracketed(host)}" + ("" if port == default else f":{port}")


def public_host(settings: ServerSettings) -> str:
    """As it stands in URLs."""
    return bracketed(urlsplit(public_url(settings, settings.port)).hostname or "localhost")


def listen_addresses(settings: ServerSettings) -> tuple[str, ...]:
    """IP addresses for what does not listen by name."""
    if not settings.listen:
        return ("0.0.0.0", "::")  # noqa: S104  that is what it means
    try:
        found = socket.getaddrinfo(settings.listen, None, type=socket.SOCK_STREAM)
    except OSError:
        return (settings.listen,)  # listening there says what is wrong
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def _url_host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise SetupError(f"--url {url} is not the address of a server; it looks like https://clicker.example")
    return parts.hostname
