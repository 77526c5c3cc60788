"""Sealed messages in tests, as the JSON objects that they are on the wire."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from slidewire.aio.clock import monotonic
from slidewire.control import messages
from slidewire.control.host_session import HostSession
from slidewire.control.presenter_session import PresenterSession
from slidewire.control.state import State
from slidewire.presenter.connection import PresenterConnection


def from_host(**fields: Any) -> messages.Received:
    """What a presenter reads of this."""
    message = messages.read_from_host(json.dumps(fields).encode())
    assert message is not None
    return message


def from_presenter(**fields: Any) -> messages.Received:
    """What a host reads of this."""
    message = messages.read_from_presenter(json.dumps(fields).encode())
    assert message is not None
    return message


def as_json(message: messages.Received) -> dict[str, Any]:
    """A message that was read or is sent, as it is on the wire."""
    assert not isinstance(message, messages.Malformed | messages.UnknownMessage), message
    found: dict[str, Any] = json.loads(messages.encode(message))
    return found


def state_json(state: State) -> dict[str, Any]:
    """What is held of the state, as JSON."""
    found: dict[str, Any] = msgspec.to_builtins(state)
    return found


def say(to: HostSession | PresenterSession, now: float | None = None, /, **fields: Any) -> bool:
    """Send anything, also what the types of `send_message` forbid."""
    return to.wire.send_encoded(json.dumps(fields).encode(), monotonic() if now is None else now)


async def command(connection: PresenterConnection, name: str, /, **fields: Any) -> dict[str, Any]:
    """The reply to an operator's command."""
    request: Any = msgspec.convert({"name": name, **fields}, messages.CommandRequest)
    return as_json(await connection.command(request))
