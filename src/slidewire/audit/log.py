"""The audit log: one JSON object a line, each line bound to the one before it by its SHA-256.

A line holds the hash of its predecessor (`prev`) and ends with its own (`hash`), made of every byte before that. So an
intruder who changes, removes, inserts or reorders a line has to write every later line anew, and its last hash, the
*head*, becomes another. That is all a chain can show: who can write the file can also write a new chain, or cut off its
end. Against that helps a head that was noted elsewhere (`verify(…, head=…)` looks for it).

A chain is a folder with one file a day. Old days are deleted on schedule, which the chain says, with the hash that the
next line goes on from. A process that dies in the middle of a line leaves it torn: it is cut off when the log is opened
again, and the chain says that, too. A line is handed to the system at once and to the disk when it likes: a program
that crashes loses nothing, a computer that loses its power may lose the last seconds.

What an outsider can cause at will has a budget of lines, one for each kind, so that a flood of one kind takes no
line from another. What is beyond it is counted, and the next line of any kind says how many of which were left out
(`left_out`). What a person with a right to it did is always written: a click, a link or a key that was made or revoked.

No character in a file moves a terminal's cursor or the order of what is read: those are written as JSON's `\\u….`.

A host writes what happens in its shows (`host.happened`), a server what its operators do (`server.happened`): names,
links' ids and labels, what was asked and what came of it; no secret, no slide's content, and no address unless an
operator asked for that.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from filelock import BaseFileLock

from slidewire.base.rates import Bucket, Rate
from slidewire.base.text import printable
from slidewire.system.file_locks import try_lock

START: Final = "0" * 64
"""What the first line of all goes on from."""
DAYS: Final = 30
LINES: Final = Rate(50, 500)
"""Of each kind that has a budget."""
LEFT_OUT: Final = "left_out"
_TAIL: Final = len(',"hash":""}') + 64
_FIRST: Final = ("n", "time", "event")
_LAST: Final = ("prev", "hash")
_OWN: Final = frozenset((*_FIRST, *_LAST))
_AT_WILL: Final = frozenset({"refused", "sign_in_failed", "joined", "left", "waits_to_be_let_in"})
"""Events that an outsider can cause at will; all others are always written."""


class AuditError(Exception):
    """The log cannot be written or read. One sentence, with the remedy."""


def chained(number: int, time: str, event: str, fields: dict[str, Any], prev: str) -> tuple[bytes, str]:
    """A line without its newline, and its hash."""
    assert not _OWN & fields.keys()
    body = _dump({"n": number, "time": time, "event": event, **fields, "prev": prev})
    digest = hashlib.sha256(body).hexdigest()
    return body[:-1] + f',"hash":"{digest}"}}'.encode(), digest


def read_line(line: bytes) -> dict[str, Any] | None:
    """None: it is no line of a chain, or not the one that was written."""
    body, tail = line[:-_TAIL] + b"}", line[-_TAIL:]
    if tail != f',"hash":"{hashlib.sha256(body).hexdigest()}"}}'.encode():
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("n"), int) else None


class AuditLog:
    """Writes one chain of `folder`: the first that no other process is writing to."""

    def __init__(self, folder: Path, wall: Callable[[], float], *, days: int = DAYS, lines: Rate = LINES) -> None:
        """Raises AuditError."""
        self._wall = wall
        self._days = days
        self._file: IO[bytes] | None = None
        self._day = ""
        self._number, self._head = 0, START
        self._lines = lines
        self._budgets: dict[str, Bucket] = {}
        """By kind: as many as there are in `kind_of`."""
        self._left_out: Counter[str] = Counter()
        self._last = 0.0
        self._lock: BaseFileLock | None = None
        try:
            self.folder = self._take(folder)
            self._recover()
            self._delete_old()
        except OSError as error:
            raise AuditError(
                f"The log of who did what cannot be written to {folder} ({error.strerror}). Make it writable, or start "
                "with --audit-days 0 to have none."
            ) from None

    @property
    def head(self) -> str:
        return self._head

    def write(self, event: str, /, **fields: Any) -> None:
        """Raises OSError if the disk does not take it."""
        now = self._wall()
        if now < self._last:
            self._budgets.clear()  # a clock that was set back would leave them empty until it is there again
        self._last = now
        kind = kind_of(event, fields)
        if kind is not None and self._budgets.setdefault(kind, Bucket(self._lines)).take(now) > 0:
            self._left_out[kind] += 1
            return
        assert LEFT_OUT not in fields
        if self._left_out:
            fields[LEFT_OUT] = dict(self._left_out)
        self._append(now, event, fields)
        self._left_out.clear()

    def close(self) -> None:
        """Never fails: what a full disk did not take before, it is not given again."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _append(self, now: float, event: str, fields: dict[str, Any]) -> None:
        moment = datetime.fromtimestamp(now, UTC)
        day = f"{moment:%Y-%m-%d}"
        if day > self._day or self._file is None:
            self._turn_page(max(day, self._day))
        assert self._file is not None
        stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line, head = chained(self._number + 1, stamp, event, fields, self._head)
        self._file.write(line + b"\n")
        self._file.flush()
        self._number, self._head = self._number + 1, head

    def _turn_page(self, day: str) -> None:
        if self._file is not None:
            self._file.close()
        fresh = day != self._day
        self._day = day
        path = self.folder / f"{day}.jsonl"
        path.touch(mode=0o600)
        self._file = path.open("ab")
        if fresh:
            self._delete_old()

    def _take(self, folder: Path) -> Path:
        for number in range(1000):
            chain = folder / str(number)
            chain.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = try_lock(chain / "lock")
            if self._lock is not None:
                return chain
        raise AuditError(f"A thousand programs are writing to {folder} already.")

    def _recover(self) -> None:
        """Go on where the chain ends, and say what had to be cut off to do so."""
        for path in reversed(_files(self.folder)):
            data = path.read_bytes()
            whole = data.rfind(b"\n") + 1
            torn = data[whole:]
            while whole and (last := read_line(data[data.rfind(b"\n", 0, whole - 1) + 1 : whole - 1])) is None:
                # Not torn but wrong: it stays as it is, for `verify` to find, and the chain goes on from the last good.
                whole = data.rfind(b"\n", 0, whole - 1) + 1
            if torn:
                with path.open("r+b") as file:
                    file.truncate(len(data) - len(torn))
            if whole:
                assert last is not None
                self._number, self._head, self._day = last["n"], last["hash"], path.stem
            if torn:
                facts = {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}
                self._append(self._wall(), "torn_line_cut_off", facts)
            if whole:
                return

    def _delete_old(self) -> None:
        """What is older than it may be. The chain says from which hash the kept lines go on."""
        oldest = datetime.fromtimestamp(self._wall() - self._days * 86_400, UTC)
        for path in _files(self.folder):
            if path.stem >= f"{oldest:%Y-%m-%d}" or path.stem == self._day:
                continue
            last = next((found for line in reversed(_lines(path)) if (found := read_line(line)) is not None), None)
            path.unlink()
            if last is not None:
                self._append(self._wall(), "deleted_on_schedule", {"up_to": last["n"], "head": last["hash"]})


