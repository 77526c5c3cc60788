"""Metrics as they are served, read as strictly as the text format of Prometheus is written down."""

from __future__ import annotations

import re

_LINE = re.compile(r'([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (-?[0-9.e+]+)')


def values(text: str) -> dict[str, float]:
    """A HELP and a TYPE before each name, one value a line, none twice."""
    found: dict[str, float] = {}
    announced = ""
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            announced = line.split(" ", 3)[2]
            continue
        if line.startswith("# TYPE "):
            assert line.split(" ")[2] == announced and line.split(" ")[3] in ("counter", "gauge", "untyped")
            continue
        match = _LINE.fullmatch(line)
        assert match is not None, line
        name, labels, value = match.groups()
        assert name == announced and f"{name}{labels or ''}" not in found
        found[f"{name}{labels or ''}"] = float(value)
    return found
