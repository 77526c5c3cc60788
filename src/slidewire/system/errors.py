"""Why a program cannot start, in a sentence."""

from __future__ import annotations

import errno


class SetupError(Exception):
    """A program cannot start. The message is one sentence for a person, with the remedy."""


def why_not_opened(error: OSError, host: str, port: int, option: str) -> str:
    """`option` is the one that names the port."""
    match error.errno:
        case errno.EADDRINUSE:
            free = f"give another with {option} (0: a free one)"
            return f"Port {port} on {host} is taken by another program. Stop it, or {free}."
        case errno.EACCES | errno.EPERM:
            return f"Port {port} needs more rights than this program has. Give one above 1023 with {option}."
        case errno.EADDRNOTAVAIL:
            return f"This machine has no address {host}. Give one of its own with --listen, or 0.0.0.0 for all."
        case _:
            return f"{host} port {port} cannot be listened on: {error.strerror or error}. Check --listen and {option}."
