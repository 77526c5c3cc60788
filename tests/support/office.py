"""LibreOffice for tests: started beside the code under test, and asked without it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PYTHON = "/usr/bin/python3"
PATIENCE = 60.0
PRELUDE = """
import json, os, sys, time, uno
local = uno.getComponentContext()
resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
end = time.monotonic() + 60
while True:
    try:
        context = resolver.resolve("uno:pipe,name=" + sys.argv[1] + ";urp;StarOffice.ComponentContext")
        break
    except Exception:
        assert time.monotonic() < end
        time.sleep(0.02)
desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
documents, components = [], desktop.Components.createEnumeration()
while components.hasMoreElements():
    document = components.nextElement()
    if hasattr(document, "Presentation"):
        documents.append(document)
document = documents[0] if documents else None
show = document.Presentation.getController() if document else None
"""
END = """
sys.stdout.flush()
os._exit(0)  # what of UNO is left crashes now and then while Python takes itself apart
"""


def soffice(profile: Path, *arguments: str) -> list[str]:
    """The command that starts LibreOffice with this profile, or talks to the one that runs with it."""
    quietly = ["--norestore", "--nologo", "--nodefault", "--nofirststartwizard"]
    return ["soffice", f"-env:UserInstallation={profile.as_uri()}", *quietly, *arguments]


def ask(profile: Path, question: str) -> Any:
    """The value of a Python expression about the LibreOffice of this profile (`desktop`, `document`, `show`)."""
    return run(profile, f"print(json.dumps({question}))")


def run(profile: Path, script: str) -> Any:
    """Let a script do something in it, over a connection of its own."""
    name = "test-" + secrets.token_hex(6)
    accept = soffice(profile, f"--accept=pipe,name={name};urp;StarOffice.ComponentContext")
    subprocess.run(accept, check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command = [PYTHON, "-E", "-c", PRELUDE + script + END, name]
    done = subprocess.run(command, timeout=PATIENCE, capture_output=True, text=True)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr}"
    return json.loads(done.stdout) if done.stdout else None


def processes(profile: Path) -> list[int]:
    """Every process that was started for this profile: LibreOffice and its launcher."""
    word = f"-env:UserInstallation={profile.as_uri()}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and word in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def end(profile: Path) -> None:
    """End the LibreOffice of this profile, if there is one."""
    for number, kind in enumerate((15, 9)):
        for pid in processes(profile):
            try:
                os.kill(pid, kind)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 5
        while processes(profile) and time.monotonic() < deadline:
            time.sleep(0.02)
        if number == 1:
            assert not processes(profile), "LibreOffice does not end"


@contextmanager
def running(profile: Path, *arguments: str) -> Iterator[None]:
    """A LibreOffice that somebody else started."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(soffice(profile, *arguments), stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        end(profile)
        process.wait(10)
