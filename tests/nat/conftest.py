"""Fixtures of the tests that need networks of their own."""

from collections.abc import Iterator

import pytest

from tests.support.lab import Lab, is_possible


@pytest.fixture
def lab() -> Iterator[Lab]:
    assert is_possible(), "this test makes network namespaces and devices: run it as root, or in a container that may"
    with Lab(seed=20) as opened:
        yield opened
