"""What operators see and may do: presenters, links, mute, remove, end the show.

An operator is a presenter whose link says so. Its commands come sealed to the host, so the server can neither read nor
forge them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from slidewire.control.intents import Role
from slidewire.host.participants.links import LinkRule, Room, TooManyLinks
from slidewire.host.participants.participant import Participant

log = logging.getLogger(__name__)


class CommandError(Exception):
    """A command that cannot be done: a stable code, and a sentence for the operator."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


LONGEST = 30 * 86400
"""Seconds ahead that a link can open or expire."""


def read_new_link(command: dict[str, Any], wall: float) -> dict[str, Any]:
    """The fields of the `LinkRule` that an operator asks for. Raises `CommandError`."""
    try:
        role = Role(command.get("role", "click"))
    except ValueError:
        raise CommandError("malformed", "A link's role is view, laser, click or operator.") from None
    label = command.get("label", "")
    if not isinstance(label, str):
        raise CommandError("malformed", "A link's label is a text.")
    rule: dict[str, Any] = {"role": role, "label": _printable(label)}
    for name, field in (("opens_in", "not_before"), ("expires_in", "expires")):
        seconds = command.get(name)
        if seconds is not None and not (type(seconds) in (int, float) and 0 < seconds <= LONGEST):
            raise CommandError("malformed", "A link opens and expires in up to 30 days, given in seconds.")
        rule[field] = None if seconds is None else wall + seconds
    if None not in (rule["not_before"], rule["expires"]) and rule["not_before"] >= rule["expires"]:
        raise CommandError("malformed", "A link opens before it expires.")
    for name in ("first", "last"):
        slide = command.get(name)
        if slide is not None and not (type(slide) is int and 1 <= slide <= 0xFFFF):
            raise CommandError("malformed", "The slides of a link are numbers from 1.")
        rule[name] = slide
    if None not in (rule["first"], rule["last"]) and rule["first"] > rule["last"]:
        raise CommandError("malformed", "The first slide of a link comes before its last.")
    for name in ("one_device", "by_hand"):
        rule[name] = command.get(name, False)
        if not isinstance(rule[name], bool):
            raise CommandError("malformed", f"{name} is true or false.")
    return rule


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()).strip()[:60]


def describe_link(rule: LinkRule, server: str, now: float) -> dict[str, Any]:
    return {
        "id": rule.id,
        "url": rule.link(server).url,
        "label": rule.label,
        "role": str(rule.role),
        "page": rule.page,
        "not_before": rule.not_before,
        "expires": rule.expires,
        "first": rule.first,
        "last": rule.last,
        "one_device": rule.one_device,
        "in_use": rule.device is not None,
        "by_hand": rule.by_hand,
        "revoked": rule.revoked,
        "expired": rule.has_expired(now),
    }


def describe_you(participant: Participant) -> dict[str, Any]:
    """What a presenter is told of itself."""
    link = participant.link
    return {
        "role": str(link.role),
        "muted": participant.muted,
        "name": participant.introduction.name,
        "admitted": participant.admitted,
        "first": link.first,
        "last": link.last,
        "expires": link.expires,
    }


def describe_participant(participant: Participant) -> dict[str, Any]:
    path, round_trip = participant.best_path()
    last = participant.last
    return {
        "session": participant.id,
        "name": participant.introduction.name,
        "kind": participant.introduction.kind,
        "role": str(participant.link.role),
        "link": participant.link.id,
        "muted": participant.muted,
        "admitted": participant.admitted,
        "words": participant.session.words,
        "path": path,
        "rtt_ms": None if round_trip is None else round(round_trip * 1000),
        "clicks": participant.clicks,
        "last": last
        and {
            "intent": str(last.intent),
            "status": last.outcome.status.word,
            "reason": last.outcome.reason.word,
            "from": last.outcome.before,
            "to": last.outcome.after,
        },
        "since": participant.since,
    }


def describe_room(
    room: Room,
    server: str,
    participants: list[Participant],
    hosts: list[dict[str, Any]],
    media: Callable[[Participant], dict[str, Any]],
    places: list[dict[str, Any]],
) -> dict[str, Any]:
    """The `room` part of an operator's state. `media` tells what each presenter sends, `places` who holds the room's
    places at the server."""
    now = time.time()
    return {
        "code": room.code,
        "hosts": hosts,
        "presenters": [{**describe_participant(participant), **media(participant)} for participant in participants],
        "links": [describe_link(rule, server, now) for rule in room.links.values()],
        "places": places,
    }


NOT_TO_ONESELF = frozenset({"mute", "remove"})
"""A slip of the hand would leave the show without whoever runs it."""


class Commands:
    """An operator's commands, each done at most once per id and session: a repeated one hears the same reply."""

    REMEMBERED = 64

    def __init__(
        self,
        actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]],
        watch: Callable[
            [Participant, dict[str, Any]], Callable[[dict[str, Any]], None]
        ] = lambda participant, command: _nothing,
    ) -> None:
        """An action is told in `asked_by` whose command it is. `watch` hears of each command once, before it is done;
        what it returns hears the reply."""
        self._actions = actions
        self._watch = watch
        self._replies: dict[tuple[int, int], dict[str, Any]] = {}

    def receive(self, participant: Participant, message: dict[str, Any]) -> dict[str, Any]:
        """The reply."""
        id_ = message.get("id")
        if type(id_) is not int:
            return {"type": "error", "code": "malformed", "message": "A command needs a number as its id."}
        key = (participant.id, id_)
        if key not in self._replies:
            replied = self._watch(participant, message)
            self._replies[key] = {"type": "reply", "id": id_, **self._do(participant, message)}
            if len(self._replies) > self.REMEMBERED:
                del self._replies[next(iter(self._replies))]
            replied(self._replies[key])
        return self._replies[key]

    def _do(self, participant: Participant, message: dict[str, Any]) -> dict[str, Any]:
        if participant.link.role is not Role.OPERATOR:
            return _error("not_allowed", "This link is not an operator's.")
        if not participant.admitted:
            return _error("not_admitted", "Another operator has to let you in first.")
        name = str(message.get("name"))
        if name in NOT_TO_ONESELF and message.get("session") == participant.id:
            return _error("not_yourself", "You cannot do this to yourself. Another operator can.")
        action = self._actions.get(name)
        if action is None:
            return _error("command_unknown", f"The commands are {', '.join(sorted(self._actions))}.")
        try:
            return {"ok": True, **action({**message, "asked_by": participant.id})}
        except CommandError as error:
            return _error(error.code, str(error))
        except TooManyLinks as error:
            return _error("too_many_links", str(error))
        except Exception:
            log.exception("the command %.40r failed", name)
            return _error("failed", "The host could not do this; its log says why.")


def _nothing(reply: dict[str, Any]) -> None:
    pass


def _error(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message}}
