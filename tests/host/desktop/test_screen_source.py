from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import xcffib
import xcffib.randr
from PIL import Image
from xcffib import xproto

from slidewire.host.desktop.adapters import list_screens, open_screen
from slidewire.host.desktop.errors import ScreenError
from slidewire.host.desktop.mss.monitors import MonitorSource
from slidewire.host.desktop.screen_source import Picture
from slidewire.host.media.screen.share import ScreenShare
from slidewire.media.frames import Codec, Frame
from tests.support.pictures import Decoder, as_image, likeness, slide
from tests.support.xserver import TestWindow, XClient, until, x_client, x_server

pytestmark = pytest.mark.desktop

RED, GREEN, BLUE = (0xFF0000, 0x00FF00, 0x0000FF)


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with x_server("1280x720") as name:
        yield name


@pytest.fixture
def client(display: str) -> Iterator[XClient]:
    with x_client(display) as client:
        yield client


def paint(client: XClient, image: Image.Image, x: int = 0, y: int = 0, window: int | None = None) -> None:
    """Put a picture there, above all windows unless one is named."""
    drawable = client.root if window is None else window
    context = client.connection.generate_id()
    client.core.CreateGC(context, drawable, xproto.GC.SubwindowMode, [xproto.SubwindowMode.IncludeInferiors])
    raw = image.convert("RGBX").tobytes("raw", "BGRX")
    rows = 40  # a request may have 256 KB
    for top in range(0, image.height, rows):
        height = min(rows, image.height - top)
        part = raw[top * image.width * 4 : (top + height) * image.width * 4]
        client.core.PutImage(
            xproto.ImageFormat.ZPixmap, drawable, context, image.width, height, x, y + top, 0, 24, len(part), part
        )
    client.core.FreeGC(context)
    client.sync()


def colour(picture: Picture, x: int, y: int) -> int:
    at = (y * picture.width + x) * 4
    blue, green, red = picture.pixels[at : at + 3]
    return red << 16 | green << 8 | blue


@contextmanager
def monitors(client: XClient, *areas: tuple[int, int, int, int]) -> Iterator[None]:
    """Divide the screen into monitors of those places and sizes."""
    randr: Any = client.connection(xcffib.randr.key)
    names = [client.atom(f"slidewire-{number}") for number in range(len(areas))]
    output = randr.GetScreenResources(client.root).reply().outputs[0]
    for name, (x, y, width, height) in zip(names, areas, strict=True):
        # The first one takes the real output, so that what the server made of it by itself goes away.
        outputs = [output] if name == names[0] else []
        monitor_info: Any = xcffib.randr.MonitorInfo
        info = monitor_info.synthetic(
            name, name == names[0], False, len(outputs), x, y, width, height, 300, 200, outputs
        )
        randr.SetMonitor(client.root, info, is_checked=True).check()
    try:
        yield
    finally:
        for name in names:
            try:
                randr.DeleteMonitor(client.root, name, is_checked=True).check()
            except xcffib.Error:
                continue  # it is gone already
        client.sync()


def test_the_picture_is_what_the_screen_shows(display: str, client: XClient) -> None:
    client.core.WarpPointer(0, client.root, 0, 0, 0, 0, 1279, 719)
    paint(client, slide(4, 1280, 720))
    capture = open_screen("screen", display)
    picture = capture.grab()
    capture.close()
    assert (picture.width, picture.height) == (1280, 720)
    assert likeness(as_image(picture), client.picture()) > 45, "but for the pointer"
    assert likeness(as_image(picture), slide(4, 1280, 720)) > 45


def test_the_pointer_is_seen(display: str, client: XClient) -> None:
    paint(client, Image.new("RGB", (1280, 720), "white"))
    TestWindow(client, "gives a pointer", colour=0xFFFFFF, area=(0, 0, 1280, 720))
    capture = open_screen("1", display)
    seen = []
    for place in ((300, 300), (800, 500)):
        client.core.WarpPointer(0, client.root, 0, 0, 0, 0, *place)
        client.sync()
        picture = capture.grab()
        x, y = place
        seen.append(any(colour(picture, x + dx, y + dy) != 0xFFFFFF for dx in range(8) for dy in range(8)))
        other = (800, 500) if place == (300, 300) else (300, 300)
        assert colour(picture, *other) == 0xFFFFFF
    capture.close()
    assert seen == [True, True]


