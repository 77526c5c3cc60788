"""A stage for every story."""

from __future__ import annotations

import pytest

from tests.signaling.world import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()
