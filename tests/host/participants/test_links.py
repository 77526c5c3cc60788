"""The rules of a link, first as the questions they are, then at a host agent with presenters who try."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from slidewire.control.generations import OFFER_AGAIN
from slidewire.control.intents import Intent, Point, Reason, Role, Status, Verb
from slidewire.control.messages import Command, MakeLink, Malformed
from slidewire.host.decks.driver import Build, DeckState, DeckStatus, not_told
from slidewire.host.participants.admission import ADMITTED_KEPT, Refusal, claim, enter, is_let_in, let_in, send_away
from slidewire.host.participants.commands import CommandError
from slidewire.host.participants.links import REVOKED_KEPT, LinkRule, RoomStore
from slidewire.host.participants.operators import check_new_link
from slidewire.host.participants.permissions import permit_intent, permit_laser
from slidewire.testing.deck import MemoryDeck
from tests.host import test_host as test_agent
from tests.host.test_host import Carrier, Presenter, agent_of, deck_of
from tests.support.messages import command, from_presenter
from tests.support.other_process import other_process

carrier = test_agent.carrier

RULE = LinkRule("abcdefgh23", bytes(16), "p", Role.CLICK)
TEN_TO_TWENTY = replace(RULE, first=10, last=20)
NEXT, PREVIOUS, FIRST, LAST = (Intent(verb) for verb in (Verb.NEXT, Verb.PREVIOUS, Verb.FIRST, Verb.LAST))


def at(slide: int | None, **fields: Any) -> DeckState:
    return DeckState(DeckStatus.RUNNING, slide=slide, **{"count": 40, **fields})


def goto(slide: int) -> Intent:
    return Intent(Verb.GOTO, slide)


# The slide range


@pytest.mark.parametrize(
    ("intent", "state", "reason"),
    [
        (NEXT, at(10), Reason.NONE),
        (NEXT, at(19), Reason.NONE),
        (NEXT, at(20), Reason.RANGE),
        (NEXT, at(20, build=Build(1, 3)), Reason.NONE),
        (NEXT, at(20, build=Build(3, 3)), Reason.RANGE),
        (NEXT, at(20, blank="black"), Reason.NONE),
        (NEXT, at(9), Reason.NONE),
        (NEXT, at(9, build=Build(0, 2)), Reason.RANGE),
        (NEXT, at(8), Reason.RANGE),
        (NEXT, at(9, blank="black"), Reason.RANGE),
        (PREVIOUS, at(11), Reason.NONE),
        (PREVIOUS, at(10), Reason.RANGE),
        (PREVIOUS, at(10, build=Build(1, 3)), Reason.NONE),
        (PREVIOUS, at(10, build=Build(0, 3)), Reason.RANGE),
        (PREVIOUS, at(21), Reason.NONE),
        (PREVIOUS, at(22), Reason.RANGE),
        (FIRST, at(12), Reason.RANGE),
        (LAST, at(12), Reason.RANGE),
        (LAST, at(12, count=20), Reason.NONE),
        (LAST, at(12, count=None), Reason.SLIDE_UNKNOWN),
        (goto(9), at(12), Reason.RANGE),
        (goto(10), at(12), Reason.NONE),
        (goto(20), at(1), Reason.NONE),
        (goto(21), at(12), Reason.RANGE),
        (Intent(Verb.BLACK), at(12), Reason.NONE),
        (Intent(Verb.BLACK), at(9), Reason.RANGE),
        (Intent(Verb.WHITE), at(21), Reason.RANGE),
        (Intent(Verb.START), at(12), Reason.ROLE),
        (Intent(Verb.STOP), at(12), Reason.ROLE),
    ],
)
def test_an_intent_may_lead_to_the_links_own_slides_only(intent: Intent, state: DeckState, reason: Reason) -> None:
    assert permit_intent(intent, state, TEN_TO_TWENTY) is reason


@pytest.mark.parametrize("intent", [NEXT, PREVIOUS, goto(12), FIRST, LAST, Intent(Verb.BLACK)], ids=str)
def test_a_deck_that_cannot_tell_its_slide_is_not_for_ranges(intent: Intent) -> None:
    assert permit_intent(intent, at(None, count=None), TEN_TO_TWENTY) is Reason.SLIDE_UNKNOWN
    assert permit_intent(intent, DeckState(DeckStatus.NO_SHOW), TEN_TO_TWENTY) is Reason.NO_SHOW
    assert permit_intent(intent, DeckState(DeckStatus.NO_DECK), TEN_TO_TWENTY) is Reason.NO_DECK


def test_a_range_may_be_open_at_either_end() -> None:
    from_ten, to_twenty = replace(RULE, first=10), replace(RULE, last=20)
    assert permit_intent(NEXT, at(40), from_ten) is Reason.AT_END
    assert permit_intent(LAST, at(12), from_ten) is Reason.NONE
    assert permit_intent(PREVIOUS, at(10), from_ten) is Reason.RANGE
    assert permit_intent(PREVIOUS, at(1), to_twenty) is Reason.AT_START
    assert permit_intent(FIRST, at(12), to_twenty) is Reason.NONE
    assert permit_intent(NEXT, at(20), to_twenty) is Reason.RANGE


def test_without_a_range_the_deck_decides() -> None:
    for state in (at(None, count=None), DeckState(DeckStatus.NO_DECK), at(40)):
        for verb in (Verb.NEXT, Verb.STOP, Verb.FIRST):
            assert permit_intent(Intent(verb), state, RULE) is Reason.NONE
        assert permit_laser(state, RULE) is Reason.NONE


def test_a_laser_points_at_its_own_slides_only() -> None:
    assert [permit_laser(at(slide), TEN_TO_TWENTY) for slide in (9, 10, 20, 21, None)] == [
        Reason.RANGE,
        Reason.NONE,
        Reason.NONE,
        Reason.RANGE,
        Reason.SLIDE_UNKNOWN,
    ]


async def come(carrier: Carrier, rule: LinkRule, member: str, device: str | None = None) -> Presenter:
    """Somebody opens the link, and has heard from the host."""
    presenter = Presenter(carrier, rule, member, direct=False, device=device)
    await presenter.until(lambda: bool(presenter.states or presenter.closed))
    return presenter


@pytest.mark.parametrize("delay", [0.0, 0.05])
async def test_three_quick_nexts_do_not_run_past_the_end(carrier: Carrier, delay: float) -> None:
    deck = deck_of(carrier)
    deck.slide, deck.delay = 18, delay
    speaker = await come(carrier, agent_of(carrier).room.make_link(Role.CLICK, first=10, last=20), "m1")
    for intent in (NEXT, NEXT, NEXT, NEXT, goto(21), goto(10)):
        assert speaker.connection.submit(intent) is not None
    await speaker.until(lambda: len(speaker.receipts) == 6)
    assert [receipt.reason for receipt in speaker.receipts[:2]] == [Reason.NONE] * 2
    assert [(receipt.status, receipt.reason) for receipt in speaker.receipts[2:5]] == [
        (Status.REFUSED, Reason.RANGE)
    ] * 3
    assert (deck.slide, deck.performed) == (10, [NEXT, NEXT, goto(10)])


async def test_two_speakers_taps_are_judged_by_what_the_other_did(carrier: Carrier) -> None:
    """Both are at 19, and both tap twice at once: the one whose slides end at 20 does not go further."""
    deck = deck_of(carrier)
    deck.slide, deck.delay = 19, 0.02
    ranged = await come(carrier, agent_of(carrier).room.make_link(Role.CLICK, first=10, last=20), "m1")
    free = await come(carrier, agent_of(carrier).room.first("p"), "m2")
    for presenter in (free, ranged):
        presenter.connection.submit(NEXT)
    await ranged.until(lambda: bool(ranged.receipts) and bool(free.receipts))
    assert (deck.slide, ranged.receipts[0].reason, free.receipts[0].after) == (20, Reason.RANGE, 20)


class LateToTell(MemoryDeck):
    """Answers an intent before it tells that its state has changed, as a deck in another process may."""

    told = 18

    async def open(self, changed: Callable[[], None] = not_told) -> None:
        await super().open()
        self._tell = changed

    def state(self) -> DeckState:
        return replace(super().state(), slide=self.told)

    async def tell(self) -> None:
        await asyncio.sleep(0.05)
        self.told = self.slide
        self._tell()


async def test_a_deck_that_tells_late_is_judged_by_what_it_answered(carrier: Carrier) -> None:
    deck = agent_of(carrier).show.deck = LateToTell()
    await deck.open(agent_of(carrier).show._deck_changed)
    deck.slide = 18
    speaker = await come(carrier, agent_of(carrier).room.make_link(Role.CLICK, first=10, last=20), "m1")
    for _ in range(4):
        speaker.connection.submit(NEXT)
    await speaker.until(lambda: len(speaker.receipts) == 4)
    assert deck.slide == 20
    await deck.tell()
    assert agent_of(carrier).show.position.slide == 20


async def test_a_ranged_link_is_told_its_range_and_offered_no_start(carrier: Carrier) -> None:
    speaker = await come(carrier, agent_of(carrier).room.make_link(Role.CLICK, first=10, last=20), "m1")
    state = speaker.states[-1]
    assert (state["you"]["first"], state["you"]["last"]) == (10, 20)
    assert {"start", "stop"}.isdisjoint(state["deck"]["can"]) and "next" in state["deck"]["can"]
    assert (await speaker.tap(Intent(Verb.STOP))).reason is Reason.ROLE


# Time


def test_a_link_that_is_not_open_yet_says_when() -> None:
    opens = 1_800_000_000.0
    rule = replace(RULE, not_before=opens)
    refusal = enter(rule, "", opens - 1)
    assert isinstance(refusal, Refusal) and refusal.code == "link_not_yet"
    assert f"{datetime.fromtimestamp(opens, UTC).astimezone():%Y-%m-%d %H:%M}" in refusal.reason
    assert enter(rule, "", opens) == rule


async def test_too_early_is_closed_and_does_nothing(carrier: Carrier) -> None:
    room = agent_of(carrier).room
    early = await come(carrier, room.make_link(Role.CLICK, not_before=time.time() + 3600), "m1")
    assert (early.closed, early.states) == (["link_not_yet"], [])
    early.connection.submit(NEXT)
    soon = room.make_link(Role.CLICK, not_before=time.time() - 1, expires=time.time() + 60)
    assert (await (await come(carrier, soon, "m2")).tap()).after == 2


async def test_a_link_that_expires_in_the_middle_does_nothing_more(carrier: Carrier) -> None:
    room = agent_of(carrier).room
    rule = room.make_link(Role.CLICK, expires=time.time() + 60)
    speaker = await come(carrier, rule, "m1")
    await speaker.tap()
    (participant,) = agent_of(carrier).participants.values()
    participant.link = replace(rule, expires=time.time() - 0.001)
    assert (await speaker.tap()).reason is Reason.REVOKED
    await speaker.until(lambda: speaker.closed == ["link_expired"])
    assert deck_of(carrier).slide == 2


# One device


def test_the_first_device_holds_a_one_device_link() -> None:
    unused = replace(RULE, one_device=True)
    assert enter(unused, "phone", 0.0) == unused, "opening it takes nothing: what scans mail does that"
    rule = claim(unused, "phone")
    assert rule is not None and rule.device == "phone"
    assert enter(rule, "phone", 0.0) == rule and claim(rule, "laptop") is None
    assert claim(RULE, "phone") is None and claim(unused, "") is None
    watching = enter(replace(unused, role=Role.VIEW), "screen", 0.0)
    assert isinstance(watching, LinkRule) and watching.device == "screen", "one that watches does nothing more"
    for other in ("laptop", ""):
        refusal = enter(rule, other, 0.0)
        assert isinstance(refusal, Refusal) and refusal.code == "link_in_use" and "operator" in refusal.reason
    nameless = enter(replace(RULE, one_device=True), "", 0.0)
    assert isinstance(nameless, Refusal), "a device that does not say which it is could not be known again"


async def test_another_device_is_turned_away_until_the_operator_frees_the_link(carrier: Carrier) -> None:
    room = agent_of(carrier).room
    rule = room.make_link(Role.CLICK, one_device=True)
    operator = await come(carrier, room.first("operator"), "m0")
    phone = await come(carrier, rule, "m1", device="phone")
    assert (await phone.tap()).after == 2
    thief = await come(carrier, rule, "m2", device="thief")
    assert (thief.closed, thief.states) == (["link_in_use"], [])
    reloaded = await come(carrier, rule, "m3", device="phone")
    assert (await reloaded.tap()).after == 3

    assert (await command(operator.connection, "free_link", link="nothing"))["error"]["code"] == "link_unknown"
    assert (await command(operator.connection, "free_link", link=rule.id))["ok"]
    await phone.until(lambda: phone.closed == ["link_freed"] and reloaded.closed == ["link_freed"])
    laptop = await come(carrier, rule, "m4", device="laptop")
    assert (await laptop.tap()).after == 4
    assert (await come(carrier, rule, "m5", device="phone")).closed == ["link_in_use"]


async def test_a_link_that_was_only_opened_is_free_for_its_owner(carrier: Carrier) -> None:
    """A mail scanner runs the page's scripts, and presses nothing."""
    rule = agent_of(carrier).room.make_link(Role.CLICK, one_device=True)
    scanner = await come(carrier, rule, "m1", device="scanner")
    assert scanner.closed == [] and agent_of(carrier).room.links[rule.id].device is None
    phone = await come(carrier, rule, "m2", device="phone")
    assert (await phone.tap()).after == 2
    await scanner.until(lambda: scanner.closed == ["link_in_use"])
    assert agent_of(carrier).room.links[rule.id].device == "phone"
    assert phone.closed == []
    assert (await come(carrier, rule, "m3", device="scanner")).closed == ["link_in_use"]


