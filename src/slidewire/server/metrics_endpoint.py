"""`GET /metrics`: what this server has counted, and its relay, for Prometheus.

It takes the API token of the state directory, as `Authorization: Bearer TOKEN`; to anybody else there is no such page.
That the request comes from this machine is no proof of anything: behind a proxy they all do. The one address that is
ever a label is that of somebody who is blocked for what it did.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import web

from slidewire.aio.clock import monotonic
from slidewire.aio.websocket_server import HubSockets
from slidewire.relay.metrics import Metric, exposition, write
from slidewire.relay.metrics_listener import answer
from slidewire.signaling.abuse_limiter import AbuseLimiter
from slidewire.signaling.hub import Hub
from slidewire.turn.server import TurnServer

MOST_NAMED: Final = 32
"""Blocked addresses that are named; the rest is counted."""


class Numbers:
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
        text = write(self._metrics(monotonic()))
        core = self._turn()
        return answer(text if core is None else text + exposition(core))

    def _metrics(self, now: float) -> Iterable[Metric]:
        abuse_limiter, hub = self._abuse_limiter, self._hub
        blocks = abuse_limiter.blocks(now)

        def gauge(name: str, help_: str, value: float) -> Metric:
            return Metric(f"slidewire_{name}", "gauge", help_, [({}, value)])

        def counter(name: str, help_: str, value: float) -> Metric:
            return Metric(f"slidewire_{name}_total", "counter", help_, [({}, value)])

        yield gauge("connections", "Connections to the web's port that are not TURN's.", abuse_limiter.held)
        yield gauge("sockets", "Signaling sockets, WebSockets and those made of requests.", hub.connection_count)
        yield gauge("rooms", "Rooms, with and without a host.", hub.room_count)
        yield gauge("members", "Members, those who are away for a moment among them.", hub.member_count)
        yield gauge("kept_bytes", "What is kept for members who are away.", hub.kept_bytes)
        yield gauge("waiting_bytes", "What waits to be written to sockets.", self._sockets.waiting_bytes)
        yield gauge("remembered_addresses", "Addresses that anything is remembered of.", abuse_limiter.remembered)
        yield gauge("blocked_addresses", "Addresses that are blocked now.", len(blocks))
        yield Metric(
            "slidewire_block_seconds", "gauge", "How long they still are.",
            [({"address": block.key, "why": block.why}, round(block.seconds, 1)) for block in blocks[:MOST_NAMED]],
        )  # fmt: skip
        yield Metric(
            "slidewire_block_refused", "gauge", "What was refused of them since they are.",
            [({"address": block.key}, block.refused) for block in blocks[:MOST_NAMED]],
        )  # fmt: skip
        yield counter("messages", "Messages heard.", hub.counts["messages"])
        yield counter("messages_sent_on", "Messages carried from one member to another.", hub.counts["sent on"])
        yield counter("messages_dropped", "Messages over a rate.", hub.counts["messages dropped"])
        yield counter("failed_proofs", "Tokens that were not the link's or the room's.", hub.counts["failed proofs"])
        refused = [(key.removeprefix("refused: "), n) for key, n in sorted(hub.counts.items()) if "refused: " in key]
        yield Metric(
            "slidewire_refused_total", "counter", "Messages answered with an error, by code.",
            [({"code": code}, count) for code, count in refused],
        )  # fmt: skip
        yield Metric(
            "slidewire_turned_away_total", "counter", "Connections and requests refused at the gate, by reason.",
            [({"reason": why}, count) for why, count in sorted(abuse_limiter.counts.items()) if why != "blocks"],
        )  # fmt: skip
        yield counter("blocks", "Blocks made.", abuse_limiter.counts["blocks"])
