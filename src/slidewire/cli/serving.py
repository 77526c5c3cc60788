"""`serve`, `host` and `up`: the long-running programs, from options to a good end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from slidewire.aio.descriptors import raise_limit
from slidewire.aio.own_clients import AddressInfo
from slidewire.cli.output import keep_addresses_out_of_the_log, print_qr, say, say_json, settle_memory
from slidewire.cli.shutdown import stop_requested
from slidewire.control.privacy import Privacy
from slidewire.host.decks.driver import DeckDriver, DeckError, DeckOptions
from slidewire.host.decks.registry import AUTO, DRIVERS, make_deck
from slidewire.host.desktop.adapters import open_inhibitors
from slidewire.host.desktop.environment import has_desktop
from slidewire.host.desktop.overlay import Overlay
from slidewire.host.media.router import MediaOptions
from slidewire.host.program import HostProgram, HostReady
from slidewire.rtc.aiortc_engine import AiortcEngine
from slidewire.server.app import Ready, Server
from slidewire.server.config import ServerSettings
from slidewire.system.trust import client_context

log = logging.getLogger(__name__)

__all__ = ["DRIVERS", "HostOptions", "host", "serve", "up"]


@dataclass(frozen=True, slots=True)
class HostOptions:
    deck: Path | None
    driver: str = "auto"
    window: str | None = None
    raise_window: bool = False
    room: str | None = None
    state: Path | None = None
    privacy: Privacy = Privacy.BALANCED
    ice_hosts: tuple[str, ...] = ()
    audit_days: int = 30
    media: bool = True
    share_screen: str | None = None
    record: Path | None = None
    api_key: str | None = field(default=None, repr=False)
    notes: str | None = None


async def serve(settings: ServerSettings, as_json: bool) -> None:
    """Raises `SetupError`."""
    stop = stop_requested()
    server = Server(settings)
    ready = await server.start()
    try:
        if as_json:
            say_json({"event": "ready", **_server_fields(ready), "account_link": ready.account_link})
        else:
            print(f"Slidewire serves at {ready.url}")
            _say_turn(ready)
            say_trust(ready)
            if ready.account_link is not None:
                print(f"Make the first account, within a day and in this one place:\n  {ready.account_link}")
            print("Ctrl-C stops it.", flush=True)
        settle_memory()
        await stop
    finally:
        await server.stop()


async def host(server: str, options: HostOptions, ca: Path | None, as_json: bool) -> None:
    """Raises `DeckError` or `HostError`."""
    raise_limit()
    stop = stop_requested()
    program = _program(server.rstrip("/"), options, ca=ca)
    await _run_host(program, stop, lambda ready: _say_host_ready(ready, as_json, options.media, {}))


async def up(settings: ServerSettings, options: HostOptions, as_json: bool, open_browser: bool) -> None:
    """Raises `SetupError`, `DeckError` or `HostError`."""
    stop = stop_requested()
    if options.deck is None and options.driver == AUTO:
        options = replace(options, driver="web")  # the demo deck: something to click on at once
    if options.privacy is Privacy.PRIVATE:
        log.warning(
            "This computer is the server as well, and everyone with the link sees where that is. To keep the "
            "host's address from presenters, run `slidewire serve` elsewhere and `slidewire host` here."
        )
    server = Server(settings)
    started = await server.start()
    try:
        # Before anything else is tried, so that a bad deck is refused without a room having been opened for it.
        program = _program(
            started.url,
            options,
            connect_to=started.local_url,
            ca=started.ca,
            make_socket=server.own_clients.make_socket,
        )

        def say(ready: HostReady) -> None:
            _say_host_ready(ready, as_json, options.media, _server_fields(started))
            if not as_json:
                say_trust(started)
                print("Ctrl-C ends the show.", flush=True)
            if open_browser and ready.driver == "web":
                webbrowser.open(f"{started.url}{server.tickets.make(program.local_deck_page)}")

        await _run_host(program, stop, say)
    finally:
        await server.stop()


def _program(
    server: str,
    options: HostOptions,
    ca: Path | None = None,
    connect_to: str | None = None,
    make_socket: Callable[[AddressInfo], socket.socket] | None = None,
) -> HostProgram:
    if options.privacy is not Privacy.OPEN:
        keep_addresses_out_of_the_log()
    deck = make_deck(
        options.driver,
        DeckOptions(options.deck, options.window, options.raise_window, options.state, options.notes),
    )
    engine = AiortcEngine(client_context(ca))
    return HostProgram(
        server,
        deck,
        engine,
        deck_file=options.deck,
        deck_name=_name(options.deck.resolve()) if options.deck else options.driver,
        room=options.room,
        overlay=_overlay_for(deck),
        inhibitors=open_inhibitors(),
        ca=ca,
        connect_to=connect_to,
        state=options.state,
        privacy=options.privacy,
        ice_hosts=options.ice_hosts,
        audit_days=options.audit_days,
        media=_media(engine, options),
        api_key=options.api_key,
        make_socket=make_socket,
    )


def _name(path: Path) -> str:
    """As text, whatever its bytes are."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _media(engine: AiortcEngine, options: HostOptions) -> MediaOptions | None:
    return MediaOptions(engine.create_media_peer, options.share_screen, options.record) if options.media else None