async def test_a_knock_without_the_secret_or_without_a_sealed_frame_takes_no_link(carrier: Carrier) -> None:
    """Only a presenter that has proven itself holds the link: a replayed hello does not."""
    rule = agent_of(carrier).room.make_link(Role.CLICK, one_device=True)
    phone = Presenter(carrier, rule, "m1", direct=False, device="phone")
    hello = carrier.carried[0]
    await phone.connection.close()
    agent_of(carrier).receive("m1", hello)
    await asyncio.sleep(0)
    assert agent_of(carrier).room.links[rule.id].device is None


def test_which_device_holds_it_outlives_the_host(tmp_path: Path) -> None:
    book = RoomStore(tmp_path)
    room = book.open("https://clicker.example", "deck")
    rule = room.make_link(Role.CLICK, label="Ada", first=2, one_device=True, by_hand=True, not_before=5.0)
    room.change(replace(rule, device="phone", admitted=("phone",)))
    assert room.lock is not None
    room.lock.release()
    again = RoomStore(tmp_path).open("https://clicker.example", "deck")
    assert again.lock is not None
    again.lock.release()
    assert again.links[rule.id] == replace(rule, device="phone", admitted=("phone",))


def test_a_room_that_is_opened_again_has_a_link_to_each_page(tmp_path: Path) -> None:
    """One was revoked, and one is of a kind that the version before did not have."""
    room = RoomStore(tmp_path).open("https://clicker.example", "deck")
    kept, revoked, lacking = (room.first(page) for page in ("operator", "p", "program"))
    room.change(replace(revoked, revoked=True))
    del room.links[lacking.id]
    room.save()
    assert room.lock is not None
    room.lock.release()
    again = RoomStore(tmp_path).open("https://clicker.example", "deck")
    assert again.lock is not None
    again.lock.release()
    assert again.first("operator") == kept and again.first("p").id != revoked.id
    assert (again.first("program").role, again.first("program").page) == (Role.VIEW, "program")


