"""Between the hub, which decides what a member is sent, and the node that holds the member's socket.

A *node* is one server process. Alone it has every socket itself (`LocalRouter`). Several of them, joined by an engine,
share their rooms like this: a room lives on one node, which applies all the rules to it, and sockets may be on any. A
socket is known by the node that holds it and its number there, so a hub sends to a member in the same way wherever it
is connected. What it takes is in `Router`, and no rule of the hub depends on which one it has.

Before its first message, which says where it belongs, a socket is its own node's. If that message names a room of
another node, the socket is handed over (`hand_over`): that node's hub gets `connect`, this message and all that follow,
and `disconnect`, and answers through its own router.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from slidewire.signaling.effects import Close, Effect, Send
from slidewire.signaling.messages import FirstMessage
from slidewire.signaling.room import ConnectionId, StoredRoom

ALONE: Final = ""
"""The name of a node that is the only one."""


class Router(Protocol):
    def send(self, to: ConnectionId, data: bytes) -> None:
        """Write one text message, after those that were sent there before."""

    def close(self, to: ConnectionId, code: int, reason: str) -> None:
        """After all that was sent there before. The hub has forgotten the connection."""

    def room_is_here(self, room: StoredRoom) -> None:
        """This node has the room, with these links and no others: those who name them belong here."""

    def room_has_ended(self, code: str) -> None: ...

    def hand_over(self, connection: ConnectionId, first: FirstMessage, data: bytes | str) -> bool:
        """Whether another node has the room that this first message is about. It has the connection from now on, and
        the message, which came as `data`; this node's hub forgets both."""


class LocalRouter:
    """Everything is on this node."""

    def __init__(self, effects: Callable[[Effect], object]) -> None:
        self._effects = effects

    def send(self, to: ConnectionId, data: bytes) -> None:
        self._effects(Send(to, data))

    def close(self, to: ConnectionId, code: int, reason: str) -> None:
        self._effects(Close(to, code, reason))

    def room_is_here(self, room: StoredRoom) -> None:
        pass

    def room_has_ended(self, code: str) -> None:
        pass

    def hand_over(self, connection: ConnectionId, first: FirstMessage, data: bytes | str) -> bool:
        return False
