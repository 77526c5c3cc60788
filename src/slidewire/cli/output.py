"""What the programs say, and where: people's words and JSON lines on standard output, logs on standard error."""

from __future__ import annotations

import gc
import json
import logging
import sys
from typing import Any

import segno


def say_json(event: dict[str, Any]) -> None:
    print(json.dumps(event, ensure_ascii=False), flush=True)


def print_qr(url: str) -> None:
    """A QR code in half blocks, as small as a terminal can show it."""
    segno.make(url, error="m").terminal(out=sys.stdout, border=2, compact=True)


def log_to_stderr(verbose: int) -> None:
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname).1s %(name)s: %(message)s")
    if verbose < 3:
        # These narrate addresses and packets; they are for hunting a bug in them.
        for noisy in ("aioice", "aiortc", "aiohttp", "asyncio"):
            logging.getLogger(noisy).setLevel(logging.WARNING if noisy == "asyncio" else logging.ERROR)


def keep_addresses_out_of_the_log() -> None:
    """However much a user wants to hear: the WebRTC library says every address it sees, the other end's too."""
    for name in ("aioice", "aiortc"):
        logging.getLogger(name).setLevel(logging.ERROR)


def settle_memory() -> None:
    """What was imported stays for good. The collector need not look at it again: a full pass over it took 18 to 35 ms,
    in which a tap would have to wait. New objects it looks at by the ten thousand, which takes a millisecond: cycles
    are rare here, and by the seven hundred its passes were a tenth of what an allocation of the relay costs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
