"""How many files there may be, and what is said where there are no more."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator

import pytest

from slidewire.aio.descriptors import PLENTY, for_others, limit, raise_limit, remedy


@pytest.fixture
def lowered() -> Iterator[int]:
    """The soft limit is low; the hard one, which is answered, is as it was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_soft_limit_becomes_the_hard_one(lowered: int) -> None:
    assert limit() == 256
    assert raise_limit() == limit() == min(lowered, PLENTY)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (lowered, lowered)
    assert raise_limit() == limit(), "and stays there"


def test_a_part_stays_ours() -> None:
    assert [for_others(most) for most in (64, 256, 1024, 4096)] == [48, 192, 768, 3840]


@pytest.mark.parametrize(
    ("number", "way_out"), [(errno.EMFILE, "LimitNOFILE="), (errno.ENFILE, "fs.file-max"), (errno.ENOBUFS, "memory")]
)
def test_the_remedy_is_the_true_one(number: int, way_out: str) -> None:
    assert way_out in remedy(OSError(number, os.strerror(number)))
