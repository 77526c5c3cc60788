"""The state that a host tells: the whole of it, then what changed (protocol/control.md §7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def changes(held: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of `now` that differ from `held`; of a part that is an object, the fields that differ. Both have the
    same parts."""
    changed: dict[str, Any] = {}
    for name, value in now.items():
        before = held.get(name)
        if value == before:
            continue
        if isinstance(value, dict) and isinstance(before, dict) and value.keys() == before.keys():
            changed[name] = {field: new for field, new in value.items() if new != before[field]}
        else:
            changed[name] = value
    return changed


def apply(held: Mapping[str, Any] | None, message: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state after this `state` message. None: it tells what changed since a version that is not held."""
    if "since" not in message:
        return dict(message)
    if held is None or held.get("version") != message["since"]:
        return None
    state = dict(held)
    for name, value in message.items():
        before = state.get(name)
        state[name] = {**before, **value} if isinstance(value, dict) and isinstance(before, dict) else value
    return state
