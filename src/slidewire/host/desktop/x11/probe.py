"""Whether the X11 adapters can work here, told without opening a display. Needs no library."""

from __future__ import annotations

from slidewire.host.desktop.environment import x11_display


def probe(display: str | None, without_display: str) -> str | None:
    """None if they can; else why not, and what to do about it. `without_display`: that sentence where there is no
    display."""
    if not x11_display(display):
        return without_display
    try:
        import xcffib  # noqa: F401
    except ImportError:
        return "the Python library xcffib is missing, which speaks to the X11 desktop: pip install xcffib"
    except OSError:
        return (
            "the system library libxcb is missing, which speaks to the X11 desktop: "
            "install it (Debian and Ubuntu: apt install libxcb1)"
        )
    return None
