"""What every adapter raises where the desktop cannot be used."""


class DesktopError(Exception):
    """The desktop cannot be used. The message is for a person: what is wrong, and what to do about it."""


class ScreenError(DesktopError):
    """The screen cannot be looked at."""
