"""While a show runs the host's screen stays on; before and after it may sleep."""

import asyncio
import logging

import pytest

from slidewire.host.desktop.errors import DesktopError
from slidewire.host.show.keep_awake import KeepAwake


class Memory:
    def __init__(self, *, fails: bool = False) -> None:
        self.is_held = False
        self.times = 0
        self._fails = fails

    async def hold(self) -> None:
        await asyncio.sleep(0)
        if self._fails:
            raise DesktopError("nobody is there")
        self.is_held = True
        self.times += 1

    async def release(self) -> None:
        await asyncio.sleep(0)
        self.is_held = False


async def settle() -> None:
    for _ in range(9):
        await asyncio.sleep(0)


async def test_it_is_held_while_a_show_runs_and_no_longer() -> None:
    running = False
    one, other = Memory(), Memory()
    feature = KeepAwake(lambda: running, [one, other])
    for running, times in ((False, 0), (True, 1), (True, 1), (False, 1), (True, 2)):
        feature.handle_timer(0.0)
        await settle()
        assert (one.is_held, other.is_held, one.times) == (running, running, times)
    await feature.close()
    assert not one.is_held and not other.is_held


async def test_the_end_waits_for_what_is_under_way() -> None:
    memory = Memory()
    feature = KeepAwake(lambda: True, [memory])
    feature.handle_timer(0.0)
    await feature.close()
    assert (memory.times, memory.is_held) == (1, False)


async def test_one_that_works_is_enough_and_none_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    memory = Memory()
    feature = KeepAwake(lambda: True, [Memory(fails=True), memory])
    feature.handle_timer(0.0)
    await settle()
    assert memory.is_held and not caplog.messages
    await feature.close()
    alone = KeepAwake(lambda: True, [Memory(fails=True)])
    alone.handle_timer(0.0)
    alone.handle_timer(1.0)
    await settle()
    assert [message for message in caplog.messages if "stay awake" in message] == caplog.messages
    assert len(caplog.messages) == 1
    await alone.close()


async def test_where_there_is_nothing_to_ask_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    feature = KeepAwake(lambda: True, [])
    feature.handle_timer(0.0)
    await settle()
    await feature.close()
    assert not caplog.messages
