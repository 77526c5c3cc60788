"""What a presenter may ask for, and what the host answers: the words of the whole product.

Nothing here knows a key code, a socket or a deck. Numbers are those of `protocol/control.md` §4.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verb(enum.IntEnum):
    """The intents that are delivered once and in order."""

    NEXT = 1
    PREVIOUS = 2
    FIRST = 3
    LAST = 4
    GOTO = 5
    START = 6
    STOP = 7
    BLACK = 8
    WHITE = 9

    @property
    def word(self) -> str:
        return self.name.lower()


class Status(enum.IntEnum):
    """What became of an intent. `UNKNOWN` is never sent: the presenter uses it where no receipt came, or one with a
    status of a later version."""

    UNKNOWN = 0
    PERFORMED = 1
    REFUSED = 2
    DUPLICATE = 3
    EXPIRED = 4
    FAILED = 5

    @classmethod
    def _missing_(cls, value: object) -> Status:
        return cls.UNKNOWN  # a status of a later version

    @property
    def word(self) -> str:
        return self.name.lower()


class Reason(enum.IntEnum):
    """Why an intent was not performed, or what is not known about it. Stable identifiers, not prose."""

    NONE = 0
    MUTED = 1
    ROLE = 2
    RANGE = 3
    NO_SHOW = 4
    NO_DECK = 5
    FOCUS = 6
    UNSUPPORTED = 7
    AT_END = 8
    AT_START = 9
    DECK_ERROR = 10
    LATE = 11
    REVOKED = 12
    UNSEEN = 13
    NOT_ADMITTED = 14
    SLIDE_UNKNOWN = 15
    RATE = 16
    GRABBED = 17
    MODIFIER = 18

    @classmethod
    def _missing_(cls, value: object) -> Reason:
        return cls.NONE  # a reason of a later version: what happened is known, only not why

    @property
    def word(self) -> str:
        return self.name.lower()


class Role(enum.StrEnum):
    """What a link may do. Enforced at the host, never at the server."""

    VIEW = "view"
    LASER = "laser"
    CLICK = "click"
    OPERATOR = "operator"

    @property
    def may_click(self) -> bool:
        return self in (Role.CLICK, Role.OPERATOR)

    @property
    def may_point(self) -> bool:
        return self is not Role.VIEW


def read_role(word: object) -> Role:
    """The role that the host gives us. A role of a later version is taken for the one that may do the least."""
    return next((role for role in Role if role == word), Role.VIEW)


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing a presenter asks for. `argument` is the slide of `goto`, counted from 1, and 0 otherwise."""

    verb: Verb
    argument: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.argument <= 0xFFFF:
            raise ValueError("a slide number lies between 1 and 65535")
        if (self.verb is Verb.GOTO) != (self.argument > 0):
            raise ValueError("goto needs a slide number from 1; no other intent takes one")

    def __str__(self) -> str:
        return f"{self.verb.word} {self.argument}" if self.argument else self.verb.word


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the deck did with an intent. `before` and `after` are slides from 1, `None` where the deck cannot tell."""

    status: Status
    before: int | None = None
    after: int | None = None
    reason: Reason = Reason.NONE


@dataclass(frozen=True, slots=True)
class Point:
    """A laser position as fractions of the slide, from its upper left corner, each between 0 and 1."""

    x: float
    y: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.x <= 1.0 and 0.0 <= self.y <= 1.0):
            raise ValueError("a laser position lies between 0 and 1 in both directions")
