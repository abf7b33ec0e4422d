"""What both clients make of their arguments."""

from __future__ import annotations

from typing import Any, Literal

from .. import errors, jsontext
from .filters import Filter
from .scope import Scope

Mode = Literal["hybrid", "dense", "lexical"]
Order = Literal["newest", "oldest", "importance"]


def refuse_inference(infer: bool) -> None:
    """Nothing is inferred from messages."""
    if infer:
        remedy = "extract the facts before, and add those"
        raise errors.BadRequest("messages are remembered as they are", field="infer", remedy=remedy)


def refuse_everything(scope: Scope, namespace: str | None) -> None:
    """A deletion says whose memories it means."""
    if not scope.fields() and namespace is None:
        remedy = "name user_id, agent_id or run_id; or the namespace, to delete everything in it"
        raise errors.BadRequest("it is not said whose memories to delete", field="user_id", remedy=remedy)


def as_listed(values: Any) -> Any:
    """A list, where something else holds the same."""
    if values is None or isinstance(values, (str, list)):
        return values
    to_list = getattr(values, "tolist", None)
    return to_list() if callable(to_list) else list(values)


def list_params(
    namespace: str | None, prefix: str | None, default: str, condition: Filter | None, order: str, page_size: int
) -> dict[str, str | None]:
    """The parameters of a list of memories."""
    return {
        "namespace": None if prefix is not None else namespace or default,
        "namespace_prefix": prefix,
        "filter": jsontext.dumps(condition) if condition else None,
        "order": order,
        "limit": str(page_size),
    }
