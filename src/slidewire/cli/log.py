"""The one place that all logs go through, ours and those of libraries: one line each, bounded, and without secrets.

Anything in a record may have been written by a stranger. So every line is made printable, cut to a length, and cleared
of what looks like a credential. The same message, whatever its values, is written a few times, then seldom; the next
one says how often it was left out. What the other end of a connection did wrong has no traceback: that is for
our own mistakes, and is marked so that none of its lines looks like one of the log. No caller waits until it is read.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import io
import logging
import os
import queue
import re
import ssl
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Protocol

from slidewire.base.rates import Bucket, Buckets, Rate
from slidewire.base.text import printable

LINE_CHARACTERS: Final = 1000
TRACEBACK_LINES: Final = 40
FRAMES: Final = 12
LINES: Final = Rate(0.5, 20)
"""How often one message is written."""
TRACEBACKS: Final = Rate(1 / 60, 5)
"""How often a message with a traceback is written."""
ALL_LINES: Final = Rate(20, 400)
"""How often all of them are written, together."""
LINES_WAITING: Final = 1000
"""For a reader that is slower than what is written."""
LAST_LINES_WITHIN: Final = 1.0
"""Seconds that the program's end waits for its last lines to be written."""
_MESSAGES: Final = 256
"""How many are counted apart. The one that was quiet longest is forgotten."""
_VERBOSE_LIBRARIES: Final = ("aioice", "aiortc")
"""They log every packet, with -vvv."""

_NAMES: Final = "token|key|secret|password|passwd|credential|auth|resume"
_CREDENTIALS: Final = (
    (re.compile(r"(?i)\b(bearer|basic|digest)\s+[^\s,;'\"]+"), r"\1 …"),
    (re.compile(r"(?i)\b(authorization|(?:set-)?cookie|x-api-key)(['\"]?\s*[:=]\s*['\"]?)[^\s'\"][^'\"]*"), r"\1\2…"),
    (re.compile(r"\b(sw[a-z]_)[\w-]+"), r"\1…"),
    (re.compile(r"(://)[^/\s@]*@"), r"\1…@"),
    (re.compile(r"((?:://|/p/|/account|/operator|/deck|/program)[^\s#'\"<>]*)#[^\s'\"<>)]+"), r"\1#…"),
    (re.compile(rf"(?i)([?&;]\w*(?:{_NAMES})=)[^\s&;'\"]+"), r"\1…"),
    (re.compile(rf"(?i)((?:{_NAMES})['\"]\s*:\s*['\"])[^'\"]*"), r"\1…"),
)  # fmt: skip
"""Nothing that is logged on purpose has any of these. This is for what was not meant to be logged."""


def without_credentials(text: str) -> str:
    for pattern, put in _CREDENTIALS:
        text = pattern.sub(put, text)
    return text


def _line(text: str, most: int = LINE_CHARACTERS) -> str:
    more = len(text) - most
    shown = printable(without_credentials(text[: 2 * most]))[: 2 * most]
    return shown if more <= 0 else f"{shown[:most]}… ({more} more characters)"


class LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  values that do not fit: what was meant is better than nothing
            message = str(record.msg)
        said = f"{self.formatTime(record)} {record.levelname[:1]} {record.name}: {_line(message)}"
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return said
        if _is_of_the_other_end(error):
            return f"{said} ({type(error).__name__})"
        return "\n".join([said, *(f"  | {line}" for line in _explained(error))])

    def formatException(self, ei: Any) -> str:  # noqa: N802  logging's own name
        return ""


def _is_of_the_other_end(error: BaseException) -> bool:
    """Whether only a peer, or the network, can be the cause."""
    if isinstance(error, ConnectionError | ssl.SSLError | TimeoutError | asyncio.IncompleteReadError):
        return True
    return any(kind.__module__.startswith("aiohttp.") for kind in type(error).__mro__)


