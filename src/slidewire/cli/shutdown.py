"""Signals. The first Ctrl-C or SIGTERM is a request to end in good order, the second is obeyed at once; SIGHUP asks to
read files again."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable


def stop_requested() -> asyncio.Future[signal.Signals]:
    """A future that is done when somebody asks this program to stop."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[signal.Signals] = loop.create_future()

    def ask(number: signal.Signals) -> None:
        if asked.done():
            sys.exit(130)
        asked.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, ask, number)
        except NotImplementedError:  # Windows' event loop: Ctrl-C arrives as KeyboardInterrupt instead
            break
    return asked


def reload_requested(reload: Callable[[], object]) -> None:
    """Call `reload` whenever somebody sends SIGHUP, where there is such a thing."""
    if hasattr(signal, "SIGHUP"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
