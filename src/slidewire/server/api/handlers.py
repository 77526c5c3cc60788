"""The API for operators and their programs: the table of its endpoints, with its document, and credentials for the
relays.

What happens in a room is its host's business, and sealed: there is nothing here that could click.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from slidewire.aio.clock import wall
from slidewire.base.rates import Rate
from slidewire.server import audit_events
from slidewire.server.accounts.api_keys import Scope
from slidewire.server.accounts.authentication import Authenticator, Caller
from slidewire.server.api import openapi
from slidewire.server.api.account_handlers import AccountHandlers
from slidewire.server.api.connection_handlers import ConnectionHandlers, Operate
from slidewire.server.api.messages import DAY, CredentialQuery, Credentials
from slidewire.server.api.routes import INVALID, Call, Endpoint, Fault, Refused, Rest
from slidewire.server.relays import Relays, member_user
from slidewire.signaling.hub import Hub

CREDENTIALS_RATE: Final = Rate(1, 10)


class Api:
    def __init__(
        self,
        authenticator: Authenticator,
        hub: Hub,
        operate: Operate,
        relays: Relays | None,
        audit: audit_events.Audit = audit_events.discard,
    ) -> None:
        self._authenticator = authenticator
        self._audit = audit
        self._relays = relays
        self._table = self._make_table(hub, operate)
        self._document = msgspec.json.encode(openapi.document(self._table, authenticator.cookies.access))

    def routes(self) -> list[web.RouteDef]:
        return Rest(self._authenticator, self._table, self._refused).routes()

    def _make_table(self, hub: Hub, operate: Operate) -> list[Endpoint]:
        """Without accounts, what needs one is not in it."""
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
        accounts = self._authenticator.accounts
        if accounts is not None:
            table += AccountHandlers(self._authenticator, accounts, self._audit).table()
            table += ConnectionHandlers(hub, operate, self._audit).table()
        return table

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


def _at_most(caller: Caller) -> int:
    """Seconds that a relay's login may be good: a key's is over with the key. Relays know no keys."""
    return DAY if caller.key is None else max(1, min(DAY, int(caller.key.bounds.expires - wall())))
