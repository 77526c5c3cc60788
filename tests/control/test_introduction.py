"""What a device calls itself, and what an introduction says."""

import json
from pathlib import Path

from slidewire.control.introduction import device_name

VECTORS = json.loads((Path(__file__).parents[2] / "protocol/vectors/control.json").read_text())


def test_a_device_has_the_names_that_the_vectors_say() -> None:
    for vector in VECTORS["devices"]:
        assert device_name(bytes.fromhex(vector["seed"]), vector["link_id"]) == vector["device"]


def test_two_links_are_told_two_names_and_one_link_always_the_same() -> None:
    seed = bytes(range(32))
    first, second = device_name(seed, "abcdefgh23"), device_name(seed, "abcdefgh24")
    assert first != second
    assert device_name(seed, "abcdefgh23") == first
    assert device_name(bytes(32), "abcdefgh23") != first
    assert all(len(name) <= 40 and name.isprintable() for name in (first, second))
