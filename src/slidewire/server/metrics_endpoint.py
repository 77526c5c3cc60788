"""`GET /metrics`: what this server has counted, and its relay, for Prometheus.

It takes the API token of the state directory, as `Authorization: Bearer TOKEN`; without it there is no such page. That
a request comes from this machine proves nothing: behind a proxy all of them do. The only address that is ever a label
is one that is blocked.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import web
from prometheus_client.core import GaugeMetricFamily

from slidewire.aio.clock import monotonic
from slidewire.aio.websocket_server import HubSockets
from slidewire.relay.metrics import Metric, counter, gauge, relay_metrics
from slidewire.relay.metrics_listener import answer
from slidewire.signaling.abuse_limiter import AbuseLimiter
from slidewire.signaling.hub import Hub
from slidewire.turn.server import TurnServer

MOST_NAMED: Final = 32
"""Blocked addresses that are named; the rest is counted."""


class MetricsEndpoint:
    def __init__(
        self,
        abuse_limiter: AbuseLimiter,
        hub: Hub,
        sockets: HubSockets,
        turn: Callable[[], TurnServer | None],
        token: str,
    ) -> None:
        self._abuse_limiter, self._hub, self._sockets, self._turn = abuse_limiter, hub, sockets, turn
        self._expected = f"Bearer {token}".encode()

    async def get(self, request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "")
        if not hmac.compare_digest(shown.encode(errors="replace"), self._expected):
            if shown:
                self._abuse_limiter.penalize(request.remote or "?", "wrong passwords or tokens", monotonic())
            raise web.HTTPNotFound(text="There is no such page here.")
        core = self._turn()
        relay = () if core is None else relay_metrics(core)
        return answer(
            (*server_metrics(self._abuse_limiter, self._hub, self._sockets.waiting_bytes, monotonic()), *relay)
        )


def server_metrics(abuse_limiter: AbuseLimiter, hub: Hub, waiting_bytes: int, now: float) -> Iterable[Metric]:
    blocks = abuse_limiter.blocks(now)
    named = blocks[:MOST_NAMED]
    yield gauge("slidewire_connections", "Connections to the web's port that are not TURN's.", abuse_limiter.held)
    yield gauge("slidewire_sockets", "Signaling sockets: WebSockets and those made of requests.", hub.connection_count)
    yield gauge("slidewire_rooms", "Rooms, with and without a host.", hub.room_count)
    yield gauge("slidewire_members", "Members, present or away for a moment.", hub.member_count)
    yield gauge("slidewire_kept_bytes", "What is kept for members who are away.", hub.kept_bytes)
    yield gauge("slidewire_waiting_bytes", "What waits to be written to sockets.", waiting_bytes)
    yield gauge(
        "slidewire_remembered_addresses", "Addresses of which something is remembered.", abuse_limiter.remembered
    )
    yield gauge("slidewire_blocked_addresses", "Addresses that are blocked now.", len(blocks))
    seconds = GaugeMetricFamily(
        "slidewire_block_seconds", "How much longer each is blocked.", labels=["address", "why"]
    )
    for block in named:
        seconds.add_metric([block.key, block.why], round(block.seconds, 1))
    yield seconds
    yield gauge(
        "slidewire_block_refused", "What was refused to each since it was blocked.",
        {block.key: block.refused for block in named}, "address",
    )  # fmt: skip
    for name, help_, key in (
        ("messages", "Messages received.", "messages"),
        ("messages_sent_on", "Messages carried from one member to another.", "sent on"),
        ("messages_dropped", "Messages over a rate.", "messages dropped"),
        ("failed_proofs", "Tokens that were not the link's or the room's.", "failed proofs"),
    ):
        yield counter(f"slidewire_{name}_total", help_, hub.counts[key])
    refused = {key.removeprefix("refused: "): n for key, n in sorted(hub.counts.items()) if "refused: " in key}
    yield counter("slidewire_refused_total", "Messages answered with an error, by code.", refused, "code")
    turned_away = {why: count for why, count in sorted(abuse_limiter.counts.items()) if why != "blocks"}
    yield counter(
        "slidewire_turned_away_total", "Connections and requests refused before they were looked at, by reason.",
        turned_away, "reason",
    )  # fmt: skip
    yield counter("slidewire_blocks_total", "Blocks made.", abuse_limiter.counts["blocks"])
