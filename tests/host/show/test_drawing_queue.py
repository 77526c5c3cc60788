import asyncio

from slidewire.host.show.drawing_queue import SECONDS, DrawingQueue


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def draw(turns: DrawingQueue, drawn: list[str], link: str, session: int, *, may_click: bool = False) -> None:
    async with turns.turn(link, session, may_click=may_click):
        drawn.append(f"{link}{session}")
        await asyncio.sleep(0)


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_one_at_a_time_who_may_click_first_and_links_in_turn() -> None:
    turns, drawn = DrawingQueue(Clock()), list[str]()
    async with turns.turn("x", 0, may_click=False):
        tasks = [asyncio.create_task(draw(turns, drawn, "flood", session)) for session in (1, 2, 3)]
        await settle()
        tasks += [
            asyncio.create_task(draw(turns, drawn, "deck", 4)),
            asyncio.create_task(draw(turns, drawn, "speaker", 5, may_click=True)),
        ]
        await settle()
        assert drawn == []
    await asyncio.gather(*tasks)
    assert drawn == ["speaker5", "flood1", "deck4", "flood2", "flood3"]


async def test_who_leaves_while_it_waits_or_draws_holds_up_nobody() -> None:
    turns, drawn = DrawingQueue(Clock()), list[str]()
    async with turns.turn("x", 0, may_click=False):
        waiting = asyncio.create_task(draw(turns, drawn, "a", 1))
        after = asyncio.create_task(draw(turns, drawn, "b", 2))
        await settle()
        waiting.cancel()
        await settle()
    await after
    called = asyncio.create_task(draw(turns, drawn, "c", 3))
    await asyncio.sleep(0)
    called.cancel()
    await settle()
    await draw(turns, drawn, "d", 4)
    assert drawn[0] == "b2" and drawn[-1] == "d4"


async def test_a_link_that_has_drawn_for_long_waits_and_another_does_not() -> None:
    clock = Clock()
    turns, drawn = DrawingQueue(clock), list[str]()
    async with turns.turn("flood", 1, may_click=False):
        clock.now += SECONDS.burst + 2.0
    more = asyncio.create_task(draw(turns, drawn, "flood", 1))
    await settle()
    await draw(turns, drawn, "deck", 2)
    assert drawn == ["deck2"] and not more.done()
    more.cancel()
    clock.now += 2.0 / SECONDS.per_second + 0.1
    await draw(turns, drawn, "flood", 1)
    assert drawn == ["deck2", "flood1"]
