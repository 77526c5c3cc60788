"""Connections that nobody wants, in numbers, and what is left for the others."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket
from collections import Counter
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from slidewire.aio import accept
from slidewire.aio.accept import _AT_ONCE, Acceptor
from slidewire.base.addresses import SocketAddress

EVE, ADA = "127.0.0.66", "127.0.0.67"


def dial(address: str, port: int) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    made.bind((address, 0))
    made.connect_ex(("127.0.0.1", port))
    return made


async def test_who_is_refused_in_numbers_leaves_the_others_their_turn_and_nobody_is_forgotten() -> None:
    welcomed, turn = asyncio.Event(), 0
    refused: Counter[int] = Counter()

    async def welcome(accepted: socket.socket) -> None:
        accepted.close()
        welcomed.set()

    def begin(accepted: socket.socket, remote: SocketAddress) -> Coroutine[Any, Any, None] | None:
        if remote[0] == ADA:
            return welcome(accepted)
        refused[turn] += 1
        return None

    acceptor = Acceptor(begin)
    port = acceptor.open("127.0.0.1", 0)[1]
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(dial(EVE, port))
        stack.enter_context(dial(ADA, port))
        async with asyncio.timeout(20):
            while not welcomed.is_set():
                turn += 1
                await asyncio.sleep(0)
    await acceptor.close()
    assert refused.total() == 100 and max(refused.values()) == _AT_ONCE
    turns = sorted(refused)
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(turns)), "and a rest in between"


class Full:
    """A listening socket from which nothing can be accepted for a while."""

    def __init__(self, real: socket.socket, number: int) -> None:
        self._real, self._number = real, number
        self.asked = 0
        self.full = True

    def accept(self) -> tuple[socket.socket, SocketAddress]:
        if self.full:
            self.asked += 1
            raise OSError(self._number, os.strerror(self._number))
        return self._real.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize(
    ("number", "way_out"), [(errno.EMFILE, "LimitNOFILE="), (errno.ENFILE, "fs.file-max"), (errno.ENOMEM, "memory")]
)
async def test_where_there_are_no_more_files_it_waits_and_then_goes_on(
    number: int, way_out: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "_REST_SECONDS", 0.1)
    welcomed = asyncio.Event()

    async def welcome(accepted: socket.socket) -> None:
        accepted.close()
        welcomed.set()

    acceptor = Acceptor(lambda accepted, remote: welcome(accepted))
    listening = Full(accept.listen_tcp("127.0.0.1", 0), number)
    port = acceptor.adopt(cast("socket.socket", listening))[1]
    with dial(ADA, port):
        turns = 0
        async with asyncio.timeout(20):
            while listening.asked < 3:
                turns += 1
                await asyncio.sleep(0.001)
            assert turns > 2 * listening.asked, "it is not asked again at each turn of the loop"
            listening.full = False
            await welcomed.wait()
    await acceptor.close()
    assert caplog.text.count("No connection is accepted for a moment") == 1 and way_out in caplog.text
