"""Which passwords may be chosen: at least fifteen characters of any kind, and none that would soon be guessed.

zxcvbn knows which those are: thirty thousand passwords from what was stolen elsewhere, common words and names, keyboard
rows, dates and repetitions, and how guessers put them together. So `passwordpassword1` is refused although no list has
it, and there is no rule about capitals and digits, which would only be obeyed (`docs/decisions`).
"""

from __future__ import annotations

import unicodedata
from typing import Final

SHORTEST: Final = 15
LONGEST: Final = 256
FEWEST_GUESSES: Final = 1e8
"""zxcvbn's own line between what guessing at a server could find and what it could not."""
_WINDOW: Final = 40
"""Characters that zxcvbn looks at: what it does grows with their square."""
CONTEXT_WORDS: Final = ("slidewire", "clicker", "presenter", "operator", "audience", "slides", "slideshow", "server")
"""What is guessed first for a password of this program, beside the account's own name."""


def normal(password: str) -> bytes:
    """The same however a keyboard composes its letters (NIST SP 800-63B), and nothing else is changed."""
    return unicodedata.normalize("NFKC", password).encode(errors="replace")


def is_guessable(password: str, name: str) -> bool:
    """Takes some milliseconds, and a few MB from the first time on. Not for two threads at once."""
    from zxcvbn import zxcvbn

    text = unicodedata.normalize("NFKC", password).lower()  # a capital here and there is guessed first
    words = [*CONTEXT_WORDS, name]
    # Of a long one both ends: it is good if either is.
    looked_at = {text[:_WINDOW], text[-_WINDOW:]}
    return all(zxcvbn(part, user_inputs=words)["guesses"] < FEWEST_GUESSES for part in looked_at)
