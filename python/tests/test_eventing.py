"""`eventing.producer`: the documented example, what is refused, and the way to the service."""

from __future__ import annotations

import asyncio
import json
import math
import os
import socket
import subprocess
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path

import pytest

from eventing import producer
from eventing.producer import aproduce_event, build_memory_event, produce_event, produce_events
from running import Soma
from somafractalmemory import Memory, errors, event

NAMESPACE_ID = uuid.UUID("0190b6a0-7c1e-7d3a-9f2b-1c2d3e4f5a6b")


class Colour(Enum):
    RED = "red"


def test_a_built_event_is_what_the_schema_wants() -> None:
    before = datetime.now(timezone.utc)
    built = build_memory_event(namespace="demo", payload={"example": True})
    assert list(built) == ["event_id", "id", "namespace", "type", "timestamp", "payload"]
    assert (built["namespace"], built["type"], built["payload"]) == ("demo", "created", {"example": True})
    assert uuid.UUID(built["id"]).version == uuid.UUID(built["event_id"]).version == 7
    moment = datetime.fromisoformat(built["timestamp"].replace("Z", "+00:00"))
    assert before <= moment <= datetime.now(timezone.utc)
    assert build_memory_event("demo", None)["id"] != built["id"]


def test_every_argument_has_its_field() -> None:
    given = build_memory_event(
        "demo", [1], id=NAMESPACE_ID, type="updated", event_id=str(NAMESPACE_ID).upper(),
        timestamp=datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))), importance=0.5,
        embedding=(0.25, -1), model_revision="mini:1",
    )  # fmt: skip
    assert given == {
        "event_id": str(NAMESPACE_ID), "id": str(NAMESPACE_ID), "namespace": "demo", "type": "updated",
        "timestamp": "2026-01-02T03:04:05.000000Z", "payload": [1], "importance": 0.5, "embedding": [0.25, -1],
        "model_revision": "mini:1",
    }  # fmt: skip


def test_a_deletion_carries_nothing() -> None:
    built = build_memory_event("demo", {"old": "words"}, id=NAMESPACE_ID, type="deleted", importance=1)
    assert built["payload"] is None
    assert "importance" not in built


REFUSED = [
    ({"namespace": ""}, "schema", "namespace"),
    ({"namespace": "a\nb"}, "schema", "namespace"),
    ({"namespace": "a\0b"}, "nul_character", "namespace"),
    ({"namespace": 7}, "schema", "namespace"),
    ({"type": "linked"}, "type_unknown", "type"),
    ({"type": "updated"}, "schema", "id"),
    ({"id": "x"}, "schema", "id"),
    ({"id": NAMESPACE_ID, "coordinate": "1"}, "schema", "coordinate"),
    ({"coordinate": "1,inf"}, "schema", "coordinate"),
    ({"coordinate": []}, "schema", "coordinate"),
    ({"event_id": "0190b6a07c1e7d3a9f2b1c2d3e4f5a6b"}, "schema", "event_id"),
    ({"timestamp": "yesterday"}, "schema", "timestamp"),
    ({"timestamp": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))}, "schema", "timestamp"),
    ({"importance": -1}, "schema", "importance"),
    ({"importance": math.nan}, "schema", "importance"),
    ({"importance": True}, "schema", "importance"),
    ({"embedding": [1, "2"]}, "schema", "embedding[1]"),
    ({"embedding": [0.5, math.nan]}, "number_range", "embedding[1]"),
    ({"embedding": [0.0] * 65537}, "schema", "embedding"),
    ({"model_revision": ""}, "schema", "model_revision"),
    ({"payload": {"a": [1, {1, 2}]}}, "not_json", "payload.a[1]"),
    ({"payload": {"when": datetime(2026, 1, 1)}}, "not_json", "payload.when"),
    ({"payload": {1: "x"}}, "not_json", "payload"),
    ({"payload": {"a": math.inf}}, "number_range", "payload.a"),
    ({"payload": {"a": {"b": math.nan}}}, "number_range", "payload.a.b"),
    ({"payload": [10**309]}, "number_range", "payload[0]"),
    ({"payload": {"a b": "x\0"}}, "nul_character", 'payload["a b"]'),
    ({"payload": "\ud800"}, "not_json", "payload"),
]


