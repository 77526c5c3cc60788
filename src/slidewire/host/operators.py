"""What operators see and may do: presenters, links, mute, remove, end the show.

An operator is a presenter whose link says so. Its commands come sealed to the host, so the server can neither read nor
forge them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import segno

from slidewire.control.intents import Role
from slidewire.host.guest import Guest
from slidewire.host.links import LinkRule, Room, TooManyLinks


class CommandError(Exception):
    """A command that cannot be done: a stable code, and a sentence for the operator."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_new_link(command: dict[str, Any], wall: float) -> tuple[Role, str, float | None]:
    """Role, label and expiry of a link an operator asks for. Raises `CommandError`."""
    try:
        role = Role(command.get("role", "click"))
    except ValueError:
        raise CommandError("malformed", "A link's role is view, laser, click or operator.") from None
    label = command.get("label", "")
    if not isinstance(label, str):
        raise CommandError("malformed", "A link's label is a text.")
    lifetime = command.get("expires_in")
    if lifetime is not None and not (isinstance(lifetime, int | float) and 0 < lifetime <= 30 * 86400):
        raise CommandError("malformed", "A link expires in up to 30 days, given in seconds.")
    return role, label.strip()[:60], None if lifetime is None else wall + lifetime


def describe_link(rule: LinkRule, server: str) -> dict[str, Any]:
    url = rule.link(server).url
    return {
        "id": rule.id,
        "url": url,
        "label": rule.label,
        "role": str(rule.role),
        "page": rule.page,
        "expires": rule.expires,
        "revoked": not rule.is_good(time.time()),
        "qr": segno.make(url, error="m").svg_inline(scale=4, border=2, dark="#000", light="#fff"),
    }


def describe_guest(guest: Guest) -> dict[str, Any]:
    path, round_trip = guest.best_path()
    last = guest.last
    return {
        "session": guest.id,
        "name": guest.name,
        "kind": guest.kind,
        "role": str(guest.link.role),
        "link": guest.link.id,
        "muted": guest.muted,
        "path": path,
        "rtt_ms": None if round_trip is None else round(round_trip * 1000),
        "clicks": guest.clicks,
        "last": last
        and {
            "intent": str(last.intent),
            "status": last.outcome.status.word,
            "reason": last.outcome.reason.word,
            "from": last.outcome.before,
            "to": last.outcome.after,
        },
        "since": guest.since,
    }


class RoomDescriber:
    """The `room` part of an operator's state. QR codes are drawn once per link."""

    def __init__(self, room: Room, server: str) -> None:
        self._room = room
        self._server = server
        self._drawn: dict[LinkRule, dict[str, Any]] = {}

    def describe(self, guests: list[Guest], hosts: list[dict[str, Any]]) -> dict[str, Any]:
        links = []
        for rule in self._room.links.values():
            if rule not in self._drawn:
                self._drawn[rule] = describe_link(rule, self._server)
            links.append({**self._drawn[rule], "revoked": not rule.is_good(time.time())})
        return {
            "code": self._room.code,
            "hosts": hosts,
            "presenters": [describe_guest(guest) for guest in guests],
            "links": links,
        }


class Commands:
    """An operator's commands, each done at most once per id and session: a repeated one hears the same reply."""

    REMEMBERED = 64

    def __init__(self, actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]]) -> None:
        self._actions = actions
        self._replies: dict[tuple[int, int], dict[str, Any]] = {}

    def receive(self, guest: Guest, message: dict[str, Any]) -> dict[str, Any]:
        """The reply."""
        id_ = message.get("id")
        if not isinstance(id_, int):
            return {"type": "error", "code": "malformed", "message": "A command needs a number as its id."}
        key = (guest.id, id_)
        if key not in self._replies:
            self._replies[key] = {"type": "reply", "id": id_, **self._do(guest, message)}
            if len(self._replies) > self.REMEMBERED:
                del self._replies[next(iter(self._replies))]
        return self._replies[key]

    def _do(self, guest: Guest, message: dict[str, Any]) -> dict[str, Any]:
        if guest.link.role is not Role.OPERATOR:
            return _error("not_allowed", "This link is not an operator's.")
        action = self._actions.get(str(message.get("name")))
        if action is None:
            return _error("command_unknown", f"The commands are {', '.join(sorted(self._actions))}.")
        try:
            return {"ok": True, **action(message)}
        except CommandError as error:
            return _error(error.code, str(error))
        except TooManyLinks as error:
            return _error("too_many_links", str(error))


def _error(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message}}
