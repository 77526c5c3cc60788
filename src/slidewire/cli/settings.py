"""Settings in a file or in the environment, in place of options on the command line.

The command line wins, then the environment, then the file. Every option of every command is a setting, and its name
follows from the option's: `slidewire turn check --allow-peer` is `allow-peer` in the table `[turn.check]` of the file,
and `SLIDEWIRE_TURN_CHECK_ALLOW_PEER` in the environment. So no list of settings has to be kept. A name that no option
has is refused: a mistyped setting would otherwise have no effect, and no message.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from slidewire.system.directories import configuration_file

PREFIX: Final = "SLIDEWIRE"
FILE_VARIABLE: Final = f"{PREFIX}_CONFIG"
_FILE: Final = "slidewire.settings.file"


class SettingsError(click.ClickException):
    """A setting is not what it should be. The message is a sentence that names it."""

    exit_code = 2


def add_settings(group: click.Group) -> None:
    """Let all commands of a program take what the command line leaves out from the environment and from the file."""
    for path, command in _commands(group, ()):
        for key, option in _options(command).items():
            option.envvar = [_variable(path, key), *_variables(option)]
        command.params.append(_config_option(group, path))


def _config_option(group: click.Group, path: tuple[str, ...]) -> click.Option:
    def choose(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
        if context.get_parameter_source("config") is ParameterSource.COMMANDLINE:
            context.meta[_FILE] = value  # for the commands below this one, too
        elif value is not None:
            context.meta.setdefault(_FILE, value)
        command = context.command
        if not isinstance(command, click.Group) or command.invoke_without_command:
            _refuse_unknown_variables(group, path, os.environ)
            context.default_map = _table(read_file(group, context.meta.get(_FILE)), path)

    return click.Option(
        ["--config"],
        type=click.Path(path_type=Path),
        envvar=FILE_VARIABLE,
        callback=choose,
        is_eager=True,  # the other options look into what it read
        expose_value=False,
        metavar="FILE",
        help=f"Settings (TOML).  [default: {configuration_file()}]",
    )


def read_file(group: click.Group, path: Path | None) -> dict[str, Any]:
    """The tables of a file, with its keys as the commands' functions name them. None: the default file, if there is
    one. Raises SettingsError."""
    try:
        with (path or configuration_file()).open("rb") as file:
            tables = tomllib.load(file)
    except FileNotFoundError:
        if path is None:
            return {}
        raise SettingsError(f"{path} is not there. Give --config a file that is.") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path or configuration_file()} cannot be read: {error}.") from None
    return _Reader(path or configuration_file()).commands(group, (), tables)


class _Reader:
    def __init__(self, file: Path) -> None:
        self._file = file

    def commands(self, command: click.Command, path: tuple[str, ...], table: Mapping[str, Any]) -> dict[str, Any]:
        options = _options(command) if path else {}
        commands = command.commands if isinstance(command, click.Group) else {}
        found: dict[str, Any] = {}
        for key, value in table.items():
            if key in commands and isinstance(value, dict):
                found[key] = self.commands(commands[key], (*path, key), value)
            elif key in options and not isinstance(value, dict):
                assert options[key].name is not None
                found[options[key].name] = self._value(options[key], ".".join((*path, key)), value)
            else:
                raise self._error(".".join((*path, key)), _unknown(path, [*commands, *options]))
        return found

    def _value(self, option: click.Option, key: str, value: Any) -> Any:
        values = value if isinstance(value, list) else [value]
        if isinstance(value, list) and not option.multiple:
            raise self._error(key, "is one value, not a list")
        if any(
            isinstance(one, bool) is not option.is_bool_flag or not isinstance(one, str | int | float) for one in values
        ):
            raise self._error(key, "is true or false" if option.is_bool_flag else "is a text or a number")
        values = [self._path(one) if isinstance(option.type, click.Path) else one for one in values]
        context = click.Context(click.Command(key))
        try:
            for one in values:
                option.type.convert(one, option, context)
        except click.BadParameter as error:
            raise self._error(key, f"is refused: {error.message}") from None
        return values if option.multiple else values[0]

    def _path(self, text: object) -> str:
        """Relative to the file's own folder."""
        return "-" if text == "-" else str(self._file.absolute().parent / Path(str(text)).expanduser())

    def _error(self, key: str, what: str) -> SettingsError:
        return SettingsError(f"{self._file}: {key} {what}.")


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            yield from _commands(one, (*path, name))


def _options(command: click.Command) -> dict[str, click.Option]:
    """By the key that each has in the file: its long name."""
    found = {}
    for option in command.params:
        if isinstance(option, click.Option) and option.expose_value:
            key = next(name for name in option.opts if name.startswith("--")).removeprefix("--")
            found[key] = option
    return found


def _table(tables: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path:
        tables = tables.get(name, {})
    return dict(tables)


def _variable(path: tuple[str, ...], key: str) -> str:
    return "_".join((PREFIX, *path, key)).upper().replace("-", "_")


def _variables(parameter: click.Parameter) -> list[str]:
    names = parameter.envvar
    return [names] if isinstance(names, str) else list(names or ())


def _refuse_unknown_variables(group: click.Group, path: tuple[str, ...], environment: Mapping[str, str]) -> None:
    """Only those with the prefix of the command that runs: other programs may use the rest of the name space."""
    known = {name for _, command in _commands(group, ()) for option in command.params for name in _variables(option)}
    start = _variable(path, "")
    for name in sorted(environment):
        if name.startswith(start) and name not in known:
            raise SettingsError(f"{name} is not a setting. `slidewire {' '.join(path)} --help` lists the options.")


def _unknown(path: tuple[str, ...], known: list[str]) -> str:
    command = " ".join(("slidewire", *path))
    return f"is not a setting. `{command} --help` lists what there is: {', '.join(sorted(known))}"
