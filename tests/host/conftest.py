"""A desktop for the tests of what types, draws and shows: an X server, and the other programs on it."""

from collections.abc import Iterator

import pytest

from tests.support.xserver import XClient, until, x_client, x_server


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with x_server() as name:
        yield name


@pytest.fixture
def others(display: str) -> Iterator[XClient]:
    """The other programs of the desktop; their windows close after the test."""
    with x_client(display) as client:
        yield client
    with x_client(display) as client:
        until(lambda: not client.numbers(client.root, "_NET_CLIENT_LIST"), "the windows are gone")
        assert not client.keys_down()
