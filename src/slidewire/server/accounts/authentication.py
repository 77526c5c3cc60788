"""Authentication and authorisation of a request: bearer tokens and cookies, scopes, where a request comes from, and how
often.

Programs show a token as `Authorization: Bearer …` (RFC 6750), never in the address, where logs would keep it. Pages
have it in a cookie that scripts cannot read and that no other site's page can make a browser send.

That another site's page cannot ask in an operator's name is held up three times: cookies are SameSite=Strict; whatever
changes something must come from our own page, which browsers say by themselves (`Sec-Fetch-Site`, and `Origin` where
that is too new); and bodies are JSON, which no form can send. There is no token for it in pages, because there would be
one more secret to keep, and the browser's word cannot be forged by a page either.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from slidewire.aio.clock import monotonic, wall
from slidewire.base.address_prefixes import customer_of, plain_address
from slidewire.base.rates import Buckets, Rate
from slidewire.server.accounts.api_keys import ALL_SCOPES, ApiKey, Scope
from slidewire.server.accounts.service import Accounts
from slidewire.server.accounts.store import CONFIRMED_SECONDS, OpenSession, Session
from slidewire.signaling.hub import Hub

FAILED: Final = Rate(10 / 60, 20)
"""Tokens and passwords that were wrong, of one address."""
FAILED_NAME: Final = Rate(1 / 60, 6)
"""Wrong passwords for one name from one address: enough to mistype, and too few to guess."""
FAILED_EVERYWHERE: Final = Rate(10 / 60, 100)
"""Wrong passwords for one name from everywhere: many addresses do not add up. It is wide, because reaching it keeps the
operator out of that name too."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller that a good token names."""

    name: str
    """What a log or a credential calls it."""
    scopes: frozenset[Scope]
    session: OpenSession | None = None
    key: ApiKey | None = None
    member: tuple[str, str] | None = None
    """Room and member, of a member of a room."""
    expires: float | None = None

    @property
    def account(self) -> str | None:
        """Of who has signed in."""
        return None if self.session is None else self.session.account

    def gave_password_lately(self, now: float) -> bool:
        return self.session is not None and now < self.session.authenticated + CONFIRMED_SECONDS


class Cookies:
    """The two cookies of a session. With TLS their names begin with `__Host-`: a browser then takes them from this very
    host alone, over TLS alone, so that no neighbour can plant one."""

    def __init__(self, *, secure: bool) -> None:
        prefix = "__Host-" if secure else ""
        self._secure = secure
        self.access = f"{prefix}slidewire-access"
        self.refresh = f"{prefix}slidewire-refresh"

    def give(self, response: web.Response, session: Session, now: float) -> None:
        self._set(response, self.access, session.access, session.expires - now)
        self._set(response, self.refresh, session.refresh, session.refresh_expires - now)

    def take_back(self, response: web.Response) -> None:
        for name in (self.access, self.refresh):
            self._set(response, name, "", 0)

    def _set(self, response: web.Response, name: str, value: str, seconds: float) -> None:
        response.set_cookie(
            name, value, max_age=int(seconds), path="/", secure=self._secure, httponly=True, samesite="Strict"
        )


