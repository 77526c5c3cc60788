"""The presenter in a terminal: a line in, a receipt out (`slidewire present`).

With `json` every line out is one JSON object: `connected`, `receipt`, `closed`, as docs/guides/terminal.md lists them.
At the end of the input it waits for the receipts that are outstanding.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections import deque
from pathlib import Path
from typing import TextIO

from slidewire.aio.clock import monotonic
from slidewire.base.text import json_line, printable
from slidewire.control.intents import Intent, Reason, Status
from slidewire.control.links import Link
from slidewire.control.presenter_session import LaserAnswered, ReceiptArrived
from slidewire.control.privacy import Privacy
from slidewire.control.state import State
from slidewire.presenter.connection import PresenterConnection, PresenterEvents
from slidewire.presenter.device import device_name
from slidewire.presenter.lines import Line, LineError, read_line
from slidewire.presenter.room import socket_for, tell
from slidewire.rtc.engine import Engine
from slidewire.signaling.client import Event, Lost, Notice, Refused

GIVE_UP_WAITING = 5.0
"""Seconds after the input's end within which every receipt has come, or was declared unknown."""
_WHY = {
    Reason.RATE: "too many at once: wait a second, then send no more than 40 a second",
    Reason.GRABBED: "a lock screen, a screen saver or a menu has the host's keyboard",
    Reason.MODIFIER: "Ctrl, Shift, Alt or Super is held down at the host",
}
"""Advice for the reasons whose own word does not say what to do."""


