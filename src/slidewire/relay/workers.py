"""One relay in several processes, for more than one processor core. `slidewire turn --workers N`.

The parent opens the listening sockets, starts the workers, replaces one that died, and passes orders on; it relays
nothing. It keeps the sockets, so that a replacement gets the same ones and the clients of other workers are not moved.
Each worker is a whole server (`TurnService`) for the clients that the kernel gives it. They share only:

- which ports are live relays, as memory, because a closed relay lets clients of all workers meet and no others;
- the key of the nonces, and the file of secrets;
- the ports for relays and the limits, divided: a worker never has to ask another.

Orders and answers are lines of JSON on a pipe. When the pipe ends, so does the worker: none outlives its parent. It
never sees signals (they are blocked while it is started), because a terminal or a service manager sends them to every
process.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Final

from slidewire.aio import clock
from slidewire.aio.loop import run
from slidewire.aio.tasks import Tasks
from slidewire.relay.listeners import Listening, close_all, listen_on, usable
from slidewire.relay.metrics import Metric, exposition, gauge, parse, total
from slidewire.relay.program import Share, TurnReady, TurnService, TurnSettings, relay_hosts
from slidewire.relay.shell import FIRST_PORT, LAST_PORT
from slidewire.system.errors import SetupError

_PORTS: Final = 1 << 16
_START_SECONDS: Final = 30.0
_ANSWER_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 5.0
_SETTLED_SECONDS: Final = 10.0
_LONGEST_REST: Final = 30.0
"""A worker that dies soon after it came is waited for, ever longer."""


log = logging.getLogger(__name__)
_processes: Final = multiprocessing.get_context("spawn")
"""Workers are started, not forked: nothing of the parent's loop and threads is in them."""

Say = Callable[[dict[str, Any]], object]


class TurnWorkers:
    """As `TurnService`, in several processes. `prepare` is called first in each, `say` is told who died and who came;
    `prepare` and what is in `settings` must be picklable."""

    def __init__(self, settings: TurnSettings, count: int, prepare: Callable[[], object], say: Say) -> None:
        if sys.platform != "linux":
            raise SetupError(
                "--workers is for Linux, whose kernel divides the clients of a port among processes. Leave it out."
            )
        self._whole = settings
        self._settings = replace(settings, limits=settings.limits.shared_by(count))
        self._count = count
        self._prepare = prepare
        self._say = say
        self._listening: list[Listening] = []
        self._live: dict[str, Any] = {}
        self._workers: list[_Worker] = []
        self._supervisors = Tasks()
        self._metrics: list[list[Metric]] = []
        """What each worker counted when it was asked last."""
        self._gone: list[Metric] = []
        """What was counted by workers that have ended."""

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers]

    async def start(self) -> TurnReady:
        """Raises SetupError, with the remedy; nothing is left behind then."""
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Safe to call twice."""
        await self._supervisors.cancel()
        for worker in self._workers:
            worker.order("stop")
        await asyncio.gather(*(worker.end() for worker in self._workers))
        self._workers.clear()
        close_all(self._listening)
        self._listening.clear()

    async def drain(self, seconds: float) -> None:
        """Refuse new allocations, and wait until there are none left, or that long."""
        await self._supervisors.cancel()
        for worker in self._workers:
            worker.order("drain")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(worker.gone.wait() for worker in self._workers))

    def reload(self) -> None:
        for worker in self._workers:
            worker.order("reload")

    async def count(self) -> int:
        """How many allocations there are."""
        answers = await asyncio.gather(*(worker.ask("count") for worker in self._workers))
        return sum(answer["count"] for answer in answers if answer is not None)

    async def metrics(self, *, users: bool = False) -> list[Metric]:
        await asyncio.gather(*(self._ask_metrics(number, users) for number in range(len(self._workers))))
        living = sum(not worker.gone.is_set() for worker in self._workers)
        return [*total([*self._metrics, self._gone]), gauge("turn_workers", "Processes that relay.", living)]

    async def _ask_metrics(self, number: int, users: bool) -> None:
        answer = await self._workers[number].ask("users" if users else "metrics")
        if answer is not None:
            self._metrics[number] = parse(answer["metrics"])

    # --- starting -----------------------------------------------------------------------------------------------------

    async def _start(self) -> TurnReady:
        # What is wrong is said once, by this process; and what has to be made, once, is there when the workers come.
        settings, hosts = self._whole, usable(self._whole.listen)
        service = TurnService(settings)
        with_tls = service.prepare()
        self._hosts = relay_hosts(settings, hosts)
        self._listening = listen_on(
            hosts, settings.port, settings.tls_port if with_tls else None, processes=self._count
        )
        self._live = {host.announced: _processes.RawArray(ctypes.c_char, _PORTS) for host in self._hosts.values()}
        self._nonce_key = os.urandom(32)
        self._metrics = [[] for _ in range(self._count)]
        self._workers = [self._begin(number) for number in range(self._count)]
        answers = [await worker.ready() for worker in self._workers]
        for number in range(self._count):
            self._supervisors.start(self._supervise(number))
        udp, tcp, tls = self._listening[0].ports
        return TurnReady(udp, tcp, tls, settings.realm, answers[0]["data_path"], service.ca)

    def _begin(self, number: int) -> _Worker:
        share = Share(self._listening[number], self._hosts, self._ports_of(number), self._live, self._nonce_key)
        return _Worker(self._settings, share, self._prepare)

    def _ports_of(self, number: int) -> tuple[int, int]:
        each = (LAST_PORT + 1 - FIRST_PORT) // self._count
        return FIRST_PORT + number * each, FIRST_PORT + (number + 1) * each - 1

    async def _supervise(self, number: int) -> None:
        """There is always a worker with this number."""
        rest = 0.0
        while True:
            worker, since = self._workers[number], clock.monotonic()
            await worker.gone.wait()
            code = await worker.end()
            self._retire(number)
            log.warning("A relay process ended (%s). Its clients begin anew, at another.", code)
            rest = 0.0 if clock.monotonic() - since > _SETTLED_SECONDS else min(max(1.0, 2 * rest), _LONGEST_REST)
            if rest > 1.0:
                await asyncio.sleep(rest)
            self._workers[number] = successor = self._begin(number)
            try:
                await successor.ready()
            except SetupError as error:
                log.warning("A relay process does not start: %s", error)
                continue
            self._say({"event": "worker_replaced", "pid": worker.pid, "by": successor.pid, "code": code})

    def _retire(self, number: int) -> None:
        """No port of its relays is live any more; what it counted stays counted."""
        first, last = self._ports_of(number)
        for ports in self._live.values():
            ports[first : last + 1] = bytes(last + 1 - first)
        counted = [metric for metric in self._metrics[number] if metric.type != "gauge"]
        self._gone = total([self._gone, counted])
        self._metrics[number] = []


class _Worker:
    """One process, as its parent sees it."""

    def __init__(self, settings: TurnSettings, share: Share, prepare: Callable[[], object]) -> None:
        self._pipe, theirs = _processes.Pipe()
        self.gone = asyncio.Event()
        self._answers: deque[asyncio.Future[dict[str, Any] | None]] = deque()
        self._first = self._expect()
        self._process = _processes.Process(target=_work, args=(settings, share, theirs, prepare), daemon=True)
        with _no_signals():
            self._process.start()
        theirs.close()
        self.pid = self._process.pid or 0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pipe.fileno(), self._hear)

    async def ready(self) -> dict[str, Any]:
        """Raises SetupError."""
        try:
            answer = await asyncio.wait_for(self._first, _START_SECONDS)
        except TimeoutError:
            answer = None
        if answer is None or "failed" in answer:
            self._process.kill()
            raise SetupError(answer["failed"] if answer else "A relay process ended while it started; see above why.")
        return answer

    def order(self, what: str) -> bool:
        try:
            self._pipe.send_bytes(what.encode())
        except OSError:
            return False  # it is gone, or about to be
        return True

    async def ask(self, what: str) -> dict[str, Any] | None:
        """None if there was no answer."""
        if self.gone.is_set() or not self._first.done() or not self.order(what):
            return None
        answer = self._expect()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await asyncio.shield(answer)
        return None

    async def end(self) -> int | None:
        """Wait for it, not for ever. Its exit code."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self.gone.wait()
        if not self.gone.is_set():
            self._process.kill()
            await self.gone.wait()
        await asyncio.to_thread(self._process.join)
        return self._process.exitcode

    def _expect(self) -> asyncio.Future[dict[str, Any] | None]:
        answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        return answer

    def _hear(self) -> None:
        try:
            said = json.loads(self._pipe.recv_bytes())
        except (EOFError, OSError):
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
            for answer in self._answers:
                if not answer.done():
                    answer.set_result(None)
            self._answers.clear()
            self.gone.set()
            return
        answer = self._answers.popleft()
        if not answer.done():
            answer.set_result(said)


