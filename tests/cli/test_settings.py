"""What may stand in a file or in the environment instead of on the command line, which of them wins, and that nothing
that is mistyped is passed over."""

from __future__ import annotations

import re
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from slidewire.cli import serving
from slidewire.cli.main import main
from slidewire.cli.settings import read_file
from slidewire.server.config import ServerSettings
from slidewire.system.directories import configuration_file

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServerSettings]:
    """With which settings `slidewire serve` would have started a server."""
    found: list[ServerSettings] = []

    async def serve(settings: ServerSettings, as_json: bool) -> None:
        found.append(settings)

    monkeypatch.setattr(serving, "serve", serve)
    return found


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


def file(folder: Path, text: str) -> str:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


class TestWhichOneWins:
    def test_flags_then_environment_then_file(self, tmp_path: Path, served: list[ServerSettings]) -> None:
        config = file(tmp_path, '[serve]\nport = 1001\nturn-port = 1002\nlisten = "192.0.2.1"\nturn = false\n')
        environment = {"SLIDEWIRE_SERVE_PORT": "2001", "SLIDEWIRE_SERVE_TURN_PORT": "2002"}
        assert run("serve", "--config", config, "--port", "3001", **environment).exit_code == 0
        (settings,) = served
        assert (settings.port, settings.turn_port, settings.listen, settings.turn) == (3001, 2002, "192.0.2.1", False)

    def test_without_any_it_is_as_the_help_says(self, served: list[ServerSettings]) -> None:
        assert run("serve").exit_code == 0
        assert served[0].port == 8443 and served[0].turn

    def test_a_list_of_the_command_line_stands_for_that_of_the_file(
        self, tmp_path: Path, served: list[ServerSettings]
    ) -> None:
        config = file(tmp_path, '[serve]\ntrusted-proxy = ["192.0.2.1", "192.0.2.2"]\nhost-name = "one.example"\n')
        assert run("serve", "--config", config).exit_code == 0
        assert run("serve", "--config", config, "--trusted-proxy", "192.0.2.9").exit_code == 0
        assert run("serve", "--config", config, SLIDEWIRE_SERVE_TRUSTED_PROXY="192.0.2.7 192.0.2.8").exit_code == 0
        assert [one.trusted_proxies for one in served] == [
            ("192.0.2.1", "192.0.2.2"), ("192.0.2.9",), ("192.0.2.7", "192.0.2.8"),
        ]  # fmt: skip
        assert served[0].host_names == ("one.example",)

    def test_paths_in_a_file_are_relative_to_it(self, tmp_path: Path, served: list[ServerSettings]) -> None:
        config = file(tmp_path, '[serve]\nstate-dir = "state"\ntls-cert = "/etc/cert.pem"\ntls-key = "~/key.pem"\n')
        assert run("serve", "--config", config, HOME="/home/ada").exit_code == 0
        (settings,) = served
        assert settings.state_dir == tmp_path / "state" and settings.tls_cert == Path("/etc/cert.pem")
        assert settings.tls_key == Path("/home/ada/key.pem")


