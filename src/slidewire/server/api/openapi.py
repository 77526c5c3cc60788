"""The OpenAPI 3.1 document of the API, made of the rows that route it: what is not in the table is not served, and what
is served is in here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from slidewire import __version__
from slidewire.server.accounts.api_keys import Scope
from slidewire.server.api.routes import Endpoint, Error, Fault

_REMAINING: Final = {
    "description": "How many more requests may come at once.",
    "schema": {"type": "integer", "minimum": 0},
}
_RETRY_AFTER: Final = {
    "description": "Seconds to wait before the next one.",
    "schema": {"type": "integer", "minimum": 1},
    "required": True,
}
_MEANS: Final = {
    Scope.READ: "see rooms and who is in them",
    Scope.CONTROL: "remove members, close rooms, tell rooms something",
    Scope.TURN: "get credentials for the relays",
    Scope.ROOMS: "open rooms, where the server requires a key for it",
    Scope.ADMIN: "make, see and revoke API keys",
}


def document(table: Sequence[Endpoint], access_cookie: str) -> dict[str, Any]:
    types = [Error, *(kind for row in table for kind in (row.body, row.answer) if kind is not None)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for row in table:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, by_type)
    scopes = "\n".join(f"- `{scope}`: {meaning}" for scope, meaning in _MEANS.items())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Slidewire",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": f"What a Slidewire server answers to operators and their programs.\n\nScopes:\n\n{scopes}",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token (`swa_…`), an API key (`swk_…`), or the token in the state "
                    "directory's `api-token`. Never in the address.",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": access_cookie,
                    "description": "Of the server's own pages. Requests that change something must also say, as "
                    "browsers do by themselves, that they come from such a page.",
                },
            },
        },
    }


def _operation(row: Endpoint, schema: dict[type[Any], dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": row.summary,
        "operationId": row.handler.__name__.strip("_"),
        "responses": _responses(row, schema),
    }
    parameters = [*_parameters(row.params, "path"), *_parameters(row.query, "query")]
    if parameters:
        operation["parameters"] = parameters
    if row.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(schema[row.body])}
    if row.guarded:
        needed = [] if row.scope is None else [str(row.scope)]
        operation["security"] = [{"bearer": needed}, {"cookie": needed}]
    return operation


def _responses(row: Endpoint, schema: dict[type[Any], dict[str, Any]]) -> dict[str, Any]:
    status = row.status if row.answer is not None else 204
    good: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "headers": {"X-RateLimit-Remaining": {**_REMAINING, "required": True}},
    }
    if row.answer is not None:
        good["content"] = _json(schema[row.answer])
    responses = {str(status): good}
    faults: dict[int, list[Fault]] = {}
    for fault in row.all_faults():
        faults.setdefault(fault.status, []).append(fault)
    for code, several in faults.items():
        said = "\n".join(f"- `{fault.code}`: {fault.text}" for fault in several)
        bad: dict[str, Any] = {"description": said, "content": _json(schema[Error])}
        headers: dict[str, Any] = {"X-RateLimit-Remaining": _REMAINING}
        if code in (429, 503):
            headers["Retry-After"] = _RETRY_AFTER
        if code == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
        responses[str(code)] = {**bad, "headers": headers}
    return responses


def _parameters(kind: type[Any] | None, where: str) -> Iterable[dict[str, Any]]:
    if kind is None:
        return
    (_,), components = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    shape = components[kind.__name__]
    for name, schema in shape["properties"].items():
        required = where == "path" or name in shape.get("required", ())
        plain = {word: value for word, value in schema.items() if word != "default" or not required}
        yield {"name": name, "in": where, "required": required, "schema": plain}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
