from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from slidewire.control.intents import Intent, Outcome, Point, Reason, Status, Verb
from slidewire.host.decks.driver import DeckState, Reported, Reports
from slidewire.host.show.controller import IntentRequest, ShowController
from slidewire.testing.deck import MemoryDeck

NEXT = Intent(Verb.NEXT)


def anything_goes(position: DeckState) -> Reason:
    return Reason.NONE


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


class Clicks:
    """A way in for clicks that has no session: what OSC or a REST interface would be."""

    def __init__(self, show: ShowController) -> None:
        self.show = show
        self.outcomes: list[Outcome] = []

    def click(
        self,
        intent: Intent = NEXT,
        *,
        is_due: Callable[[], bool] = lambda: True,
        permit: Callable[[DeckState], Reason] = anything_goes,
        link: str = "",
    ) -> None:
        self.show.submit(IntentRequest(intent, is_due, permit, self.outcomes.append, link))

    async def answered(self, count: int) -> list[Outcome]:
        await until(lambda: len(self.outcomes) >= count)
        return self.outcomes


@pytest.fixture
async def clicks() -> AsyncIterator[Clicks]:
    show = ShowController(MemoryDeck(count=5))
    await show.open()
    yield Clicks(show)
    await show.close()


def deck_of(clicks: Clicks) -> MemoryDeck:
    assert isinstance(clicks.show.deck, MemoryDeck)
    return clicks.show.deck


async def test_a_click_needs_no_session(clicks: Clicks) -> None:
    clicks.click()
    assert await clicks.answered(1) == [Outcome(Status.PERFORMED, 1, 2)]


async def test_what_is_no_longer_due_when_its_turn_comes_expires(clicks: Clicks) -> None:
    clicks.click(is_due=lambda: deck_of(clicks).slide == 1)
    clicks.click(is_due=lambda: deck_of(clicks).slide == 1)
    assert await clicks.answered(2) == [Outcome(Status.PERFORMED, 1, 2), Outcome(Status.EXPIRED, reason=Reason.LATE)]
    assert deck_of(clicks).slide == 2


async def test_permission_is_judged_by_where_the_clicks_before_it_led(clicks: Clicks) -> None:
    def up_to_three(position: DeckState) -> Reason:
        return Reason.NONE if position.slide is not None and position.slide < 3 else Reason.RANGE

    for _ in range(4):
        clicks.click(permit=up_to_three)
    outcomes = await clicks.answered(4)
    assert [outcome.reason for outcome in outcomes] == [Reason.NONE, Reason.NONE, Reason.RANGE, Reason.RANGE]
    assert deck_of(clicks).slide == 3


async def test_what_the_deck_cannot_do_is_unsupported(clicks: Clicks) -> None:
    clicks.click(Intent(Verb.WHITE))
    assert await clicks.answered(1) == [Outcome(Status.REFUSED, reason=Reason.UNSUPPORTED)]


async def test_a_broken_deck_and_a_broken_source_leave_the_others_be(
    clicks: Clicks, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(outcome: Outcome) -> None:
        raise RuntimeError("this source is broken")

    deck_of(clicks).broken = True
    clicks.click()
    assert await clicks.answered(1) == [Outcome(Status.FAILED, reason=Reason.DECK_ERROR)]
    deck_of(clicks).broken = False
    clicks.show.submit(IntentRequest(NEXT, lambda: True, anything_goes, broken))
    clicks.click()
    assert (await clicks.answered(2))[1] == Outcome(Status.PERFORMED, 2, 3)
    assert "this source is broken" in caplog.text


async def test_links_take_turns(clicks: Clicks) -> None:
    done: list[str] = []
    for link in ("one", "one", "one", "other"):
        clicks.show.submit(
            IntentRequest(NEXT, lambda: True, anything_goes, lambda _, link=link: done.append(link), link)  # type: ignore[misc]
        )
    await until(lambda: len(done) == 4)
    assert done == ["one", "other", "one", "one"]


async def test_what_changes_is_told_to_the_callbacks_it_was_made_with() -> None:
    told: list[str] = []
    show = ShowController(
        MemoryDeck(), changed=lambda: told.append("show"), laser_moved=lambda: told.append(f"laser at {show.laser}")
    )
    await show.open()
    clicks = Clicks(show)
    clicks.click()
    await clicks.answered(1)
    show.point(Point(0.5, 0.5))
    await show.close()
    assert told == ["show", "laser at Point(x=0.5, y=0.5)", "laser at None"]


class SilentDeck(MemoryDeck):
    """A deck that does not tell of its changes: it is asked."""

    reports = Reports(show=Reported.POLLED, slide=Reported.POLLED)


async def test_a_deck_that_does_not_tell_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slidewire.host.show.controller.POLL_EVERY", 0.0)
    told: list[int | None] = []
    deck = SilentDeck()
    show = ShowController(deck, changed=lambda: told.append(deck.state().slide))
    await show.open()
    deck.slide = 7
    await until(lambda: told == [7])
    deck.slide = 8
    await until(lambda: told == [7, 8])
    await show.close()
