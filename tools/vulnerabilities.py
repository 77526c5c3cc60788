"""Whether anything that Slidewire is made of is known to be vulnerable today.

    pip install pip-audit
    python tools/vulnerabilities.py

Asks after the Python packages with pip-audit, version by version as `tools/sbom.py --requirements` lists them, and
after the pages' packages with npm. Both need the network. What could not be asked is not called good: exit code 0 if
everything was asked and nothing is known, 1 if something is, 2 if something could not be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent


def said_by(*command: str, cwd: Path = ROOT) -> str:
    try:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def of_json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def python_packages(answer: dict[str, Any], wanted: list[str]) -> tuple[list[str], list[str]]:
    """What is vulnerable, and what could not be asked, of pip-audit's answer."""
    vulnerable, asked = [], set()
    for package in answer.get("dependencies", []):
        name = f"{package['name']}=={package.get('version', '?')}"
        if "vulns" in package:
            asked.add(name)
            vulnerable += [f"{name}: {known['id']}" for known in package["vulns"]]
    return vulnerable, [name for name in wanted if name not in asked]


def page_packages(answer: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The same of npm's answer."""
    if "vulnerabilities" not in answer:
        return [], ["the pages' packages"]
    return [f"{name} ({known.get('severity')})" for name, known in answer["vulnerabilities"].items()], []


def main() -> int:
    wanted = said_by(sys.executable, "tools/sbom.py", "--requirements").split()
    if not wanted:
        sys.stderr.write("tools/sbom.py lists nothing: run it with the Python that Slidewire is installed for.\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text("\n".join(wanted), encoding="utf-8")
        ask = (sys.executable, "-m", "pip_audit", "-r", str(listed), "--no-deps", "--disable-pip", "-f", "json")
        vulnerable, unasked = python_packages(of_json(said_by(*ask)), wanted)
    more = page_packages(of_json(said_by("npm", "audit", "--omit=dev", "--json", cwd=ROOT / "web")))
    vulnerable, unasked = vulnerable + more[0], unasked + more[1]
    for line in vulnerable:
        print(f"vulnerable: {line}")
    if unasked:
        print(f"not asked, because pip-audit or npm is not there or reaches no advisories: {', '.join(unasked)}")
    print(f"{len(vulnerable)} known, {len(unasked)} not asked")
    return 1 if vulnerable else 2 if unasked else 0


if __name__ == "__main__":
    sys.exit(main())
