"""Where the programs of one user on one machine keep what must outlive them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import platformdirs

AUTHORITY_FILE: Final = "authority.pem"
"""In the state directory: the authority `slidewire serve` made for itself, which the same user's programs trust."""


def state_directory() -> Path:
    """The default of `--state-dir`: `$XDG_DATA_HOME/slidewire` on Linux, and each system's own place elsewhere."""
    return platformdirs.user_data_path("slidewire", appauthor=False)


def configuration_file() -> Path:
    """The default of `--config`: `$XDG_CONFIG_HOME/slidewire/config.toml` on Linux."""
    return platformdirs.user_config_path("slidewire", appauthor=False) / "config.toml"
