"""The room at the server as a presenter's connection sees it: the way in, who is there, and a way to send."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from slidewire.aio.websocket_client import SignalingSocket
from slidewire.base.base64url import encode_base64url
from slidewire.control.links import Link
from slidewire.presenter.connection import PresenterConnection
from slidewire.signaling import messages
from slidewire.signaling.client import Event, IceServers, Joined, Lost, Presence, Received, Resumed, SignalingClient
from slidewire.system.trust import client_context


class Sender:
    """The signaling socket, for sending."""

    def __init__(self, socket: SignalingSocket) -> None:
        self._socket = socket

    def send(self, to: str, data: bytes) -> None:
        self._socket.send(to, data)


def socket_for(
    connection: PresenterConnection, link: Link, receive: Callable[[Event], None], ca: Path | None
) -> SignalingSocket:
    """By which the link joins its room, and `connection` sends. Not started yet."""
    join = messages.Join(v=messages.VERSION, link=link.link_id, token=encode_base64url(link.join_token))
    client = SignalingClient(join, entropy=secrets.token_bytes)
    client.hello = connection.first_hello()
    socket = SignalingSocket(link.server, client, receive, tls=client_context(ca))
    connection.signaling = Sender(socket)
    connection.check_server = socket.check
    return socket


def tell(connection: PresenterConnection, event: Event, network: str) -> None:
    """Tell the connection what it needs to know of what happened at the server. `network`: where we are."""
    match event:
        case Joined(_, _, hosts, ice_servers) | Resumed(_, _, hosts, _, ice_servers):
            connection.joined([{"member": host.member, "away": host.away} for host in hosts], ice_servers, network)
        case IceServers(ice_servers):
            connection.ice_servers_are(ice_servers)
        case Received(sender, data):
            connection.receive(sender, data)
        case Presence(member, True, change):
            if change in ("joined", "back"):
                connection.host_here(member)
            else:
                connection.host_gone(member)
        case Lost():
            connection.lost_server()
        case _:
            pass
