"""aioice's own tests of its TURN client, and of ICE with STUN and TURN, against our server instead of theirs.

They are in its source archive, which is asked of the package index, in the version that is installed; nothing of it is
changed but the server (`aioice/turnserver.py`). Long because that needs a network.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.programs import output_of

STAND_IN = Path(__file__).parent / "aioice" / "turnserver.py"

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("archive")


@pytest.mark.parametrize("data_path", ["plain", "compiled"])
async def test_its_tests_pass(data_path: str, archive: Path, tmp_path: Path) -> None:
    name = f"aioice-{version('aioice')}"
    found = archive / f"{name}.tar.gz"
    if not found.exists():
        arguments = ["--no-binary", "aioice", "--no-deps", "--dest", str(archive), f"aioice=={version('aioice')}"]
        code, said = await output_of(sys.executable, "-m", "pip", "download", *arguments, seconds=120)
        assert code == 0, said
    with tarfile.open(found) as opened:
        opened.extractall(tmp_path, filter="data")
    tests = tmp_path / name / "tests"
    shutil.copy(STAND_IN, tests / "turnserver.py")
    code, said = await output_of(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path / name),
        "-c", os.devnull, str(tests / "test_turn.py"), str(tests / "test_ice.py"), "-k", "turn or stun",
        DATA_PATH=data_path, seconds=180,
    )  # fmt: skip
    assert code == 0, said[-4000:]
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None and int(passed[1]) >= 30 and "skipped" not in said, said[-400:]