def kind_of(event: str, fields: Mapping[str, Any]) -> str | None:
    """What shares a budget of lines; None: it is always written. Refusals are of several kinds (strangers, who joins,
    commands, requests, intents): one must not hide another."""
    if event not in _AT_WILL:
        return None
    what = str(fields.get("what", ""))
    for beginning, kind in _REFUSALS.items():
        if event == "refused" and what.startswith(beginning):
            return kind
    return event


_REFUSALS: Final = {
    "a handshake": "refused a handshake",
    "to join": "refused to join",
    "command ": "refused a command",
    "to make a key": "refused a request",
    "GET /": "refused a request",
    "POST /": "refused a request",
    "DELETE /": "refused a request",
}
"""By how `what` begins."""


@dataclass(slots=True)
class Verdict:
    """What a chain shows."""

    lines: int = 0
    first: int = 0
    """The number of the first line there is."""
    head: str = START
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is no fault, but should be known."""
    found_head: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    """Events that were counted and not written, by kind."""

    @property
    def ok(self) -> bool:
        return not self.faults


def verify(chain: Path, head: str | None = None) -> Verdict:
    """`head`: one that was noted earlier; it must be the hash of one of these lines. Raises OSError."""
    verdict, deleted, expected = Verdict(), set[str](), None
    last: dict[str, Any] = {}
    begins_with = START
    for path in _files(chain):
        data = path.read_bytes()
        for at, line in enumerate(data.split(b"\n")[:-1], 1):
            where = f"{path.name}, line {at}"
            found = read_line(line)
            if found is None:
                verdict.faults.append(f"{where}: not as it was written")
                expected = None
                continue
            if not verdict.lines:
                verdict.first, begins_with = found["n"], found["prev"]
            elif (found["prev"], found["n"]) != expected:
                verdict.faults.append(f"{where}: does not follow the line before it")
            if found["event"] == "deleted_on_schedule":
                deleted.add(str(found.get("head")))
            if found["event"] == "torn_line_cut_off":
                verdict.notes.append(f"{where}: the program had died in the middle of a line")
            _count_left_out(found, verdict.left_out)
            verdict.lines += 1
            verdict.head, last, expected = found["hash"], found, (found["hash"], found["n"] + 1)
            verdict.found_head |= found["hash"] == head
        if not data.endswith(b"\n") and data:
            verdict.notes.append(f"{path.name}: its last line is torn; it is cut off when the log is written again")
    if verdict.lines and begins_with != START and begins_with not in deleted:
        verdict.faults.append(f"the beginning is missing: the first line is number {verdict.first}")
    if head is not None and not verdict.found_head:
        verdict.faults.append("the head that was noted is not in it: its end was cut off, or it was written anew")
    if last and last["event"] != "log_closed":
        verdict.notes.append("it does not end with an end: the program runs, has crashed, or lines were cut off")
    return verdict


def _count_left_out(record: dict[str, Any], into: Counter[str]) -> None:
    """Whatever the line says: it may be anybody's."""
    said = record.get(LEFT_OUT, {})
    counts = {**(said if isinstance(said, dict) else {}), "unsaid": record.get("unsaid")}  # the latter in older files
    into.update({kind: count for kind, count in counts.items() if isinstance(count, int) and count > 0})


