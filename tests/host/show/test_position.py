from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slidewire.host.decks.driver import DeckState, DeckStatus
from slidewire.host.host import Host
from slidewire.host.participants.links import Room, RoomStore, ShowPosition
from slidewire.host.show.position import GOOD_FOR, PositionKeeper, fingerprint
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.testing.deck import MemoryDeck

SERVER, NOW = "https://show.example", 1_800_000_000.0
POSITION = ShowPosition("talk 1", 7, NOW - 600, NOW - 60)


def room_at(position: ShowPosition | None) -> Room:
    return Room(b"t" * 16, SERVER, "talk", position=position)


def on(slide: int | None, status: DeckStatus = DeckStatus.RUNNING) -> DeckState:
    return DeckState(status, slide=slide, count=9)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


# Which deck it is


def test_a_deck_whose_file_or_picture_was_changed_is_another_one(tmp_path: Path) -> None:
    deck, folder = tmp_path / "talk.pdf", tmp_path / "pictures"
    folder.mkdir()
    seen = []
    for content in ("one", "another"):
        deck.write_text(content)
        (folder / "1.png").write_text(content)
        seen += [fingerprint("talk", deck), fingerprint("pictures", folder)]
        assert seen[-2:] == [fingerprint("talk", deck), fingerprint("pictures", folder)]
    os.utime(deck, (1, 1))
    (folder / "2.png").touch()
    seen += [fingerprint("talk", deck), fingerprint("pictures", folder)]
    assert len(set(seen)) == 6
    assert fingerprint("web", None) == "web"


# When it is found


@pytest.mark.parametrize(
    ("deck", "later", "found"),
    [("talk 1", 0, True), ("talk 2", 0, False), ("talk 1", GOOD_FOR - 61, True), ("talk 1", GOOD_FOR, False)],
)
def test_it_is_found_for_the_same_deck_within_the_time_that_rooms_are_kept(
    deck: str, later: float, found: bool
) -> None:
    keeper = PositionKeeper(room_at(POSITION), deck, lambda: NOW + later)
    assert keeper.find() == (POSITION if found else None)


# When it is kept


async def test_the_slide_is_kept_once_it_is_known_where_the_show_begins() -> None:
    room = room_at(POSITION)
    keeper = PositionKeeper(room, "talk 1", lambda: NOW)
    keeper.note(on(1), NOW)
    keeper.close()
    assert room.position == POSITION, "the deck begins at 1 before it is sent where it was"
    keeper.find()
    for state in (on(8), on(9), on(None), on(3, DeckStatus.NO_SHOW)):
        keeper.note(state, NOW - 5)
    await until(lambda: room.position == ShowPosition("talk 1", 9, NOW - 5, NOW))
    keeper.note(on(4), NOW - 5)
    keeper.close()
    assert room.position == ShowPosition("talk 1", 4, NOW - 5, NOW), "what waits is kept at the end"


async def test_slides_that_are_leafed_through_are_kept_once() -> None:
    room, kept = room_at(None), []
    keeper = PositionKeeper(room, "talk 1", lambda: NOW)
    keeper.find()
    for slide in range(1, 100):
        keeper.note(on(slide), NOW)
        kept.append(room.position)
    assert set(kept) == {None}
    keeper.close()
    assert room.position is not None and room.position.slide == 99


async def test_it_outlives_the_process_and_a_second_host_of_the_room_keeps_none(tmp_path: Path) -> None:
    store = RoomStore(tmp_path)
    room = store.open(SERVER, "talk")
    room.code = "ROOM22"
    for keeper in (PositionKeeper(room, "talk 1", lambda: NOW), PositionKeeper(room, "", lambda: NOW)):
        keeper.find()
        keeper.note(on(5), NOW)
        keeper.close()
    second = store.open(SERVER, "talk", "ROOM22")
    assert second.is_anothers and second.position == room.position == ShowPosition("talk 1", 5, NOW, NOW)
    other = PositionKeeper(second, "talk 1", lambda: NOW)
    other.find()
    other.note(on(6), NOW)
    other.close()
    assert second.position == room.position


# The host


async def test_a_host_that_is_started_again_goes_on_where_it_was_with_its_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deck = MemoryDeck()
    room = room_at(POSITION)
    host = Host(room, SERVER, deck, AiortcEngine(), "main", position=PositionKeeper(room, "talk 1", lambda: NOW))
    monkeypatch.setattr("slidewire.host.host.time.time", lambda: NOW)
    monkeypatch.setattr("slidewire.host.host.monotonic", lambda: 1000.0)
    await host.start()
    assert deck.slide == POSITION.slide
    assert host._publisher.started == 1000.0 - 600
    await host.close()


async def test_a_slide_that_the_deck_does_not_have_is_not_gone_to() -> None:
    deck = MemoryDeck(count=5)
    room = room_at(POSITION)
    host = Host(room, SERVER, deck, AiortcEngine(), "main", position=PositionKeeper(room, "talk 1", lambda: NOW))
    await host.start()
    assert deck.slide == 1
    await host.close()


async def test_a_newer_edition_of_the_file_is_the_deck_from_then_on() -> None:
    """Else a host that is started again would not know it, and begin at the first slide."""
    room = room_at(None)
    keeper = PositionKeeper(room, "talk 1", lambda: NOW, lambda: "talk 2")
    keeper.find()
    keeper.note(on(4), NOW)
    keeper.note(replace(on(4), edition=1), NOW)
    keeper.close()
    assert room.position is not None and (room.position.deck, room.position.slide) == ("talk 2", 4)
