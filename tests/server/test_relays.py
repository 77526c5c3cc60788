"""The server's own relay and its rooms, on real loopback sockets: who gets in, by which ports, and until when."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slidewire.base.addresses import Address
from slidewire.relay.program import TurnReady, TurnService, TurnSettings
from slidewire.server.app import Ready, Server
from slidewire.server.relay_fleet import Fleet, read_uri
from slidewire.server.relays import OwnRelay, host_and_port
from slidewire.signaling import client as signaling
from slidewire.system.errors import SetupError
from slidewire.system.trust import client_context
from slidewire.turn.credentials import password_of
from tests.server.certificates import make_certificate
from tests.server.test_server import Member, browser, host, inside, presenter, settings, show
from tests.support.turn_client import TurnClient


@contextlib.asynccontextmanager
async def relaying(tmp_path: Path, **changes: Any) -> AsyncIterator[tuple[Server, Ready]]:
    server = Server(settings(tmp_path, **{"turn": True, "turn_port": 0, **changes}))
    try:
        yield server, await server.start()
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def client(uri: str, server: dict[str, Any], ready: Ready | None = None) -> AsyncIterator[TurnClient]:
    context = client_context(ready.ca) if ready is not None and ready.ca else None
    made = await TurnClient.by_uri(uri, server, context)
    try:
        yield made
    finally:
        await made.close()


@contextlib.asynccontextmanager
async def joined(ready: Ready) -> AsyncIterator[tuple[Member, Member, list[dict[str, Any]]]]:
    """A host and a presenter, and the ICE servers of the presenter."""
    async with inside(ready, host()) as one:
        await one.until(signaling.Opened)
        async with inside(ready, presenter()) as two:
            yield one, two, (await two.until(signaling.Joined)).ice_servers


class TestMembers:
    async def test_they_are_told_where_it_is_by_the_name_they_came_by(self, tmp_path: Path) -> None:
        async with relaying(tmp_path) as (_, ready), joined(ready) as (one, two, (stun, turn)):
            udp = ready.turn["udp"]
            assert ready.turn == {"udp": udp, "tcp": udp, "tls": ready.port}
            assert stun == {"urls": [f"stun:127.0.0.1:{udp}"]}
            assert turn["urls"] == [
                f"turn:127.0.0.1:{udp}?transport=udp",
                f"turn:127.0.0.1:{udp}?transport=tcp",
                f"turns:127.0.0.1:{ready.port}?transport=tcp",
            ]
            expiry, _, user = turn["username"].partition(":")
            assert user == f"room/{one.core.room}/{two.core.member}" and expiry.isdigit()

    async def test_the_credential_is_good_on_every_transport(self, tmp_path: Path) -> None:
        async with relaying(tmp_path) as (_, ready), joined(ready) as (_, _, (_, turn)):
            for uri in turn["urls"]:
                async with client(uri, turn, ready) as made, client(turn["urls"][0], turn) as other:
                    assert await made.allocate() == 0 and await other.allocate() == 0
                    assert made.relayed is not None and other.relayed is not None
                    assert await made.bind(0x4000, other.relayed) == 0 and await other.bind(0x4001, made.relayed) == 0
                    made.send(b"\x40\x00\x00\x05hello\0\0\0"[: 9 if "udp" in uri else 12])
                    async with asyncio.timeout(20):
                        assert await other.data.get() == b"\x40\x01\x00\x05hello"

    async def test_who_is_removed_has_no_relay_any_more(self, tmp_path: Path) -> None:
        async with (
            relaying(tmp_path) as (server, ready),
            joined(ready) as (one, two, (_, turn)),
            client(turn["urls"][0], turn) as made,
            client(turn["urls"][0], turn) as late,
        ):
            assert await made.allocate() == 0 and len(allocations(server)) == 1
            one.core.remove_member(two.core.member or "")
            one.socket.flush()
            await two.until(signaling.Refused)
            await until_none_left(server)
            assert await late.allocate() == 401

    async def test_and_who_leaves_nor_when_the_room_ends(self, tmp_path: Path) -> None:
        async with (
            relaying(tmp_path) as (server, ready),
            joined(ready) as (one, _, (_, turn)),
            client(turn["urls"][0], turn) as made,
        ):
            assert await made.allocate() == 0
            one.core.close_room()
            one.socket.flush()
            await until_none_left(server)

    async def test_a_secret_of_before_is_good_after_a_rotation(self, tmp_path: Path) -> None:
        """Credentials of a member are not replaced when the secret is."""
        async with relaying(tmp_path) as (server, ready), joined(ready) as (_, _, (_, turn)):
            core = server._relay._service.core  # type: ignore[union-attr]
            assert core is not None
            core.credentials.secrets = ("n" * 40, *core.credentials.secrets)
            async with client(turn["urls"][0], turn) as made:
                assert await made.allocate() == 0

    async def test_without_a_relay(self, tmp_path: Path) -> None:
        async with relaying(tmp_path, turn=False) as (_, ready), joined(ready) as (_, _, told):
            assert told == [] and ready.turn == {"udp": None, "tcp": None, "tls": None}


class TestWhoIsReached:
    """The closed relay's rule, between the hub's members and the relay's policy."""

    def relay(self, tls: bool = True) -> tuple[OwnRelay, dict[str, set[str]]]:
        made = OwnRelay(TurnSettings(), public_host="clicker.example", tls=tls, http_port=lambda: 8080)
        rooms: dict[str, set[str]] = {"SHOW": {"198.51.100.4"}, "OTHER": {"198.51.100.9"}}

        class Members:
            def reaches(self, room: str, host: str) -> bool:
                return host in rooms.get(room, ())

            def has_member(self, room: str, member: str) -> bool:
                return room in rooms and member == "m1"

        made._hub = Members()  # type: ignore[assignment]
        return made, rooms

    def test_where_members_of_the_same_room_are(self) -> None:
        relay, rooms = self.relay()
        assert relay.reaches("1800000000:room/SHOW/m1", "198.51.100.4")
        assert not relay.reaches("1800000000:room/SHOW/m1", "198.51.100.9")
        assert not relay.reaches("1800000000:room/NONE/m1", "198.51.100.4")
        rooms["SHOW"].clear()
        assert not relay.reaches("1800000000:room/SHOW/m1", "198.51.100.4")

    @pytest.mark.parametrize("username", ["1800000000:api", "1800000000:api/ada", "1800000000", "1800000000:SHOW"])
    def test_who_is_in_no_room_reaches_our_relays_only(self, username: str) -> None:
        relay, _ = self.relay()
        assert not relay.reaches(username, "198.51.100.4") and relay.knows(username.partition(":")[2])

    def test_behind_a_proxy_nobody_is_anywhere(self) -> None:
        relay, _ = self.relay(tls=False)
        assert not relay.reaches("1800000000:room/SHOW/m1", "198.51.100.4")

    def test_who_has_left_is_not_known(self) -> None:
        relay, _ = self.relay()
        assert relay.knows("room/SHOW/m1") and not relay.knows("room/SHOW/m2") and not relay.knows("room/GONE/m1")
        assert not relay.knows("room/") and not relay.knows("room/SHOW/m1/m1")

    async def test_a_member_is_refused_what_is_nobody_s(self, tmp_path: Path) -> None:
        """Member and server are on loopback here, and even that is refused: it is this machine."""
        async with (
            relaying(tmp_path, private_members=True) as (_, ready),
            joined(ready) as (_, _, (_, turn)),
            client(turn["urls"][0], turn) as made,
        ):
            assert await made.allocate() == 0
            for refused in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8"):
                assert await made.bind(0x4000, Address(refused, 5000)) == 403