@pytest.mark.parametrize(("arguments", "code", "field"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_named(arguments: dict[str, object], code: str, field: str) -> None:
    with pytest.raises(producer.InvalidEvent) as told:
        build_memory_event(**{"namespace": "demo", "payload": {}, **arguments})  # type: ignore[arg-type]
    error = told.value
    assert isinstance(error, ValueError)
    assert (error.code, error.field) == (code, field)
    assert error.reason
    assert field in str(error)


def test_a_text_with_the_depth_and_size_that_are_allowed() -> None:
    deep: object = 1
    for _ in range(63):
        deep = [deep]
    event.encode(build_memory_event("demo", deep))
    with pytest.raises(errors.TooDeep):
        build_memory_event("demo", [deep])
    with pytest.raises(errors.TooLarge, match="SOMA_EVENT_BYTES_MAX"):
        event.encode(build_memory_event("demo", "x" * (1 << 20)))


def test_what_is_common_in_python_is_written_as_json() -> None:
    given = {"id": NAMESPACE_ID, "colour": Colour.RED, "pair": (1, 2), "long": 2**70, "word": "naïve 東京"}
    _, value = event.encode(build_memory_event("demo", given))
    payload = json.loads(value)["payload"]
    expected = {"id": str(NAMESPACE_ID), "colour": "red", "pair": [1, 2], "long": 2**70, "word": "naïve 東京"}
    assert payload == expected


def test_the_quick_look_and_the_close_one_agree() -> None:
    payloads = [
        {}, [], "", 0, True, None, {"a": None}, {"a": [1.5, {"b": "null"}]}, "\\u0000", {"n": 1e308}, {"n": -0.0},
        "e308", {"a": NAMESPACE_ID}, [[[[]]]], {"k" * 300: "ü"}, 2**63, 2**64, -(2**63), Colour.RED,
    ]  # fmt: skip
    for payload in payloads:
        for further in ({}, {"importance": 1}, {"embedding": [0.5, 1]}, {"importance": 0.0, "model_revision": "m"}):
            built = build_memory_event("demo", payload, **further)  # type: ignore[arg-type]
            key, value = event.encode(built)
            slow = event.strict(dict(built))
            assert key == slow["id"]
            assert event.parse(value) == event.parse(event.jsontext.dumps(slow))


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": "2026-02-30T00:00:00.000000Z"}, {"timestamp": "2026-02-29T00:00:00.000000Z"},
        {"timestamp": "0000-01-01T00:00:00.000000Z"}, {"timestamp": "2026-01-02T24:00:00.000000Z"},
        {"timestamp": "2026-13-01T00:00:00.000000Z"}, {"payload": {"a": math.nan}}, {"payload": math.inf},
        {"payload": [1.1e308]}, {"payload": {"a\0": 1}}, {"payload": "\0"}, {"payload": {"a": {"b": "\0"}}},
        {"importance": math.nan}, {"importance": 1.5e308}, {"importance": -1}, {"embedding": [math.nan]},
        {"embedding": [1.5e308]}, {"embedding": [-math.inf, math.inf]}, {"embedding": [True]}, {"embedding": [2**2000]},
        {"model_revision": "a\0"}, {"model_revision": ""}, {"extra": 1}, {"type": "deleted!"},
    ],
    ids=str,
)  # fmt: skip
def test_no_fault_passes_the_quick_look(change: dict[str, object]) -> None:
    sound = build_memory_event("demo", {"text": "x"}, timestamp="2026-01-02T03:04:05.000006Z")
    event.encode(sound)
    with pytest.raises(errors.InvalidEvent):
        event.encode({**sound, **change})


