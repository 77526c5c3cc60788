"""The system's own Firefox, headless, with an empty profile, driven by WebDriver BiDi (W3C): JSON over one WebSocket.

Only what the tests use of it, so aiohttp is client enough. Elements are named by their `data-testid`, as everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

from tests.support.browser import NOTE_RECEIPTS, PATIENCE, image, keep, until
from tests.support.forwarder import network_of
from tests.support.lab import Machine

STARTS_WITHIN = 60
ANSWERS_WITHIN = 60
"""Seconds. Firefox starts in three on an idle machine."""
PHONE = {"width": 390, "height": 844}
LAPTOP = {"width": 1280, "height": 800}
SCREEN = {"width": 1280, "height": 720}
GIVEN_UP = r"The connection to wss:\S+ was interrupted while the page was loading"
"""What Firefox itself writes on the console when a page closes a socket, or is left, before it is open."""
SYSTEM_ACCESS = ("--remote-allow-system-access",)
"""Else an extension's own pages cannot be looked at."""
EXTENSIONS = {"leak-shield@slidewire": "6b3dd1c2-6d53-4c3a-8a45-4b3f6b1e7f11"}
"""The random names that this profile has for extensions, so that their pages can be found."""
KEYS = {
    "PageUp": "\ue00e", "PageDown": "\ue00f", "End": "\ue010", "Home": "\ue011", "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "Space": " ", "Enter": "\ue007",
    "Escape": "\ue00c",
}  # fmt: skip
"""WebDriver's names of keys (WebDriver §17.4.2)."""


class Firefox:
    """One browser. `complaints`: what its pages wrote as errors or warnings, or did not catch."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tolerated = [GIVEN_UP]
        self._reader = asyncio.create_task(self._read())
        self.complaints: list[str] = []
        self.version = ""

    async def begin(self) -> None:
        begun = await self.send("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        self.version = str(begun["capabilities"]["browserVersion"])
        await self.send("session.subscribe", events=["log.entryAdded"])

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(ANSWERS_WITHIN):
            answer = await self._waiting[number]
        assert answer["type"] == "success", f"{method}: {answer.get('error')}: {answer.get('message')}"
        return dict(answer["result"])

    async def open(self, link: str, screen: Mapping[str, int] = PHONE, script: str | None = None) -> Tab:
        """A window of its own, so that no page is behind another one; `script` runs before the page's own."""
        made = await self.send("browsingContext.create", type="window")
        tab = Tab(self, made["context"])
        if script is not None:
            function = f"() => {{ {script} }}"
            await self.send("script.addPreloadScript", functionDeclaration=function, contexts=[tab.context])
        await self.send("browsingContext.setViewport", context=tab.context, viewport=dict(screen))
        await tab.visit(link)
        return tab

    async def install(self, folder: Path) -> str:
        """A temporary add-on, until the browser ends; where its own pages are."""
        folder_data = {"type": "path", "path": str(folder)}
        name = (await self.send("webExtension.install", extensionData=folder_data))["extension"]
        return f"moz-extension://{EXTENSIONS[name]}"

    def tolerate(self, pattern: str) -> None:
        """The test breaks something, and the browser says so on the console."""
        self._tolerated.append(pattern)

    async def _read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if said["type"] == "event":
                entry = said["params"]
                text = f"{entry.get('text')} {entry.get('source', {}).get('context', '')}"
                if entry["level"] in ("error", "warn") and not any(re.search(p, text) for p in self._tolerated):
                    self.complaints.append(text)
            elif not (answer := self._waiting.pop(said["id"])).done():
                answer.set_result(said)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionError("Firefox is gone"))

    async def close(self) -> None:
        self._reader.cancel()
        await self._socket.close()


