"""The other end: what a client says and understands, for checks and tests. One allocation, no socket, no clock.

It makes requests, answers challenges (RFC 8489 §9.2.5), and reads what comes. Sending again what got no answer is its
shell's work: it has the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from slidewire.base.addresses import Address
from slidewire.stun.attributes import (
    ERROR_CODE,
    NONCE,
    REALM,
    USERNAME,
    XOR_MAPPED_ADDRESS,
    Attribute,
    ErrorCode,
)
from slidewire.stun.message import BINDING, Builder, Class, Message, long_term_key, parse
from slidewire.turn.attributes import (
    CHANNEL_NUMBER,
    DATA,
    LIFETIME,
    REQUESTED_ADDRESS_FAMILY,
    REQUESTED_TRANSPORT,
    UDP,
    XOR_PEER_ADDRESS,
    XOR_RELAYED_ADDRESS,
    Method,
)
from slidewire.turn.streams import channel_data, is_channel_data, split_channel_data

Field = tuple[Attribute[Any], Any]

_CHALLENGES: Final = 3
"""One for the realm, one for a stale nonce; a server that wants more would never end."""


class Retry(NamedTuple):
    """The server wants to know who asks: send this instead. The transaction is another one."""

    old: bytes
    new: bytes
    data: bytes


class Answered(NamedTuple):
    transaction: bytes
    message: Message

    @property
    def code(self) -> int:
        """0: yes."""
        error = self.message.get(ERROR_CODE)
        return 0 if error is None else error.code

    @property
    def mapped(self) -> Address | None:
        return self.message.get(XOR_MAPPED_ADDRESS)

    @property
    def relayed(self) -> Address | None:
        return self.message.get(XOR_RELAYED_ADDRESS)


class Data(NamedTuple):
    """From a peer, by its address or by a channel's number."""

    source: Address | int
    data: bytes


@dataclass(slots=True)
class _Asked:
    method: int
    fields: tuple[Field, ...]
    challenges: int
    key: bytes | None


class TurnClient:
    def __init__(self, username: str, password: str, entropy: Callable[[int], bytes], *, stream: bool = False) -> None:
        self._username = username
        self._password = password
        self._entropy = entropy
        self._stream = stream
        self._realm: str | None = None
        self._nonce = b""
        self._key: bytes | None = None
        self._asked: dict[bytes, _Asked] = {}

    # --- what it says -------------------------------------------------------------------------------------------------

    def binding(self) -> bytes:
        return self.request(BINDING)

    def allocate(self, family: int | None = None) -> bytes:
        wanted: tuple[Field, ...] = () if family is None else ((REQUESTED_ADDRESS_FAMILY, family),)
        return self.request(Method.ALLOCATE, (REQUESTED_TRANSPORT, UDP), *wanted)

    def refresh(self, lifetime: int) -> bytes:
        return self.request(Method.REFRESH, (LIFETIME, lifetime))

    def permit(self, *peers: Address) -> bytes:
        return self.request(Method.CREATE_PERMISSION, *((XOR_PEER_ADDRESS, peer) for peer in peers))

    def bind(self, number: int, peer: Address) -> bytes:
        return self.request(Method.CHANNEL_BIND, (CHANNEL_NUMBER, number), (XOR_PEER_ADDRESS, peer))

    def request(self, method: int, *fields: Field) -> bytes:
        return self._request(_Asked(method, fields, 0, None))

    def say(self, peer: Address, data: bytes) -> bytes:
        """A Send indication."""
        indication = Builder(Method.SEND, Class.INDICATION, self._entropy(12)).add(XOR_PEER_ADDRESS, peer)
        return indication.add(DATA, data).encode()

    def say_on(self, number: int, data: bytes) -> bytes:
        return channel_data(number, data, stream=self._stream)

    # --- what it receives ---------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> Retry | Answered | Data | None:
        """A datagram, or a frame of a stream. None: nothing to us."""
        if not data:
            return None
        if is_channel_data(data):
            frame = split_channel_data(data)
            return None if frame is None else Data(*frame)
        message = parse(data)
        if message is None:
            return None
        try:
            return self._understand(message)
        except ValueError:
            return None

    def forget(self, transaction: bytes) -> None:
        """No answer is expected any more."""
        self._asked.pop(transaction, None)

    def _understand(self, message: Message) -> Retry | Answered | Data | None:
        if message.class_ is Class.INDICATION:
            peer, data = message.get(XOR_PEER_ADDRESS), message.get(DATA)
            return None if message.method != Method.DATA or peer is None or data is None else Data(peer, data)
        asked = self._asked.get(message.transaction)
        if asked is None or message.method != asked.method or message.class_ is Class.REQUEST:
            return None
        code = error.code if (error := message.get(ERROR_CODE)) is not None else 0
        challenged = code in (ErrorCode.UNAUTHENTICATED, ErrorCode.STALE_NONCE)
        if asked.key is not None and not challenged and not message.integrity_holds(asked.key):
            return None  # not from the server, or not from one that knows the password
        del self._asked[message.transaction]
        wrong_login = code == ErrorCode.UNAUTHENTICATED and asked.key is not None
        realm, nonce = message.get(REALM), message.get(NONCE)
        if not challenged or wrong_login or asked.challenges >= _CHALLENGES or realm is None or nonce is None:
            return Answered(message.transaction, message)
        if realm != self._realm:
            self._realm = realm
            self._key = long_term_key(self._username, realm, self._password)
        self._nonce = nonce
        asked.challenges += 1
        data = self._request(asked)
        return Retry(message.transaction, data[8:20], data)

    def _request(self, asked: _Asked) -> bytes:
        transaction = self._entropy(12)
        builder = Builder(asked.method, Class.REQUEST, transaction)
        for attribute, value in asked.fields:
            builder.add(attribute, value)
        asked.key = None if asked.method == BINDING else self._key
        if asked.key is not None and self._realm is not None:
            builder.add(USERNAME, self._username).add(REALM, self._realm).add(NONCE, self._nonce).sign(asked.key)
        self._asked[transaction] = asked
        return builder.encode()
