"""What the list of processes shows of a command."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from slidewire.cli.process_title import without_secrets

SECRET = "AAAAAAAAAAAAAAAAAAAAAA"
LINK = f"https://127.0.0.1:9/p/abcdefghij#{SECRET}"
SLIDEWIRE = str(Path(sys.executable).with_name("slidewire"))


@pytest.mark.parametrize(
    "argument",
    [
        LINK,
        LINK.replace("#", "%23"),
        f"--operator=https://host/operator#abcdefghij.{SECRET}",
        f"https://host/account#swi_{SECRET}",
        f"swk_{SECRET}",
        f"http://user:{SECRET}@proxy:8080",
    ],
)
def test_no_secret_is_left_of_an_argument(argument: str) -> None:
    (hidden,) = without_secrets([argument])
    assert SECRET not in hidden and hidden.endswith(("…", ":8080"))


def test_what_is_no_secret_stays() -> None:
    arguments = ["up", "talk.pdf", "--url", "https://clicker.example", "--room", "ABCD23", "-v"]
    assert without_secrets(arguments) == arguments


@pytest.mark.parametrize("command", [[SLIDEWIRE], [sys.executable, "-m", "slidewire.cli.main"]])
def test_a_running_program_does_not_show_its_link(command: list[str]) -> None:
    with subprocess.Popen([*command, "present", LINK], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        try:
            shown = Path(f"/proc/{program.pid}/cmdline")
            deadline = time.monotonic() + 60
            while "…" not in (said := shown.read_bytes().decode()):
                assert time.monotonic() < deadline, said
                time.sleep(0.02)
            assert said.startswith("slidewire present https://127.0.0.1:9/p/abcdefghij#…")
            assert SECRET not in said
        finally:
            program.kill()
