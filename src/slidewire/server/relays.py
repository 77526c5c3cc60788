"""The relays for the rooms of this server, and what members are told of them.

Our own relay knows the rooms: it is closed to those who are not members, and reaches, besides itself, only from
where a room's members are connected. A fleet of others (`fleet`) knows nothing but the secret.

    user of a member's credential   room/CODE/MEMBER
    … of one that was asked for     api/NAME, or what `slidewire credentials` was given
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol

from slidewire.aio import clock
from slidewire.aio.stream import StreamOwner
from slidewire.base.addresses import bracketed, parse_host_port
from slidewire.relay.program import TurnReady, TurnService, TurnSettings
from slidewire.signaling.hub import Hub
from slidewire.turn.credentials import DEFAULT_TTL, Credential
from slidewire.turn.server import TurnServer

SETTLE_SECONDS: Final = 0.05
"""A room that ends is many members that go: what they allocated is looked through once."""
_NAME: Final = re.compile(r"[0-9A-Fa-f:.]+|[A-Za-z0-9][A-Za-z0-9.-]{0,252}")


class Relays(Protocol):
    """Ours, or a fleet of others."""

    def credential(self, user: str, seconds: int = DEFAULT_TTL) -> Credential:
        """Good for a day, or less where that is said."""

    def uris(self, reached_by: str) -> list[str]:
        """RFC 7064 and RFC 7065, best first, for clients that reach this server by that name and port."""


def ice_servers(relays: Relays) -> Callable[[str, str, str], list[dict[str, Any]]]:
    """What a member is told (`Hub`)."""

    def tell(room: str, member: str, reached_by: str) -> list[dict[str, Any]]:
        uris = relays.uris(reached_by)
        stun = [uri for uri in uris if uri.startswith("stun")]
        turn = [uri for uri in uris if uri.startswith("turn")]
        told: list[dict[str, Any]] = [{"urls": stun}] if stun else []
        if turn:
            made = relays.credential(member_user(room, member))
            told.append({"urls": turn, "username": made.username, "credential": made.password})
        return told

    return tell


def member_user(room: str, member: str) -> str:
    return f"room/{room}/{member}"


def member_of(user: str) -> tuple[str, str] | None:
    kind, _, rest = user.partition("/")
    room, _, member = rest.partition("/")
    return (room, member) if kind == "room" else None


class OwnRelay:
    """`slidewire turn` in the server's process. `start` once there is a hub."""

    def __init__(self, settings: TurnSettings, *, public_host: str, tls: bool, http_port: Callable[[], int]) -> None:
        """`public_host` is what members are told who do not say by what name they reach us. `tls`: whether the web's
        port, which `http_port` says, speaks TLS."""
        self._settings = settings
        self._public_host = public_host
        self._tls = tls
        self._http_port = http_port
        self._hub: Hub | None = None
        self._service: TurnService | None = None
        self._ready: TurnReady | None = None
        self._settling: asyncio.TimerHandle | None = None

    async def start(self, hub: Hub) -> TurnReady:
        """Raises SetupError."""
        self._hub = hub
        self._service = TurnService(replace(self._settings, reachable=self.reaches, knows=self.knows))
        self._ready = await self._service.start()
        return self._ready

    async def stop(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if self._service is not None:
            await self._service.stop()
            self._service = None

    @property
    def core(self) -> TurnServer | None:
        return self._service.core if self._service is not None else None

    @property
    def streams(self) -> StreamOwner:
        """Owns TURN connections that came to the web's port."""
        assert self._service is not None, "start() comes first"
        return self._service.shell

    # --- what members are told ----------------------------------------------------------------------------------------

    def credential(self, user: str, seconds: int = DEFAULT_TTL) -> Credential:
        assert self._service is not None and self._service.core is not None
        return self._service.core.credentials.mint(user, clock.wall(), seconds)

    def uris(self, reached_by: str) -> list[str]:
        ready = self._ready
        if ready is None:
            return []
        host, port = host_and_port(reached_by) or (self._public_host, None)
        uris = [
            f"stun:{host}:{ready.udp}",
            f"turn:{host}:{ready.udp}?transport=udp",
            f"turn:{host}:{ready.tcp}?transport=tcp",
        ]
        # The web's port as this member knows it: another may be forwarded to ours. Without TLS, only if it is ours:
        # a proxy would not understand.
        if self._tls:
            uris.append(f"turns:{host}:{port or 443}?transport=tcp")
        elif (port or 80) == self._http_port():
            uris.append(f"turn:{host}:{port or 80}?transport=tcp")
        return uris

    # --- what the relay is told ---------------------------------------------------------------------------------------

    def reaches(self, username: str, host: str) -> bool:
        """Whether a member of the same room is connected from there. Behind a proxy they all are where the proxy is,
        and no client may send to it."""
        found = member_of(username.partition(":")[2])
        return self._tls and found is not None and self._hub is not None and self._hub.reaches(found[0], host)

    def knows(self, user: str) -> bool:
        found = member_of(user)
        return found is None or (self._hub is not None and self._hub.has_member(*found))

    def member_gone(self) -> None:
        """Its credential is no longer valid, and no client may send to its address."""
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._settle)

    def _settle(self) -> None:
        self._settling = None
        if self._service is not None and self._service.core is not None:
            self._service.core.expel()
            self._service.core.recheck()
            self._service.shell.settle()


def host_and_port(text: str) -> tuple[str, int | None] | None:
    """Of a `Host` header. None for what is not one: it goes into what members are told."""
    found = parse_host_port(text)
    if found is None or _NAME.fullmatch(found.host) is None:
        return None
    return bracketed(found.host), found.port
