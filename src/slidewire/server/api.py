"""`GET /api/turn-credentials`: draft-uberti-behave-turn-rest-00, for members of a room and holders of the API token.

Who asks shows a bearer token (RFC 6750) in a header, never in the address, where logs would keep it. A member's is its
newest resume token, which is not used up by this; the API token is in a file that only the server's user can read.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from aiohttp import web

from slidewire.aio.clock import monotonic
from slidewire.aio.http import error_response
from slidewire.server.config import ServerError
from slidewire.server.relays import Relays, member_user
from slidewire.signaling.hub import Hub
from slidewire.signaling.limits import Buckets, Rate, address_key

TOKEN_FILE: Final = "api-token"  # noqa: S105  a name
ASKED: Final = Rate(1, 10)
"""Per address."""
FAILED: Final = Rate(10 / 60, 20)
_MOST_ADDRESSES: Final = 10_000


def load_token(path: Path) -> str:
    """Make it where there is none. Raises ServerError."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise ServerError(f"{path} cannot be written: {error.strerror}. Make its folder writable.") from None
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServerError(f"{path} cannot be read ({error}). Delete it, and a new token is made.") from None
    if len(token) < 32:
        raise ServerError(f"The token in {path} could be guessed. Delete the file, and a new token is made.")
    return token


class TurnCredentials:
    def __init__(self, relays: Relays, hub: Hub, token: str) -> None:
        self._relays = relays
        self._hub = hub
        self._token = token.encode()
        self._asked: Buckets[str] = Buckets(ASKED)
        self._failed: Buckets[str] = Buckets(FAILED)

    async def get(self, request: web.Request) -> web.Response:
        now, address = monotonic(), address_key(request.remote or "?")
        self._forget(now)
        wait = self._failed.peek(address, now) or self._asked.take(address, now)
        if wait > 0:
            after = {"Retry-After": str(max(1, round(wait))), "X-RateLimit-Remaining": "0"}
            return error_response(429, "rate_limited", "Too many requests. Wait a little, then ask again.", after)
        user = self._who(request)
        if user is None:
            self._failed.take(address, now)
            text = "Show a member's resume token or the API token, as Authorization: Bearer TOKEN."
            return error_response(401, "unauthorized", text, {"WWW-Authenticate": "Bearer"})
        try:
            made = self._relays.credential(user)
        except ValueError:
            return error_response(400, "bad_request", "A username is up to 190 characters.")
        uris = self._relays.uris(request.host)
        left = {"X-RateLimit-Remaining": str(self._remaining(address, now))}
        told = {"username": made.username, "password": made.password, "ttl": made.ttl, "uris": uris}
        return web.json_response(told, headers=left)

    def _who(self, request: web.Request) -> str | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if hmac.compare_digest(token.encode(errors="replace"), self._token):
            name = request.query.get("username", "")
            return f"api/{name}" if name else "api"
        member = self._hub.whose(token)
        return None if member is None else member_user(*member)

    def _remaining(self, address: str, now: float) -> int:
        return int(ASKED.burst - (self._asked.full_at.get(address, now) - now) * ASKED.per_second)

    def _forget(self, now: float) -> None:
        for buckets in (self._asked, self._failed):
            if len(buckets.full_at) >= _MOST_ADDRESSES:
                buckets.prune(now)
