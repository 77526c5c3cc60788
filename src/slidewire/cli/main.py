"""The `slidewire` command. Exit codes: 0 fine, 1 refused or failed with a sentence on standard error, 2 wrong usage."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from slidewire import __version__
from slidewire.cli.account import account
from slidewire.cli.audit import audit
from slidewire.cli.leaktest import leaktest
from slidewire.cli.link import link
from slidewire.cli.linked_media import consider_links
from slidewire.cli.output import complain, keep_addresses_out_of_the_log, log_to_stderr
from slidewire.cli.process_title import hide_secrets
from slidewire.cli.settings import add_settings
from slidewire.cli.turn import credentials, turn

FILE = click.Path(path_type=Path)


def _run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a program to its end; what a person can mend becomes a sentence and exit code 1."""
    from slidewire.aio.loop import run
    from slidewire.control.links import LinkError
    from slidewire.host.decks.driver import DeckError
    from slidewire.host.program import HostError
    from slidewire.presenter.terminal import PresentError
    from slidewire.system.errors import SetupError
    from slidewire.system.trust import TrustError

    try:
        run(work())
    except (DeckError, HostError, LinkError, PresentError, SetupError, TrustError) as error:
        complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        [
            click.option("--listen", help="Address to listen on; without it, all of this computer's."),
            click.option(
                "--port", default=8443, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
            ),
            click.option("--url", help="How the world reaches this server, if it cannot tell by itself."),
            click.option("--tls-cert", type=FILE, help="Certificate chain (PEM). Read again when it changes."),
            click.option("--tls-key", type=FILE, help="Its private key (PEM)."),
            click.option("--http", is_flag=True, help="Plain HTTP, behind a proxy: on loopback addresses only."),
            click.option(
                "--http-anywhere", is_flag=True, help="Plain HTTP on any address. Phones will not seal there."
            ),
            click.option(
                "--trusted-proxy",
                "trusted_proxies",
                multiple=True,
                metavar="CIDR",
                help="A proxy in front of this server, trusted to say which address a request came from.",
            ),
            click.option(
                "--proxy-header",
                default="X-Forwarded-For",
                show_default=True,
                metavar="NAME",
                help="The header in which it says so, and which it must write or remove itself.",
            ),
            click.option(
                "--host-name",
                "host_names",
                multiple=True,
                metavar="NAME",
                help="A further name by which this server is reached. It answers to no unknown one.",
            ),
            click.option("--state-dir", type=FILE, help="Where keys and rooms are kept."),
            click.option("--turn/--no-turn", default=True, help="Relay what cannot go directly (STUN, TURN)."),
            click.option(
                "--turn-port", default=3478, show_default=True, type=click.IntRange(0, 65535), help="UDP and TCP."
            ),
            click.option("--relay-ip", multiple=True, help="Address of the relays, once for IPv4 and once for IPv6."),
            click.option("--external-ip", multiple=True, help="What the world calls it, behind a one-to-one NAT."),
        ]
    ):
        command = option(command)
    return command


PRIVACY = click.Choice(["open", "balanced", "private"])
"""See control/privacy.py, which is not imported before it is needed."""


