"""The room at the server as a presenter's connection sees it: who is there, and a way to send."""

from __future__ import annotations

from slidewire.aio.websocket_client import SignalingSocket
from slidewire.presenter.connection import PresenterConnection
from slidewire.signaling.client import Event, IceServers, Joined, Lost, Presence, Received, Resumed


class Sender:
    """The signaling socket, for sending."""

    def __init__(self, socket: SignalingSocket) -> None:
        self._socket = socket

    def send(self, to: str, data: bytes) -> None:
        self._socket.send(to, data)


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
