"""Whose memories: how `user_id`, `agent_id` and `run_id` become a namespace and a filter.

A user's memories lie in a namespace of their own, `<namespace>/<user_id>`, so that a token can be bound to it and a
deletion reaches all of it. Agents and runs are fields of the payload. A read that names an agent or a run but no user
looks through the namespaces of all users; `holds` then tells them from others that merely begin alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .. import errors
from . import filters as conditions
from .shapes import SCOPE

# What stays legible in a namespace; a slash would begin another level.
_SAFE = " !#$&'()*+,-.:;<=>?@[]^_`{|}~"


@dataclass(frozen=True)
class Scope:
    """The memories of a namespace, or of one user, that an agent or a run has made."""

    base: str
    user_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None

    @classmethod
    def of(cls, base: str, filters: Mapping[str, Any] | None, **given: str | None) -> tuple[Scope, Mapping[str, Any]]:
        """The scope, which may also stand among the filters, and the filters that remain."""
        rest = dict(filters or {})
        for name in SCOPE:
            value = rest.get(name)
            if given.get(name) is None and isinstance(value, str) and value != "*":
                given[name] = rest.pop(name)
        for name, value in given.items():
            if value is not None and (not isinstance(value, str) or not value):
                raise errors.BadRequest(f"{name} is not a text of at least one character", field=name)
        return cls(base, **given), rest

    @property
    def namespace(self) -> str:
        """Where it writes."""
        if self.user_id is None:
            return self.base
        return f"{self.base}/{''.join(c if ord(c) > 0xA0 else quote(c, safe=_SAFE) for c in self.user_id)}"

    @property
    def is_wide(self) -> bool:
        """Whether its memories lie in the namespaces of many users."""
        return self.user_id is None and (self.agent_id is not None or self.run_id is not None)

    def holds(self, namespace: str) -> bool:
        """Whether a namespace belongs to it."""
        if not self.is_wide:
            return namespace == self.namespace
        return namespace == self.base or namespace.startswith(f"{self.base}/")

    def place(self) -> dict[str, str]:
        """Where a read looks."""
        return {"namespace_prefix": self.base} if self.is_wide else {"namespace": self.namespace}

    def fields(self) -> dict[str, str]:
        """What a payload says of whose it is."""
        named = ((name, getattr(self, name)) for name in SCOPE)
        return {name: value for name, value in named if value is not None}

    def filter(self, filters: Mapping[str, Any] | None) -> conditions.Filter | None:
        """The condition on the payload."""
        own = [conditions.equals(name, value) for name, value in self.fields().items() if name != "user_id"]
        further = conditions.translate(filters)
        return conditions.every([*own, further] if further is not None else own)
