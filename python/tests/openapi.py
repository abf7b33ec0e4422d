"""Holds every request and every answer to `docs/openapi.json`, on their way to the real service."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx
from jsonschema import Draft202012Validator

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "openapi.json").read_text("utf-8")
)
_CONNECTION = {"host", "accept", "accept-encoding", "connection", "user-agent", "authorization"}
_BODY = {"content-length", "content-type"}


def validator(*pointer: str) -> Draft202012Validator:
    """A validator of the schema at that place of the document."""
    steps = "/".join(step.replace("~", "~0").replace("/", "~1") for step in pointer)
    return Draft202012Validator({**DOCUMENT, "$ref": f"#/{steps}"})


def _compiled() -> list[tuple[re.Pattern[str], str, dict[str, Any]]]:
    found = []
    for template, methods in DOCUMENT["paths"].items():
        pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template)))
        found.append((pattern, template, methods))
    return sorted(found, key=lambda one: one[1].count("{"))


PATHS = _compiled()


class Ledger:
    """Which operations were seen; it refuses what the document does not know."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def check_request(self, request: httpx.Request) -> tuple[str, str, dict[str, Any]]:
        path, _, query = request.url.raw_path.decode().partition("?")
        matches = ((pattern.fullmatch(path), template, methods) for pattern, template, methods in PATHS)
        match, template, methods = next((m, t, ms) for m, t, ms in matches if m)
        method = request.method.lower()
        operation = methods[method]
        self.seen.add(operation["operationId"])
        given = {("query", name): value for name, value in parse_qsl(query, keep_blank_values=True)}
        given |= {("path", name): unquote(value) for name, value in match.groupdict().items()}
        for name, value in request.headers.items():
            if name not in _CONNECTION | _BODY:
                given[("header", name)] = value
        for index, parameter in enumerate(operation.get("parameters", [])):
            name = parameter["name"].lower() if parameter["in"] == "header" else parameter["name"]
            value = given.pop((parameter["in"], name), None)
            if value is None:
                assert not parameter.get("required"), f"{method} {template} lacks {name}"
                continue
            at = ["paths", template, method, "parameters", str(index)]
            if "content" in parameter:
                validator(*at, "content", "application/json", "schema").validate(json.loads(value))
            else:
                kind = parameter["schema"].get("type")
                validator(*at, "schema").validate(int(value) if kind == "integer" else value)
        assert not given, f"{method} {template} does not know {sorted(given)}"
        body = operation.get("requestBody")
        assert bool(request.content) == bool(body), f"{method} {template} has a body, or lacks one"
        if body:
            media = request.headers["content-type"]
            at = ["paths", template, method, "requestBody", "content", media, "schema"]
            text = request.content.decode()
            # The document describes lines as text; each is an item of the array that it takes as well.
            values = [text] if media == "application/x-ndjson" else [json.loads(text)]
            for value in values:
                validator(*at).validate(value)
            if media == "application/x-ndjson":
                at[5] = "application/json"
                validator(*at).validate([json.loads(line) for line in text.splitlines()])
        return template, method, operation

    def check_response(self, template: str, method: str, operation: dict[str, Any], response: httpx.Response) -> None:
        status = str(response.status_code)
        name = status if status in operation["responses"] else "default"
        assert name in operation["responses"], f"{method} {template} does not answer {status}"
        (media,) = operation["responses"][name]["content"]
        at = ["paths", template, method, "responses", name, "content", media, "schema"]
        validator(*at).validate(response.json())


class Checked(httpx.BaseTransport):
    """A transport that is checked on both ways."""

    def __init__(self, ledger: Ledger) -> None:
        self._inner, self._ledger = httpx.HTTPTransport(), ledger

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        known = self._ledger.check_request(request)
        response = self._inner.handle_request(request)
        response.read()
        self._ledger.check_response(*known, response)
        return response

    def close(self) -> None:
        self._inner.close()
