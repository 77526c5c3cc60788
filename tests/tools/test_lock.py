"""The lock, pyproject.toml and what is installed here say the same."""

import re
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from tools import sbom
from tools.lock import FOLDER, SYSTEMS, applicable, canonical, read, wanted

NAMES = list(wanted())


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_has_versions_and_hashes_and_no_address(name: str) -> None:
    entries = read(name)
    assert entries, f"lock/{name}.txt names nothing"
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert "--require-hashes" in text, "pip is told even where somebody forgets to tell it"
    assert "--only-binary :all:" in text
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links|--trusted-host|\bfile:", text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_lock_has_what_pyproject_asks_for(name: str, system: str) -> None:
    below = read("run") if name in ("test", "bench") else []
    locked = {canonical(entry.requirement.name): entry for entry in (*below, *read(name))}
    for text in wanted()[name]:
        asked = Requirement(text)
        if asked.marker is not None and not asked.marker.evaluate({"sys_platform": system}):
            continue
        found = locked.get(canonical(asked.name))
        assert found is not None and found.version in asked.specifier, f"{text}: make the lock again, tools/lock.py"


def test_what_is_installed_here_is_what_the_lock_says() -> None:
    """What tools/sbom.py lists is what runs. If this fails after a change of the lock: ./test installs it."""
    locked = applicable("run")
    installed = {canonical(package.name): package.version for package in sbom.python_packages()[1:]}
    assert installed == {name: entry.version for name, entry in locked.items()}


def test_the_tools_of_the_tests_are_what_the_lock_says() -> None:
    for name, entry in applicable("test").items():
        assert metadata.version(name) == entry.version, f"{name}: run ./test, which installs what the lock says"


def test_the_pages_packages_are_locked_by_hash_and_without_addresses() -> None:
    text = (sbom.ROOT / "web" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert text.count('"integrity": "sha512-') == text.count('"node_modules/')
