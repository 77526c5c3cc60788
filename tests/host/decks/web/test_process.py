from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slidewire.control.intents import Intent, Verb
from slidewire.host.decks.driver import DeckError, Picture
from slidewire.host.decks.web import process as process_module
from slidewire.host.decks.web.deck_file import read_deck
from slidewire.host.decks.web.driver import MAX_FAILED_TITLES, SECOND_TRY, WebDeck
from slidewire.host.decks.web.process import Exceeded, Gone, Limits, SlideProcess
from slidewire.host.decks.web.worker import watch_memory
from tests.support.decks import numbered_pdf
from tests.support.hostile_pdf import endless_pdf

LONG = 600.0
"""Seconds that no test waits for."""
PATIENT = Limits(open=LONG, describe=LONG, draw=LONG)


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """Slide 2 of 3 is never done."""
    path = tmp_path / "talk.pdf"
    path.write_bytes(endless_pdf(3, [2]))
    return path


@pytest.fixture
async def processes() -> AsyncIterator[list[SlideProcess]]:
    started: list[SlideProcess] = []
    yield started
    for each in started:
        await each.close()


async def test_a_slide_that_takes_too_long_is_given_up_and_the_others_are_drawn(
    endless: Path, processes: list[SlideProcess]
) -> None:
    process = SlideProcess(read_deck(endless), Limits(memory=2**33, open=LONG, describe=LONG, draw=2.0))
    processes.append(process)
    assert (await process.open()).count == 3
    assert await process.draw(1, 160) is not None
    first = process._process
    with pytest.raises(Exceeded, match="longer than 2 s"):
        await process.draw(2, 160)
    assert await process.draw(3, 160) is not None
    assert first is not None and first.returncode is not None and process._process is not first


async def test_a_slide_that_takes_too_much_memory_is_given_up_and_the_others_are_drawn(
    endless: Path, processes: list[SlideProcess]
) -> None:
    process = SlideProcess(read_deck(endless), Limits(memory=300 * 10**6, open=LONG, describe=LONG, draw=LONG))
    processes.append(process)
    await process.open()
    with pytest.raises(Exceeded, match=r"more memory than 0\.3 GB"):
        await process.draw(2, 160)
    assert await process.draw(3, 160) is not None
    with pytest.raises(Exceeded, match="more memory"):
        await process.describe(2)
    assert (await process.describe(3)).title is None


async def test_it_is_closed_at_once_whatever_it_is_drawing(endless: Path) -> None:
    process = SlideProcess(read_deck(endless), PATIENT)
    await process.open()
    running = process._process
    drawing, waiting = asyncio.create_task(process.draw(2, 160)), asyncio.create_task(process.draw(1, 160))
    await asyncio.sleep(0)
    await process.close()
    for task in (drawing, waiting):
        with pytest.raises(Gone):
            await task
    assert running is not None and running.returncode is not None


async def test_a_deck_that_takes_too_long_to_open_is_refused(endless: Path) -> None:
    deck = WebDeck(endless, Limits(open=0.001))
    with pytest.raises(DeckError, match=r"takes longer than 0\.001 s to open"):
        await deck.open()
    await deck.close()


