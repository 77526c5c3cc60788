"""Code that runs in another process for as long as a test needs it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def other_process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run `code` with `arguments` in `sys.argv[1:]`; it has printed a line when this returns, and is killed at the end.

    A program that is to stay reads its standard input.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    with process:
        try:
            assert process.stdout.readline(), "the other process ended at once"
            yield process
        finally:
            process.kill()
