"""The file of TURN secrets: made once, rotated on time, shared by several programs, whole whenever it is read."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from slidewire.relay.credential_secrets import (
    ANNOUNCE_SECONDS,
    KEEP_SECONDS,
    ROTATE_SECONDS,
    Secret,
    SecretFile,
    in_use_first,
    load_secrets,
    read_secrets,
    rotated,
)
from slidewire.system.errors import SetupError
from slidewire.turn.credentials import Credentials, mint

DAY = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "turn-secret"


class TestSchedule:
    def test_a_credential_is_accepted_for_as_long_as_it_says_whatever_rotates(self, path: Path) -> None:
        """Two months, looked at every six hours: one program makes, another (which looks a minute later) accepts."""
        maker, other = SecretFile(path), SecretFile(path)
        start = now = time.time()
        made: list[tuple[float, str, str]] = []
        seen = set()
        while now < start + 60 * DAY:
            now += 6 * 3600
            for program in (maker, other):
                program.refresh(now)
            first = maker.in_use_first(now)[0]
            seen.add(first)
            credential = mint(first, "ada", now)
            made = [one for one in made if one[0] >= now] + [(now + DAY, credential.username, credential.password)]
            for moment in (now, now + ANNOUNCE_SECONDS / 2):
                accepting = Credentials(other.in_use_first(moment))
                assert len(accepting.secrets) <= 2
                assert all(password in accepting.passwords(username) for _, username, password in made)
        assert len(seen) == pytest.approx(60 * DAY / ROTATE_SECONDS, abs=1)

    def test_a_new_one_is_known_before_it_is_used(self) -> None:
        before = (Secret("a" * 40, 0.0),)
        after = rotated(before, ROTATE_SECONDS, ROTATE_SECONDS)
        assert len(after) == 2 and after[1] == before[0]
        assert in_use_first(after, ROTATE_SECONDS)[0] == "a" * 40
        assert in_use_first(after, ROTATE_SECONDS + ANNOUNCE_SECONDS) == (after[0].text, "a" * 40)

    def test_an_old_one_goes_when_nothing_made_with_it_lives(self) -> None:
        two = (Secret("b" * 40, 100.0), Secret("a" * 40, 0.0))
        assert rotated(two, 100 + KEEP_SECONDS - 1, ROTATE_SECONDS) == two
        assert rotated(two, 100 + KEEP_SECONDS, ROTATE_SECONDS) == two[:1]

    def test_what_others_wrote_is_left_alone(self, path: Path) -> None:
        path.write_text(f"{'n' * 40}\n{'o' * 40}\n")
        file = SecretFile(path)
        file.refresh(time.time() + 1000 * DAY)
        assert path.read_text() == f"{'n' * 40}\n{'o' * 40}\n"
        assert file.in_use_first(time.time()) == ("n" * 40, "o" * 40)


class TestFile:
    def test_rotation_survives_a_restart(self, path: Path) -> None:
        first = SecretFile(path)
        now = time.time() + ROTATE_SECONDS
        first.refresh(now)
        later = now + ANNOUNCE_SECONDS + 1
        assert SecretFile(path).in_use_first(later) == first.in_use_first(later)
        assert len(read_secrets(path, make=False)) == 2
        assert path.stat().st_mode & 0o777 == 0o600

    def test_two_programs_make_one_new_secret(self, path: Path) -> None:
        one, two = SecretFile(path), SecretFile(path)
        now = time.time() + ROTATE_SECONDS
        one.refresh(now)
        two.refresh(now)
        assert one.in_use_first(now) == two.in_use_first(now) and len(read_secrets(path, make=False)) == 2

    def test_one_that_vanishes_while_it_is_in_use_is_written_again(self, path: Path) -> None:
        file = SecretFile(path)
        now = time.time()
        before, content = file.in_use_first(now), path.read_text()
        path.unlink()
        file.refresh(now)
        assert file.in_use_first(now) == before and path.read_text() == content
        assert path.stat().st_mode & 0o777 == 0o600

    def test_while_another_program_is_at_it_nothing_changes(self, path: Path) -> None:
        file = SecretFile(path)
        before = path.read_text()
        (path.parent / ".turn-secret.new").write_text("half of it")
        file.refresh(time.time() + ROTATE_SECONDS)
        assert path.read_text() == before

    def test_what_a_dead_program_left_is_no_obstacle(self, path: Path) -> None:
        file = SecretFile(path)
        left = path.parent / ".turn-secret.new"
        left.write_text("half of it")
        os.utime(left, (1, 1))
        file.refresh(time.time() + ROTATE_SECONDS)
        assert len(read_secrets(path, make=False)) == 2 and not left.exists()

    def test_rights_stay_as_the_operator_set_them(self, path: Path) -> None:
        file = SecretFile(path)
        path.chmod(0o640)
        file.refresh(time.time() + ROTATE_SECONDS)
        assert path.stat().st_mode & 0o777 == 0o640

    def test_a_folder_that_cannot_be_written_is_no_end(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        file = SecretFile(path)

        def refuse(*_: object) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
        for _ in range(3):
            file.refresh(time.time() + ROTATE_SECONDS)
        assert len(caplog.messages) == 1 and "cannot be rotated" in caplog.messages[0]
        assert len(file.in_use_first(time.time())) == 1

    def test_nonsense_behind_a_secret(self, path: Path) -> None:
        path.write_text(f"{'n' * 40} yesterday\n")
        with pytest.raises(SetupError, match="yesterday"):
            load_secrets(path, make=False)

    def test_no_secret_in_its_description(self, path: Path) -> None:
        (text,) = load_secrets(path, make=True)
        assert text not in repr(read_secrets(path, make=False))
