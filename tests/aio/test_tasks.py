"""Tasks that end with their owner."""

import asyncio

import pytest

from slidewire.aio.tasks import Tasks


async def test_finish_waits_also_for_what_is_started_meanwhile() -> None:
    tasks, done = Tasks(), []

    async def second() -> None:
        done.append("second")

    async def first() -> None:
        await asyncio.sleep(0)
        tasks.start(second())
        done.append("first")

    tasks.start(first())
    await tasks.finish()
    assert done == ["first", "second"]


async def test_finish_gives_up_and_cancel_ends_the_rest() -> None:
    tasks = Tasks()
    task = tasks.start(asyncio.Event().wait(), "waits")  # type: ignore[arg-type]
    await tasks.finish(within=0.0)
    assert not task.done() and task.get_name() == "waits"
    await tasks.cancel()
    assert task.cancelled()


async def test_a_task_may_ask_that_all_of_them_end() -> None:
    tasks = Tasks()

    async def work() -> None:
        tasks.request_cancel()
        await asyncio.sleep(3600)

    task = tasks.start(work())
    await tasks.finish()
    assert task.cancelled()


async def test_a_failure_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks()

    async def fails() -> None:
        raise ValueError("broken")

    tasks.start(fails())
    await tasks.finish()
    assert "fails" in caplog.text and "broken" in caplog.text
