"""Slide pictures for presenters and deck pages: made by the deck, sent in parts, and never in the way of a receipt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from slidewire.aio.clock import monotonic
from slidewire.control.messages import NoPicture, PictureRequest
from slidewire.control.parts import MESSAGE_BYTES, PICTURE_STREAM, split
from slidewire.control.paths import PathKind
from slidewire.control.quotas import Request
from slidewire.host.participants.participant import Participant
from slidewire.host.show.controller import ShowController
from slidewire.host.show.drawing_queue import DrawingQueue
from slidewire.host.show.feature import Feature, MessageRow

log = logging.getLogger(__name__)

WIDTHS = (160, 320, 480, 640, 960, 1280, 1920, 2560, 3840)
"""A wish is rounded up to one of these, so that a few drawings serve every screen."""


class Pictures(Feature):
    """One request at a time per participant; a newer one replaces those still waiting, because the slide has moved
    on."""

    WAITING = 3
    BEHIND_CLICKS, AT_MOST = 1.0, 3.0
    """Seconds without a click that a picture waits for, and for how long, where the screen is seen live."""

    def __init__(
        self, show: ShowController, sees_live: Callable[[Participant], bool] = lambda participant: False
    ) -> None:
        """Who sees the screen live needs the slide's picture only if that stalls. On a narrow network the two would
        share what there is with the receipts of a presenter who clicks on."""
        self._show = show
        self._sees_live = sees_live
        self._turns = DrawingQueue(monotonic)
        self._requests: dict[Participant, list[PictureRequest]] = {}
        self._tasks: dict[Participant, asyncio.Task[None]] = {}
        self.messages = (MessageRow(PictureRequest, Request.PICTURE, self.request),)

    def request(self, participant: Participant, asked: PictureRequest) -> None:
        if not participant.admitted:
            self._refuse(participant, asked.id, "not_admitted")
            return
        waiting = self._requests.setdefault(participant, [])
        waiting.append(asked)
        while len(waiting) > self.WAITING:
            self._refuse(participant, waiting.pop(0).id, "overtaken")
        if participant not in self._tasks:
            self._tasks[participant] = asyncio.create_task(self._serve(participant), name="pictures")

    async def close(self) -> None:
        for participant in list(self._tasks):
            self.left(participant)

    def left(self, participant: Participant) -> None:
        self._requests.pop(participant, None)
        if (task := self._tasks.pop(participant, None)) is not None:
            task.cancel()

    async def _serve(self, participant: Participant) -> None:
        try:
            with participant.contained():
                while waiting := self._requests.get(participant):
                    await self._send(participant, waiting.pop(0))
        finally:
            self._tasks.pop(participant, None)

    async def _send(self, participant: Participant, request: PictureRequest) -> None:
        picture = None
        width = next((step for step in WIDTHS if step >= request.width), WIDTHS[-1])
        try:
            async with self._turns.turn(participant.link.id, participant.id, may_click=participant.link.role.may_click):
                picture = await self._show.deck.picture(request.slide, width)
        except Exception:
            log.exception("the %s deck failed to draw slide %d", self._show.deck.driver, request.slide)
        if picture is None or len(picture.data) > MESSAGE_BYTES:
            self._refuse(participant, request.id, "unavailable" if picture is None else "too_large")
            return
        await self._let_clicks_pass(participant)
        begun = path = await participant.wait_for_room()
        if begun is None:
            return
        for part in split(PICTURE_STREAM, request.id, picture.data, PathKind(begun.partition("/")[0])):
            path = path or await participant.wait_for_room()
            if path is None or not participant.is_live(begun):
                return  # what went by a path that died is gone: the presenter asks again, by another
            participant.session.wire.send_part(part, path)
            participant.drain()
            path = None

    async def _let_clicks_pass(self, participant: Participant) -> None:
        now = monotonic()
        latest = now + self.AT_MOST
        while (
            self._sees_live(participant)
            and (rest := min(participant.clicked_at + self.BEHIND_CLICKS, latest) - now) > 0
        ):
            await asyncio.sleep(rest)
            now = monotonic()

    def _refuse(self, participant: Participant, id_: int, reason: str) -> None:
        participant.send_message(NoPicture(id_, reason))
