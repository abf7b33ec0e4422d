"""A LangGraph store on the service: `SomaStore`, for `builder.compile(store=…)`.

A namespace `("users", "ana")` is the service's namespace `langgraph/users/ana/`: the slash at its end keeps
`("users", "an")` from being a prefix of it. A key is a place in its namespace: the memory has the coordinate that
follows from the key, so that a `put` there replaces what is there. The payload is `{"key": …, "value": …}`.

Everything in a value can be searched, whatever `index` lists; with `index=False` an item is left out of searches that
ask a question. Items do not expire.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx
from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from . import derive, errors, jsontext, limits
from .client import filters as conditions
from .client.operations import Operations, Page, gather
from .client.shapes import Hit, Record, moment
from .http import Service
from .transport import AsyncTransport, Operation, Transport

Namespace = tuple[str, ...]
_SAFE: Final = " !#$&'()*+,-.:;<=>?@[]^_`{|}~"
_OPERATORS: Final = {"$eq": "eq", "$ne": "ne", "$gt": "gt", "$gte": "gte", "$lt": "lt", "$lte": "lte"}


class SomaStore(BaseStore):
    """Long-term memory of graphs, kept by the service.

    `url` and `token` default to `SOMA_URL` and `SOMA_API_TOKEN`, then to the service on this machine. All namespaces
    lie under `root`. Reads see the writes that were made through the same store.
    """

    supports_ttl = False

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        root: str = "langgraph",
        timeout: float = 30.0,
        attempts: int = 4,
        transport: httpx.BaseTransport | None = None,
        async_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if not root or "/" in root:
            raise errors.BadRequest("the root is a text without a slash", field="root")
        service = Service.of(url, token)
        self._root = root
        self._operations = Operations(f"{root}/")
        self._transport = Transport(service, timeout, attempts, transport)
        self._async_transport = AsyncTransport(service, timeout, attempts, async_transport)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Runs operations: reads first, then writes, of which the last on each key counts."""
        return self._transport.run(self._batch(list(ops)))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """As `batch`, for asyncio."""
        return await self._async_transport.run(self._batch(list(ops)))

    def close(self) -> None:
        """Closes its connections."""
        self._transport.close()

    async def aclose(self) -> None:
        """Closes the connections that asyncio uses."""
        await self._async_transport.close()

    def _batch(self, ops: Sequence[Op]) -> Operation[list[Result]]:
        results: list[Result] = []
        puts: dict[tuple[Namespace, str], PutOp] = {}
        for op in ops:
            if isinstance(op, GetOp):
                results.append((yield from self._get(op)))
            elif isinstance(op, SearchOp):
                results.append((yield from self._search(op)))
            elif isinstance(op, ListNamespacesOp):
                results.append((yield from self._list_namespaces(op)))
            elif isinstance(op, PutOp):
                puts[(op.namespace, op.key)] = op
                results.append(None)
            else:
                raise errors.BadRequest(f"{type(op).__name__} is no operation of a store")
        yield from self._put(puts.values())
        return results

    def _get(self, op: GetOp) -> Operation[Item | None]:
        try:
            record = yield from self._operations.fetch(self._id(op.namespace, op.key))
        except errors.NotFound:
            return None
        return Item(**self._fields(record))

    def _put(self, puts: Iterable[PutOp]) -> Operation[None]:
        several = list(puts)
        kept = [self._memory(op) for op in several if op.value is not None]
        if len(kept) == 1:
            yield from self._operations.remember(kept[0], None, False)
        elif kept:
            yield from self._operations.remember_many(kept, None, False)
        for op in several:
            if op.value is None:
                try:
                    yield from self._operations.forget(self._id(op.namespace, op.key), self._name(op.namespace), None)
                except errors.SchemaViolation as error:
                    # Nothing was ever stored there, so the service does not know the derived id.
                    if error.field != "id":
                        raise
                except errors.NotFound:
                    pass

    def _search(self, op: SearchOp) -> Operation[list[SearchItem]]:
        wanted = op.offset + op.limit
        found: list[Any] = []
        if wanted <= 0:
            return []
        parts = [_condition(name, value) for name, value in (op.filter or {}).items()]
        prefix = self._name(op.namespace_prefix)
        if op.query:
            parts.append({"not": conditions.equals("index", False)})
            question = {
                "query": op.query,
                "namespace_prefix": prefix,
                "top_k": min(wanted, limits.TOP_K_MAX),
                "filter": conditions.every(parts),
            }
            found = yield from self._operations.recall(question)
        else:
            found = yield from gather(self._pages(prefix, conditions.every(parts), wanted), lambda one: one, wanted)
        return [self._found(record) for record in found[op.offset : wanted]]

    def _pages(
        self, prefix: str, condition: conditions.Filter | None, wanted: int
    ) -> Callable[[str | None], Operation[Page]]:
        params = {
            "namespace_prefix": prefix,
            "filter": jsontext.dumps(condition) if condition else None,
            "limit": str(min(wanted, limits.PAGE_MAX)),
        }
        return lambda cursor: self._operations.page(params, cursor)

    def _list_namespaces(self, op: ListNamespacesOp) -> Operation[list[Namespace]]:
        root = self._name(())
        names = yield from gather(lambda cursor: self._operations.namespaces(root, cursor), lambda one: one[0])
        all_ = [self._path(name) for name in names]
        kept = [path for path in all_ if all(_matches(path, one) for one in op.match_conditions or ())]
        if op.max_depth is not None:
            kept = [path[: op.max_depth] for path in kept]
        return sorted(set(kept))[op.offset : op.offset + op.limit]

    def _memory(self, op: PutOp) -> dict[str, Any]:
        payload: dict[str, Any] = {"key": op.key, "value": dict(op.value or {})}
        if op.index is False:
            payload["index"] = False
        return {"namespace": self._name(op.namespace), "coordinate": _coordinate(op.key), "payload": payload}

    def _id(self, namespace: Namespace, key: str) -> str:
        return derive.coordinate_id(self._name(namespace), _coordinate(key))

    def _name(self, namespace: Namespace) -> str:
        return "".join(f"{_label(part)}/" for part in (self._root, *namespace))

    def _path(self, name: str) -> Namespace:
        return tuple(unquote(part) for part in name.split("/")[1:-1])

    def _found(self, record: Record) -> SearchItem:
        return SearchItem(**self._fields(record), score=record.score if isinstance(record, Hit) else None)

    def _fields(self, record: Record) -> dict[str, Any]:
        return {
            "value": record.payload["value"],
            "key": record.payload["key"],
            "namespace": self._path(record.namespace),
            "created_at": moment(record.created_at),
            "updated_at": moment(record.updated_at),
        }


