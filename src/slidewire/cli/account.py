"""`slidewire account`: who may run the server, decided by access to its state directory.

It works on the file, whether the server runs or not, and never sees a password: an invitation is a link, and the page
behind it asks for one.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from slidewire.cli.output import complain, say, say_json

if TYPE_CHECKING:
    from slidewire.server.accounts.store import AccountStore

_state_dir = click.option("--state-dir", type=click.Path(path_type=Path), help="Where the server keeps its rooms.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per line on standard output.")


@click.group()
def account() -> None:
    """Accounts of a server's operators: invite, list, end, remove."""


@account.command()
@click.argument("name", required=False)
@click.option("--url", help="The server's address, for the link: https://SERVER.")
@_state_dir
@_json
def invite(name: str | None, url: str | None, state_dir: Path | None, as_json: bool) -> None:
    """A link that makes an account.

    With NAME, one that gives that account another password and ends its sessions and API keys.
    """
    from slidewire.aio.clock import wall
    from slidewire.server.accounts.store import Denied

    with _opened(state_dir) as store:
        try:
            token = store.invite(name, wall())
        except Denied:
            _fail(f"There is no account {name}. Without a name, the link makes a new one.")
    _write_down(state_dir, "invited", **({} if name is None else {"about": name}))
    link = f"{(url or 'https://SERVER').rstrip('/')}/account#{token}"
    if as_json:
        say_json({"account": name, "link": link})
    else:
        say("Good once, for a day:", f"  {link}")


@account.command("list")
@_state_dir
@_json
def list_accounts(state_dir: Path | None, as_json: bool) -> None:
    """The accounts there are."""
    with _opened(state_dir) as store:
        for name in store.names():
            if as_json:
                say_json({"account": name})
            else:
                say(name)


@account.command("sign-out")
@click.argument("name")
@_state_dir
def sign_out(name: str, state_dir: Path | None) -> None:
    """End an account's sessions and the API keys it made.

    Its password stays as it is: if someone else may know it, use invite NAME.
    """
    with _opened(state_dir) as store:
        ended = store.sign_out(name)
        if ended is None:
            _fail(f"There is no account {name}. slidewire account list shows those there are.")
    _write_down(state_dir, "account_signed_out", about=name)
    click.echo(f"Ended: {ended.sessions} sessions, {ended.keys} API keys.")


@account.command()
@click.argument("name")
@_state_dir
def remove(name: str, state_dir: Path | None) -> None:
    """Remove an account and what it made.

    That is its sessions and its API keys.
    """
    with _opened(state_dir) as store:
        if not store.remove(name):
            _fail(f"There is no account {name}. slidewire account list shows those there are.")
    _write_down(state_dir, "account_removed", about=name)


def _write_down(state_dir: Path | None, event: str, **fields: str) -> None:
    """In the log of who did what. That it cannot be is said, and undoes nothing."""
    from slidewire.aio.clock import wall
    from slidewire.audit.log import AuditError
    from slidewire.server.audit_events import command
    from slidewire.system.directories import state_directory

    try:
        command(state_dir or state_directory(), wall, event, **fields)
    except (AuditError, OSError) as error:
        complain(f"this is done, but not in the log of who did what: {error}")


@contextlib.contextmanager
def _opened(state_dir: Path | None) -> Iterator[AccountStore]:
    from slidewire.server.accounts.store import AccountStore
    from slidewire.server.store.database import StoreError
    from slidewire.server.store.files import ACCOUNTS_FILE, ROOMS_FILE, open_accounts
    from slidewire.system.directories import state_directory

    folder = state_dir or state_directory()
    if not any((folder / name).is_file() for name in (ACCOUNTS_FILE, ROOMS_FILE)):
        _fail(f"No server has kept anything in {folder}. Give its --state-dir.")
    try:
        with contextlib.closing(AccountStore(open_accounts(folder))) as store:
            yield store
    except StoreError as error:
        _fail(str(error))


def _fail(text: str) -> NoReturn:
    complain(text)
    sys.exit(1)
