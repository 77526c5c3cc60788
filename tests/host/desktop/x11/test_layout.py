"""Keyboard maps by the rules of XKB, without a server: whatever is in force, the same symbol is typed."""

from slidewire.host.desktop.x11.layout import CLAMP, LEVEL_3, REDIRECT, SHIFT, KeySymbols, KeyType, Layout, Stroke

NEXT = 0xFF56
ONE = KeyType(0, {})
TWO = KeyType(0x01, {0x01: 1})
FOUR = KeyType(0x81, {0x01: 1, 0x80: 2, 0x81: 3})
LETTER = KeyType(0x03, {0x01: 1, 0x02: 1})
"""Shift and Caps Lock make a capital; both together do not."""


def key(*groups: tuple[KeyType, str | int], info: int = 0) -> KeySymbols:
    width = max(len(text) if isinstance(text, str) else 1 for _, text in groups)
    rows = [[ord(it) for it in text] if isinstance(text, str) else [text] for _, text in groups]
    symbols = tuple(symbol for row in rows for symbol in (*row, *[0] * (width - len(row))))
    types = (*(kind for kind, _ in groups), *[ONE] * (4 - len(groups)))
    return KeySymbols(types, len(groups) | info, width, symbols)


SHIFT_KEY, ALTGR_KEY = key((ONE, SHIFT)), key((ONE, LEVEL_3))


def layout(*keys: KeySymbols) -> Layout:
    return Layout((SHIFT_KEY, ALTGR_KEY, *keys), 8, {8: 0x01, 9: 0x80})


def test_a_key_of_one_group_is_there_in_every_group() -> None:
    keyboard = layout(key((ONE, NEXT)), key(*[(TWO, text) for text in ("aA", "bB", "cC", "dD")]))
    for group in range(4):
        assert keyboard.stroke([NEXT], group, 0) == Stroke((10,), group)


def test_what_a_key_does_in_a_group_it_does_not_have() -> None:
    groups = ((TWO, "aA"), (TWO, "bB"))
    for info, symbols in ((0, "abab"), (CLAMP, "abbb"), (REDIRECT | 1 << 4, "abbb"), (REDIRECT | 3 << 4, "abaa")):
        assert "".join(chr(key(*groups, info=info).symbol(group, 0)) for group in range(4)) == symbols


def test_shift_and_altgr_are_pressed_where_the_symbol_needs_them() -> None:
    keyboard = layout(key((FOUR, "&1²¹")), key((FOUR, "abæB")))
    assert keyboard.stroke([ord("&")], 0, 0) == Stroke((10,), 0)
    assert keyboard.stroke([ord("1")], 0, 0) == Stroke((8, 10), 0)
    assert keyboard.stroke([ord("²")], 0, 0) == Stroke((9, 10), 0)
    assert keyboard.stroke([ord("¹")], 0, 0) in (Stroke((8, 9, 10), 0), Stroke((9, 8, 10), 0))


def test_what_caps_lock_does_to_a_key_is_taken_into_account() -> None:
    keyboard = layout(key((LETTER, "&1")), key((TWO, "bB")))
    assert keyboard.stroke([ord("1")], 0, 0x02) == Stroke((10,), 0)  # as French keyboards of one kind have it
    assert keyboard.stroke([ord("b")], 0, 0x02) == Stroke((11,), 0)


def test_the_layout_in_force_comes_before_the_others() -> None:
    keyboard = layout(key((TWO, "жЖ"), (TWO, "bB")), key((TWO, "bB"), (TWO, "nN")))
    assert keyboard.stroke([ord("b")], 1, 0) == Stroke((10,), 1)
    assert keyboard.stroke([ord("b")], 0, 0) == Stroke((11,), 0)
    assert keyboard.stroke([ord("n")], 0, 0) == Stroke((11,), 1)
    assert keyboard.stroke([ord("q")], 0, 0) is None


def test_of_several_symbols_that_will_do_the_one_with_the_fewest_keys() -> None:
    keyboard = layout(key((LETTER, "bB")))
    assert keyboard.stroke([ord("b"), ord("B")], 0, 0x02) == Stroke((10,), 0)
