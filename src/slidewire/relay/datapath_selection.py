"""Which data path forwards datagrams. There are two, and the same tests are run against both.

`plain` is Python's standard library, and works everywhere. `compiled` is one C file (`_relay.c`), for Linux, where it
was compiled when Slidewire was installed. SLIDEWIRE_DATA_PATH says which; without it, the faster one there is.
"""

from __future__ import annotations

import os
from typing import Final

from slidewire.relay import compiled, plain
from slidewire.relay.datapath import DataPath, NoSuchPath

VARIABLE: Final = "SLIDEWIRE_DATA_PATH"
CHOICES: Final = ("auto", "plain", "compiled")


def select_data_path(wanted: str | None = None) -> DataPath:
    """Raises NoSuchPath if one was asked for by name and is not to be had."""
    wanted = wanted or os.environ.get(VARIABLE) or "auto"
    if wanted not in CHOICES:
        raise NoSuchPath(f"{wanted} is no data path; there are {', '.join(CHOICES)}.")
    if wanted == "plain":
        return plain.PlainPath()
    if wanted == "compiled" or compiled.why_not() is None:
        return compiled.CompiledPath()
    return plain.PlainPath()
