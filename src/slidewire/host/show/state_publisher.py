"""Tells each participant of the show's state: the whole of it once, then what changed (protocol/control.md §7).

Nothing is queued. A change marks participants as due; each is told the newest state there is when its turn comes, those
who may click first. The laser has turns of its own, and deck pages only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar, cast

from msgspec import UNSET
from msgspec.structs import replace

from slidewire.aio.clock import monotonic
from slidewire.aio.loop import Alarm
from slidewire.base.rates import Rate
from slidewire.control.intents import Role
from slidewire.control.messages import LaserMoved, Position
from slidewire.control.state import Build, DeckPart, RoomPart, State, changes, whole
from slidewire.host.decks.driver import DeckState, DeckStatus
from slidewire.host.participants.operators import describe_you
from slidewire.host.participants.participant import Participant
from slidewire.host.participants.permissions import NOT_FOR_RANGES
from slidewire.host.show.controller import ShowController
from slidewire.host.show.turns import Turns

STATE_FOLLOWS_AFTER = 0.010
"""A deck says that it has changed just before it answers an intent: the receipt goes out first, and the state, which is
much longer, right after it. A burst of taps is told of in one."""
OPERATORS_SEE_WITHIN = 0.2
"""Changes that only operators see are gathered this long."""
STATES = Rate(300, 60)
"""States to those who may click, all together; and as many to those who only look on."""
LASERS = Rate(300, 60)
LASER_EVERY = 0.035
"""Seconds between two positions of the laser for one page."""
TOLD_AT_ONCE = 4
"""Participants told in one turn of the event loop; the next ones after `TOLD_EVERY` seconds. A click waits for no
more."""
TOLD_EVERY = 0.004
NOTES_LENGTH = 16_000
"""Of the notes of one slide."""
STATE_BYTES = 8 * 1024
STATE_BYTES_PER_SECOND = 128 * 1024
"""A state longer than `STATE_BYTES`, as an operator's of a room with many links, is told no faster than this."""


P = TypeVar("P", DeckPart, RoomPart)


