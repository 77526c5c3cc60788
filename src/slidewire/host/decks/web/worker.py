"""The process that opens, reads and draws a deck: `python -m slidewire.host.decks.web.worker`.

A deck may come from a stranger, and both PDFium and Pillow can be made to work without end. So they run here, where
that costs the show nothing: with a limit on memory, behind everything else that wants the processor, without a network
and, where the system can do that, without a right to read files but the deck. The host ends the process when a request
takes too long. What fails in an unknown way ends it, too: the host starts another.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from slidewire.host.decks.driver import DeckError
from slidewire.host.decks.web.deck_file import DeckKind
from slidewire.host.decks.web.messages import (
    LENGTHS,
    Describe,
    Described,
    Draw,
    Drawn,
    Open,
    Opened,
    Reply,
    Request,
    Unusable,
    decode_request,
    encode_head,
)
from slidewire.host.decks.web.notes import notes_path, pdfpc_path
from slidewire.host.decks.web.slides import Slides, open_slides

if sys.platform != "win32":
    import resource
    import signal

NICENESS = 15
LOOK_EVERY = 0.05
"""Seconds between two looks at the resident size, where the system sets no limit."""
OVER_LIMIT = 3
"""The exit code then."""
READABLE = ("/usr", "/lib", "/lib64", "/etc/fonts", "/etc/ld.so.cache")
"""Fonts that a PDF does not bring along, and libraries."""


def main() -> None:
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    first = _read(requests)
    if first is None:
        return
    request, content = first
    assert isinstance(request, Open)
    seconds, path = request.seconds, Path(os.fsdecode(request.path))
    give_way()
    network, files = confine(path, is_folder=request.kind is DeckKind.FOLDER)
    limit_memory(request.memory)
    with _alarm(seconds):
        try:
            slides = open_slides(path, request.kind, content, request.side)
            reply: Opened | Unusable = Opened(
                slides.count,
                slides.notes,
                network,
                files,
                {slide: _text(label) for slide, label in slides.labels.items()},
                [_text(remark) for remark in slides.remarks],
            )
        except DeckError as error:
            reply = Unusable(_text(str(error)))
    _write(replies, reply)
    while (frame := _read(requests)) is not None:
        with _alarm(seconds):
            answer, picture = _answer(slides, frame[0])
        _write(replies, answer, picture)


def _text(words: str) -> str:
    """The names of files need not be text."""
    return words.encode(errors="surrogatepass").decode(errors="replace")


def _answer(slides: Slides, request: Request) -> tuple[Reply, bytes]:
    match request:
        case Describe(slide):
            description = slides.describe(slide)
            return Described(description.title, description.notes), b""
        case Draw(slide, width, most):
            drawn = slides.draw(slide, width, most)
            if drawn is None:
                return Drawn(None), b""
            return Drawn("image/png" if drawn.media_type == "image/png" else "image/jpeg"), drawn.data
    raise AssertionError(request)


def _write(file: BinaryIO, reply: Reply, picture: bytes = b"") -> None:
    file.write(encode_head(reply, picture))
    file.write(picture)
    file.flush()


def _read(file: BinaryIO) -> tuple[Request, bytes] | None:
    """A request and its body; None at the end."""
    lengths = file.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    header, body = LENGTHS.unpack(lengths)
    return decode_request(file.read(header)), file.read(body)


@contextlib.contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    """The process ends when the block takes longer."""
    if sys.platform != "win32":
        signal.alarm(seconds)
    yield
    if sys.platform != "win32":
        signal.alarm(0)


def give_way() -> None:
    """Clicks come first: this process has the processor when nothing else wants it, and is ended first where memory
    runs out. (On Windows its priority is set by who starts it.)"""
    if sys.platform != "win32":
        os.nice(NICENESS)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def confine(deck: Path, *, is_folder: bool) -> tuple[bool, bool]:
    """Leave the network, and every file but the deck's. Whether the system does each of them."""
    if sys.platform != "linux":
        return False, False
    from slidewire.host.decks.impress.uno_helper.confine import leave_network, restrict

    python = {sys.prefix, sys.base_prefix, *(path for path in sys.path if os.path.isabs(path))}  # noqa: PTH117
    own = [deck] if is_folder else [notes_path(deck), pdfpc_path(deck)]
    try:
        network = leave_network([])
    except OSError:  # it is out of the network, and has another number inside: nothing of ours looks at that
        network = True
    rules = {"read": [*READABLE, *sorted(python), *map(str, own)], "execute": [], "write": [], "sockets": [], "tcp": []}
    return network, restrict(rules)


def limit_memory(limit: int) -> None:
    """`limit`: of addresses, where the system can limit them; of resident memory elsewhere."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    else:
        watch_memory(limit, resident_size, lambda: os._exit(OVER_LIMIT))


def watch_memory(limit: int, size: Callable[[], int], end: Callable[[], object]) -> None:
    """Call `end` when `size` is above the limit. PDFium and Pillow let other threads run while they work."""

    def watch() -> None:
        while size() <= limit:
            time.sleep(LOOK_EVERY)
        end()

    threading.Thread(target=watch, name="memory", daemon=True).start()


def resident_size() -> int:
    """Bytes; the highest there was, where the system tells only that."""
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    elif sys.platform == "win32":
        import ctypes
        from ctypes import wintypes

        class Counters(ctypes.Structure):
            _fields_ = (
                ("size", wintypes.DWORD),
                ("faults", wintypes.DWORD),
                *((name, ctypes.c_size_t) for name in ("peak", "resident", "a", "b", "c", "d", "pagefile", "e")),
            )

        counters = Counters(size=ctypes.sizeof(Counters))
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        kernel.K32GetProcessMemoryInfo(
            wintypes.HANDLE(kernel.GetCurrentProcess()), ctypes.byref(counters), counters.size
        )
        return max(int(counters.resident), int(counters.pagefile))
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        os._exit(OVER_LIMIT)