def _ice_host(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if "/" in value or value.startswith(("stun:", "turn:", "stuns:", "turns:")):
            raise click.BadParameter(f"{value} is not HOST or HOST:PORT, such as turn.example or turn.example:3478")
    return values


_audit_days = click.option(
    "--audit-days",
    default=30,
    show_default=True,
    type=click.IntRange(0, 3650),
    help="How long the log of who did what is kept. 0: there is none.",
)


def _room_code(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and re.fullmatch(r"[A-Za-z0-9]{4,12}", value) is None:
        raise click.BadParameter(f"{value} is not the code of a room; those are 4 to 12 letters and digits")
    return value


def _host_options(command: Callable[..., Any]) -> Callable[..., Any]:
    from slidewire.host.decks.registry import DRIVERS

    for option in reversed(
        [
            click.argument("deck", required=False, type=FILE),
            click.option(
                "--driver",
                type=click.Choice(DRIVERS),
                default="auto",
                help="What shows the slides. keys: any program that shows them already. auto: as DECK needs.",
            ),
            click.option("--window", help="keys: the deck's window, as a pattern of its title."),
            click.option("--raise-window", is_flag=True, help="keys: bring the deck to the front instead of refusing."),
            click.option(
                "--notes",
                type=click.Choice(["none", "left", "right", "top", "bottom"]),
                help="PDF: where its pages have notes beside the slide. Not needed where it can be seen.",
            ),
            click.option(
                "--allow-linked-media",
                is_flag=True,
                help="impress: show media in the deck's folder that it links to. Kept for this file of a deck.",
            ),
            click.option("--room", callback=_room_code, help="Open this room again, or join it as a further host."),
            click.option(
                "--privacy",
                type=PRIVACY,
                default="balanced",
                show_default=True,
                help="Who learns your address. private: no participant, everything goes through a relay.",
            ),
            click.option(
                "--ice-server",
                multiple=True,
                metavar="HOST[:PORT]",
                callback=_ice_host,
                help="A STUN or TURN server that may be used besides the server's own.",
            ),
            _audit_days,
            click.option(
                "--share-screen",
                is_flag=False,
                flag_value="screen",
                metavar="[screen|N|TITLE]",
                help="From the start, share the screen, monitor N or the window of that title. Operators may later.",
            ),
            click.option(
                "--record", type=FILE, metavar="FOLDER", help="From the start, record who is on air, into FOLDER."
            ),
            click.option("--media/--no-media", default=True, help="Camera, microphone and screen. --no-media: none."),
        ]
    ):
        command = option(command)
    return command


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("-v", "--verbose", count=True, help="Say more on standard error.")(command)
    return click.option("--json", "as_json", is_flag=True, help="One JSON object per line on standard output.")(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="slidewire")
def main() -> None:
    """The self-hosted internet clicker: drive the slides on somebody else's computer from any browser."""


main.add_command(account)
main.add_command(audit)
main.add_command(link)
main.add_command(leaktest)
main.add_command(turn)
main.add_command(credentials)


@main.command()
@_host_options
@_server_options
@click.option("--open/--no-open", "open_browser", default=None, help="Show the web deck in a browser here.")
@_common
def up(deck: Path | None, as_json: bool, verbose: int, open_browser: bool | None, **options: Any) -> None:
    """Server and host in one process.

    DECK is what is shown: a PDF or a folder of pictures in a browser, .odp or .pptx in LibreOffice Impress. Without one
    it is the demo deck.
    """
    from slidewire.cli import serving

    log_to_stderr(verbose)
    if open_browser is None:
        open_browser = serving.wants_browser(as_json)
    wanted = open_browser
    consider_links(deck, options["driver"], options["state_dir"], agreed=options["allow_linked_media"])

    async def work() -> None:
        # A machine among those who see the show: they meet at private addresses.
        settings = replace(_settings(options), private_members=not options["http"])
        await serving.up(settings, _host(deck, options), as_json, wanted)

    _run(work)


@main.command()
@_server_options
@click.option("--turn-uri", multiple=True, help="Others relay, here: turn:HOST:3478?transport=udp and the like.")
@click.option("--turn-secret-file", type=FILE, help="The secret they know.")
@click.option(
    "--rooms",
    type=click.Choice(["anybody", "keys"]),
    default="anybody",
    show_default=True,
    help="Who may open rooms. keys: who has an API key with the scope rooms.open.",
)
@_audit_days
@click.option("--audit-addresses", is_flag=True, help="Write from which addresses operators come into that log, too.")
@_common
def serve(as_json: bool, verbose: int, **options: Any) -> None:
    """The server alone."""
    from slidewire.cli import serving

    log_to_stderr(verbose)

    async def work() -> None:
        settings = replace(
            _settings(options),
            accounts=True,
            audit_days=options["audit_days"],
            audit_addresses=options["audit_addresses"],
            rooms_need_key=options["rooms"] == "keys",
        )
        await serving.serve(settings, as_json)

    _run(work)


@main.command()
@_host_options
@click.option("--server", required=True, help="The server's address, https://SERVER.")
@click.option("--ca", type=FILE, help="Trust this authority as well (PEM).")
@click.option("--state-dir", type=FILE, help="Where room keys are kept.")
@click.option("--api-key-file", type=FILE, help="A key of the server, if it opens rooms only for who has one.")
@_common
def host(
    deck: Path | None,
    server: str,
    ca: Path | None,
    api_key_file: Path | None,
    as_json: bool,
    verbose: int,
    **options: Any,
) -> None:
    """The host alone.

    It shows DECK here, for presenters who come through SERVER: a PDF or a folder of pictures in a browser, .odp or
    .pptx in LibreOffice Impress.
    """
    from slidewire.cli import serving

    log_to_stderr(verbose)
    if re.match(r"https?://[^/?#]", server) is None:
        raise click.BadParameter("give the server's address as https://SERVER", param_hint="--server")
    key = None if api_key_file is None else _api_key(api_key_file)
    consider_links(deck, options["driver"], options["state_dir"], agreed=options["allow_linked_media"])
    _run(lambda: serving.host(server, replace(_host(deck, options), api_key=key), ca, as_json))


def _api_key(path: Path) -> str:
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        key = ""
    if re.fullmatch(r"swk_[\w-]+", key) is None:
        raise click.BadParameter(f"{path} has no API key in it; one begins with swk_", param_hint="--api-key-file")
    return key


@main.command()
@click.argument("link", required=False)
@click.option("--link-file", type=FILE, help="Its first line is the link.")
@click.option("--ca", type=FILE, help="Trust this authority as well (PEM).")
@click.option("--name", default="", help="Shown to the operator.")
@click.option("--no-direct", is_flag=True, help="Stay on the path through the server.")
@click.option("--privacy", type=PRIVACY, help="Stricter than the room's own, if that shall be.")
@_common
def present(
    link: str | None,
    link_file: Path | None,
    ca: Path | None,
    name: str,
    no_direct: bool,
    privacy: str | None,
    as_json: bool,
    verbose: int,
) -> None:
    """Be a presenter in the terminal.

    It reads one intent per line, such as next, goto 12 or laser 0.5 0.5.

    The link comes from LINK, --link-file, SLIDEWIRE_LINK or else the first line of standard input. Put LINK in quotes,
    because of its #; other users of this computer and the shell's history may see an argument.
    """
    from slidewire.cli.link_source import link_of
    from slidewire.control.links import parse_link
    from slidewire.control.privacy import Privacy
    from slidewire.presenter.terminal import TerminalPresenter, read_stdin
    from slidewire.rtc.aiortc_engine import AiortcEngine
    from slidewire.system.trust import client_context

    log_to_stderr(verbose)
    found = link_of(link, link_file, "SLIDEWIRE_LINK", sys.stdin)
    if found is None:
        raise click.UsageError(
            "There is no link. Give it as --link-file, SLIDEWIRE_LINK or the first line of the input."
        )

    async def work() -> None:
        engine = None if no_direct else AiortcEngine(client_context(ca))
        wanted = Privacy(privacy or "open")
        if wanted is not Privacy.OPEN:
            keep_addresses_out_of_the_log()
        presenter = TerminalPresenter(
            parse_link(found), engine, name=name, as_json=as_json, ca=ca, out=sys.stdout, privacy=wanted
        )
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        read_stdin(lines)
        await presenter.run(lines)

    _run(work)


def _settings(options: dict[str, Any]) -> Any:
    from slidewire.server.config import ServerSettings

    names = ("listen", "port", "url", "tls_cert", "tls_key", "http", "http_anywhere", "state_dir", "turn", "turn_port")
    given = {name: options[name] for name in names if options[name] is not None}
    return ServerSettings(
        relay_ips=options["relay_ip"],
        external_ips=options["external_ip"],
        trusted_proxies=options["trusted_proxies"],
        proxy_header=options["proxy_header"],
        host_names=options["host_names"],
        turn_uris=options.get("turn_uri", ()),
        turn_secret_file=options.get("turn_secret_file"),
        **given,
    )


def _host(deck: Path | None, options: dict[str, Any]) -> Any:
    from slidewire.cli.serving import HostOptions
    from slidewire.control.privacy import Privacy

    share = options["share_screen"]
    if deck is None and share is not None and Path(share).is_file():
        raise click.UsageError(f"--share-screen takes {share} for what it shares. Put the deck before it.")
    if not options["media"] and (share is not None or options["record"] is not None):
        raise click.UsageError("--no-media turns off what --share-screen and --record ask for. Leave one of them out.")
    return HostOptions(
        deck,
        options["driver"],
        options["window"],
        options["raise_window"],
        options["room"],
        options["state_dir"],
        Privacy(options["privacy"]),
        options["ice_server"],
        options["audit_days"],
        options["media"],
        options["share_screen"],
        options["record"],
        notes=options["notes"],
    )


add_settings(main)

if __name__ == "__main__":
    hide_secrets()
    main()
