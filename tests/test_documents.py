"""What the documents point to is there: files and headings behind links, commands and their options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from slidewire.cli.main import main

ROOT = Path(__file__).parent.parent
PLACES = ("*.md", "docs/**/*.md", "protocol/*.md", "benchmarks/*.md", "benchmarks/results/*.md", "web/extension/*.md")
DOCUMENTS = [path.relative_to(ROOT) for place in PLACES for path in sorted(ROOT.glob(place))]


def headings(document: str) -> set[str]:
    """As the names by which links lead to them."""
    titles = re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    text = (ROOT / path).read_text()
    dead = []
    for link in re.findall(r"\]\((?![a-z]+:)([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        file, _, heading = link.partition("#")
        target = (ROOT / path).parent / file if file else ROOT / path
        if not target.exists() or (heading and heading not in headings(target.read_text())):
            dead.append(link)
    assert dead == []


def options_of(words: list[str]) -> tuple[str, set[str]] | None:
    """The command that a line names, and the options there are for it; None if there is no such command."""
    command: click.Command = main
    name = []
    for word in words:
        if not isinstance(command, click.Group):
            break
        found = command.commands.get(word)
        if found is None:
            break
        name.append(word)
        command = found
    if not name:
        return None
    return " ".join(name), {
        "-h",
        "--help",
        *(option for each in command.params for option in (*each.opts, *each.secondary_opts)),
    }


def command_lines(text: str) -> Iterator[str]:
    """What follows `slidewire` or `./run`, up to the end of its line of code."""
    text = text.replace("\\\n", " ")
    for match in re.finditer(r"(?:\bslidewire|\./run) (?=[a-z])([^`\n#]*)", text):
        yield match[1]


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_every_option_of_a_command_line_in_a_document_exists(path: Path) -> None:
    unknown = []
    for line in command_lines((ROOT / path).read_text()):
        found = options_of(line.split())
        if found is not None:
            name, options = found
            unknown += [f"{name} {word}" for word in re.findall(r"(?<!\S)--?[a-z][\w-]*", line) if word not in options]
    assert unknown == []


def test_the_documents_have_command_lines() -> None:
    text = "".join((ROOT / path).read_text() for path in DOCUMENTS)
    found = [options_of(line.split()) for line in command_lines(text)]
    assert {name for name, _ in filter(None, found)} >= {
        "up",
        "host",
        "serve",
        "present",
        "turn",
        "turn check",
        "link make",
    }
