"""From one table to routes: what every request to the API goes through before, and after, its handler.

A row (`Endpoint`) says method, path, who may, what comes in and what goes out. The router and the OpenAPI document
(`openapi.py`) are both made of it. What came in is read once, here, into the row's types: a handler never sees a dict.

The order is that of what it costs us: how often, from where, who, may it; and only then is the body looked at.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from slidewire.aio.clock import monotonic, wall
from slidewire.aio.http import error_response
from slidewire.base.address_prefixes import customer_of
from slidewire.base.rates import Buckets, Rate
from slidewire.server.accounts.api_keys import Scope
from slidewire.server.accounts.authentication import SAFE_METHODS, Authenticator, Caller, address_of
from slidewire.server.accounts.store import CONFIRMED_SECONDS

MAX_BODY: Final = 16 * 1024
BODY_SECONDS: Final = 5.0
ORDINARY: Final = Rate(10, 60)
"""Requests of one address to the API; a key has a rate of its own."""


class Error(Struct):
    """Every error has this shape. `code` is for programs, `message` says what to do."""

    statusCode: Annotated[int, Meta(ge=400, le=599)]  # noqa: N815  as the API has it
    message: str
    code: Annotated[str, Meta(pattern="^[a-z_]+$")]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which an endpoint says no."""

    status: int
    code: str
    text: str


class Refused(Exception):
    """Raised by a handler. Headers are named with underscores."""

    def __init__(self, fault: Fault, text: str | None = None, **headers: str) -> None:
        super().__init__(fault.code)
        self.fault, self.text = fault, text or fault.text
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


MALFORMED = Fault(400, "malformed", "The body is not JSON in UTF-8.")
UNAUTHORIZED = Fault(401, "unauthorized", "Sign in, or show a token that is good here as Authorization: Bearer TOKEN.")
CROSS_SITE = Fault(403, "cross_site", "This request comes from another site's page. Use the server's own.")
SCOPE_MISSING = Fault(403, "scope_missing", "This token is good, but not for this.")
ACCOUNT_NEEDED = Fault(403, "account_needed", "A key may not do this: sign in with a name and a password.")
PASSWORD_NEEDED = Fault(
    401, "insufficient_user_authentication",
    f"This needs a password given in the last {CONFIRMED_SECONDS / 60:g} minutes. Give it: POST /api/auth/confirm.",
)  # fmt: skip
"""RFC 9470."""
ADDRESS_NOT_ALLOWED = Fault(403, "address_not_allowed", "This key may not be used from this address.")
TOO_SLOW = Fault(408, "request_timeout", f"The body did not come within {BODY_SECONDS:g} seconds.")
TOO_LARGE = Fault(413, "too_large", f"A body is at most {MAX_BODY} bytes.")
NOT_JSON = Fault(415, "unsupported_media_type", "Send JSON, as it is: Content-Type: application/json, not compressed.")
INVALID = Fault(422, "invalid", "The request does not say what it should.")
RATE_LIMITED = Fault(429, "rate_limited", "Too many requests. Wait a little, then ask again.")
NOT_FOUND = Fault(404, "not_found", "There is nothing here by that name.")


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose caller may make it, and what it says."""

    request: web.Request
    address: str
    caller: Caller | None
    body: Any = None
    """Of the row's type, as are the next two."""
    query: Any = None
    path: Any = None

    @property
    def known(self) -> Caller:
        assert self.caller is not None  # the row has a scope
        return self.caller


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    method: str
    path: str
    summary: str
    handler: Handler
    scope: Scope | None = None
    """What a caller needs; None: nothing, not even a token."""
    signed_in: bool = False
    """With or without a scope, it is for who has signed in."""
    account: bool = False
    """Only for who has signed in, and for no key."""
    confirmed: bool = False
    """Who has signed in must have given the password lately. A key has none, and its own bounds."""
    members: bool = False
    """Members of a room may as well."""
    body: type[Struct] | None = None
    query: type[Struct] | None = None
    params: type[Struct] | None = None
    answer: type[Any] | None = None
    """None: 204, nothing to say."""
    status: int = 200
    faults: Sequence[Fault] = ()
    """Beyond those that its other columns bring with them."""
    rate: Rate | None = None
    """None: `ORDINARY`."""

    @property
    def guarded(self) -> bool:
        return self.scope is not None or self.signed_in or self.account

    def all_faults(self) -> list[Fault]:
        found = [*self.faults, RATE_LIMITED, CROSS_SITE]
        if self.guarded:
            found.append(UNAUTHORIZED)
            found.append(ADDRESS_NOT_ALLOWED)
        if self.scope is not None:
            found.append(SCOPE_MISSING)
        if self.account:
            found.append(ACCOUNT_NEEDED)
        if self.confirmed:
            found.append(PASSWORD_NEEDED)
        if self.body is not None:
            found += [MALFORMED, TOO_SLOW, TOO_LARGE, NOT_JSON, INVALID]
        if self.query is not None:
            found.append(INVALID)
        if self.params is not None:
            found.append(NOT_FOUND)
        return sorted(set(found), key=lambda fault: (fault.status, fault.code))


