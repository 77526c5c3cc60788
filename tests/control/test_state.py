"""What changed, applied to what is held, is the state."""

import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slidewire.control.messages import Position, StateMessage, encode, read_from_host
from slidewire.control.state import (
    Build,
    DeckPart,
    HostEntry,
    MediaPart,
    RoomMedia,
    RoomPart,
    State,
    YouPart,
    apply,
    changes,
    read_state,
    whole,
)

SLIDES = st.none() | st.integers(1, 3)
TEXTS = st.none() | st.text("ab", max_size=2)
DECKS = st.builds(
    DeckPart,
    slide=SLIDES,
    notes=TEXTS,
    can=st.lists(st.sampled_from(["next", "goto"]), max_size=2),
    build=st.none() | st.builds(Build, st.integers(0, 2), st.integers(0, 2)),
)
ROOMS = st.builds(
    RoomPart,
    code=TEXTS,
    hosts=st.lists(st.builds(HostEntry, st.sampled_from("ab"), st.just("h")), max_size=2),
    media=st.builds(RoomMedia, screen=st.booleans(), problem=TEXTS),
    rejected=st.dictionaries(st.sampled_from("xy"), st.integers(0, 2)),
)
STATES = st.builds(
    State,
    deck=DECKS,
    you=st.builds(YouPart, name=st.text("ab", max_size=2), expires=st.none() | st.floats(0, 9)),
    media=st.builds(MediaPart, on_air=st.booleans()),
    started=st.none() | st.integers(-3, 3),
    room=ROOMS,
)


def sent(message: StateMessage) -> StateMessage:
    """As it arrives."""
    read = read_from_host(encode(message))
    assert isinstance(read, StateMessage)
    return read


def as_json(message: StateMessage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode(message))
    return found


@given(st.lists(STATES, min_size=1, max_size=5))
def test_changes_one_after_another_lead_to_the_state(states: list[State]) -> None:
    held = apply(None, sent(whole(states[0], 1)))
    assert held is not None and read_state(held) == states[0]
    for version, (before, now) in enumerate(itertools.pairwise(states), 2):
        held = apply(held, sent(changes(before, now, version, version - 1)))
        assert held is not None and read_state(held) == now


def test_what_did_not_change_is_not_said() -> None:
    held = State(DeckPart(slide=1, notes="long"), YouPart(name="Ada"))
    now = State(DeckPart(slide=2, notes="long"), YouPart(name="Ada"))
    told = {"type": "state", "version": 2, "since": 1}
    assert as_json(changes(held, now, 2, 1)) == {**told, "deck": {"slide": 2}}
    assert as_json(changes(held, held, 2, 1)) == told


def test_the_whole_has_every_field_also_where_nothing_is_known() -> None:
    told = as_json(whole(State(), 1))
    assert told.keys() == {"type", "version", "deck", "you", "media", "started"}
    assert told["deck"].keys() == set(DeckPart.__struct_fields__)


def test_changes_since_another_version_are_not_applied() -> None:
    one, three, seven = (State(DeckPart(slide=slide)) for slide in (1, 3, 7))
    held = apply(None, sent(whole(one, 4)))
    assert held is not None
    assert apply(held, sent(changes(one, three, 6, 5))) is None
    assert apply(None, sent(changes(one, three, 6, 5))) is None
    newest = apply(held, sent(whole(seven, 9)))
    assert newest is not None and (newest.version, read_state(newest)) == (9, seven)


def test_the_state_of_a_later_version_is_read_and_what_it_adds_is_kept_through_changes() -> None:
    text = (
        b'{"type":"state","version":1,"deck":{"slide":1,"status":"rehearsing","chapters":[1]},"you":{},'
        b'"timer":{"left":3},"laser":{"x":0.5,"y":0.25,"colour":"red"}}'
    )
    first = read_from_host(text)
    assert isinstance(first, StateMessage)
    state = read_state(first)
    assert state is not None and (state.deck.slide, state.deck.status, state.laser) == (
        1,
        "rehearsing",
        Position(0.5, 0.25),
    )
    later = read_from_host(b'{"type":"state","version":2,"since":1,"deck":{"slide":2},"timer":{"left":2}}')
    assert isinstance(later, StateMessage)
    held = apply(first, later)
    assert held is not None and held.deck == {"slide": 2, "status": "rehearsing", "chapters": [1]}


def test_the_state_of_an_earlier_version_is_read() -> None:
    message = read_from_host(b'{"type":"state","version":1,"deck":{"slide":4}}')
    assert isinstance(message, StateMessage)
    state = read_state(message)
    assert state is not None and (state.deck.slide, state.you, state.media) == (4, YouPart(), MediaPart())


def test_a_state_that_is_malformed_is_none() -> None:
    message = read_from_host(b'{"type":"state","version":1,"deck":{"slide":"four"}}')
    assert isinstance(message, StateMessage) and read_state(message) is None
