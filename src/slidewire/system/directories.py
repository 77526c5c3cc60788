"""Where the programs of one user on one machine keep what must outlive them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

AUTHORITY_FILE: Final = "authority.pem"
"""In the state directory: the authority `slidewire serve` made for itself, which the same user's programs trust."""


def state_directory() -> Path:
    """The default of `--state-dir`."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "slidewire"
