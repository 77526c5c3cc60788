"""Make the picture of docs/architecture.md from the imports, and check that its journeys exist in the code.

    python -m tools.architecture            write the picture
    python -m tools.architecture --walk     print each journey with line numbers

The picture has a row for each layer of the import-linter contract in pyproject.toml, and an arrow for each import
between two packages that does not follow from other arrows.
"""

from __future__ import annotations

import argparse
import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import grimp

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "architecture.md"
BEGIN: Final = "<!-- picture: python -m tools.architecture -->"
END: Final = "<!-- end of the picture -->"
PACKAGE: Final = "slidewire"


def layers() -> list[list[str]]:
    """The packages of each layer, from the top."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[name.strip().removeprefix(f"{PACKAGE}.") for name in row.split("|")] for row in rows]


def imports(packages: set[str]) -> dict[str, set[str]]:
    """Which packages each package imports. Imports for type checkers alone are left out."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    found: dict[str, set[str]] = {package: set() for package in packages}
    for module in graph.modules:
        importer = module.split(".")[1:2]
        for imported in graph.find_modules_directly_imported_by(module):
            target = imported.split(".")[1:2]
            if importer and target and importer != target and {*importer, *target} <= packages:
                found[importer[0]].add(target[0])
    return found


def without_shortcuts(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The transitive reduction of an acyclic graph."""

    def reach(start: str) -> set[str]:
        return set().union(*({target} | reach(target) for target in graph[start]))

    behind = {node: reach(node) for node in graph}
    return {
        node: {target for target in targets if not any(target in behind[other] for other in targets - {target})}
        for node, targets in graph.items()
    }


def picture() -> str:
    """A Mermaid flowchart."""
    rows = layers()
    arrows = without_shortcuts(imports({package for row in rows for package in row}))
    lines = ["```mermaid", "flowchart TD"]
    for number, row in enumerate(rows):
        lines += [f"  subgraph layer{number}[ ]", "    direction LR", *(f"    {package}" for package in row), "  end"]
    lines += [f"  {package} --> {target}" for row in rows for package in row for target in sorted(arrows[package])]
    return "\n".join([*lines, "```"])


def page_with(text: str, made: str) -> str:
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n{made}\n{END}{rest.split(END, 1)[1]}"


class Step(NamedTuple):
    """One room of a journey: a function in a file, as the page names it."""

    path: str
    name: str

    @property
    def line(self) -> int:
        """Raises LookupError when there is no such function."""
        text = (ROOT / self.path).read_text()
        if self.path.endswith(".py"):
            return _python_line(text, self.name)
        pattern = rf"(?:function |class |^  (?:async )?#?|const ){re.escape(self.name)}\b"
        found = re.search(pattern, text, re.MULTILINE)
        if found is None:
            raise LookupError(f"{self.path} has no {self.name}")
        return text.count("\n", 0, found.end()) + 1


def _python_line(text: str, name: str) -> int:
    body: list[ast.stmt] = ast.parse(text).body
    line = 0
    for part in name.split("."):
        found = [
            node
            for node in body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == part
        ]
        if not found:
            raise LookupError(f"there is no {name}")
        body, line = found[0].body, found[0].lineno
    return line


_STEP: Final = re.compile(r"^\| *\d+ *\| `(?P<path>[^`]+)` \| `(?P<name>[^`]+)` \|")


def journeys(text: str) -> Iterator[tuple[str, list[Step]]]:
    """The tables under the headings that begin with "Journey"."""
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        title, _, body = section.partition("\n")
        steps = [Step(_full(found["path"]), found["name"]) for line in body.split("\n") if (found := _STEP.match(line))]
        if title.startswith("Journey"):
            yield title, steps


def _full(path: str) -> str:
    return path if path.startswith("web/") else f"src/{PACKAGE}/{path}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--walk", action="store_true")
    if parser.parse_args().walk:
        for title, steps in journeys(PAGE.read_text()):
            print(title)
            for step in steps:
                print(f"  {step.path}:{step.line} {step.name}")
    else:
        PAGE.write_text(page_with(PAGE.read_text(), picture()))


if __name__ == "__main__":
    main()
