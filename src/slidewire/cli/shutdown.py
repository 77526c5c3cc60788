"""Signals. The first Ctrl-C or SIGTERM is a request to end in good order, the second is obeyed at once. A terminal that
closes asks for the same with SIGHUP, unless the program was started so that this does not matter (nohup), or the
program takes SIGHUP as a request to read files again."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable


def stop_requested() -> asyncio.Future[signal.Signals]:
    """A future that is done when this program is asked to stop."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[signal.Signals] = loop.create_future()

    def ask(number: signal.Signals) -> None:
        if not asked.done():
            asked.set_result(number)
        elif number in (signal.SIGINT, signal.SIGTERM):  # a terminal that closes may say so twice
            sys.exit(130)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        try:
            loop.add_signal_handler(number, ask, number)
        except NotImplementedError:  # Windows' event loop: Ctrl-C arrives as KeyboardInterrupt instead
            break
    return asked


def reload_requested(reload: Callable[[], object]) -> None:
    """Call `reload` at each SIGHUP, where the system has it."""
    if hasattr(signal, "SIGHUP"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
