"""The API token of the state directory, for programs of the server's own user."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from slidewire.system.errors import SetupError

TOKEN_FILE: Final = "api-token"  # noqa: S105  a name


def load_token(path: Path) -> str:
    """Make it where there is none. Raises SetupError."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}. Make its folder writable.") from None
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} cannot be read ({error}). Delete it, and a new token is made.") from None
    if len(token) < 32:
        raise SetupError(f"The token in {path} could be guessed. Delete the file, and a new token is made.")
    return token
