"""An offer or answer: lines of text, or the media sections and attributes that mean something in WebRTC.

`read_description` takes anything: what does not belong is left out, and counted where it may have been meant to pass
unseen. It knows each attribute by name and by the grammar of its value; what it does not know is left out (RFC 8866
§5.13: unknown ones are ignored). A line has printable ASCII and nothing else; it ends with a line feed, before which
one carriage return may stand (§5). A section whose m-line is malformed is left out whole, as its attributes would fall
to the one before.

No address of a description is of use to ICE but those in candidates. So `o=`, `c=` and `a=rtcp` are not even read, and
`write_description` says for them what RFC 8840 §4.1.3 has for "not known yet".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Self

from slidewire.sdp.candidate import Candidate

LONGEST: Final = 65_536
"""Characters of a description. A browser says a tenth of that."""
MOST_SECTIONS: Final = 32
"""A page offers a handful."""

_TOKEN: Final = r"[!#-'*+.0-9A-Z^-~-]{1,64}"  # noqa: S105  RFC 8866 §9 calls it so
_NUMBER: Final = r"(?:0|[1-9][0-9]{0,9})"
_FORMAT: Final = r"(?:[1-9]?[0-9]|1[01][0-9]|12[0-7])"
_FLAGS: Final = (
    "sendrecv", "sendonly", "recvonly", "inactive", "rtcp-mux", "rtcp-rsize", "bundle-only",
    "extmap-allow-mixed", "ice-lite", "end-of-candidates",
)  # fmt: skip
_VALUES: Final = {
    "group": rf"[A-Z]{{1,16}}(?: {_TOKEN}){{0,64}}",
    "msid-semantic": rf" ?WMS(?: {_TOKEN}){{0,64}}",
    "ice-ufrag": r"[A-Za-z0-9+/]{4,256}",
    "ice-pwd": r"[A-Za-z0-9+/]{22,256}",
    "ice-options": rf"{_TOKEN}(?: {_TOKEN}){{0,15}}",
    "fingerprint": r"[A-Za-z0-9-]{1,16} [0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){15,63}",
    "setup": "actpass|active|passive|holdconn",
    "mid": _TOKEN,
    "msid": rf"{_TOKEN}(?: {_TOKEN})?",
    "sctp-port": _NUMBER,
    "max-message-size": _NUMBER,
    "rtpmap": rf"{_FORMAT} {_TOKEN}/{_NUMBER}(?:/{_NUMBER})?",
    "fmtp": rf"{_FORMAT} [!-~][ -~]{{0,511}}",
    "rtcp-fb": rf"(?:{_FORMAT}|\*) {_TOKEN}(?: {_TOKEN}){{0,3}}",
    "extmap": rf"{_NUMBER}(?:/(?:sendrecv|sendonly|recvonly|inactive))? [!-~]{{1,255}}",
    "ssrc": rf"{_NUMBER} {_TOKEN}(?::[ -~]{{0,255}})?",
    "ssrc-group": rf"{_TOKEN}(?: {_NUMBER}){{1,16}}",
}
_GRAMMAR: Final = {name: re.compile(value) for name, value in _VALUES.items()}
_MEDIA: Final = re.compile(
    rf"m=(audio|video|application) (0|[1-9][0-9]{{0,4}}) ([A-Z/]{{3,24}})((?: {_TOKEN}){{1,128}})"
)
_PRINTABLE: Final = re.compile("[ -~]*")


class Attribute(NamedTuple):
    """`a=name:value`, of a known name and with a value that its grammar allows; None: a flag."""

    name: str
    value: str | None = None

    @classmethod
    def read(cls, text: str) -> Self | None:
        """From what follows `a=`."""
        name, colon, value = text.partition(":")
        if not colon:
            return cls(name) if name in _FLAGS else None
        grammar = _GRAMMAR.get(name)
        return cls(name, value) if grammar is not None and grammar.fullmatch(value) else None

    @property
    def text(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"


@dataclass(frozen=True, slots=True)
class Section:
    """An m-line and what belongs to it."""

    kind: str
    """`audio`, `video` or `application`."""
    is_rejected: bool
    """Its port is 0 (RFC 3264 §6)."""
    protocol: str
    formats: tuple[str, ...]
    lines: tuple[Attribute | Candidate, ...] = ()

    @property
    def attributes(self) -> Iterator[Attribute]:
        return (line for line in self.lines if isinstance(line, Attribute))

    @property
    def candidates(self) -> Iterator[Candidate]:
        return (line for line in self.lines if isinstance(line, Candidate))


@dataclass(frozen=True, slots=True)
class Description:
    attributes: tuple[Attribute, ...]
    sections: tuple[Section, ...]
    refused: int = 0
    """Lines that were left out and might have meant something to another reader: with characters that end a line for
    some, malformed m-lines and candidates, candidates where none belong."""

    def with_candidates(self, passed: Callable[[Candidate], Candidate | None]) -> Self:
        """Each candidate as `passed` has it, without those for which that is None."""
        sections = tuple(replace(each, lines=tuple(_passing(each.lines, passed))) for each in self.sections)
        return replace(self, sections=sections)


def _passing(
    lines: Iterable[Attribute | Candidate], passed: Callable[[Candidate], Candidate | None]
) -> Iterator[Attribute | Candidate]:
    for line in lines:
        left = passed(line) if isinstance(line, Candidate) else line
        if left is not None:
            yield left


class _Reader:
    def __init__(self) -> None:
        self.refused = 0
        self.attributes: list[Attribute] = []
        self.sections: list[tuple[Section, list[Attribute | Candidate]]] = []
        self._is_lost = False
        """The section is one that was left out."""

    def take(self, line: str) -> None:
        if not _PRINTABLE.fullmatch(line):
            self.refused += 1
            self._is_lost |= line.startswith("m=")
        elif line.startswith("m="):
            self._begin(line)
        elif line.startswith("a=candidate"):
            self._candidate(Candidate.read(line[2:]))
        elif line.startswith("a=") and (found := Attribute.read(line[2:])) is not None:
            if self.sections and not self._is_lost:
                self.sections[-1][1].append(found)
            elif not self._is_lost:
                self.attributes.append(found)

    def _begin(self, line: str) -> None:
        found = _MEDIA.fullmatch(line)
        self._is_lost = found is None or int(found[2]) > 0xFFFF or len(self.sections) == MOST_SECTIONS
        if found is None or self._is_lost:
            self.refused += 1
            return
        formats = tuple(found[4].split())
        self.sections.append((Section(found[1], found[2] == "0", found[3], formats), []))

    def _candidate(self, candidate: Candidate | None) -> None:
        if candidate is None or self._is_lost or not self.sections:
            self.refused += 1
        else:
            self.sections[-1][1].append(candidate)


def read_description(text: str) -> Description:
    """ValueError: it is longer than a description is."""
    if len(text) > LONGEST:
        raise ValueError("the description is too long")
    reader = _Reader()
    for line in text.split("\n"):
        reader.take(line.removesuffix("\r"))
    sections = tuple(replace(section, lines=tuple(lines)) for section, lines in reader.sections)
    return Description(tuple(reader.attributes), sections, reader.refused)


def write_description(description: Description) -> str:
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    lines += (f"a={attribute.text}" for attribute in description.attributes)
    for section in description.sections:
        port = 0 if section.is_rejected else 9
        lines.append(f"m={section.kind} {port} {section.protocol} {' '.join(section.formats)}")
        lines.append("c=IN IP4 0.0.0.0")
        lines += (f"a={line.text}" for line in section.lines)
    return "".join(f"{line}\r\n" for line in lines)
