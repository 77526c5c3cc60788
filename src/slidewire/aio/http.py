"""Serving the web pages: files, the headers that keep a page to itself, and errors in one shape.

The presenter's secret sits in the page's URL fragment, so a page loads nothing from anywhere else, runs no inline
code, makes neither code nor markup of strings (Trusted Types, with no policy that could allow it), sends no referrer,
and is in no other page's frame.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import http_exceptions, web

log = logging.getLogger(__name__)
below = logging.getLogger(f"{__name__}.below")
"""What the HTTP library says of what never became a request."""
below.addFilter(
    lambda record: not (record.exc_info and isinstance(record.exc_info[1], http_exceptions.HttpProcessingError))
)  # what a client got wrong is no error of ours: no traceback, and no address, in the log

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


def permissions(*granted: str) -> str:
    """A `Permissions-Policy`: what a page may ask its visitor for. Frames in it get nothing."""
    asked = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
    return ", ".join(f"{name}=({'self' if name in granted else ''})" for name in asked)


SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": permissions(),
    "X-Permitted-Cross-Domain-Policies": "none",
}

NO_STORE: Final = "no-store"
REVALIDATE: Final = "no-cache"
IMMUTABLE: Final = "public, max-age=31536000, immutable"


_KEPT: Final = frozenset({"Retry-After", "X-RateLimit-Remaining", "Allow"})


def error_response(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"statusCode": status, "message": message, "code": code}
    return web.json_response(body, status=status, headers={"Cache-Control": NO_STORE, **(headers or {})})


@web.middleware
async def one_shape_of_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is answered as `{"statusCode", "message", "code"}`; ours is logged, never shown."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        phrase = HTTPStatus(error.status).phrase
        plain = not error.text or error.text.startswith(f"{error.status}:")
        message = f"{phrase}." if plain else str(error.text)
        kept = {name: value for name, value in error.headers.items() if name in _KEPT}
        return error_response(error.status, phrase.lower().replace(" ", "_"), message, kept)
    except Exception:
        log.exception("a request failed")  # without its path: the path of a page names a link
        return error_response(500, "internal_error", "The server made a mistake; its log says more.")


async def add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """A signal handler (`app.on_response_prepare`): every answer gets them, errors and files too."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", NO_STORE)
    response.headers.pop("Server", None)


class Pages:
    """The built web pages in one folder: `NAME.html`, what lies beside them, and `assets/` with hashed names.

    What there is, is looked up once. A request names a row of that table or nothing, and never a path.
    """

    def __init__(self, folder: Path) -> None:
        self._beside = _files(folder)
        self._assets = _files(folder / "assets")

    @property
    def built(self) -> bool:
        return "presenter.html" in self._beside

    def page(self, name: str, *granted: str) -> Handler:
        """`granted`: what this page may ask its visitor for, of `permissions`."""
        headers = {"Cache-Control": NO_STORE, "Permissions-Policy": permissions(*granted)}
        path = self._beside.get(f"{name}.html")

        async def show(request: web.Request) -> web.StreamResponse:
            if path is None:
                text = "The web pages are not built. Run ./run in the clone, or install the package; then start again."
                return error_response(503, "pages_missing", text)
            return web.FileResponse(path, headers=headers)

        return show

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """Names carry a hash of the content: they may be kept for ever."""
        return _file(self._assets, request.match_info["name"], IMMUTABLE)

    async def beside(self, request: web.Request) -> web.StreamResponse:
        """Manifest, icon, service worker: fixed names, asked for again each time."""
        name = request.match_info["name"]
        if name.endswith((".html", ".gz", ".br")):
            raise web.HTTPNotFound
        return _file(self._beside, name, REVALIDATE)


def _files(folder: Path) -> dict[str, Path]:
    """By name, without hidden ones."""
    if not folder.is_dir():
        return {}
    return {path.name: path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}


def _file(known: dict[str, Path], name: str, cache: str) -> web.StreamResponse:
    path = known.get(name)
    if path is None:
        raise web.HTTPNotFound(text="There is no such page here.")
    return web.FileResponse(path, headers={"Cache-Control": cache})  # aiohttp sends NAME.br or NAME.gz if it may