def test_a_monitor_has_its_own_picture_and_may_come_and_go(display: str, client: XClient) -> None:
    paint(client, Image.new("RGB", (640, 720), "red"))
    paint(client, Image.new("RGB", (640, 720), "blue"), 640)
    with pytest.raises(ScreenError, match=r"monitor 2 is not there .*only monitor 1.*plug it in"):
        open_screen("2", display)
    capture = MonitorSource(2, display)
    with monitors(client, (0, 0, 640, 720), (640, 0, 600, 400)):
        assert [(it.choice, it.width, it.height) for it in list_screens(display)][:3] == [
            ("screen", 1280, 720),
            ("1", 640, 720),
            ("2", 600, 400),
        ]
        picture = capture.grab()
        assert (picture.width, picture.height, colour(picture, 20, 20)) == (600, 400, BLUE)
        first = open_screen("1", display).grab()
        assert (first.width, first.height, colour(first, 20, 20)) == (640, 720, RED)

    def says_missing() -> bool:
        try:
            capture.grab()
        except ScreenError as error:
            return "monitor 2 is not there" in str(error)
        return False

    until(says_missing, "it is seen that the monitor has gone")
    with monitors(client, (0, 0, 640, 720), (640, 0, 500, 300)):
        picture = capture.grab()
        assert (picture.width, picture.height) == (500, 300), "back, with another size"
    capture.close()


def test_a_window_is_found_by_a_part_of_its_title_and_nothing_above_it_is_seen(display: str, client: XClient) -> None:
    window = TestWindow(client, "Quarterly Numbers – Viewer", colour=GREEN, area=(50, 60, 400, 300))
    capture = open_screen("quarterly", display)
    cover = TestWindow(client, "private mail", colour=RED, full_screen=True)
    until(lambda: client.picture().getextrema() == ((255, 255), (0, 0), (0, 0)), "the whole screen is covered")
    picture = capture.grab()
    assert (picture.width, picture.height) == (400, 300)
    assert as_image(picture).getextrema() == ((0, 0), (255, 255), (0, 0)), "green all over"

    client.core.ConfigureWindow(window.id, xproto.ConfigWindow.Width | xproto.ConfigWindow.Height, [320, 200])
    client.sync()
    until(lambda: sees(capture) == (320, 200), "its new size is seen")
    client.core.UnmapWindow(window.id)
    client.sync()
    until(lambda: "show it again" in problem(capture), "it is out of sight")
    client.core.MapWindow(window.id)
    client.sync()
    until(lambda: sees(capture) == (320, 200), "it is there again")

    client.core.DestroyWindow(window.id)
    client.sync()
    until(lambda: "no window has “quarterly” in its title" in problem(capture), "it is closed")
    assert "“private mail”" in problem(capture), "what there is instead is said"
    again = TestWindow(client, "QUARTERLY again", colour=BLUE, area=(0, 0, 200, 100))
    until(lambda: sees(capture) == (200, 100), "another of that title takes its place")
    capture.close()
    for it in (cover, again):
        client.core.DestroyWindow(it.id)
    client.sync()


def sees(capture: Any) -> tuple[int, int] | None:
    try:
        picture = capture.grab()
    except ScreenError:
        return None
    return picture.width, picture.height


def problem(capture: Any) -> str:
    try:
        capture.grab()
    except ScreenError as error:
        return str(error)
    return ""


def test_a_window_without_shared_memory_looks_the_same(client: XClient) -> None:
    with (
        x_server("640x480", window_manager=False, arguments=("-extension", "MIT-SHM")) as display,
        x_client(display) as other,
    ):
        window = TestWindow(other, "no shared memory", area=(10, 10, 320, 200))
        paint(other, slide(5, 320, 200), window=window.id)
        capture = open_screen("shared memory", display)
        assert likeness(as_image(capture.grab()), slide(5, 320, 200)) == 99
        capture.close()


