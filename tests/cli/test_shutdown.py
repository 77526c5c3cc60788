"""Signals: which ask a program to end, and which do not count."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from slidewire.cli.shutdown import stop_requested


@pytest.fixture
def hangup() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def _forget() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(number)


@pytest.mark.usefixtures("hangup")
async def test_a_terminal_that_closes_ends_the_show_in_good_order() -> None:
    asked = stop_requested()
    try:
        for _ in range(2):  # the shell says so, and the kernel
            os.kill(os.getpid(), signal.SIGHUP)
            async with asyncio.timeout(10):
                assert await asyncio.shield(asked) is signal.SIGHUP
    finally:
        _forget()


@pytest.mark.usefixtures("hangup")
async def test_not_for_who_started_it_with_nohup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    asked = stop_requested()
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await asked is signal.SIGTERM
    finally:
        _forget()
