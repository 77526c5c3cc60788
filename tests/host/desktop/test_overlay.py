"""The laser dot on a real X server: where it should be, above everything, in nobody's way, and gone after silence."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from slidewire.control.intents import Point
from slidewire.host.desktop.adapters import open_overlay
from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.geometry import Rectangle
from slidewire.host.desktop.overlay import SILENCE, Overlay
from tests.support.xserver import TestWindow, XClient, until, x_server

pytestmark = pytest.mark.desktop

SLIDE = 0x203040
BELOW = (0x20, 0x30, 0x40)
RED = (0xFF, 0x14, 0x14)
WHITE = (0xFF, 0xFF, 0xFF)
MIDDLE = Point(0.5, 0.5)


@pytest.fixture
def show(others: XClient) -> TestWindow:
    window = TestWindow(others, "Presenting: talk", "soffice Soffice", full_screen=True, colour=SLIDE)
    until(lambda: others.pixel(1270, 710) == BELOW, "the show fills the screen")
    return window


Opens = Callable[..., Overlay]


@pytest.fixture
async def opens(display: str) -> Iterator[Opens]:  # type: ignore[misc]
    opened: list[Overlay] = []

    def opens_one(area: Rectangle | None = None, aspect: float | None = None, loop: Any = None) -> Overlay:
        opened.append(open_overlay(loop or asyncio.get_running_loop(), lambda: area, aspect, display))
        return opened[-1]

    yield opens_one
    for overlay in opened:
        overlay.close()


async def soon(condition: Callable[[], bool], what: str, patience: float = 5.0) -> None:
    """Wait for it while the loop goes on."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:g} s in vain: {what}"
        await asyncio.sleep(0.005)


async def test_the_dot_is_where_it_was_pointed_and_moves(opens: Opens, others: XClient, show: TestWindow) -> None:
    overlay = opens()
    overlay.show(Point(0.25, 0.75))
    await soon(lambda: others.pixel(320, 540) == RED, "a red dot")
    assert others.pixel(320 - 8, 540) == WHITE, "with a white rim"
    assert others.pixel(320 - 8, 540 - 8) == BELOW, "round"
    overlay.show(Point(0.5, 0.25))
    await soon(lambda: others.pixel(640, 180) == RED, "the dot in its new place")
    await soon(lambda: others.pixel(320, 540) == BELOW, "nothing left in the old one")
    overlay.hide()
    await soon(lambda: others.pixel(640, 180) == BELOW, "no dot")


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
async def test_the_dot_reaches_every_corner(
    x: float, y: float, opens: Opens, others: XClient, show: TestWindow
) -> None:
    opens().show(Point(x, y))
    await soon(lambda: others.pixel(round(x * 1279), round(y * 719)) == RED, "a red dot in the corner")


class TimeByHand:
    """An event loop, but for its clock."""

    def __init__(self) -> None:
        self.now = 500.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.Handle:
        self.timers.append((when, callback))
        return asyncio.Handle(callback, (), asyncio.get_running_loop())

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        due = [callback for when, callback in self.timers if when <= self.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for callback in due:
            callback()

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio.get_running_loop(), name)


async def test_the_dot_goes_away_after_a_second_of_silence(opens: Opens, others: XClient, show: TestWindow) -> None:
    loop = TimeByHand()
    overlay = opens(loop=loop)
    for _ in range(6):  # for longer than the silence allowed: points keep it alive
        overlay.show(MIDDLE)
        await soon(lambda: others.pixel(640, 360) == RED, "a red dot")
        loop.pass_time(SILENCE / 4)
        assert others.pixel(640, 360) == RED
    overlay.show(MIDDLE)
    loop.pass_time(SILENCE - 0.01)
    assert others.pixel(640, 360) == RED
    loop.pass_time(0.02)
    await soon(lambda: others.pixel(640, 360) == BELOW, "no dot")
    overlay.show(MIDDLE)
    await soon(lambda: others.pixel(640, 360) == RED, "the dot again")


async def test_clicks_and_keys_go_to_the_window_below(opens: Opens, others: XClient, show: TestWindow) -> None:
    overlay = opens()
    overlay.show(MIDDLE)
    await soon(lambda: others.pixel(640, 360) == RED, "a red dot")
    assert others.focus() == show.id
    others.fake(6, 0, 640, 360)
    for kind in (4, 5):
        others.fake(kind, 1)
    assert show.next_clicks(1) == [1]
    assert others.pixel(640, 360) == RED
    assert others.focus() == show.id


async def test_it_stays_above_a_show_that_is_raised_after_it(opens: Opens, others: XClient, show: TestWindow) -> None:
    overlay = opens()
    overlay.show(MIDDLE)
    await soon(lambda: others.pixel(640, 360) == RED, "a red dot")
    second = await asyncio.to_thread(
        lambda: TestWindow(others, "Presenting: another", "soffice Soffice", full_screen=True, colour=0x005000)
    )
    await soon(lambda: others.pixel(100, 100) == (0, 0x50, 0), "the new show covers the old one")
    await soon(lambda: others.pixel(640, 360) == RED, "the dot above it, without a new point", SILENCE / 2)
    second.close()
    await soon(lambda: others.pixel(100, 100) == BELOW, "the old show")


async def test_two_dots_that_both_want_to_be_on_top_come_to_rest(
    opens: Opens, others: XClient, show: TestWindow
) -> None:
    first, second = opens(), opens()
    first.show(MIDDLE)
    second.show(MIDDLE)
    await soon(lambda: others.pixel(640, 360) == RED, "a red dot")
    await soon(lambda: others.pixel(640, 360) == BELOW, "silence, then no dot", 2 * SILENCE)


async def test_positions_are_of_the_slide_in_its_window(opens: Opens, others: XClient, show: TestWindow) -> None:
    overlay = opens(Rectangle(200, 100, 800, 600), 16 / 9)  # the slide is 800 x 450, 75 below the window's top
    overlay.show(Point(0.0, 0.0))
    await soon(lambda: others.pixel(200, 175) == RED, "a dot in the slide's corner")


async def test_nothing_is_left_after_closing(opens: Opens, others: XClient, show: TestWindow) -> None:
    overlay = opens()
    overlay.show(MIDDLE)
    await soon(lambda: others.pixel(640, 360) == RED, "a red dot")
    overlay.close()
    await soon(lambda: others.pixel(640, 360) == BELOW, "no dot")
    overlay.show(MIDDLE)
    overlay.close()
    others.sync()
    assert others.pixel(640, 360) == BELOW


async def test_the_end_of_the_desktop_does_not_end_the_show() -> None:
    server = x_server(window_manager=False)
    display = server.__enter__()
    overlay = open_overlay(asyncio.get_running_loop(), display=display)
    overlay.show(MIDDLE)
    server.__exit__(None, None, None)
    for _ in range(3):
        overlay.show(MIDDLE)
        await asyncio.sleep(0.01)
    overlay.close()


async def test_without_a_display_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(DesktopError, match="use the laser of the impress or the web deck"):
        open_overlay(asyncio.get_running_loop())
