"""Whether keys can be typed by the library pynput, told without loading it: it opens the desktop when it is loaded."""

from __future__ import annotations

from importlib.util import find_spec


def probe() -> str | None:
    """None if it can; else why not, and what to do about it."""
    if find_spec("pynput") is None:
        return "the Python library pynput is missing, which types on this system: pip install pynput"
    return None
