"""The C part against itself: every story of test_datapath, and random tables and datagrams, under sanitizers.

A wrong memory access, an overflow or undefined arithmetic ends the program at once, and so fails the test.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slidewire.relay import compiled
from tools import compiled as build

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the data path is the sanitized one."""
    if reason := compiled.why_not():
        pytest.skip(f"there is no compiled data path here: {reason}")
    library = tmp_path_factory.mktemp("sanitized") / "_relay.so"
    assert build.build(library, build.SANITIZERS)
    command = build.compiler() or "cc"
    runtimes = [
        subprocess.run([command, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(runtimes),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",  # Python itself keeps what it has at its end
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "RELAY_LIBRARY": str(library),
    }


def run(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_the_stories(sanitized: dict[str, str]) -> None:
    run(sanitized, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "compiled", "tests/relay/test_datapath.py")


def test_random_tables_and_datagrams(sanitized: dict[str, str]) -> None:
    run(sanitized, "-m", "tests.fuzz.datapath", "--plays", "25", "--seed", "1")


def test_the_sanitizers_are_there(sanitized: dict[str, str]) -> None:
    """A table that was given back and is used all the same is noticed."""
    program = """
import os
from pathlib import Path
from slidewire.relay.compiled import load
library = load(Path(os.environ["RELAY_LIBRARY"]))
meter = library.meter_new(0, 0, 0, 0)
library.meter_free(meter)
library.meter_admit(meter, 1, 1.0, 1)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=sanitized, capture_output=True, timeout=60)
    assert done.returncode != 0 and b"heap-use-after-free" in done.stderr