class PresentError(Exception):
    """The presenter cannot go on: a stable code, and a sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TerminalPresenter:
    def __init__(
        self,
        link: Link,
        engine: Engine | None,
        *,
        name: str,
        as_json: bool,
        ca: Path | None,
        out: TextIO,
        privacy: Privacy = Privacy.OPEN,
    ) -> None:
        self._json = as_json
        self._out = out
        self._waiting: deque[Line] = deque()
        """Read before there was a session."""
        self._sent: dict[int, Line] = {}
        self._pointed: dict[int, Line] = {}
        self._pointed_at: dict[int, float] = {}
        self._input_ended = False
        self._idle = asyncio.Event()
        """The input has ended, and nothing is outstanding."""
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._path: str | None = None
        events = PresenterEvents(self._path_changed, self._receipt, self._laser, self._state, self._closed)
        self._connection = PresenterConnection(link, engine, name, events, device_name(link.link_id), privacy=privacy)
        self._socket = socket_for(self._connection, link, self._receive, ca)

    async def run(self, lines: asyncio.Queue[str | None]) -> None:
        """Until the lines end (None) or the host ends it. Raises `PresentError`."""
        await self._socket.start()
        reading = asyncio.ensure_future(self._read(lines))
        try:
            await asyncio.wait({reading, self._over}, return_when=asyncio.FIRST_COMPLETED)
            if self._over.done():
                self._over.result()
            if reading.done():
                reading.result()
        finally:
            reading.cancel()
            await self._connection.close()
            await self._socket.stop()

    # Lines

    async def _read(self, lines: asyncio.Queue[str | None]) -> None:
        number = 0
        while (text := await lines.get()) is not None:
            if not text.strip():
                continue
            number += 1
            try:
                line = read_line(text, number)
            except LineError as error:
                told = {"event": "error", "id": number, "code": "not_an_intent", "message": str(error)}
                self._tell(told, f"! {error}")
                continue
            self._waiting.append(line)
            self._send_waiting()
        self._input_ended = True
        self._see_whether_idle()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), GIVE_UP_WAITING)
        for line in [*self._waiting, *self._pointed.values()]:
            self._tell_receipt(line, Status.UNKNOWN, None, None, Reason.NONE, None, None)
        if self._waiting:
            few = "1 line was" if len(self._waiting) == 1 else f"{len(self._waiting)} lines were"
            raise PresentError("not_sent", f"{few} not sent: the host was not reached. Is it running?")

    def _send_waiting(self) -> None:
        while self._waiting:
            line = self._waiting[0]
            action = line.action
            if isinstance(action, Intent):
                number = self._connection.submit(action)
                taken = self._sent
            else:
                number = self._connection.point([action] if action is not None else [])
                taken = self._pointed
                if number is not None:
                    self._pointed_at[number] = monotonic()
            if number is None:
                return
            taken[number] = self._waiting.popleft()

    # What is heard

    def _path_changed(self, kind: str | None) -> None:
        self._path = kind
        if kind is None:
            self._tell({"event": "disconnected"}, "· no connection, trying again")
        else:
            ways = {"direct": "directly", "relayed": "through a relay", "signaling": "through the server"}
            words = self._connection.sas
            self._tell({"event": "connected", "path": kind, "words": words}, f"· connected {ways[kind]} ({words})")
        self._send_waiting()

    def _receipt(self, receipt: ReceiptArrived) -> None:
        line = self._sent.pop(receipt.sequence, None)
        if line is None:
            return
        self._tell_receipt(
            line, receipt.status, receipt.before, receipt.after, receipt.reason, receipt.elapsed, receipt.path
        )

    def _laser(self, answer: LaserAnswered) -> None:
        # The newest laser point speaks for those before it.
        for number in [number for number in self._pointed if number <= answer.sequence]:
            line = self._pointed.pop(number)
            elapsed = monotonic() - self._pointed_at.pop(number)
            self._tell_receipt(line, answer.status, None, None, answer.reason, elapsed, self._path)

    def _see_whether_idle(self) -> None:
        if self._input_ended and not (self._waiting or self._sent or self._pointed):
            self._idle.set()

    def _tell_receipt(
        self,
        line: Line,
        status: Status,
        before: int | None,
        after: int | None,
        reason: Reason,
        elapsed: float | None,
        path: str | None,
    ) -> None:
        told: dict[str, object] = {
            "event": "receipt",
            "id": line.id,
            "intent": line.text,
            "status": status.word,
            "from": before,
            "to": after,
            "ms": None if elapsed is None else round(elapsed * 1000, 1),
            "path": path.partition("/")[0] if path else None,
        }
        if reason is not Reason.NONE:
            told["reason"] = reason.word
        moved = "" if before is None else f" {before} → {after}"
        why = "" if reason is Reason.NONE else f" ({_WHY.get(reason, reason.word)})"
        took = "" if elapsed is None else f", {elapsed * 1000:.0f} ms"
        self._tell(told, f"{line.text}: {status.word}{moved}{why}{took}")
        self._see_whether_idle()

    def _state(self, state: State) -> None:
        pass  # the receipts say what happened; a screen of slides belongs to the browser

    def _closed(self, code: str, reason: str) -> None:
        self._tell({"event": "closed", "code": code, "reason": reason}, f"· {reason}")
        if not self._over.done():
            self._over.set_exception(PresentError(code, reason))

    def _tell(self, event: dict[str, object], words: str) -> None:
        print(json_line(event) if self._json else printable(words), file=self._out, flush=True)

    # Signaling

    def _receive(self, event: Event) -> None:
        tell(self._connection, event, self._socket.client.network)
        match event:
            case Lost(reason, retry_in):
                print(printable(f"{reason} Trying again in {retry_in:.1f} s."), file=sys.stderr)
            case Refused(code, message, True):
                self._closed(code, message)
            case Notice(text):
                self._tell({"event": "notice", "text": text}, f"· The server's operator: {text}")
            case _:
                pass


def read_stdin(lines: asyncio.Queue[str | None]) -> None:
    """Put every line of standard input into `lines`, then None. It is read by a thread: a terminal, a pipe and a file
    behave alike there."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            for line in sys.stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line)
        finally:
            loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, name="stdin", daemon=True).start()
