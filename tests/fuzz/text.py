"""JSON that is almost right: values of every kind in any field, then faults in the bytes."""

from __future__ import annotations

import json
import random
from typing import Any, Final

_STRINGS: Final = (
    "", "x", "A" * 22, "A" * 43, "K7QM42", "abcdefgh23", "m1", "\x00", "\ud800", "\U0001f600", "é", "a" * 300,
    "__proto__", "../../etc/passwd", "https://x/p/abcdefgh23#AAAAAAAAAAAAAAAAAAAAAA", "for=1.2.3.4", "=1+1",
)  # fmt: skip
_NUMBERS: Final = (0, 1, -1, 2**31, 2**53, 2**53 - 1, -(2**63), 2**64, 1e308, 0.5, 65_535, 65_536)


def value(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(8 if depth < 3 else 6)
    match kind:
        case 0 | 1:
            return dice.choice(_STRINGS)
        case 2 | 3:
            return dice.choice(_NUMBERS)
        case 4:
            return dice.choice((None, True, False))
        case 5:
            return dice.choice(_STRINGS) * dice.choice((1, 1, 1, 40))
        case 6:
            return [value(dice, depth + 1) for _ in range(dice.randrange(4))]
        case _:
            return {dice.choice(_STRINGS): value(dice, depth + 1) for _ in range(dice.randrange(4))}


def spoiled(message: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """One or two fields are something else, or gone, or new."""
    changed = dict(message)
    for _ in range(dice.choice((1, 1, 2))):
        name = dice.choice([*changed, "type", "extra"]) if changed else "type"
        if dice.random() < 0.2:
            changed.pop(name, None)
        else:
            changed[name] = value(dice)
    return changed


def encoded(message: Any, dice: random.Random) -> bytes:
    """Mostly as it should be, and sometimes with faults in its bytes."""
    data = bytearray(json.dumps(message, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass"))
    if dice.random() < 0.3:
        for _ in range(dice.choice((1, 1, 3))):
            at = dice.randrange(len(data) + 1)
            match dice.randrange(6):
                case 0 if data:
                    data[at % len(data)] ^= 1 << dice.randrange(8)
                case 1:
                    del data[at:]
                case 2:
                    data[at:at] = dice.randbytes(dice.randint(1, 5))
                case 3:
                    data[at:at] = b"[" * dice.choice((1, 50, 3000))
                case 4:
                    data[at:at] = b'{"a":' * dice.choice((1, 50, 2000))
                case _:
                    data[at:at] = b"9" * dice.choice((1, 30, 5000))
    return bytes(data)