@dataclass(slots=True)
class Authenticator:
    """`api_token` is the one in the state directory, for programs of the server's own user."""

    hub: Hub
    accounts: Accounts | None
    api_token: str
    cookies: Cookies
    origins: frozenset[str]
    """Under which the world reaches our pages, if that is known."""
    secure: bool
    """Whether it reaches them by https only."""
    _keys: dict[int, Buckets[str]] = field(default_factory=dict)
    """Requests of API keys, by their rate."""
    _failed: Buckets[str] = field(default_factory=lambda: Buckets(FAILED))
    _failed_names: Buckets[tuple[str, str]] = field(default_factory=lambda: Buckets(FAILED_NAME))
    _failed_everywhere: Buckets[str] = field(default_factory=lambda: Buckets(FAILED_EVERYWHERE))

    # --- from where ---------------------------------------------------------------------------------------------------

    def is_from_elsewhere(self, request: web.Request) -> bool:
        """Whether a browser says that another site's page, or one it will not name, is asking."""
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None and site != "same-origin" and request.method not in SAFE_METHODS:
            return True
        origin = request.headers.get("Origin")
        return origin is not None and not self.is_ours(origin, request.host)

    def is_vouched_for(self, request: web.Request) -> bool:
        """Whether a browser said at all where the request comes from. All of today's do, and cookies are theirs."""
        return "Sec-Fetch-Site" in request.headers or "Origin" in request.headers

    def is_ours(self, origin: str, host: str) -> bool:
        if origin in self.origins:
            return True
        scheme, _, name = origin.partition("://")
        return name == host and (scheme == "https" or (scheme == "http" and not self.secure))

    def shows_something(self, request: web.Request) -> bool:
        """Whether there is a token. A page that is opened for the first time asks without one who has signed in."""
        return "Authorization" in request.headers or self.cookies.access in request.cookies

    # --- who ----------------------------------------------------------------------------------------------------------

    async def identify(self, request: web.Request, *, members: bool) -> Caller | None:
        """The caller that the request's token, or else its cookie, names. `members`: resume tokens count, too."""
        header = request.headers.get("Authorization")
        if header is None:
            token = request.cookies.get(self.cookies.access)
            return None if token is None else await self._operator(token)
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return None
        if hmac.compare_digest(token.encode(errors="replace"), self.api_token.encode()):
            return Caller("api", frozenset({Scope.TURN}))
        if token.startswith("swk_"):
            return await self._program(token)
        if token.startswith("swa_"):
            return await self._operator(token)
        member = self.hub.whose(token) if members else None
        return None if member is None else Caller(f"room/{member[0]}/{member[1]}", frozenset(), member=member)

    async def _operator(self, token: str) -> Caller | None:
        if self.accounts is None:
            return None
        found = await self.accounts.ask(lambda store: store.session_of(token, wall()))
        return None if found is None else Caller(found.account, ALL_SCOPES, session=found, expires=found.expires)

    async def _program(self, token: str) -> Caller | None:
        if self.accounts is None:
            return None
        key = await self.accounts.ask(lambda store: store.key_of(token, wall()))
        return None if key is None else Caller(f"key/{key.id}", key.bounds.scopes, key=key, expires=key.bounds.expires)

    async def is_still_known(self, caller: Caller) -> bool:
        """Whether what the caller showed is still good: a body takes seconds to come, revoking a key a moment."""
        if self.accounts is None:
            return True
        if (session := caller.session) is not None:
            return await self.accounts.ask(lambda store: store.is_open(session.id, wall()))
        if (key := caller.key) is not None:
            return await self.accounts.ask(lambda store: store.is_key(key.id, wall()))
        return True

    def charge(self, key: ApiKey) -> tuple[float, int]:
        """A request with it, which counts for its ancestors too: 0 or the seconds to wait, and how many are left."""
        now = monotonic()
        rates = [(id_, self._keys.setdefault(n, Buckets(Rate(n / 60, n)))) for id_, n in key.charged]
        wait = max(buckets.peek(id_, now) for id_, buckets in rates)
        if wait == 0:
            for id_, buckets in rates:
                buckets.take(id_, now)
        return wait, min(buckets.left(id_, now) for id_, buckets in rates)

    async def may_open_rooms(self, request: web.Request) -> bool:
        """Whether the request for a socket shows a token with the scope for it. Cookies count for nothing: pages open
        none."""
        address = address_of(request)
        if "Authorization" not in request.headers or self.failures_wait(address) > 0:
            return False
        caller = await self.identify(request, members=False)
        if caller is None:
            self.failed(address)
            return False
        if Scope.ROOMS not in caller.scopes:
            return False
        key = caller.key
        return key is None or (key.bounds.may_come_from(address) and self.charge(key)[0] == 0)

    # --- how often something was wrong --------------------------------------------------------------------------------

    def failures_wait(self, address: str, name: str | None = None) -> float:
        """Seconds until this address may try again (and this name from it); 0 if it may."""
        who, now = customer_of(address), monotonic()
        wait = self._failed.peek(who, now)
        if name is not None:
            wait = max(wait, self._failed_names.peek((who, name), now), self._failed_everywhere.peek(name, now))
        return wait

    def failed(self, address: str, name: str | None = None) -> None:
        who, now = customer_of(address), monotonic()
        self.hub.abuse_limiter.penalize(address, "wrong passwords or tokens", now)
        self._failed.take(who, now)
        if name is not None:
            self._failed_names.take((who, name), now)
            self._failed_everywhere.take(name, now)


def address_of(request: web.Request) -> str:
    return plain_address(request.remote or "?")
