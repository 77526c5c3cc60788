"""No import circle in the product, not even inside a function or for the type checker, which Python can live with."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from slidewire import __file__ as package

SOURCE = Path(package).parent.parent

Graph = Mapping[str, frozenset[str]]


def name_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, modules: Mapping[str, object]) -> Iterator[str]:
    """The modules that a file imports, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                yield from (name for name in (inside, node.module) if name in modules)


def import_graph(root: Path) -> Graph:
    files = {name_of(path, root): path for path in root.rglob("*.py")}
    packages = {name for name, path in files.items() if path.name == "__init__.py"}
    # A package's own file is empty or imports what lies in it: that one may come by way of the package is no circle.
    return {
        name: frozenset(set(imported(ast.parse(path.read_text(encoding="utf-8")), files)) - packages - {name})
        for name, path in files.items()
    }


def circle_in(graph: Graph) -> list[str]:
    """The modules of one circle, in order; empty if there is none."""
    done: set[str] = set()
    for start in sorted(graph):
        way: list[str] = []
        left: list[Iterator[str]] = [iter([start])]
        while left:
            following = next(left[-1], None)
            if following is None:
                left.pop()
                if way:
                    done.add(way.pop())
            elif following in way:
                return [*way[way.index(following) :], following]
            elif following not in done:
                way.append(following)
                left.append(iter(sorted(graph[following])))
    return []


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = import_graph(SOURCE)
    assert len(graph) > 200, "the product was found"
    assert circle_in(graph) == []


def test_a_circle_is_found_and_named(tmp_path: Path) -> None:
    def write(**modules: str) -> None:
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)

    write(one="import two", two="from three import THREE", three="", apart="import one")
    assert circle_in(import_graph(tmp_path)) == []
    write(three="def late():\n    from one import ONE")
    assert circle_in(import_graph(tmp_path)) == ["one", "two", "three", "one"]
    write(three="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import two")
    assert circle_in(import_graph(tmp_path)) == ["two", "three", "two"]
