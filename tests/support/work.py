"""How much work a piece of code is: the lines of the product that it runs. The same on every machine, and every time.

What C does inside one line is not seen: it is to be bounded by what the lines hand it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import slidewire

_PRODUCT: Final = str(Path(slidewire.__file__).parent)


class Work:
    lines = 0


@contextlib.contextmanager
def counted() -> Iterator[Work]:
    """Of this thread, inside the `with`."""
    work = Work()

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        work.lines += event == "line"
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        return line if frame.f_code.co_filename.startswith(_PRODUCT) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield work
    finally:
        sys.settrace(before)
