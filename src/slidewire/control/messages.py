"""Sealed messages (protocol/control.md §7, §8): what each end may say to the other, one union each way.

    read_from_presenter(data) -> Offer | Candidate | ... | Malformed | UnknownMessage | None
    encode(message)           -> what goes into PARTs

A message is a JSON object; its `type` names the struct. It is read once, where its last part came, and is a value from
there on. `Malformed` is a message of a known type that breaks one of the limits stated here, `UnknownMessage` one of a
later version; None is no message at all. Fields of a later version are ignored.

The tables of protocol/control.md and web/src/protocol/messages.ts are made of this file (tools/make_messages.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, ClassVar, Final, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

LONGEST_LINK: Final = 30 * 86400
"""Seconds ahead that a link can open or expire."""

Generation = Annotated[int, Meta(ge=0, lt=1 << 31)]
Description = Annotated[str, Meta(max_length=160 * 1024)]
"""As long as a message of a presenter may be. One that is longer than 64 KiB is answered with `offer_unusable`."""
CommandId = Annotated[int, Meta(ge=0, lt=1 << 53)]
PictureId = Annotated[int, Meta(ge=0, le=0xFFFF)]
Slide = Annotated[int, Meta(ge=1, le=0xFFFF, description="The slides of a link are numbers from 1.")]
Ahead = Annotated[
    float, Meta(gt=0, le=LONGEST_LINK, description="A link opens and expires in up to 30 days, given in seconds.")
]
LinkRole = Annotated[
    str,
    Meta(
        pattern="^(view|laser|click|operator)$",
        examples=["view", "laser", "click", "operator"],
        description="A link's role is view, laser, click or operator.",
    ),
]
Wish = Annotated[str, Meta(examples=["open", "balanced", "private"])]
"""A privacy policy. A word that is not known is taken for the strictest."""


_INIT: Final = {"mid": "sdpMid", "m_line": "sdpMLineIndex", "ufrag": "usernameFragment"}


class IceCandidate(Struct, frozen=True, omit_defaults=True, rename=_INIT):
    """The browser's `RTCIceCandidateInit`."""

    candidate: Annotated[str, Meta(max_length=8 * 1024)] = ""
    mid: Annotated[str, Meta(max_length=256)] | None = None
    m_line: int | None = None
    ufrag: Annotated[str, Meta(max_length=256)] | None = None


class Message(Struct, frozen=True, tag_field="type"):
    """What all messages have in common."""


# --- Both ways --------------------------------------------------------------------------------------------------------


class Candidate(Message, frozen=True, tag="candidate"):
    """A candidate for the offer of that generation; null is the end of them."""

    generation: Generation
    candidate: IceCandidate | None = None


class MediaCandidate(Message, frozen=True, tag="media_candidate"):
    """A candidate for the media connection of that generation; null is the end of them."""

    generation: Generation
    candidate: IceCandidate | None = None


# --- From the presenter -----------------------------------------------------------------------------------------------


class Offer(Message, frozen=True, tag="offer"):
    """Make a peer connection."""

    generation: Generation
    sdp: Description
    privacy: Wish | UnsetType = UNSET
    network: str | UnsetType = UNSET


class GetState(Message, frozen=True, tag="get_state"):
    """Send the whole state."""


class LocalGrant(Message, frozen=True, tag="local_grant"):
    """The host itself opened this page on its own computer, and gave it this: its keyboard may click."""

    grant: Annotated[str, Meta(max_length=64)]


class PictureRequest(Message, frozen=True, tag="picture"):
    """Send the picture of a slide, about so many pixels wide, in at most so many bytes."""

    id: PictureId
    slide: Annotated[int, Meta(ge=-(1 << 31), lt=1 << 31)]
    width: Annotated[int, Meta(ge=-(1 << 31), lt=1 << 31)]
    most: Annotated[int, Meta(ge=0, lt=1 << 31)] = 1 << 20


class MediaOffer(Message, frozen=True, tag="media_offer"):
    """Make a media connection with these lines."""

    generation: Generation
    sdp: Description
    lines: Annotated[list[str], Meta(min_length=1, max_length=16)]
    privacy: Wish | UnsetType = UNSET
    network: str | UnsetType = UNSET


class MediaOn(Message, frozen=True, tag="media_on"):
    """What is switched on at the page."""

    camera: bool = False
    microphone: bool = False
    screen: bool = False


class MediaClose(Message, frozen=True, tag="media_close"):
    """End the media connection of that generation."""

    generation: Generation


# --- Commands: operators only -----------------------------------------------------------------------------------------


class Done(Struct, frozen=True):
    """The reply to a command that has nothing to tell."""


class LinkMade(Struct, frozen=True):
    """The reply to `make_link`."""

    link: str
    url: str


class SentAway(Struct, frozen=True):
    """The reply to `send_away`: how many they were."""

    count: int


class Request(Struct, frozen=True, tag_field="name"):
    """What an operator asks for in a `command`; the tag is the command's name."""

    reply: ClassVar[type[Done | LinkMade | SentAway]] = Done
    """What the reply says where it was done."""


