"""What commands print of what others call themselves."""

from __future__ import annotations

import json

import pytest

from slidewire.cli.output import complain, say, say_json

FORGED = "Ada\n\x1b[2JRoom: \u202eexample"


def test_each_is_one_line_whatever_a_name_would_make_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"label: {FORGED}", "the next")
    assert capsys.readouterr().out.splitlines() == ["label: Ada\\u000a\\u001b[2JRoom: \\u202eexample", "the next"]


def test_so_are_what_programs_read_and_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"label": FORGED})
    complain(ValueError(FORGED))
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    assert line.isprintable() and json.loads(line) == {"label": FORGED}
    assert err.splitlines() == ["slidewire: Ada\\u000a\\u001b[2JRoom: \\u202eexample"]
