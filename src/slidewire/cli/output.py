"""What the programs say, and where: people's words and JSON lines on standard output, logs on standard error."""

from __future__ import annotations

import gc
import sys
from typing import Any

import click
import segno

from slidewire.base.text import json_line, printable
from slidewire.cli.log import keep_addresses_out_of_the_log, log_to_stderr

__all__ = [
    "complain",
    "keep_addresses_out_of_the_log",
    "log_to_stderr",
    "print_qr",
    "say",
    "say_json",
    "settle_memory",
]


def say_json(event: dict[str, Any]) -> None:
    print(json_line(event), flush=True)


def say(*lines: str, flush: bool = False) -> None:
    """Each is one line on the terminal, whatever a name or a label in it contains."""
    print("\n".join(map(printable, lines)), flush=flush)


def complain(error: object) -> None:
    """Why it goes no further, on standard error."""
    click.echo(f"slidewire: {printable(str(error))}", err=True)


def print_qr(url: str) -> None:
    """A QR code in half blocks, as small as a terminal can show it."""
    segno.make(url, error="m").terminal(out=sys.stdout, border=2, compact=True)


def settle_memory() -> None:
    """What was imported stays for good. The collector need not look at it again: a full pass over it took 18 to 35 ms,
    in which a tap would have to wait. New objects it looks at by the ten thousand, which takes a millisecond: cycles
    are rare here, and by the seven hundred its passes were a tenth of what an allocation of the relay costs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