class TestOnePort:
    async def test_pages_sockets_and_turn(self, tmp_path: Path) -> None:
        async with relaying(tmp_path) as (_, ready), joined(ready) as (_, _, (_, turn)), browser(ready) as session:
            async with client(turn["urls"][2], turn, ready) as made:
                assert await made.allocate() == 0
                for _ in range(2):
                    assert (await session.get("/healthz")).status == 200
            async with show(ready):
                pass

    async def test_without_tls_too(self, tmp_path: Path) -> None:
        async with relaying(tmp_path, http=True) as (_, ready), joined(ready) as (_, _, (_, turn)):
            assert turn["urls"][-1] == f"turn:127.0.0.1:{ready.port}?transport=tcp" and ready.turn["tls"] is None
            async with browser(ready) as session, client(turn["urls"][-1], turn) as made:
                assert await made.allocate() == 0
                assert (await session.get("/healthz")).status == 200

    @pytest.mark.parametrize("says", [b"", b"\x00\x01", b"\x00\x01\x00\x00\x21\x12\xa4"])
    async def test_who_says_nothing_or_too_little_is_dropped(self, tmp_path: Path, says: bytes) -> None:
        async with relaying(tmp_path, keepalive_seconds=0.3) as (server, ready):
            limits = server._relay._service.core.limits  # type: ignore[union-attr]
            server._relay._service.core._streams._limits = replace(limits, first_message=0.3)  # type: ignore[union-attr]
            reader, writer = await asyncio.open_connection("127.0.0.1", ready.port, ssl=client_context(ready.ca))
            writer.write(says)
            async with asyncio.timeout(20):
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    assert await reader.read() == b""
            writer.transport.abort()

    async def test_neither_of_the_two(self, tmp_path: Path) -> None:
        async with relaying(tmp_path) as (_, ready):
            for says, answer in (
                (b"\x00\x01\x00\x00GET /", b""),
                (b"\x16\x03\x01 / HTTP/1.1\r\n\r\n", b"HTTP/1.0 400"),
            ):
                reader, writer = await asyncio.open_connection("127.0.0.1", ready.port, ssl=client_context(ready.ca))
                writer.write(says)
                async with asyncio.timeout(20):
                    with contextlib.suppress(ConnectionError, ssl.SSLError):
                        heard = await reader.read()
                        assert heard.startswith(answer) and (answer or not heard)
                writer.transport.abort()

    async def test_first_byte_alone(self, tmp_path: Path) -> None:
        """One byte says which it is; the rest may come later."""
        async with relaying(tmp_path) as (_, ready):
            reader, writer = await asyncio.open_connection("127.0.0.1", ready.port, ssl=client_context(ready.ca))
            for part in (b"G", b"ET /healthz HTTP/1.1\r\n", b"Host: localhost\r\nConnection: close\r\n\r\n"):
                writer.write(part)
                await asyncio.sleep(0.05)
            async with asyncio.timeout(20):
                assert b"200 OK" in await reader.read()
            writer.transport.abort()

    async def test_stopping_does_not_wait_for_the_silent(self, tmp_path: Path) -> None:
        async with relaying(tmp_path) as (server, ready):
            reader, writer = await asyncio.open_connection("127.0.0.1", ready.port, ssl=client_context(ready.ca))
            await asyncio.sleep(0.05)
            async with asyncio.timeout(20):
                await server.stop()
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    assert await reader.read() == b""
            writer.transport.abort()


