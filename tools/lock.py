"""Which packages `./run` and `./test` install: every one by version and by the hashes of its files, in lock/*.txt.

    python tools/lock.py             # after pyproject.toml changed: what still fits stays as it is
    python tools/lock.py --upgrade   # the newest of everything
    python tools/lock.py --wheels    # whether all of it has wheels for every system and Python, which takes minutes

One resolution for all systems and all versions of Python that Slidewire runs on, made by `uv pip compile` (`pip install
uv` has it) in the format of requirements that every pip reads. It names packages, versions and hashes, and no address:
where packages come from is for pip's own configuration to say. docs/decisions/0014-lock.md has the reasons.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools.pages import NODE_PACKAGE

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "lock"
PLATFORMS: Final = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin", "x86_64-pc-windows-msvc")
"""Where everything can be installed as it was built by its makers, in uv's words."""
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
"""Those that Slidewire is for, the oldest first."""
SYSTEMS: Final = ("linux", "darwin", "win32")
SOURCE_ONLY: Final = ("xcffib",)
"""What has no wheels: it is pure Python, built here by setuptools, which build.txt brings."""
BUILDS_SOURCES: Final = "setuptools>=70.1"
_LAYERS: Final = ("test", "bench")
"""Locks that come on top of run.txt."""
_ALONE: Final = ("pynput",)
"""Locks without what their packages ask for: that would need a compiler, for a part of it that the tests do not use."""
_HEAD: Final = """\
# Made by tools/lock.py, which says how and when to make it again.
--require-hashes
--only-binary :all:
"""


@dataclass(frozen=True, slots=True)
class Locked:
    """A package as one line of a lock names it."""

    requirement: Requirement
    hashes: tuple[str, ...]
    text: str

    @property
    def version(self) -> str:
        (pin,) = self.requirement.specifier
        return pin.version


def read(name: str, folder: Path = FOLDER) -> list[Locked]:
    """What `lock/NAME.txt` itself names, without what it includes."""
    return list(_entries((folder / f"{name}.txt").read_text(encoding="utf-8")))


def applicable(*names: str) -> dict[str, Locked]:
    """What these locks name for this system, by canonical name."""
    return {
        canonical(locked.requirement.name): locked
        for name in names
        for locked in read(name)
        if locked.requirement.marker is None or locked.requirement.marker.evaluate()
    }


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def wanted() -> dict[str, list[str]]:
    """What each lock is made from, in the order in which they are installed."""
    said = project()
    extras = said["project"]["optional-dependencies"]
    pynput = next(text for text in said["project"]["dependencies"] if text.startswith("pynput"))
    return {
        "build": [*said["build-system"]["requires"], BUILDS_SOURCES],
        "run": said["project"]["dependencies"],
        "test": extras["test"],
        "bench": extras["bench"],
        "node": [NODE_PACKAGE],
        "pynput": [pynput.partition(";")[0]],
    }


def _entries(text: str) -> Iterator[Locked]:
    for block in re.split(r"\n(?=\S)", text):
        first, *rest = block.splitlines() or [""]
        if not first or first.startswith(("#", "-")):
            continue
        hashes = [word.strip(" \\").removeprefix("--hash=") for word in rest]
        if not hashes or not all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes):
            raise ValueError(f"{first}: every package has hashes, and nothing else")
        requirement = Requirement(first.rstrip(" \\"))
        if not re.fullmatch(r"==[\w.!+]+", str(requirement.specifier)):
            raise ValueError(f"{first}: every package has one version")
        yield Locked(requirement, tuple(hashes), block.rstrip() + "\n")


def _uv(requirements: Iterable[str], *options: str) -> int:
    """`uv pip compile` of these requirements. It is told where packages are as it is told by its own configuration."""
    program = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if program is None:
        sys.exit("uv makes the lock: `pip install uv`, then run this again.")
    command = [program, "pip", "compile", "-", "--no-header", "--no-annotate", "--quiet", *options]
    return subprocess.run(command, input="\n".join(requirements), text=True, check=False).returncode


def _resolve(name: str, requirements: list[str], *options: str, upgrade: bool) -> list[Locked]:
    """uv's resolution; what the lock has stays as it is where it fits, unless it is to be newer."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "lock.txt"
        if not upgrade and (FOLDER / f"{name}.txt").is_file():
            known = [*(read("run") if name in _LAYERS else ()), *read(name)]
            out.write_text("".join(locked.text for locked in known), encoding="utf-8")
        # One version for every Python and every system: what one tests is what all get.
        one_for_all = ("--universal", "--python-version", PYTHONS[0], "--fork-strategy", "fewest", "--generate-hashes")
        if _uv(requirements, "-o", str(out), *one_for_all, *options):
            sys.exit(f"uv found no packages for lock/{name}.txt that fit together; what it said above tells why.")
        return [locked for locked in _entries(out.read_text(encoding="utf-8")) if _is_possible(locked)]


def _is_possible(locked: Locked) -> bool:
    """uv keeps what is asked for on systems that are Linux and Windows at once."""
    marker = locked.requirement.marker
    return marker is None or any(marker.evaluate({"sys_platform": system}) for system in SYSTEMS)


def make(*, upgrade: bool) -> None:
    FOLDER.mkdir(exist_ok=True)
    inputs = wanted()
    for name, requirements in inputs.items():
        entries = (
            _layer(inputs["run"], name, upgrade)
            if name in _LAYERS
            else _resolve(name, requirements, *(("--no-deps",) if name in _ALONE else ()), upgrade=upgrade)
        )
        sources = [f"--no-binary {source}\n" for source in SOURCE_ONLY]
        head = [_HEAD, *sources, *(["-r run.txt\n"] if name in _LAYERS else [])]
        (FOLDER / f"{name}.txt").write_text("".join([*head, *(locked.text for locked in entries)]), encoding="utf-8")
        print(f"lock/{name}.txt: {len(entries)} packages")


def _layer(run: list[str], name: str, upgrade: bool) -> list[Locked]:
    """What comes on top of run.txt, with the versions of that."""
    below = read("run")
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as pins:
        pins.writelines(locked.text for locked in below)
        pins.flush()
        entries = _resolve(name, [*run, *wanted()[name]], "--constraint", pins.name, upgrade=upgrade)
    known = {str(locked.requirement) for locked in below}
    return [locked for locked in entries if str(locked.requirement) not in known]


def check_wheels() -> None:
    """Whether there is a wheel of everything for every system and Python above."""
    os.environ["MACOSX_DEPLOYMENT_TARGET"] = "14.0"  # the oldest macOS that PyAV has wheels for
    missing = False
    for name, platform, python in itertools.product(wanted(), PLATFORMS, PYTHONS):
        lines = [str(locked.requirement) for locked in read(name) if locked.requirement.name not in SOURCE_ONLY]
        options = ["--no-deps", "--python-platform", platform, "--python-version", python, "-o", os.devnull]
        options += ["--only-binary", ":all:"]
        missing |= _uv(lines, *options) != 0
    if missing:
        sys.exit("Not everything has a wheel everywhere; what uv said above tells what.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="the newest of everything that pyproject.toml allows")
    parser.add_argument("--wheels", action="store_true", help="whether everything has a wheel everywhere")
    asked = parser.parse_args()
    if asked.wheels:
        check_wheels()
    else:
        make(upgrade=asked.upgrade)


if __name__ == "__main__":
    main()
