"""Locks between the programs of one machine. The system releases those of a program that ends, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout


def try_lock(path: Path) -> BaseFileLock | None:
    """Lock this file until `release`. None: it is locked already. Raises OSError where it cannot be made."""
    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def is_locked(path: Path) -> bool:
    """Whether a program has locked this file. Raises OSError where it cannot be made."""
    lock = try_lock(path)
    if lock is None:
        return True
    lock.release()
    return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock, and hold it. Raises OSError where the file cannot be made."""
    with _lock(path).acquire(timeout=-1):
        yield


def _lock(path: Path) -> BaseFileLock:
    return FileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False)
