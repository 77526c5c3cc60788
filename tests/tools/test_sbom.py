"""The list of what Slidewire is made of is made of what is there, and everything on it may be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from tools import bundled
from tools.bundled import Bundled, inside
from tools.sbom import ROOT, cyclonedx, page_packages, python_packages, table, unfit, unfit_inside


def test_it_is_what_is_installed_and_nothing_that_we_need_is_missing() -> None:
    packages = python_packages()
    found = {package.name.lower().replace("_", "-"): package.version for package in packages}
    for text in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        name = re.split(r"[^A-Za-z0-9._-]", text)[0].lower()
        if "sys_platform == 'win32' or" not in text:
            assert found[name] == metadata.version(name)
    assert "aioice" in found and "multidict" in found, "and what those need"
    assert "pytest" not in found, "what only tests need is no part of it"


def test_every_licence_is_known_and_fits() -> None:
    assert unfit([*python_packages(), *page_packages()]) == []


def test_a_package_of_the_pages_that_is_no_tool_is_on_it(tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    entries = {
        "": {"name": "web"},
        "node_modules/@a/b": {"version": "1.2.3", "license": "MIT"},
        "node_modules/tool": {"version": "1.0.0", "license": "MIT", "dev": True},
        "node_modules/x/node_modules/y": {"version": "2.0.0"},
    }
    lock.write_text(json.dumps({"packages": entries}))
    found = page_packages(lock)
    assert [package.purl for package in found] == ["pkg:npm/%40a/b@1.2.3", "pkg:npm/y@2.0.0"]
    assert [package.name for package in unfit(found)] == ["y"]


def test_the_bill_is_cyclonedx_and_the_same_for_the_same() -> None:
    packages = [*python_packages(), *page_packages()]
    bill = cyclonedx(packages)
    assert bill == cyclonedx(packages) and (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    refs = {component["bom-ref"] for component in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert len(refs) == len(packages)
    for dependency in bill["dependencies"]:
        assert {dependency["ref"], *dependency["dependsOn"]} <= refs
    within = [one["bom-ref"] for component in bill["components"] for one in component.get("components", ())]
    assert len(within) == len(set(within))
    assert len(table(packages).splitlines()) == len(packages) + 2 + len(within)


def test_the_command() -> None:
    run = [sys.executable, str(ROOT / "tools" / "sbom.py")]
    assert json.loads(subprocess.run(run, check=True, capture_output=True).stdout)["components"]
    assert subprocess.run([*run, "--check"]).returncode == 0
    lines = subprocess.run([*run, "--requirements"], check=True, capture_output=True, text=True).stdout.splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.+]+", line) for line in lines)


def names(package: str) -> dict[str, str]:
    return {one.name.lower(): one.version for one in inside(package)}


def test_what_lies_inside_wheels_is_named_with_its_version() -> None:
    import av
    from cryptography.hazmat.backends.openssl import backend

    assert names("av")["ffmpeg"] == av.ffmpeg_version_info
    assert {"x264", "x265", "opus", "libvpx", "gnutls"} <= names("av").keys()
    assert names("cryptography")["openssl"] in backend.openssl_version_text()
    assert {"libjpeg-turbo", "freetype", "libwebp"} <= names("pillow").keys()
    assert {"libsrtp", "openssl"} <= names("pylibsrtp").keys()
    assert names("pypdfium2").keys() == {"pdfium"}
    assert names("uvloop").keys() == {"libuv"}


def test_what_lies_inside_wheels_may_be_there() -> None:
    assert [one for package in python_packages() for one in unfit_inside(package)] == []


def test_a_library_that_nobody_has_looked_at_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(bundled.FILES, "libopus")
    (found,) = [one for package in python_packages() for one in unfit_inside(package)]
    assert found == Bundled("av", "libopus", found.version, "unknown")
