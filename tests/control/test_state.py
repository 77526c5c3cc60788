"""What changed, applied to what is held, is the state."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slidewire.control.state import apply, changes

VALUES = st.none() | st.integers(0, 3) | st.text("ab", max_size=2) | st.lists(st.integers(0, 2), max_size=2)
PARTS = st.fixed_dictionaries(
    {
        "deck": st.fixed_dictionaries({"slide": VALUES, "notes": VALUES}),
        "room": st.fixed_dictionaries({"links": VALUES, "media": st.dictionaries(st.sampled_from("xy"), VALUES)}),
        "started": VALUES,
    }
)


@given(st.lists(PARTS, min_size=1, max_size=5))
def test_changes_one_after_another_lead_to_the_state(states: list[dict[str, Any]]) -> None:
    held = apply(None, {"type": "state", "version": 1, **states[0]})
    for version, (before, now) in enumerate(itertools.pairwise(states), 2):
        held = apply(held, {"type": "state", "version": version, "since": version - 1, **changes(before, now)})
        assert held is not None and {name: held[name] for name in now} == now


def test_what_did_not_change_is_not_said() -> None:
    held = {"deck": {"slide": 1, "notes": "long"}, "you": {"name": "Ada"}}
    assert changes(held, {"deck": {"slide": 2, "notes": "long"}, "you": {"name": "Ada"}}) == {"deck": {"slide": 2}}
    assert changes(held, held) == {}


def test_changes_since_another_version_are_not_applied() -> None:
    whole = apply(None, {"type": "state", "version": 4, "deck": {"slide": 1}})
    assert apply(whole, {"type": "state", "version": 6, "since": 5, "deck": {"slide": 3}}) is None
    assert apply(None, {"type": "state", "version": 6, "since": 5, "deck": {"slide": 3}}) is None
    assert apply(whole, {"type": "state", "version": 9, "deck": {"slide": 7}}) == {
        "type": "state",
        "version": 9,
        "deck": {"slide": 7},
    }
