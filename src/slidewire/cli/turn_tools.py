"""`slidewire turn check` and `slidewire turn export`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import sys
from pathlib import Path
from typing import Any, NoReturn, get_args

import click

from slidewire.cli.output import complain, say, say_json

FILE = click.Path(path_type=Path)


def _json(command: Any) -> Any:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object per line on standard output.")(command)


def _fail(sentence: object) -> NoReturn:
    complain(sentence)
    sys.exit(1)


@click.command()
@click.argument("uris", nargs=-1, metavar="URI...")
@click.option("--secret-file", type=FILE, help="Make a login with this secret; without it, this machine's.")
@click.option(
    "--login",
    type=click.File(),
    help="Use this login: JSON as `slidewire credentials --json` says it; - reads standard input.",
)
@click.option(
    "--ca", type=FILE, help="Trust this authority as well (PEM); this machine's own servers' are trusted anyway."
)
@click.option("--allow-peer", multiple=True, metavar="CIDR", help="Was opened on purpose: no finding.")
@click.option(
    "--timeout", default=5.0, show_default=True, type=click.FloatRange(0.1, 60), help="Seconds for an answer."
)
@_json
def check(
    uris: tuple[str, ...],
    secret_file: Path | None,
    login: Any,
    ca: Path | None,
    allow_peer: tuple[str, ...],
    timeout: float,
    as_json: bool,
) -> None:
    """Try out whether TURN servers work.

    Make a real allocation at each URI (turn:HOST, turn:HOST?transport=tcp, turns:HOST:443), echo through it, and ask
    for peers that no client should reach.

    Exit code 0 if all of them work, 1 if any does not.
    """
    from slidewire.diagnostics.turn_check import TurnCheck, read_uri
    from slidewire.relay.program import state_folder
    from slidewire.system.directories import AUTHORITY_FILE, state_directory
    from slidewire.turn.policy import networks

    try:
        allowed = networks(allow_peer)
    except ValueError as error:
        raise click.BadParameter(f"{error}; give a network such as 192.0.2.0/24", param_hint="--allow-peer") from None
    username, password, offered = _login(login, secret_file)
    try:
        wanted = [read_uri(text) for text in uris or offered]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="URI") from None
    if not wanted:
        raise click.UsageError("Give the servers to check, such as turn:relay.example turns:relay.example:443.")
    try:
        trust = ssl.create_default_context()
        for own in (state_directory() / AUTHORITY_FILE, state_folder() / AUTHORITY_FILE):
            with contextlib.suppress(OSError):  # there is none
                trust.load_verify_locations(own)
        if ca is not None:
            trust.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise click.BadParameter(f"{ca} is no certificate in PEM form ({error})", param_hint="--ca") from None
    checker = TurnCheck(username, password, trust=trust, seconds=timeout, allowed=allowed)

    async def work() -> bool:
        fine = True
        for uri in wanted:
            found = await checker.check(uri)
            fine = fine and found.works
            if as_json:
                say_json(_as_json(found))
            else:
                _print(found)
        return fine

    if not asyncio.run(work()):
        sys.exit(1)


def _login(login: Any, secret_file: Path | None) -> tuple[str, str, list[str]]:
    from slidewire.aio.clock import wall
    from slidewire.relay.program import load_secrets, secret_path
    from slidewire.system.errors import SetupError
    from slidewire.turn.credentials import mint

    if login is not None:
        try:
            given = json.load(login)
            uris = given.get("uris", [])
            return str(given["username"]), str(given["password"]), [str(uri) for uri in uris]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise click.BadParameter(
                "it has to be JSON with username and password, as `slidewire credentials --json` says it",
                param_hint="--login",
            ) from None
    try:
        made = mint(load_secrets(secret_path(secret_file), make=False)[0], "check", wall(), 600)
    except SetupError as error:
        _fail(error)
    return made.username, made.password, []


def _as_json(found: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"event": "checked", "uri": found.uri, "works": found.works, "ms": found.ms}
    said |= {"mapped": found.mapped, "relayed": found.relayed, "echoed": found.echoed, "granted": found.granted}
    said |= {"certificate_days": found.certificate_days, "warnings": found.warnings, "problem": found.problem}
    return said


def _print(found: Any) -> None:
    say(f"{found.uri}  {'works' if found.works else 'DOES NOT WORK'}")
    if found.mapped:
        print(f"  you are {found.mapped}, seen in {found.ms['binding']:g} ms")
    if found.relayed:
        print(f"  relay {found.relayed}, made in {found.ms['allocate']:g} ms")
    if found.echoed:
        print(f"  {found.echoed} packets came back, half of them within {found.ms['echo']:g} ms")
    if found.certificate_days is not None:
        print(f"  certificate good for {found.certificate_days} days")
    for sentence in (*found.warnings, *([found.problem] if found.problem else [])):
        say(f"  {sentence}")
    sys.stdout.flush()


@click.command("export")
@click.option("--engine", required=True, type=click.Choice(["coturn", "eturnal"]), help="Whose configuration.")
@click.option("--realm", default="slidewire", show_default=True, help="The same as everywhere.")
@click.option("--secret-file", type=FILE, help="Where the secret is; without it, this machine's.")
@click.option("--with-secret", is_flag=True, help="Write the secrets, too. Anyone who reads them can make any login.")
@click.option("--relay-ip", multiple=True, help="A relay address of the fleet, as the world knows it: the only peers.")
@click.option("--open-relay", is_flag=True, help="Relay to any public address.")
@click.option("--allow-peer", multiple=True, metavar="CIDR", help="Relay there as well, even if it is private.")
@click.option("--listen", multiple=True, help="Address to listen on; may be repeated.  [default: all]")
@click.option("--port", default=3478, show_default=True, type=click.IntRange(1, 65535), help="UDP and TCP.")
@click.option("--tls-port", default=5349, show_default=True, type=click.IntRange(1, 65535), help="TLS.")
@click.option("--tls-cert", help="Certificate chain (PEM), as the other machine names it.")
@click.option("--tls-key", help="Its private key (PEM).")
@click.option("--metrics", type=click.IntRange(1, 65535), help="Metrics for Prometheus on this port.")
@click.option("--output", type=FILE, help="Write to this file, readable by its owner alone.")
def export_(engine: Any, with_secret: bool, output: Path | None, **options: Any) -> None:
    """Write coturn's or eturnal's configuration.

    With the same secret, quotas and forbidden peers as ours.
    """
    from slidewire.relay.credential_secrets import load_secrets, read_secrets, secret_path
    from slidewire.relay.export import Engine, Export, export
    from slidewire.system.errors import SetupError
    from slidewire.turn.policy import networks

    assert engine in get_args(Engine)
    if not options["open_relay"] and not options["relay_ip"]:
        raise click.UsageError(
            "Say whom it may reach: --relay-ip with each relay address of the fleet, or --open-relay for all."
        )
    if (options["tls_cert"] is None) != (options["tls_key"] is None):
        raise click.UsageError("Give both --tls-cert and --tls-key, or neither.")
    path = secret_path(options["secret_file"])
    try:
        networks(options["relay_ip"])
        what = Export(
            realm=options["realm"],
            secret_file=str(path),
            secrets=load_secrets(path, make=False) if with_secret else (),
            relays=options["relay_ip"],
            open=options["open_relay"],
            allow=networks(options["allow_peer"]),
            port=options["port"],
            tls_port=options["tls_port"],
            tls_cert=options["tls_cert"],
            tls_key=options["tls_key"],
            metrics_port=options["metrics"],
            **({"listen": options["listen"]} if options["listen"] else {}),
        )
    except SetupError as error:
        _fail(error)
    except ValueError as error:
        raise click.BadParameter(f"{error}; give an address or a network such as 192.0.2.0/24") from None
    if with_secret and all(secret.since is not None for secret in read_secrets(path, make=False)):
        click.echo(
            f"slidewire: The secret in {path} is replaced every week. Write this again when it changes, or give the "
            "fleet a secret of its own: `openssl rand -hex 32 > fleet-secret`.",
            err=True,
        )
    text = export(engine, what)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.unlink(missing_ok=True)
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    except OSError as error:
        _fail(f"{output} cannot be written: {error.strerror}. Give another with --output.")
