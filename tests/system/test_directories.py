"""Where state is kept: the place must stay, because links, certificates and secrets are there."""

from pathlib import Path

import pytest

from slidewire.system.directories import state_directory


def test_it_is_where_the_desktop_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert state_directory() == tmp_path / "slidewire"


@pytest.mark.parametrize("unset", [None, ""])
def test_it_is_in_the_home_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unset: str | None) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if unset is None:
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_DATA_HOME", unset)
    assert state_directory() == tmp_path / ".local" / "share" / "slidewire"
