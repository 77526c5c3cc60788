"""The process: one JSON object per line on standard input and output.

    {"id": 7, "do": "perform", "verb": "next"}      asked
    {"id": 7, "ok": {"status": "performed", …}}     answered, or {"id": 7, "error": {"code", "message"}}
    {"event": "state", …}                           pushed, whenever LibreOffice told us of a change

One thread reads and only queues. The main thread asks LibreOffice, the most urgent request first, so that a tap waits
for at most one picture. UNO's own threads call our listeners; LibreOffice waits while they do, so they never wait
themselves, and a last thread writes. The end of standard input means `close`: what we started does not outlive us.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

if not __package__:
    # Started as a folder, by a Python that does not know the package around it.
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    __package__ = "uno_helper"

from .deck import Deck
from .office import HAS_UNO, Trouble

URGENT, POINTER, PICTURE, DETAILS = range(4)
PRIORITIES = {"point": POINTER, "picture": PICTURE}
"""Whatever is not listed is urgent."""


def read_request(line: str) -> tuple[int, str, dict[str, Any]]:
    """A line of standard input as (id, what to do, its arguments). ValueError if it is not a request."""
    request = json.loads(line)
    if not isinstance(request, dict) or type(request.get("id")) is not int or not isinstance(request.get("do"), str):
        raise ValueError("a request is an object with an integer 'id' and a string 'do'")
    return request.pop("id"), request.pop("do"), request


class Worker:
    """The queue before LibreOffice."""

    def __init__(self, emit: Callable[[dict[str, Any]], None]) -> None:
        self._emit = emit
        self._jobs: queue.PriorityQueue[tuple[int, int, Callable[[], object]]] = queue.PriorityQueue()
        self._serial = 0
        self._queueing = threading.Lock()
        self._deck = Deck(emit, soon=lambda job: self._put(URGENT, job), idle=lambda job: self._put(DETAILS, job))

    def _put(self, priority: int, job: Callable[[], object]) -> None:
        with self._queueing:
            self._serial += 1
            self._jobs.put((priority, self._serial, job))

    def take(self, line: str) -> None:
        """A line of standard input."""
        try:
            number, do, arguments = read_request(line)
        except ValueError as error:
            self._emit({"event": "malformed", "message": str(error)})
            return
        self._put(PRIORITIES.get(do, URGENT), lambda: self._answer(number, do, arguments))

    def end(self) -> None:
        self._put(URGENT, self._deck.close)

    def run(self) -> None:
        while not self._deck.closed:
            try:
                job = self._jobs.get(timeout=self._deck.look_again_in())[2]
            except queue.Empty:
                job = self._deck.look
            try:
                job()
            except Exception:  # noqa: BLE001, S112 (LibreOffice may raise anything; a job of our own is then moot)
                continue

    def _answer(self, number: int, do: str, arguments: dict[str, Any]) -> None:
        deck = self._deck
        verbs: dict[str, Callable[..., dict[str, Any]]] = {
            "open": deck.open,
            "perform": deck.perform,
            "picture": deck.picture,
            "point": deck.point,
            "close": deck.close,
        }
        try:
            if do not in verbs:
                raise Trouble("unknown_request", f"there is no request {do!r}")
            reply = {"id": number, "ok": verbs[do](**arguments)}
        except Trouble as trouble:
            reply = {"id": number, "error": {"code": trouble.code, "message": str(trouble)}}
        except Exception as error:  # noqa: BLE001 (as above: whatever it is becomes an answer)
            text = (getattr(error, "Message", "") or str(error)).split("\n")[0]
            reply = {"id": number, "error": {"code": "libreoffice", "message": f"{type(error).__name__}: {text}"}}
        self._emit(reply)


def main() -> int:
    messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def write() -> None:
        out = sys.stdout.buffer  # bytes: the console's encoding is none of our business
        while (message := messages.get()) is not None:
            try:
                out.write(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
                out.flush()
            except OSError:  # the host does not read any more; standard input ends, too
                return

    writer = threading.Thread(target=write, daemon=True)
    writer.start()

    def emit(message: dict[str, Any]) -> None:
        messages.put(message)

    if not HAS_UNO:
        emit({"event": "no_uno"})
    else:
        worker = Worker(emit)

        def read() -> None:
            for line in sys.stdin.buffer:
                worker.take(line.decode("utf-8", "replace"))
            worker.end()

        emit({"event": "ready"})
        threading.Thread(target=read, daemon=True).start()
        worker.run()
    messages.put(None)
    writer.join()
    os._exit(0)  # UNO's threads and the reader are still there, and nothing is left to do


if __name__ == "__main__":
    main()
