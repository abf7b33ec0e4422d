"""What the client takes and gives.

The methods with the names that memory libraries share (`add`, `search`, `get_all`, …) give plain dictionaries of the
shapes that those have; `remember` and `recall` give the service's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from .. import errors, jsontext

Message = str | Mapping[str, Any]
"""A text, or `{"role": …, "content": …}`."""
Messages = Message | Sequence[Message]

SCOPE = ("user_id", "agent_id", "run_id")


@dataclass(frozen=True)
class Written:
    """What a write made: durable when it is returned."""

    id: str
    event_id: str
    position: str
    stored: bool | None = None
    """Whether both stores have it, where that was waited for."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Written:
        return cls(body["id"], body["event_id"], body["position"], body.get("stored"))


@dataclass(frozen=True)
class Record:
    """A memory as the service holds it."""

    id: str
    namespace: str
    payload: Any
    importance: float | None
    model_revision: str | None
    created_at: str
    updated_at: str
    version: int
    event_id: str

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Record:
        return cls(**{name: body[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Hit(Record):
    """A memory that a recall found."""

    score: float = 0.0
    explain: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Hit:
        return cls(**{"explain": None, **body})


@dataclass(frozen=True)
class Step:
    """One event in the history of a memory."""

    event_id: str
    type: str
    timestamp: str
    position: str
    payload: Any


class Item(TypedDict, total=False):
    """A memory as `get`, `get_all` and `search` show it."""

    id: str
    memory: str
    role: str
    metadata: dict[str, Any] | None
    user_id: str
    agent_id: str
    run_id: str
    score: float
    created_at: str
    updated_at: str
    namespace: str
    payload: Any
    importance: float | None


class Items(TypedDict):
    """Several memories."""

    results: list[Item]


class Added(TypedDict):
    """One memory that `add` made."""

    id: str
    memory: str
    event: str


class AddResult(TypedDict):
    """What `add` made: one memory of each message, in order."""

    results: list[Added]


class Change(TypedDict):
    """One step of `history`."""

    id: str
    memory_id: str
    old_memory: str | None
    new_memory: str | None
    event: str
    created_at: str


class Done(TypedDict, total=False):
    """What became of an `update` or a deletion."""

    message: str
    deleted: int


def text_of(payload: Any) -> str:
    """What a payload says, as one text."""
    if isinstance(payload, str):
        return payload
    if isinstance(payload, dict) and isinstance(payload.get("text"), str):
        return str(payload["text"])
    return jsontext.dumps(payload)


def item_of(record: Record) -> Item:
    """A record in the shape that memory libraries share."""
    payload = record.payload if isinstance(record.payload, dict) else {}
    item: Item = {
        "id": record.id,
        "memory": text_of(record.payload),
        "metadata": payload.get("metadata"),
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "namespace": record.namespace,
        "payload": record.payload,
        "importance": record.importance,
    }
    for name in (*SCOPE, "role"):
        if isinstance(payload.get(name), str):
            item[name] = payload[name]  # type: ignore[literal-required]
    if isinstance(record, Hit):
        item["score"] = record.score
    return item


def payloads_of(
    messages: Messages, metadata: Mapping[str, Any] | None, scope: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The payload of each message: its text, who said it, whose it is, what else is known of it."""
    several = [messages] if isinstance(messages, (str, Mapping)) else list(messages)
    if not several:
        raise errors.BadRequest("there is no message", field="messages")
    return [_payload(message, metadata, scope) for message in several]


def _payload(message: Message, metadata: Mapping[str, Any] | None, scope: Mapping[str, str]) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    if isinstance(message, Mapping):
        text = message.get("content")
        payload = {name: message[name] for name in ("role", "name") if isinstance(message.get(name), str)}
    else:
        text = message
    if not isinstance(text, str):
        raise errors.BadRequest("a message is a text, or has its text as content", field="messages")
    payload = {"text": text, **payload, **scope}
    if "run_id" in scope:
        # What recall knows as one conversation.
        payload["thread"] = scope["run_id"]
    if metadata:
        payload["metadata"] = dict(metadata)
    return payload


def changes_of(memory_id: str, steps: Sequence[Step]) -> list[Change]:
    """A history in the shape that memory libraries share."""
    changes: list[Change] = []
    before: str | None = None
    for step in steps:
        gone = step.type == "deleted"
        after = None if gone else text_of(step.payload)
        changes.append(
            {
                "id": step.event_id,
                "memory_id": memory_id,
                "old_memory": before,
                "new_memory": after,
                "event": "DELETE" if gone else "ADD" if before is None else "UPDATE",
                "created_at": step.timestamp,
            }
        )
        before = after
    return changes


def moment(text: str) -> datetime:
    """A time of the service."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