def chains(folder: Path) -> list[Path]:
    """All there are."""
    return sorted((path for path in folder.glob("*") if path.is_dir() and _files(path)), key=lambda path: path.name)


def records(chain: Path) -> Iterator[dict[str, Any]]:
    """Every line that is as it was written."""
    for path in _files(chain):
        for line in _lines(path):
            if (found := read_line(line)) is not None:
                yield found


def write_json(found: Iterable[dict[str, Any]], to: IO[str]) -> int:
    count = 0
    for record in found:
        to.write(_dump(record).decode() + "\n")
        count += 1
    return count


def write_csv(found: Iterable[dict[str, Any]], to: IO[str]) -> int:
    """A column for each field that occurs. What a spreadsheet would run as a formula is made a text."""
    rows = list(found)
    between = dict.fromkeys(name for row in rows for name in row if name not in _OWN)
    table = csv.DictWriter(to, [*_FIRST, *between, *_LAST], lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: _cell(value) for name, value in row.items()})
    return len(rows)


def _cell(value: object) -> object:
    if isinstance(value, (dict, list)):
        value = _dump(value).decode()
    if isinstance(value, str):
        value = printable(value)
        if value[:1] in ("=", "+", "-", "@", "\t", "\r"):
            return "'" + value
    return value


def _files(chain: Path) -> list[Path]:
    return sorted(chain.glob("????-??-??.jsonl"))


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1]


def _dump(said: object) -> bytes:
    """In JSON, such characters are only in strings, where they may be written as numbers."""
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()
    return text.encode() if text.isprintable() else printable(text).encode()
