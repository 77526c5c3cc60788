from __future__ import annotations

import pytest

from slidewire.turn.credentials import DEFAULT_TTL, Credentials, mint, password_of, user_of

NOW = 1_800_000_000.0
SECRET = "north"


def test_the_password_is_what_others_compute() -> None:
    """`printf %s 1433895918:506b7271 | openssl dgst -sha1 -hmac north -binary | base64`, OpenSSL 3.0.17"""
    assert password_of(SECRET, "1433895918:506b7271") == PASSWORD


PASSWORD = "tUtLNTODYX+mVonIGO7DESSLtzE="


def test_minted_credentials_are_valid_until_they_expire() -> None:
    credentials = Credentials([SECRET])
    made = credentials.mint("room.ada", NOW)
    assert made.ttl == DEFAULT_TTL and made.username == f"{int(NOW) + DEFAULT_TTL}:room.ada"
    assert made.password in credentials.passwords(made.username)
    assert credentials.valid(made.username, NOW) and credentials.valid(made.username, NOW + DEFAULT_TTL)
    assert not credentials.valid(made.username, NOW + DEFAULT_TTL + 1)


def test_nobody_in_particular() -> None:
    assert mint(SECRET, "", NOW, 60).username == str(int(NOW) + 60)
    assert user_of("1800000060") == "1800000060" and user_of("1800000060:a:b") == "a:b"


@pytest.mark.parametrize("user", ["a\0b", "x" * 201])
def test_users_that_no_username_can_carry(user: str) -> None:
    with pytest.raises(ValueError, match="200"):
        mint(SECRET, user, NOW)


def test_revocation_ends_when_nothing_it_concerns_can_be_alive() -> None:
    credentials = Credentials([SECRET])
    before = credentials.mint("ada", NOW).username
    credentials.revoke("ada", NOW)
    assert not credentials.valid(before, NOW) and credentials.valid(credentials.mint("bob", NOW).username, NOW)
    later = NOW + DEFAULT_TTL + 61
    credentials.revoke("eve", later)
    assert credentials.valid(credentials.mint("ada", later).username, later)
    credentials.pardon("eve")
    assert credentials.valid(credentials.mint("eve", later).username, later)


def test_there_is_always_a_secret() -> None:
    with pytest.raises(ValueError, match="secret"):
        Credentials([])
