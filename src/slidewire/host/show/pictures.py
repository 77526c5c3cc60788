"""Slide pictures for presenters and deck pages: made by the deck, sent in parts, and never in the way of a receipt.

A picture is drawn while earlier ones are on their way, and the one that has the least left to send goes first: on a
narrow network a coarse picture of the slide that is shown now passes a sharp one of the slide before. Parts wait while
the network's queue is long (`pace.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from slidewire.aio.clock import monotonic
from slidewire.control.messages import NoPicture, PictureRequest
from slidewire.control.parts import PICTURE_BYTES, PICTURE_STREAM, split
from slidewire.control.paths import PathKind
from slidewire.control.quotas import Request
from slidewire.control.records import Part
from slidewire.host.decks.driver import Picture
from slidewire.host.participants.participant import Participant
from slidewire.host.show.controller import ShowController
from slidewire.host.show.drawing_queue import DrawingQueue
from slidewire.host.show.feature import Feature, MessageRow
from slidewire.host.show.pace import Pace

log = logging.getLogger(__name__)

WIDTHS = (160, 320, 480, 640, 960, 1280, 1920, 2560, 3840)
"""A wish is rounded up to one of these, so that a few drawings serve every screen."""
LEAST_BYTES = 16 * 1024
"""Fewer are not asked of a deck."""


@dataclass(slots=True, eq=False)
class _Outgoing:
    id: int
    data: bytes
    sent: int = 0
    path: str = ""
    """By which it is sent; empty before its first part."""
    parts: Iterator[Part] = field(default_factory=lambda: iter(()))

    @property
    def left(self) -> int:
        return len(self.data) - self.sent

    def begin(self, path: str) -> None:
        self.path = path
        self.parts = split(PICTURE_STREAM, self.id, self.data, PathKind(path.partition("/")[0]))


@dataclass(slots=True, eq=False)
class _Line:
    """What one participant has asked for."""

    requests: list[PictureRequest] = field(default_factory=list)
    """Not drawn yet."""
    outgoing: list[_Outgoing] = field(default_factory=list)
    drawing: asyncio.Task[None] | None = None
    sending: asyncio.Task[None] | None = None
    pace: Pace = field(default_factory=Pace)
    looked_at: float = float("-inf")
    """When the path was looked at last."""


class Pictures(Feature):
    """One drawing at a time per participant; a newer request replaces those still waiting, because the slide has moved
    on."""

    WAITING = 3
    BEHIND_CLICKS, AT_MOST = 1.0, 3.0
    """Seconds without a click that a picture waits for, and for how long, where the screen is seen live."""
    LOOK_EVERY, HELD_FOR = 0.1, 0.01
    """Seconds between two looks at the path, and that a part waits before the next look at the pace."""

    def __init__(
        self, show: ShowController, sees_live: Callable[[Participant], bool] = lambda participant: False
    ) -> None:
        """Who sees the screen live needs the slide's picture only if that stalls. On a narrow network the two would
        share what there is with the receipts of a presenter who clicks on."""
        self._show = show
        self._sees_live = sees_live
        self._turns = DrawingQueue(monotonic)
        self._lines: dict[Participant, _Line] = {}
        self.messages = (MessageRow(PictureRequest, Request.PICTURE, self.request),)

    def request(self, participant: Participant, asked: PictureRequest) -> None:
        if not participant.admitted:
            self._refuse(participant, asked.id, "not_admitted")
            return
        line = self._lines.setdefault(participant, _Line())
        line.requests.append(asked)
        while len(line.requests) > self.WAITING:
            self._refuse(participant, line.requests.pop(0).id, "overtaken")
        if line.drawing is None:
            line.drawing = asyncio.create_task(self._draw_all(participant, line), name="pictures")

    async def close(self) -> None:
        for participant in list(self._lines):
            self.left(participant)

    def left(self, participant: Participant) -> None:
        if (line := self._lines.pop(participant, None)) is not None:
            for task in (line.drawing, line.sending):
                if task is not None:
                    task.cancel()

    # Drawing

    async def _draw_all(self, participant: Participant, line: _Line) -> None:
        try:
            with participant.contained():
                while line.requests:
                    request = line.requests.pop(0)
                    picture = await self._draw(participant, request)
                    if isinstance(picture, str):
                        self._refuse(participant, request.id, picture)
                    else:
                        self._put(participant, line, _Outgoing(request.id, picture.data))
        finally:
            line.drawing = None

    async def _draw(self, participant: Participant, request: PictureRequest) -> Picture | str:
        """The picture, or why there is none. A deck that cannot make it coarser is asked for a smaller one."""
        most = min(max(request.most, LEAST_BYTES), PICTURE_BYTES)
        wish = next((number for number, step in enumerate(WIDTHS) if step >= request.width), len(WIDTHS) - 1)
        reason = "unavailable"
        for width in reversed(WIDTHS[: wish + 1]):
            picture = None
            try:
                async with self._turns.turn(
                    participant.link.id, participant.id, may_click=participant.link.role.may_click
                ):
                    picture = await self._show.deck.picture(request.slide, width, most)
            except Exception:
                log.exception("the %s deck failed to draw slide %d", self._show.deck.driver, request.slide)
            if picture is None:
                break
            if len(picture.data) <= most:
                return picture
            reason = "too_large"
        return reason

    # Sending

    def _put(self, participant: Participant, line: _Line, picture: _Outgoing) -> None:
        line.outgoing.append(picture)
        while len(line.outgoing) > self.WAITING:
            largest = max(line.outgoing, key=lambda each: each.left)
            line.outgoing.remove(largest)
            self._refuse(participant, largest.id, "overtaken")
        if line.sending is None:
            line.sending = asyncio.create_task(self._send_all(participant, line), name="sent pictures")

    async def _send_all(self, participant: Participant, line: _Line) -> None:
        try:
            with participant.contained():
                while line.outgoing:
                    if all(not each.path for each in line.outgoing):
                        await self._let_clicks_pass(participant)
                    if (path := await participant.wait_for_room()) is None:
                        line.outgoing.clear()
                    elif self._is_held_back(participant, line, path):
                        await asyncio.sleep(self.HELD_FOR)
                    elif line.outgoing:
                        self._send_part(participant, line, path)
        finally:
            line.sending = None

    def _is_held_back(self, participant: Participant, line: _Line, path: str) -> bool:
        if not path.startswith(PathKind.BULK):
            return False  # through the server, which sees to it itself
        now = monotonic()
        if now - line.looked_at >= self.LOOK_EVERY:
            line.looked_at = now
            best = participant.watch_path(self.LOOK_EVERY)
            if best is not None and best.latest is not None and best.last_pong is not None:
                line.pace.measured(best.latest, best.last_pong)
        return line.pace.holds_back(now)

    def _send_part(self, participant: Participant, line: _Line, path: str) -> None:
        picture = min(line.outgoing, key=lambda each: each.left)
        if not picture.path:
            picture.begin(path)
        part = next(picture.parts, None) if participant.is_live(picture.path) else None
        if part is None:  # what went by a path that died is gone: the presenter asks again, by another
            line.outgoing.remove(picture)
            return
        participant.session.wire.send_part(part, path)
        participant.drain()
        picture.sent += len(part.data)
        if not picture.left:
            line.outgoing.remove(picture)

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
