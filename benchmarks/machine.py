"""Where and when a figure was measured: printed with every result, because without it a figure says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path


def load() -> float:
    """Processes that wanted a processor during the last minute, on average."""
    return os.getloadavg()[0]


def versions(*packages: str) -> dict[str, str]:
    """Installed Python packages by name."""
    return {name: version(name) for name in packages}


def program_version(*command: str) -> str:
    """The first line a program says about itself."""
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
    return said.splitlines()[0] if said else "unknown"


def describe(**parts: str) -> dict[str, str]:
    """The machine, the moment and what else mattered. `parts` are further lines."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{os.cpu_count()} × {_processor()}, {_memory()}",
        "system": f"{_system()}, Linux {platform.release()}, Python {platform.python_version()}",
        "load": f"{load():.2f} (one minute, {os.cpu_count()} processors)",
        **parts,
    }


def say(description: dict[str, str]) -> str:
    """As lines of text."""
    return "\n".join(f"{name}: {value}" for name, value in description.items())


def _field(file: str, name: str, separator: str) -> str | None:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = (line.partition(separator)[2].strip() for line in lines if line.startswith(name))
    return next(found, None)


def _processor() -> str:
    return _field("/proc/cpuinfo", "model name", ":") or platform.machine()


def _memory() -> str:
    total = _field("/proc/meminfo", "MemTotal", ":")
    return f"{int(total.split()[0]) / 2**20:.0f} GB" if total else "memory unknown"


def _system() -> str:
    return (_field("/etc/os-release", "PRETTY_NAME", "=") or platform.system()).strip('"')
