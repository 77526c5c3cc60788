"""Whoever sits at a terminal is asked once for each deck; nobody else is."""

import sys
from pathlib import Path

import click
import pytest

from slidewire.cli.linked_media import consider_links
from slidewire.host.decks.impress import agreement
from tests.support.foreign import frame, make


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    questions: list[str] = []

    def confirm(question: str, **options: object) -> bool:
        assert options == {"default": False, "err": True}
        questions.append(question)
        return len(questions) > 1

    monkeypatch.setattr(click, "confirm", confirm)
    return questions


@pytest.fixture
def deck(tmp_path: Path) -> Path:
    (tmp_path / "in.png").write_bytes(b"")
    return make(tmp_path / "talk.odp", frame("image", "../in.png"))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)


def test_at_a_terminal_one_is_asked_until_one_agrees(
    deck: Path, tmp_path: Path, asked: list[str], terminal: None
) -> None:
    state = tmp_path / "state"
    for answered in (False, True, True):
        consider_links(deck, "auto", state, agreed=False)
        assert agreement.is_agreed(deck, state) is answered
    assert asked == ["talk.odp shows 1 file(s) of its folder: in.png. Allow that?"] * 2


def test_without_a_terminal_nobody_is_asked(deck: Path, tmp_path: Path, asked: list[str]) -> None:
    consider_links(deck, "auto", tmp_path / "state", agreed=False)
    assert not asked and not agreement.is_agreed(deck, tmp_path / "state")
    consider_links(deck, "impress", tmp_path / "state", agreed=True)
    assert not asked and agreement.is_agreed(deck, tmp_path / "state")


def test_of_other_decks_nothing_is_asked(deck: Path, tmp_path: Path, asked: list[str], terminal: None) -> None:
    plain = make(tmp_path / "plain.odp", frame("image", "http://e.example/"))
    for path, driver in (
        (plain, "auto"),
        (deck, "keys"),
        (tmp_path / "in.png", "auto"),
        (tmp_path, "auto"),
        (None, "auto"),
    ):
        consider_links(path, driver, tmp_path / "state", agreed=False)
    assert not asked


def test_an_agreement_that_cannot_be_kept_is_said(
    deck: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("a file")
    consider_links(deck, "auto", tmp_path / "state", agreed=True)
    assert "linked media are not shown" in capsys.readouterr().err
