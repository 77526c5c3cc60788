"""Every record of every logger, as it is written: one line, bounded, and nothing in it that is not to be seen."""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Callable, Iterator

import pytest
from aiohttp import http_exceptions

from slidewire.cli.log import LINE_CHARACTERS, LINES, TRACEBACKS, LogHandler, WrittenBehind, without_credentials


class Log:
    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.now = 1000.0
        self.handler = LogHandler(self.stream, lambda: self.now)
        self.logger = logging.getLogger("somebody.elses.library")
        self.logger.propagate = False
        self.logger.setLevel(logging.DEBUG)
        self.logger.addHandler(self.handler)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.logger.removeHandler(made.handler)


def fail(error: BaseException) -> None:
    raise error


def failing(log: Log, error: BaseException) -> None:
    try:
        fail(error)
    except type(error):
        log.logger.exception("it failed")


def test_a_line_stays_one_line(log: Log) -> None:
    log.logger.warning("%s says hello", "Eve\n2026-01-01 00:00:00,000 W slidewire: forged\x1b[2J\u202e")
    (line,) = log.lines
    assert "Eve\\u000a2026" in line and "\\u001b[2J\\u202e says hello" in line


def test_a_long_line_is_cut_and_says_so(log: Log) -> None:
    log.logger.warning("a path: %s", "a" * 100_000)
    (line,) = log.lines
    assert len(line) < LINE_CHARACTERS + 200 and line.endswith("more characters)")


def test_what_cannot_be_put_together_is_written_as_it_is(log: Log) -> None:
    log.handler.handle(logging.LogRecord("a.library", logging.WARNING, "", 0, "%d apples", ("many",), None))
    assert log.lines[0].endswith("%d apples")


def test_our_own_mistake_has_a_traceback_of_which_no_line_looks_like_one_of_the_log(log: Log) -> None:
    failing(log, ValueError("first\n2026-01-01 00:00:00,000 W slidewire: forged\n\x1b[2J"))
    first, *others = log.lines
    assert first.endswith("it failed") and any("ValueError: first" in line for line in others)
    assert any("in fail" in line for line in others), "it says where"
    assert all(line.startswith("  | ") for line in others) and "\x1b" not in log.stream.getvalue()


@pytest.mark.parametrize(
    "error",
    [
        http_exceptions.BadStatusLine("\x16\x03\x01 swk_secret"),
        http_exceptions.LineTooLong("a" * 100),
        ConnectionResetError(104, "swk_secret"),
        TimeoutError(),
    ],
)
def test_what_the_other_end_did_wrong_has_none(log: Log, error: Exception) -> None:
    failing(log, error)
    (line,) = log.lines
    assert line.endswith(f"it failed ({type(error).__name__})")


def test_a_traceback_has_an_end(log: Log) -> None:
    def deeper(count: int) -> None:
        if count == 0:
            raise ValueError("a" * 100_000)
        deeper(count - 1)

    try:
        deeper(500)
    except ValueError:
        log.logger.exception("it failed")
    assert len(log.stream.getvalue()) < 10_000


def repeated(log: Log, say: Callable[[int], None], count: int) -> int:
    before = len(log.lines)
    for number in range(count):
        say(number)
    return len(log.lines) - before


def test_the_same_message_is_written_a_few_times_and_the_rest_is_counted(log: Log) -> None:
    assert repeated(log, lambda number: log.logger.warning("%s is here", number), 1000) == LINES.burst
    log.logger.warning("another")
    assert log.lines[-1].endswith("another"), "and keeps nothing else from being written"
    log.now += 1 / LINES.per_second
    log.logger.warning("%s is here", "Ada")
    assert log.lines[-2].endswith("Ada is here")
    assert log.lines[-1].endswith(f"{1000 - LINES.burst} more like it were left out: %s is here")


def test_tracebacks_are_dearer(log: Log) -> None:
    for _ in range(100):
        failing(log, ValueError("no"))
    assert sum("it failed" in line for line in log.lines if not line.startswith("  |")) == TRACEBACKS.burst
    log.handler.close()
    assert log.lines[-1].endswith(f"{100 - TRACEBACKS.burst} more like it were left out: it failed")


def test_messages_without_end_are_bounded_all_together(log: Log) -> None:
    for number in range(5000):
        log.logger.warning(f"{number}")  # noqa: G004  a library that does it so
    assert len(log.lines) < 500
    log.handler.close()
    assert any("more like it were left out: other messages" in line for line in log.lines)
    assert len(log.lines) < 1000


SECRET = "s3cr3tS3CR3Ts3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        f"https://clicker.example/p/abcdefgh23#{SECRET}",
        f"GET /p/abcdefgh23#{SECRET} HTTP/1.1",
        f"https://clicker.example/account#swi_{SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"{{'Authorization': 'Bearer {SECRET}', 'Host': 'x'}}",
        f"Proxy-Authorization: Basic {SECRET}",
        f"Cookie: slidewire={SECRET}; other={SECRET}",
        f"Cannot connect to proxy http://me:{SECRET}@proxy.example:3128",
        f"/api/turn-credentials?username=ada&token={SECRET}",
        f'{{"type":"join","token":"{SECRET}"}}',
        f'{{"username": "1:room/x", "credential": "{SECRET}"}}',
        f"a key such as swk_{SECRET} is not known",
        f"api_key='/x?api_key={SECRET}'",
    ],
)
def test_what_looks_like_a_credential_is_not_written(text: str) -> None:
    assert SECRET not in without_credentials(text)


def test_what_does_not_stays() -> None:
    for text in ("room ABCD is open", "https://clicker.example:8443/p/abcdefgh23", "C:\\slides\\talk #3.pdf", "#1"):
        assert without_credentials(text) == text


def read_all(pipe: int, until: str) -> str:
    """Whatever comes, up to and with `until`."""
    found, deadline = b"", time.monotonic() + 60
    while until.encode() not in found and time.monotonic() < deadline:
        found += os.read(pipe, 1 << 20)
    return found.decode()


def test_who_writes_does_not_wait_for_who_reads_and_is_told_what_was_left_out() -> None:
    reading, writing = os.pipe()
    try:
        behind = WrittenBehind(writing, most=8)
        for number in range(3000):  # of a hundred bytes: four times what a pipe holds
            behind.write(f"{number:099d}\n")
        behind.finish(0)
        behind.write(f"{3000:099d}\n")
        first = read_all(reading, "left out").splitlines()
        behind.finish(60)
        behind.write("the last\n")
        rest = read_all(reading, "the last\n").splitlines()
    finally:
        os.close(reading)
    lines = [*first, *rest]
    # Which are left out depends on when the thread has its turn.
    written = [int(line) for line in lines if line.isdigit()]
    assert written == sorted(set(written)) and written[:8] == list(range(8))
    counts = [int(line.split()[0]) for line in lines if "left out" in line]
    assert len(written) + sum(counts) == 3001 and lines[-1] == "the last"


def test_a_reader_that_is_gone_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    behind = WrittenBehind(writing)
    behind.write("nobody reads this\n")
    behind.finish(60)
    behind.write("nor this\n")
    behind.finish(60)
    os.close(writing)
