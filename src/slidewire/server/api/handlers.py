"""What the server answers to operators and their programs: the table of the API, and a handler for each row.

Signing in and out, API keys, who is here and what an operator of the *server* may do about it, credentials for the
relays. What happens in a room is its host's business, and sealed: there is nothing here that could click.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from slidewire.aio.clock import wall
from slidewire.base.rates import Rate
from slidewire.server import audit_events
from slidewire.server.accounts.api_keys import ApiKey, BeyondParent, Scope, Wanted, network
from slidewire.server.accounts.authentication import Authenticator, Caller, Cookies
from slidewire.server.accounts.passwords import LONGEST, SHORTEST
from slidewire.server.accounts.service import Accounts, Busy
from slidewire.server.accounts.store import Denied, OpenSession, Session
from slidewire.server.api import openapi
from slidewire.server.api.routes import (
    CROSS_SITE,
    INVALID,
    UNAUTHORIZED,
    Call,
    Endpoint,
    Fault,
    Refused,
    Rest,
    answer,
    too_often,
)
from slidewire.server.relays import Relays, member_user
from slidewire.signaling.hub import Hub
from slidewire.signaling.room import Room
from slidewire.system.errors import SetupError

log = logging.getLogger(__name__)

TOKEN_FILE: Final = "api-token"  # noqa: S105  a name
CREDENTIALS_RATE: Final = Rate(1, 10)
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
    """A member of a room. Its address is nobody's business."""

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


SIGN_IN_WRONG = Fault(401, "sign_in_wrong", "No account has this name and this password.")
TOKEN_INVALID = Fault(401, "token_invalid", "This token is used up, revoked or expired. Sign in again.")
TOKEN_REUSED = Fault(
    401, "token_reused", "This token was used before: somebody else may have it, so its session has ended. Sign in."
)
INVITATION_UNKNOWN = Fault(
    403, "invitation_unknown", "This link was used or has expired. On the server, slidewire account invite makes one."
)
ACCOUNT_TAKEN = Fault(409, "account_taken", "There is an account of this name. Choose another.")
TOO_MANY_KEYS = Fault(409, "too_many_keys", "There are as many keys as there may be. Revoke some first.")
NO_KEY = Fault(404, "key_unknown", "There is no such key (any more).")
NO_MEMBER = Fault(404, "member_unknown", "That member has left.")
NO_ROOM = Fault(404, "room_unknown", "There is no such room (any more).")
BEYOND_SCOPES = Fault(403, "beyond_own_scopes", "A key can make keys only for what it may do itself.")
BEYOND_ADDRESSES = Fault(
    403, "beyond_own_addresses", "A key can make keys only for networks that it may be used from itself."
)
PASSWORD_GUESSABLE = Fault(
    422, "password_guessable",
    "This password would soon be guessed. Choose four or five words that nobody would put together.",
)  # fmt: skip
NO_SESSION = Fault(404, "session_unknown", "That session has ended.")
BUSY = Fault(503, "busy", "Too many are signing in right now. Try again.")
_DENIALS: Final = {
    fault.code: fault
    for fault in (
        SIGN_IN_WRONG,
        TOKEN_INVALID,
        TOKEN_REUSED,
        INVITATION_UNKNOWN,
        ACCOUNT_TAKEN,
        TOO_MANY_KEYS,
        BEYOND_SCOPES,
        BEYOND_ADDRESSES,
        PASSWORD_GUESSABLE,
    )
}


