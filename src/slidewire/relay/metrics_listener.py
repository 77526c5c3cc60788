"""Metrics for Prometheus, on a port of their own that only this machine reaches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from slidewire.relay.metrics import CONTENT_TYPE, Metric, exposition
from slidewire.system.errors import SetupError

LOOPBACK: Final = "127.0.0.1"


def answer(metrics: Iterable[Metric]) -> web.Response:
    return web.Response(body=exposition(metrics), headers={"Content-Type": CONTENT_TYPE})


class MetricsListener:
    """GET /metrics on loopback. The metrics are for this machine alone, so it cannot listen on another address."""

    def __init__(self, collect: Callable[[], Awaitable[Iterable[Metric]]]) -> None:
        self._collect = collect
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> int:
        """The port it listens on. Raises SetupError."""
        app = web.Application()
        app.router.add_get("/metrics", self._get)
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

    async def _get(self, request: web.Request) -> web.Response:
        return answer(await self._collect())
