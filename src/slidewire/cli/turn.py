"""`slidewire turn` and `slidewire credentials`."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from slidewire.cli.output import complain, log_to_stderr, say_json, settle_memory
from slidewire.cli.shutdown import reload_requested, stop_requested
from slidewire.cli.turn_tools import check, export_

FILE = click.Path(path_type=Path)


def _secret_file(command: Any) -> Any:
    return click.option("--secret-file", type=FILE, help="TURN secrets, one a line, newest first; made if missing.")(
        command
    )


def _json(command: Any) -> Any:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object per line on standard output.")(command)


@click.group(invoke_without_command=True)
@click.option("--listen", multiple=True, help="Address to listen on; may be repeated.  [default: all]")
@click.option(
    "--port", default=3478, show_default=True, type=click.IntRange(0, 65535), help="UDP and TCP. 0: free one."
)
@click.option("--tls-port", default=5349, show_default=True, type=click.IntRange(0, 65535), help="TLS. 0: a free one.")
@click.option("--tls-cert", type=FILE, help="Certificate chain (PEM). Without: one of our own making.")
@click.option("--tls-key", type=FILE, help="Its private key (PEM).")
@click.option("--relay-ip", multiple=True, help="Address of the relays, once for IPv4 and once for IPv6.")
@click.option("--external-ip", multiple=True, help="What the world calls it, behind a one-to-one NAT.")
@_secret_file
@click.option("--realm", default="slidewire", show_default=True, help="Shown to clients; short is better.")
@click.option("--open-relay", is_flag=True, help="Relay to any public address, not only between this server's clients.")
@click.option("--allow-peer", multiple=True, metavar="CIDR", help="Relay there as well, even if it is private.")
@click.option("--bandwidth", default=100.0, show_default=True, help="Mbit/s that one allocation may take; 0: no limit.")
@click.option(
    "--data-path",
    type=click.Choice(["auto", "plain", "compiled"]),
    envvar="SLIDEWIRE_DATA_PATH",
    default="auto",
    help="How packets are relayed: in Python, or in C, which is faster.  [default: the faster one there is]",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes that share the ports, for more processor cores. Limits are divided among them. Linux.",
)
@click.option(
    "--metrics", type=click.IntRange(0, 65535), help="Metrics for Prometheus on 127.0.0.1:PORT. 0: a free one."
)
@click.option("--metrics-users", is_flag=True, help="Metrics by user, too.")
@click.option(
    "--drain",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="When asked to stop, let those who are connected stay this long. Asked again, stop at once.",
)
@click.option("--log-people", is_flag=True, help="--json says users and addresses as they are, not as pseudonyms.")
@_json
@click.option("-v", "--verbose", count=True, help="Say more on standard error.")
def turn(as_json: bool, verbose: int, **options: Any) -> None:
    """STUN and TURN alone.

    A relay that reaches nothing private, and strangers only if told to.

    SIGHUP reads secrets and certificates again, as does any change of their files.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    from slidewire.aio.loop import run
    from slidewire.system.errors import SetupError
    from slidewire.turn.policy import networks

    log_to_stderr(verbose)
    try:
        allow = networks(options["allow_peer"])
    except ValueError as error:
        raise click.BadParameter(f"{error}; give a network such as 192.0.2.0/24", param_hint="--allow-peer") from None

    async def work() -> None:
        from slidewire.relay.event_log import TurnLog
        from slidewire.relay.metrics_listener import MetricsListener
        from slidewire.relay.program import TurnService
        from slidewire.relay.workers import TurnWorkers

        stop = stop_requested()
        settings = _settings(options, allow)
        if as_json:
            settings = replace(settings, report=TurnLog(say_json, people=options["log_people"]))
        say = say_json if as_json else lambda event: None
        service: TurnService | TurnWorkers
        if options["workers"] == 1:
            service = TurnService(settings)
        else:
            service = TurnWorkers(settings, options["workers"], partial(_prepare_worker, verbose), say)
        ready = await service.start()
        metrics = MetricsListener(partial(service.metrics, users=options["metrics_users"]))
        try:
            ports = {"udp": ready.udp, "tcp": ready.tcp, "tls": ready.tls}
            if options["metrics"] is not None:
                ports["metrics"] = await metrics.start(options["metrics"])
            reload_requested(service.reload)
            if as_json:
                more: dict[str, Any] = {"ca": str(ready.ca)} if ready.ca is not None else {}
                if isinstance(service, TurnWorkers):
                    more["workers"] = service.pids
                say_json({"event": "ready", **ports, "realm": ready.realm, "data_path": ready.data_path, **more})
            else:
                _print_ready(ready, options["workers"])
            settle_memory()
            await stop
            if options["drain"]:
                if as_json:
                    say_json({"event": "draining", "allocations": await service.count(), "seconds": options["drain"]})
                await service.drain(options["drain"])
        finally:
            await metrics.stop()
            await service.stop()

    try:
        run(work())
    except SetupError as error:
        complain(error)
        sys.exit(1)


