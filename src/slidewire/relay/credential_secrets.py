"""The secrets that TURN credentials are made with: one file, which several programs may share.

    SECRET [SINCE]          one a line, newest first; SINCE, when it comes into use, in ISO 8601

All of them are accepted, and credentials are made with the newest whose time has come. If every line has a date, the
file is ours, and rotates: a new secret is written some time before it comes into use, so that every program that
watches the file accepts it by then. An old one is removed when nothing made with it can still be valid. A line without
a date was written by the operator, such as the secret of a fleet, and the file is left alone.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from slidewire.system.directories import state_directory
from slidewire.system.errors import SetupError
from slidewire.turn.credentials import DEFAULT_TTL, SECRET_CHARACTERS

SECRET_FILE: Final = "turn-secret"  # noqa: S105  a name
ROTATE_SECONDS: Final = 7 * 86_400.0
ANNOUNCE_SECONDS: Final = 60.0
"""From when a secret is in the file until it is used: programs look at the file every two seconds, people's scripts
perhaps every minute."""
KEEP_SECONDS: Final = DEFAULT_TTL + 3600.0
"""How long a secret is accepted after the next one came into use."""
_STALE_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Secret:
    text: str = field(repr=False)
    since: float | None
    """Wall time. None: always, and not ours to replace."""


def secret_path(secret_file: Path | None) -> Path:
    return secret_file or state_directory() / SECRET_FILE


def load_secrets(path: Path, *, make: bool) -> tuple[str, ...]:
    """The secrets in a file, the one in use first. Raises SetupError. `make`: write one where there is no file."""
    return in_use_first(read_secrets(path, make=make), time.time())


def read_secrets(path: Path, *, make: bool) -> tuple[Secret, ...]:
    """As they stand in the file."""
    try:
        found = [_understand(line, path) for line in path.read_text().splitlines() if line.strip()]
    except FileNotFoundError:
        if not make:
            raise SetupError(f"There is no {path}. Start the server once, or give --secret-file.") from None
        return _first(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} cannot be read ({error}). It holds the TURN secret, one a line.") from None
    if not found:
        raise SetupError(f"{path} is empty. Put one into it, or delete it and start again: then one is made.")
    if any(len(secret.text) < SECRET_CHARACTERS for secret in found):
        raise SetupError(
            f"A secret in {path} has fewer than {SECRET_CHARACTERS} characters. A person who sees one login can try to "
            "guess it, so let a machine make it: `openssl rand -hex 32`."
        )
    return tuple(found)


def in_use_first(found: Sequence[Secret], now: float) -> tuple[str, ...]:
    in_use = [secret for secret in found if secret.since is None or secret.since <= now]
    first = in_use[0] if in_use else found[-1]
    return (first.text, *(secret.text for secret in found if secret is not first))


def rotated(found: Sequence[Secret], now: float, every: float) -> tuple[Secret, ...]:
    """What should stand in the file now. The same if it is not ours, or nothing is due."""
    dated = [(secret.since, secret) for secret in found if secret.since is not None]
    if len(dated) < len(found):
        return tuple(found)
    dated.sort(key=lambda pair: pair[0], reverse=True)
    if now >= dated[0][0] + every:
        since = now + ANNOUNCE_SECONDS
        dated.insert(0, (since, Secret(_new(), since)))
    successors = [float("inf"), *(since for since, _ in dated)]
    return tuple(
        secret for (_, secret), successor in zip(dated, successors, strict=False) if now < successor + KEEP_SECONDS
    )


def ignore_count(count: int) -> None:
    """The default of `rotated`."""


class SecretFile:
    """The file while it is watched: `refresh` now and then."""

    def __init__(
        self,
        path: Path,
        *,
        make: bool = True,
        every: float = ROTATE_SECONDS,
        rotated: Callable[[int], object] = ignore_count,
    ) -> None:
        """`rotated` is told how many there are, whenever we have written the file. Raises SetupError."""
        self._path = path
        self._every = every
        self._rotated = rotated
        self._complained = False
        self._found = read_secrets(path, make=make)
        self._stamp = _stamp(path)

    def in_use_first(self, now: float) -> tuple[str, ...]:
        return in_use_first(self._found, now)

    def refresh(self, now: float) -> None:
        """Read it again if it changed, and rotate it if it is time. Raises SetupError if what it says is no good."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            # One that vanished is written again: members have credentials that were made with it, for hours.
            self._found = read_secrets(self._path, make=True) if stamp is not None else _first(self._path, self._found)
            self._stamp = _stamp(self._path)
        if _texts(rotated(self._found, now, self._every)) != _texts(self._found):
            self._rotate(now)

    def _rotate(self, now: float) -> None:
        try:
            with _replacing(self._path) as file:
                found = read_secrets(self._path, make=False)  # another program may have been faster
                self._found = rotated(found, now, self._every)
                file.write(_lines(self._found).encode())
            self._stamp = _stamp(self._path)
            log.info("The TURN secrets were rotated; there are %d now.", len(self._found))
            self._complained = False
            self._rotated(len(self._found))
        except FileExistsError:
            pass  # another program is at it
        except OSError as error:
            if not self._complained:
                self._complained = True
                log.warning("%s cannot be rotated: %s. Make its folder writable.", self._path, error.strerror)


def _first(path: Path, found: tuple[Secret, ...] = ()) -> tuple[Secret, ...]:
    made = found or (Secret(_new(), float(int(time.time()))),)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(_lines(made))
    except FileExistsError:
        return _of_another(path)
    except OSError as error:
        raise SetupError(f"{path} cannot be written ({error.strerror}). Give another with --secret-file.") from None
    return made


def _of_another(path: Path) -> tuple[Secret, ...]:
    """Another program is making the file: it may still be empty for a moment."""
    for _ in range(50):
        with contextlib.suppress(SetupError):
            return read_secrets(path, make=False)
        time.sleep(0.01)
    return read_secrets(path, make=False)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Write what takes the file's place, whole or not at all, with its rights. What is written first keeps other
    programs out; what a program left there when it died is removed."""
    temporary = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        if time.time() - temporary.stat().st_mtime > _STALE_SECONDS:
            temporary.unlink()
    before = path.stat()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if hasattr(os, "fchown"):
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, before.st_uid, before.st_gid)
                    os.fchmod(descriptor, before.st_mode & 0o777)
            yield file
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _understand(line: str, path: Path) -> Secret:
    text, *rest = line.split()
    try:
        since = dt.datetime.fromisoformat(rest[0]).astimezone(dt.UTC).timestamp() if rest else None
    except ValueError:
        raise SetupError(f"{path}: what follows a secret is the time since when it is used, not {rest[0]}.") from None
    return Secret(text, since)


def _lines(found: Iterable[Secret]) -> str:
    return "".join(f"{secret.text} {_date(secret.since)}".rstrip() + "\n" for secret in found)


def _date(since: float | None) -> str:
    return "" if since is None else dt.datetime.fromtimestamp(since, dt.UTC).isoformat()


def _new() -> str:
    return secrets.token_urlsafe(32)


def _texts(found: Iterable[Secret]) -> list[str]:
    return [secret.text for secret in found]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
