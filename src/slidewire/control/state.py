"""The state that a host tells, part by part: the whole of it, then what changed (protocol/control.md §7).

The host holds what it told as a `State` and says `changes`; a presenter puts the messages together with `apply` and
reads the result with `read_state`. Every field has a value for what an earlier version does not say, and words that may
grow are texts, so that a later version is read as well.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from slidewire.control.messages import Fields, Position, StateMessage


class Build(Struct, frozen=True):
    """The animation steps of the slide: `position` of `count` are shown."""

    position: int
    count: int


class DeckPart(Struct, frozen=True):
    """What is known of the deck. Slides count from 1; null means that the deck cannot tell."""

    driver: str = ""
    title: str = ""
    status: Annotated[str, Meta(examples=["running", "no_show", "no_deck"])] = "no_deck"
    slide: int | None = None
    count: int | None = None
    build: Build | None = None
    blank: Annotated[str, Meta(examples=["black", "white"])] | None = None
    can: list[str] = []
    """The words of the intents that it can do, and `laser`."""
    pictures: bool = False
    notes: str | None = None
    slide_title: str | None = None
    next_title: str | None = None
    slide_label: str | None = None
    """What the deck itself calls the slide, where that is not its number."""
    edition: int = 0
    """Pictures of another edition are not of this deck."""
    has_newer: bool = False
    """The deck's file was written anew; `start` shows what is in it now, from the same slide on."""
    drawable: bool = True
    """False: there is no picture of this slide."""


class YouPart(Struct, frozen=True):
    """What a presenter is told of itself."""

    role: Annotated[str, Meta(examples=["view", "laser", "click", "operator"])] = "view"
    muted: bool = False
    name: str = ""
    admitted: bool = True
    first: int | None = None
    last: int | None = None
    expires: float | None = None


class MediaPart(Struct, frozen=True):
    """What a page is told of media: whether the screen is shared, what the page may send, and what is on air."""

    screen: bool = False
    camera: bool = False
    microphone: bool = False
    on_air: bool = False
    recording: bool = False


class HostEntry(Struct, frozen=True):
    """A host of the room."""

    member: str
    name: str
    away: bool = False
    this: bool = False
    """It is the one that tells this."""


class LastClick(Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """What became of a presenter's newest intent."""

    intent: str
    status: str
    reason: str
    before: int | None = None
    after: int | None = None


class Reception(Struct, frozen=True):
    """How a camera comes in, in steps."""

    kbps: int
    lost: int
    """Percent of its packets that the network lost."""
    gone: int
    """Percent that nothing brought back."""


class PresenterMedia(Struct, frozen=True):
    """What a presenter sends."""

    camera: bool = False
    microphone: bool = False
    on_air: bool = False
    reception: Reception | None = None


class PresenterEntry(Struct, frozen=True):
    """A presenter, as operators see it."""

    session: int
    name: str
    kind: str
    role: str
    link: str
    muted: bool
    admitted: bool
    words: str | None
    path: str
    rtt_ms: int | None
    clicks: int
    last: LastClick | None
    since: float
    camera: bool = False
    microphone: bool = False
    on_air: bool = False
    reception: Reception | None = None


class LinkEntry(Struct, frozen=True):
    """A link, as operators see it. Times are seconds since 1970."""

    id: str
    url: str
    label: str
    role: str
    page: str
    not_before: float | None
    expires: float | None
    first: int | None
    last: int | None
    one_device: bool
    in_use: bool
    by_hand: bool
    revoked: bool
    expired: bool


class OriginEntry(Struct, frozen=True):
    """How many are at one address."""

    origin: int
    count: int


class PlacesEntry(Struct, frozen=True):
    """The places of the room at the server that one link holds."""

    link: str
    count: int
    proven: int
    away: int
    since: float
    origins: list[OriginEntry] = []


class RoomMedia(Struct, frozen=True):
    """What operators are told of media."""

    screen: bool = False
    recording: bool = False
    recorded: int | None = None
    """Seconds."""
    can_share: bool = False
    problem: str | None = None


class RoomPart(Struct, frozen=True):
    """What operators are told of the room."""

    code: str | None = None
    hosts: list[HostEntry] = []
    presenters: list[PresenterEntry] = []
    links: list[LinkEntry] = []
    places: list[PlacesEntry] = []
    media: RoomMedia = RoomMedia()
    rejected: dict[str, int] = {}
    """What came and was not obeyed, by kind."""


class State(Struct, frozen=True):
    """The state as one participant is told it."""

    deck: DeckPart = DeckPart()
    you: YouPart = YouPart()
    media: MediaPart = MediaPart()
    started: int | None = None
    """When the show started, in milliseconds of the session's clock."""
    room: RoomPart | UnsetType = UNSET
    """Operators only."""
    laser: Position | UnsetType | None = UNSET
    """Deck pages only."""


# --- At the host ------------------------------------------------------------------------------------------------------


def whole(state: State, version: int) -> StateMessage:
    """All of it."""
    return _message(State(), state, StateMessage(version), everything=True)


def changes(held: State, state: State, version: int, since: int) -> StateMessage:
    """The parts of it that differ from what is held; of a part that has fields, the fields that differ."""
    return _message(held, state, StateMessage(version, since), everything=False)


def _message(held: State, state: State, message: StateMessage, *, everything: bool) -> StateMessage:
    changed: dict[str, object] = {}
    for name in State.__struct_fields__:
        value, before = getattr(state, name), getattr(held, name)
        if value is UNSET or (value == before and not everything):
            continue
        if isinstance(value, DeckPart | YouPart | MediaPart | RoomPart):
            is_known = not everything and type(before) is type(value)
            changed[name] = {
                field: now
                for field in value.__struct_fields__
                if (now := getattr(value, field)) != getattr(before, field, None) or not is_known
            }
        else:
            changed[name] = value
    return replace(message, **changed)


# --- At a presenter ---------------------------------------------------------------------------------------------------


def apply(held: StateMessage | None, message: StateMessage) -> StateMessage | None:
    """The whole state after this message. None: it tells what changed since a version that is not held."""
    if message.since is UNSET:
        return message
    if held is None or held.version != message.since:
        return None
    merged = {name: _merged(getattr(held, name), getattr(message, name)) for name in State.__struct_fields__}
    return replace(message, since=UNSET, **merged)


def _merged(before: object, value: object) -> object:
    if value is UNSET:
        return before
    return {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value


def read_state(message: StateMessage) -> State | None:
    """A whole state as values. None: it is malformed."""
    parts: Fields = {name: value for name in State.__struct_fields__ if (value := getattr(message, name)) is not UNSET}
    try:
        return msgspec.convert(msgspec.to_builtins(parts), State)
    except msgspec.ValidationError:
        return None
