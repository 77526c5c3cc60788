"""Requests as values that cannot be wrong.

A STUN message meets one of three fates: it is not for us (the server drops it before it gets here), it is understood
but wrong (`Wrong`: what to answer), or it is one of the requests below. The rules are those that need nothing but the
message; whether an allocation exists, and what a user may do, is the server's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from slidewire.stun.address import IPV4, IPV6, Address
from slidewire.stun.attributes import (
    MESSAGE_INTEGRITY,
    MESSAGE_INTEGRITY_SHA256,
    NONCE,
    PASSWORD_ALGORITHM,
    REALM,
    USERHASH,
    USERNAME,
    ErrorCode,
)
from slidewire.stun.message import BINDING, Message
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
"""How many types UNKNOWN-ATTRIBUTES names at most: an answer should not grow with what somebody made up."""


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
    """Two if an additional family was asked for. The first must be had, the second may be refused on its own."""
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

_AUTHENTICATION: Final = frozenset(
    row.type
    for row in (
        USERNAME, USERHASH, REALM, NONCE, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, PASSWORD_ALGORITHM,
    )
)  # fmt: skip


def _allocate(message: Message) -> Allocate | Wrong:
    """The numbers are the steps of §7.2; 1 (authentication) is done, and the rest is for who knows the allocations."""
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
    if token is not None and (even_port is not None or family is not None):  # 5
        return Wrong(ErrorCode.BAD_REQUEST)
    if additional is not None and (family is not None or token is not None or even_port):  # 6, 8
        return Wrong(ErrorCode.BAD_REQUEST)
    if additional is not None and additional != IPV6:  # 7: IPv4 comes without asking
        return Wrong(ErrorCode.BAD_REQUEST)
    if family not in (None, IPV4, IPV6):
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


_READERS: Final[dict[int, tuple[frozenset[int], Callable[[Message], Request | Wrong]]]] = {
    BINDING: (_AUTHENTICATION, lambda _: Binding()),
    Method.ALLOCATE: (
        _AUTHENTICATION
        | {
            row.type
            for row in (
                REQUESTED_TRANSPORT, LIFETIME, EVEN_PORT, RESERVATION_TOKEN, DONT_FRAGMENT, REQUESTED_ADDRESS_FAMILY,
            )
        },
        _allocate,
    ),
    Method.REFRESH: (_AUTHENTICATION | {LIFETIME.type, REQUESTED_ADDRESS_FAMILY.type}, _refresh),
    Method.CREATE_PERMISSION: (_AUTHENTICATION | {XOR_PEER_ADDRESS.type}, _create_permission),
    Method.CHANNEL_BIND: (_AUTHENTICATION | {XOR_PEER_ADDRESS.type, CHANNEL_NUMBER.type}, _channel_bind),
}  # fmt: skip

METHODS: Final = frozenset(_READERS)
"""The methods of requests that are understood. Others are dropped (RFC 8489 §6.3)."""

_SEND: Final = frozenset({XOR_PEER_ADDRESS.type, DATA.type, DONT_FRAGMENT.type})


def understand(message: Message) -> Request | Wrong:
    """A request whose method is in METHODS, after authentication where the method needs it."""
    known, read = _READERS[message.method]
    if unknown := message.unknown(known):
        return Wrong(ErrorCode.UNKNOWN_ATTRIBUTE, unknown[:MAX_UNKNOWN])
    try:
        return read(message)
    except ValueError:
        return Wrong(ErrorCode.BAD_REQUEST)


def understand_send(message: Message) -> Send | None:
    """A Send indication; None for one to discard, since indications are never answered."""
    if message.unknown(_SEND):
        return None
    try:
        peer, data = message.get(XOR_PEER_ADDRESS), message.get(DATA)
        dont_fragment = message.get(DONT_FRAGMENT) is True
    except ValueError:
        return None
    return None if peer is None or data is None else Send(peer, data, dont_fragment)
