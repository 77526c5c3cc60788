"""Where a link comes from: an argument, a file, the environment or standard input, whichever is given first.

Arguments stand in the list of processes and in a shell's history; the others do not. Of standard input only the first
line is taken, so that what follows can be what the program is there to read.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import TextIO

import click


def link_of(
    argument: str | None,
    file: Path | None,
    variable: str,
    stdin: TextIO | None = None,
    environment: MutableMapping[str, str] = os.environ,
) -> str | None:
    """The link's text, or None if none of these has one. `stdin` None: it is for something else.

    The variable is taken out of the environment: programs that are started from here need not know it.
    """
    given = environment.pop(variable, "").strip()
    if argument is not None and file is not None:
        raise click.UsageError("Give the link or the file that it is in, not both.")
    if argument is not None:
        return argument
    if file is not None:
        return _first_line(file)
    if given or stdin is None:
        return given or None
    if stdin.isatty():
        return str(click.prompt("Link", hide_input=True, err=True)).strip()
    return stdin.readline().strip() or None


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            line = opened.readline(4096).strip()
    except (OSError, UnicodeError) as error:
        raise click.BadParameter(f"{file} cannot be read: {error}", param_hint="--link-file") from None
    if not line:
        raise click.BadParameter(f"the first line of {file} has to be the link, and is empty", param_hint="--link-file")
    return line
