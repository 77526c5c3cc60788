"""Bodies of the HTTP interface: each is understood as its type, or refused in words that hold nothing of a secret."""

from __future__ import annotations

import random
from typing import Any, Final

from msgspec import Struct

from slidewire.server.api import messages as api
from slidewire.server.api.routes import Refused, decode_body
from tests.fuzz import text

_INPUTS: Final = 400
SECRETS: Final = ("correct horse battery staple", "swr_" + "Zx9" * 14)
PASSWORD, TOKEN = SECRETS

BODIES: Final[dict[type[Struct], dict[str, Any]]] = {
    api.SignIn: {"name": "ada", "password": PASSWORD, "cookies": True},
    api.Accept: {"invitation": TOKEN, "name": "ada", "password": PASSWORD},
    api.Refresh: {"refresh_token": TOKEN},
    api.Revoke: {"token": TOKEN, "everywhere": False},
    api.NewKey: {
        "name": "a bot",
        "scopes": ["rooms.read"],
        "expires_in": 3600,
        "addresses": ["192.0.2.0/24"],
        "per_minute": 60,
    },
    api.Kick: {"reason": PASSWORD},
    api.Broadcast: {"text": PASSWORD},
}


def read(body: bytes, kind: type[Struct]) -> None:
    try:
        understood: Struct | Refused = decode_body(body, kind)
    except Refused as no:
        understood = no
    if not isinstance(understood, Refused):
        assert type(understood) is kind
        return
    assert 400 <= understood.fault.status < 500, understood.fault
    assert not any(secret in understood.text for secret in SECRETS), understood.text
    assert len(understood.text) < 300, len(understood.text)


def run(seed: int) -> int:
    """How many inputs there were."""
    dice = random.Random(seed)
    for _ in range(_INPUTS):
        kind, body = dice.choice(list(BODIES.items()))
        said = text.spoiled(body, dice) if dice.random() < 0.8 else text.value(dice)
        read(text.encoded(said, dice), kind)
    return _INPUTS
