"""What the host may ever type. The allow-list is the type: a key that is not named here cannot be said.

A presenter never sends a key code, only an intent, and a key map turns that into some of these keys. None of them
carries a modifier, so no shortcut (close, quit, switch, save) can be composed from them.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol


class Key(Enum):
    """Every key there is, as far as this program is concerned."""

    PAGE_DOWN = auto()
    PAGE_UP = auto()
    RIGHT = auto()
    LEFT = auto()
    UP = auto()
    DOWN = auto()
    HOME = auto()
    END = auto()
    SPACE = auto()
    BACKSPACE = auto()
    RETURN = auto()
    ESCAPE = auto()
    F5 = auto()
    B = auto()
    G = auto()
    W = auto()
    PERIOD = auto()
    COMMA = auto()
    DIGIT_0 = auto()
    DIGIT_1 = auto()
    DIGIT_2 = auto()
    DIGIT_3 = auto()
    DIGIT_4 = auto()
    DIGIT_5 = auto()
    DIGIT_6 = auto()
    DIGIT_7 = auto()
    DIGIT_8 = auto()
    DIGIT_9 = auto()


DIGITS = (
    Key.DIGIT_0, Key.DIGIT_1, Key.DIGIT_2, Key.DIGIT_3, Key.DIGIT_4,
    Key.DIGIT_5, Key.DIGIT_6, Key.DIGIT_7, Key.DIGIT_8, Key.DIGIT_9,
)  # fmt: skip

CHARACTERS: dict[Key, str] = {
    Key.SPACE: " ",
    Key.B: "b",
    Key.G: "g",
    Key.W: "w",
    Key.PERIOD: ".",
    Key.COMMA: ",",
    **{key: str(digit) for digit, key in enumerate(DIGITS)},
}
"""The keys that stand for a character; where on the keyboard that is depends on its layout."""


class Button(Enum):
    """The mouse buttons a deck may need."""

    LEFT = auto()
    RIGHT = auto()


class Keyboard(Protocol):
    """Keys and pointer of this desktop. Whatever is pressed is released before the call returns, also on an error."""

    def can_type(self, key: Key) -> bool:
        """Whether the keyboard has that key, in the layout in force or in another that it can switch to."""

    def modifiers_held(self) -> bool:
        """Whether Shift, Control, Alt or another modifier is held: what is typed now would mean something else."""

    def is_grabbed(self) -> bool:
        """Whether another program takes every key for itself, such as a screen locker or an open menu."""

    def press(self, key: Key) -> None:
        """Press and release it. It goes to whatever has the focus: look first."""

    def click(self, button: Button) -> None:
        """Press and release it where the pointer is."""

    def move(self, x: int, y: int) -> None:
        """Put the pointer there, in desktop pixels."""
