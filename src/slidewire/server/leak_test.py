"""What the leak-test page asks its server: from where it sees the browser, and where its own STUN server is.

Nothing is kept or passed on. STUN takes no login; the relays are for members of a room, and the page joins
one if it is given a link.
"""

from __future__ import annotations

from aiohttp import web

from slidewire.server.relays import Relays


class LeakTest:
    def __init__(self, relays: Relays | None) -> None:
        self._relays = relays

    async def seen(self, request: web.Request) -> web.Response:
        uris = self._relays.uris(request.host) if self._relays is not None else []
        stun = [uri for uri in uris if uri.startswith("stun:")]
        return web.json_response({"address": request.remote or "", "stun": stun})