def test_hand_made_events_are_checked_too(soma: Soma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMA_URL", soma.url)
    built = build_memory_event("demo", {"x": 1})
    for wrong in ({**built, "colour": "blue"}, {**built, "id": "x"}, {k: v for k, v in built.items() if k != "type"}):
        with pytest.raises(errors.InvalidEvent):
            produce_event(wrong)
    with pytest.raises(errors.DuplicateKey):
        produce_event('{"id": 1, "id": 2}')
    with pytest.raises(errors.InvalidEvent):
        produce_events([built, {**built, "importance": -1}])
    soma.catch_up()
    with Memory(soma.url) as memory:
        assert memory.get(built["id"]) is None


def test_the_documented_example_reaches_the_service(soma: Soma, monkeypatch: pytest.MonkeyPatch) -> None:
    # Exactly as CONTRACT and README show it, with the address of the service in `./.env`.
    Path(".env").write_text(f"SOMA_URL={soma.url}\n")
    from eventing.producer import build_memory_event, produce_event

    event = build_memory_event(namespace="demo", payload={"example": True})
    produce_event(event)
    soma.catch_up()
    with Memory(soma.url, namespace="demo") as memory:
        assert memory.get(event["id"]) is not None
        found = memory.search("what is true?")["results"]
        assert event["id"] in [item["id"] for item in found]


def test_many_events_go_in_several_requests(soma: Soma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMA_URL", soma.url)
    namespace = f"many-{uuid.uuid4().hex}"
    events = [build_memory_event(namespace, {"n": n}) for n in range(2500)]
    assert produce_events(events) == 2500
    assert produce_events(iter(events[:10])) == 10
    soma.catch_up()
    with Memory(soma.url, namespace=namespace) as memory:
        assert sorted(record.payload["n"] for record in memory.iter_records(page_size=1000)) == list(range(2500))


def test_asyncio_publishes(soma: Soma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMA_URL", soma.url)
    events = [build_memory_event("async", {"n": n}) for n in range(20)]

    async def play() -> None:
        await asyncio.gather(*(aproduce_event(event) for event in events))

    asyncio.run(play())
    soma.catch_up()
    with Memory(soma.url, namespace="async") as memory:
        assert {event["id"] for event in events} <= {record.id for record in memory.iter_records()}


def test_what_the_service_refuses_is_raised(soma: Soma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMA_URL", soma.url)
    first = build_memory_event("one", "x")
    produce_event(first)
    soma.catch_up()
    stranger = build_memory_event("two", "x", id=first["id"])
    with pytest.raises(errors.NamespaceMismatch):
        produce_event(stranger)
    with pytest.raises(errors.DeliveryError) as told:
        produce_events([build_memory_event("two", "y"), stranger])
    assert list(told.value.failed) == [1]
    with pytest.raises(errors.BadConfig):
        produce_event(first, topic="other.events")


def test_a_service_that_is_away_is_told_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SOMA_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(producer.DeliveryError, match="does not answer"):
            produce_event(build_memory_event("demo", {}), timeout=1.0)
        assert time.monotonic() - started < 5.0


def test_forked_workers_publish_to_the_service(soma: Soma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMA_URL", soma.url)
    namespace = f"fork-{uuid.uuid4().hex}"
    produce_event(build_memory_event(namespace, "parent"))
    children = []
    for number in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                produce_events([build_memory_event(namespace, f"{number}-{n}") for n in range(50)])
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    produce_event(build_memory_event(namespace, "parent again"))
    soma.catch_up()
    with Memory(soma.url, namespace=namespace) as memory:
        assert sum(1 for _ in memory.iter_records()) == 152


def test_importing_asks_for_nothing() -> None:
    code = "import eventing.producer, sys; print('confluent_kafka' in sys.modules, 'langgraph' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "False"]
