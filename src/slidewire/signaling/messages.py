"""Every message of `protocol/signaling.md`, both ways, and the edge where bytes become one of them.

What arrives meets one of three fates: it is *garbage* (nothing in it can be trusted, not even its `ref`), it is
*wrong* (an object we understand well enough to answer by its `ref`), or it is a message. JSON does not leave
this file. `data` stays the base64url text it came as: the server has no business inside, and the ends decode it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from slidewire.base.base64url import is_base64url

VERSION: Final = 1
MAX_MESSAGE: Final = 16_384
"""Bytes of one text message."""
MAX_DATA: Final = 11_264
"""Bytes of `data` once decoded."""

Ref = Annotated[str, Meta(max_length=32)]
Name = Annotated[str, Meta(max_length=80)]
Reason = Annotated[str, Meta(max_length=200)]
MemberId = Annotated[str, Meta(min_length=1, max_length=16)]
LinkId = Annotated[str, Meta(pattern=r"^[a-z2-7]{10}\Z")]
RoomCode = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{4,12}\Z")]
Key = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}\Z")]
"""16 random bytes: tokens and resume tokens."""
Commit = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]
"""A SHA-256."""
Network = Annotated[str, Meta(max_length=22)]
"""Where a member is, as a word that means something to this server only. Members with the same are at one place."""
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Code(StrEnum):
    """The stable identifiers of errors."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TYPE_UNKNOWN = "type_unknown"
    VERSION_UNSUPPORTED = "version_unsupported"
    FIRST_MESSAGE = "first_message"
    NOT_ALLOWED = "not_allowed"
    MEMBER_UNKNOWN = "member_unknown"
    LINK_UNKNOWN = "link_unknown"
    LINK_WRONG = "link_wrong"
    LINK_EXPIRED = "link_expired"
    LINK_REVOKED = "link_revoked"
    LINK_TAKEN = "link_taken"
    ROOM_ENDED = "room_ended"
    ROOM_TAKEN = "room_taken"
    KEY_NEEDED = "key_needed"
    ROOM_FULL = "room_full"
    UNPROVEN = "unproven"
    REMOVED = "removed"
    RESUME_UNKNOWN = "resume_unknown"
    REPLACED = "replaced"
    RATE_LIMITED = "rate_limited"
    SERVER_CLOSING = "server_closing"


class Place(StrEnum):
    """Which places of a room a link leads to: all that the server is told of what a link may do."""

    OPERATOR = "operator"
    PRESENTER = "presenter"
    AUDIENCE = "audience"


class Link(Struct, frozen=True, omit_defaults=True):
    """A presenter link as its host announces it: never its secret, only the hash its join token must have."""

    id: LinkId
    commit: Commit
    expires: float | None = None
    """Unix seconds."""
    place: Place | None = None
    """None: its host is of an earlier version, and does not report who finished the handshake either."""


# --- what a client says -----------------------------------------------------------------------------------------------


