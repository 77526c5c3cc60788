"""The OpenAPI document and the server that it describes: the same table makes both, and schemathesis compares them."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from slidewire.base.rates import Rate
from slidewire.server.accounts import authentication as auth
from slidewire.server.accounts.api_keys import Scope
from slidewire.server.api import routes as rest
from slidewire.signaling.limits import Limits
from tests.server.operators import office
from tests.server.test_server import show

PLENTY = Rate(10_000, 1_000_000)
PROMISED = {
    "GET /api/openapi.json", "GET /api/turn-credentials", "POST /api/auth/token", "POST /api/auth/refresh",
    "POST /api/auth/revoke", "POST /api/auth/accept", "GET /api/auth/session", "POST /api/auth/confirm",
    "POST /api/auth/password", "GET /api/auth/sessions", "DELETE /api/auth/sessions/{id}", "GET /api/admin/api-keys",
    "POST /api/admin/api-keys", "DELETE /api/admin/api-keys/{id}", "GET /api/connections/active",
    "GET /api/connections/rooms/{room}", "POST /api/connections/{id}/kick",
    "POST /api/connections/rooms/{room}/broadcast", "POST /api/connections/rooms/{room}/close",
}  # fmt: skip


async def test_it_describes_what_is_promised_and_every_way_to_say_no(tmp_path: Path) -> None:
    async with office(tmp_path, turn=True, turn_port=0) as here:
        status, document = await here.ask("GET", "/api/openapi.json", token="")
    assert status == 200 and document["openapi"] == "3.1.0"
    operations = {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert set(operations) == PROMISED
    assert len({operation["operationId"] for operation in operations.values()}) == len(PROMISED)
    for name, operation in operations.items():
        responses = operation["responses"]
        assert {"403", "429"} <= set(responses) and "Retry-After" in responses["429"]["headers"]
        assert ("security" in operation) == ("401" in responses) or "/auth/" in name
        assert ("requestBody" in operation) <= ({"400", "413", "415", "422"} <= set(responses))
        for code, response in responses.items():
            if int(code) >= 400:
                assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}
    text = str(document)
    for reference in re.findall(r"#/components/schemas/(\w+)", text):
        assert reference in document["components"]["schemas"]


async def test_the_server_keeps_to_it_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await compare(tmp_path, monkeypatch, "--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--seed", "1")


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_the_server_keeps_to_it_at_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await compare(tmp_path, monkeypatch, "--max-examples", "250")


async def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    """As somebody who may do everything, in a server with a room in it; how often one may ask is tested elsewhere."""
    for module, name in ((rest, "ORDINARY"), (auth, "FAILED"), (auth, "FAILED_NAME"), (auth, "FAILED_EVERYWHERE")):
        monkeypatch.setattr(module, name, PLENTY)
    limits = Limits(requests=PLENTY, tolerance=PLENTY)
    async with office(tmp_path, turn=True, turn_port=0, limits=limits) as here, show(here.ready):
        key = await here.key(*Scope, per_minute=6000)
        program = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("schemathesis"), "run", f"{here.ready.url}/api/openapi.json",
            "--header", f"Authorization: Bearer {key}", "--no-color", "--suppress-health-check", "all",
            # What a schema cannot say (a network, a token that is good) makes some of what it allows wrong: 401, 422.
            "--exclude-checks", "positive_data_acceptance", *more,
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await program.communicate()
        assert program.returncode == 0, said.decode()[-6000:]
        counted = re.search(rb"(\d+) generated, (\d+) passed", said)
        assert counted and counted[1] == counted[2] and int(counted[1]) > 200, said.decode()[-6000:]
