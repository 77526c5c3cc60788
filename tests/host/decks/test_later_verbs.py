"""A verb of a later version is performed by no driver: each names what it can do, and does nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slidewire.control.intents import Intent, Outcome, Reason, Role, Status, Verb
from slidewire.host.decks.driver import Build, DeckState, DeckStatus
from slidewire.host.decks.impress.driver import ImpressDeck
from slidewire.host.decks.impress.uno_helper import show as show_module
from slidewire.host.decks.keys.keymaps import KEY_MAPS
from slidewire.host.decks.web.driver import WebDeck
from slidewire.host.participants.links import LinkRule
from slidewire.host.participants.permissions import permit_intent
from slidewire.host.show.controller import ShowController
from slidewire.testing.deck import MemoryDeck
from tests.support.decks import numbered_pdf

WORDS = {"next", "previous", "first", "last", "goto", "start", "stop", "black", "white"}


@pytest.fixture
def later() -> Intent:
    """What `Verb` would have in the next version."""
    verb = int.__new__(Verb, 10)
    verb._name_, verb._value_ = "SPOTLIGHT", 10
    return Intent(verb)


def test_what_a_driver_can_is_a_list_of_its_own() -> None:
    for deck in (WebDeck, ImpressDeck):
        assert deck.can == WORDS | {"laser"}
    assert all(key_map.can <= WORDS for key_map in KEY_MAPS)


async def test_the_web_deck(later: Intent) -> None:
    deck = WebDeck(Path(numbered_pdf(3)))
    await deck.open()
    try:
        assert await deck.perform(later) == Outcome(Status.REFUSED, 1, 1, Reason.UNSUPPORTED)
    finally:
        await deck.close()


def test_impress(later: Intent, monkeypatch: pytest.MonkeyPatch) -> None:
    class Controller:
        def __getattr__(self, name: str) -> Any:
            if name.startswith(("goto", "blank", "resume")):
                raise AssertionError(f"{name} was called")
            return lambda *arguments: 0

    monkeypatch.setattr(show_module, "_show_listener", lambda show: None)  # which needs LibreOffice's own Python
    show = show_module.Show(Controller(), lambda: None, lambda: None, fresh=False)
    assert show.perform(later.verb.word, 2)["reason"] == "unsupported"


def test_keys(later: Intent) -> None:
    assert [key_map.steps(later) for key_map in KEY_MAPS] == [None] * len(KEY_MAPS)


async def test_the_controller_asks_no_deck_for_what_it_cannot(later: Intent) -> None:
    deck = MemoryDeck()
    assert await ShowController(deck)._perform(later) == Outcome(Status.REFUSED, reason=Reason.UNSUPPORTED)
    assert deck.performed == []


def test_a_link_for_some_slides_only(later: Intent) -> None:
    state = DeckState(DeckStatus.RUNNING, slide=2, count=5, build=Build(0, 0))
    rule = LinkRule("aaaaaaaaaa", bytes(16), "p", Role.CLICK, first=2, last=3)
    assert permit_intent(later, state, rule) is Reason.SLIDE_UNKNOWN
