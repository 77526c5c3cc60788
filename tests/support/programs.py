"""Slidewire's own programs as a user starts them: separate processes, spoken to through their --json lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

LOOPBACK: Final = ("--listen", "127.0.0.1", "--port", "0")
NO_DISPLAY: Final = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}
"""The environment of a machine without a screen: decks are shown by the web deck."""


class Program:
    """One running `slidewire …`. Everything it says is kept; `wait_for` looks for a line by its fields."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._errors = errors
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        *arguments: str,
        home: Path,
        environment: Mapping[str, str] | None = None,
        name: str = "program",
        within: Sequence[str] = (),
        module: str = "slidewire.cli.main",
    ) -> Self:
        """`within`: a command that runs the words behind it, on another machine perhaps. `module`: another program."""
        errors = home / f"{name}.{os.urandom(3).hex()}.err"
        home.mkdir(parents=True, exist_ok=True)
        with errors.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                *within,
                sys.executable,
                "-m",
                module,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                limit=1 << 20,
                env={**os.environ, "XDG_DATA_HOME": str(home), **(environment or {})},
            )
        return cls(process, errors)

    @property
    def errors(self) -> str:
        return self._errors.read_text(errors="replace")

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.events.append(json.loads(line))
            async with self._news:
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def wait_for(self, seconds: float = 20.0, after: int = 0, **fields: Any) -> dict[str, Any]:
        """The first event (from index `after` on) with these fields."""
        async with asyncio.timeout(seconds), self._news:
            while True:
                for event in self.events[after:]:
                    if all(event.get(name) == value for name, value in fields.items()):
                        return event
                if self._reader.done():
                    raise AssertionError(f"the program ended without {fields}; it said {self.events}, {self.errors}")
                try:
                    await self._news.wait()
                except asyncio.CancelledError:
                    sys.stderr.write(f"no event with {fields} in {self.events[-10:]}\n{self.errors}\n")
                    raise

    async def ready(self) -> dict[str, Any]:
        return await self.wait_for(event="ready")

    async def say(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        await self.process.stdin.drain()

    async def receipts(self, count: int, seconds: float = 20.0) -> list[dict[str, Any]]:
        """Wait until there are that many receipts."""
        async with asyncio.timeout(seconds), self._news:
            while len(found := [event for event in self.events if event["event"] == "receipt"]) < count:
                assert not self._reader.done(), f"the program ended after {len(found)} receipts: {self.errors}"
                await self._news.wait()
        return found

    async def end_of_input(self) -> int:
        """Close its standard input, and wait for its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(20):
            return await self.process.wait()

    async def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        await self.process.wait()
        await self._reader

    async def stop(self) -> int:
        """As Ctrl-C would."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGINT)
            try:
                async with asyncio.timeout(15):
                    await self.process.wait()
            except TimeoutError:
                await self.kill()
                raise AssertionError(f"the program did not stop when asked: {self.errors}") from None
        await self._reader
        return self.process.returncode or 0


class Programs:
    """Starts programs for one test, with a home of their own, and ends them all."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._running: list[Program] = []

    async def start(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        json: bool = True,
        within: Sequence[str] = (),
        module: str = "slidewire.cli.main",
    ) -> Program:
        flags = ["--json"] if json else []
        program = await Program.start(
            *arguments,
            *flags,
            home=self.home,
            environment=environment,
            name=arguments[0],
            within=within,
            module=module,
        )
        self._running.append(program)
        return program

    async def close(self) -> None:
        for program in reversed(self._running):
            if program.process.returncode is None:
                await program.stop()


def heed_interrupts() -> None:
    """Started in a shell's background, a process ignores SIGINT, and so would the programs that are ended by it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.asynccontextmanager
async def programs(home: Path) -> AsyncIterator[Programs]:
    heed_interrupts()
    started = Programs(home)
    try:
        yield started
    finally:
        await started.close()


async def output_of(*command: str, seconds: float = 60, **environment: str) -> tuple[int, str]:
    """Of somebody else's program: its exit code, and everything it said."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ, **environment}
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(errors="replace")