def _overlay_for(deck: DeckDriver) -> Overlay | None:
    """A pointer above the screen, for a deck that has none of its own."""
    if "laser" in deck.can:
        return None
    from slidewire.host.desktop.adapters import open_overlay
    from slidewire.host.desktop.errors import DesktopError

    try:
        return open_overlay(asyncio.get_running_loop(), deck.area)
    except DesktopError as error:
        log.warning("no laser on this screen: %s", error)
        return None


async def _run_host(program: HostProgram, stop: asyncio.Future[Any], say: Any) -> None:
    starting = asyncio.ensure_future(program.start())
    await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, DeckError):
            await starting
        await program.stop()
        return
    say(starting.result())
    await program.warm_up()
    settle_memory()
    await asyncio.wait({stop, program.over}, return_when=asyncio.FIRST_COMPLETED)
    await program.stop(end_room=_ends_show(program, stop))
    if program.over.done():
        program.over.result()


def _ends_show(program: HostProgram, stop: asyncio.Future[signal.Signals]) -> bool:
    """Whether the room's links end with this host. They do not when it failed, when its terminal was closed or the
    system stops it (it may be started again), or while another host of the room is there."""
    if program.over.done():
        return program.over.exception() is None
    return stop.result() is signal.SIGINT and not program.has_other_hosts


def _server_fields(ready: Ready) -> dict[str, Any]:
    return {
        "https": ready.url,
        "port": ready.port,
        "ca": str(ready.ca) if ready.ca else None,
        "fingerprint": ready.fingerprint,
        "turn": ready.turn,
    }


def _say_host_ready(ready: HostReady, as_json: bool, has_media: bool, server: dict[str, Any]) -> None:
    if as_json:
        links = {
            "room": ready.room,
            "presenter_link": ready.presenter_link,
            "operator_link": ready.operator_link,
            "deck_link": ready.deck_link,
            "program_link": ready.program_link,
            "driver": ready.driver,
        }
        say_json({"event": "ready", **links, **server})
        return
    say("", f"Room {ready.room}", "")
    print("Presenter: scan this, or open the link in any browser")
    print_qr(ready.presenter_link)
    say(f"  {ready.presenter_link}", "")
    say(f"Operator:  {ready.operator_link}")
    if ready.driver == "web":
        say(f"Deck:      {ready.deck_link}", "           (open it on the screen that the audience sees)")
    if has_media:
        say(f"Program:   {ready.program_link}", "           (the presenter's camera alone, for OBS or vMix)")
    print("\nEveryone with the presenter link can click, so show it only to speakers.", flush=True)


def _say_turn(ready: Ready) -> None:
    if ready.turn["udp"] is not None:
        shared = "" if ready.turn["tls"] is None else f", and TLS {ready.turn['tls']}"
        print(f"STUN and TURN on UDP and TCP {ready.turn['udp']}{shared}")


def say_trust(ready: Ready) -> None:
    if ready.ca is not None:
        print(f"First time with this device? {ready.url}/trust shows how it learns to trust this server.")
        print(f"The fingerprint it shows must be this one:\n  {ready.fingerprint}")


def wants_browser(as_json: bool) -> bool:
    return has_desktop() and not as_json
