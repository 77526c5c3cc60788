"""The account store in threads of its own, and passwords: no disk and no hash ever holds up a click.

A caller may lose its rights while its request is on its way, so what changes something checks once more in its own
transaction (`store`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import argon2

from slidewire.aio.clock import wall
from slidewire.server.accounts.passwords import is_guessable, normal
from slidewire.server.accounts.store import AccountStore, Denied, Session

T = TypeVar("T")

MOST_HASHES_WAITING: Final = 8


class Busy(Exception):
    """More passwords wait to be checked than may wait."""


class Accounts:
    """The store in one thread; passwords in another, one at a time: a sign-in costs 64 MiB and a part of a second."""

    def __init__(self, store: AccountStore) -> None:
        self._store = store
        self._asking = ThreadPoolExecutor(1, "accounts")
        self._hashing = ThreadPoolExecutor(1, "passwords")
        # Argon2id, version 19: RFC 9106's second recommended choice but for one lane, which leaves a processor to the
        # show; far above OWASP's minimum of 19 MiB and two passes.
        self._argon2 = argon2.PasswordHasher(
            time_cost=3, memory_cost=64 * 1024, parallelism=1, hash_len=32, salt_len=16
        )
        self._waiting = 0
        self._no_account = ""

    async def close(self) -> None:
        for executor in (self._hashing, self._asking):
            await asyncio.to_thread(executor.shutdown, cancel_futures=True)
        self._store.close()

    async def ask(self, question: Callable[[AccountStore], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._asking, question, self._store)

    async def sign_in(self, name: str, password: str) -> Session:
        """Raises Denied, equally late for an unknown name and for a password that is wrong; and Busy."""
        stored = await self.check_password(name, password)
        if self._argon2.check_needs_rehash(stored):
            renewed = await self._hash(password)
            await self.ask(lambda store: store.set_password_hash(name, stored, renewed))
            stored = renewed
        return await self.ask(lambda store: store.open_session(name, stored, wall()))

    async def check_password(self, name: str, password: str) -> str:
        """Its hash, which must be unchanged when it is used. Raises Denied and Busy."""
        if not self._no_account:
            self._no_account = await self._hash(secrets.token_urlsafe(32))
        stored = await self.ask(lambda store: store.password_hash(name))
        right = await self._hash_soon(lambda: self._matches(stored or self._no_account, password))
        if stored is None or not right:
            raise Denied("sign_in_wrong")
        return stored

    async def hash_new(self, password: str, name: str) -> str:
        """Of a new password. Raises Denied for one that would soon be guessed, and Busy."""
        if await self._hash_soon(lambda: is_guessable(password, name)):
            raise Denied("password_guessable")
        return await self._hash(password)

    async def _hash(self, password: str) -> str:
        return await self._hash_soon(lambda: self._argon2.hash(normal(password)))

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._argon2.verify(stored, normal(password))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    async def _hash_soon(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_HASHES_WAITING:
            raise Busy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._hashing, work)
        finally:
            self._waiting -= 1