def test_a_full_disk_stops_no_show_and_keeps_no_link_alive(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    room = RoomStore(tmp_path).open("https://clicker.example", "deck")
    assert room.path is not None and room.lock is not None
    in_the_way = room.path.with_suffix(".new")
    in_the_way.mkdir()  # nothing can be written there
    made = room.make_link(Role.CLICK)
    room.change(replace(made, revoked=True))
    assert room.links[made.id].revoked and "not kept" in caplog.text
    in_the_way.rmdir()
    room.save()
    room.lock.release()
    again = RoomStore(tmp_path).open("https://clicker.example", "deck")
    assert again.lock is not None and again.links[made.id].revoked
    again.lock.release()


def test_links_made_and_revoked_without_end_take_no_room(tmp_path: Path) -> None:
    room = RoomStore(tmp_path).open("https://clicker.example", "deck")
    assert room.lock is not None
    first = len(room.links)
    for _ in range(3 * REVOKED_KEPT):
        made = room.make_link(Role.CLICK)
        room.change(replace(made, revoked=True))
    assert len(room.links) == first + REVOKED_KEPT + 1 and made.id in room.links
    assert all(not rule.revoked for rule in list(room.links.values())[:first])
    room.lock.release()


def test_a_show_does_not_begin_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "rooms").write_text("a file")
    with pytest.raises(OSError, match="rooms"):
        RoomStore(tmp_path / "rooms").open("https://clicker.example", "deck")


