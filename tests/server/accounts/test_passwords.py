"""Which passwords may be chosen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from slidewire.server.accounts.passwords import LONGEST, SHORTEST, is_guessable, normal

LISTED = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= SHORTEST]


def test_all_that_are_on_the_list_and_long_enough_are_refused() -> None:
    assert len(FREQUENCY_LISTS["passwords"]) == 30_000 and len(LISTED) > 20
    assert [word for word in LISTED if not is_guessable(word, "ada")] == []


@settings(max_examples=40)
@given(st.sampled_from([word for word in FREQUENCY_LISTS["passwords"][:3000] if len(word) >= 5]), st.booleans())
def test_what_is_made_of_the_first_three_thousand_is_too(word: str, capital: bool) -> None:
    repeated = word * -(-SHORTEST // len(word))
    assert is_guessable(repeated.title() if capital else repeated, "ada")


@pytest.mark.parametrize(
    "password",
    ["passwordpassword1", "Passw0rdPassw0rd!", "aaaaaaaaaaaaaaaaaa", "abcdefghijklmnop", "qwertyuiopasdfghjkl",
     "1234567890123456", "slidewireslidewire", "Slidewire-2026-2026", "clickerclicker123", "operatoroperator",
     "ａａａａａａａａａａａａａａａａ", "password" * 30, "ada.lovelaceada.lovelace"],
)  # fmt: skip
def test_guessable(password: str) -> None:
    assert is_guessable(password, "ada.lovelace")


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "correct horse battery staple", "vier worte für ada", "fünf wörter für niemand",
     "пять слов которых никто не знает", "口令的五个词没有人知道它们是什么", "🐎🔋📎✅🎈🧦🚲🍋🎻🌋🧭🪁🛶🪴🧂",
     "kmz qvx pwl ndr ght",
     "a" * 100 + " correct horse battery staple", "correct horse battery staple" + "a" * 100],
)  # fmt: skip
def test_good(password: str) -> None:
    assert not is_guessable(password, "ada")


@settings(max_examples=60)
@given(st.text(st.characters(), min_size=SHORTEST, max_size=LONGEST))
def test_no_kind_of_character_is_asked_for_or_forbidden(password: str) -> None:
    """Whatever somebody types is looked at without complaint, and nothing of it is cut off or folded."""
    is_guessable(password, "ada")
    assert normal(password + "a") != normal(password + "A") and normal(password + "a") != normal(password)
