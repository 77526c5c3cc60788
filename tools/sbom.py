"""What Slidewire is made of: every package it needs to run, with version and licence, as CycloneDX 1.6 or as a table.

    python tools/sbom.py                     # CycloneDX JSON on standard output
    python tools/sbom.py --table             # Markdown
    python tools/sbom.py --check             # exit code 1 if a licence is unknown or not on the list below
    python tools/sbom.py --requirements      # name==version, a line each, for pip-audit

Under each Python package stands what its wheel has inside (tools/bundled.py). The packages themselves are read from
what is installed here, from Slidewire's own requirements downwards; the pages' packages from web/package-lock.json,
where only those count that end up in a page (all others are tools). Nothing is asked of any network: whether a
version is known to be vulnerable is for `pip-audit -r` and `npm audit --omit=dev` to say.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools.bundled import Bundled, inside

ROOT: Final = Path(__file__).resolve().parent.parent
OURSELVES: Final = "slidewire"

GOOD: Final = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LGPL-3.0", "MIT", "MIT-0", "MIT-CMU",
        "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
    }
)  # fmt: skip
"""Licences under which these may be used by, and beside, Apache-2.0."""

GOOD_INSIDE: Final = GOOD | {
    "BSD-3-Clause-Clear", "CC0-1.0", "FTL", "IJG", "LGPL-2.0-or-later", "LGPL-2.1-or-later", "LGPL-3.0-or-later",
    "MIT-Modern-Variant", "MIT-open-group", "Unicode-3.0", "X11", "Apache-2.0 WITH LLVM-exception", "libpng-2.0",
    "libtiff",
}  # fmt: skip
"""The same for what wheels have inside, as files of their own that anybody may exchange."""
COPYLEFT: Final = frozenset({"x264", "x265"})
"""Under the GPL, inside PyAV's wheel, which whoever runs Slidewire gets from PyAV. Slidewire's own wheel has no other
package in it. Who passes on an installation as a whole passes these on under the GPL's terms, or leaves them out."""

_CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_WORDS: Final = {
    "apache 2": "Apache-2.0", "apache license 2.0": "Apache-2.0", "apache license, version 2.0": "Apache-2.0",
    "bsd": "BSD", "bsd license": "BSD", "bsd 3-clause": "BSD-3-Clause", "lgplv3": "LGPL-3.0", "mit license": "MIT",
    "bsd-3-clause or apache-2.0": "BSD-3-Clause OR Apache-2.0", "mpl 2.0": "MPL-2.0",
    "bsd-3-clause, apache-2.0, dependency licenses": "BSD-3-Clause AND Apache-2.0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Package:
    kind: str
    """`pypi` or `npm`."""
    name: str
    version: str
    licence: str
    needs: tuple[str, ...] = ()

    @property
    def purl(self) -> str:
        name = self.name.replace("@", "%40") if self.kind == "npm" else _canonical(self.name)
        return f"pkg:{self.kind}/{name}@{self.version}"


def python_packages() -> list[Package]:
    """Everything that is needed on this system, itself first."""
    found: dict[str, Package] = {}
    waiting = [OURSELVES]
    while waiting:
        name = waiting.pop()
        if _canonical(name) in found:
            continue
        try:
            known = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            sys.exit(f"{name} is not installed here: install Slidewire first, and run this with its Python.")
        asked = _own_requirements() if name == OURSELVES else known.requires or ()
        needs = sorted({_canonical(need.name) for need in _applicable(asked)})
        package = Package("pypi", known.metadata["Name"], known.version, _licence(known.metadata), tuple(needs))
        found[_canonical(name)] = package
        waiting += needs
    return sorted(found.values(), key=lambda package: (package.name != OURSELVES, _canonical(package.name)))


def page_packages(lock: Path = ROOT / "web" / "package-lock.json") -> list[Package]:
    packages: dict[str, dict[str, Any]] = json.loads(lock.read_text())["packages"]
    return sorted(
        (
            Package("npm", path.rpartition("node_modules/")[2], said["version"], said.get("license", "unknown"))
            for path, said in packages.items()
            if path and not said.get("dev") and not said.get("devOptional")
        ),
        key=lambda package: package.name,
    )


def cyclonedx(packages: list[Package]) -> dict[str, Any]:
    """The same for the same packages: a serial number made of them, and no time."""
    ourselves, others = packages[0], packages[1:]
    serial = uuid.UUID(bytes=hashlib.sha256("\n".join(p.purl for p in packages).encode()).digest()[:16], version=4)
    by_name = {_canonical(package.name): package.purl for package in packages if package.kind == "pypi"}
    depends = [
        {"ref": package.purl, "dependsOn": sorted(by_name[name] for name in package.needs)}
        for package in packages
        if package.kind == "pypi"
    ]
    depends[0]["dependsOn"] = [*depends[0]["dependsOn"], *(p.purl for p in others if p.kind == "npm")]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": _component(ourselves, "application")},
        "components": [_component(package, "library") for package in others],
        "dependencies": depends,
    }


