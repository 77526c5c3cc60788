"""Which keys of a keyboard make a symbol, by the rules of the X keyboard extension (XKB). Pure: a map and a state in,
key codes out.

A keyboard has up to four layouts, called groups, and a key has symbols for some of them. The key's type says which
modifiers lead to which of its symbols in the group. A key that has fewer groups than the keyboard takes another of its
own in their place, so Page Down is there in every group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SHIFT, LEVEL_3 = 0xFFE1, 0xFE03
"""The keysyms of the two keys that may be pressed along with another one: Shift, and AltGr."""
CLAMP, REDIRECT = 0x40, 0x80
MOST_GROUPS = 4


@dataclass(frozen=True, slots=True)
class KeyType:
    """How modifiers choose one of a key's symbols."""

    modifiers: int
    """The bits of the modifiers that count."""
    levels: Mapping[int, int]
    """The level for these of them; 0 for others."""

    def level(self, modifiers: int) -> int:
        return self.levels.get(modifiers & self.modifiers, 0)


@dataclass(frozen=True, slots=True)
class KeySymbols:
    """What is on one key."""

    types: tuple[KeyType, ...]
    """One for each group."""
    group_info: int
    """How many groups it has, and what it does in the others (XKB's `groupInfo`)."""
    width: int
    """How many symbols a group has."""
    symbols: tuple[int, ...]

    def symbol(self, group: int, modifiers: int) -> int:
        """What it means in that group of the keyboard; 0 if nothing."""
        groups = self.group_info & 0xF
        if not groups:
            return 0
        if group >= groups:
            if self.group_info & REDIRECT:
                other = self.group_info >> 4 & 3
                group = other if other < groups else 0
            else:
                group = groups - 1 if self.group_info & CLAMP else group % groups
        return self.symbols[group * self.width + self.types[group].level(modifiers)]


@dataclass(frozen=True, slots=True)
class Stroke:
    """How to type a symbol: these keys together, in this group."""

    codes: tuple[int, ...]
    group: int


class Layout:
    """All keys of one keyboard."""

    def __init__(self, keys: Sequence[KeySymbols], first_code: int, modifiers: Mapping[int, int]) -> None:
        """`modifiers`: the modifier bits of each key code that has some."""
        self._keys = keys
        self._first = first_code
        self._groups = max((key.group_info & 0xF for key in keys), default=0)
        self._together: list[tuple[tuple[int, ...], int]] = [((), 0)]
        """What may be pressed along with a key, and which modifiers that sets; the fewest keys first."""
        for symbol in (SHIFT, LEVEL_3):
            code = next((first_code + at for at, key in enumerate(keys) if key.symbol(0, 0) == symbol), None)
            if code is not None and (bits := modifiers.get(code, 0)):
                self._together += [((*codes, code), before | bits) for codes, before in self._together]
        self._together.sort(key=lambda it: len(it[0]))
        self._found: dict[tuple[int, int], dict[int, tuple[int, ...]]] = {}

    def stroke(self, symbols: Iterable[int], group: int, locked: int) -> Stroke | None:
        """How to type one of these symbols: in this group if it has them, else in another; None if none has.
        `locked`: the modifiers that are in force by themselves, such as Caps Lock."""
        wanted = tuple(symbols)
        for candidate in (group, *(other for other in range(min(self._groups, MOST_GROUPS)) if other != group)):
            keys = self._keys_in(candidate, locked)
            found = [keys[symbol] for symbol in wanted if symbol in keys]
            if found:
                return Stroke(min(found, key=len), candidate)
        return None

    def _keys_in(self, group: int, locked: int) -> dict[int, tuple[int, ...]]:
        found = self._found.get((group, locked))
        if found is None:
            found = self._found[group, locked] = {}
            for together, bits in self._together:
                for at, key in enumerate(self._keys):
                    if symbol := key.symbol(group, locked | bits):
                        found.setdefault(symbol, (*together, self._first + at))
        return found
