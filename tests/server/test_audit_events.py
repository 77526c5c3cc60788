"""What a server writes down of its operators: the real server, real requests, and the files."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from slidewire.aio.clock import wall
from slidewire.audit.log import AuditLog, chains, records, verify
from slidewire.cli.main import main
from slidewire.relay.credential_secrets import ROTATE_SECONDS, SECRET_FILE
from slidewire.server.audit_events import COMMANDS_FOLDER, FOLDER, AuditWriter
from slidewire.signaling import client as signaling
from slidewire.system.errors import SetupError
from tests.server.operators import PASSWORD, office
from tests.server.test_server import running, settings, show

KEYS = "/api/admin/api-keys"
FRAME = {"n", "time", "prev", "hash", "event"}


def written(tmp_path: Path, folder: str = FOLDER) -> list[tuple[str, dict[str, Any]]]:
    """What the log says, all of it whole: events, and what they are about."""
    found: list[tuple[str, dict[str, Any]]] = []
    for chain in chains(tmp_path / "state" / folder):
        verdict = verify(chain)
        assert verdict.ok and not verdict.notes, (verdict.faults, verdict.notes)
        found += [
            (record["event"], {name: record[name] for name in record.keys() - FRAME}) for record in records(chain)
        ]
    return found


def text(tmp_path: Path) -> str:
    return "".join(path.read_text() for path in (tmp_path / "state" / FOLDER).rglob("*.jsonl"))


async def test_who_signed_in_and_out_and_who_could_not(tmp_path: Path) -> None:
    tokens: list[str] = []
    async with office(tmp_path, audit_days=30) as here:
        sign_in = {"name": "ada", "password": PASSWORD}
        _, said = await here.ask("POST", "/api/auth/token", sign_in, token="")
        assert (await here.ask("POST", "/api/auth/token", {**sign_in, "password": "guess-guess-guess"}))[0] == 401
        # A password in the field for the name.
        assert (await here.ask("POST", "/api/auth/token", {**sign_in, "name": "correct-horse-battery"}))[0] == 401
        stale = {"invitation": "swi_stale", "name": "eve", "password": PASSWORD}
        assert (await here.ask("POST", "/api/auth/accept", stale, token=""))[0] == 403
        refresh = {"refresh_token": said["refresh_token"]}
        _, again = await here.ask("POST", "/api/auth/refresh", refresh, token="")
        status, reused = await here.ask("POST", "/api/auth/refresh", refresh, token="")
        assert (status, reused["code"]) == (401, "token_reused")
        assert (await here.ask("POST", "/api/auth/revoke", {"token": here.refresh, "everywhere": True}))[0] == 204
        tokens = [here.access, here.refresh, said["access_token"], said["refresh_token"], again["access_token"]]
    lines = written(tmp_path)
    assert [event for event, _ in lines] == [
        "server_started", "invited", "account_made", "signed_in", "sign_in_failed", "sign_in_failed", "sign_in_failed",
        "session_ended", "signed_out", "log_closed",
    ]  # fmt: skip
    assert lines[2] == ("account_made", {"who": "ada"}) and lines[3] == ("signed_in", {"who": "ada"})
    assert [fields for _, fields in lines[4:7]] == [
        {"by": "password", "about": "ada"}, {"by": "password"}, {"by": "invitation"},
    ]  # fmt: skip
    assert lines[7][1]["about"] == "ada" and "twice" in lines[7][1]["reason"]
    assert lines[8][1] == {"who": "ada", "everywhere": True, "keys": 0}
    for secret in (*tokens, PASSWORD, "guess-guess-guess", "correct-horse-battery", "swi_", "127.0.0.1"):
        assert secret not in text(tmp_path)


async def test_keys_and_what_was_done_with_them(tmp_path: Path) -> None:
    async with office(tmp_path, audit_days=30) as here, show(here.ready) as (one, two):
        key = {"name": "board", "scopes": ["connections.read"]}
        _, made = await here.ask("POST", KEYS, key)
        _, other = await here.ask(
            "POST", KEYS, {"name": "desk", "scopes": ["connections.control"], "addresses": ["192.0.2.0/24"]}
        )
        token, code = made["token"], one.core.room
        assert (await here.ask("POST", f"/api/connections/rooms/{code}/close", token=token))[0] == 403
        assert (await here.ask("POST", f"/api/connections/rooms/{code}/close", token=other["token"]))[0] == 403
        assert (await here.ask("POST", f"/api/connections/rooms/{code}/broadcast", {"text": "Soon."}))[0] == 200
        assert (await here.ask("POST", f"/api/connections/{two.core.member}/kick", {"reason": "wrong room"}))[0] == 204
        await two.until(signaling.Refused)
        assert (await here.ask("POST", f"/api/connections/rooms/{code}/close"))[0] == 204
        assert (await here.ask("DELETE", f"{KEYS}/{made['key']['id']}"))[0] == 204
        assert (await here.ask("DELETE", f"{KEYS}/{made['key']['id']}"))[0] == 404
        ids, member, link = (made["key"]["id"], other["key"]["id"]), two.core.member, "abcdefgh23"
    lines = written(tmp_path)[3:-1]
    assert [event for event, _ in lines] == [
        "key_made", "key_made", "refused", "refused", "notice_said", "member_removed", "room_closed", "key_revoked",
    ]  # fmt: skip
    assert (
        lines[0][1].items() >= {"who": "ada", "about": "board", "about_key": ids[0], "bound_to_networks": False}.items()
    )
    assert lines[1][1]["bound_to_networks"] is True and lines[1][1]["scopes"] == "connections.control"
    closing = "POST /api/connections/rooms/{room}/close"
    assert lines[2][1] == {"who": f"key/{ids[0]}", "what": closing, "reason": "scope_missing"}
    assert lines[3][1] == {"who": f"key/{ids[1]}", "what": closing, "reason": "address_not_allowed"}
    assert lines[4][1] == {"who": "ada", "room": code, "text": "Soon.", "members": 2}
    removed = {"room": code, "about": member, "about_role": "presenter", "about_link": link, "reason": "wrong room"}
    assert lines[5][1] == {"who": "ada", **removed}
    assert lines[6][1] == {"who": "ada", "room": code} and lines[7][1] == {"who": "ada", "about_key": ids[0], "keys": 1}
    for secret in (token, other["token"], "192.0.2.", "127.0.0.1", "Ada"):
        assert secret not in text(tmp_path)


async def test_what_strangers_and_other_sites_tried(tmp_path: Path) -> None:
    async with office(tmp_path, audit_days=30) as here:
        assert (await here.ask("GET", "/api/connections/active", token="swk_guess"))[0] == 401
        evil = {"Origin": "https://evil.example"}
        assert (await here.ask("POST", KEYS, {"name": "k", "scopes": ["admin"]}, headers=evil))[0] == 403
        assert (await here.ask("GET", "/api/auth/session", token=""))[0] == 401
    assert [line for line in written(tmp_path) if line[0] == "refused"] == [
        ("refused", {"what": "GET /api/connections/active", "reason": "unauthorized"}),
        ("refused", {"what": f"POST {KEYS}", "reason": "cross_site"}),
    ]
    assert "swk_" not in text(tmp_path) and "evil" not in text(tmp_path)


async def test_a_key_says_whose_it_is(tmp_path: Path) -> None:
    async with office(tmp_path, audit_days=30) as here, show(here.ready) as (one, _):
        token = await here.key("connections.control")
        assert (await here.ask("POST", f"/api/connections/rooms/{one.core.room}/close", token=token))[0] == 204
    event, fields = written(tmp_path)[-2]
    assert event == "room_closed" and fields["who"].startswith("key/") and fields["key_of"] == "ada"


async def test_addresses_are_written_where_that_was_asked_for(tmp_path: Path) -> None:
    async with office(tmp_path, audit_days=30, audit_addresses=True) as here:
        assert (await here.ask("POST", "/api/auth/token", {"name": "ada", "password": "guess-guess-guess"}))[0] == 401
        await here.key("connections.read")
    told = {event: fields.get("address") for event, fields in written(tmp_path)}
    assert told["sign_in_failed"] == told["key_made"] == told["account_made"] == "127.0.0.1"
    assert told["server_started"] is None


async def test_whoever_guesses_without_end_does_not_fill_the_disk_and_hides_nothing(tmp_path: Path) -> None:
    diary = AuditWriter(tmp_path / "state" / FOLDER, wall, days=30, addresses=False)
    for _ in range(2000):
        diary("sign_in_failed", by="invitation")
    diary("room_closed", who="ada", room="ROOM22")
    diary.close()
    lines = written(tmp_path)
    assert 200 <= len(lines) < 300 and "room_closed" in [event for event, _ in lines]
    left_out = [fields["left_out"] for _, fields in lines if "left_out" in fields]
    assert all(set(counts) == {"sign_in_failed"} for counts in left_out)
    failed = sum(event == "sign_in_failed" for event, _ in lines) + sum(c["sign_in_failed"] for c in left_out)
    assert failed == 2000


async def test_a_full_disk_ends_the_log_and_not_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: AuditLog, event: str, /, **fields: Any) -> None:
        raise OSError(28, "No space left on device")

    async with office(tmp_path, audit_days=30) as here:
        monkeypatch.setattr(AuditLog, "write", full)
        assert (await here.ask("POST", "/api/auth/revoke", {"token": here.access}))[0] == 204
        assert (await here.ask("POST", "/api/auth/token", {"name": "ada", "password": PASSWORD}))[0] == 200
    assert [message for message in caplog.messages if "ends here" in message] == [
        "The log of who did what ends here: No space left on device. Make space, and start again."
    ]


async def test_where_it_cannot_be_written_the_server_says_so_and_none_is_kept_where_none_is_wanted(
    tmp_path: Path,
) -> None:
    async with running(settings(tmp_path, http=True, accounts=True)):
        pass
    assert not (tmp_path / "state" / FOLDER).exists()
    (tmp_path / "state" / FOLDER).write_text("in the way")
    with pytest.raises(SetupError, match="--audit-days 0"):
        async with running(settings(tmp_path, http=True, accounts=True, audit_days=30)):
            pass


async def test_that_secrets_were_rotated(tmp_path: Path) -> None:
    path = tmp_path / "state" / SECRET_FILE
    path.parent.mkdir(mode=0o700)
    old = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - ROTATE_SECONDS - 60))
    path.write_text(f"{'s' * 43} {old}\n")
    async with running(settings(tmp_path, http=True, turn=True, turn_port=0, audit_days=30)), asyncio.timeout(20):
        while len(path.read_text().splitlines()) < 2:
            await asyncio.sleep(0.05)
    new = path.read_text().split()[0]
    assert ("secrets_rotated", {"who": "the server", "what": "turn", "good": 2}) in written(tmp_path)
    assert new not in text(tmp_path) and "s" * 43 not in text(tmp_path)


async def test_what_was_done_on_the_command_line_and_what_the_commands_make_of_it(tmp_path: Path) -> None:
    state = ["--state-dir", str(tmp_path / "state")]

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(main, [*arguments, *state])

    async with office(tmp_path):
        pass
    assert run("account", "invite").exit_code == 0
    assert not (tmp_path / "state" / COMMANDS_FOLDER).exists(), "this server keeps no log"
    async with office_again(tmp_path):
        invited = run("account", "invite", "ada")
        assert run("account", "remove", "ada").exit_code == run("audit", "verify").exit_code == 0
    assert [line for line in written(tmp_path, COMMANDS_FOLDER) if line[0] != "log_closed"] == [
        ("invited", {"who": "the command line", "about": "ada"}),
        ("account_removed", {"who": "the command line", "about": "ada"}),
    ]
    assert invited.output.strip().rpartition("#")[2] not in text(tmp_path)
    folders = [json.loads(line)["folder"] for line in run("audit", "verify", "--json").output.splitlines()]
    assert [Path(folder).parent.name for folder in folders] == [FOLDER, COMMANDS_FOLDER]
    exported = run("audit", "export", "--json", "-")
    assert '"event":"server_started"' in exported.output and '"event":"account_removed"' in exported.output
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "state" / FOLDER).rglob("*.jsonl"))
    file, *_ = sorted((tmp_path / "state" / FOLDER).rglob("*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b"server_started", b"server_stirred"))
    assert run("audit", "verify").exit_code == 1


def office_again(tmp_path: Path) -> Any:
    return running(settings(tmp_path, http=True, accounts=True, audit_days=30))