class Tab:
    """One page of it."""

    def __init__(self, browser: Firefox, context: str) -> None:
        self._browser = browser
        self.context = context

    async def visit(self, link: str) -> None:
        await self._browser.send("browsingContext.navigate", context=self.context, url=link, wait="interactive")

    async def reload(self) -> None:
        await self._browser.send("browsingContext.reload", context=self.context, wait="interactive")

    async def back(self) -> None:
        await self._browser.send("browsingContext.traverseHistory", context=self.context, delta=-1)

    async def to_front(self) -> None:
        await self._browser.send("browsingContext.activate", context=self.context)

    async def evaluate(self, expression: str) -> Any:
        """Of JSON's kinds of values; a promise is waited for."""
        wrapped = f"(async () => JSON.stringify(await ({expression})))()"
        target = {"context": self.context}
        done = await self._browser.send(
            "script.evaluate", expression=wrapped, target=target, awaitPromise=True, userActivation=True
        )
        assert done["type"] == "success", done["exceptionDetails"]["text"]
        return json.loads(done["result"]["value"]) if "value" in done["result"] else None

    async def until(self, expression: str, what: str, seconds: float = PATIENCE / 1000) -> None:
        """Wait until this holds in the page."""

        async def holds() -> bool:
            return bool(await self.evaluate(expression))

        try:
            await until(holds, what, seconds)
        except AssertionError:
            keep(await self.picture(), "firefox-in-vain")
            raise

    async def text(self, test_id: str) -> str:
        return str(await self.evaluate(f"{find(test_id)}?.textContent ?? ''"))

    async def says(self, words: str, test_id: str = "receipt") -> None:
        wanted = json.dumps(words)
        await self.until(f"{find(test_id)}?.textContent.includes({wanted})", f"{test_id} says {words}")

    async def tap(self, test_id: str, times: int = 1) -> None:
        """With a finger on the middle of it, as often, and each time as soon as it can be pressed."""
        can_be = f"{find(test_id)}?.checkVisibility() && !{find(test_id)}.disabled"
        for _ in range(times):
            await self.until(can_be, f"{test_id} can be pressed")
            where = {"type": "element", "element": await self._element(test_id)}
            await self.finger([{"type": "pointerMove", "x": 0, "y": 0, "origin": where}, DOWN, UP])

    async def finger(self, steps: Sequence[Mapping[str, Any]]) -> None:
        finger = {"type": "pointer", "id": "finger", "parameters": {"pointerType": "touch"}, "actions": list(steps)}
        await self._browser.send("input.performActions", context=self.context, actions=[finger])

    async def press(self, key: str, held: int = 1) -> None:
        """Held down, a keyboard says again and again that it is pressed."""
        value = KEYS.get(key, key)
        strokes = [*[{"type": "keyDown", "value": value}] * held, {"type": "keyUp", "value": value}]
        actions = [{"type": "key", "id": "keyboard", "actions": strokes}]
        await self._browser.send("input.performActions", context=self.context, actions=actions)

    async def _element(self, test_id: str) -> dict[str, str]:
        locator = {"type": "css", "value": f"[data-testid={test_id}]"}
        found = await self._browser.send("browsingContext.locateNodes", context=self.context, locator=locator)
        return {"sharedId": found["nodes"][0]["sharedId"]}

    async def box(self, test_id: str) -> dict[str, float]:
        return dict(await self.evaluate(f"{find(test_id)}.getBoundingClientRect().toJSON()"))

    async def note_receipts(self) -> None:
        """From now on, keep every text that the receipt ever shows."""
        await self.evaluate(f"({NOTE_RECEIPTS})()")

    async def canvas(self, test_id: str = "slide-picture") -> Image.Image:
        """What the page has drawn of a slide."""
        data: str = await self.evaluate(f"{find(test_id)}.toDataURL('image/png')")
        return image(data.partition(",")[2])

    async def picture(self, name: str | None = None) -> Image.Image:
        """The page as it looks, kept under this name."""
        shot = await self._browser.send("browsingContext.captureScreenshot", context=self.context)
        taken = image(shot["data"])
        if name is not None:
            keep(taken, name)
        return taken

    async def close(self) -> None:
        await self._browser.send("browsingContext.close", context=self.context)


DOWN = {"type": "pointerDown", "button": 0}
UP = {"type": "pointerUp", "button": 0}


def find(test_id: str) -> str:
    return f"document.querySelector('[data-testid={test_id}]')"


@contextlib.asynccontextmanager
async def firefox(preferences: Mapping[str, object] | None = None, on: Machine | None = None) -> AsyncIterator[Firefox]:
    """On this machine, or on one of a lab."""
    program = shutil.which("firefox-esr")
    assert program, "firefox-esr is not installed: apt-get install firefox-esr"
    words = (program, "--headless", "--no-remote", "--remote-debugging-port", "0", *SYSTEM_ACCESS, "--profile")
    with tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True) as home:
        chosen = {"extensions.webextensions.uuids": json.dumps(EXTENSIONS), **(preferences or {})}
        lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in chosen.items()]
        (Path(home) / "user.js").write_text("\n".join(lines))
        process = await asyncio.create_subprocess_exec(
            *(on.command(*words, home) if on else (*words, home)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "HOME": home},
        )
        try:
            async with asyncio.timeout(STARTS_WITHIN):
                address = await _address(process)

            def connection(_: object) -> socket.socket:
                with network_of(on.namespace.pid) if on else contextlib.nullcontext():
                    return socket.socket()

            connector = aiohttp.TCPConnector(socket_factory=connection)
            async with (
                aiohttp.ClientSession(connector=connector) as client,
                client.ws_connect(f"{address}/session", max_msg_size=0) as channel,
            ):
                browser = Firefox(channel)
                drain = asyncio.create_task(_drain(process))
                try:
                    await browser.begin()
                    yield browser
                finally:
                    drain.cancel()
                    await browser.close()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and its content processes
            await process.wait()
    assert not browser.complaints, f"a page complained: {browser.complaints}"


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = b""
    async for line in process.stderr:
        if found := re.search(rb"WebDriver BiDi listening on (ws://\S+)", line):
            return found[1].decode()
        said += line
    raise AssertionError(f"Firefox ended at once: {said.decode(errors='replace')}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """What it goes on to say is nobody's, but it must not stand in its way."""
    assert process.stderr is not None
    while await process.stderr.read(1 << 16):
        pass
