"""What other users of this computer read of us in the list of processes: no secret that was given as an argument."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

_SECRETS = (
    (re.compile(r"(#|%23).*", re.DOTALL | re.IGNORECASE), r"\1…"),  # of a link, what comes after the `#`
    (re.compile(r"\b(sw[a-z]_)[\w-]+"), r"\1…"),  # keys and tokens of a server
    (re.compile(r"(://)[^/@\s]*@"), r"\1…@"),  # a password in an address, such as a proxy's
)


def without_secrets(arguments: Sequence[str]) -> list[str]:
    hidden = list(arguments)
    for pattern, what_stays in _SECRETS:
        hidden = [pattern.sub(what_stays, argument) for argument in hidden]
    return hidden


def hide_secrets() -> None:
    """The title stays as it is where there is nothing to hide."""
    hidden = without_secrets(sys.argv[1:])
    if hidden != sys.argv[1:]:
        import setproctitle

        setproctitle.setproctitle(" ".join(["slidewire", *hidden]))
