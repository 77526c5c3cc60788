"""What requests to the API and its answers look like. A docstring under a field is its description in the OpenAPI
document."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from slidewire.server.accounts.api_keys import Scope
from slidewire.server.accounts.passwords import LONGEST, SHORTEST

DAY: Final = 86_400
MOST_NETWORKS: Final = 32

Name = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,39}$", description="Of an account.")]
GivenPassword = Annotated[str, Meta(min_length=1, max_length=LONGEST)]
Password = Annotated[
    str, Meta(min_length=SHORTEST, max_length=LONGEST, description="Four or five words make a good one.")
]
Token = Annotated[str, Meta(min_length=1, max_length=100)]
_SEEN: Final = r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*$"
"""Nothing that controls a terminal, breaks a line or turns the direction of reading."""
Text = Annotated[str, Meta(min_length=1, max_length=200, pattern=_SEEN)]
RoomCode = Annotated[str, Meta(pattern="^[A-Z0-9]{4,12}$")]
MemberName = Annotated[str, Meta(pattern="^m[0-9a-f]{10}$")]
KeyName = Annotated[str, Meta(min_length=1, max_length=60, pattern=_SEEN)]
KeyId = Annotated[str, Meta(pattern="^[0-9a-f]{12}$")]
Network = Annotated[
    str, Meta(pattern="^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$", description="192.0.2.7, 192.0.2.0/24, 2001:db8::/48")
]
Seconds = Annotated[int, Meta(ge=0)]
UnixTime = Annotated[int, Meta(description="Seconds since 1970, UTC.")]


class SignIn(Struct, forbid_unknown_fields=True):
    name: Name
    password: GivenPassword
    cookies: bool = False
    """For the server's own pages: the tokens go into cookies that scripts cannot read, and not into the answer."""


class Accept(Struct, forbid_unknown_fields=True):
    invitation: Token
    name: Name
    password: Password
    cookies: bool = False


class Refresh(Struct, forbid_unknown_fields=True):
    refresh_token: Token | UnsetType = UNSET
    """Without it: the one in the cookie, and the next one goes there, too."""


class Revoke(Struct, forbid_unknown_fields=True):
    token: Token | UnsetType = UNSET
    """Either token of a session. Without it: that of the cookie."""
    everywhere: bool = False
    """All sessions of this account, and all API keys that it made."""


class Confirm(Struct, forbid_unknown_fields=True):
    password: GivenPassword


class ChangePassword(Struct, forbid_unknown_fields=True):
    password: GivenPassword
    """The one that is good now."""
    new_password: Password


class Tokens(Struct, omit_defaults=True):
    account: str
    expires_in: Seconds
    refresh_expires_in: Seconds
    access_token: str | UnsetType = UNSET
    refresh_token: str | UnsetType = UNSET


class SignedIn(Struct):
    account: str
    scopes: list[Scope]
    expires: UnixTime


class SessionNow(Struct):
    id: str
    opened: UnixTime
    seen: UnixTime
    """When it was opened or last refreshed."""
    ends: UnixTime
    yours: bool
    """The one that asks."""


class Sessions(Struct):
    sessions: list[SessionNow]


class SessionPath(Struct):
    id: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]


class NewKey(Struct, forbid_unknown_fields=True):
    name: KeyName
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=len(Scope))]
    expires_in: Annotated[int, Meta(ge=60, le=730 * DAY)] | UnsetType = UNSET
    """Without it: 90 days. A key that a key makes ends with it at the latest."""
    addresses: Annotated[list[Network], Meta(max_length=MOST_NETWORKS)] = []
    """Networks it may be used from; without any, from wherever its maker may."""
    per_minute: Annotated[int, Meta(ge=1, le=6000)] | UnsetType = UNSET
    """Requests: on average, and at once. Without it: 60. All that a key makes is together no faster than it."""


class Key(Struct):
    id: str
    name: str
    scopes: list[Scope]
    expires: UnixTime
    addresses: list[str]
    per_minute: int
    made_by: str
    created: UnixTime
    parent: str | None
    """The key that made it: it ends with that one."""


class MadeKey(Struct):
    key: Key
    token: str
    """Shown here, and never again."""


class Keys(Struct):
    keys: list[Key]


class KeyPath(Struct):
    id: KeyId


class Present(Struct):
    """A member of a room, without its address."""

    id: str
    role: str
    name: str
    away: bool
    link: str
    """The id of the presenter link it came by; empty for hosts."""


class RoomNow(Struct):
    room: str
    links: int
    members: list[Present]


class Active(Struct):
    rooms: list[RoomNow]
    connections: Annotated[int, Meta(ge=0, description="Sockets, also of who is not in a room yet.")]


class MemberPath(Struct):
    id: MemberName


class RoomPath(Struct):
    room: RoomCode


class Kick(Struct, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=200, pattern=_SEEN)] = ""


class Broadcast(Struct, forbid_unknown_fields=True):
    text: Text


class Told(Struct):
    members: Annotated[int, Meta(ge=0)]


class CredentialQuery(Struct):
    service: Annotated[str, Meta(max_length=40)] = "turn"
    """As in draft-uberti-behave-turn-rest-00; there is no other."""
    username: Annotated[str, Meta(max_length=180, pattern=_SEEN)] = ""
    """Whom the credentials are for: a word for the relay's log."""


class Credentials(Struct):
    username: str
    password: str
    ttl: Seconds
    uris: list[str]
