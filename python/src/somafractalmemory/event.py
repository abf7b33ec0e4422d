"""Memory events, built strictly: whoever produces one learns here what is wrong with it.

`strict` says of a value exactly what `schemas/memory.event.json` says, formats included, and refuses beyond that what
a schema cannot express. It is written out by hand because it runs once per event; the bounds come from the packaged
copy of the schema, and the tests hold it to the schema and to the corpus.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from typing import Any, Final, Literal, TypedDict, cast
from uuid import UUID

import orjson

from . import derive, errors, jsontext, limits, timestamps

EventType = Literal["created", "updated", "deleted"]


class _Required(TypedDict):
    event_id: str
    id: str
    namespace: str
    type: EventType
    timestamp: str
    payload: Any


class MemoryEvent(_Required, total=False):
    """One event of the topic `memory.events`."""

    importance: float
    embedding: list[float]
    model_revision: str


SCHEMA: Final[dict[str, Any]] = json.loads(
    resources.files("somafractalmemory").joinpath("schema/memory.event.json").read_text("utf-8")
)
"""The packaged copy of `schemas/memory.event.json`."""

_FIELDS: Final[dict[str, Any]] = SCHEMA["properties"]
_TYPES: Final[frozenset[str]] = frozenset(_FIELDS["type"]["enum"])
_NAMESPACE_MAX: Final[int] = _FIELDS["namespace"]["maxLength"]
_REVISION_MAX: Final[int] = _FIELDS["model_revision"]["maxLength"]
_EMBEDDING_MAX: Final[int] = _FIELDS["embedding"]["maxItems"]
_UUID: Final = re.compile(SCHEMA["definitions"]["uuid"]["pattern"].removeprefix("^").removesuffix("$"))
_CONTROL: Final = re.compile(_FIELDS["namespace"]["not"]["pattern"])
_KNOWN: Final = frozenset(_FIELDS)
_NUMBERS: Final = frozenset((int, float))
_PLAIN: Final = frozenset((str, int, bool, type(None)))
_REQUIRED_COUNT: Final = len(SCHEMA["required"])
_MISSING: Final = object()

_CANONICAL: Final = re.compile(
    rb'\{"event_id":"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}","id":"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",'
    rb'"namespace":"[ !#-\[\]-~]{1,%d}","type":"(?:created|updated)",'
    rb'"timestamp":"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8]|(29|30|31))'
    rb'T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z","payload":' % _NAMESPACE_MAX
)
"""How an event begins that needs no second look: every field canonical, the namespace plain ASCII. A day that not
every month has is caught."""
_ORJSON: Final = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def strict(event: Mapping[str, Any]) -> MemoryEvent:
    """Checks an event that its writer made, and returns it with ids and time in their canonical spelling.

    Raises: `SchemaViolation`, `TypeUnknown`, `NotJson`, `TooDeep`, `NulCharacter`, `NumberRange`; each names its field.
    """
    if not isinstance(event, dict):
        if not isinstance(event, Mapping):
            raise errors.SchemaViolation("the event is not an object", remedy="send one object with an event's fields")
        event = dict(event)
    for name, value in event.items():
        # What is no string is checked where its type is; an embedding has a check of its own.
        if name != "embedding" and not (
            name in _KNOWN and type(value) is str and value.isascii() and "\0" not in value
        ):
            jsontext.check({name: value})
    if not _KNOWN.issuperset(event):
        _refuse_unknown(event)
    checked: dict[str, Any] = {
        "event_id": _uuid(event, "event_id"),
        "id": _uuid(event, "id"),
        "namespace": _namespace(_text(event, "namespace")),
        "type": _type(_text(event, "type")),
        "timestamp": timestamps.canonical(_text(event, "timestamp")),
        "payload": _required(event, "payload"),
    }
    if len(event) > len(checked):
        if "importance" in event:
            checked["importance"] = _importance(event["importance"])
        if "embedding" in event:
            checked["embedding"] = _embedding(event["embedding"])
        if "model_revision" in event:
            checked["model_revision"] = _model_revision(event["model_revision"])
    if checked["type"] == "deleted":
        # It removes the memory, and nothing reads what it carried.
        checked["payload"] = None
        for name in ("importance", "embedding", "model_revision"):
            checked.pop(name, None)
    return cast("MemoryEvent", checked)


def parse(text: str | bytes, *, bytes_max: int = limits.VALUE_BYTES_DEFAULT) -> MemoryEvent:
    """Checks an event that its writer spelled as JSON: as `strict`, and `TooLarge`, `DuplicateKey`."""
    value = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    _fits(value, bytes_max)
    return strict(jsontext.parse(value))


def encode(event: Mapping[str, Any], *, bytes_max: int = limits.VALUE_BYTES_DEFAULT) -> tuple[str, bytes]:
    """Checks an event and writes it: its key and its value as the log holds them.

    Raises what `strict` raises, and `TooLarge`.
    """
    value = _quick(event)
    if value is None:
        event = strict(event)
        value = jsontext.dumps(event).encode()
    if len(value) > bytes_max:
        _fits(value, bytes_max)
    return event["id"], value


def _quick(event: Mapping[str, Any]) -> bytes | None:
    """The value of an event that is plainly right, judged as text; `None` when it takes a closer look.

    The text shows every fault of a payload of plain values but U+0000, which needs a backslash. Of other payloads,
    what it may hide goes on to the close look: a number that is not finite is written as `null`, one beyond the bound
    with `e308` or `e+308`, and the depth is at most the number of brackets.
    """
    if type(event) is not dict:
        return None
    try:
        value = orjson.dumps(event, option=_ORJSON)
    except TypeError:
        return None
    head = _CANONICAL.match(value)
    if head is None or (b"\\" in value and b"\\u0000" in value):
        return None
    payload = event["payload"]
    if not _PLAIN.issuperset(map(type, payload.values()) if type(payload) is dict else (type(payload),)) and (
        b"null" in value
        or b"e308" in value
        or b"e+308" in value
        or value.count(b"{") + value.count(b"[") > limits.DEPTH_MAX
    ):
        return None
    if len(event) > _REQUIRED_COUNT and not _has_plain_options(event):
        return None
    if head.lastindex is not None:
        try:
            datetime.fromisoformat(event["timestamp"][:-1])
        except ValueError:
            return None
    return value


def _has_plain_options(event: dict[str, Any]) -> bool:
    if not _KNOWN.issuperset(event):
        return False
    importance = event.get("importance", 0)
    if type(importance) not in _NUMBERS or not 0 <= importance <= limits.NUMBER_ABS_MAX:
        return False
    embedding = event.get("embedding", [])
    if type(embedding) is not list or len(embedding) > _EMBEDDING_MAX or not _NUMBERS.issuperset(map(type, embedding)):
        return False
    # A number that is not finite, or beyond the bound, makes the sum so too.
    if not 0 <= sum(map(abs, embedding)) <= limits.NUMBER_ABS_MAX:
        return False
    revision = event.get("model_revision", "-")
    return type(revision) is str and 1 <= len(revision) <= _REVISION_MAX


def build_memory_event(
    namespace: str,
    payload: Any,
    *,
    id: str | UUID | None = None,  # noqa: A002
    coordinate: derive.Coordinate | None = None,
    type: EventType = "created",  # noqa: A002
    event_id: str | UUID | None = None,
    timestamp: str | datetime | None = None,
    importance: float | None = None,
    embedding: Sequence[float] | None = None,
    model_revision: str | None = None,
) -> MemoryEvent:
    """Builds one event, with new ids and the present time where none are given.

    A memory that must exist (`updated`, `deleted`) needs its `id` or its `coordinate`. A `coordinate` is a place,
    `"1.0,2.5"` or the numbers themselves: storing there again updates what is stored there.

    Raises `InvalidEvent`, which is a `ValueError` and names `field`, `code` and `reason`.
    """
    event: dict[str, Any] = {
        "event_id": derive.new_id() if event_id is None else _plain(event_id),
        "id": _memory_id(namespace, id, coordinate, type),
        "namespace": namespace,
        "type": type,
        "timestamp": _moment(timestamp),
        "payload": payload,
    }
    if importance is not None:
        if isinstance(importance, float) and importance != importance:
            raise errors.SchemaViolation("importance is not a finite number of at least 0", field="importance")
        event["importance"] = importance
    if embedding is not None:
        event["embedding"] = _listed(embedding)
    if model_revision is not None:
        event["model_revision"] = model_revision
    return strict(event) if _quick(event) is None else cast("MemoryEvent", event)


def _memory_id(namespace: str, memory_id: str | UUID | None, coordinate: derive.Coordinate | None, kind: str) -> Any:
    if memory_id is not None:
        if coordinate is not None:
            raise errors.SchemaViolation(
                "the memory has both an id and a coordinate", field="coordinate", remedy="name one of them"
            )
        return _plain(memory_id)
    if coordinate is not None:
        if not isinstance(namespace, str):
            raise _wrong_type("namespace", "a string")
        return derive.coordinate_id(_namespace(namespace), coordinate)
    if kind in ("updated", "deleted"):
        raise errors.SchemaViolation(
            f"{kind} needs the memory's id", field="id", remedy="name the id or the coordinate"
        )
    return derive.new_id()


def _plain(value: str | UUID) -> str:
    return str(value) if isinstance(value, UUID) else value


def _moment(value: str | datetime | None) -> str:
    if value is None:
        return timestamps.now()
    return timestamps.write(value) if isinstance(value, datetime) else value


def _listed(numbers: Any) -> Any:
    # Arrays of numpy and their like become plain numbers.
    to_list = getattr(numbers, "tolist", None)
    return to_list() if callable(to_list) else list(numbers) if isinstance(numbers, tuple) else numbers


def _fits(value: bytes, bytes_max: int) -> None:
    if len(value) > bytes_max:
        raise errors.TooLarge(
            f"the event has {len(value)} bytes, at most {bytes_max} are allowed",
            remedy="store less in one memory, or raise SOMA_EVENT_BYTES_MAX here and in the service",
        )


def _required(event: Mapping[str, Any], name: str) -> Any:
    value = event.get(name, _MISSING)
    if value is _MISSING:
        raise errors.SchemaViolation(f"{name} is missing", field=name, remedy=f"add {name}")
    return value


def _text(event: Mapping[str, Any], name: str) -> str:
    value = _required(event, name)
    if not isinstance(value, str):
        raise _wrong_type(name, "a string")
    return value


def _uuid(event: Mapping[str, Any], name: str) -> str:
    text = _text(event, name)
    if not _UUID.fullmatch(text):
        remedy = "write 8-4-4-4-12 hexadecimal digits with hyphens"
        raise errors.SchemaViolation(f"{name} {jsontext.shown(text)} is not a UUID", field=name, remedy=remedy)
    return text.lower()


def _namespace(text: str) -> str:
    if not 1 <= len(text) <= _NAMESPACE_MAX:
        why = f"namespace has {len(text)} characters, 1 to {_NAMESPACE_MAX} are allowed"
        raise errors.SchemaViolation(why, field="namespace")
    if not text.isprintable() and _CONTROL.search(text):
        if "\0" in text:
            raise errors.NulCharacter("namespace contains U+0000", field="namespace")
        raise errors.SchemaViolation("namespace contains a control character", field="namespace")
    return text


def _type(text: str) -> str:
    if text not in _TYPES:
        why = f"type {jsontext.shown(text)} is unknown"
        raise errors.TypeUnknown(why, field="type", remedy="use created, updated or deleted")
    return text


def _importance(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_type("importance", "a number")
    if not value >= 0:
        raise errors.SchemaViolation("importance is not a finite number of at least 0", field="importance")
    # The addition makes +0 of −0.
    return value + 0


def _embedding(value: Any) -> list[float]:
    if not isinstance(value, (list, tuple)):
        raise _wrong_type("embedding", "an array of numbers")
    if len(value) > _EMBEDDING_MAX:
        why = f"embedding has {len(value)} numbers, at most {_EMBEDDING_MAX} are allowed"
        raise errors.SchemaViolation(why, field="embedding")
    jsontext.check(value, "embedding", 1)
    for index, item in enumerate(value):
        if isinstance(item, bool) or not isinstance(item, (int, float)):
            raise _wrong_type(f"embedding[{index}]", "a number")
    return list(value)


def _model_revision(value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type("model_revision", "a string")
    if not 1 <= len(value) <= _REVISION_MAX:
        why = f"model_revision has {len(value)} characters, 1 to {_REVISION_MAX} are allowed"
        raise errors.SchemaViolation(why, field="model_revision")
    return value


def _refuse_unknown(event: Mapping[str, Any]) -> None:
    least = min(name for name in event if name not in _KNOWN)
    raise errors.SchemaViolation(
        f"the event has the unknown field {jsontext.shown(least)}",
        field=jsontext.field_of([least]),
        remedy=f"leave it out, or put it into payload; an event has {', '.join(_FIELDS)}",
    )


def _wrong_type(name: str, wanted: str) -> errors.SchemaViolation:
    return errors.SchemaViolation(f"{name} is not {wanted}", field=name, remedy=f"send {wanted}")
