"""`slidewire audit`: whether the logs of who did what are whole, and what they say as a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slidewire.cli.output import say_json

if TYPE_CHECKING:
    from slidewire.audit.log import Verdict

FILE = click.Path(path_type=Path)
_state_dir = click.option("--state-dir", type=FILE, help="Where this user's hosts and servers keep their logs.")


@click.group()
def audit() -> None:
    """The log of who did what.

    In the shows of this computer: joined, clicked, was refused, was removed, made a link. To its server: signed in,
    failed to, made a key, closed a room.
    """


@audit.command()
@_state_dir
@click.option("--head", help="A head that was noted earlier: it must be in one of the chains.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line on standard output.")
def verify(state_dir: Path | None, head: str | None, as_json: bool) -> None:
    """Check every line against the one before it. Exit code 1 if something is not as it was written.

    A chain shows what was changed, removed or put in between. It cannot show that its end was cut off, nor that all of
    it was written anew: note the head that is said here somewhere else, and give it with --head the next time.
    """
    from slidewire.audit.log import verify as verify_chain
    from slidewire.base.text import printable

    verdicts = {chain: verify_chain(chain, head) for chain in _chains(state_dir)}
    found = any(verdict.found_head for verdict in verdicts.values())
    good = found or head is None
    for chain, verdict in verdicts.items():
        if found and not verdict.found_head:
            verdict.faults = [fault for fault in verdict.faults if not fault.startswith("the head")]
        good &= verdict.ok
        if as_json:
            facts = {"lines": verdict.lines, "first": verdict.first, "head": verdict.head, "left_out": verdict.left_out}
            told = {"event": "chain", "folder": str(chain), "ok": verdict.ok, **facts}
            say_json({**told, "faults": verdict.faults, "notes": verdict.notes})
            continue
        print(f"{chain}: {verdict.lines} lines, {'whole' if verdict.ok else 'NOT as it was written'}")
        print(f"  head {verdict.head}")
        for line in (*verdict.faults, *verdict.notes, *_left_out(verdict)):
            print(f"  {printable(line)}")
    if not good:
        sys.exit(1)


@audit.command()
@_state_dir
@click.option("--csv", "as_csv", type=click.Path(path_type=Path, allow_dash=True), help="A table, for a spreadsheet.")
@click.option("--json", "as_json", type=click.Path(path_type=Path, allow_dash=True), help="One JSON object a line.")
def export(state_dir: Path | None, as_csv: Path | None, as_json: Path | None) -> None:
    """Write what the log says to FILE (- for standard output)."""
    from slidewire.audit.log import records, write_csv, write_json

    if (as_csv is None) == (as_json is None):
        raise click.UsageError("Give --csv FILE or --json FILE.")
    found = [record for chain in _chains(state_dir) for record in records(chain)]
    path = as_csv or as_json
    assert path is not None
    try:
        with click.open_file(str(path), "w", encoding="utf-8") as file:
            count = write_csv(found, file) if as_csv is not None else write_json(found, file)
    except OSError as error:
        click.echo(f"slidewire: {path} cannot be written: {error.strerror}.", err=True)
        sys.exit(1)
    click.echo(f"{count} lines", err=True)


def _left_out(verdict: Verdict) -> list[str]:
    """A flood is not written line by line, and not hidden either."""
    if not verdict.left_out:
        return []
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(verdict.left_out.items()))
    return [f"left out, because there were too many at once: {counts}"]


def _chains(state_dir: Path | None) -> list[Path]:
    from slidewire.audit.log import chains
    from slidewire.server.audit_events import COMMANDS_FOLDER, FOLDER
    from slidewire.system.directories import state_directory

    folder = state_dir or state_directory()
    found = [chain for name in ("audit", FOLDER, COMMANDS_FOLDER) for chain in chains(folder / name)]
    if not found:
        text = f"slidewire: there is no log in {folder}. A host, or `slidewire serve`, makes one when it starts."
        click.echo(text, err=True)
        sys.exit(1)
    return found
