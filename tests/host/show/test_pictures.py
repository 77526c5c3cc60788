"""Which picture is sent when, and what is sent where it is too large."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from slidewire.aio.clock import monotonic
from slidewire.control.intents import Role
from slidewire.control.messages import FromHost, NoPicture, PictureRequest
from slidewire.control.parts import MESSAGE_BYTES, PICTURE_BYTES, Assembler
from slidewire.control.paths import Path, PathKind
from slidewire.control.records import Part
from slidewire.host.decks.driver import Picture
from slidewire.host.participants.participant import Participant
from slidewire.host.show.controller import ShowController
from slidewire.host.show.pictures import Pictures
from slidewire.testing.deck import MemoryDeck


class Reader:
    """A participant, as far as pictures know it, by a data channel that takes as many parts as it is told to."""

    def __init__(self) -> None:
        self.id, self.admitted, self.clicked_at = 1, True, 0.0
        self.link = SimpleNamespace(id="link", role=Role.VIEW)
        self.session = SimpleNamespace(wire=SimpleNamespace(send_part=self._send_part))
        self.room = asyncio.Semaphore(0)
        self.is_up = True
        self.round_trip = 0.02
        self.refused: list[tuple[int, str]] = []
        self.parts: list[int] = []
        """The picture of each part that was sent."""
        self.arrived: list[tuple[int, int]] = []
        """Pictures in the order in which they were whole, and their bytes."""
        self._assembler = Assembler(picture_bytes=PICTURE_BYTES)

    @property
    def participant(self) -> Participant:
        return cast("Participant", self)

    def take(self, parts: int) -> None:
        for _ in range(parts):
            self.room.release()

    async def wait_for_room(self) -> str | None:
        await self.room.acquire()
        return "bulk/1" if self.is_up else None

    def watch_path(self, every: float) -> Path:
        now = monotonic()
        return Path("direct/1", PathKind.DIRECT, now, now, last_pong=now, latest=self.round_trip)

    def is_live(self, path: str) -> bool:
        return self.is_up

    def _send_part(self, part: Part, path: str) -> None:
        self.parts.append(part.id)
        if (whole := self._assembler.add(part)) is not None:
            self.arrived.append((part.id, len(whole)))

    def send_message(self, message: FromHost) -> bool:
        assert isinstance(message, NoPicture)
        self.refused.append((message.id, message.reason))
        return True

    def drain(self) -> None:
        pass

    @contextlib.contextmanager
    def contained(self) -> Iterator[None]:
        yield


class PictureDeck(MemoryDeck):
    """`size`: the bytes of a slide's picture in a width."""

    def __init__(self, size: Callable[[int, int, int], int]) -> None:
        super().__init__()
        self._size = size
        self.asked: list[tuple[int, int, int]] = []

    async def picture(self, slide: int, width: int, most: int = PICTURE_BYTES) -> Picture | None:
        self.asked.append((slide, width, most))
        return Picture("image/jpeg", bytes(self._size(slide, width, most)))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


Show = Callable[[Callable[[int, int, int], int]], tuple[PictureDeck, Pictures]]


@pytest.fixture
async def show() -> AsyncIterator[Show]:
    made: list[Pictures] = []

    def make(size: Callable[[int, int, int], int]) -> tuple[PictureDeck, Pictures]:
        deck = PictureDeck(size)
        made.append(Pictures(cast("ShowController", SimpleNamespace(deck=deck))))
        return deck, made[-1]

    yield make
    for pictures in made:
        await pictures.close()


async def test_the_picture_with_the_least_left_to_send_goes_first(show: Show) -> None:
    reader, (_, pictures) = Reader(), show(lambda slide, width, most: {1: 200_000, 2: 20_000}[slide])
    pictures.request(reader.participant, PictureRequest(1, 1, 3840))
    reader.take(10)
    await until(lambda: len(reader.parts) == 10)
    pictures.request(reader.participant, PictureRequest(2, 2, 640))
    await until(lambda: not pictures._lines[reader.participant].requests)
    reader.take(1000)
    await until(lambda: len(reader.arrived) == 2)
    assert reader.arrived == [(2, 20_000), (1, 200_000)], "and what was begun is not lost"