class TestWhichFile:
    def test_that_of_the_user(
        self, tmp_path: Path, served: list[ServerSettings], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("slidewire.cli.settings.configuration_file", lambda: tmp_path / "slidewire" / "config.toml")
        monkeypatch.delenv("SLIDEWIRE_CONFIG")
        assert run("serve").exit_code == 0, "there need not be one"
        (tmp_path / "slidewire").mkdir()
        (tmp_path / "slidewire" / "config.toml").write_text("[serve]\nport = 1001\n", encoding="utf-8")
        assert run("serve").exit_code == 0
        assert [one.port for one in served] == [8443, 1001]

    @pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="where XDG has the say")
    def test_where_that_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", "/home/ada/settings")
        assert configuration_file() == Path("/home/ada/settings/slidewire/config.toml")

    def test_one_that_is_named_before_or_after_the_command(self, tmp_path: Path, served: list[ServerSettings]) -> None:
        config = file(tmp_path, "[serve]\nport = 1001\n")
        for arguments in (["--config", config, "serve"], ["serve", "--config", config]):
            assert run(*arguments).exit_code == 0
        assert run("serve", SLIDEWIRE_CONFIG=config).exit_code == 0
        assert [one.port for one in served] == [1001] * 3

    def test_one_that_is_named_is_there(self, tmp_path: Path) -> None:
        said = run("serve", "--config", str(tmp_path / "nowhere.toml"))
        assert said.exit_code == 2 and "nowhere.toml is not there" in said.stderr

    def test_help_needs_none(self, tmp_path: Path) -> None:
        config = file(tmp_path, "nonsense")
        assert run("serve", "--help", SLIDEWIRE_CONFIG=config).exit_code == 0


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("[serve]\nprot = 443\n", r"serve\.prot is not a setting.*slidewire serve --help.*port"),
            ("[server]\nport = 443\n", r"server is not a setting.*slidewire --help.*serve"),
            ("port = 443\n", r"port is not a setting"),
            ("[serve.tls]\ncert = 'x'\n", r"serve\.tls is not a setting"),
            ("[host]\nport = 443\n", r"host\.port is not a setting"),
            ("[serve]\nas_json = true\n", r"serve\.as_json is not a setting"),
            ("[serve]\nconfig = 'other.toml'\n", r"serve\.config is not a setting"),
            ("[serve]\nport = 70000\n", r"serve\.port is refused: 70000 is not in the range"),
            ("[serve]\nport = true\n", r"serve\.port is a text or a number"),
            ("[serve]\nport = [443]\n", r"serve\.port is one value, not a list"),
            ("[serve]\nturn = 'no'\n", r"serve\.turn is true or false"),
            ("[serve]\nport = 2026-12-01\n", r"serve\.port is a text or a number"),
            ("[serve]\nrooms = 'everyone'\n", r"serve\.rooms is refused: .*anybody"),
            ("[turn.check]\nallow = 1\n", r"turn\.check\.allow is not a setting.*slidewire turn check --help"),
            ("[serve\n", r"cannot be read"),
        ],
    )
    def test_in_the_file(self, tmp_path: Path, served: list[ServerSettings], text: str, sentence: str) -> None:
        """Whichever command runs: the file is one."""
        for command in ("serve", "up"):
            said = run(command, "--config", file(tmp_path, text))
            assert said.exit_code == 2 and re.search(sentence, said.stderr), said.stderr
            assert "settings.toml" in said.stderr
        assert served == []

    def test_in_the_environment(self, served: list[ServerSettings]) -> None:
        said = run("serve", SLIDEWIRE_SERVE_PROT="443")
        assert said.exit_code == 2 and "SLIDEWIRE_SERVE_PROT is not a setting" in said.stderr and served == []
        assert run("serve", SLIDEWIRE_SEED="7", SLIDEWIRE_TURN_PROT="443").exit_code == 0, "of other programs"

    def test_a_value_of_the_environment(self, served: list[ServerSettings]) -> None:
        said = run("serve", SLIDEWIRE_SERVE_PORT="https")
        assert said.exit_code == 2 and "--port" in said.stderr and served == []


def commands(command: click.Command = main, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    below = command.commands if isinstance(command, click.Group) else {}
    return {path: command} | {k: v for name, one in below.items() for k, v in commands(one, (*path, name)).items()}


def test_every_option_has_a_name_of_its_own_in_the_environment() -> None:
    names = Counter(
        name
        for command in commands().values()
        for option in command.params
        if isinstance(option, click.Option) and option.expose_value
        for name in option.envvar or ()
    )
    assert names["SLIDEWIRE_TURN_CHECK_ALLOW_PEER"] == names["SLIDEWIRE_DATA_PATH"] == 1
    assert {name for name, count in names.items() if count > 1} == set()


def test_a_secret_is_never_needed_on_the_command_line() -> None:
    """Each option whose value is one has another that names a file, or comes from the environment or the input."""
    secret = re.compile(r"secret|token|password|key|link|operator")
    valued = {
        (*path, option.opts[0])
        for path, command in commands().items()
        for option in command.params
        if isinstance(option, click.Option) and not option.is_flag and secret.search(option.opts[0])
    }
    read_from_files = {name for name in valued if name[-1].endswith(("-file", "-key"))}  # --tls-key is a path
    assert valued - read_from_files == {
        ("link", name, "--operator")
        for name in main.commands["link"].commands  # type: ignore[attr-defined]
    }, "which SLIDEWIRE_OPERATOR_LINK and --operator-file stand for"


def test_the_guide_s_example_is_a_file_that_is_taken(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "settings.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    taken: Mapping[str, Any] = read_file(main, Path(file(tmp_path, example)))
    assert set(taken) == set(tomllib.loads(example))
    for name in re.findall(r"`(SLIDEWIRE_\w+)=", guide):
        assert any(name in (option.envvar or ()) for one in commands().values() for option in one.params), name