class TestNames:
    def relay(self, tls: bool) -> OwnRelay:
        made = OwnRelay(TurnSettings(), public_host="clicker.example", tls=tls, http_port=lambda: 8080)
        made._ready = TurnReady(udp=3478, tcp=3479, tls=None, realm="slidewire", data_path="plain")
        return made

    @pytest.mark.parametrize(
        ("reached_by", "host", "port"),
        [
            ("show.example", "show.example", 443),
            ("show.example:8443", "show.example", 8443),
            ("[2001:db8::1]:8443", "[2001:db8::1]", 8443),
            ("", "clicker.example", 443),
            ("evil example?transport=udp", "clicker.example", 443),
            ("x:99999", "clicker.example", 443),
        ],
    )
    def test_tls(self, reached_by: str, host: str, port: int) -> None:
        assert self.relay(tls=True).uris(reached_by) == [
            f"stun:{host}:3478",
            f"turn:{host}:3478?transport=udp",
            f"turn:{host}:3479?transport=tcp",
            f"turns:{host}:{port}?transport=tcp",
        ]

    def test_plain_http_shares_its_port_unless_it_is_a_proxy_s(self) -> None:
        assert self.relay(tls=False).uris("show.example:8080")[-1] == "turn:show.example:8080?transport=tcp"
        assert len(self.relay(tls=False).uris("show.example")) == 3

    @pytest.mark.parametrize("text", ["", "a b", "a/b", "[::1", "-a", "a:b", "a:0", "a?b", "\u00e9"])
    def test_what_is_no_name(self, text: str) -> None:
        assert host_and_port(text) is None


