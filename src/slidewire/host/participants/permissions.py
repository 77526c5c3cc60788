"""What a link's slide range allows: one question, answered from the deck's state right before an intent is performed.

An intent is allowed if the slide it would lead to lies in the range. Where that cannot be known it is refused: a range
is a promise to those who show the other slides.
"""

from __future__ import annotations

from slidewire.control.intents import Intent, Reason, Verb
from slidewire.host.decks.driver import DeckState, DeckStatus
from slidewire.host.participants.links import LinkRule

NOT_FOR_RANGES = frozenset({Verb.START, Verb.STOP})
"""They are about the whole show."""


def permit_intent(intent: Intent, state: DeckState, rule: LinkRule) -> Reason:
    if not rule.is_ranged:
        return Reason.NONE
    if intent.verb in NOT_FOR_RANGES:
        return Reason.ROLE
    if state.status is not DeckStatus.RUNNING:
        return Reason.NO_SHOW if state.status is DeckStatus.NO_SHOW else Reason.NO_DECK
    slide = None if state.slide is None else _destination(intent, state, state.slide)
    if slide is None:
        return Reason.SLIDE_UNKNOWN
    if slide < 1:
        return Reason.AT_START
    if intent.verb is Verb.NEXT and state.count is not None and slide > state.count:
        return Reason.AT_END
    return Reason.NONE if rule.covers(slide) else Reason.RANGE


def permit_laser(state: DeckState, rule: LinkRule) -> Reason:
    """A link points at its own slides only."""
    if not rule.is_ranged:
        return Reason.NONE
    if state.slide is None:
        return Reason.SLIDE_UNKNOWN
    return Reason.NONE if rule.covers(state.slide) else Reason.RANGE


def _destination(intent: Intent, state: DeckState, slide: int) -> int | None:
    """The slide that is shown after the intent; None if the deck does not say enough to tell."""
    build = state.build
    match intent.verb:
        case Verb.NEXT | Verb.PREVIOUS if state.blank:
            return slide  # the first press only brings back what was hidden
        case Verb.NEXT:
            return slide if build is not None and build.position < build.count else slide + 1
        case Verb.PREVIOUS:
            return slide if build is not None and build.position > 0 else slide - 1
        case Verb.FIRST:
            return 1
        case Verb.LAST:
            return state.count
        case Verb.GOTO:
            return intent.argument
        case Verb.BLACK | Verb.WHITE:
            return slide
        case _:
            return None
