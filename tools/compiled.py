"""The compiled data path, from `src/slidewire/relay/_relay.c` into the package, where there is a C compiler.

    python tools/compiled.py               compile it if its source has changed; say so if there is no compiler
    python tools/compiled.py --sanitize F  a variant to F that stops at the first wrong memory access (ASan, UBSan)

It needs nothing of Python's, so one build serves every version. The library carries the fingerprint of the source it
was made from. Only the standard library is used: `run`, `test` and the wheel's build hook start here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "slidewire" / "relay" / "_relay.c"
LIBRARY = SOURCE.with_suffix(".so")
FLAGS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-shared", "-fvisibility=hidden")
SANITIZERS = ("-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


class CompileError(Exception):
    """There is a compiler, and it failed. The message is what it said."""


def say(text: str) -> None:
    print(f"slidewire: {text}", file=sys.stderr, flush=True)


def compiler() -> str | None:
    """CC, or what there is. None where the data path would be of no use: it is for Linux."""
    if sys.platform != "linux":
        return None
    wanted = os.environ.get("CC", "")
    return shutil.which(wanted) if wanted else shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def fingerprint() -> str:
    return hashlib.sha256(SOURCE.read_bytes()).hexdigest()


def fresh() -> bool:
    return LIBRARY.is_file() and fingerprint().encode() in LIBRARY.read_bytes()


def build(target: Path = LIBRARY, more: Sequence[str] = ()) -> bool:
    """False if there is no compiler. Raises CompileError."""
    command = compiler()
    if command is None:
        return False
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=target.stem, suffix=".so")
    os.close(descriptor)
    try:
        source = f'-DRELAY_SOURCE="{fingerprint()}"'
        arguments = [command, *FLAGS, *more, source, "-o", name, str(SOURCE)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise CompileError(done.stderr.strip())
        Path(name).chmod(0o755)
        Path(name).replace(target)  # a program that has the old one loaded keeps it
    finally:
        Path(name).unlink(missing_ok=True)
    return True


def wheel_tag() -> str:
    """Any Python 3 on this kind of machine."""
    return f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def main(arguments: Sequence[str]) -> int:
    try:
        if len(arguments) == 2 and arguments[0] == "--sanitize":
            if not build(Path(arguments[1]), SANITIZERS):
                say("there is no C compiler")
                return 1
        elif arguments:
            say("usage: compiled.py [--sanitize FILE]")
            return 2
        elif not fresh() and not build():
            say("no C compiler: the relay's data path stays in Python (slower under load, otherwise the same)")
    except CompileError as error:
        say(f"the relay's data path could not be compiled, and stays in Python:\n{error}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