class TestPorts:
    async def test_a_taken_port_is_no_end(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            async with relaying(tmp_path, turn_port=port) as (_, ready):
                assert ready.turn["udp"] not in (None, port) and ready.turn["udp"] == ready.turn["tcp"]
        assert "taken" in caplog.text and "another port" in caplog.text

    async def test_the_port_that_was_asked_for(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        async with relaying(tmp_path, turn_port=port) as (_, ready):
            assert ready.turn["udp"] == ready.turn["tcp"] == port

    async def test_an_address_of_somebody_else(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match=r"192\.0\.2\.1"):
            await Server(settings(tmp_path, listen="192.0.2.1", turn=True)).start()


class TestApi:
    async def test_a_member_and_the_holder_of_the_token(self, tmp_path: Path) -> None:
        async with relaying(tmp_path) as (_, ready), joined(ready) as (one, two, (_, turn)), browser(ready) as web:
            token = (tmp_path / "state" / "api-token").read_text().strip()
            assert (tmp_path / "state" / "api-token").stat().st_mode & 0o777 == 0o600
            shown = {token: "api", two.core._resume or "": f"room/{one.core.room}/{two.core.member}"}
            for bearer, user in shown.items():
                answer = await web.get("/api/turn-credentials", headers={"Authorization": f"Bearer {bearer}"})
                told = await answer.json()
                assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
                assert set(told) == {"username", "password", "ttl", "uris"} and told["ttl"] == 86_400
                assert told["username"].partition(":")[2] == user and told["uris"][1:] == turn["urls"]
                made = {"username": told["username"], "credential": told["password"]}
                async with client(told["uris"][1], made) as allocating:
                    assert await allocating.allocate() == 0
            ada = await web.get(
                "/api/turn-credentials?service=turn&username=ada", headers={"Authorization": f"Bearer {token}"}
            )
            assert (await ada.json())["username"].endswith(":api/ada")

    async def test_nobody_else(self, tmp_path: Path) -> None:
        async with relaying(tmp_path) as (_, ready), browser(ready) as web:
            token = (tmp_path / "state" / "api-token").read_text().strip()
            shown: list[dict[str, str]] = [{}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {token}"}]
            for headers in shown:
                answer = await web.get(f"/api/turn-credentials?key={token}", headers=headers)
                told = await answer.json()
                assert answer.status == 401 and told["code"] == "unauthorized" and told["statusCode"] == 401
                assert token not in str(told)

    async def test_not_too_often(self, tmp_path: Path) -> None:
        async with relaying(tmp_path) as (_, ready), browser(ready) as web:
            token = (tmp_path / "state" / "api-token").read_text().strip()
            headers = {"Authorization": f"Bearer {token}"}
            answers = [await web.get("/api/turn-credentials", headers=headers) for _ in range(12)]
            left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers]
            assert left[0] == 9 and left[-1] == 0
            assert answers[-1].status == 429 and int(answers[-1].headers["Retry-After"]) >= 1


class TestFleet:
    SECRET = "a secret that all of the fleet know, and nobody else"

    def secret_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "fleet-secret"
        path.write_text(self.SECRET.replace(" ", "_") + "\n")
        return path

    async def test_members_get_theirs_for_it(self, tmp_path: Path) -> None:
        certificate, key, authority = make_certificate(tmp_path, "turn")
        path = self.secret_file(tmp_path)
        turn = TurnService(
            TurnSettings(
                listen=("127.0.0.1",), port=0, tls_port=0, tls_cert=certificate, tls_key=key, secret_file=path
            ),
        )
        ready = await turn.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            dead = f"turn:localhost:{silent.getsockname()[1]}?transport=udp"
            here = [
                f"turn:127.0.0.1:{ready.udp}?transport=udp",
                f"turn:127.0.0.1:{ready.tcp}?transport=tcp",
                f"turns:127.0.0.1:{ready.tls}?transport=tcp",
            ]
            fleet = Fleet([dead, *here], path, ssl.create_default_context(cafile=str(authority)))
            try:
                assert fleet.uris("")[1:] == [dead, *here], "nothing is known of them yet"
                await fleet.check()
                assert fleet.uris("anything") == [f"stun:127.0.0.1:{ready.udp}", *here]
                made = fleet.credential("ada")
                assert made.password == password_of(self.SECRET.replace(" ", "_"), made.username)
                async with client(here[0], {"username": made.username, "credential": made.password}) as allocating:
                    assert await allocating.allocate() == 0
            finally:
                await turn.stop()
            await fleet.check()
            assert fleet.uris("")[1:] == [dead, *here], "nobody answers, so that we cannot tell"

    async def test_the_nearest_first_and_two_at_most(self, tmp_path: Path) -> None:
        fleet = Fleet([f"turn:t{n}.example?transport=udp" for n in range(4)], self.secret_file(tmp_path))
        fleet._times = dict(zip(fleet._uris, (0.04, 0.03, None, 0.01), strict=True))
        assert fleet.uris("") == [
            "stun:t3.example:3478",
            "turn:t3.example?transport=udp",
            "turn:t1.example?transport=udp",
        ]

    async def test_the_server_hands_them_out(self, tmp_path: Path) -> None:
        path = self.secret_file(tmp_path)
        turn = TurnService(TurnSettings(listen=("127.0.0.1",), port=0, secret_file=path))
        ready = await turn.start()
        uri = f"turn:127.0.0.1:{ready.udp}?transport=udp"
        try:
            async with (
                relaying(tmp_path, turn_uris=(uri,), turn_secret_file=path) as (_, up),
                joined(up) as (_, _, told),
            ):
                assert told[1]["urls"] == [uri] and up.turn["udp"] is None
                async with client(uri, told[1]) as allocating:
                    assert await allocating.allocate() == 0
                    assert await allocating.bind(0x4000, Address("127.0.0.1", 5000)) == 403
        finally:
            await turn.stop()

    @pytest.mark.parametrize(
        ("uri", "advice"),
        [
            ("stun:a", "looks like"),
            ("turn:a b", "looks like"),
            ("turn:a:99999", "looks like"),
            ("turns:a?transport=udp", "DTLS"),
        ],
    )
    def test_mistakes(self, uri: str, advice: str) -> None:
        with pytest.raises(SetupError, match=advice):
            read_uri(uri)

    def test_what_a_uri_says(self) -> None:
        assert read_uri("turns:[2001:db8::1]").port == 5349 and read_uri("turns:a").transport == "tcp"
        assert read_uri("turn:[2001:db8::1]:3000").stun == "stun:[2001:db8::1]:3000"

    def test_a_fleet_needs_its_secret(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match="together"):
            settings(tmp_path, turn_uris=("turn:a",))


def allocations(server: Server) -> list[Address]:
    service = server._relay._service if server._relay is not None else None
    assert service is not None and service.core is not None
    return [relay.announced for each in service.core.allocations for relay in each.relays.values()]


async def until_none_left(server: Server) -> None:
    async with asyncio.timeout(20):
        while allocations(server):
            await asyncio.sleep(0.01)
