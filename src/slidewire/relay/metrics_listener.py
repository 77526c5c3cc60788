"""Numbers for Prometheus, on a port of their own that only this machine reaches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from slidewire.relay.metrics import CONTENT_TYPE, Metric, write
from slidewire.system.errors import SetupError

LOOPBACK: Final = "127.0.0.1"


def answer(text: str) -> web.Response:
    return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})


class MetricsListener:
    """GET /metrics on loopback. What it tells is nobody's business outside, so there is no way to listen elsewhere."""

    def __init__(self, numbers: Callable[[], Awaitable[Iterable[Metric]]]) -> None:
        self._numbers = numbers
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> int:
        """The port it listens on. Raises SetupError."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise SetupError(
                f"Metrics cannot be served on {LOOPBACK} port {port}: {error.strerror}. Give another with --metrics."
            ) from None
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, request: web.Request) -> web.Response:
        return answer(write(await self._numbers()))
