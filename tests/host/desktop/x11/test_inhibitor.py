"""The X server's own screen saver, on a real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xcffib.screensaver

from slidewire.host.desktop.errors import DesktopError
from slidewire.host.desktop.x11.inhibitor import XInhibitor
from tests.support.decks import numbered_pdf
from tests.support.programs import programs
from tests.support.waiting import soon
from tests.support.xserver import XClient, x_client, x_server

pytestmark = pytest.mark.desktop


@pytest.fixture
def display() -> Iterator[str]:
    """Its screen saver comes after a second without input."""
    with x_server(window_manager=False) as name, x_client(name) as client:
        client.core.SetScreenSaver(1, 0, 1, 1)
        client.sync()
        yield name


def saver(client: XClient) -> Any:
    extension: Any = client.connection(xcffib.screensaver.key)
    return extension.QueryInfo(client.root).reply()


async def stays_on(client: XClient) -> bool:
    """Touch the mouse, and see whether the screen saver comes."""
    for x in (10, 20):
        client.fake(6, 0, x, 10)
    await soon(lambda: saver(client).state == 0, "the screen is on")
    await soon(lambda: saver(client).state == 1 or saver(client).ms_since_user_input > 1500, "the limit is over")
    return bool(saver(client).state == 0)


async def test_the_screen_saver_comes_when_nothing_is_held_and_not_before(display: str) -> None:
    inhibitor = XInhibitor(display)
    with x_client(display) as client:
        assert not await stays_on(client)
        await inhibitor.hold()
        assert await stays_on(client)
        await inhibitor.release()
        await soon(lambda: saver(client).state == 1, "the screen saver is on")
        await inhibitor.release()


async def test_a_running_show_keeps_its_screen_on_until_it_ends(display: str, tmp_path: Path) -> None:
    with x_client(display) as client:
        async with programs(tmp_path / "home") as slidewire:
            arguments = ("up", str(numbered_pdf(3)), "--no-open", "--listen", "127.0.0.1", "--port", "0")
            show = await slidewire.start(*arguments, environment={"DISPLAY": display})
            await show.ready()
            while not await stays_on(client):
                pass  # the host looks once a second whether a show runs
            assert await show.stop() == 0
            await soon(lambda: saver(client).state == 1, "the screen saver is on")


async def test_without_a_display_a_sentence_says_so() -> None:
    inhibitor = XInhibitor(":64000")
    with pytest.raises(DesktopError, match="check DISPLAY"):
        await inhibitor.hold()
    await inhibitor.release()
