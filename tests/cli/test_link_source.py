"""Where a link comes from, and in which order it is looked for."""

import io
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from slidewire.cli.link_source import link_of
from slidewire.cli.main import main

FROM = "SLIDEWIRE_LINK"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_first_that_has_it_is_taken_and_the_input_stays_for_the_program(tmp_path: Path) -> None:
    file = tmp_path / "link"
    file.write_text("of the file\nnot this\n", encoding="utf-8")
    environment = {FROM: " of the environment\n"}
    stdin = io.StringIO("of the input\nnext\n")
    assert link_of("argument", None, FROM, stdin, dict(environment)) == "argument"
    assert link_of(None, file, FROM, stdin, dict(environment)) == "of the file"
    assert link_of(None, None, FROM, stdin, environment) == "of the environment"
    assert environment == {}, "programs that are started from here do not get it"
    assert link_of(None, None, FROM, stdin, environment) == "of the input"
    assert stdin.read() == "next\n"
    assert link_of(None, None, FROM, stdin, environment) is None
    assert link_of(None, None, FROM, None, environment) is None, "where the input is for something else"


def test_a_person_is_asked_and_what_they_paste_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def prompt(text: str, **how: object) -> str:
        asked.append(how)
        return "pasted "

    monkeypatch.setattr(click, "prompt", prompt)
    assert link_of(None, None, FROM, Terminal(), {}) == "pasted"
    assert asked == [{"hide_input": True, "err": True}]


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for arguments, sentence in (
        (["x", "--link-file", str(tmp_path / "empty")], "not both"),
        (["--link-file", str(tmp_path / "empty")], "is empty"),
        (["--link-file", str(tmp_path / "absent")], "cannot be read"),
        ([], "There is no link"),
    ):
        said = CliRunner().invoke(main, ["present", *arguments], input="")
        assert said.exit_code == 2 and sentence in said.stderr, said.stderr