def table(packages: list[Package]) -> str:
    rows = []
    for package in packages:
        rows.append(f"| {package.name} | {package.version} | {package.licence} | {package.kind} |")
        if package.kind == "pypi":
            within = inside(_canonical(package.name))
            rows += [f"| – {one.name} | {one.version} | {one.licence} | in {package.name} |" for one in within]
    return "\n".join(["| package | version | licence | from |", "|---|---|---|---|", *rows])


def unfit(packages: list[Package]) -> list[Package]:
    """Whose licence is not known, or none of those that fit."""
    return [package for package in packages if not _fits(package.licence)]


def unfit_inside(package: Package) -> list[Bundled]:
    return [
        one
        for one in inside(_canonical(package.name))
        if one.name not in COPYLEFT and not _fits(one.licence, GOOD_INSIDE)
    ]


def _fits(licence: str, good: frozenset[str] = GOOD) -> bool:
    """Of an SPDX expression: one of what stands between OR, and there all of what stands between AND."""
    text = licence.strip("()")
    return any(all(part.strip("() ") in good for part in choice.split(" AND ")) for choice in text.split(" OR "))


def _component(package: Package, kind: str) -> dict[str, Any]:
    key = "expression" if " " in package.licence else "license"
    named = {"id": package.licence} if package.licence in GOOD - {"BSD", "LGPL-3.0"} else {"name": package.licence}
    within = [_inside(package, one) for one in inside(_canonical(package.name))] if package.kind == "pypi" else []
    return {
        "type": kind,
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "licenses": [{key: package.licence if key == "expression" else named}],
        **({"components": within} if within else {}),
    }


def _inside(package: Package, one: Bundled) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": f"{package.purl}#{one.kind}/{one.name}@{one.version}",
        "name": one.name,
        "version": one.version,
        "licenses": [{"expression": one.licence} if " " in one.licence else {"license": {"name": one.licence}}],
    }


def _own_requirements() -> list[str]:
    """As they are written, not as they were when this was installed."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return list(said["project"]["dependencies"])


def _applicable(requirements: Iterable[str]) -> Iterator[Requirement]:
    for text in requirements:
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            yield need


def _licence(said: metadata.PackageMetadata) -> str:
    if "License-Expression" in said:
        return str(said["License-Expression"])
    words = " ".join(str(said["License"]).split()) if "License" in said else ""
    if words in GOOD:
        return words
    if words.lower() in _WORDS:
        return _WORDS[words.lower()]
    classifiers = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier", []) if line.startswith("License")]
    names = [_CLASSIFIERS[name] for name in classifiers if name in _CLASSIFIERS]
    return " OR ".join(dict.fromkeys(names)) or words[:60] or "unknown"


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--table", action="store_true")
    how.add_argument("--check", action="store_true")
    how.add_argument("--requirements", action="store_true")
    asked = parser.parse_args()
    packages = [*python_packages(), *page_packages()]
    if asked.check:
        for package in unfit(packages):
            print(f"{package.name} {package.version}: {package.licence}")
        within = [one for package in packages if package.kind == "pypi" for one in unfit_inside(package)]
        for one in within:
            print(f"{one.name} {one.version} in {one.package}: {one.licence}")
        sys.exit(1 if unfit(packages) or within else 0)
    if asked.requirements:
        print("\n".join(f"{p.name}=={p.version}" for p in packages if p.kind == "pypi" and p.name != OURSELVES))
    elif asked.table:
        print(table(packages))
    else:
        print(json.dumps(cyclonedx(packages), indent=2))


if __name__ == "__main__":
    main()
