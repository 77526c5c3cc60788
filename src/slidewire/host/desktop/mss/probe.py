"""Whether the library mss can look at the screen, told without opening it."""

from __future__ import annotations

from importlib.util import find_spec

from slidewire.host.desktop.environment import System, has_wayland, this_system, x11_display


def probe(display: str | None = None) -> str | None:
    """None if it can; else why not, and what to do about it."""
    if this_system() is System.LINUX and not x11_display(display):
        if has_wayland():
            return (
                "this is a Wayland session, which lets no program look at its screen unasked: log in with an Xorg "
                "(X11) session to share the screen"
            )
        return "there is no screen to share (DISPLAY is not set): start this inside the session that shows the slides"
    if find_spec("mss") is None:
        return "the Python library mss is missing, which looks at the screen: pip install mss"
    return None
