"""Locks exclude other processes, and end with the process that holds them."""

import threading
from pathlib import Path

import pytest

from slidewire.system.file_locks import is_locked, locked, try_lock
from tests.support.other_process import other_process

HOLD = """
import sys
from pathlib import Path
from slidewire.system.file_locks import try_lock
held = try_lock(Path(sys.argv[1]))
print(held is not None, flush=True)
sys.stdin.read()
"""


def test_another_process_is_excluded_until_the_lock_is_released(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with other_process(HOLD, path):
        assert is_locked(path) and try_lock(path) is None
    lock = try_lock(path)
    assert lock is not None and is_locked(path)
    lock.release()
    assert not is_locked(path)


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_locked_waits_for_the_other_process(tmp_path: Path) -> None:
    path, entered = tmp_path / "lock", threading.Event()

    def enter() -> None:
        with locked(path):
            entered.set()

    with other_process(HOLD, path) as other:
        waiting = threading.Thread(target=enter)
        waiting.start()
        assert not entered.wait(0.2)
        other.kill()
        assert entered.wait(30)
    waiting.join(30)


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        try_lock(tmp_path / "file" / "lock")
