"""What this device calls itself, so that a one-device link knows it again."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from slidewire.control import introduction
from slidewire.system.directories import state_directory

log = logging.getLogger(__name__)

_FILE = "device"


def device_name(link_id: str, directory: Path | None = None) -> str:
    """A name for this user of this machine, another one for each link, so that no two hosts see the same."""
    return introduction.device_name(_seed((directory or state_directory()) / _FILE), link_id)


def _seed(path: Path) -> bytes:
    try:
        kept = path.read_bytes()
        if len(kept) == 32:
            return kept
    except OSError:
        pass
    seed = secrets.token_bytes(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)  # before there is anything in it
        path.write_bytes(seed)
    except OSError as error:
        log.warning("%s cannot be written (%s): a one-device link will not know this device again.", path, error)
    return seed
