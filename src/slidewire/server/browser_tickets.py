"""Opening a link in a browser without its secret in the list of processes.

A browser is started with an address as its argument, and any user of the computer can read that. So it is given a
ticket: an address of this server that leads to the link once, within a minute. A program that read it there comes too
late, or takes it before the browser does, which then says that there is no such page.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from aiohttp import web

GOOD_SECONDS: Final = 60.0
PATH: Final = "/open"


class Tickets:
    def __init__(self) -> None:
        self._links: dict[str, str] = {}

    def make(self, link: str) -> str:
        """A path that leads to it."""
        ticket = secrets.token_urlsafe(16)
        self._links[ticket] = link
        asyncio.get_running_loop().call_later(GOOD_SECONDS, self._links.pop, ticket, None)
        return f"{PATH}/{ticket}"

    async def take(self, request: web.Request) -> web.Response:
        link = self._links.pop(request.match_info["ticket"], None)
        if link is None:
            raise web.HTTPNotFound(text="There is no such page here (any more).")
        return web.Response(status=303, headers={"Location": link, "Cache-Control": "no-store"})
