"""Passwords: how they are hashed, compared and queued."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from slidewire.aio.clock import wall
from slidewire.server.accounts.service import MOST_HASHES_WAITING, Accounts, Busy
from slidewire.server.accounts.store import AccountStore, Denied
from slidewire.server.store.sql_accounts import SqlAccounts


def denied(code: str) -> pytest.RaisesExc[Denied]:
    return pytest.raises(Denied, match=f"^{code}$")


async def test_they_are_hashed_as_promised_and_nothing_else_opens(tmp_path: Path) -> None:
    accounts = Accounts(AccountStore(SqlAccounts(tmp_path / "accounts.sqlite3")))
    try:
        hashed = await accounts.hash_new("correct horse battery staple", "ada")
        assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
        token = await accounts.ask(lambda store: store.invite(None, wall()))
        await accounts.ask(lambda store: store.accept(token, "ada", hashed, wall()))
        assert (await accounts.sign_in("ada", "correct horse battery staple")).account == "ada"
        for name, password in (("ada", "correct horse battery stapl"), ("bob", "correct horse battery staple")):
            with denied("sign_in_wrong"):
                await accounts.sign_in(name, password)
    finally:
        await accounts.close()


async def test_how_letters_are_composed_does_not_matter(tmp_path: Path) -> None:
    accounts = Accounts(AccountStore(SqlAccounts(tmp_path / "accounts.sqlite3")))
    try:
        hashed = await accounts.hash_new("vier worte f\u00fcr ada", "ada")
        token = await accounts.ask(lambda store: store.invite(None, wall()))
        await accounts.ask(lambda store: store.accept(token, "ada", hashed, wall()))
        await accounts.sign_in("ada", "vier worte fu\u0308r ada")
    finally:
        await accounts.close()


async def test_only_so_many_wait(tmp_path: Path) -> None:
    accounts = Accounts(AccountStore(SqlAccounts(tmp_path / "accounts.sqlite3")))
    try:
        many = [accounts.check_password("ada", f"password number {n}") for n in range(MOST_HASHES_WAITING + 3)]
        done = await asyncio.gather(*many, return_exceptions=True)
        assert [type(one) for one in done].count(Busy) == 3
    finally:
        await accounts.close()