async def test_a_large_one_that_is_nearly_there_is_not_held_up(show: Show) -> None:
    reader, (_, pictures) = Reader(), show(lambda slide, width, most: {1: 200_000, 2: 150_000}[slide])
    pictures.request(reader.participant, PictureRequest(1, 1, 3840))
    reader.take(100)
    await until(lambda: len(reader.parts) == 100)
    pictures.request(reader.participant, PictureRequest(2, 2, 3840))
    await asyncio.sleep(0)
    reader.take(1000)
    await until(lambda: len(reader.arrived) == 2)
    assert [id_ for id_, _ in reader.arrived] == [1, 2]


async def test_so_many_are_under_way_at_most_and_the_one_with_the_most_left_gives_way(show: Show) -> None:
    reader, (_, pictures) = Reader(), show(lambda slide, width, most: slide * 100_000)
    for slide in (9, 1, 2, 3):
        pictures.request(reader.participant, PictureRequest(slide, slide, 3840))
        await until(lambda: not pictures._lines[reader.participant].requests)
    await until(lambda: reader.refused == [(9, "overtaken")])
    reader.take(1000)
    await until(lambda: len(reader.arrived) == 3)


async def test_a_picture_may_have_as_many_bytes_as_are_asked_for(show: Show) -> None:
    reader, (_, pictures) = Reader(), show(lambda slide, width, most: min(most, 5_000_000))
    reader.take(10_000)
    for id_, most in enumerate((MESSAGE_BYTES, PICTURE_BYTES, 2**30, 100_000, 0), 1):
        pictures.request(reader.participant, PictureRequest(id_, 1, 3840, most))
        await until(lambda id_=id_: len(reader.arrived) == id_)  # type: ignore[misc]
    assert [size for _, size in reader.arrived] == [MESSAGE_BYTES, PICTURE_BYTES, PICTURE_BYTES, 100_000, 16 * 1024]
    assert PictureRequest(1, 1, 3840).most == MESSAGE_BYTES, "what a page takes that does not say"


async def test_a_deck_that_cannot_make_it_coarser_is_asked_for_smaller_ones_until_it_fits(show: Show) -> None:
    reader, (deck, pictures) = Reader(), show(lambda slide, width, most: width * 1000)
    reader.take(10_000)
    pictures.request(reader.participant, PictureRequest(1, 1, 3840, 1_000_000))
    await until(lambda: bool(reader.arrived))
    assert reader.arrived == [(1, 960_000)]
    assert [width for _, width, _ in deck.asked] == [3840, 2560, 1920, 1280, 960]


async def test_what_fits_in_no_width_is_told_as_such(show: Show) -> None:
    reader, (_, pictures) = Reader(), show(lambda slide, width, most: 10_000_000)
    pictures.request(reader.participant, PictureRequest(1, 1, 3840))
    await until(lambda: reader.refused == [(1, "too_large")])


async def test_what_went_by_a_path_that_died_is_given_up(show: Show) -> None:
    reader, (_, pictures) = Reader(), show(lambda slide, width, most: 200_000)
    pictures.request(reader.participant, PictureRequest(1, 1, 3840))
    reader.take(5)
    await until(lambda: len(reader.parts) == 5)
    reader.is_up = False
    reader.take(1)
    await until(lambda: pictures._lines[reader.participant].sending is None)
    reader.is_up = True
    pictures.request(reader.participant, PictureRequest(2, 1, 3840))
    reader.take(1000)
    await until(lambda: reader.arrived == [(2, 200_000)])


async def test_pictures_wait_while_the_networks_queue_is_long(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pictures, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(Pictures, "HELD_FOR", 0.0)
    reader, (_, pictures) = Reader(), show(lambda slide, width, most: 200_000)
    pictures.request(reader.participant, PictureRequest(1, 1, 3840))
    reader.take(5)
    await until(lambda: len(reader.parts) == 5)
    reader.round_trip = 0.4
    reader.take(1000)
    await until(lambda: pictures._lines[reader.participant].pace.holds_back(monotonic()))
    sent = len(reader.parts)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(reader.parts) == sent
    reader.round_trip = 0.05
    await until(lambda: reader.arrived == [(1, 200_000)])