@contextlib.contextmanager
def _no_signals() -> Iterator[None]:
    """Processes that are started meanwhile never get these signals."""
    resource_tracker.ensure_running()  # the first start would do it, and unblock signals on the way
    before = _block_signals()
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _block_signals() -> set[signal.Signals] | set[int]:
    """Which were blocked before."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


# --- in the worker ----------------------------------------------------------------------------------------------------


def _work(settings: TurnSettings, share: Share, pipe: Connection, prepare: Callable[[], object]) -> None:
    _block_signals()
    prepare()
    run(_serve(settings, share, pipe))


async def _serve(settings: TurnSettings, share: Share, pipe: Connection) -> None:
    """Do as the parent says, until it says stop or is no more."""
    service = TurnService(settings, share)
    loop = asyncio.get_running_loop()
    orders: asyncio.Queue[str] = asyncio.Queue()

    def receive() -> None:
        try:
            orders.put_nowait(pipe.recv_bytes().decode())
        except (EOFError, OSError):
            loop.remove_reader(pipe.fileno())
            orders.put_nowait("stop")

    def answer(**said: Any) -> None:
        with contextlib.suppress(OSError):
            pipe.send_bytes(json.dumps(said).encode())

    async def drain() -> None:
        await service.drain(float("inf"))
        orders.put_nowait("stop")

    try:
        ready = await service.start()
    except SetupError as error:
        answer(failed=str(error))
        return
    draining: asyncio.Task[None] | None = None
    try:
        loop.add_reader(pipe.fileno(), receive)
        answer(data_path=ready.data_path)
        while (order := await orders.get()) != "stop":
            match order:
                case "reload":
                    service.reload()
                case "drain":
                    draining = asyncio.create_task(drain())
                case "count":
                    answer(count=await service.count())
                case "metrics" | "users":
                    answer(metrics=exposition(await service.metrics(users=order == "users")).decode())
    finally:
        if draining is not None:
            draining.cancel()
        await service.stop()
