"""Real proxies in front of a real server, set up as the guide says: who is asking, sockets, and nobody else's word."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from slidewire.server.app import Ready
from tests.server.certificates import make_certificate
from tests.server.test_server import LINK, running, settings

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "server.md"
PATIENCE = 30.0
EVE = "127.0.0.66"
SPOOFED = {
    **dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "Client-IP", "X-Client-IP", "CF-Connecting-IP"), "198.51.100.9"),
    "Forwarded": "for=198.51.100.9",
    "X-Forwarded-Host": "evil.example",
    "Via": "1.1 evil",
}

Setting = Callable[[Path, str, int, int], tuple[list[str], str]]
"""(folder, the guide's text, the proxy's port, the server's) -> command, and the configuration it reads."""


def snippet(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return str(found)


def nginx(folder: Path, text: str, front: int, back: int) -> tuple[list[str], str]:
    text = text.replace("listen 443", f"listen 127.0.0.1:{front}").replace(
        "/etc/ssl/clicker.example", f"{folder}/proxy"
    )
    text = text.replace("127.0.0.1:8443", f"127.0.0.1:{back}")
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    top = f"daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}\n"
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "nginx-light is installed by ./test"
    return [program, "-p", str(folder), "-c"], f"{top} http {{ access_log off; {paths}\n{text} }}"


def caddy(folder: Path, text: str, front: int, back: int) -> tuple[list[str], str]:
    site = f"https://localhost:{front}, https://127.0.0.1:{front} {{\n tls {folder}/proxy.pem {folder}/proxy.key\n"
    text = text.replace("clicker.example {", site).replace("127.0.0.1:8443", f"127.0.0.1:{back}")
    options = "{\n admin off\n auto_https disable_redirects\n skip_install_trust\n}\n"
    return ["caddy", "run", "--adapter", "caddyfile", "--config"], options + text


def haproxy(folder: Path, text: str, front: int, back: int) -> tuple[list[str], str]:
    both = (folder / "proxy.pem").read_text() + (folder / "proxy.key").read_text()
    (folder / "both.pem").write_text(both)
    text = text.replace("bind :443", f"bind 127.0.0.1:{front}").replace(
        "/etc/haproxy/clicker.example", f"{folder}/both"
    )
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "haproxy is installed by ./test"
    return [program, "-db", "-f"], text.replace("127.0.0.1:8443", f"127.0.0.1:{back}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Proxy:
    def __init__(self, port: int, authority: Path) -> None:
        self.base = f"https://127.0.0.1:{port}"
        self._authority = authority

    def at(self, address: str) -> aiohttp.ClientSession:
        """A client at that address, which knows nothing of what is behind."""
        context = ssl.create_default_context(cafile=str(self._authority))
        return aiohttp.ClientSession(self.base, connector=aiohttp.TCPConnector(local_addr=(address, 0), ssl=context))


@contextlib.asynccontextmanager
async def in_front(ready: Ready, folder: Path, language: str, setting: Setting) -> AsyncIterator[Proxy]:
    folder.mkdir()
    _, _, authority = make_certificate(folder, "proxy")
    port = free_port()
    command, text = setting(folder, snippet(language), port, ready.port)
    (folder / "conf").write_text(text)
    with (folder / "said").open("wb") as said:
        program = await asyncio.create_subprocess_exec(
            *command, str(folder / "conf"), stdout=said, stderr=said, env={**os.environ, "HOME": str(folder)}
        )
    try:
        proxy = Proxy(port, authority)
        async with asyncio.timeout(PATIENCE), proxy.at("127.0.0.1") as session:
            while not await answers(session):
                assert program.returncode is None, (folder / "said").read_text()
                await asyncio.sleep(0.05)
        yield proxy
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()


async def answers(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/healthz") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


@pytest.mark.parametrize(("language", "setting"), [("nginx", nginx), ("caddy", caddy), ("haproxy", haproxy)])
async def test_who_is_asking_is_who_came_to_the_proxy(tmp_path: Path, language: str, setting: Setting) -> None:
    options = settings(tmp_path, http=True, trusted_proxies=("127.0.0.1/32",), url="https://clicker.example")
    async with (
        running(options) as ready,
        in_front(ready, tmp_path / language, language, setting) as proxy,
        proxy.at(EVE) as eve,
    ):
        async with eve.get("/leaktest/seen") as answer:
            assert (await answer.json())["address"] == EVE
        for name, value in SPOOFED.items():
            for values in ([value], [value, value], [f"{value}, "]):
                headers = [(name, each) for each in values]
                async with eve.get("/leaktest/seen", headers=headers) as answer:
                    assert (await answer.json())["address"] == EVE, headers
        async with eve.ws_connect("/ws", headers=SPOOFED, origin=proxy.base) as ws:
            await ws.send_json({"type": "join", "v": 1, "link": LINK, "token": "A" * 22})
            assert (await ws.receive_json())["code"] == "link_unknown"
        for origin in ("https://evil.example", "null"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await eve.ws_connect("/ws", origin=origin)
            assert refused.value.status == 403
        async with eve.post("/ws", data=b"", headers=SPOOFED) as answer:
            assert answer.status == 200 and "Slidewire-Socket" in answer.headers


@pytest.mark.parametrize(("language", "setting"), [("nginx", nginx), ("haproxy", haproxy)])
async def test_a_name_that_is_not_ours_is_not_answered_through_it_either(
    tmp_path: Path, language: str, setting: Setting
) -> None:
    """Caddy does not even ask us."""
    options = settings(tmp_path, http=True, trusted_proxies=("127.0.0.1/32",), url="https://clicker.example")
    async with (
        running(options) as ready,
        in_front(ready, tmp_path / language, language, setting) as proxy,
        proxy.at(EVE) as eve,
    ):
        for host, status in (("clicker.example", 200), ("evil.example", 421)):
            async with eve.get("/healthz", headers={"Host": host}) as answer:
                assert answer.status == status
