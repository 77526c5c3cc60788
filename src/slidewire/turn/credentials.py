"""Credentials that need no database: draft-uberti-behave-turn-rest-00.

    username  EXPIRY[:USER]      seconds since 1970, and whom it was made for
    password  base64(HMAC-SHA1(secret, username))

Every program that has the secret can make them, and every server that has it accepts them. Two secrets are valid at
once while one replaces the other: the first is used for making, all are accepted. An observer of an exchange can try to
guess the secret offline, so it has to be random: 256 bits.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

DEFAULT_TTL: Final = 86_400
SECRET_CHARACTERS: Final = 32
"""A secret shorter than this was not made by a machine."""

_USERNAME: Final = re.compile(r"([0-9]{1,12})(?::([^\0]{0,200}))?")


@dataclass(frozen=True, slots=True)
class Credential:
    username: str
    password: str
    ttl: int


def password_of(secret: str, username: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), hashlib.sha1)).decode()


def mint(secret: str, user: str, now: float, ttl: int = DEFAULT_TTL) -> Credential:
    """`now` is wall time. Raises ValueError for a user that no username can carry."""
    username = f"{int(now) + ttl}:{user}" if user else str(int(now) + ttl)
    if not _USERNAME.fullmatch(username):
        raise ValueError("a user is up to 200 characters without a zero among them")
    return Credential(username, password_of(secret, username), ttl)


def user_of(username: str) -> str:
    """Whom a username was made for: what quotas and revocations go by. Without a user, the username itself."""
    _, colon, user = username.partition(":")
    return user if colon else username


def knows_all(user: str) -> bool:
    return True


class Credentials:
    """What the server knows about them: the secrets, newest first, and who has been shut out."""

    def __init__(
        self, secrets: Iterable[str], max_ttl: int = DEFAULT_TTL, knows: Callable[[str], bool] = knows_all
    ) -> None:
        """`knows`: whether there is such a user (still); one that left is as good as revoked."""
        self._max_ttl = max_ttl
        self._knows = knows
        self._revoked: dict[str, float] = {}
        self.secrets = tuple(secrets)

    @property
    def secrets(self) -> tuple[str, ...]:
        return self._secrets

    @secrets.setter
    def secrets(self, secrets: tuple[str, ...]) -> None:
        """Existing allocations keep the key they were made with."""
        if not secrets:
            raise ValueError("there has to be a secret")
        self._secrets = secrets

    def mint(self, user: str, now: float, ttl: int = DEFAULT_TTL) -> Credential:
        return mint(self._secrets[0], user, now, min(ttl, self._max_ttl))

    def passwords(self, username: str) -> tuple[str, ...]:
        """What the password would be, one for each secret, whether or not the username is any good."""
        return tuple([password_of(secret, username) for secret in self._secrets])

    def valid(self, username: str, now: float) -> bool:
        """`now` is wall time. A username from a far future was not made by us, whatever its password."""
        found = _USERNAME.fullmatch(username)
        return found is not None and now <= int(found[1]) <= now + self._max_ttl + 60 and not self.revoked(username)

    def revoke(self, user: str, now: float) -> None:
        """Shut out whatever was made for this user, or one username, until none of it can be alive."""
        self._revoked = {name: until for name, until in self._revoked.items() if until > now}
        self._revoked[user] = now + self._max_ttl + 60

    def pardon(self, user: str) -> None:
        self._revoked.pop(user, None)

    def revoked(self, username: str) -> bool:
        user = user_of(username)
        return username in self._revoked or user in self._revoked or not self._knows(user)
