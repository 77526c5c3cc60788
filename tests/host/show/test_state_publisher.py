"""What participants are told of the deck is all that is known of it."""

from __future__ import annotations

from dataclasses import fields

from slidewire.control.state import DeckPart, RoomPart
from slidewire.host.decks.driver import Build, DeckState, DeckStatus
from slidewire.host.show.controller import ShowController
from slidewire.host.show.state_publisher import NOTES_LENGTH, StatePublisher
from slidewire.testing.deck import MemoryDeck


async def test_nothing_that_a_deck_tells_is_left_out() -> None:
    assert {field.name for field in fields(DeckState)} <= set(DeckPart.__struct_fields__)
    words = "notes", "this slide", "the next", "A-2"
    told = DeckState(DeckStatus.RUNNING, "Title", 2, 9, Build(1, 3), "black", *words, 3, True, False)
    show = ShowController(MemoryDeck())
    publisher = StatePublisher({}, show, describe_room=RoomPart, describe_features=lambda _, state: state)
    part = publisher._deck(told, {"next", "goto"}, pictures=True)
    assert (part.driver, part.can, part.pictures, part.status) == ("memory", ["goto", "next"], True, "running")
    assert (part.build is not None) and (part.build.position, part.build.count) == (1, 3)
    for name in {field.name for field in fields(DeckState)} - {"status", "build"}:
        assert getattr(part, name) == getattr(told, name)


async def test_notes_that_are_too_long_to_be_told_again_and_again_are_cut() -> None:
    show = ShowController(MemoryDeck())
    publisher = StatePublisher({}, show, describe_room=RoomPart, describe_features=lambda _, state: state)
    for length in (NOTES_LENGTH, NOTES_LENGTH + 1, 2_000_000):
        notes = publisher._deck(DeckState(DeckStatus.RUNNING, notes="x" * length), (), pictures=True).notes
        assert notes is not None and len(notes) == NOTES_LENGTH and notes.endswith("…") == (length > NOTES_LENGTH)
