"""How many files this program may have open, sockets among them, and how that is divided.

Most systems give a program 1024 and let it raise that itself, to a limit that only they can raise. So it is raised
always. A part of what there is then stays ours: for the database, TLS, links and logs, which must be readable while
strangers take all they can get. The rest is divided among those who come.
"""

from __future__ import annotations

import contextlib
import errno
from typing import Final

PLENTY: Final = 1 << 20
"""Where the system has no limit."""
RESERVED: Final = 256
"""… or a quarter, where there is little."""


def raise_limit() -> int:
    """The soft limit becomes the hard one. How many files may be open now."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return PLENTY
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited", and means less
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return PLENTY if soft == resource.RLIM_INFINITY else min(soft, PLENTY)


def limit() -> int:
    """How many files may be open."""
    try:
        import resource
    except ImportError:
        return PLENTY
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return PLENTY if soft == resource.RLIM_INFINITY else min(soft, PLENTY)


def for_others(most: int) -> int:
    """How many of so many descriptors all clients together may have."""
    return most - min(RESERVED, most // 4)


def remedy(error: OSError) -> str:
    """What to do about a file that could not be opened, or a connection accepted, because there are too many."""
    match error.errno:
        case errno.EMFILE:
            return (
                f"All of the {limit()} files that this program may open are open. Raise its hard limit: LimitNOFILE= "
                "in the unit of systemd, --ulimit nofile= of a container, or `ulimit -Hn` in the shell that starts it."
            )
        case errno.ENFILE:
            return "The whole system has no more files to open. Raise its limit, sysctl fs.file-max, or stop something."
        case _:
            return f"The system has no memory for more connections ({error.strerror}). Stop something, or give it more."