class Mute(Request, frozen=True, tag="mute"):
    """Perform nothing of this presenter any more, or again."""

    session: int
    muted: bool = True


class Admit(Request, frozen=True, tag="admit"):
    """Let this presenter in."""

    session: int


class Remove(Request, frozen=True, tag="remove"):
    """Send this presenter away."""

    session: int


class MakeLink(Request, frozen=True, tag="make_link"):
    """Make a link. Times are in seconds from now."""

    reply: ClassVar[type[LinkMade]] = LinkMade
    role: LinkRole = "click"
    label: Annotated[str, Meta(description="A link's label is a text.")] = ""
    opens_in: Ahead | None = None
    expires_in: Ahead | None = None
    first: Slide | None = None
    last: Slide | None = None
    one_device: Annotated[bool, Meta(description="one_device is true or false.")] = False
    by_hand: Annotated[bool, Meta(description="by_hand is true or false.")] = False


class RevokeLink(Request, frozen=True, tag="revoke_link"):
    """End this link for good."""

    link: str


class FreeLink(Request, frozen=True, tag="free_link"):
    """Give a link for one device to the next device that opens it."""

    link: str


class SendAway(Request, frozen=True, tag="send_away"):
    """Send away all that came by this link, or those of them at one address, but not who asks for it."""

    reply: ClassVar[type[SentAway]] = SentAway
    link: str
    origin: Annotated[int, Meta(description="An origin is a number, as the room's places say it.")] | None = None


class ShareScreen(Request, frozen=True, tag="share_screen"):
    """Share the host's screen, or hide it."""

    on: bool = True


class OnAir(Request, frozen=True, tag="on_air"):
    """Put this presenter on air; null: none."""

    session: int | None = None


class RecordAir(Request, frozen=True, tag="record"):
    """Begin to record who is on air, or end it."""

    on: bool = True


class EndShow(Request, frozen=True, tag="end_show"):
    """End the show, and all its links."""


CommandRequest = (
    Mute | Admit | Remove | MakeLink | RevokeLink | FreeLink | SendAway | ShareScreen | OnAir | RecordAir | EndShow
)


class Command(Struct, frozen=True):
    """An operator's command. On the wire the request's fields stand beside `type` and `id`."""

    id: int
    request: CommandRequest | Malformed | UnknownMessage


class _CommandHead(Message, frozen=True, tag="command"):
    id: CommandId
    name: str = ""


# --- From the host ----------------------------------------------------------------------------------------------------


class Answer(Message, frozen=True, tag="answer"):
    """The answer to the offer of that generation."""

    generation: Generation
    sdp: str
    network: str | UnsetType = UNSET


class Reoffer(Message, frozen=True, tag="reoffer"):
    """Make a new offer."""


class NoPicture(Message, frozen=True, tag="no_picture"):
    """There is no such picture, and why."""

    id: int
    reason: str


class CommandFault(Struct, frozen=True):
    """Why a command was not done."""

    code: str
    message: str


class Reply(Message, frozen=True, tag="reply"):
    """What became of a command: it was done, or why not."""

    id: int
    ok: bool
    error: CommandFault | UnsetType = UNSET
    link: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    count: int | UnsetType = UNSET


class Position(Struct, frozen=True):
    """A position of the laser, as fractions of the slide."""

    x: float
    y: float


class LaserMoved(Message, frozen=True, tag="laser"):
    """The laser is here now; null: it is off. Deck pages only."""

    at: Position | None = None


class Closed(Message, frozen=True, tag="closed"):
    """The session is over for good, and why."""

    code: str = ""
    reason: str = ""


class Error(Message, frozen=True, tag="error"):
    """Something that was asked for cannot be done."""

    code: str = ""
    message: str = ""


class MediaAnswer(Message, frozen=True, tag="media_answer"):
    """The answer to the media offer of that generation."""

    generation: Generation
    sdp: str
    network: str | UnsetType = UNSET


class MediaRefused(Message, frozen=True, tag="media_refused"):
    """The media offer of that generation is not taken, and why."""

    generation: Generation
    code: str
    message: str


Fields = dict[str, object]
"""Fields of a part of the state, by name: all of them, or those that changed. Only control/state.py reads them."""


class StateMessage(Message, frozen=True, tag="state"):
    """The state, or what of it changed since another version."""

    version: int
    since: int | UnsetType = UNSET
    deck: Fields | UnsetType = UNSET
    you: Fields | UnsetType = UNSET
    media: Fields | UnsetType = UNSET
    started: int | UnsetType | None = UNSET
    room: Fields | UnsetType = UNSET
    laser: Position | UnsetType | None = UNSET


# --- Reading and writing ----------------------------------------------------------------------------------------------


class Malformed(Struct, frozen=True):
    """A message or a command of a known type that breaks a limit: the sentence says what it needs."""

    type: str
    sentence: str


class UnknownMessage(Struct, frozen=True):
    """A message or a command of a later version."""

    type: str