# Let in by hand


def test_devices_that_were_let_in_are_remembered_up_to_a_limit() -> None:
    rule = replace(RULE, by_hand=True)
    assert not is_let_in(rule, "phone") and not is_let_in(rule, "") and is_let_in(RULE, "")
    rule = let_in(rule, "phone")
    assert is_let_in(rule, "phone") and let_in(rule, "phone") == rule == let_in(rule, "")
    assert not is_let_in(rule, ""), "who does not say which device it is has to be let in each time"
    for number in range(ADMITTED_KEPT):
        rule = let_in(rule, str(number))
    assert len(rule.admitted) == ADMITTED_KEPT and not is_let_in(rule, "phone")
    assert not is_let_in(send_away(rule, "7"), "7")


async def test_who_is_not_let_in_sees_nothing_and_does_nothing(carrier: Carrier) -> None:
    room, deck = agent_of(carrier).room, deck_of(carrier)
    rule = room.make_link(Role.CLICK, by_hand=True)
    operator = await come(carrier, room.first("operator"), "m0")
    participant = await come(carrier, rule, "m1", device="phone")
    state = participant.states[-1]
    assert state["you"]["admitted"] is False
    assert (state["deck"]["slide"], state["deck"]["notes"], state["deck"]["can"]) == (None, None, [])
    receipt = await participant.tap()
    assert (receipt.status, receipt.reason) == (Status.REFUSED, Reason.NOT_ADMITTED)
    participant.connection.point([Point(0.5, 0.5)])
    await participant.until(lambda: bool(participant.lasers))
    assert participant.lasers[-1].reason is Reason.NOT_ADMITTED
    assert deck.performed == [] and deck.laser == []

    def waiting() -> list[dict[str, Any]]:
        return [p for p in operator.states[-1]["room"]["presenters"] if not p["admitted"]]

    await operator.until(lambda: len(waiting()) == 1)
    assert waiting()[0]["words"] == participant.connection.sas
    assert (await command(operator.connection, "admit", session=waiting()[0]["session"]))["ok"]
    await participant.until(
        lambda: participant.states[-1]["you"]["admitted"] and participant.states[-1]["deck"]["notes"] is not None
    )
    assert (await participant.tap()).after == 2

    reloaded = await come(carrier, rule, "m2", device="phone")
    assert reloaded.states[-1]["you"]["admitted"], "a page loaded again in the middle of a talk goes on"
    other = await come(carrier, rule, "m3", device="other")
    assert not other.states[-1]["you"]["admitted"]

    session = next(session for session, known in agent_of(carrier).participants.items() if known.member == "m2")
    await command(operator.connection, "remove", session=session)
    await reloaded.until(lambda: reloaded.closed == ["removed"])
    assert not (await come(carrier, rule, "m4", device="phone")).states[-1]["you"]["admitted"]