def _explained(error: BaseException) -> list[str]:
    told = traceback.TracebackException(type(error), error, error.__traceback__, limit=-FRAMES, compact=True)
    lines = [line for chunk in told.format() for line in chunk.splitlines()]
    if len(lines) > TRACEBACK_LINES:
        lines[TRACEBACK_LINES // 2 : -TRACEBACK_LINES // 2] = ["…"]
    return [_line(line, 300) for line in lines]


class Writable(Protocol):
    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class WrittenBehind:
    """A text stream to a file descriptor whose `write` does not wait for who reads at its other end.

    A terminal that is paused with Ctrl-S, or a pipe to a program that has stopped, takes nothing more: what writes
    to it stands still, and with it a show. Here a thread does that. What no longer fits is left out and counted.
    """

    def __init__(self, to: int, encoding: str = "utf-8", most: int = LINES_WAITING) -> None:
        self._to, self._encoding = to, encoding
        self._waiting: queue.Queue[str] = queue.Queue(most)
        self._left_out = 0
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def write(self, text: str) -> int:
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            self._left_out += 1
        return len(text)

    def flush(self) -> None:
        """Nothing waits for a reader; see `finish`."""

    def finish(self, within: float) -> None:
        """Wait until everything is written, but no longer than so many seconds."""
        deadline = time.monotonic() + within
        while self._waiting.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.005)

    def _write(self) -> None:
        told = 0
        while True:
            text = self._waiting.get()
            if left_out := self._left_out - told:
                told += left_out
                text += f"{left_out} lines were left out: what was written here was not read\n"
            data = text.encode(self._encoding, "backslashreplace")
            with contextlib.suppress(OSError):  # its reader is gone, or its disk is full: this cannot be reported
                while data:
                    data = data[os.write(self._to, data) :]
            self._waiting.task_done()


class LogHandler(logging.StreamHandler[Writable]):
    """Writes lines to `stream`, and not too many. `now` is monotonic."""

    def __init__(self, stream: Writable, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self.setFormatter(LineFormatter())
        self._now = now
        self._lines: Buckets[tuple[str, str]] = Buckets(LINES, _MESSAGES)
        self._tracebacks: Buckets[tuple[str, str]] = Buckets(TRACEBACKS, _MESSAGES)
        self._all = Bucket(ALL_LINES)
        self._left_out: dict[tuple[str, str], int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in _VERBOSE_LIBRARIES and record.levelno < logging.WARNING:
            super().emit(record)
            return
        key = record.name, str(record.msg)[:LINE_CHARACTERS]
        buckets = self._tracebacks if record.exc_info else self._lines
        now = self._now()
        if buckets.take(key, now) > 0 or self._all.take(now) > 0:
            if key not in self._left_out and len(self._left_out) >= _MESSAGES:
                key = "", "other messages"
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return
        super().emit(record)
        self._tell_left_out(key)
        self._tell_left_out(("", "other messages"))

    def close(self) -> None:
        """What was left out at the end is counted, too."""
        for key in list(self._left_out):
            self._tell_left_out(key)
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own name
        """The log's reader is gone, or its disk is full. This cannot be reported."""

    def _tell_left_out(self, key: tuple[str, str]) -> None:
        count = self._left_out.pop(key, 0)
        if count:
            text = f"{count} more like it were left out: {key[1]}"
            super().emit(logging.LogRecord(key[0] or __name__, logging.WARNING, "", 0, text, (), None))


def log_to_stderr(verbose: int) -> None:
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=level, handlers=[LogHandler(_standard_error())])
    logging.captureWarnings(True)
    sys.unraisablehook = _unraisable
    if verbose < 3:
        # These narrate addresses and packets; they are for hunting a bug in them.
        for noisy in ("aioice", "aiortc", "aiohttp", "asyncio"):
            logging.getLogger(noisy).setLevel(logging.WARNING if noisy == "asyncio" else logging.ERROR)


def _standard_error() -> Writable:
    try:
        to = sys.stderr.fileno()
    except io.UnsupportedOperation:  # something in this process that takes what is written
        return sys.stderr
    behind = WrittenBehind(to, sys.stderr.encoding)
    atexit.register(behind.finish, LAST_LINES_WITHIN)
    return behind


def keep_addresses_out_of_the_log() -> None:
    """At every level of detail: the WebRTC library logs each address it sees, the other end's too."""
    for name in _VERBOSE_LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)


def _unraisable(said: Any) -> None:
    """What failed where no caller could catch it, such as in a destructor."""
    found: tuple[type[BaseException], BaseException, TracebackType | None] | None = None
    if said.exc_value is not None:
        found = type(said.exc_value), said.exc_value, said.exc_traceback
    logging.getLogger(__name__).error(
        "%s", said.err_msg or "something failed while it was cleared away", exc_info=found
    )
