"""Connections that nobody wants, in numbers, and what is left for the others."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from slidewire.aio.accept import _AT_ONCE, Acceptor, SocketAddress

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
        async with asyncio.timeout(10):
            while not welcomed.is_set():
                turn += 1
                await asyncio.sleep(0)
    await acceptor.close()
    assert refused.total() == 100 and max(refused.values()) == _AT_ONCE
    turns = sorted(refused)
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(turns)), "and a rest in between"