turn.add_command(check)
turn.add_command(export_)


@click.command()
@click.option("--user", default="", help="Whom it is for; quotas and revocation go by it.")
@click.option(
    "--ttl", default=86_400, show_default=True, type=click.IntRange(1, 86_400), help="Seconds it is good for."
)
@click.option("--uri", "uris", multiple=True, help="turn:HOST:3478?transport=udp and the like, passed on.")
@_secret_file
@_json
def credentials(user: str, ttl: int, uris: tuple[str, ...], secret_file: Path | None, as_json: bool) -> None:
    """Make TURN credentials.

    With the secret of this machine's server, or another's: --secret-file.
    """
    from slidewire.aio.clock import wall
    from slidewire.relay.program import load_secrets, secret_path
    from slidewire.system.errors import SetupError
    from slidewire.turn.credentials import mint

    try:
        made = mint(load_secrets(secret_path(secret_file), make=False)[0], user, wall(), ttl)
    except (SetupError, ValueError) as error:
        complain(error)
        sys.exit(1)
    if as_json:
        say_json({"username": made.username, "password": made.password, "ttl": made.ttl, "uris": list(uris)})
    else:
        print(f"username {made.username}\npassword {made.password}\nttl      {made.ttl}")


def _prepare_worker(verbose: int) -> None:
    log_to_stderr(verbose)
    settle_memory()


def _print_ready(ready: Any, workers: int) -> None:
    tls = f", TLS {ready.tls}" if ready.tls is not None else ""
    processes = f" in {workers} processes" if workers > 1 else ""
    print(f"STUN and TURN on UDP and TCP {ready.udp}{tls}{processes}; data path: {_explained(ready.data_path)}")
    if ready.ca is not None:
        print(f"TLS is by an authority of our own: {ready.ca}. Browsers want another: --tls-cert.")
    print("`slidewire credentials` makes a login. Ctrl-C stops it.", flush=True)


def _explained(data_path: str) -> str:
    from slidewire.relay.compiled import why_not

    reason = why_not()
    return data_path if data_path != "plain" or reason is None else f"plain (no compiled one: {reason})"


def _settings(options: dict[str, Any], allow: Any) -> Any:
    from slidewire.base.rates import Rate
    from slidewire.relay.program import TurnSettings, state_folder
    from slidewire.turn.limits import UNLIMITED, Limits

    per_second = options["bandwidth"] * 125_000
    limits = replace(Limits(), bandwidth=Rate(per_second, per_second)) if per_second else UNLIMITED
    settings = TurnSettings(
        port=options["port"],
        tls_port=options["tls_port"],
        tls_cert=options["tls_cert"],
        tls_key=options["tls_key"],
        state_dir=state_folder(),
        relay_ips=options["relay_ip"],
        external_ips=options["external_ip"],
        realm=options["realm"],
        secret_file=options["secret_file"],
        open_relay=options["open_relay"],
        allow=allow,
        limits=limits,
        data_path=options["data_path"],
    )
    return replace(settings, listen=options["listen"]) if options["listen"] else settings