_FromPresenter = (
    Offer | Candidate | GetState | LocalGrant | PictureRequest | MediaOffer | MediaOn | MediaClose | MediaCandidate
)  # and `_CommandHead`
FromPresenter = _FromPresenter | Command
FromHost = (
    StateMessage
    | Answer
    | Candidate
    | Reoffer
    | NoPicture
    | Reply
    | LaserMoved
    | Closed
    | Error
    | MediaAnswer
    | MediaRefused
    | MediaCandidate
)
Received = FromPresenter | FromHost | Malformed | UnknownMessage

_CONNECTION: Final = "An offer needs a generation and an SDP."
_MEDIA: Final = "A media message has a generation, an offer its SDP and its lines, and what is on is true or false."
_SENTENCES: Final = {
    "offer": _CONNECTION,
    "candidate": _CONNECTION,
    "local_grant": "A grant is a text.",
    "picture": "A picture needs an id from 0 to 65535, a slide and a width.",
    "command": "A command needs a number as its id.",
    "media_offer": _MEDIA,
    "media_on": _MEDIA,
    "media_close": _MEDIA,
    "media_candidate": _MEDIA,
    **dict.fromkeys(("mute", "admit", "remove", "on_air"), "A session is a number, as the room's presenters say it."),
    **dict.fromkeys(("revoke_link", "free_link", "send_away"), "A link is named by its id."),
    **dict.fromkeys(("share_screen", "record"), "on is true or false."),
}
"""What is said of a malformed one, where the field that is wrong says nothing itself."""


def tag(struct: type[Struct]) -> str:
    """What a struct is called on the wire."""
    return str(struct.__struct_config__.tag)


class _Type(Struct):
    type: str


class _Name(Struct):
    name: str = ""


def _tags(union: object) -> frozenset[str]:
    return frozenset(tag(struct) for struct in get_args(union))


class _Reader:
    """Reads one union. The decoder of msgspec does the work; what it refuses is looked at once more, to say why."""

    def __init__(self, union: Any, kind_of: Callable[[bytes], str]) -> None:
        self._decoder = msgspec.json.Decoder(union)
        self._structs = {tag(struct): struct for struct in get_args(union)}
        self._kind_of = kind_of

    def read(self, data: bytes) -> Any:
        """A struct of the union, `Malformed` or `UnknownMessage`; None: no object with a type."""
        try:
            return self._decoder.decode(data)
        except msgspec.ValidationError as error:
            return self._refuse(data, error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _refuse(self, data: bytes, error: msgspec.ValidationError) -> Malformed | UnknownMessage | None:
        try:
            kind = self._kind_of(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        struct = self._structs.get(kind)
        if struct is None:
            return UnknownMessage(kind)
        _, _, path = str(error).rpartition("`$.")
        field = path.partition("`")[0].partition(".")[0].partition("[")[0]
        return Malformed(kind, _sentences(struct).get(field) or _SENTENCES.get(kind, f"This {kind} is malformed."))


@cache
def _sentences(struct: type[Struct]) -> dict[str, str]:
    """By field, what is said of one that breaks its limit (`Meta.description`)."""
    hints = get_type_hints(struct, include_extras=True)
    found = {}
    for name, hint in hints.items():
        for part in (hint, *get_args(hint)):
            for meta in get_args(part)[1:] if get_origin(part) is Annotated else ():
                if isinstance(meta, Meta) and meta.description:
                    found[name] = meta.description
    return found


_PRESENTERS: Final = _Reader(_FromPresenter | _CommandHead, lambda data: msgspec.json.decode(data, type=_Type).type)
_HOSTS: Final = _Reader(FromHost, lambda data: msgspec.json.decode(data, type=_Type).type)
_REQUESTS: Final = _Reader(CommandRequest, lambda data: msgspec.json.decode(data, type=_Name).name)


def read_from_presenter(data: bytes) -> FromPresenter | Malformed | UnknownMessage | None:
    """What a presenter said. None: it is no message."""
    message = _PRESENTERS.read(data)
    if isinstance(message, _CommandHead):
        return Command(message.id, _REQUESTS.read(data) or UnknownMessage(""))
    found: FromPresenter | Malformed | UnknownMessage | None = message
    return found


def read_from_host(data: bytes) -> FromHost | Malformed | UnknownMessage | None:
    """What a host said. None: it is no message."""
    found: FromHost | Malformed | UnknownMessage | None = _HOSTS.read(data)
    return found


_encoder = msgspec.json.Encoder()


def encode(message: FromPresenter | FromHost) -> bytes:
    """The message as JSON."""
    said: object = message
    if isinstance(message, Command):
        said = {"type": "command", "id": message.id, **msgspec.to_builtins(message.request)}
    try:
        return _encoder.encode(said)
    except UnicodeEncodeError:
        # Half a character, which JSON can name and UTF-8 cannot, may be in what a deck says.
        return json.dumps(msgspec.to_builtins(said), ensure_ascii=False).encode("utf-8", "replace")
