from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import pages

NPM = """#!/bin/sh
echo "npm $*" >> ../calls
case $1 in
  ci) mkdir -p node_modules ;;
  run) [ ! -e broken ] || { echo "the reason"; exit 1; }
       mkdir -p dist && cat src/page.ts > dist/page.html ;;
esac
"""


def program(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A web side of one file, and a node and an npm that leave a trace."""
    web = tmp_path / "web"
    (web / "src").mkdir(parents=True)
    (web / "src/page.ts").write_text("one")
    (web / "package-lock.json").write_text("{}")
    programs = tmp_path / "bin"
    programs.mkdir()
    program(programs / "node", "#!/bin/sh\necho v22.12.0\n")
    program(programs / "npm", NPM)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(pages, "WEB", web)
    monkeypatch.setattr(pages, "PAGES", tmp_path / "server" / "pages")
    pages.PAGES.parent.mkdir()
    return web


def calls(web: Path) -> list[str]:
    """What npm was asked since the last look."""
    trace = web.parent / "calls"
    lines = trace.read_text().splitlines() if trace.exists() else []
    trace.unlink(missing_ok=True)
    return [line.split()[1] for line in lines]


def test_pages_are_built_once_and_again_when_a_source_changed(web: Path) -> None:
    assert pages.main([]) == 0
    assert calls(web) == ["ci", "run"]
    assert (pages.PAGES / "page.html").read_text() == "one"
    assert pages.main([]) == 0
    assert calls(web) == []
    (web / "src/page.ts").write_text("two")
    assert pages.main([]) == 0
    assert calls(web) == ["run"], "the lock file is the same, so nothing is installed"
    assert (pages.PAGES / "page.html").read_text() == "two"


def test_a_new_lock_file_is_installed(web: Path) -> None:
    pages.main([])
    calls(web)
    (web / "package-lock.json").write_text('{"lockfileVersion": 3}')
    pages.main([])
    assert calls(web) == ["ci", "run"]


def test_a_build_that_fails_says_why_and_leaves_the_old_pages(web: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pages.main([])
    (web / "broken").touch()
    assert pages.main([]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert "the reason" in err
    assert "did not build" in err
    assert (pages.PAGES / "page.html").read_text() == "one"
    assert not pages.fresh()


def test_the_fingerprint_is_of_contents_and_names_of_sources_alone(web: Path) -> None:
    seen = {pages.fingerprint()}
    for name in ("node_modules/a/index.js", "dist/page.html", ".cache/x", "src/.page.ts.swp"):
        (web / name).parent.mkdir(parents=True, exist_ok=True)
        (web / name).write_text("no source")
        seen.add(pages.fingerprint())
    assert len(seen) == 1
    (web / "src/page.ts").rename(web / "src/other.ts")
    seen.add(pages.fingerprint())
    (web / "src/other.ts").write_text("other")
    seen.add(pages.fingerprint())
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v18.20.4", False),
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.19.0", True),
        ("no version", False),
    ],
)
def test_which_node_will_do(tmp_path: Path, version: str, enough: bool) -> None:
    program(tmp_path / "node", f"#!/bin/sh\necho {version}\n")
    assert pages.is_new_enough(str(tmp_path / "node")) is enough


def test_no_node_and_none_to_be_had(
    web: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fake = web.parent / "python"
    program(fake, "#!/bin/sh\necho no network; exit 1\n")
    monkeypatch.setattr(sys, "executable", str(fake))
    monkeypatch.setenv("PATH", str(web.parent))
    assert pages.main([]) == 1
    assert "Node.js could not be installed" in capfd.readouterr().err
    assert not pages.present()
