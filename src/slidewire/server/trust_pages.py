"""Pages that the server writes itself: what this is, and how a phone is told to trust the server's own authority."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files
from typing import Final

from aiohttp import web

from slidewire.aio.http import Handler
from slidewire.system.certificates import LocalCertificates

_STYLE: Final = (files("slidewire.server") / "slidewire.css").read_bytes()
_STYLE_INTEGRITY: Final = f"sha384-{base64.b64encode(hashlib.sha384(_STYLE).digest()).decode()}"

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="stylesheet" href="/slidewire.css" integrity="{integrity}"></head><body><main>
"""
_FOOT = "</main></body></html>\n"

_WELCOME = """<h1>Slidewire</h1>
<p>This server connects presenters with the computer that shows their slides. It cannot read what they say to each
other.</p>
<p>To present, open the link or scan the code that the host gave you. To run a show of your own, install
<code>slidewire</code> on the computer with the slides and run <code>slidewire host --server {origin}</code>.</p>
<p>Does your phone warn about this server's certificate? <a href="/trust">How to trust it</a>.</p>
"""

_NOT_HERE = """<h1>There is no such page here</h1>
<p>To present, open the whole link again, or scan the code: the host gave you both.
<a href="/">What this server is</a>.</p>
"""

_NOT_ME = """<h1>Not by this name</h1>
<p>This server does not go by the name in the address bar. To present, open the whole link again, or scan the code.</p>
<p>You run this server? Start it with <code>--host-name NAME</code> for each further name it is reached by.</p>
"""

_TRUST = """<h1>Trust this server</h1>
<p>This server made its certificate itself. A phone or computer believes it once it trusts the server's authority,
which is limited: it can vouch for addresses and names on local networks and for this machine, not for any other
site.</p>
<p><a class="button" href="/ca.crt" download>Get the authority's certificate</a></p>
<p>Before you trust it, compare its SHA-256 fingerprint with the one the server's operator tells you or its terminal
shows:</p>
<p><code class="fingerprint">{fingerprint}</code></p>
<h2>iPhone and iPad</h2>
<ol><li>Open this page in Safari, tap the button above and allow the download.</li>
<li>Settings, General, VPN &amp; Device Management: tap the Slidewire profile, then Install.</li>
<li>Settings, General, About, Certificate Trust Settings: switch the Slidewire authority on. Without this step it is
installed but not trusted.</li></ol>
<h2>Android</h2>
<ol><li>Tap the button above.</li>
<li>Settings, Security (or Security &amp; privacy), More security settings, Encryption &amp; credentials, Install a
certificate, CA certificate: confirm, and choose the downloaded file.</li></ol>
<h2>macOS</h2>
<ol><li>Open the downloaded file; Keychain Access adds it to the login keychain.</li>
<li>Double-click it there, open Trust, and choose Always Trust for Secure Sockets Layer.</li></ol>
<h2>Windows</h2>
<ol><li>Open the downloaded file, Install Certificate, Current User.</li>
<li>Place it in the store Trusted Root Certification Authorities.</li></ol>
<h2>Linux</h2>
<ol><li>Chrome and Chromium: Settings, Privacy and security, Security, Manage certificates: import it under your own
trusted certificates.</li>
<li>For the whole system on Debian: save <a href="/ca.pem" download>ca.pem</a> as
<code>/usr/local/share/ca-certificates/slidewire.crt</code> and run <code>sudo update-ca-certificates</code>.</li></ol>
<h2>Firefox, on any computer</h2>
<ol><li>Settings, Privacy &amp; Security, Certificates, View Certificates, Authorities, Import: choose the file and tick
that it may identify websites.</li></ol>
<h2>slidewire itself</h2>
<p>Programs of the same user on the server's machine trust it already. Elsewhere: <code>--ca ca.pem</code>.</p>
<p>To undo all this, remove the certificate in the same place.</p>
"""

_NOTHING = """<h1>Nothing to do</h1>
<p>This server has not made a certificate of its own: it uses one it was given, or a proxy in front of it does. If your
browser warns about it, tell the server's operator.</p>
"""


def _page(title: str, body: str, status: int = 200) -> web.Response:
    text = _HEAD.format(title=escape(title), integrity=_STYLE_INTEGRITY) + body + _FOOT
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


async def welcome(request: web.Request) -> web.Response:
    return _page("Slidewire", _WELCOME.format(origin=escape(f"{request.scheme}://{request.host}")))


@web.middleware
async def words_for_people(request: web.Request, handler: Handler) -> web.StreamResponse:
    """An unknown address is answered with a page in a browser, and with JSON to programs and in the API."""
    response = await handler(request)
    asked_for_page = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", "")
    if asked_for_page and not request.path.startswith("/api/"):
        if response.status == 404:
            return _page("Not here", _NOT_HERE, status=404)
        if response.status == 421:
            return _page("Not this server", _NOT_ME, status=421)
    return response


class TrustPages:
    def __init__(self, certificates: LocalCertificates | None) -> None:
        self._certificates = certificates

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/trust", self._explain),
            web.get("/ca.crt", self._der),
            web.get("/ca.pem", self._pem),
            web.get("/slidewire.css", _style),
        ]

    async def _explain(self, request: web.Request) -> web.Response:
        if self._certificates is None:
            return _page("Trust", _NOTHING)
        fingerprint = escape(self._certificates.authority.fingerprint)
        return _page("Trust this server", _TRUST.format(fingerprint=fingerprint))

    async def _der(self, request: web.Request) -> web.Response:
        return self._file("slidewire-authority.crt", "application/x-x509-ca-cert", der=True)

    async def _pem(self, request: web.Request) -> web.Response:
        return self._file("slidewire-authority.pem", "application/x-pem-file", der=False)

    def _file(self, name: str, media_type: str, *, der: bool) -> web.Response:
        if self._certificates is None:
            raise web.HTTPNotFound(text="This server has no authority of its own.")
        authority = self._certificates.authority
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=authority.der if der else authority.pem, content_type=media_type, headers=headers)


async def _style(request: web.Request) -> web.Response:
    return web.Response(body=_STYLE, content_type="text/css", charset="utf-8")
