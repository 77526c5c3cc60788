"""Text that somebody else wrote, made safe to look at."""

from __future__ import annotations


def printable(text: str) -> str:
    """With every character that controls or reorders what is displayed as `\\u202e`, in UTF-16 as JSON has it.

    A terminal obeys control characters (also U+0080 to U+009F), and whoever reads a log is misled by characters that
    turn the direction of writing, break a line or are not seen. Letters, marks and signs of every script stay.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
