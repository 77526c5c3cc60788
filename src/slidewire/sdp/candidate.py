"""An ICE candidate (RFC 8839 §5.1): one line of text, or a value in which nothing is left to interpret.

`read` takes the grammar as the RFC has it and nothing near it: single spaces, decimal numbers without leading zeros and
within their ranges, UDP or TCP, an address in the notation that its own parser would write, or an mDNS name. What a
later parser could take in two ways is no candidate.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

LONGEST: Final = 1024
"""Characters of a candidate."""

MDNS: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\.local")
"""draft-ietf-mmusic-mdns-ice-candidates §3.1.1: a UUID and `.local`. So no printer or camera can be named by it."""

_NUMBER: Final = r"(?:0|[1-9][0-9]{0,9})"
_CANDIDATE: Final = re.compile(
    rf"candidate:(?P<foundation>[A-Za-z0-9+/]{{1,32}}) (?P<component>{_NUMBER}) (?P<transport>udp|tcp|UDP|TCP) "
    rf"(?P<priority>{_NUMBER}) (?P<address>[!-~]{{1,255}}) (?P<port>{_NUMBER}) typ (?P<type>host|srflx|prflx|relay)"
    r"(?P<rest>(?: [!-~]{1,255} [!-~]{1,255})*)"
)
_EXTENSIONS: Final = {
    "tcptype": re.compile("active|passive|so"),  # RFC 6544 §4.5
    "generation": re.compile("[0-9]{1,5}"),
    "ufrag": re.compile(r"[A-Za-z0-9+/]{4,256}"),
}
"""Those that say nothing of where a peer is. The rest are left out (RFC 8839 §5.1: unknown ones are ignored), and so
are `raddr` and `rport`, which are for diagnostics."""


@dataclass(frozen=True, slots=True)
class Candidate:
    foundation: str
    component: int
    transport: str
    """`udp` or `tcp`, in small letters or in capitals."""
    priority: int
    address: str
    """In its usual notation, or an mDNS name."""
    port: int
    type: str
    """`host`, `srflx`, `prflx` or `relay`."""
    extensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, text: str) -> Self | None:
        """From `candidate:…`. None: it is none."""
        found = _CANDIDATE.fullmatch(text) if len(text) <= LONGEST else None
        if found is None:
            return None
        component, priority, port = (int(found[name]) for name in ("component", "priority", "port"))
        address = usual_notation(found["address"])
        if not (1 <= component <= 256 and priority < 1 << 31 and 1 <= port <= 0xFFFF) or address is None:
            return None
        words = found["rest"].split()
        pairs = dict(zip(words[::2], words[1::2], strict=True))
        if len(pairs) * 2 < len(words):
            return None  # which of two holds would be the reader's choice
        kept = tuple(
            (name, said) for name, said in pairs.items() if name in _EXTENSIONS and _EXTENSIONS[name].fullmatch(said)
        )
        return cls(found["foundation"], component, found["transport"], priority, address, port, found["type"], kept)

    @property
    def text(self) -> str:
        """`candidate:…`. RFC 8839 §5.1: an address that is not to be told is 0.0.0.0 or ::, its port 9."""
        nowhere = "::" if ":" in self.address else "0.0.0.0"  # noqa: S104  nothing is bound to it
        related = "" if self.type == "host" else f" raddr {nowhere} rport 9"
        kept = "".join(f" {name} {said}" for name, said in self.extensions)
        head = f"{self.foundation} {self.component} {self.transport} {self.priority} {self.address} {self.port}"
        return f"candidate:{head} typ {self.type}{related}{kept}"

    def with_foundation(self, foundation: str) -> Self:
        return replace(self, foundation=foundation)


_MID: Final = re.compile("[!#-'*+.0-9A-Z^-~-]{1,64}")


class Trickled(NamedTuple):
    """A candidate on its way after the description (RFC 8838), in the shape of the browser's `RTCIceCandidateInit`."""

    candidate: Candidate
    mid: str | None = None
    section: int | None = None
    ufrag: str | None = None

    @classmethod
    def read(cls, said: Mapping[str, object]) -> Self | None:
        """None: it is none, or one of its members is not what it has to be."""
        text = said.get("candidate")
        mid, section, ufrag = said.get("sdpMid"), said.get("sdpMLineIndex"), said.get("usernameFragment")
        candidate = Candidate.read(text) if isinstance(text, str) else None
        if candidate is None:
            return None
        if mid is not None and not (isinstance(mid, str) and _MID.fullmatch(mid)):
            return None
        if section is not None and not (type(section) is int and 0 <= section < 256):
            return None
        if ufrag is not None and not (isinstance(ufrag, str) and _EXTENSIONS["ufrag"].fullmatch(ufrag)):
            return None
        return cls(candidate, mid, section, ufrag)

    @property
    def said(self) -> dict[str, Any]:
        members = {"sdpMid": self.mid, "sdpMLineIndex": self.section, "usernameFragment": self.ufrag}
        return {"candidate": self.candidate.text} | {name: each for name, each in members.items() if each is not None}


def usual_notation(address: str) -> str | None:
    """An IP address as RFC 5952 has it (an IPv4 address inside one in hexadecimal, too), an mDNS name as it is, or
    None: what reads an unusual notation elsewhere might read it otherwise."""
    if MDNS.fullmatch(address):
        return address
    if not re.fullmatch(r"[0-9A-Fa-f:.]{2,45}", address):
        return None  # not digits of another script, nor a zone, which means something on its own machine only
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(read, ipaddress.IPv6Address) and read.ipv4_mapped is not None:
        inside = int(read.ipv4_mapped)
        return f"::ffff:{inside >> 16:x}:{inside & 0xFFFF:x}"
    return str(read)
