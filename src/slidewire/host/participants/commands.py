"""Operators' commands: a row for each, which says what is asked and answered, who may, and what the log calls it.

An operator is a presenter whose link says so. Its commands come sealed to the host, so the server can neither read nor
forge them. The request was read where it arrived (`control/messages.py`): a handler is given the struct.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from msgspec.structs import asdict

from slidewire.control import messages
from slidewire.control.intents import Role
from slidewire.host.participants.links import TooManyLinks
from slidewire.host.participants.participant import Participant

log = logging.getLogger(__name__)

R = TypeVar("R", bound=messages.Request)


class CommandError(Exception):
    """A command that cannot be done: a stable code, and a sentence for the operator."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class CommandRow(Generic[R]):
    request: type[R]
    """Its tag is the command's name."""
    handler: Callable[[Participant, R], messages.Done | messages.LinkMade | messages.SentAway]
    """It is given who asks, and may raise `CommandError`."""
    event: Callable[[R], str]
    """What the log calls it."""
    role: Role = Role.OPERATOR
    """What the link of who asks has to be."""
    not_to_oneself: bool = False
    """A slip of the hand would leave the show without an operator."""

    @property
    def reply(self) -> type[messages.Done | messages.LinkMade | messages.SentAway]:
        return self.request.reply

    @property
    def name(self) -> str:
        return messages.tag(self.request)


Row = CommandRow[Any]
Replied = Callable[[messages.Reply], None]


class Commands:
    """Each command is done at most once per id and session: a repeated one gets the same reply."""

    REMEMBERED = 64

    def __init__(
        self,
        rows: Iterable[Row],
        watch: Callable[[Participant, messages.Command, str], Replied] = lambda participant, command, event: _nothing,
    ) -> None:
        """`watch` is called with each command once, before it is done, and with what the log calls it; what it returns
        is called with the reply."""
        self.rows = {row.name: row for row in rows}
        self._watch = watch
        self._replies: dict[tuple[int, int], messages.Reply] = {}

    def receive(self, participant: Participant, command: messages.Command) -> messages.Reply:
        """The reply."""
        key = (participant.id, command.id)
        if key not in self._replies:
            row = self.rows.get(messages.tag(type(command.request)))
            replied = self._watch(participant, command, row.event(command.request) if row is not None else "")
            self._replies[key] = self._do(participant, command, row)
            if len(self._replies) > self.REMEMBERED:
                del self._replies[next(iter(self._replies))]
            replied(self._replies[key])
        return self._replies[key]

    def _do(self, participant: Participant, command: messages.Command, row: Row | None) -> messages.Reply:
        request = command.request
        if participant.link.role is not (row.role if row is not None else Role.OPERATOR):
            return _refused(command, "not_allowed", "This link is not an operator's.")
        if not participant.admitted:
            return _refused(command, "not_admitted", "Another operator has to let you in first.")
        if isinstance(request, messages.Malformed):
            return _refused(command, "malformed", request.sentence)
        if row is None:
            return _refused(command, "command_unknown", f"The commands are {', '.join(sorted(self.rows))}.")
        if row.not_to_oneself and getattr(request, "session", None) == participant.id:
            return _refused(command, "not_yourself", "You cannot do this to yourself. Another operator can.")
        try:
            return messages.Reply(command.id, ok=True, **asdict(row.handler(participant, request)))
        except CommandError as error:
            return _refused(command, error.code, str(error))
        except TooManyLinks as error:
            return _refused(command, "too_many_links", str(error))
        except Exception:
            log.exception("the command %s failed", row.name)
            return _refused(command, "failed", "The host could not do this; its log says why.")


def _nothing(reply: messages.Reply) -> None:
    pass


def _refused(command: messages.Command, code: str, message: str) -> messages.Reply:
    return messages.Reply(command.id, ok=False, error=messages.CommandFault(code, message))
