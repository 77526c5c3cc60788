"""The host as a program: a room at a server, the host in it, and the deck it drives.

Used by `slidewire host`, and by `slidewire up` beside a server in the same process.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from slidewire.aio.clock import wall
from slidewire.aio.own_clients import AddressInfo
from slidewire.aio.websocket_client import SignalingSocket
from slidewire.audit.log import DAYS, AuditError, AuditLog
from slidewire.base.base64url import encode_base64url
from slidewire.control.privacy import Privacy
from slidewire.control.state import HostEntry
from slidewire.host.decks.driver import DeckDriver
from slidewire.host.desktop.inhibitor import Inhibitor
from slidewire.host.desktop.overlay import Overlay
from slidewire.host.host import Host
from slidewire.host.media.recorder import RecordingError
from slidewire.host.media.router import MediaOptions
from slidewire.host.media.screen_sharing import SharingError
from slidewire.host.participants.links import Room, RoomStore
from slidewire.host.participants.local_keys import local_grant
from slidewire.host.show.position import PositionKeeper, fingerprint
from slidewire.rtc.engine import Engine
from slidewire.signaling import messages
from slidewire.signaling.client import (
    Event,
    IceServers,
    LinkRevoked,
    LinksAdded,
    Lost,
    Notice,
    Opened,
    Presence,
    Received,
    Refused,
    Resumed,
    SignalingClient,
)
from slidewire.system.directories import state_directory
from slidewire.system.trust import client_context

log = logging.getLogger(__name__)


class HostError(Exception):
    """The host cannot go on. The message is for a person."""


@dataclass(frozen=True, slots=True)
class HostReady:
    """The room is open, and presenters can click."""

    room: str
    presenter_link: str
    operator_link: str
    deck_link: str
    program_link: str
    driver: str


class _RoomAtServer:
    """What the host asks of the server, as the signaling client calls it."""

    def __init__(self, socket: SignalingSocket) -> None:
        self._socket = socket

    def send(self, to: str, data: bytes) -> None:
        self._socket.send(to, data)

    def add_links(self, links: list[dict[str, object]]) -> None:
        self._socket.client.add_links([msgspec.convert(link, messages.Link) for link in links])
        self._socket.flush()

    def revoke_link(self, link: str) -> None:
        self._socket.client.revoke_link(link)
        self._socket.flush()

    def remove_member(self, member: str, reason: str) -> None:
        self._socket.client.remove_member(member, reason)
        self._socket.flush()

    def prove(self, members: list[str]) -> None:
        self._socket.client.prove(members)
        self._socket.flush()

    def close_room(self) -> None:
        self._socket.client.close_room()
        self._socket.flush()


def _fingerprint(deck: DeckDriver, name: str, file: Path | None) -> str:
    """Of a deck that begins anew with this host; empty for one that may be open already, or that cannot be read."""
    if file is None and deck.driver != "web":
        return ""
    try:
        return fingerprint(name, file)
    except OSError:
        return ""


class HostProgram:
    """`start`, then wait for `over`, then `stop`. `server` is the address presenters are given."""

    def __init__(
        self,
        server: str,
        deck: DeckDriver,
        engine: Engine,
        *,
        deck_name: str = "",
        deck_file: Path | None = None,
        room: str | None = None,
        overlay: Overlay | None = None,
        ca: Path | None = None,
        connect_to: str | None = None,
        state: Path | None = None,
        privacy: Privacy = Privacy.BALANCED,
        ice_hosts: Sequence[str] = (),
        audit_days: int = DAYS,
        media: MediaOptions | None = None,
        api_key: str | None = None,
        make_socket: Callable[[AddressInfo], socket.socket] | None = None,
        inhibitors: Sequence[Inhibitor] = (),
    ) -> None:
        """`connect_to`: how this process reaches the server, if not at the address presenters are given. `ice_hosts`:
        whose STUN and TURN servers may be used besides those on the server's own host. Without `media` there are
        none. `api_key`: for a server that wants one before it opens a room. `make_socket`: makes the sockets to the
        server, if that runs in this process. `inhibitors`: keep this computer's screen on while a show runs."""
        folder = state or state_directory()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # itself, not as a parent that others may look into
            self._room: Room = RoomStore(folder / "rooms").open(server, deck_name, room)
        except OSError as error:
            raise HostError(
                f"The room's keys cannot be kept in {folder} ({error.strerror}). Make it writable and see that its "
                "disk has room, or give another with --state-dir."
            ) from None
        self._audit: AuditLog | None = None
        if audit_days:
            try:
                self._audit = AuditLog(folder / "audit", wall, days=audit_days)
            except AuditError as error:
                raise HostError(str(error)) from None
        self._server = server
        self._has_media = media is not None
        self._host = Host(
            self._room,
            server,
            deck,
            engine,
            socket.gethostname(),
            overlay=overlay,
            privacy=privacy,
            own_hosts={urlsplit(url).hostname or "" for url in (server, connect_to or server)},
            ice_hosts=ice_hosts,
            media=media,
            audit=self._write_down,
            inhibitors=inhibitors,
            position=PositionKeeper(
                self._room,
                _fingerprint(deck, deck_name, deck_file),
                wall,
                lambda: _fingerprint(deck, deck_name, deck_file),
            ),
        )
        first = messages.OpenRoom(
            v=messages.VERSION,
            room=self._room.code,
            token=encode_base64url(self._room.token),
            name=socket.gethostname()[:40],
            links=[msgspec.convert(rule.announcement(), messages.Link) for rule in self._room.good_links(wall())],
        )
        self._socket = SignalingSocket(
            connect_to or server,
            SignalingClient(first, entropy=secrets.token_bytes),
            self._receive,
            tls=client_context(ca),
            token=api_key,
            make_socket=make_socket,
        )
        self._host.signaling = _RoomAtServer(self._socket)
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hosts: dict[str, HostEntry] = {}
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when an operator ended the show, or failed with a `HostError`."""

    async def start(self) -> HostReady:
        """Open the deck and the room. Raises `DeckError` or `HostError`."""
        try:
            await self._host.start()
        except (RecordingError, SharingError) as error:
            await self._host.close()
            raise HostError(str(error)) from None
        await self._socket.start()
        try:
            await self._opened
        except HostError:
            await self.stop()
            raise
        ending = asyncio.ensure_future(self._host.ended.wait())
        ending.add_done_callback(lambda _: self._is_over())
        return self.ready

    async def warm_up(self) -> None:
        """Load what media take, so that the first who turns a camera on keeps no click waiting."""
        if self._has_media:
            await asyncio.to_thread(import_module, "slidewire.rtc.media_peer")

    @property
    def ready(self) -> HostReady:
        def url(page: str) -> str:
            return self._room.first(page).link(self._server).url

        links = url("p"), url("operator"), url("deck"), url("program")
        return HostReady(self._room.code or "", *links, self._host.show.deck.driver)

    @property
    def local_deck_page(self) -> str:
        """The deck page for a browser on this computer: the link and a grant. It is not shown."""
        return f"{self._room.first('deck').link(self._server).url}.{local_grant(self._room)}"

    @property
    def has_other_hosts(self) -> bool:
        """Whether another host of the room is there, or was until a moment ago."""
        return any(not host.this for host in self._hosts.values())

    async def stop(self, end_room: bool = False) -> None:
        """Let go of deck and server. `end_room`: the show is over, and its links with it. Otherwise participants wait
        for a host to come back."""
        if end_room and self._opened.done() and not self._opened.exception():
            self._host.end_room()
        await self._host.close()
        await self._socket.stop()
        if self._audit is not None:
            self._write_down("log_closed")
            audit, self._audit = self._audit, None
            if audit is not None:
                audit.close()

    def _write_down(self, event: str, /, **fields: Any) -> None:
        """A full disk does not stop a show; that the log ends here is said."""
        if self._audit is None:
            return
        try:
            self._audit.write(event, **fields)
        except OSError as error:
            log.error("the log of who did what ends here: %s. Make space, and start again.", error.strerror)
            self._audit.close()
            self._audit = None

    def _receive(self, event: Event) -> None:
        match event:
            case Opened(room, member, hosts, members, ice_servers, refused):
                self._inside(room, member, hosts, members, ice_servers)
                self._say_refused(refused)
                if not self._opened.done():
                    self._opened.set_result(None)
                    good = ", ".join(f"{rule.id} ({rule.role})" for rule in self._room.good_links(wall()))
                    self._write_down("show_started", room=room, deck=self._host.show.deck.driver, links=good)
                log.info("room %s is open", room)
            case Resumed(room, member, hosts, members, ice_servers):
                self._inside(room, member, hosts, members or [], ice_servers)
            case IceServers(ice_servers):
                self._host.ice_servers_are(ice_servers)
            case Received(sender, data):
                self._host.receive(sender, data)
            case Presence(member, True, change, name):
                self._host_changed(member, change, name)
            case Presence(member, False, change):
                self._host.members.receive(event)
                if change in ("away", "left"):
                    self._host.member_gone(member, for_good=change == "left")
            case LinksAdded(refused):
                self._say_refused(refused)
            case LinkRevoked():
                pass
            case Lost(reason, retry_in):
                self._host.lost_server()
                log.warning(
                    "no server: %s Trying again in %.1f s; presenters with a direct path go on.", reason, retry_in
                )
            case Refused(code, message, final):
                self._refused(code, message, final)
            case Notice(text):
                log.warning("the server's operator says: %s", text)

    def _inside(
        self,
        room: str,
        member: str,
        hosts: list[messages.HostEntry],
        members: list[messages.MemberEntry],
        ice_servers: Sequence[object],
    ) -> None:
        self._hosts = {member: HostEntry(member, self._host.name, this=True)}
        for host in hosts:
            self._hosts[host.member] = HostEntry(host.member, host.name, host.away)
        self._host.network = self._socket.client.network
        self._host.opened(room, ice_servers, list(self._hosts.values()))
        self._host.members.are(members)
        self._host.members_are({entry.member for entry in members if not entry.away})

    def _host_changed(self, member: str, change: str, name: str) -> None:
        if change == "left":
            self._hosts.pop(member, None)
        else:
            known = self._hosts.get(member) or HostEntry(member, name)
            self._hosts[member] = replace(known, away=change == "away")
        self._host.hosts_are(list(self._hosts.values()))

    def _say_refused(self, refused: list[messages.RefusedLink]) -> None:
        for link in refused:
            log.warning("the server did not take link %s: %s", link.link, link.code)

    def _refused(self, code: str, message: str, final: bool) -> None:
        if not final:
            # That a member left while an answer was on its way is ordinary, and any member can cause it.
            log.log(
                logging.DEBUG if code == messages.Code.MEMBER_UNKNOWN else logging.WARNING,
                "the server says: %s",
                message,
            )
            return
        error = HostError(message)
        if not self._opened.done():
            self._opened.set_exception(error)
        elif code == "room_ended":
            self._is_over()
        elif not self.over.done():
            self.over.set_exception(error)

    def _is_over(self) -> None:
        if not self.over.done():
            self.over.set_result(None)
