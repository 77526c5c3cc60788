from __future__ import annotations

import os
from pathlib import Path

import pytest

from slidewire.cli.linked_media import consider_links
from slidewire.host.decks.driver import DeckError, DeckOptions, Reported
from slidewire.host.decks.registry import DRIVERS, OFFICE_FILES, ROWS, DriverRow, Needs, choose_driver, make_deck

LIBREOFFICE = "soffice"


@pytest.fixture
def no_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A display that nothing opens, and something that is called like LibreOffice."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / LIBREOFFICE).touch(mode=0o755)
    monkeypatch.setenv("DISPLAY", ":64000")
    monkeypatch.setenv("PATH", str(programs))


def row(name: str) -> DriverRow:
    return next(row for row in ROWS if row.name == name)


@pytest.mark.parametrize("name", [row.name for row in ROWS])
def test_a_row_leads_to_the_driver_of_that_name_which_says_what_it_reports(name: str) -> None:
    found = row(name)
    assert found.driver.driver == name and name in DRIVERS
    assert isinstance(found.hold_at_end, bool) and isinstance(found.reports.slide, Reported)


def test_no_suffix_is_two_drivers() -> None:
    suffixes = [suffix for row in ROWS for suffix in row.suffixes]
    assert len(suffixes) == len(set(suffixes))


@pytest.mark.usefixtures("no_desktop")
@pytest.mark.parametrize("name", [row.name for row in ROWS])
def test_what_needs_a_desktop_says_so_where_there_is_none(name: str) -> None:
    remedy = row(name).probe()
    if Needs.DESKTOP in row(name).needs:
        assert remedy is not None and "DISPLAY is not set" in remedy and "web deck" in remedy
    else:
        assert remedy is None


@pytest.mark.usefixtures("desktop")
@pytest.mark.parametrize("name", [row.name for row in ROWS])
def test_a_probe_opens_nothing(name: str) -> None:
    assert row(name).probe() is None, "the display does not exist, and the program does nothing"


def test_a_missing_program_is_said_with_what_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPLAY", ":64000")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install libreoffice-impress" in (row("impress").probe() or "")


@pytest.mark.parametrize("suffix", sorted(OFFICE_FILES))
def test_a_file_of_an_office_is_libreoffices(suffix: str) -> None:
    assert choose_driver(DeckOptions(Path(f"talk{suffix.upper()}"))).name == "impress"


@pytest.mark.parametrize("name", ["talk.pdf", "pictures", "talk.unknown"])
def test_everything_else_is_the_web_decks(name: str) -> None:
    assert choose_driver(DeckOptions(Path(name))).name == "web"


@pytest.mark.usefixtures("desktop")
def test_without_a_deck_it_is_what_is_in_front_on_a_desktop() -> None:
    assert choose_driver(DeckOptions()).name == "keys"


@pytest.mark.usefixtures("no_desktop")
def test_without_a_deck_and_a_desktop_it_is_the_demo() -> None:
    assert choose_driver(DeckOptions()).name == "web"
    assert make_deck("auto", DeckOptions()).driver == "web"


@pytest.mark.usefixtures("no_desktop")
@pytest.mark.parametrize("driver", ["auto", "impress"])
def test_a_driver_that_cannot_work_here_is_refused_before_it_is_made(driver: str, tmp_path: Path) -> None:
    deck = tmp_path / "talk.odp"
    deck.touch()
    with pytest.raises(DeckError, match="as a PDF"):
        make_deck(driver, DeckOptions(deck))


def test_a_deck_in_a_folder_that_may_not_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path, **__: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")  # the tests may run as root, who may read everything

    monkeypatch.setattr(Path, "stat", refuse)
    consider_links(tmp_path / "talk.pdf", "auto", None, agreed=False)
    with pytest.raises(DeckError, match="may not look into its folder"):
        make_deck("auto", DeckOptions(tmp_path / "talk.pdf"))


@pytest.mark.usefixtures("desktop")
def test_a_deck_that_is_not_there_or_not_for_a_driver_is_said(tmp_path: Path) -> None:
    with pytest.raises(DeckError, match="Check the path"):
        make_deck("auto", DeckOptions(tmp_path / "talk.pdf"))
    with pytest.raises(DeckError, match="already open"):
        make_deck("keys", DeckOptions(tmp_path))