@dataclass(slots=True)
class Rest:
    authenticator: Authenticator
    table: Sequence[Endpoint]
    refused: Callable[[Caller | None, str, Endpoint, Fault], None] = lambda caller, address, row, fault: None
    """Called when a caller may not do what it asks for. None: a stranger, or a page of another site."""
    _asked: dict[Rate, Buckets[str]] = field(default_factory=dict)

    def routes(self) -> list[web.RouteDef]:
        # HEAD is not in the table.
        head = {"GET": {"allow_head": False}}
        return [web.route(row.method, row.path, self._handler(row), **head.get(row.method, {})) for row in self.table]

    def _handler(self, row: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            left: dict[str, str] = {}
            try:
                response = await self._answer(row, request, left)
            except Refused as no:
                response = error_response(no.fault.status, no.fault.code, no.text, no.headers)
            response.headers.update(left)
            return response

        return handle

    async def _answer(self, row: Endpoint, request: web.Request, left: dict[str, str]) -> web.Response:
        caller = await self._admit(row, request, left)
        call = Call(
            request,
            address_of(request),
            caller,
            body=None if row.body is None else await _read_body(request, row.body),
            query=None if row.query is None else _read_text(request.query, row.query, INVALID),
            path=None if row.params is None else _read_text(request.match_info, row.params, NOT_FOUND),
        )
        if row.body is not None and caller is not None and not await self.authenticator.is_still_known(caller):
            raise Refused(UNAUTHORIZED, WWW_Authenticate="Bearer")
        said = await row.handler(call)
        if isinstance(said, web.Response):
            return said
        return answer(said, row.status)

    async def _admit(self, row: Endpoint, request: web.Request, left: dict[str, str]) -> Caller | None:
        authenticator, address, now = self.authenticator, address_of(request), monotonic()
        if authenticator.is_from_elsewhere(request):
            self.refused(None, address, row, CROSS_SITE)
            raise Refused(CROSS_SITE)
        wait = authenticator.failures_wait(address)
        if wait > 0 and row.guarded:
            raise too_often(wait)
        caller = await authenticator.identify(request, members=row.members) if row.guarded else None
        if caller is not None and caller.key is not None and caller.key.bounds.may_come_from(address):
            # It has a rate of its own, which is not used up from other addresses.
            wait, remaining = authenticator.charge(caller.key)
        else:
            rate = row.rate or ORDINARY
            buckets, who = self._asked.setdefault(rate, Buckets(rate)), customer_of(address)
            wait, remaining = buckets.take(who, now), buckets.left(who, now)
        left["X-RateLimit-Remaining"] = str(remaining)
        if wait > 0:
            raise too_often(wait)
        if not row.guarded:
            return None
        if caller is None:
            if authenticator.shows_something(request):
                authenticator.failed(address)
                self.refused(None, address, row, UNAUTHORIZED)
            raise Refused(UNAUTHORIZED, WWW_Authenticate="Bearer")
        if "Authorization" not in request.headers and request.method not in SAFE_METHODS:
            self._check_cookie(request)
        if caller.key is not None and not caller.key.bounds.may_come_from(address):
            self.refused(caller, address, row, ADDRESS_NOT_ALLOWED)
            raise Refused(ADDRESS_NOT_ALLOWED)
        if row.scope is not None and row.scope not in caller.scopes and not (row.members and caller.member):
            self.refused(caller, address, row, SCOPE_MISSING)
            needed = f'Bearer error="insufficient_scope", scope="{row.scope}"'
            raise Refused(
                SCOPE_MISSING, f"This token is good, but not for this: it needs {row.scope}.", WWW_Authenticate=needed
            )
        if row.account and caller.session is None:
            self.refused(caller, address, row, ACCOUNT_NEEDED)
            raise Refused(ACCOUNT_NEEDED)
        if row.confirmed and caller.session is not None and not caller.gave_password_lately(wall()):
            self.refused(caller, address, row, PASSWORD_NEEDED)
            asked = f'Bearer error="{PASSWORD_NEEDED.code}", max_age="{CONFIRMED_SECONDS:g}"'
            raise Refused(PASSWORD_NEEDED, WWW_Authenticate=asked)
        return caller

    def _check_cookie(self, request: web.Request) -> None:
        if not self.authenticator.is_vouched_for(request):
            raise Refused(CROSS_SITE, "A cookie alone is not enough: the browser did not say which page is asking.")


def answer(said: Any, status: int = 200) -> web.Response:
    if said is None:
        return web.Response(status=204, headers={"Cache-Control": "no-store"})
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=msgspec.json.encode(said), status=status, content_type="application/json", headers=headers)


def too_often(wait: float, text: str | None = None) -> Refused:
    return Refused(RATE_LIMITED, text, Retry_After=str(max(1, math.ceil(wait))), X_RateLimit_Remaining="0")


async def _read_body(request: web.Request, kind: type[Struct]) -> Struct:
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise Refused(NOT_JSON)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(NOT_JSON, Accept_Encoding="identity")
    if (request.content_length or 0) > MAX_BODY:
        raise Refused(TOO_LARGE)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    raise Refused(TOO_LARGE)
    except TimeoutError:
        raise Refused(TOO_SLOW) from None
    return decode_body(body, kind)


def decode_body(body: bytes | bytearray, kind: type[Struct]) -> Struct:
    """Raises Refused, in words that hold no value that was sent."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(INVALID, _what(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refused(MALFORMED) from None


def _what(error: msgspec.ValidationError) -> str:
    """It may name a field as the client did, at any length."""
    return f"{str(error)[:200]}."


def _read_text(values: Any, kind: type[Struct], fault: Fault) -> Struct:
    """Of a path or a query, where everything is text. A name that comes twice is refused: readers would disagree."""
    try:
        if len(values) != len(set(values)):
            raise Refused(fault, "A name comes twice in the query.")
        return msgspec.convert(dict(values), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(fault, None if fault is NOT_FOUND else _what(error)) from None
