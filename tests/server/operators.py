"""A running server with an operator who has signed in, for tests of its API."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from slidewire.base.rates import Rate
from slidewire.server.app import Ready, Server
from slidewire.signaling.limits import Limits
from tests.server.test_server import browser, settings

PASSWORD = "correct horse battery staple"


@dataclass
class Office:
    """The server, and whoever speaks to it: `web` as a program would, without cookies."""

    ready: Ready
    web: aiohttp.ClientSession
    access: str = ""
    refresh: str = ""

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **more: Any
    ) -> tuple[int, Any]:
        """`token`: without one, the operator's. Status and what was said."""
        status, _, said = await self.tell(method, path, body, token=token, **more)
        return status, said

    async def tell(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **more: Any
    ) -> tuple[int, Any, Any]:
        shown = self.access if token is None else token
        headers = {**({"Authorization": f"Bearer {shown}"} if shown else {}), **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        async with self.web.request(method, path, headers=headers, **more) as answer:
            said = await answer.json() if answer.content_type == "application/json" else await answer.text()
            return answer.status, answer.headers, said

    async def key(self, *scopes: str, **fields: Any) -> str:
        status, made = await self.ask("POST", "/api/admin/api-keys", {"name": "k", "scopes": scopes, **fields})
        assert status == 201, made
        return str(made["token"])


def invitation(ready: Ready) -> str:
    assert ready.account_link is not None
    return ready.account_link.partition("#")[2]


@contextlib.asynccontextmanager
async def office(tmp_path: Path, **changes: Any) -> AsyncIterator[Office]:
    fields = {"http": True, "accounts": True, "limits": Limits(requests=Rate(10_000, 10_000)), **changes}
    server = Server(settings(tmp_path, **fields))
    try:
        ready = await server.start()
        async with browser(ready) as web:
            here = Office(ready, web)
            accept = {"invitation": invitation(ready), "name": "ada", "password": PASSWORD}
            status, said = await here.ask("POST", "/api/auth/accept", accept)
            assert status == 201, said
            here.access, here.refresh = said["access_token"], said["refresh_token"]
            yield here
    finally:
        await server.stop()
