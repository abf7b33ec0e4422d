"""From the helper through Kafka and the real `soma consumer` into PostgreSQL and Qdrant, and back through the client.

It runs where `soma consumer` is known and SOMA_TEST_KAFKA, SOMA_TEST_POSTGRES_URL and SOMA_TEST_QDRANT_URL are set.
"""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from eventing.producer import build_memory_event, produce_event, produce_events
from running import Soma
from somafractalmemory import Memory
from test_kafka import LISTENERS, use

ARRIVAL_SECONDS = 60.0
FOUR = ["plaintext", "tls", "scram-256 over tls", "scram-512"]


@pytest.fixture(scope="module")
def stores(outside: dict[str, str], binary: Path) -> Iterator[dict[str, str]]:
    """A database and a collection of the test's own."""
    missing = [name for name in ("SOMA_TEST_POSTGRES_URL", "SOMA_TEST_QDRANT_URL") if name not in outside]
    if missing:
        pytest.skip(f"NO CONSUMPTION: {' and '.join(missing)} not set")
    if subprocess.run([binary, "consumer", "--help"], capture_output=True, check=False).returncode != 0:
        pytest.skip("NO CONSUMPTION: this soma has no consumer")
    admin, name = outside["SOMA_TEST_POSTGRES_URL"], f"soma_python_{uuid.uuid4().hex}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield {
        "POSTGRES_URL": urlunsplit(urlsplit(admin)._replace(path=f"/{name}")),
        "QDRANT_URL": outside["SOMA_TEST_QDRANT_URL"],
        "QDRANT_COLLECTION": name,
    }
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def cluster(
    kafka: dict[str, str], stores: dict[str, str], binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Soma]]:
    """The name of the topic, and the API of a running cluster profile."""
    topic = f"memory.events.{uuid.uuid4().hex}"
    variables = {
        **stores,
        "KAFKA_BOOTSTRAP_SERVERS": kafka["KAFKA_BOOTSTRAP_SERVERS"],
        "KAFKA_MEMORY_EVENTS_TOPIC": topic,
        "KAFKA_MEMORY_DLQ_TOPIC": f"{topic}.dlq",
        "KAFKA_CONSUMER_GROUP": topic,
        "SOMA_API_PORT": "0",
        "CONSUMER_METRICS_PORT": "0",
    }
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("cluster")
        stack.enter_context(Soma([binary, "consumer"], folder, variables, "soma is ready"))
        yield topic, stack.enter_context(Soma([binary, "api"], folder, variables, "soma is ready"))


def arrived(memory: Memory, ids: list[str]) -> bool:
    """Whether all of them are there before the time is up."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    left = list(ids)
    while left and time.monotonic() < deadline:
        left = [one for one in left if memory.get(one) is None]
        time.sleep(0.1 if left else 0)
    return not left


@pytest.mark.parametrize("listener", FOUR)
def test_the_documented_example_is_consumed_and_found(
    cluster: tuple[str, Soma], kafka: dict[str, str], listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, api = cluster
    servers, variables, given = LISTENERS[listener]
    variables = {**variables, "KAFKA_BOOTSTRAP_SERVERS": kafka[servers], "KAFKA_MEMORY_EVENTS_TOPIC": topic}
    use(monkeypatch, **variables, **{name: kafka[name] for name in given})
    namespace = f"demo-{uuid.uuid4().hex}"
    event = build_memory_event(namespace=namespace, payload={"example": True})
    produce_event(event)
    with Memory(api.url, namespace=namespace) as memory:
        assert arrived(memory, [event["id"]])
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while not (found := memory.search("what is true?")["results"]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [item["id"] for item in found] == [event["id"]]
        assert found[0]["payload"] == {"example": True}


def test_updates_deletions_and_the_clients_own_writes(
    cluster: tuple[str, Soma], kafka: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, api = cluster
    use(
        monkeypatch,
        KAFKA_BOOTSTRAP_SERVERS=kafka["KAFKA_BOOTSTRAP_SERVERS"],
        KAFKA_MEMORY_EVENTS_TOPIC=topic,
    )
    namespace = f"demo-{uuid.uuid4().hex}"
    first = [build_memory_event(namespace, {"text": f"note {n}"}) for n in range(300)]
    produce_events(first)
    gone = build_memory_event(namespace, None, id=first[0]["id"], type="deleted")
    changed = build_memory_event(namespace, {"text": "changed"}, id=first[1]["id"], type="updated")
    last = build_memory_event(namespace, {"text": "the last"})
    produce_events([gone, changed, last])
    with Memory(api.url, namespace=namespace) as memory:
        assert arrived(memory, [event["id"] for event in first[1:]] + [last["id"]])
        added = memory.add("the lamp is in the attic", user_id="ana")["results"][0]["id"]
        assert memory.search("where is the lamp?", user_id="ana")["results"][0]["id"] == added
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while time.monotonic() < deadline:
            texts = {record.id: record.payload["text"] for record in memory.iter_records(page_size=1000)}
            if first[0]["id"] not in texts and texts.get(first[1]["id"]) == "changed":
                break
            time.sleep(0.1)
        assert len(texts) == 300
        assert first[0]["id"] not in texts
        assert texts[first[1]["id"]] == "changed"