def _label(part: str) -> str:
    return "".join(c if ord(c) > 0xA0 else quote(c, safe=_SAFE) for c in part)


def _coordinate(key: str) -> list[float]:
    """Eight whole numbers that follow from the key."""
    return [float(number) for number in struct.unpack(">8I", hashlib.sha256(key.encode()).digest())]


def _condition(name: str, value: Any, *within: str) -> conditions.Filter:
    """A field of the value is as the filter says: equal, compared, or an object with such fields."""
    steps = ("value", *within, name)
    field = conditions.path(*steps)
    if isinstance(value, Mapping):
        if any(operator.startswith("$") for operator in value):
            return conditions.every([_compared(field, operator, operand) for operator, operand in value.items()]) or {}
        inner = [_condition(key, one, *within, name) for key, one in value.items()]
        return conditions.every(inner) or {"field": field, "exists": True}
    if isinstance(value, (list, tuple)):
        # A field that holds an array matches if any element does, so every element must be there.
        return conditions.every([{"field": field, "eq": one} for one in value]) or {"field": field, "exists": True}
    return {"field": field, "eq": value}


def _compared(field: str, operator: str, operand: Any) -> conditions.Filter:
    known = _OPERATORS.get(operator)
    if known is None:
        raise errors.BadFilter(f"{operator} is no comparison", field="filter", remedy=f"use {', '.join(_OPERATORS)}")
    condition = {"field": field, "eq" if known == "ne" else known: operand}
    return {"not": condition} if known == "ne" else condition


def _matches(path: Namespace, condition: MatchCondition) -> bool:
    """Whether a namespace begins, or ends, with a path in which `*` stands for any label."""
    wanted = tuple(condition.path)
    if len(path) < len(wanted):
        return False
    part = path[: len(wanted)] if condition.match_type == "prefix" else path[len(path) - len(wanted) :]
    return all(label in ("*", own) for label, own in zip(wanted, part, strict=True))
