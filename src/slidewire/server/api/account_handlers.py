"""Signing in and out, sessions, and API keys."""

from __future__ import annotations

import logging
from typing import Any

from aiohttp import web
from msgspec import UnsetType

from slidewire.aio.clock import wall
from slidewire.server import audit_events
from slidewire.server.accounts.api_keys import ApiKey, BeyondParent, Scope, Wanted, network
from slidewire.server.accounts.authentication import Authenticator
from slidewire.server.accounts.service import Accounts, Busy
from slidewire.server.accounts.store import Denied, OpenSession, Session
from slidewire.server.api.faults import (
    ACCOUNT_TAKEN,
    BEYOND_ADDRESSES,
    BEYOND_SCOPES,
    BUSY,
    DENIALS,
    INVITATION_UNKNOWN,
    NO_KEY,
    NO_SESSION,
    PASSWORD_GUESSABLE,
    SIGN_IN_WRONG,
    TOKEN_INVALID,
    TOKEN_REUSED,
    TOO_MANY_KEYS,
)
from slidewire.server.api.messages import (
    Accept,
    ChangePassword,
    Confirm,
    Key,
    KeyPath,
    Keys,
    MadeKey,
    NewKey,
    Refresh,
    Revoke,
    SessionNow,
    SessionPath,
    Sessions,
    SignedIn,
    SignIn,
    Tokens,
)
from slidewire.server.api.routes import CROSS_SITE, INVALID, UNAUTHORIZED, Call, Endpoint, Refused, answer, too_often

log = logging.getLogger(__name__)


class AccountHandlers:
    def __init__(self, authenticator: Authenticator, accounts: Accounts, audit: audit_events.Audit) -> None:
        self._authenticator = authenticator
        self._accounts = accounts
        self._audit = audit
        self._cookies = authenticator.cookies

    def table(self) -> list[Endpoint]:
        return [*self._sign_in_rows(), *self._key_rows()]

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

    # --- signing in ---------------------------------------------------------------------------------------------------

    async def sign_in(self, call: Call) -> Any:
        body: SignIn = call.body
        self._check_failures(call, body.name)
        try:
            session = await self._accounts.sign_in(body.name, body.password)
        except Denied as denied:
            self._authenticator.failed(call.address, body.name)
            known = await self._accounts.ask(lambda store: store.password_hash(body.name)) is not None
            audit_events.sign_in_failed(self._audit, call, "password", body.name if known else None)
            raise Refused(DENIALS[denied.code]) from None
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
                self._authenticator.failed(call.address)
                audit_events.sign_in_failed(self._audit, call, "invitation")
            raise Refused(DENIALS[denied.code]) from None
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
                self._authenticator.failed(call.address)
            if denied.code == TOKEN_REUSED.code:
                log.warning("A refresh token was used twice: it may have been stolen, so its session has ended.")
                audit_events.session_stolen(self._audit, call, denied.account)
            raise Refused(DENIALS[denied.code]) from None
        return self._tokens(session, isinstance(given, UnsetType), 200)

    async def revoke(self, call: Call) -> Any:
        """A token is enough to end its session; whether there was one is not said (RFC 7009 §2.2)."""
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
                self._authenticator.failed(call.address)
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
            raise Refused(DENIALS[denied.code]) from None
        audit_events.done(self._audit, "password_given", call)
        return self._tokens(fresh, _came_by_cookie(call), 200)

    async def change_password(self, call: Call) -> web.Response:
        session = self._own_session(call)
        stored = await self._check_own_password(call, session, call.body.password)
        try:
            hashed = await self._accounts.hash_new(call.body.new_password, session.account)
            fresh = await self._accounts.ask(lambda store: store.change_password(session.id, stored, hashed, wall()))
        except Denied as denied:
            raise Refused(DENIALS[denied.code]) from None
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
            self._authenticator.failed(call.address, session.account)
            audit_events.sign_in_failed(self._audit, call, "password", session.account)
            raise Refused(DENIALS[denied.code]) from None
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
        if token is not None and not self._authenticator.is_vouched_for(call.request):
            raise Refused(CROSS_SITE, "A cookie alone is not enough: the browser did not say which page is asking.")
        return token

    def _check_failures(self, call: Call, name: str | None = None) -> None:
        wait = self._authenticator.failures_wait(call.address, name)
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
            raise Refused(DENIALS[denied.code]) from None
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


def _came_by_cookie(call: Call) -> bool:
    return "Authorization" not in call.request.headers


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