@pytest.mark.parametrize(
    "says",
    ["", "'x' * 50", r"'\xff' * 8", r"'\0\0\0\1\0\0\0\0\xc1'", r"'\0\0\0\1\xff\xff\xff\xff\xc0'"],
    ids=["nothing", "text", "lengths", "header", "body"],
)
async def test_what_a_process_says_that_the_deck_took_over_is_not_believed(
    endless: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    script = f"import sys; sys.stdout.buffer.write(({says or repr('')}).encode('latin-1'))"
    monkeypatch.setattr(process_module, "COMMAND", ("-c", script))
    process = SlideProcess(read_deck(endless), PATIENT)
    with pytest.raises(DeckError, match="damaged"):
        await process.open()
    await process.close()


async def test_it_has_none_of_the_hosts_settings_and_gives_way(
    endless: Path, processes: list[SlideProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIDEWIRE_LINK", "secret")
    process = SlideProcess(read_deck(endless), PATIENT)
    processes.append(process)
    await process.open()
    assert process._process is not None
    pid = process._process.pid
    assert b"SLIDEWIRE_" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getsid(pid) == pid


async def test_in_its_sandbox_there_is_no_network_and_no_file_but_the_deck(tmp_path: Path) -> None:
    folder, outside = tmp_path / "slides", tmp_path / "secret"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"picture")
    outside.write_text("secret")
    script = f"""
import socket
from pathlib import Path
from slidewire.host.decks.web.worker import confine
network, files = confine(Path({str(folder)!r}), is_folder=True)
interfaces = [name for _, name in socket.if_nameindex()]
for path in ({str(folder / "1.png")!r}, {str(outside)!r}, "/etc/passwd"):
    try:
        Path(path).read_bytes()
        print(path)
    except PermissionError:
        pass
print(network, files, *interfaces)
"""
    ran = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True
    )
    *read, held = ran.stdout.splitlines()
    network, files, *interfaces = held.split()
    if files != "True" or network != "True":
        pytest.skip("this system has no Landlock, or no network namespaces for users")
    assert read == [str(folder / "1.png")]
    assert set(interfaces) <= {"lo"}


def test_where_the_system_sets_no_limit_the_resident_size_is_watched() -> None:
    sizes = iter([5, 9, 10, 11])
    ended = threading.Event()
    watch_memory(10, lambda: next(sizes), ended.set)
    assert ended.wait(20)
    assert list(sizes) == []


# The deck, with a slide that cannot be drawn


async def test_a_slide_that_cannot_be_drawn_is_told_as_such_and_the_show_goes_on(
    endless: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deck = WebDeck(endless, Limits(memory=300 * 10**6, open=LONG, describe=LONG, draw=LONG))
    await deck.open()
    told: list[tuple[int | None, bool]] = []
    deck._changed = lambda: told.append((deck.state().slide, deck.state().drawable))
    with caplog.at_level(logging.WARNING):
        await deck.perform(Intent(Verb.GOTO, 2))
        assert deck.state().drawable, "before it was tried nobody knows"
        assert await deck.picture(2, 640) is None
    assert (told[-1], deck.state().drawable) == ((2, False), False)
    assert [record.getMessage() for record in caplog.records if "cannot be drawn" in record.getMessage()] == [
        "slide 2 cannot be drawn: it takes more memory than 0.3 GB, or ends what draws it"
    ]
    await deck.perform(Intent(Verb.NEXT))
    assert deck.state().drawable
    assert await deck.picture(3, 640) is not None
    await deck.close()


async def test_a_slide_that_takes_too_much_in_a_large_size_is_drawn_in_a_smaller_one() -> None:
    deck = WebDeck(numbered_pdf(3))
    await deck.open()
    tried: list[tuple[int, int]] = []
    assert deck._process is not None
    draw = deck._process.draw

    async def draw_small(slide: int, width: int, most: int = 0) -> Picture | None:
        tried.append((slide, width))
        if width > SECOND_TRY:
            raise Exceeded("takes too long")
        return await draw(slide, width, most)

    deck._process.draw = draw_small  # type: ignore[method-assign]
    first = await deck.picture(1, 3840)
    assert first is not None and first == await deck.picture(1, 2560) == await deck.picture(1, SECOND_TRY)
    assert [width for slide, width in tried if slide == 1] == [3840, SECOND_TRY]
    assert deck.state().drawable
    await deck.close()


async def test_slides_that_cannot_be_drawn_are_not_tried_again() -> None:
    deck = WebDeck(numbered_pdf(3))
    await deck.open()
    tried: list[tuple[int, int]] = []

    async def fail(slide: int, width: int, most: int = 0) -> Picture | None:
        tried.append((slide, width))
        raise Exceeded("takes too long")

    assert deck._process is not None
    deck._process.draw = fail  # type: ignore[method-assign]
    for width in (3840, 3840, 640, 1920):
        assert await deck.picture(1, width) is None
    assert [width for slide, width in tried if slide == 1] == [3840, SECOND_TRY]
    assert not deck.state().drawable
    await deck.close()


async def test_titles_that_take_too_much_to_read_end_the_reading_of_titles(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def fail(process: SlideProcess, slide: int) -> str | None:
        asked.append(slide)
        raise Exceeded("takes too long")

    monkeypatch.setattr(SlideProcess, "describe", fail)
    deck = WebDeck(numbered_pdf(10))
    await deck.open()
    await deck._background.finish()
    assert asked == list(range(1, MAX_FAILED_TITLES + 1))
    assert await deck.picture(1, 160) is not None
    await deck.close()
