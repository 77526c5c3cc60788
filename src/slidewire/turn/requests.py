"""Requests as values that cannot be wrong.

A STUN message meets one of three fates: it is not for us (the server drops it before it gets here), it is understood
but wrong (`Wrong`: what to answer), or it is one of the requests below. The rules are those that need nothing but the
message; whether an allocation exists, and what a user may do, is the server's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from slidewire.base.addresses import IPV4, IPV6, Address
from slidewire.stun import attributes as stun
from slidewire.stun.attributes import ErrorCode
from slidewire.stun.message import BINDING, Message
from slidewire.turn import attributes as turn
from slidewire.turn.attributes import (
    ADDITIONAL_ADDRESS_FAMILY,
    CHANNEL_NUMBER,
    DATA,
    DONT_FRAGMENT,
    DRAFT_ADDITIONAL_ADDRESS_FAMILY,
    EVEN_PORT,
    FIRST_CHANNEL,
    LIFETIME,
    REQUESTED_ADDRESS_FAMILY,
    REQUESTED_TRANSPORT,
    RESERVATION_TOKEN,
    UDP,
    XOR_PEER_ADDRESS,
    Method,
    TurnError,
)

MAX_UNKNOWN: Final = 8
"""How many types UNKNOWN-ATTRIBUTES names at most: an answer must not grow with what a client made up."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """Understood, but wrong: answer this."""

    code: int
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    pass


@dataclass(frozen=True, slots=True)
class Allocate:
    """RFC 8656 §7.2."""

    families: tuple[int, ...] = (IPV4,)
    """Two if an additional family was asked for; either may be refused on its own."""
    lifetime: int | None = None
    even_port: bool = False
    reserve_next: bool = False
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """§8.2."""

    lifetime: int | None = None
    family: int | None = None


@dataclass(frozen=True, slots=True)
class CreatePermission:
    """§10.2. At least one peer; only their hosts count."""

    peers: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class ChannelBind:
    """§12.2."""

    number: int
    peer: Address


@dataclass(frozen=True, slots=True)
class Send:
    """§11.2, an indication."""

    peer: Address
    data: bytes
    dont_fragment: bool


Request = Binding | Allocate | Refresh | CreatePermission | ChannelBind

_KNOWN: Final = frozenset(row.type for row in (*stun.ATTRIBUTES, *turn.ATTRIBUTES))
"""RFC 8489 §6.3: what is known but not expected in a message is ignored; only what is unknown is complained about."""

_CHANGE_REQUEST: Final = 0x0003
_CHANGE_FLAGS: Final = 0x06
_IDLE_IN_BINDING: Final = frozenset({0x0002, 0x001B, 0x0024, 0x0026, 0x0027})
"""RESPONSE-ADDRESS (RFC 3489), ACCESS-TOKEN (RFC 7635), PRIORITY (RFC 8445), PADDING and RESPONSE-PORT (RFC 5780): some
clients put them into every Binding request, and coturn answers it. The answer goes where the request came from, and is
no longer than to any other."""


_PLAIN: Final = Allocate()
_UDP: Final = REQUESTED_TRANSPORT.pack(UDP, b"")
_OPTIONS: Final = frozenset(
    row.type
    for row in (
        DONT_FRAGMENT, RESERVATION_TOKEN, EVEN_PORT, REQUESTED_ADDRESS_FAMILY, ADDITIONAL_ADDRESS_FAMILY,
        DRAFT_ADDITIONAL_ADDRESS_FAMILY, LIFETIME,
    )
)  # fmt: skip


def _allocate(message: Message) -> Allocate | Wrong:
    """The numbers are the steps of §7.2; 1 (authentication) is done, and the rest is for who knows the allocations."""
    if message.first.get(REQUESTED_TRANSPORT.type) == _UDP and _OPTIONS.isdisjoint(message.first):
        return _PLAIN  # what nearly every client asks for
    transport = message.get(REQUESTED_TRANSPORT)  # 3
    if transport is None:
        return Wrong(ErrorCode.BAD_REQUEST)
    if transport != UDP:
        return Wrong(TurnError.UNSUPPORTED_TRANSPORT)
    message.get(DONT_FRAGMENT)  # 4: the bit can be set here; it only has to be well-formed
    token = message.get(RESERVATION_TOKEN)
    even_port = message.get(EVEN_PORT)
    family = message.get(REQUESTED_ADDRESS_FAMILY)
    additional = message.get(ADDITIONAL_ADDRESS_FAMILY) or message.get(DRAFT_ADDITIONAL_ADDRESS_FAMILY)
    if token is not None and not (even_port is None and family is None and additional is None):  # 5
        return Wrong(ErrorCode.BAD_REQUEST)
    if additional is not None and (family is not None or even_port):  # 6, 8
        return Wrong(ErrorCode.BAD_REQUEST)
    if additional is not None and additional != IPV6:  # 9: IPv4 comes without asking
        return Wrong(ErrorCode.BAD_REQUEST)
    if family not in (None, IPV4, IPV6):  # 7
        return Wrong(TurnError.ADDRESS_FAMILY_NOT_SUPPORTED)
    return Allocate(
        families=(IPV4, IPV6) if additional is not None else (family or IPV4,),
        lifetime=message.get(LIFETIME),
        even_port=even_port is not None,
        reserve_next=bool(even_port),
        token=token,
    )


def _refresh(message: Message) -> Refresh | Wrong:
    family = message.get(REQUESTED_ADDRESS_FAMILY)
    if family not in (None, IPV4, IPV6):
        return Wrong(TurnError.PEER_ADDRESS_FAMILY_MISMATCH)
    return Refresh(message.get(LIFETIME), family)


def _create_permission(message: Message) -> CreatePermission | Wrong:
    peers = message.get_all(XOR_PEER_ADDRESS)
    return CreatePermission(tuple(peers)) if peers else Wrong(ErrorCode.BAD_REQUEST)


def _channel_bind(message: Message) -> ChannelBind | Wrong:
    number, peer = message.get(CHANNEL_NUMBER), message.get(XOR_PEER_ADDRESS)
    if number is None or peer is None or number < FIRST_CHANNEL:
        return Wrong(ErrorCode.BAD_REQUEST)
    return ChannelBind(number, peer)


_READERS: Final[dict[int, Callable[[Message], Request | Wrong]]] = {
    BINDING: lambda _: Binding(),
    Method.ALLOCATE: _allocate,
    Method.REFRESH: _refresh,
    Method.CREATE_PERMISSION: _create_permission,
    Method.CHANNEL_BIND: _channel_bind,
}

METHODS: Final = frozenset(_READERS)
"""The methods of requests that are understood. Others are dropped (RFC 8489 §6.3)."""


def _is_idle_in_binding(type_: int, value: bytes) -> bool:
    """Whether an attribute that we do not understand asks for nothing that we could leave undone."""
    if type_ == _CHANGE_REQUEST:
        return len(value) == 4 and not value[3] & _CHANGE_FLAGS
    return type_ in _IDLE_IN_BINDING


def understand(message: Message) -> Request | Wrong:
    """A request whose method is in METHODS, after authentication where the method needs it."""
    unknown = message.unknown(_KNOWN)
    if unknown and message.method == BINDING:
        unknown = tuple(type_ for type_ in unknown if not _is_idle_in_binding(type_, message.first[type_]))
    if unknown:
        return Wrong(ErrorCode.UNKNOWN_ATTRIBUTE, unknown[:MAX_UNKNOWN])
    try:
        return _READERS[message.method](message)
    except ValueError:
        return Wrong(ErrorCode.BAD_REQUEST)


def understand_send(message: Message) -> Send | None:
    """A Send indication; None for one to discard, since indications are never answered."""
    if message.unknown(_KNOWN):
        return None
    try:
        peer, data = message.get(XOR_PEER_ADDRESS), message.get(DATA)
        dont_fragment = message.get(DONT_FRAGMENT) is True
    except ValueError:
        return None
    return None if peer is None or data is None else Send(peer, data, dont_fragment)