class _Said(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type"):
    ref: Ref | None = None


class OpenRoom(_Said, frozen=True, tag="open_room", kw_only=True):
    v: int
    room: RoomCode | None = None
    token: Key
    name: Name = ""
    links: list[Link] = []


class Join(_Said, frozen=True, tag="join", kw_only=True):
    v: int
    link: LinkId
    token: Key
    name: Name = ""


class Resume(_Said, frozen=True, tag="resume", kw_only=True):
    v: int
    resume: Key
    last: Count = 0


class SendTo(_Said, frozen=True, tag="send", kw_only=True):
    to: MemberId = ""
    """Empty, from a presenter: the room's first host that is there."""
    data: str


class Ping(_Said, frozen=True, tag="ping", kw_only=True):
    last: Count = 0


class Leave(_Said, frozen=True, tag="leave"):
    pass


class AddLinks(_Said, frozen=True, tag="add_links", kw_only=True):
    links: list[Link]


class RevokeLink(_Said, frozen=True, tag="revoke_link", kw_only=True):
    link: LinkId


class RemoveMember(_Said, frozen=True, tag="remove_member", kw_only=True):
    member: MemberId
    reason: Reason = ""


class Proven(_Said, frozen=True, tag="proven", kw_only=True):
    """These finished the handshake with the host: they have the link's secret."""

    members: list[MemberId]


class CloseRoom(_Said, frozen=True, tag="close_room"):
    pass


FirstMessage = OpenRoom | Join | Resume
ClientMessage = (
    OpenRoom | Join | Resume | SendTo | Ping | Leave | AddLinks | RevokeLink | RemoveMember | CloseRoom | Proven
)


# --- what the server says ---------------------------------------------------------------------------------------------


class HostEntry(Struct, frozen=True):
    member: MemberId
    name: str = ""
    away: bool = False


class MemberEntry(Struct, frozen=True):
    member: MemberId
    link: str
    name: str = ""
    away: bool = False
    proven: bool | UnsetType = UNSET
    """Only where its link has a `place`, as what follows."""
    origin: Count | UnsetType = UNSET
    """Members of a room with the same number are connected from one address."""
    seconds: Count | UnsetType = UNSET
    """How long it has been a member."""


class RefusedLink(Struct, frozen=True):
    link: str
    code: str


class _Answer(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type"):
    ref: str | None = None


class RoomOpened(_Answer, frozen=True, tag="room_opened", kw_only=True):
    room: str
    member: MemberId
    resume: Key
    hosts: list[HostEntry]
    members: list[MemberEntry]
    ice_servers: list[dict[str, Any]]
    heartbeat: float
    network: Network = ""
    refused_links: list[RefusedLink] = []
    proof_within: float | None = None
    """Seconds that a member has to finish the handshake, as its host has to say with `proven`."""


class Joined(_Answer, frozen=True, tag="joined", kw_only=True):
    room: str
    member: MemberId
    resume: Key
    hosts: list[HostEntry]
    ice_servers: list[dict[str, Any]]
    heartbeat: float
    network: Network = ""


class Resumed(_Answer, frozen=True, tag="resumed", kw_only=True):
    room: str
    member: MemberId
    resume: Key
    hosts: list[HostEntry]
    members: list[MemberEntry] | None = None
    ice_servers: list[dict[str, Any]]
    heartbeat: float
    network: Network = ""
    proof_within: float | None = None


class Pong(_Answer, frozen=True, tag="pong"):
    pass


class IceServers(_Answer, frozen=True, tag="ice_servers", kw_only=True):
    """In place of those it got before: credentials end."""

    ice_servers: list[dict[str, Any]]


class LinksAdded(_Answer, frozen=True, tag="links_added", kw_only=True):
    refused_links: list[RefusedLink] = []


class LinkRevoked(_Answer, frozen=True, tag="link_revoked", kw_only=True):
    """The answer to the host that asked, and (numbered) the news to the other hosts of the room."""

    n: Count | None = None
    link: str


class _Numbered(Struct, frozen=True, tag_field="type", kw_only=True):
    n: Count


class Message(_Numbered, frozen=True, tag="message", kw_only=True):
    sender: MemberId = msgspec.field(name="from")
    data: str


class MemberJoined(_Numbered, frozen=True, tag="member_joined", kw_only=True):
    member: MemberId
    link: str
    name: str = ""
    origin: Count | UnsetType = UNSET


class MemberAway(_Numbered, frozen=True, tag="member_away", kw_only=True):
    member: MemberId


class MemberBack(_Numbered, frozen=True, tag="member_back", kw_only=True):
    member: MemberId
    origin: Count | UnsetType = UNSET


class MemberLeft(_Numbered, frozen=True, tag="member_left", kw_only=True):
    member: MemberId


class HostJoined(_Numbered, frozen=True, tag="host_joined", kw_only=True):
    member: MemberId
    name: str = ""


class HostAway(_Numbered, frozen=True, tag="host_away", kw_only=True):
    member: MemberId


class HostBack(_Numbered, frozen=True, tag="host_back", kw_only=True):
    member: MemberId


class HostLeft(_Numbered, frozen=True, tag="host_left", kw_only=True):
    member: MemberId


class RoomEnded(_Numbered, frozen=True, tag="room_ended"):
    pass


class Notice(_Numbered, frozen=True, tag="notice", kw_only=True):
    """What the server's operator says to all members of the room. It is not sealed."""

    text: str


class Error(_Answer, frozen=True, tag="error", kw_only=True):
    code: str
    message: str
    retry_after: float | None = None
    supported: list[int] | None = None


NumberedMessage = (
    Message
    | MemberJoined
    | MemberAway
    | MemberBack
    | MemberLeft
    | HostJoined
    | HostAway
    | HostBack
    | HostLeft
    | RoomEnded
    | LinkRevoked
    | Notice
)
ServerMessage = RoomOpened | Joined | Resumed | Pong | IceServers | LinksAdded | Error | NumberedMessage


# --- the edge ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Garbage:
    """Not a JSON object of the allowed size: nothing in it can be believed."""

    code: Code
    message: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """An object that says something this version does not, or says it wrongly."""

    code: Code
    message: str
    ref: str | None = None


class _Shape(Struct):
    """Just enough of an object to answer it."""

    type: Any = UNSET
    v: Any = UNSET
    ref: Any = UNSET


_encoder = msgspec.json.Encoder()
_client_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_shape_decoder = msgspec.json.Decoder(_Shape)
_FIRST_TYPES: Final = frozenset({"open_room", "join", "resume"})
_CLIENT_TYPES: Final = _FIRST_TYPES | {
    "send", "ping", "leave", "add_links", "revoke_link", "remove_member", "close_room", "proven",
}  # fmt: skip
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
_NOT_JSON: Final = Garbage(Code.MALFORMED, "This is not a JSON object. Send one JSON object per text message.")
_TOO_LARGE: Final = Garbage(Code.TOO_LARGE, f"A message is at most {MAX_MESSAGE} bytes. Send less at a time.")


def encode(message: ClientMessage | ServerMessage) -> bytes:
    return _encoder.encode(message)


def decode_client(data: bytes | str) -> ClientMessage | Wrong | Garbage:
    """What a client said, at the server's edge. Never raises."""
    if len(data) > MAX_MESSAGE:
        return _TOO_LARGE
    try:
        message = _client_decoder.decode(data)
    except msgspec.ValidationError as error:
        return _diagnose(data, error)
    except _UNREADABLE:
        return _NOT_JSON
    if isinstance(message, SendTo):
        return _check_data(message)
    if isinstance(message, FirstMessage) and message.v != VERSION:
        return _version_unsupported(message.ref)
    return message


def decode_server(data: bytes | str) -> ServerMessage | Wrong | Garbage:
    """What the server said, at a client's edge. Never raises. A type of a later version is `Wrong` and is ignored."""
    try:
        return _server_decoder.decode(data)
    except msgspec.ValidationError as error:
        return Wrong(Code.MALFORMED, f"The server said something this client does not understand: {error}")
    except _UNREADABLE:
        return _NOT_JSON


def _diagnose(data: bytes | str, error: msgspec.ValidationError) -> Wrong | Garbage:
    """The slow path: say as exactly as we can what is wrong with a message that did not decode."""
    try:
        shape = _shape_decoder.decode(data)
    except _UNREADABLE:
        return _NOT_JSON
    ref = shape.ref if isinstance(shape.ref, str) and len(shape.ref) <= 32 else None
    if not isinstance(shape.type, str):
        return Wrong(Code.MALFORMED, "A message needs a `type`, which is a string.", ref)
    if shape.type not in _CLIENT_TYPES:
        return Wrong(Code.TYPE_UNKNOWN, "This server does not know that type of message; it was ignored.", ref)
    if shape.type in _FIRST_TYPES and isinstance(shape.v, int) and shape.v != VERSION:
        return _version_unsupported(ref)
    return Wrong(Code.MALFORMED, f"The message `{shape.type}` is not as protocol/signaling.md has it: {error}.", ref)


def _check_data(message: SendTo) -> SendTo | Wrong:
    size = len(message.data)
    if size * 3 // 4 > MAX_DATA:
        return Wrong(Code.TOO_LARGE, f"`data` is at most {MAX_DATA} bytes once decoded. Send it in parts.", message.ref)
    if not is_base64url(message.data):
        return Wrong(Code.MALFORMED, "`data` is base64url without padding.", message.ref)
    return message


def _version_unsupported(ref: str | None) -> Wrong:
    return Wrong(
        Code.VERSION_UNSUPPORTED,
        f"This server speaks version {VERSION} of the signaling protocol. Update it or you.",
        ref,
    )
