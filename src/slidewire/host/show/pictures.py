"""Slide pictures for presenters and deck pages: made by the deck, sent in parts, and never in the way of a receipt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from slidewire.aio.clock import monotonic
from slidewire.control.parts import MESSAGE_BYTES, PICTURE_STREAM, split
from slidewire.control.paths import PathKind
from slidewire.host.participants.participant import Guest
from slidewire.host.show.controller import Stage
from slidewire.host.show.drawing_queue import DrawingTurns

log = logging.getLogger(__name__)

WIDTHS = (160, 320, 480, 640, 960, 1280, 1920, 2560, 3840)
"""A wish is rounded up to one of these, so that a few drawings serve every screen."""


class Pictures:
    """One request at a time per guest; a newer one replaces those still waiting, because the slide has moved on."""

    WAITING = 3
    BEHIND_CLICKS, AT_MOST = 1.0, 3.0
    """Seconds without a click that a picture waits for, and for how long, where the screen is seen live."""

    def __init__(self, stage: Stage, sees_live: Callable[[Guest], bool] = lambda guest: False) -> None:
        """Who sees the screen live needs the slide's picture only if that stalls. On a narrow network the two would
        share what there is with the receipts of somebody who clicks on."""
        self._stage = stage
        self._sees_live = sees_live
        self._turns = DrawingTurns(monotonic)
        self._requests: dict[Guest, list[dict[str, Any]]] = {}
        self._tasks: dict[Guest, asyncio.Task[None]] = {}

    def request(self, guest: Guest, message: dict[str, Any]) -> None:
        id_, slide, width = message.get("id"), message.get("slide"), message.get("width")
        if not (type(id_) is int and 0 <= id_ <= 0xFFFF and type(slide) is int and type(width) is int):
            guest.send_error("malformed", "A picture needs an id from 0 to 65535, a slide and a width.")
            return
        waiting = self._requests.setdefault(guest, [])
        size = next((step for step in WIDTHS if step >= width), WIDTHS[-1])
        waiting.append({"id": id_, "slide": slide, "width": size})
        while len(waiting) > self.WAITING:
            self._refuse(guest, waiting.pop(0)["id"], "overtaken")
        if guest not in self._tasks:
            self._tasks[guest] = asyncio.create_task(self._serve(guest), name="pictures")

    def forget(self, guest: Guest) -> None:
        self._requests.pop(guest, None)
        if (task := self._tasks.pop(guest, None)) is not None:
            task.cancel()

    async def _serve(self, guest: Guest) -> None:
        try:
            with guest.contained():
                while waiting := self._requests.get(guest):
                    await self._send(guest, waiting.pop(0))
        finally:
            self._tasks.pop(guest, None)

    async def _send(self, guest: Guest, request: dict[str, Any]) -> None:
        picture = None
        try:
            async with self._turns.turn(guest.link.id, guest.id, may_click=guest.link.role.may_click):
                picture = await self._stage.deck.picture(request["slide"], request["width"])
        except Exception:
            log.exception("the %s deck failed to draw slide %d", self._stage.deck.driver, request["slide"])
        if picture is None or len(picture.data) > MESSAGE_BYTES:
            self._refuse(guest, request["id"], "unavailable" if picture is None else "too_large")
            return
        await self._let_clicks_pass(guest)
        begun = path = await guest.wait_for_room()
        if begun is None:
            return
        for part in split(PICTURE_STREAM, request["id"], picture.data, PathKind(begun.partition("/")[0])):
            path = path or await guest.wait_for_room()
            if path is None or not guest.is_live(begun):
                return  # what went by a path that died is gone: the presenter asks again, by another
            guest.session.wire.send_part(part, path)
            guest.drain()
            path = None

    async def _let_clicks_pass(self, guest: Guest) -> None:
        now = monotonic()
        latest = now + self.AT_MOST
        while self._sees_live(guest) and (rest := min(guest.clicked_at + self.BEHIND_CLICKS, latest) - now) > 0:
            await asyncio.sleep(rest)
            now = monotonic()

    def _refuse(self, guest: Guest, id_: int, reason: str) -> None:
        guest.send_message({"type": "no_picture", "id": id_, "reason": reason})
