"""`Memory`: the client for threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import httpx

from .. import derive, errors
from ..http import Service
from ..settings import Settings
from ..transport import Operation, Transport
from . import shapes
from .arguments import Mode, Order, as_listed, list_params, refuse_everything, refuse_inference
from .filters import Filter
from .operations import Operations, Page, gather
from .scope import Scope
from .shapes import Hit, Record, Written

T = TypeVar("T")


class Memory:
    """Remembers, recalls and forgets through the service.

    `url` and `token` default to `SOMA_URL` and `SOMA_API_TOKEN`, then to the service on this machine; `namespace` to
    `SOMA_MEMORY_NAMESPACE`, then to `default`. A read sees every write that this client made before it. A request is
    repeated, safely, up to `attempts` times within `timeout` seconds. One client may serve many threads.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        namespace: str | None = None,
        timeout: float = 30.0,
        attempts: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        settings = Settings.of_process()
        self._operations = Operations(namespace or settings.text("SOMA_MEMORY_NAMESPACE") or "default")
        self._transport = Transport(Service.of(url, token, settings), timeout, attempts, transport)

    @property
    def namespace(self) -> str:
        """Where it writes unless a call says otherwise."""
        return self._operations.namespace

    def close(self) -> None:
        """Closes its connections."""
        self._transport.close()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # The words that memory libraries share.

    def add(
        self,
        messages: shapes.Messages,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        infer: bool = False,
        namespace: str | None = None,
        idempotency_key: str | None = None,
    ) -> shapes.AddResult:
        """Remembers each message as it is: a text, `{"role": …, "content": …}`, or a list of them.

        Nothing is inferred from messages: there is no model in between.
        """
        refuse_inference(infer)
        scope = Scope(namespace or self.namespace, user_id, agent_id, run_id)
        return self._run(self._operations.add(messages, scope, metadata, idempotency_key))

    def get(self, memory_id: str) -> shapes.Item | None:
        """One memory; `None` when there is none."""
        try:
            return shapes.item_of(self._run(self._operations.fetch(memory_id)))
        except errors.NotFound:
            return None

    def get_all(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        filters: Filter | None = None,
        limit: int = 100,
        namespace: str | None = None,
    ) -> shapes.Items:
        """The newest memories, at most `limit` of them; `iter_all` goes through all."""
        scope, rest = self._scope(namespace, filters, user_id=user_id, agent_id=agent_id, run_id=run_id)
        page = self._operations.listed(scope, rest, limit)
        return {"results": self._run(gather(page, lambda item: item, limit))}

    def iter_all(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        filters: Filter | None = None,
        page_size: int = 100,
        namespace: str | None = None,
    ) -> Iterator[shapes.Item]:
        """Every memory, newest first, fetched page by page."""
        scope, rest = self._scope(namespace, filters, user_id=user_id, agent_id=agent_id, run_id=run_id)
        return self._pages(self._operations.listed(scope, rest, page_size))

    def search(
        self,
        query: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        limit: int | None = None,
        top_k: int | None = None,
        filters: Filter | None = None,
        threshold: float | None = None,
        namespace: str | None = None,
    ) -> shapes.Items:
        """The memories that answer a question, best first: at most `limit` (or `top_k`), else 10."""
        scope, rest = self._scope(namespace, filters, user_id=user_id, agent_id=agent_id, run_id=run_id)
        return self._run(self._operations.search(query, scope, rest, limit or top_k or 10, threshold))

    def update(
        self,
        memory_id: str,
        data: str | Mapping[str, Any],
        *,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> shapes.Done:
        """Changes the text of a memory, or the fields of its payload that `data` names. Raises `NotFound`."""
        return self._run(self._operations.update(memory_id, data, metadata, idempotency_key))

    def delete(self, memory_id: str, *, namespace: str | None = None) -> shapes.Done:
        """Deletes one memory with its history. Raises `NotFound` for an id that nobody has used."""
        self.forget(memory_id, namespace=namespace)
        return {"message": "Memory deleted successfully!"}

    def delete_all(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        filters: Filter | None = None,
        namespace: str | None = None,
        idempotency_key: str | None = None,
        wait_stored: bool = False,
    ) -> shapes.Done:
        """Deletes what a user, an agent or a run has; with `namespace` alone, everything in it."""
        scope, rest = self._scope(namespace, filters, user_id=user_id, agent_id=agent_id, run_id=run_id)
        refuse_everything(scope, namespace)
        return self._run(self._operations.delete_all(scope, rest, idempotency_key, wait_stored))

    def history(self, memory_id: str) -> list[shapes.Change]:
        """What became of a memory, oldest first."""
        return self._run(self._operations.history(memory_id))

    # The service's own words.

    def remember(
        self,
        payload: Any,
        *,
        namespace: str | None = None,
        id: str | None = None,  # noqa: A002
        coordinate: derive.Coordinate | None = None,
        importance: float | None = None,
        embedding: Sequence[float] | None = None,
        model_revision: str | None = None,
        idempotency_key: str | None = None,
        wait_stored: bool = False,
    ) -> Written:
        """Remembers any JSON. `wait_stored` waits until both stores have it, not only the log."""
        fields = {
            "payload": payload,
            "namespace": namespace,
            "id": id,
            "coordinate": as_listed(coordinate),
            "importance": importance,
            "embedding": as_listed(embedding),
            "model_revision": model_revision,
        }
        return self._run(self._operations.remember(fields, idempotency_key, wait_stored))

    def remember_many(
        self, memories: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None, wait_stored: bool = False
    ) -> list[Written]:
        """Remembers many, each with the fields of `remember`. Raises `DeliveryError` when some were refused."""
        return self._run(self._operations.remember_many(memories, idempotency_key, wait_stored))

    def recall(
        self,
        query: str | None = None,
        *,
        embedding: Sequence[float] | None = None,
        namespace: str | None = None,
        namespaces: Sequence[str] | None = None,
        namespace_prefix: str | None = None,
        top_k: int = 10,
        filter: Filter | None = None,  # noqa: A002
        mode: Mode | None = None,
        explain: bool = False,
    ) -> list[Hit]:
        """Asks, in words or by a vector; `filter` is the service's own, with paths such as `payload.room`."""
        question = {
            "query": query,
            "embedding": as_listed(embedding),
            "namespace": namespace,
            "namespaces": as_listed(namespaces),
            "namespace_prefix": namespace_prefix,
            "top_k": top_k,
            "filter": filter,
            "mode": mode,
            "explain": explain or None,
        }
        return self._run(self._operations.recall(question))

    def forget(
        self,
        memory_id: str,
        *,
        namespace: str | None = None,
        idempotency_key: str | None = None,
        wait_stored: bool = False,
    ) -> Written:
        """Deletes one memory with its history."""
        return self._run(self._operations.forget(memory_id, namespace, idempotency_key, wait_stored))

    def record(self, memory_id: str) -> Record:
        """One memory as the service holds it. Raises `NotFound`."""
        return self._run(self._operations.fetch(memory_id))

    def iter_records(
        self,
        *,
        namespace: str | None = None,
        namespace_prefix: str | None = None,
        filter: Filter | None = None,  # noqa: A002
        order: Order = "newest",
        page_size: int = 100,
    ) -> Iterator[Record]:
        """Every memory of a namespace, or of all that begin alike, fetched page by page."""
        params = list_params(namespace, namespace_prefix, self.namespace, filter, order, page_size)
        return self._pages(lambda cursor: self._operations.page(params, cursor))

    def iter_namespaces(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Namespaces, and how many memories each holds."""
        return self._pages(lambda cursor: self._operations.namespaces(prefix, cursor))

    def _scope(
        self, namespace: str | None, filters: Filter | None, **given: str | None
    ) -> tuple[Scope, Mapping[str, Any]]:
        return Scope.of(namespace or self.namespace, filters, **given)

    def _run(self, operation: Operation[T]) -> T:
        return self._transport.run(operation)

    def _pages(self, page: Callable[[str | None], Operation[Page]]) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            found = self._run(page(cursor))
            yield from found.items
            cursor = found.cursor
            if cursor is None:
                return
