"""Conditions on memories, from the shapes that people write to the one that the service reads.

The service's own filters (`{"field": "payload.room", "eq": "attic"}`, `and`, `or`, `not`) pass as they are. Else a
filter is a mapping of names to values, where a name stands for a field of `metadata`:
`{"room": "attic", "year": {"gte": 2020}}`, `{"tag": ["a", "b"]}`, `{"AND": […]}`, `{"OR": […]}`, `{"NOT": […]}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import BadFilter

Filter = Mapping[str, Any]

_OWN: Final = frozenset(("and", "or", "not", "field"))
_PLAIN: Final = re.compile(r'[^."\[\]\0]+')
_COMPARED: Final = frozenset(("eq", "gt", "gte", "lt", "lte", "in"))


def path(*steps: str) -> str:
    """The path of a field of the payload, each step quoted if need be."""
    return ".".join(["payload", *(step if _PLAIN.fullmatch(step) else _quoted(step) for step in steps)])


def _quoted(step: str) -> str:
    escaped = step.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def equals(field: str, value: Any) -> dict[str, Any]:
    """A field of the payload has this value."""
    return {"field": path(field), "eq": value}


def every(conditions: Sequence[Filter]) -> Filter | None:
    """All of them; `None` when there is none."""
    if not conditions:
        return None
    return conditions[0] if len(conditions) == 1 else {"and": list(conditions)}


def translate(filters: Filter | None, under: tuple[str, ...] = ("metadata",)) -> Filter | None:
    """The service's filter; names are fields of `payload.<under>`. Raises `BadFilter`."""
    if filters is None or not filters:
        return None
    if not isinstance(filters, Mapping):
        raise BadFilter("a filter is a mapping", field="filters")
    if _OWN.intersection(filters):
        return filters
    return every([_condition(name, value, under) for name, value in filters.items()])


def _condition(name: str, value: Any, under: tuple[str, ...]) -> Filter:
    if name in ("AND", "OR", "NOT"):
        several = [value] if isinstance(value, Mapping) else list(value)
        parts = [part for part in (translate(one, under) for one in several) if part is not None]
        if not parts:
            raise BadFilter(f"{name} has nothing to join", field="filters")
        if name == "NOT":
            return {"not": parts[0] if len(parts) == 1 else {"or": parts}}
        return parts[0] if len(parts) == 1 else {name.lower(): parts}
    field = path(*under, name)
    if isinstance(value, Mapping):
        parts = [_compared(field, operator.removeprefix("$"), operand) for operator, operand in value.items()]
        return every(parts) or _nothing(name)
    if isinstance(value, (list, tuple, set, frozenset)):
        return {"field": field, "in": list(value)}
    if value == "*":
        return {"field": field, "exists": True}
    return {"field": field, "eq": value}


def _compared(field: str, operator: str, operand: Any) -> Filter:
    if operator in _COMPARED:
        return {"field": field, operator: list(operand) if operator == "in" else operand}
    if operator == "exists":
        return {"field": field, "exists": bool(operand)}
    if operator == "ne":
        return {"not": {"field": field, "eq": operand}}
    if operator == "nin":
        return {"not": {"field": field, "in": list(operand)}}
    known = "eq, ne, gt, gte, lt, lte, in, nin, exists"
    raise BadFilter(f"{operator} is no comparison", field="filters", remedy=f"use one of {known}")


def _nothing(name: str) -> Filter:
    raise BadFilter(f"{name} is compared with nothing", field="filters")
