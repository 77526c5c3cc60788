"""Which names this server answers to, and 421 for every other (RFC 9110 §15.5.20).

A page of another site can have its own name point to this server (DNS rebinding); the browser then takes what it reads
here for that site's own. Such a request carries that site's name in `Host`, so only these are answered:

    an address, any: no name is involved
    localhost, and what the system calls itself: NAME, NAME.local, its full name in DNS
    what the operator says: --url, --host-name, --listen, and the names in the certificate

`Host` is read once, here, into a value; from then on `request.host` is that value's text.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Middleware

from slidewire.aio.http import Handler, error_response
from slidewire.base.addresses import parse_host_port

log = logging.getLogger(__name__)

_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?P<authority>[^/?#]*)")
_SAME_NAME_TWICE: Final = re.compile(r"-[0-9]{1,3}$")
"""What mDNS responders put behind a name that is taken in the network (RFC 6762 §9)."""
_NAMES_TOLD: Final = 8
"""Unknown names that the log tells of."""

MISDIRECTED: Final = (
    "This server does not go by that name. Use the address that it printed, or start it with --host-name NAME for each "
    "further name it is reached by."
)
BAD_HOST: Final = "The request does not say in one valid Host header which server it is for."


@dataclass(frozen=True, slots=True)
class Authority:
    """A host and maybe a port, as they stand in an URL (RFC 3986 §3.2), without userinfo."""

    text: str
    """In small letters."""
    name: str | None
    """Without the dot at its end; None: it is an address."""


def parse_authority(text: str) -> Authority | None:
    found = parse_host_port(text)
    if found is None:
        return None
    try:
        ipaddress.ip_address(found.host)
    except ValueError:
        name = found.host.lower().removesuffix(".")
    else:
        return Authority(text.lower(), None)
    if not name or any(not 0 < len(label) <= 63 for label in name.split(".")):
        return None
    return Authority(text.lower(), name)


def authority_of(request: web.BaseRequest) -> Authority | None:
    """For which server a request is. None: it does not say, or not validly (RFC 9112 §3.2)."""
    told = request.headers.getall("Host", [])
    if len(told) > 1:
        return None
    absolute = _ABSOLUTE.match(request.raw_path)
    if absolute is not None:
        return parse_authority(absolute["authority"])  # RFC 9112 §3.2.2: Host is ignored then
    if not told and request.version < HttpVersion11:
        return parse_authority(request.host)  # the address that it came to
    return parse_authority(told[0]) if told else None


class HostNames:
    """`certificate` gives the names that the certificate in use covers."""

    def __init__(
        self, given: Iterable[str], certificate: Callable[[], Iterable[str]] = lambda: (), *, ask_dns: bool = True
    ) -> None:
        self._given = frozenset(name.lower().removesuffix(".") for name in given) | {"localhost"}
        self._certificate = certificate
        self._ask_dns = ask_dns
        self._system = ""
        self._full = ""
        self._is_ours("")  # so that DNS has answered before the first request

    def __contains__(self, name: str) -> bool:
        if name in self._given or self._is_ours(name):
            return True
        _, _, parent = name.partition(".")
        return any(name == covered or f"*.{parent}" == covered for covered in map(str.lower, self._certificate()))

    def _is_ours(self, name: str) -> bool:
        """By the system's name as it is now: networks and people change it."""
        system = socket.gethostname().lower()
        if system != self._system:
            self._system, self._full = system, ""
            if self._ask_dns:
                # DNS may take its time to answer, and the program must not wait for it to end.
                threading.Thread(target=self._look_up, args=(system,), daemon=True, name="own name").start()
        short = system.partition(".")[0]
        if name in (system, short, self._full):
            return True
        label, _, rest = name.partition(".")
        return rest == "local" and _SAME_NAME_TWICE.sub("", label) in (short, _SAME_NAME_TWICE.sub("", short))

    def _look_up(self, system: str) -> None:
        full = socket.getfqdn(system).lower()
        if system == self._system:
            self._full = full


def answer_only_to(names: HostNames) -> Middleware:
    """A middleware: 400 for who does not say which server it wants, 421 for who wants another."""
    told: set[str] = set()

    @web.middleware
    async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
        authority = authority_of(request)
        if authority is None:
            return error_response(400, "bad_request", BAD_HOST)
        if authority.name is not None and authority.name not in names:
            if authority.name not in told and len(told) < _NAMES_TOLD:
                told.add(authority.name)
                log.warning(
                    "A client asked for %s, which is not one of this server's names. If it is, start with "
                    "--host-name %s.", authority.name, authority.name,
                )  # fmt: skip
            return error_response(421, "misdirected_request", MISDIRECTED)
        return await handler(request.clone(host=authority.text, remote=request.remote or "?"))  # a clone forgets

    return checked