def load_token(path: Path) -> str:
    """Make it where there is none. Raises SetupError."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}. Make its folder writable.") from None
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} cannot be read ({error}). Delete it, and a new token is made.") from None
    if len(token) < 32:
        raise SetupError(f"The token in {path} could be guessed. Delete the file, and a new token is made.")
    return token


class Api:
    """`operate` does something with the hub, and carries out what comes of it."""

    def __init__(
        self,
        authenticator: Authenticator,
        hub: Hub,
        operate: Callable[[Callable[[Hub, float], Any]], Any],
        relays: Relays | None,
        audit: audit_events.Audit = audit_events.nobody,
    ) -> None:
        """`audit` hears who did what."""
        self._audit = audit
        self._door = authenticator
        self._hub = hub
        self._operate = operate
        self._relays = relays
        self._table = self._make_table()
        self._document = msgspec.json.encode(openapi.document(self._table, authenticator.cookies.access))

    def routes(self) -> list[web.RouteDef]:
        return Rest(self._door, self._table, self._refused).routes()

    def _make_table(self) -> list[Endpoint]:
        """Without accounts nobody could be asked who he is, so what needs one is not there."""
        table = [
            Endpoint("GET", "/api/openapi.json", "This document.", self.describe, answer=dict[str, Any]),
        ]
        if self._relays is not None:
            table.append(
                Endpoint(
                    "GET", "/api/turn-credentials", "Credentials for STUN and TURN, good for a day.", self.credentials,
                    Scope.TURN, members=True, query=CredentialQuery, answer=Credentials, rate=CREDENTIALS_RATE,
                )
            )  # fmt: skip
        if self._door.accounts is not None:
            table += [*self._sign_in_rows(), *self._key_rows(), *self._connection_rows()]
        return table

    def _sign_in_rows(self) -> list[Endpoint]:
        return [
            Endpoint(
                "POST", "/api/auth/token", "Sign in.", self.sign_in,
                body=SignIn, answer=Tokens, faults=(SIGN_IN_WRONG, BUSY),
            ),
            Endpoint(
                "POST", "/api/auth/accept", "Take up an invitation: make an account, or set another password.",
                self.accept, body=Accept, answer=Tokens, status=201,
                faults=(INVITATION_UNKNOWN, ACCOUNT_TAKEN, PASSWORD_GUESSABLE, BUSY),
            ),
            Endpoint(
                "POST", "/api/auth/refresh", "Another access and another refresh token, for a refresh token.",
                self.refresh, body=Refresh, answer=Tokens, faults=(TOKEN_INVALID, TOKEN_REUSED),
            ),
            Endpoint("POST", "/api/auth/revoke", "Sign out: end the session of a token.", self.revoke, body=Revoke),
            Endpoint(
                "GET", "/api/auth/session", "Who has signed in.", self.session, signed_in=True, answer=SignedIn,
            ),
            Endpoint(
                "POST", "/api/auth/confirm", "Give the password once more, for what needs it.", self.confirm,
                account=True, body=Confirm, answer=Tokens, faults=(SIGN_IN_WRONG, BUSY),
            ),
            Endpoint(
                "POST", "/api/auth/password", "Choose another password. Everything else that hung on the old one ends.",
                self.change_password, account=True, body=ChangePassword, answer=Tokens,
                faults=(SIGN_IN_WRONG, PASSWORD_GUESSABLE, BUSY),
            ),
            Endpoint(
                "GET", "/api/auth/sessions", "This account's sessions.", self.list_sessions, account=True,
                answer=Sessions,
            ),
            Endpoint(
                "DELETE", "/api/auth/sessions/{id}", "End one of this account's sessions.", self.end_session,
                account=True, confirmed=True, params=SessionPath, faults=(NO_SESSION,),
            ),
        ]  # fmt: skip

    def _key_rows(self) -> list[Endpoint]:
        return [
            Endpoint(
                "GET", "/api/admin/api-keys", "The API keys that are good; for a key, itself and what it made.",
                self.list_keys, Scope.ADMIN, answer=Keys,
            ),
            Endpoint(
                "POST", "/api/admin/api-keys", "Make an API key.", self.make_key, Scope.ADMIN,
                confirmed=True, body=NewKey, answer=MadeKey, status=201,
                faults=(TOO_MANY_KEYS, BEYOND_SCOPES, BEYOND_ADDRESSES),
            ),
            Endpoint(
                "DELETE", "/api/admin/api-keys/{id}", "Revoke an API key, and those it made.", self.revoke_key,
                Scope.ADMIN, params=KeyPath, faults=(NO_KEY,),
            ),
        ]  # fmt: skip

    def _connection_rows(self) -> list[Endpoint]:
        return [
            Endpoint(
                "GET", "/api/connections/active", "The rooms, and who is in them.", self.active, Scope.READ,
                answer=Active,
            ),
            Endpoint(
                "GET", "/api/connections/rooms/{room}", "One room, and who is in it.", self.room, Scope.READ,
                params=RoomPath, answer=RoomNow, faults=(NO_ROOM,),
            ),
            Endpoint(
                "POST", "/api/connections/{id}/kick", "Remove a member from its room.", self.kick, Scope.CONTROL,
                params=MemberPath, body=Kick, faults=(NO_MEMBER,),
            ),
            Endpoint(
                "POST", "/api/connections/rooms/{room}/broadcast", "Tell everybody in a room something.",
                self.broadcast, Scope.CONTROL, params=RoomPath, body=Broadcast, answer=Told, faults=(NO_ROOM,),
            ),
            Endpoint(
                "POST", "/api/connections/rooms/{room}/close", "Close a room: its links are over.", self.close,
                Scope.CONTROL, params=RoomPath, faults=(NO_ROOM,),
            ),
        ]  # fmt: skip

    # --- signing in ---------------------------------------------------------------------------------------------------

    async def sign_in(self, call: Call) -> Any:
        body: SignIn = call.body
        self._check_failures(call, body.name)
        try:
            session = await self._accounts.sign_in(body.name, body.password)
        except Denied as denied:
            self._door.failed(call.address, body.name)
            known = await self._accounts.ask(lambda store: store.password_hash(body.name)) is not None
            audit_events.sign_in_failed(self._audit, call, "password", body.name if known else None)
            raise Refused(_DENIALS[denied.code]) from None
        except Busy:
            raise Refused(BUSY, Retry_After="1") from None
        self._audit("signed_in", who=session.account, address=call.address)
        return self._tokens(session, body.cookies, 200)

    async def accept(self, call: Call) -> Any:
        body: Accept = call.body
        self._check_failures(call)
        try:
            # Before any work is spent on the password.
            account = await self._accounts.ask(lambda store: store.invited(body.invitation, wall()))
            hashed = await self._accounts.hash_new(body.password, body.name)
            session = await self._accounts.ask(lambda store: store.accept(body.invitation, body.name, hashed, wall()))
        except Denied as denied:
            if denied.code == INVITATION_UNKNOWN.code:
                self._door.failed(call.address)
                audit_events.sign_in_failed(self._audit, call, "invitation")
            raise Refused(_DENIALS[denied.code]) from None
        except Busy:
            raise Refused(BUSY, Retry_After="1") from None
        log.warning("The account %s was made, or has another password.", session.account)
        event = "account_made" if account is None else "password_set"
        self._audit(event, who=session.account, address=call.address)
        return self._tokens(session, body.cookies, 201)

    async def refresh(self, call: Call) -> Any:
        self._check_failures(call)
        given: str | UnsetType = call.body.refresh_token
        token = self._cookie(call, self._cookies.refresh) if isinstance(given, UnsetType) else given
        try:
            if token is None:
                raise Denied(TOKEN_INVALID.code)
            session = await self._accounts.ask(lambda store: store.refresh(token, wall()))
        except Denied as denied:
            if token is not None:
                self._door.failed(call.address)
            if denied.code == TOKEN_REUSED.code:
                log.warning("A refresh token was used twice: it may have been stolen, so its session has ended.")
                audit_events.session_stolen(self._audit, call, denied.account)
            raise Refused(_DENIALS[denied.code]) from None
        return self._tokens(session, isinstance(given, UnsetType), 200)

    async def revoke(self, call: Call) -> Any:
        """Whoever has a token may end its session; whether there was one is not said (RFC 7009 §2.2)."""
        self._check_failures(call)
        body: Revoke = call.body
        response = answer(None)
        if isinstance(body.token, UnsetType):
            token = self._cookie(call, self._cookies.refresh) or self._cookie(call, self._cookies.access)
            self._cookies.take_back(response)
        else:
            token = body.token
        if token is not None:
            whose = await self._accounts.ask(lambda store: store.revoke(token, everywhere=body.everywhere))
            if whose is None:
                self._door.failed(call.address)
            else:
                keys = {"keys": whose.keys} if body.everywhere else {}
                self._audit("signed_out", who=whose.account, everywhere=body.everywhere, **keys, address=call.address)
        return response

    async def session(self, call: Call) -> SignedIn:
        caller = call.known
        return SignedIn(caller.name, sorted(caller.scopes), int(caller.expires or 0))

    async def confirm(self, call: Call) -> web.Response:
        session = self._own_session(call)
        stored = await self._check_own_password(call, session, call.body.password)
        try:
            fresh = await self._accounts.ask(lambda store: store.confirm(session.id, stored, wall()))
        except Denied as denied:
            raise Refused(_DENIALS[denied.code]) from None
        audit_events.done(self._audit, "password_given", call)
        return self._tokens(fresh, _came_by_cookie(call), 200)

    async def change_password(self, call: Call) -> web.Response:
        session = self._own_session(call)
        stored = await self._check_own_password(call, session, call.body.password)
        try:
            hashed = await self._accounts.hash_new(call.body.new_password, session.account)
            fresh = await self._accounts.ask(lambda store: store.change_password(session.id, stored, hashed, wall()))
        except Denied as denied:
            raise Refused(_DENIALS[denied.code]) from None
        except Busy:
            raise Refused(BUSY, Retry_After="1") from None
        log.warning("The account %s has another password; its sessions and keys have ended.", session.account)
        audit_events.done(self._audit, "password_set", call)
        return self._tokens(fresh, _came_by_cookie(call), 200)

    async def _check_own_password(self, call: Call, session: OpenSession, password: str) -> str:
        """Its hash. Guesses count as they do for signing in: who has found a session has not found the password."""
        self._check_failures(call, session.account)
        try:
            return await self._accounts.check_password(session.account, password)
        except Denied as denied:
            self._door.failed(call.address, session.account)
            audit_events.sign_in_failed(self._audit, call, "password", session.account)
            raise Refused(_DENIALS[denied.code]) from None
        except Busy:
            raise Refused(BUSY, Retry_After="1") from None

    async def list_sessions(self, call: Call) -> Sessions:
        own = self._own_session(call)
        found = await self._accounts.ask(lambda store: store.sessions(own.account, wall()))
        return Sessions(
            [SessionNow(one.id, int(one.created), int(one.seen), int(one.ends), one.id == own.id) for one in found]
        )

    async def end_session(self, call: Call) -> None:
        path: SessionPath = call.path
        own = self._own_session(call)
        if not await self._accounts.ask(lambda store: store.end_session(own.account, path.id)):
            raise Refused(NO_SESSION)
        audit_events.done(self._audit, "session_ended", call, about=own.account, reason="its owner ended it")

    def _own_session(self, call: Call) -> OpenSession:
        session = call.known.session
        assert session is not None  # the row is for accounts only
        return session

    def _tokens(self, session: Session, cookies: bool, status: int) -> web.Response:
        now = wall()
        told = Tokens(session.account, int(session.expires - now), int(session.refresh_expires - now))
        if not cookies:
            told.access_token, told.refresh_token = session.access, session.refresh
        response = answer(told, status)
        if cookies:
            self._cookies.give(response, session, now)
        return response

    def _cookie(self, call: Call, name: str) -> str | None:
        token = call.request.cookies.get(name)
        if token is not None and not self._door.is_vouched_for(call.request):
            raise Refused(CROSS_SITE, "A cookie alone is not enough: the browser did not say which page is asking.")
        return token

    def _check_failures(self, call: Call, name: str | None = None) -> None:
        wait = self._door.failures_wait(call.address, name)
        if wait > 0:
            raise too_often(wait, "Too many wrong tokens or passwords. Wait a little, then try again.")

    # --- API keys -----------------------------------------------------------------------------------------------------

    async def list_keys(self, call: Call) -> Keys:
        own = call.known.key
        of = None if own is None else own.id
        return Keys([_key(key) for key in await self._accounts.ask(lambda store: store.keys(wall(), of))])

    async def make_key(self, call: Call) -> MadeKey:
        body: NewKey = call.body
        caller = call.known
        wanted = Wanted(
            frozenset(body.scopes),
            None if isinstance(body.expires_in, UnsetType) else body.expires_in,
            tuple(_network(text) for text in body.addresses),
            None if isinstance(body.per_minute, UnsetType) else body.per_minute,
        )
        maker = caller.key or self._own_session(call)
        try:
            key, token = await self._accounts.ask(lambda store: store.make_key(body.name, wanted, maker, wall()))
        except (Denied, BeyondParent) as denied:
            audit_events.key_refused(self._audit, call, denied.code)
            if denied.code == TOKEN_INVALID.code:
                raise Refused(UNAUTHORIZED, WWW_Authenticate="Bearer") from None
            raise Refused(_DENIALS[denied.code]) from None
        log.info("API key %s was made by %s.", key.id, caller.name)
        audit_events.key_made(self._audit, call, key)
        return MadeKey(_key(key), token)

    async def revoke_key(self, call: Call) -> None:
        path: KeyPath = call.path
        own = call.known.key
        of = None if own is None else own.id
        ended = await self._accounts.ask(lambda store: store.revoke_key(path.id, of))
        if not ended:
            raise Refused(NO_KEY)
        log.info("API key %s was revoked by %s.", path.id, call.known.name)
        audit_events.done(self._audit, "key_revoked", call, about_key=path.id, keys=ended)

    # --- who is here --------------------------------------------------------------------------------------------------

    async def active(self, call: Call) -> Active:
        return Active([_room(room) for room in self._hub.rooms()], self._hub.connection_count)

    async def room(self, call: Call) -> RoomNow:
        for room in self._hub.rooms():
            if room.code == call.path.room:
                return _room(room)
        raise Refused(NO_ROOM)

    async def kick(self, call: Call) -> None:
        rooms = self._hub.rooms()
        found = [(room.code, room.members[call.path.id]) for room in rooms if call.path.id in room.members]
        if not found or not self._operate(lambda hub, now: hub.kick(call.path.id, call.body.reason, now)):
            raise Refused(NO_MEMBER)
        log.info("A member was removed by %s.", call.known.name)
        room, member = found[0]
        about = {"room": room, "about": member.id, "about_role": member.role.value, "about_link": member.link}
        audit_events.done(self._audit, "member_removed", call, **about, reason=call.body.reason)

    async def broadcast(self, call: Call) -> Told:
        told = self._operate(lambda hub, now: hub.broadcast(call.path.room, call.body.text, now))
        if told is None:
            raise Refused(NO_ROOM)
        audit_events.done(self._audit, "notice_said", call, room=call.path.room, text=call.body.text, members=told)
        return Told(told)

    async def close(self, call: Call) -> None:
        if not self._operate(lambda hub, now: hub.close_room(call.path.room, now)):
            raise Refused(NO_ROOM)
        log.info("A room was closed by %s.", call.known.name)
        audit_events.done(self._audit, "room_closed", call, room=call.path.room)

    # --- the rest -----------------------------------------------------------------------------------------------------

    async def credentials(self, call: Call) -> Credentials:
        assert self._relays is not None
        caller = call.known
        name = call.query.username
        user = member_user(*caller.member) if caller.member else f"api/{name}" if name else "api"
        try:
            made = self._relays.credential(user, _at_most(caller))
        except ValueError:
            raise Refused(
                INVALID, "This username is too long, or has a character that a relay would not take."
            ) from None
        return Credentials(made.username, made.password, made.ttl, self._relays.uris(call.request.host))

    async def describe(self, call: Call) -> web.Response:
        return web.Response(body=self._document, content_type="application/json")

    def _refused(self, caller: Caller | None, address: str, row: Endpoint, fault: Fault) -> None:
        what, who = f"{row.method} {row.path}", {} if caller is None else {"who": caller.name}
        self._audit("refused", **who, what=what, reason=fault.code, address=address)

    @property
    def _accounts(self) -> Accounts:
        assert self._door.accounts is not None  # the row would not be in the table
        return self._door.accounts

    @property
    def _cookies(self) -> Cookies:
        return self._door.cookies


def _came_by_cookie(call: Call) -> bool:
    return "Authorization" not in call.request.headers


def _at_most(caller: Caller) -> int:
    """Seconds that a relay's login may be good: a key's is over with the key. Relays know no keys."""
    return DAY if caller.key is None else max(1, min(DAY, int(caller.key.bounds.expires - wall())))


def _network(text: str) -> str:
    try:
        return network(text)
    except ValueError:
        raise Refused(INVALID, f"{text} is no network. Write it as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48.") from None


def _key(key: ApiKey) -> Key:
    bounds = key.bounds
    return Key(
        key.id, key.name, sorted(bounds.scopes), int(bounds.expires), list(bounds.addresses), bounds.per_minute,
        key.made_by, int(key.created), key.parent,
    )  # fmt: skip


def _room(room: Room) -> RoomNow:
    members = [
        Present(member.id, member.role.value, member.name, member.away, member.link) for member in room.members.values()
    ]
    return RoomNow(room.code, len(room.links), members)
