"""The server's audit events, in the words of the log (`slidewire.audit.log`): its operators, their keys, and what the
server did by itself because something was tried.

What happens *in* a room is in its host's log; this one is about those who run the server. No secret, no password, no
token; a name that was given to sign in only if there is an account of that name, because people type
passwords into the wrong field. Addresses only if the server was started with that option.

    server_started, log_closed
    signed_in, sign_in_failed, signed_out, session_ended (a refresh token was used twice, or its owner ended it)
    account_made, password_set (by an invitation, or by who knew the old one), password_given (once more)
    invited (by the first start, or on the server's own command line), account_removed, account_signed_out (there)
    key_made, key_revoked, refused (a key that is good, but not for this, or not from there, or for a key beyond it; a
    token that is none; another site's page)
    member_removed, notice_said, room_closed
    secrets_rotated
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from slidewire.audit.log import AuditError, AuditLog
from slidewire.base.rates import Rate
from slidewire.server.accounts.api_keys import ApiKey
from slidewire.server.api.routes import Call
from slidewire.system.errors import SetupError

log = logging.getLogger(__name__)

FOLDER: Final = "audit-server"
"""In the state directory, beside the hosts' own."""
COMMANDS_FOLDER: Final = "audit-accounts"
"""Of `slidewire account`, which another user may run: what it leaves must not be in the server's way."""
LINES: Final = Rate(1, 200)
"""Strangers can make us write that sign-ins failed; what is more is counted."""
KEPT_BY_COMMANDS: Final = 36_500
"""Days: a command deletes nothing."""


class AuditWriter:
    """Writes in a thread of its own: no disk holds up a click. `address` is written only with `addresses`."""

    def __init__(self, folder: Path, wall: Callable[[], float], *, days: int, addresses: bool) -> None:
        """Raises SetupError."""
        try:
            self._log: AuditLog | None = AuditLog(folder, wall, days=days, lines=LINES)
        except AuditError as error:
            raise SetupError(str(error)) from None
        self._addresses = addresses
        self._clerk = ThreadPoolExecutor(1, "audit")

    def __call__(self, event: str, /, *, address: str | None = None, **fields: Any) -> None:
        if self._addresses and address is not None:
            fields["address"] = address
        self._clerk.submit(self._write, event, fields)

    def close(self) -> None:
        """What was said is in the file when this returns. It may wait for the disk."""
        self("log_closed")
        self._clerk.shutdown()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _write(self, event: str, fields: dict[str, Any]) -> None:
        """A full disk does not stop a server; that the log ends here is said."""
        if self._log is None:
            return
        try:
            self._log.write(event, **fields)
        except OSError as error:
            log.error("The log of who did what ends here: %s. Make space, and start again.", error.strerror)
            self._log.close()
            self._log = None


class Audit(Protocol):
    def __call__(self, event: str, /, *, address: str | None = None, **fields: Any) -> None: ...


def discard(event: str, /, *, address: str | None = None, **fields: Any) -> None:
    """An audit log that writes nothing down."""


def done(audit: Audit, event: str, call: Call, **fields: Any) -> None:
    """By a known caller: an operator, or a key that one made."""
    caller = call.known
    made_by = {} if caller.key is None else {"key_of": caller.key.made_by}
    audit(event, who=caller.name, **made_by, **fields, address=call.address)


def sign_in_failed(audit: Audit, call: Call, by: str, account: str | None = None) -> None:
    """`account`: the name that was given, if there is such an account."""
    audit("sign_in_failed", by=by, **({} if account is None else {"about": account}), address=call.address)


def session_stolen(audit: Audit, call: Call, account: str | None) -> None:
    audit("session_ended", about=account, reason="its refresh token was used twice", address=call.address)


def key_made(audit: Audit, call: Call, key: ApiKey) -> None:
    """Not its networks: those are addresses."""
    bounds = key.bounds
    ends = datetime.fromtimestamp(bounds.expires, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    facts = {"about_key": key.id, "about": key.name, "scopes": " ".join(sorted(bounds.scopes)), "expires": ends}
    done(audit, "key_made", call, **facts, bound_to_networks=bool(bounds.addresses))


def key_refused(audit: Audit, call: Call, why: str) -> None:
    done(audit, "refused", call, what="to make a key", reason=why)


def secrets_rotated(audit: Audit) -> Callable[[int], None]:
    return lambda count: audit("secrets_rotated", who="the server", what="turn", good=count)


def command(state_dir: Path, wall: Callable[[], float], event: str, /, **fields: Any) -> None:
    """Something that was done on the command line, if the server of this directory keeps a log. Raises AuditError or
    OSError."""
    if not (state_dir / FOLDER).is_dir():
        return
    audit_log = AuditLog(state_dir / COMMANDS_FOLDER, wall, days=KEPT_BY_COMMANDS)
    try:
        audit_log.write(event, who="the command line", **fields)
        audit_log.write("log_closed")
    finally:
        audit_log.close()
