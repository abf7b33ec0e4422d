"""What the client does, without waiting: each operation is a generator of requests (see `transport`).

Every write has an `Idempotency-Key`, so that repeating it after a broken connection makes nothing twice. Every read
waits for the writes of this client before it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from .. import errors, jsontext, limits
from ..http import Answer, Request
from ..tracing import traceparent
from ..transport import Operation
from . import filters as conditions
from . import shapes
from .positions import AT_ONCE, Positions
from .scope import Scope
from .shapes import Hit, Record, Step, Written

_WRITABLE: Final = ("payload", "namespace", "id", "coordinate", "importance", "embedding", "model_revision")


@dataclass(frozen=True)
class Page:
    """Some items, and where the next begin."""

    items: list[Any]
    cursor: str | None


class Operations:
    """The operations on one service, as one client."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._positions = Positions()

    # Reading and writing in general.

    def settle(self, keep: int = 0) -> Operation[list[str]]:
        """Waits for pending writes until at most `keep` are left, and returns those."""
        pending = self._positions.pending()
        while len(pending) > keep:
            part, pending = pending[:AT_ONCE], pending[AT_ONCE:]
            params = {"namespace": self.namespace, "limit": "1", "after": ",".join(part)}
            yield Request("GET", "/v1/memories", params)
            self._positions.passed(part)
        return pending

    def read(self, path: str, params: Mapping[str, str | None], after: str | None = None) -> Operation[Any]:
        """A GET that sees this client's writes."""
        pending = yield from self.settle(AT_ONCE)
        waits = [*pending, after] if after else pending
        given = {name: value for name, value in params.items() if value is not None}
        if waits:
            given["after"] = ",".join(waits)
        answer = yield Request("GET", path, given)
        self._positions.passed(pending)
        return answer.body

    def write(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        key: str | None = None,
        wait_stored: bool = False,
    ) -> Operation[Answer]:
        """A write that may be repeated."""
        given = {**(params or {}), **({"wait": "stored"} if wait_stored else {})}
        headers = {"idempotency-key": key or secrets.token_hex(16)}
        if body is not None:
            headers["content-type"] = "application/json"
        if trace := traceparent():
            headers["traceparent"] = trace
        answer: Answer = yield Request(method, path, given, body, headers=headers)
        self._positions.note(answer.body.get("position"))
        return answer

    # The service's own words.

    def remember(self, fields: Mapping[str, Any], key: str | None, wait_stored: bool) -> Operation[Written]:
        body = self._memory(fields)
        answer = yield from self.write("POST", "/v1/memories", body, key=key, wait_stored=wait_stored)
        return Written.of(answer.body)

    def remember_many(
        self, several: Iterable[Mapping[str, Any]], key: str | None, wait_stored: bool
    ) -> Operation[list[Written]]:
        bodies = [self._memory(fields) for fields in several]
        written: list[Written] = []
        failed: dict[int, str] = {}
        key = key or secrets.token_hex(16)
        for first, part in _parts(bodies):
            of_part = key if len(part) == len(bodies) else f"{key}-{first}"
            answer = yield from self.write("POST", "/v1/memories/batch", part, key=of_part, wait_stored=wait_stored)
            for place, item in enumerate(answer.body["items"], first):
                if item["status"] < 400:
                    written.append(Written.of(item))
                else:
                    failed[place] = f"{item['error']['code']}: {item['error']['detail']}"
        if failed:
            what = f"{len(failed)} of {len(bodies)} memories were refused: {next(iter(failed.values()))}"
            raise errors.DeliveryError(what, failed=failed)
        return written

    def fetch(self, memory_id: str) -> Operation[Record]:
        body = yield from self.read(_target(memory_id), {})
        return Record.of(body)

    def replace(
        self, memory_id: str, fields: Mapping[str, Any], namespace: str | None, key: str | None
    ) -> Operation[Written]:
        yield from self.settle()
        body = {name: value for name, value in fields.items() if name == "payload" or value is not None}
        params = {"namespace": namespace} if namespace else {}
        answer = yield from self.write("PUT", _target(memory_id), body, params=params, key=key)
        return Written.of(answer.body)

    def forget(
        self, memory_id: str, namespace: str | None, key: str | None, wait_stored: bool = False
    ) -> Operation[Written]:
        yield from self.settle()
        params = {"namespace": namespace} if namespace else {}
        answer = yield from self.write("DELETE", _target(memory_id), params=params, key=key, wait_stored=wait_stored)
        return Written.of(answer.body)

    def recall(self, question: Mapping[str, Any]) -> Operation[list[Hit]]:
        body = {name: value for name, value in question.items() if value is not None}
        if not {"namespace", "namespaces", "namespace_prefix"}.intersection(body):
            body["namespace"] = self.namespace
        pending = yield from self.settle(AT_ONCE)
        if pending:
            body["after"] = pending
        answer = yield Request("POST", "/v1/recall", body=body, headers={"content-type": "application/json"})
        self._positions.passed(pending)
        return [Hit.of(hit) for hit in answer.body["hits"]]

    def page(self, params: Mapping[str, str | None], cursor: str | None) -> Operation[Page]:
        """A page of a list of memories."""
        body = yield from self.read("/v1/memories", {**params, "cursor": cursor})
        return Page([Record.of(item) for item in body["items"]], body["next_cursor"])

    def steps(self, memory_id: str, cursor: str | None) -> Operation[Page]:
        """A page of a history."""
        params = {"limit": str(limits.PAGE_MAX), "cursor": cursor}
        body = yield from self.read(f"{_target(memory_id)}/history", params)
        return Page([Step(**item) for item in body["items"]], body["next_cursor"])

    def namespaces(self, prefix: str, cursor: str | None) -> Operation[Page]:
        """A page of namespaces, each with the number of its memories."""
        params = {"prefix": prefix or None, "limit": str(limits.PAGE_MAX), "cursor": cursor}
        body = yield from self.read("/v1/namespaces", params)
        return Page([(item["namespace"], item["memories"]) for item in body["items"]], body["next_cursor"])

    def forget_selected(
        self, namespace: str, condition: conditions.Filter | None, key: str | None, wait_stored: bool
    ) -> Operation[int]:
        params = {"namespace": namespace} | ({"filter": jsontext.dumps(condition)} if condition else {})
        answer = yield from self.write("DELETE", "/v1/memories", params=params, key=key, wait_stored=wait_stored)
        return int(answer.body["deleted"])

    # The words that memory libraries share.

    def add(
        self, messages: shapes.Messages, scope: Scope, metadata: Mapping[str, Any] | None, key: str | None
    ) -> Operation[shapes.AddResult]:
        payloads = shapes.payloads_of(messages, metadata, scope.fields())
        several = [{"payload": payload, "namespace": scope.namespace} for payload in payloads]
        if len(several) == 1:
            written = [(yield from self.remember(several[0], key, False))]
        else:
            written = yield from self.remember_many(several, key, False)
        results: list[shapes.Added] = [
            {"id": one.id, "memory": payload["text"], "event": "ADD"}
            for one, payload in zip(written, payloads, strict=True)
        ]
        return {"results": results}

    def search(
        self, query: str, scope: Scope, filters: Mapping[str, Any] | None, limit: int, threshold: float | None
    ) -> Operation[shapes.Items]:
        question = {"query": query, "filter": scope.filter(filters), **scope.place()}
        asked = limit
        while True:
            hits = yield from self.recall({**question, "top_k": min(asked, limits.TOP_K_MAX)})
            ours = [hit for hit in hits if scope.holds(hit.namespace)][:limit]
            if len(ours) == limit or len(hits) < asked or asked >= limits.TOP_K_MAX:
                break
            asked *= 4
        good = [hit for hit in ours if threshold is None or hit.score >= threshold]
        return {"results": [shapes.item_of(hit) for hit in good]}

    def listed(self, scope: Scope, filters: Mapping[str, Any] | None, limit: int) -> Callable[..., Operation[Page]]:
        """Pages of the memories of a scope, newest first."""
        condition = scope.filter(filters)
        params = {
            **scope.place(),
            "filter": jsontext.dumps(condition) if condition else None,
            "limit": str(min(limit, limits.PAGE_MAX)),
        }

        def page(cursor: str | None) -> Operation[Page]:
            found = yield from self.page(params, cursor)
            return Page([shapes.item_of(one) for one in found.items if scope.holds(one.namespace)], found.cursor)

        return page

    def update(
        self, memory_id: str, data: str | Mapping[str, Any], metadata: Mapping[str, Any] | None, key: str | None
    ) -> Operation[shapes.Done]:
        record = yield from self.fetch(memory_id)
        payload: Any = dict(record.payload) if isinstance(record.payload, dict) else {}
        if isinstance(data, str):
            payload["text"] = data
        else:
            payload |= data
        if metadata is not None:
            payload["metadata"] = dict(metadata)
        yield from self.replace(memory_id, {"payload": payload, "importance": record.importance}, None, key)
        return {"message": "Memory updated successfully!"}

    def delete_all(
        self, scope: Scope, filters: Mapping[str, Any] | None, key: str | None, wait_stored: bool
    ) -> Operation[shapes.Done]:
        yield from self.settle()
        condition, deleted = scope.filter(filters), 0
        places = [scope.namespace]
        if scope.is_wide:
            places += yield from gather(lambda cursor: self.namespaces(f"{scope.base}/", cursor), lambda one: one[0])
        for place in places:
            deleted += yield from self.forget_selected(place, condition, key, wait_stored)
        return {"message": "Memories deleted successfully!", "deleted": deleted}

    def history(self, memory_id: str) -> Operation[list[shapes.Change]]:
        steps = yield from gather(lambda cursor: self.steps(memory_id, cursor), lambda step: step)
        return shapes.changes_of(memory_id, steps)

    def _memory(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        unknown = next((name for name in fields if name not in _WRITABLE), None)
        if unknown is not None:
            raise errors.BadRequest(
                f"a memory has no {unknown}", field=unknown, remedy=f"it has {', '.join(_WRITABLE)}"
            )
        body = {name: value for name, value in fields.items() if name == "payload" or value is not None}
        return {"namespace": self.namespace, **body}


def gather(
    page: Callable[[str | None], Operation[Page]], take: Callable[[Any], Any], most: int | None = None
) -> Generator[Request, Answer, list[Any]]:
    """The items of all pages, or the first of them."""
    found: list[Any] = []
    cursor: str | None = None
    while True:
        some = yield from page(cursor)
        found += [take(item) for item in some.items]
        cursor = some.cursor
        if cursor is None or (most is not None and len(found) >= most):
            return found if most is None else found[:most]


def _target(memory_id: str) -> str:
    if not isinstance(memory_id, str) or not memory_id:
        raise errors.BadRequest("the id of a memory is a text", field="memory_id")
    return f"/v1/memories/{quote(memory_id, safe='')}"


def _parts(bodies: Sequence[dict[str, Any]]) -> Generator[tuple[int, list[dict[str, Any]]], None, None]:
    """Where each request begins, and what goes into it."""
    first, size = 0, 0
    part: list[dict[str, Any]] = []
    for place, body in enumerate(bodies):
        jsontext.check(body)
        weight = len(jsontext.dumps(body))
        if part and (len(part) == limits.BATCH_ITEMS_MAX or size + weight > limits.REQUEST_BYTES):
            yield first, part
            first, part, size = place, [], 0
        part.append(body)
        size += weight
    if part:
        yield first, part