async def test_who_is_not_let_in_learns_no_address_and_gets_a_direct_path_afterwards(carrier: Carrier) -> None:
    room = agent_of(carrier).room
    operator = await come(carrier, room.first("operator"), "m0")
    participant = Presenter(carrier, room.make_link(Role.CLICK, by_hand=True), "m1", device="phone")
    await participant.until(lambda: bool(participant.states))
    (known,) = [known for known in agent_of(carrier).participants.values() if known.member == "m1"]
    generations = participant.connection.core.generations
    await participant.until(lambda: generations._offer_wait > OFFER_AGAIN)  # its first offer was left unanswered
    assert not known._peers and participant.paths == ["signaling"]
    await command(operator.connection, "admit", session=known.id)
    await participant.until(lambda: participant.paths[-1:] == ["direct"])
    assert (await participant.tap()).after == 2


async def test_an_operator_who_is_not_let_in_commands_nothing(carrier: Carrier) -> None:
    room = agent_of(carrier).room
    newcomer = await come(carrier, room.make_link(Role.OPERATOR, "operator", by_hand=True), "m1", device="phone")
    assert "room" not in newcomer.states[-1]
    (session,) = agent_of(carrier).participants
    for name, fields in (("admit", {"session": session}), ("end_show", {})):
        reply = await command(newcomer.connection, name, **fields)
        assert (reply["ok"], reply["error"]["code"]) == (False, "not_admitted")
    assert not agent_of(carrier).ended.is_set()


# What an operator asks for