class StatePublisher:
    def __init__(
        self,
        participants: Mapping[int, Participant],
        show: ShowController,
        *,
        describe_room: Callable[[], RoomPart],
        describe_features: Callable[[Participant, State], State],
    ) -> None:
        """`participants`: those who are here now, by session. `describe_room`: what operators are told besides.
        `describe_features`: the state with the parts of all features."""
        self._participants = participants
        self._show = show
        self._describe_room, self._describe_features = describe_room, describe_features
        self.started: float | None = None
        """When the show began."""
        self._clicking, self._looking_on = Turns(STATES), Turns(STATES)
        self._pointed_at = Turns(LASERS, LASER_EVERY)
        self._alarm = Alarm(self._tell)
        self._tell_at: float | None = None
        self._tell_from = float("-inf")
        """No participant is told earlier."""
        self._operators: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._described: dict[str, DeckPart | RoomPart] = {}
        """What was described in this turn of telling."""

    def close(self) -> None:
        self._is_closed = True
        self._alarm.set(None)
        if self._operators is not None:
            self._operators.cancel()

    # What happened

    def show_changed(self) -> None:
        """All participants are to be told, after the receipt of the intent that may have changed it."""
        if self.started is None and self._show.state.status == "running":
            self.started = monotonic()
        self._announce(lambda participant: True, STATE_FOLLOWS_AFTER)

    def room_changed(self) -> None:
        """Something that only operators see."""
        if self._operators is None and not self._is_closed:
            self._operators = asyncio.get_running_loop().call_later(OPERATORS_SEE_WITHIN, self._tell_operators)

    def laser_moved(self) -> None:
        for participant in self._participants.values():
            if participant.session.established and is_deck_page(participant) and participant.admitted:
                self._pointed_at.mark(participant.id)
        self._tell_in(0.0)

    def tell_whole(self, participant: Participant) -> None:
        """The whole state, as soon as may be."""
        participant.held = None
        self._mark(participant)
        self._tell_in(0.0)

    def forget(self, participant: Participant) -> None:
        for turns in (self._clicking, self._looking_on, self._pointed_at):
            turns.forget(participant.id)

    # Turns

    def _tell_operators(self) -> None:
        self._operators = None
        self._announce(is_operator)

    def _announce(self, to: Callable[[Participant], bool], after: float = 0.0) -> None:
        for participant in self._participants.values():
            if participant.session.established and to(participant):
                self._mark(participant)
        self._tell_in(after)

    def _mark(self, participant: Participant) -> None:
        turns = self._clicking if participant.link.role.may_click else self._looking_on
        turns.mark(participant.id)

    def _tell_in(self, seconds: float) -> None:
        """Tell those who are due in so many seconds, or earlier if that was said before."""
        due = max(monotonic() + seconds, self._tell_from)
        if not self._is_closed and (self._tell_at is None or due < self._tell_at):
            self._tell_at = due
            self._alarm.set(due)

    def _tell(self) -> None:
        """A few of those who are due: those who may click come first."""
        self._tell_at = None
        now = monotonic()
        self._tell_from = now + TOLD_EVERY
        self._described.clear()
        left = TOLD_AT_ONCE
        for turns, tell in (
            (self._clicking, self._send_state),
            (self._looking_on, self._send_state),
            (self._pointed_at, self._send_laser),
        ):
            for session in turns.take(now, self._can_be_told, left):
                left -= 1
                participant = self._participants[session]
                before = participant.session.wire.message_bytes_sent
                with participant.contained():
                    tell(participant)
                told = participant.session.wire.message_bytes_sent - before
                if told > STATE_BYTES:
                    turns.delay(session, now + told / STATE_BYTES_PER_SECOND)
            if (moment := turns.get_timer()) is not None:
                self._tell_in(moment - now)

    def _can_be_told(self, session: int) -> bool:
        return self._participants[session].can_be_told()

    def _send_state(self, participant: Participant) -> None:
        """What changed since the state that the participant was told last, or the whole."""
        wire, held = participant.session.wire, participant.held
        state = self._describe(participant)
        if state == held:
            return
        version = wire.version % 0xFFFF + 1
        if held is None or (held.room is UNSET) != (state.room is UNSET):
            message = whole(state, version)
            if is_deck_page(participant) and participant.admitted:
                message = replace(message, laser=self._laser)
        else:
            message = changes(held, state, version, since=wire.version)
        if participant.send_message(message):
            wire.version = version
            participant.held = state

    def _send_laser(self, participant: Participant) -> None:
        participant.send_message(LaserMoved(self._laser))

    # What is told

    @property
    def _laser(self) -> Position | None:
        at = self._show.laser
        return Position(at.x, at.y) if at is not None else None

    def _describe(self, participant: Participant) -> State:
        """The state as this participant may see it."""
        sees_room = is_operator(participant) and participant.admitted
        state = State(
            deck=self._describe_deck(participant),
            you=describe_you(participant),
            started=self._clock_of(participant, self.started),
            room=self._once("room", self._describe_room) if sees_room else UNSET,
        )
        return self._describe_features(participant, state)

    def _describe_deck(self, participant: Participant) -> DeckPart:
        deck = self._show.deck
        if not participant.admitted:
            return self._once("no deck", lambda: self._deck(DeckState(DeckStatus.NO_DECK), frozenset(), pictures=False))
        if participant.link.is_ranged:
            can = deck.can - {verb.word for verb in NOT_FOR_RANGES}
            return self._once("ranged deck", lambda: self._deck(self._show.state, can, pictures=deck.pictures))
        return self._once("deck", lambda: self._deck(self._show.state, deck.can, pictures=deck.pictures))

    def _deck(self, state: DeckState, can: Collection[str], *, pictures: bool) -> DeckPart:
        return DeckPart(
            driver=self._show.deck.driver,
            title=state.title,
            status=str(state.status),
            slide=state.slide,
            count=state.count,
            build=None if state.build is None else Build(state.build.position, state.build.count),
            blank=state.blank,
            can=sorted(can),
            pictures=pictures,
            notes=_cut(state.notes),
            slide_title=state.slide_title,
            next_title=state.next_title,
            slide_label=state.slide_label,
            edition=state.edition,
            has_newer=state.has_newer,
            drawable=state.drawable,
        )

    def _once(self, name: str, describe: Callable[[], P]) -> P:
        """What several are told in one turn is described once."""
        if name not in self._described:
            self._described[name] = describe()
        return cast("P", self._described[name])

    @staticmethod
    def _clock_of(participant: Participant, moment: float | None) -> int | None:
        """A moment in the participant's session clock; negative if it was before the session began."""
        return None if moment is None else round((moment - participant.session.wire.seconds_of(0)) * 1000)


def _cut(notes: str | None) -> str | None:
    """A state is told again and again, also where a network is narrow."""
    return notes if notes is None or len(notes) <= NOTES_LENGTH else notes[: NOTES_LENGTH - 1] + "…"


def is_operator(participant: Participant) -> bool:
    return participant.link.role is Role.OPERATOR


def is_deck_page(participant: Participant) -> bool:
    return participant.link.page == "deck"
