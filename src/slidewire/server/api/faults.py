"""The ways in which the API refuses what is asked of it, each with a code for programs and a sentence for people. Those
that every endpoint shares are in `routes`."""

from __future__ import annotations

from typing import Final

from slidewire.server.api.routes import Fault

SIGN_IN_WRONG = Fault(401, "sign_in_wrong", "No account has this name and this password.")
TOKEN_INVALID = Fault(401, "token_invalid", "This token is used up, revoked or expired. Sign in again.")
TOKEN_REUSED = Fault(
    401, "token_reused", "This token was used before: someone else may have it, so its session has ended. Sign in."
)
INVITATION_UNKNOWN = Fault(
    403, "invitation_unknown", "This link was used or has expired. On the server, slidewire account invite makes one."
)
ACCOUNT_TAKEN = Fault(409, "account_taken", "There is an account of this name. Choose another.")
TOO_MANY_KEYS = Fault(409, "too_many_keys", "There are as many keys as there may be. Revoke some first.")
NO_KEY = Fault(404, "key_unknown", "There is no such key (any more).")
NO_MEMBER = Fault(404, "member_unknown", "That member has left.")
NO_ROOM = Fault(404, "room_unknown", "There is no such room (any more).")
BEYOND_SCOPES = Fault(403, "beyond_own_scopes", "A key can make keys only for what it may do itself.")
BEYOND_ADDRESSES = Fault(
    403, "beyond_own_addresses", "A key can make keys only for networks that it may be used from itself."
)
PASSWORD_GUESSABLE = Fault(
    422, "password_guessable",
    "This password would soon be guessed. Choose four or five words that no one would put together.",
)  # fmt: skip
NO_SESSION = Fault(404, "session_unknown", "That session has ended.")
BUSY = Fault(503, "busy", "Too many are signing in right now. Try again.")
DENIALS: Final = {
    fault.code: fault
    for fault in (
        SIGN_IN_WRONG,
        TOKEN_INVALID,
        TOKEN_REUSED,
        INVITATION_UNKNOWN,
        ACCOUNT_TAKEN,
        TOO_MANY_KEYS,
        BEYOND_SCOPES,
        BEYOND_ADDRESSES,
        PASSWORD_GUESSABLE,
    )
}
"""By the code of what the rules of accounts raise."""
