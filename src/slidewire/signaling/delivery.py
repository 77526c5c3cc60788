"""What clients are sent: answers on a connection, and numbered messages to members, who may be away for a moment.

A numbered message is kept until its member acknowledges it. All members of a room are told of its hosts; only the hosts
are told of its presenters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slidewire.signaling import messages as m
from slidewire.signaling.messages import Code
from slidewire.signaling.room import ConnectionId, Member, Role
from slidewire.signaling.router import Router

NumberedType = Callable[..., m.NumberedMessage]
"""One of their types, which is given its number here."""


class Delivery:
    def __init__(self, router: Router) -> None:
        self._send = router.send

    def answer(self, to: ConnectionId, message: m.ServerMessage) -> None:
        self._send(to, m.encode(message))

    def error(
        self, to: ConnectionId, code: Code, text: str, ref: str | None = None, retry_after: float | None = None
    ) -> None:
        supported = [m.VERSION] if code is Code.VERSION_UNSUPPORTED else None
        wait = None if retry_after is None else round(retry_after, 3)
        self.answer(to, m.Error(ref=ref, code=code, message=text, retry_after=wait, supported=supported))

    def deliver(self, to: Member, kind: NumberedType, now: float, /, **fields: Any) -> None:
        data = m.encode(kind(n=to.mailbox.next_number(), **fields))
        to.mailbox.keep(data, now)
        if to.connection is not None:
            self._send(to.connection, data)

    def deliver_again(self, to: ConnectionId, member: Member, last: int, now: float) -> None:
        """Everything after the last number that the member has."""
        for data in member.mailbox.after(last, now):
            self._send(to, data)

    def tell_presence(
        self, member: Member, of_host: NumberedType, of_presenter: NumberedType, now: float, **more: Any
    ) -> None:
        if member.role is Role.HOST:
            kind, others = of_host, list(member.room.members.values())
        else:
            kind, others = of_presenter, member.room.hosts()
        for other in others:
            if other is not member:
                self.deliver(other, kind, now, member=member.id, **more)
