"""The drawing process as the host sees it: one request at a time, and a new process when a request exceeds its limits.

What it does and what it may not do is in `worker.py`. A request that takes too long, or that the process does not
survive, raises `Exceeded`; the next one finds a new process, which is started at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import subprocess
import sys
from dataclasses import dataclass

import msgspec

from slidewire.control.parts import PICTURE_BYTES
from slidewire.host.decks.driver import DeckError, Picture
from slidewire.host.decks.web.deck_file import DeckFile, printable
from slidewire.host.decks.web.messages import (
    LENGTHS,
    MAX_HEADER,
    MAX_PICTURE,
    Describe,
    Described,
    Draw,
    Drawn,
    Open,
    Opened,
    Reply,
    Request,
    Unusable,
    decode_reply,
    encode_head,
)
from slidewire.host.decks.web.page_layout import Side

log = logging.getLogger(__name__)

COMMAND = ("-P", "-W", "ignore", "-m", "slidewire.host.decks.web.worker")
"""-P: nothing is imported from the folder that the host was started in."""
READ_AHEAD = 2**20
ALARM_AFTER = 5
"""Seconds that the process waits longer than the host would, before it ends itself."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the drawing process."""

    memory: int = 3 * 2**29
    """Bytes, beside the file's own. A picture of 64 million pixels takes half a gigabyte."""
    open: float = 20.0
    """Seconds, the start of the process included."""
    describe: float = 2.0
    draw: float = 10.0


LIMITS = Limits()


class Exceeded(Exception):
    """A request took more time or memory than it may, or the process did not survive it. The message says which."""


class Gone(Exception):
    """There is no process: it was closed, or cannot be started again."""


class SlideProcess:
    def __init__(self, deck: DeckFile, limits: Limits, side: Side | None = None) -> None:
        """`side`: where the pages have notes; None: it is found out."""
        self._deck = deck
        self._limits = limits
        self._side = side
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[Opened] | None = None
        self._is_closed = False

    async def open(self) -> Opened:
        """Raises `DeckError`."""
        self._starting = asyncio.create_task(self._start(), name="slide process")
        return await self._starting

    async def describe(self, slide: int) -> Described:
        """Raises `Exceeded` or `Gone`."""
        reply, _ = await self._ask(Describe(slide), self._limits.describe)
        return reply if isinstance(reply, Described) else Described(None, None)

    async def draw(self, slide: int, width: int, most: int = PICTURE_BYTES) -> Picture | None:
        """None: this slide cannot be drawn. Raises `Exceeded` or `Gone`."""
        reply, body = await self._ask(Draw(slide, width, most), self._limits.draw)
        return Picture(reply.media_type, body) if isinstance(reply, Drawn) and reply.media_type else None

    async def close(self) -> None:
        """At once, whatever it is doing."""
        self._is_closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        await self._kill()

    async def _start(self) -> Opened:
        """Raises `DeckError`."""
        path = printable(self._deck.path)
        try:
            async with asyncio.timeout(self._limits.open):
                self._process = await _spawn()
                reply, _ = await self._exchange(self._process, self._first(), self._deck.content)
        except TimeoutError:
            await self._kill()
            raise DeckError(f"{path}: takes longer than {self._limits.open:g} s to open. Export it again.") from None
        except _Failed:
            await self._kill()
            raise DeckError(
                f"{path}: takes more memory than {_gigabytes(self._limits.memory)}, or is damaged. Export it again."
            ) from None
        except OSError as error:
            raise DeckError(f"{path}: no process could be started to read it ({error.strerror}).") from None
        except asyncio.CancelledError:
            await self._kill()
            raise
        if not isinstance(reply, Opened):
            await self._kill()
            raise DeckError(reply.message if isinstance(reply, Unusable) else f"{path}: is damaged. Export it again.")
        return reply

    def _first(self) -> Open:
        limits, deck = self._limits, self._deck
        longest = max(limits.open, limits.describe, limits.draw)
        return Open(
            os.fsencode(deck.path),
            kind=deck.kind,
            memory=limits.memory + len(deck.content),
            seconds=math.ceil(longest) + ALARM_AFTER,
            side=self._side,
        )

    async def _ask(self, request: Request, seconds: float) -> tuple[Reply, bytes]:
        async with self._turn:
            process = await self._running()
            try:
                async with asyncio.timeout(seconds):
                    return await self._exchange(process, request)
            except TimeoutError:
                problem = f"takes longer than {seconds:g} s"
            except _Failed:
                problem = f"takes more memory than {_gigabytes(self._limits.memory)}, or ends what draws it"
            except asyncio.CancelledError:
                await self._restart()  # its reply would be taken for the next one's
                raise
            if self._is_closed:
                raise Gone
            await self._restart()
            raise Exceeded(problem)

    async def _running(self) -> asyncio.subprocess.Process:
        if self._is_closed:
            raise Gone
        if self._starting is None or self._process is None:
            self._starting = asyncio.create_task(self._start(), name="slide process")
        try:
            await asyncio.shield(self._starting)
        except DeckError as error:
            self._starting = None
            log.warning("no slide can be drawn: %s", error)
            raise Gone from None
        except asyncio.CancelledError:
            if self._is_closed:
                raise Gone from None
            raise
        assert self._process is not None
        return self._process

    async def _restart(self) -> None:
        await self._kill()
        if not self._is_closed:
            self._starting = asyncio.create_task(self._start(), name="slide process")
            self._starting.add_done_callback(lambda task: task.cancelled() or task.exception())  # it is asked for later

    async def _exchange(
        self, process: asyncio.subprocess.Process, request: Request, body: bytes = b""
    ) -> tuple[Reply, bytes]:
        """Raises `_Failed`."""
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(encode_head(request, body))
            if body:
                process.stdin.write(body)
            await process.stdin.drain()
            header, length = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
            if header > MAX_HEADER or length > MAX_PICTURE:
                raise _Failed
            return decode_reply(await process.stdout.readexactly(header)), await process.stdout.readexactly(length)
        except (OSError, asyncio.IncompleteReadError, msgspec.MsgspecError):
            raise _Failed from None

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


class _Failed(Exception):
    """The process ended, or answers with nonsense."""


async def _spawn() -> asyncio.subprocess.Process:
    """In a session of its own, so that Ctrl-C at the terminal does not reach it, and without our settings, some of
    which are secrets."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLIDEWIRE_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=READ_AHEAD,
        env=environment,
        start_new_session=True,
        creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
