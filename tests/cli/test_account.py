"""`slidewire account`, beside a server that runs and without one."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from slidewire.cli.main import main
from tests.server.operators import PASSWORD, office


def account(state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["account", *arguments, "--state-dir", str(state)])


async def test_beside_a_server_that_runs(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with office(tmp_path) as here:
        assert account(state, "list").output == "ada\n"
        invited = json.loads(account(state, "invite", "--json", "--url", "https://clicker.example/").output)
        link, _, token = invited["link"].partition("#")
        assert link == "https://clicker.example/account" and token.startswith("swi_")
        body = {"invitation": token, "name": "bob", "password": PASSWORD}
        assert (await here.ask("POST", "/api/auth/accept", body, token=""))[0] == 201
        assert account(state, "list").output == "ada\nbob\n"

        # Another password ends what was signed in with the old one.
        token = account(state, "invite", "ada").output.strip().partition("#")[2]
        body = {"invitation": token, "name": "ada", "password": PASSWORD + "!"}
        assert (await here.ask("POST", "/api/auth/accept", body, token=""))[0] == 201
        assert (await here.ask("GET", "/api/auth/session"))[0] == 401

        status, said = await here.ask("POST", "/api/auth/token", {"name": "bob", "password": PASSWORD}, token="")
        assert status == 200
        assert account(state, "remove", "bob").exit_code == 0
        assert (await here.ask("GET", "/api/auth/session", token=said["access_token"]))[0] == 401


async def test_who_is_signed_out_by_the_command(tmp_path: Path) -> None:
    async with office(tmp_path) as here:
        key = await here.key("connections.read")
        assert account(tmp_path / "state", "sign-out", "ada").output == "Ended: 1 sessions, 1 API keys.\n"
        for token in (here.access, key):
            assert (await here.ask("GET", "/api/connections/active", token=token))[0] == 401
        assert (await here.ask("POST", "/api/auth/token", {"name": "ada", "password": PASSWORD}, token=""))[0] == 200


async def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    nowhere = account(tmp_path, "list")
    assert nowhere.exit_code == 1 and "--state-dir" in nowhere.output
    async with office(tmp_path):
        pass
    for command in ("invite", "remove", "sign-out"):
        unknown = account(tmp_path / "state", command, "eve")
        assert unknown.exit_code == 1 and "no account eve" in unknown.output
    assert account(tmp_path / "state", "remove").exit_code == 2
