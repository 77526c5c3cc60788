"""LibreOffice itself: connected to if it runs, started if it does not, ended if we started it.

Both are one command. A second `soffice` with the same user profile hands its `--accept` to the first and ends at once;
where there is no first, it is LibreOffice. Whether it is ours shows when we leave: ours still runs. One that is to open
a deck file is started by `confine.py`, which takes the network and others' files away from it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

try:
    import uno  # type: ignore[import-not-found]
    import unohelper  # type: ignore[import-not-found]
except ImportError:
    uno = unohelper = None

HAS_UNO = uno is not None

START_SECONDS = 60.0
HANDED_SECONDS = 3.0
CALLBACK_SECONDS = 3.0
JPEG_QUALITY = 85
PRESENTATION = "com.sun.star.presentation.PresentationDocument"


class Trouble(Exception):
    """Something a person has to know. `code` is stable, the message is for reading."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def office_running(profile: str | None) -> bool | None:
    """Whether this user's LibreOffice with that profile runs; None where we cannot tell."""
    if not sys.platform.startswith("linux"):
        return None
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit() or folder.stat().st_uid != os.getuid():
                continue
            if (folder / "comm").read_text() != "soffice.bin\n":
                continue
            words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue  # it ended while we looked
        theirs = [word.partition("=")[2] for word in words if word.startswith("-env:UserInstallation=")]
        if theirs == ([Path(profile).as_uri()] if profile else []):
            return True
    return False


