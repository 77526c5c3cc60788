"""What goes wrong is a sentence that says what to do, and an exit code: 2 for wrong usage, 1 for what failed."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from slidewire.cli.main import main
from slidewire.cli.serving import say_trust
from slidewire.presenter import terminal
from slidewire.server.app import Ready


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--room", "x"], "4 to 12 letters and digits"),
        (["host", "--room", "K7-QM42", "--server", "https://clicker.example"], "4 to 12 letters and digits"),
        (["host", "--server", "https://"], "https://SERVER"),
        (["host", "--server", "https:///there"], "https://SERVER"),
        (["host", "--server", "ftp://clicker.example"], "https://SERVER"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and words in result.output, result.output


@pytest.mark.parametrize("group", [[], *[[name] for name, it in main.commands.items() if isinstance(it, click.Group)]])
def test_a_list_of_commands_says_each_in_full(group: list[str]) -> None:
    listed = CliRunner().invoke(main, [*group, "--help"], terminal_width=80).output.partition("Commands:\n")[2]
    assert listed and not [line for line in listed.splitlines() if line.endswith("...")]


def test_a_host_that_cannot_keep_its_keys(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.write_text("a file")
    arguments = [
        "host",
        "--driver",
        "web",
        "--server",
        "https://127.0.0.1:1",
        "--state-dir",
        str(folder),
        "--privacy",
        "open",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "--state-dir" in result.output and str(folder) in result.output, result.output


def test_lines_that_were_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "GIVE_UP_WAITING", 0.2)
    link = f"http://127.0.0.1:1/p/ij7wuxq3g2#{'A' * 22}"
    result = CliRunner().invoke(main, ["present", link, "--no-direct"], input="next\nnext\n")
    assert result.exit_code == 1 and "2 lines were not sent" in result.output, result.output


def test_the_terminal_says_what_the_page_about_trust_tells_people_to_compare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turn: dict[str, int | None] = {"udp": None, "tcp": None, "tls": None}
    ready = Ready(
        "https://here:8443", "https://127.0.0.1:8443", 8443, tmp_path / "authority.pem", "AB:CD:EF", None, turn
    )
    say_trust(ready)
    said = capsys.readouterr().out
    assert "https://here:8443/trust" in said and "AB:CD:EF" in said
