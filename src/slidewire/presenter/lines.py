"""The terminal presenter's lines: an intent in, a receipt out.

In: `next`, `goto 12`, `laser 0.5 0.25`, `laser_off`, or as JSON `{"intent": "goto", "slide": 12, "id": "any"}`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from slidewire.control.intents import Intent, Point, Verb

WORDS = {verb.word: verb for verb in Verb}


class LineError(ValueError):
    """A line that is no intent. The message says what would be one."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of input: an intent, or a laser point (None: off)."""

    text: str
    """As the receipt repeats it."""
    action: Intent | Point | None
    id: Any
    """What the receipt is to be known by: the line's number, or the id it brought."""


def read_line(line: str, number: int) -> Line:
    """Raises `LineError`."""
    text = line.strip()
    if text.startswith("{"):
        return _read_json(text, number)
    word, *arguments = text.split()
    return Line(" ".join([word, *arguments]), _action(word, arguments), number)


def _read_json(text: str, number: int) -> Line:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise LineError(f"This line is not JSON: {error}.") from None
    word = value.get("intent")
    if not isinstance(word, str) or not word.strip():
        raise LineError('A JSON line needs an "intent", for example {"intent": "next"}.')
    first, *arguments = word.split()
    for name in ("slide", "x", "y"):
        if name in value:
            arguments.append(str(value[name]))
    return Line(" ".join([first, *arguments]), _action(first, arguments), value.get("id", number))


def _action(word: str, arguments: list[str]) -> Intent | Point | None:
    try:
        match word, arguments:
            case "laser", [x, y]:
                return Point(float(x), float(y))
            case "laser_off", []:
                return None
            case "goto", [slide]:
                return Intent(Verb.GOTO, int(slide))
            case _, [] if word in WORDS and word != "goto":
                return Intent(WORDS[word])
    except ValueError:
        pass
    known = ", ".join(name for name in WORDS if name != "goto")
    raise LineError(f"{' '.join([word, *arguments])!r} is no intent. There are: {known}, goto N, laser X Y, laser_off.")