class Office:
    """A connection to one LibreOffice."""

    def __init__(self, soffice: str, profile: str | None, confine: dict[str, Any] | None = None) -> None:
        """`confine`: for `confine.py`, with the `program` that it is to start."""
        self._soffice = soffice
        self._profile = profile
        self._confine = confine
        self.held: dict[str, bool] | None = None
        """What `confine.py` said that holds, once LibreOffice was started by it."""
        self._process: subprocess.Popen[bytes] | None = None
        self._bridge: Any = None
        self._context: Any = None
        self._desktop: Any = None
        self._listeners: list[Any] = []
        """UNO holds them weakly on our side."""

    def connect(self, gone: Callable[[], None], documents_changed: Callable[[], None]) -> None:
        """`gone` and `documents_changed` are called on UNO's threads. Raises `Trouble`."""
        name = "slidewire-" + secrets.token_hex(8)
        options = ["--norestore", "--nologo", "--nodefault", "--nofirststartwizard"]
        options.append(f"--accept=pipe,name={name};urp;StarOffice.ComponentContext")
        if self._profile:
            options.insert(0, f"-env:UserInstallation={Path(self._profile).as_uri()}")

        def launch() -> subprocess.Popen[bytes]:
            if self._confine is not None and not office_running(self._profile):
                return self._launch_confined(self._confine, options)
            quiet = subprocess.DEVNULL
            return subprocess.Popen([self._soffice, *options], stdin=quiet, stdout=quiet, stderr=quiet)

        local = uno.getComponentContext()
        make = local.ServiceManager.createInstanceWithContext
        connection = self._await_pipe(make("com.sun.star.connection.Connector", local), name, launch)
        self._bridge = make("com.sun.star.bridge.BridgeFactory", local).createBridge("", "urp", connection, None)
        self._context = self._bridge.getInstance("StarOffice.ComponentContext")
        self._desktop = self._make("com.sun.star.frame.Desktop")
        falls, documents = _office_listeners(gone, documents_changed)
        self._listeners = [falls, documents]
        self._bridge.addEventListener(falls)
        everywhere = self._context.getByName("/singletons/com.sun.star.frame.theGlobalEventBroadcaster")
        everywhere.addDocumentEventListener(documents)

    def _launch_confined(self, confine: dict[str, Any], options: list[str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", str(Path(__file__).with_name("confine.py")), json.dumps(confine)]
        environment = {
            **os.environ,
            "SAL_ENABLE_FILE_LOCKING": "1",  # what the script `soffice` sets before it starts the same program
            "TMPDIR": confine["scratch"],
            "GIO_USE_VFS": "local",  # else a service of the desktop would fetch for it
            **{
                f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "ftp", "all")
            },  # for its players
            "no_proxy": "",
        }
        process = subprocess.Popen(
            [*command, confine["program"], *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert process.stdout is not None
        with process.stdout as said:
            try:
                self.held = json.loads(said.readline())
            except ValueError:
                process.kill()
                raise Trouble(
                    "start_failed", "LibreOffice could not be started apart from network and files. Is Python damaged?"
                ) from None
        return process

    def _await_pipe(self, connector: Any, name: str, launch: Callable[[], subprocess.Popen[bytes]]) -> Any:
        deadline = time.monotonic() + START_SECONDS
        again = 0.0
        while True:
            code = 0 if self._process is None else self._process.poll()
            if code == 0 and time.monotonic() >= again:
                # A LibreOffice that is itself just starting may forget what it was handed: say it again.
                self._process = launch()
                again = time.monotonic() + HANDED_SECONDS
            try:
                return connector.connect(f"pipe,name={name}")
            except uno.getClass("com.sun.star.connection.NoConnectException"):
                pass
            if code:
                raise Trouble(
                    "start_failed",
                    f"LibreOffice ended with code {code} while it started. Start it by hand once to see why.",
                )
            if time.monotonic() > deadline:
                raise Trouble(
                    "start_timeout",
                    f"LibreOffice did not come up within {START_SECONDS:.0f} seconds. "
                    "Close its dialogs, or end it, and try again.",
                )
            time.sleep(0.02)

    def _make(self, service: str) -> Any:
        return self._context.ServiceManager.createInstanceWithContext(service, self._context)

    def documents(self) -> Iterator[Any]:
        """The open presentations."""
        components = self._desktop.Components.createEnumeration()
        while components.hasMoreElements():
            document = components.nextElement()
            if hasattr(document, "supportsService") and document.supportsService(PRESENTATION):
                yield document

    def in_front(self, document: Any) -> bool:
        return bool(document == self._desktop.CurrentComponent)

    def in_its_own_thread(self, work: Callable[[], None]) -> None:
        """Let LibreOffice's main thread do it, and wait. What we call is otherwise done by a thread of the bridge; most
        of LibreOffice guards itself against that, but not a running show's own properties. What a callback asks for is
        done by the thread that made the callback."""
        done = threading.Event()
        failures: list[Exception] = []
        self._make("com.sun.star.awt.AsyncCallback").addCallback(_callback(work, failures, done), None)
        if not done.wait(CALLBACK_SECONDS):
            raise Trouble("busy", "LibreOffice is busy. Close its dialogs.")
        if failures:
            raise failures[0]

    def screen_size(self) -> tuple[int, int]:
        """Of the largest window: that of a show fills its screen."""
        frames = self._desktop.Frames
        sizes = [frames.getByIndex(number).ContainerWindow.PosSize for number in range(frames.Count)]
        return max(((size.Width, size.Height) for size in sizes), default=(1920, 1080))

    def load(self, path: str) -> Any:
        """Read-only: no lock file that asks questions after a crash, and no slides are changed by accident."""
        arguments = (
            property_value("ReadOnly", True),
            property_value("InteractionHandler", _decliner()),
            property_value("MacroExecutionMode", uno.Any("short", 0)),  # never
            property_value("UpdateDocMode", uno.Any("short", 0)),  # no question about links
        )
        name = Path(path).name
        if not self._is_presentation(uno.systemPathToFileUrl(path), arguments):
            raise _not_a_presentation(name)
        try:
            document = self._desktop.loadComponentFromURL(uno.systemPathToFileUrl(path), "_blank", 0, arguments)
        except Exception:  # noqa: BLE001 (a filter may raise anything, and its words do not help)
            document = None
        if document is None:
            raise Trouble(
                "unreadable",
                f"LibreOffice cannot read {name}. Open it there by hand: if it asks for a password, save a copy "
                "without one; if it does not open, export the slides again.",
            )
        document.DocumentProperties.AutoloadSecs = 0  # a deck may ask to be loaded again, or another in its place
        if not document.supportsService(PRESENTATION):
            document.close(True)
            raise _not_a_presentation(name)
        return document

    def _is_presentation(self, url: str, arguments: tuple[Any, ...]) -> bool:
        """Whether Impress would open it. Others of LibreOffice's programs ask before they open a file: how a table is
        separated, in which encoding a text is. What cannot be told is tried."""
        detection = self._make("com.sun.star.document.TypeDetection")
        described = (property_value("URL", url), *arguments)
        kind = detection.queryTypeByDescriptor(described, True)
        kind = kind[0] if isinstance(kind, tuple) else kind
        if not kind:
            return True
        names = {item.Name: item.Value for item in detection.getByName(kind)}
        filters = self._make("com.sun.star.document.FilterFactory")
        if not names.get("PreferredFilter"):
            return True
        chosen = {item.Name: item.Value for item in filters.getByName(names["PreferredFilter"])}
        return chosen.get("DocumentService") == PRESENTATION

    def export(self, page: Any, width: int) -> bytes:
        """A slide as a JPEG."""
        height = max(1, round(width * page.Height / page.Width))
        exporter = self._make("com.sun.star.drawing.GraphicExportFilter")
        exporter.setSourceDocument(page)
        folder = self._confine["scratch"] if self._confine is not None else None
        handle, path = tempfile.mkstemp(suffix=".jpg", prefix="slidewire-", dir=folder)
        os.close(handle)
        options = {"PixelWidth": width, "PixelHeight": height, "Quality": JPEG_QUALITY}
        try:
            exporter.filter(
                (
                    property_value("URL", uno.systemPathToFileUrl(path)),
                    property_value("MediaType", "image/jpeg"),
                    property_value(
                        "FilterData",
                        uno.Any(
                            "[]com.sun.star.beans.PropertyValue",
                            tuple(property_value(key, value) for key, value in options.items()),
                        ),
                    ),
                )
            )
            return Path(path).read_bytes()
        finally:
            Path(path).unlink()

    def close(self) -> None:
        """Ours ends, unless another document was opened in it. Another's is let go."""
        ours = self._process is not None and self._process.poll() is None
        try:
            if not ours:
                self._bridge.dispose()
            elif not self._desktop.Components.createEnumeration().hasMoreElements():
                self._desktop.terminate()
                self._end_process(5.0)
        except Exception:  # noqa: BLE001 (no connection, or it fell: what is left is the process)
            self._end_process(0.0)

    def _end_process(self, patience: float) -> None:
        """The process is LibreOffice's launcher, which takes LibreOffice along."""
        if self._process is None:
            return
        for end in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(patience)
                return
            except subprocess.TimeoutExpired:
                end()
                patience = 3.0


def _not_a_presentation(name: str) -> Trouble:
    return Trouble(
        "not_a_presentation",
        f"{name} is not a presentation for LibreOffice Impress. Give an .odp or .pptx file; "
        "a PDF is shown by the web deck.",
    )


def property_value(name: str, value: Any) -> Any:
    item = uno.createUnoStruct("com.sun.star.beans.PropertyValue")
    item.Name = name
    item.Value = value
    return item


def same_file(url: str, path: str) -> bool:
    return url.startswith("file:") and os.path.realpath(uno.fileUrlToSystemPath(url)) == os.path.realpath(path)


def document_name(document: Any) -> str:
    url = document.URL
    return Path(uno.fileUrlToSystemPath(url)).name if url.startswith("file:") else str(document.Title)


def _office_listeners(gone: Callable[[], None], documents_changed: Callable[[], None]) -> tuple[Any, Any]:
    """Their bases exist only where `uno` does, hence the function."""
    from com.sun.star.document import XDocumentEventListener  # type: ignore[import-not-found]
    from com.sun.star.lang import XEventListener  # type: ignore[import-not-found]

    class Falls(unohelper.Base, XEventListener):  # type: ignore[misc]
        def disposing(self, source: Any) -> None:
            gone()

    class Documents(unohelper.Base, XDocumentEventListener):  # type: ignore[misc]
        def documentEventOccured(self, event: Any) -> None:  # noqa: N802 (the interface's own spelling)
            if event.EventName in ("OnViewCreated", "OnViewClosed", "OnLoadFinished", "OnUnload"):
                documents_changed()

        def disposing(self, source: Any) -> None:
            pass

    return Falls(), Documents()


def modify_listener(modified: Callable[[], None], closed: Callable[[], None]) -> Any:
    from com.sun.star.util import XModifyListener  # type: ignore[import-not-found]

    class Changes(unohelper.Base, XModifyListener):  # type: ignore[misc]
        def modified(self, event: Any) -> None:
            modified()

        def disposing(self, source: Any) -> None:
            closed()

    return Changes()


def _decliner() -> Any:
    """Answers LibreOffice's questions about a file (repair it? its password?) with no, instead of a dialog that no one
    at a phone can see."""
    from com.sun.star.task import XInteractionHandler  # type: ignore[import-not-found]

    answers = [uno.getTypeByName(f"com.sun.star.task.XInteraction{word}") for word in ("Abort", "Disapprove")]

    class Decliner(unohelper.Base, XInteractionHandler):  # type: ignore[misc]
        def handle(self, request: Any) -> None:
            for answer in answers:
                for continuation in request.getContinuations():
                    if continuation.queryInterface(answer) is not None:
                        continuation.select()
                        return

    return Decliner()


def _callback(work: Callable[[], None], failures: list[Exception], done: threading.Event) -> Any:
    from com.sun.star.awt import XCallback  # type: ignore[import-not-found]

    class Callback(unohelper.Base, XCallback):  # type: ignore[misc]
        def notify(self, data: Any) -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 (it is ours, and must not end up in LibreOffice)
                failures.append(error)
            done.set()

    return Callback()
