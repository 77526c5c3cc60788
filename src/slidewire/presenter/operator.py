"""An operator without a page: comes in by an operator link, sends commands, and hears how the room stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from msgspec import UNSET

from slidewire.control.links import Link
from slidewire.control.messages import CommandFault, CommandRequest, Reply
from slidewire.control.state import RoomPart, State
from slidewire.presenter.connection import PresenterConnection, PresenterEvents
from slidewire.presenter.device import device_name
from slidewire.presenter.room import socket_for, tell
from slidewire.presenter.terminal import PresentError
from slidewire.signaling.client import Event, Lost, Refused

ANSWERS_WITHIN = 15.0
T = TypeVar("T")


class Operator:
    """`async with Operator(link) as operator`: inside, the host knows us as an operator. Raises `PresentError`."""

    def __init__(self, link: Link, *, name: str = "", ca: Path | None = None) -> None:
        self._latest: State | None = None
        self._heard = asyncio.Event()
        self._trouble = "The host did not answer. Is it running?"
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        events = PresenterEvents(_ignore, _ignore, _ignore, self._state, self._closed)
        self._connection = PresenterConnection(link, None, name, events, device_name(link.link_id))
        self._socket = socket_for(self._connection, link, self._receive, ca)

    async def __aenter__(self) -> Self:
        await self._socket.start()
        try:
            state = await self._within(self._state_with(lambda state: True))
            if not state.you.admitted:
                raise PresentError("not_admitted", "Another operator has to let you in first, on the operator page.")
            if state.room is UNSET:
                raise PresentError("not_operator", "This is not an operator link. It looks like SERVER/operator#….")
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def command(self, request: CommandRequest) -> Reply:
        """The reply. Raises `PresentError` where the host says no."""
        try:
            reply = await self._within(self._connection.command(request))
        except ConnectionError as error:
            raise PresentError("unreachable", str(error)) from None
        if isinstance(reply.error, CommandFault):
            raise PresentError(reply.error.code, reply.error.message)
        return reply

    async def room_with(self, is_so: Callable[[RoomPart], bool] = lambda room: True) -> RoomPart:
        """The room as soon as it is so."""
        state = await self._within(
            self._state_with(lambda state: isinstance(state.room, RoomPart) and is_so(state.room))
        )
        assert isinstance(state.room, RoomPart)
        return state.room

    async def _state_with(self, is_so: Callable[[State], bool]) -> State:
        while self._latest is None or not is_so(self._latest):
            self._heard.clear()
            await self._heard.wait()
        return self._latest

    async def _within(self, work: Coroutine[Any, Any, T]) -> T:
        """`work`'s result, unless the connection is over, or it takes too long."""
        working = asyncio.ensure_future(work)
        either: set[asyncio.Future[Any]] = {working, self._over}
        try:
            await asyncio.wait(either, timeout=ANSWERS_WITHIN, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            if self._over.done():
                self._over.result()
            raise PresentError("unreachable", self._trouble)
        finally:
            working.cancel()

    async def _leave(self) -> None:
        if self._over.done():
            self._over.exception()  # seen
        await self._connection.close()
        await self._socket.stop()

    # What is heard

    def _state(self, state: State) -> None:
        self._latest = state
        self._heard.set()

    def _closed(self, code: str, reason: str) -> None:
        if not self._over.done():
            self._over.set_exception(PresentError(code, reason))

    def _receive(self, event: Event) -> None:
        tell(self._connection, event, self._socket.client.network)
        match event:
            case Lost(reason):
                self._trouble = reason
            case Refused(code, message, True):
                self._closed(code, message)
            case _:
                pass


def _ignore(_: object) -> None:
    pass
