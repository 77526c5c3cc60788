"""Every answer of the server keeps its page to itself: whatever path, whoever asks, whatever comes of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import ssl
import warnings
from pathlib import Path
from ssl import TLSVersion
from typing import Any

import pytest

from slidewire.aio.http import CONTENT_SECURITY_POLICY
from tests.server.certificates import make_certificate
from tests.server.operators import office
from tests.server.test_server import browser, running, settings

PAGES = ("presenter", "operator", "deck", "program", "account")
WANTED = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
}


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    (folder / "assets").mkdir(parents=True)
    for name in PAGES:
        (folder / f"{name}.html").write_text(f"<!doctype html><title>{name}</title>")
    (folder / "assets" / "app-0123abcd.js").write_text("'use strict'")
    (folder / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return folder


def test_the_policy_lets_nothing_in() -> None:
    rules = {name: sources for name, *sources in (rule.split() for rule in CONTENT_SECURITY_POLICY.split(";"))}
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == ["'none'"]
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == ["'self'"]
    every = {source for sources in rules.values() for source in sources}
    assert every == {"'none'", "'self'", "data:", "blob:", "'script'"}
    for name, sources in rules.items():
        assert name in ("img-src", "media-src") or not {"data:", "blob:"} & set(sources)
    # No string becomes code or markup, and no script may make an exception of that.
    assert rules["require-trusted-types-for"] == ["'script'"] and rules["trusted-types"] == ["'none'"]


async def test_whatever_is_asked(tmp_path: Path, pages: Path) -> None:
    async with office(tmp_path, pages_dir=pages) as here:
        asked: list[tuple[str, str, int]] = [
            ("GET", "/", 200), ("GET", "/p/abcdefgh23", 200), ("GET", "/operator", 200), ("GET", "/deck", 200),
            ("GET", "/program", 200),
            ("GET", "/account", 200), ("GET", "/assets/app-0123abcd.js", 200), ("GET", "/icon.svg", 200),
            ("GET", "/trust", 200), ("GET", "/slidewire.css", 200), ("GET", "/ca.pem", 404), ("GET", "/healthz", 200),
            ("GET", "/readyz", 200), ("GET", "/api/openapi.json", 200), ("GET", "/api/auth/session", 200),
            ("GET", "/api/connections/rooms/NOROOM", 404), ("POST", "/api/auth/token", 415), ("GET", "/nothing", 404),
            ("GET", "/ws", 400), ("POST", "/operator", 405), ("OPTIONS", "/api/auth/token", 405),
            ("HEAD", "/operator", 200),
        ]  # fmt: skip
        for method, path, status in asked:
            found, headers, _ = await here.tell(method, path)
            assert found == status, path
            assert {name: headers.get(name) for name in WANTED} == WANTED, path
            assert "Server" not in headers and "Access-Control-Allow-Origin" not in headers, path
            assert "Strict-Transport-Security" not in headers
            if "/api/" in path or path in ("/account", "/operator", "/p/abcdefgh23"):
                assert headers["Cache-Control"] == "no-store", path


async def test_only_who_sends_a_camera_or_a_voice_may_ask_for_it(tmp_path: Path, pages: Path) -> None:
    nothing = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    wanted = {
        "/p/abcdefgh23": nothing.replace("camera=()", "camera=(self)").replace("microphone=()", "microphone=(self)"),
        "/operator": nothing.replace("microphone=()", "microphone=(self)"),
        **dict.fromkeys(("/deck", "/program", "/account", "/", "/nothing", "/assets/app-0123abcd.js"), nothing),
    }
    async with office(tmp_path, pages_dir=pages) as here:
        for path, policy in wanted.items():
            assert (await here.tell("GET", path))[1]["Permissions-Policy"] == policy, path


async def test_who_has_a_certificate_keeps_to_tls(tmp_path: Path) -> None:
    cert, key, _ = make_certificate(tmp_path, "one")
    async with (
        running(settings(tmp_path, tls_cert=cert, tls_key=key)) as ready,
        browser(ready) as web,
        web.get("/healthz", ssl=False) as answer,
    ):
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_old_versions_of_tls_are_not_spoken(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as ready:
        for version, spoken in ((TLSVersion.TLSv1_1, False), (TLSVersion.TLSv1_2, True), (TLSVersion.TLSv1_3, True)):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_ciphers("ALL:@SECLEVEL=0")  # so that it is not this end that refuses
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
                context.minimum_version = context.maximum_version = version
            if spoken:
                _, writer = await asyncio.open_connection("127.0.0.1", ready.port, ssl=context)
                assert writer.get_extra_info("ssl_object").version() == version.name.replace("_", ".")
                writer.close()
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await asyncio.open_connection("127.0.0.1", ready.port, ssl=context)


async def test_plain_http_is_not_answered_where_tls_is_spoken(tmp_path: Path) -> None:
    """No redirect: a program that forgot the s would never notice what it sends in the clear."""
    async with running(settings(tmp_path)) as ready:
        reader, writer = await asyncio.open_connection("127.0.0.1", ready.port)
        writer.write(b"GET /api/auth/session HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = b""
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                said = await reader.read()
        assert b"HTTP/" not in said
        writer.close()


async def test_no_key_exchange_without_forward_secrecy(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as ready:
        for ciphers, spoken in (("kRSA", False), ("3DES:RC4", False), ("ECDHE+AESGCM", True)):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.maximum_version = TLSVersion.TLSv1_2
            try:
                context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
            except ssl.SSLError:
                assert not spoken  # this end has forgotten them, too
                continue
            if spoken:
                _, writer = await asyncio.open_connection("127.0.0.1", ready.port, ssl=context)
                writer.close()
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await asyncio.open_connection("127.0.0.1", ready.port, ssl=context)


async def test_the_servers_own_pages_take_their_style_as_it_is(tmp_path: Path) -> None:
    async with running(settings(tmp_path, http=True)) as ready, browser(ready) as web:
        async with web.get("/slidewire.css") as answer:
            style: Any = await answer.read()
        digest = base64.b64encode(hashlib.sha384(style).digest()).decode()
        for path in ("/", "/trust"):
            async with web.get(path) as answer:
                text = await answer.text()
            assert re.findall(r'integrity="([^"]*)"', text) == [f"sha384-{digest}"]
            assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", text)