async def test_a_link_is_made_with_its_rules_and_the_server_learns_none_of_them(carrier: Carrier) -> None:
    operator = await come(carrier, agent_of(carrier).room.first("operator"), "m0")
    rules = {"first": 10, "last": 20, "one_device": True, "by_hand": True, "opens_in": 60, "expires_in": 3600}
    reply = await command(operator.connection, "make_link", role="click", label="Ada", **rules)
    rule = agent_of(carrier).room.links[reply["link"]]
    assert (rule.first, rule.last, rule.one_device, rule.by_hand) == (10, 20, True, True)
    assert rule.not_before is not None and rule.expires is not None
    assert rule.expires - rule.not_before == pytest.approx(3540, abs=1)
    ((what, announced),) = [asked for asked in carrier.asked if asked[0] == "add_links"]
    assert what == "add_links" and set(announced[0]) == {"id", "commit", "expires", "place"}
    assert announced[0]["place"] == "presenter", "what kind of place it takes, and nothing of the rules"
    await operator.until(lambda: operator.states[-1]["room"]["links"][-1]["id"] == rule.id)
    shown = operator.states[-1]["room"]["links"][-1]
    assert {name: shown[name] for name in ("first", "last", "one_device", "by_hand", "in_use")} == {
        "first": 10,
        "last": 20,
        "one_device": True,
        "by_hand": True,
        "in_use": False,
    }


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"role": "king"}, "role"),
        ({"label": 7}, "label"),
        ({"first": 0}, "numbers from 1"),
        ({"last": 1.5}, "numbers from 1"),
        ({"first": True}, "numbers from 1"),
        ({"first": 9, "last": 8}, "before its last"),
        ({"expires_in": -1}, "30 days"),
        ({"opens_in": "soon"}, "30 days"),
        ({"opens_in": 60, "expires_in": 60}, "before it expires"),
        ({"one_device": "yes"}, "true or false"),
        ({"by_hand": 1}, "true or false"),
    ],
    ids=str,
)
def test_rules_that_make_no_sense_are_refused_in_words(asked: dict[str, Any], words: str) -> None:
    read = from_presenter(type="command", id=1, name="make_link", **asked)
    assert isinstance(read, Command)
    if isinstance(read.request, MakeLink):
        with pytest.raises(CommandError, match=words):
            check_new_link(read.request)
    else:
        assert isinstance(read.request, Malformed) and words in read.request.sentence


async def test_an_expired_link_is_told_as_expired_and_a_withdrawn_one_as_withdrawn(carrier: Carrier) -> None:
    room = agent_of(carrier).room
    expired = room.make_link(Role.CLICK, label="old", expires=time.time() + 2)
    withdrawn = room.make_link(Role.CLICK, label="gone")
    operator = await come(carrier, room.first("operator"), "m0")

    def shown(rule: LinkRule) -> tuple[bool, bool]:
        (row,) = [row for row in operator.states[-1]["room"]["links"] if row["id"] == rule.id]
        return row["revoked"], row["expired"]

    assert (await command(operator.connection, "revoke_link", link=withdrawn.id))["ok"]
    await operator.until(lambda: shown(withdrawn) == (True, False))
    assert shown(expired) == (False, False)
    await operator.until(lambda: shown(expired) == (False, True))  # nothing else happens: time passes


@pytest.mark.parametrize("name", ["mute", "remove"])
async def test_an_operator_does_not_send_itself_away(carrier: Carrier, name: str) -> None:
    room = agent_of(carrier).room
    operator = await come(carrier, room.first("operator"), "m0")
    other = await come(carrier, room.first("operator"), "m1")
    sessions = {participant.member: participant.id for participant in agent_of(carrier).participants.values()}
    reply = await command(operator.connection, name, session=sessions["m0"])
    assert (reply["ok"], reply["error"]["code"]) == (False, "not_yourself")
    assert not agent_of(carrier).participants[sessions["m0"]].muted and operator.closed == []
    assert (await command(other.connection, name, session=sessions["m0"]))["ok"], "another operator can"


OPEN_ROOM = """
import sys
from pathlib import Path
from slidewire.host.participants.links import RoomStore
room = RoomStore(Path(sys.argv[1])).open("https://clicker.example", "deck")
print(room.lock is not None, flush=True)
sys.stdin.read()
"""


def test_a_room_that_another_process_has_is_not_opened_a_second_time(tmp_path: Path) -> None:
    store = RoomStore(tmp_path)
    with other_process(OPEN_ROOM, tmp_path):
        other = store.open("https://clicker.example", "deck")
        assert other.lock is not None and len(list(tmp_path.glob("*.json"))) == 2
        other.ended = True
        other.save()
    again = store.open("https://clicker.example", "deck")
    assert again.lock is not None and again.token != other.token and len(list(tmp_path.glob("*.json"))) == 2
    again.lock.release()
    other.lock.release()