def test_windows_are_listed(display: str, client: XClient) -> None:
    window = TestWindow(client, "a listed window", area=(0, 0, 333, 222))
    assert ("a listed window", 333, 222) in [(it.choice, it.width, it.height) for it in list_screens(display)]
    client.core.DestroyWindow(window.id)
    client.sync()


def test_what_cannot_be_shared_is_said_with_what_to_do(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ScreenError, match=r"DISPLAY is not set.*inside the session"):
        open_screen()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(ScreenError, match=r"Wayland.*log in with an Xorg"):
        list_screens()
    with pytest.raises(ScreenError, match=r"cannot be opened.*check DISPLAY"):
        open_screen("screen", ":4711")
    with pytest.raises(ScreenError, match=r"cannot be opened.*check DISPLAY"):
        open_screen("some window", ":4711")
    with pytest.raises(ScreenError, match=r"no window has “no such” in its title"):
        open_screen("no such", display)


class _Library:
    """In place of mss, for systems that are not here."""

    monitors: ClassVar = [{"width": 640, "height": 480}, {"width": 640, "height": 480, "output": "XWAYLAND0"}]
    closed = 0

    def __init__(self, **_: object) -> None: ...

    def close(self) -> None:
        type(self).closed += 1


def test_an_x_server_inside_a_wayland_session_is_not_taken_for_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mss.MSS", _Library)
    with pytest.raises(ScreenError, match=r"Wayland.*looks black.*log in with an Xorg"):
        open_screen("screen", ":0")
    assert _Library.closed == 1


def test_a_system_that_no_longer_has_what_the_library_calls_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_: object) -> None:
        raise AttributeError("symbol not found")

    monkeypatch.setattr("mss.MSS", missing)
    with pytest.raises(ScreenError, match=r"cannot be opened \(symbol not found\)"):
        list_screens(":0")


@pytest.mark.parametrize("choice", ["screen", "slides"])
def test_a_session_that_ends_is_said(choice: str) -> None:
    with x_server("640x480", window_manager=False) as display, x_client(display) as client:
        TestWindow(client, "slides", area=(0, 0, 300, 200))
        capture = open_screen(choice, display)
        assert capture.grab().width in (640, 300)
    assert re.search("session|cannot be opened", problem(capture))
    assert "cannot be opened" in problem(capture), "and asking on does not hurt"
    capture.close()


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.H264])
async def test_from_the_screen_to_a_receiver(codec: Codec) -> None:
    """What moves on a real screen arrives decoded as it is there; while nothing moves, nothing is sent but repeats."""
    with x_server("640x360", window_manager=False) as display, x_client(display) as client:
        paint(client, slide(1))
        own_eyes = open_screen("screen", display)  # which see the pointer, too
        share = ScreenShare(open_screen("screen", display))
        receiver = _Receiver(codec)
        share.start()
        share.watch(receiver, codec, 4_000_000)
        try:
            for number in range(2, 4):
                paint(client, slide(number))
                await _until(lambda: receiver.sees(as_image(own_eyes.grab()), 38))
            wanted, step = len(receiver.frames) + 6, 0
            async with asyncio.timeout(30):
                while len(receiver.frames) < wanted:
                    paint(client, slide(step % 20, 80, 45), 20 * (step % 20), 150)
                    step += 1
                    await asyncio.sleep(0.03)
            await _until(lambda: receiver.sees(as_image(own_eyes.grab()), 38))
            await _until(receiver.rests)
            assert share.problem is None
            assert [frame.is_key for frame in receiver.frames].count(True) == 1
        finally:
            own_eyes.close()
            await share.stop()


class _Receiver:
    def __init__(self, codec: Codec) -> None:
        self.frames: list[Frame] = []
        self._decoder = Decoder(codec)
        self._shown: Image.Image | None = None
        self._at = time.monotonic()

    def take(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._shown = self._decoder.show(frame)
        self._at = time.monotonic()

    def sees(self, image: Image.Image, decibels: float) -> bool:
        return self._shown is not None and likeness(self._shown, image) > decibels

    def rests(self) -> bool:
        return time.monotonic() > self._at + 0.7


async def _until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)
