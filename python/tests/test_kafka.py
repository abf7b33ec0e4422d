"""The helpers against a real broker, on each of its listeners."""

from __future__ import annotations

import base64
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import admin
from opentelemetry.sdk.trace import TracerProvider

from eventing.producer import DeliveryError, DeliveryTimeout, build_memory_event, close, produce_event, produce_events
from somafractalmemory import errors

WAIT_SECONDS = 60.0


@pytest.fixture
def topic(kafka: dict[str, str]) -> str:
    """A topic of the test's own; the helper creates it."""
    return f"memory.events.{uuid.uuid4().hex}"


@pytest.fixture
def plain(kafka: dict[str, str], topic: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The helper set up for the plain listener."""
    return use(monkeypatch, KAFKA_BOOTSTRAP_SERVERS=kafka["KAFKA_BOOTSTRAP_SERVERS"], KAFKA_MEMORY_EVENTS_TOPIC=topic)


def use(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, str]:
    close()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def messages(kafka: dict[str, str], topic: str, count: int) -> list[Any]:
    """Everything in the topic, once `count` messages are there; a second look finds no more of them."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": kafka["KAFKA_BOOTSTRAP_SERVERS"], "group.id": uuid.uuid4().hex,
         "auto.offset.reset": "earliest", "enable.partition.eof": True}
    )  # fmt: skip
    try:
        partitions = consumer.list_topics(topic, timeout=WAIT_SECONDS).topics[topic].partitions
        assigned = [confluent_kafka.TopicPartition(topic, number, 0) for number in partitions]
        ends = {one.partition: end_of(consumer, one) for one in assigned}
        assert sum(ends.values()) >= count
        consumer.assign(assigned)
        found: list[Any] = []
        open_partitions = set(partitions)
        deadline = time.monotonic() + WAIT_SECONDS
        while open_partitions and time.monotonic() < deadline:
            for message in consumer.consume(10_000, timeout=0.5):
                if message.error() is None:
                    found.append(message)
                elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition())
        assert not open_partitions, "the broker did not hand over the whole topic"
        return found
    finally:
        consumer.close()


def end_of(consumer: Any, partition: Any) -> int:
    """Where a partition ends; a new one may have no leader for a moment."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return int(consumer.get_watermark_offsets(partition, timeout=WAIT_SECONDS)[1])
        except confluent_kafka.KafkaException:
            if time.monotonic() > deadline:
                raise
            consumer.poll(0.05)


def murmur2(data: bytes) -> int:
    """The hash of Java's default partitioner."""
    seed, m, mask = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF
    h = seed ^ len(data)
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return (h ^ (h >> 15)) & 0x7FFFFFFF


def test_a_record_is_as_the_contract_says(kafka: dict[str, str], plain: dict[str, str], topic: str) -> None:
    events = [build_memory_event("demo", {"n": n}) for n in range(20)]
    produce_events(events)
    found = messages(kafka, topic, 20)
    assert {message.key().decode() for message in found} == {event["id"] for event in events}
    for message in found:
        value = json.loads(message.value())
        assert value == events[value["payload"]["n"]]
        assert message.headers() == [("content-type", b"application/json")]
        assert message.partition() == murmur2(message.key()) % 3


def test_a_record_tells_the_trace_that_it_belongs_to(kafka: dict[str, str], plain: dict[str, str], topic: str) -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("work") as span:
        produce_event(build_memory_event("demo", {}))
    (message,) = messages(kafka, topic, 1)
    assert dict(message.headers())["traceparent"].decode().split("-")[1] == f"{span.get_span_context().trace_id:032x}"


def test_a_missing_topic_is_created_to_last(kafka: dict[str, str], plain: dict[str, str], topic: str) -> None:
    produce_event(build_memory_event("demo", {}))
    client = admin.AdminClient({"bootstrap.servers": kafka["KAFKA_BOOTSTRAP_SERVERS"]})
    resource = admin.ConfigResource(admin.ConfigResource.Type.TOPIC, topic)  # type: ignore[attr-defined]
    config = client.describe_configs([resource])[resource].result(WAIT_SECONDS)
    assert (config["retention.ms"].value, config["cleanup.policy"].value) == ("-1", "delete")
    assert len(client.list_topics(topic, timeout=WAIT_SECONDS).topics[topic].partitions) == 3


def test_one_memorys_events_keep_their_order(kafka: dict[str, str], plain: dict[str, str], topic: str) -> None:
    first = build_memory_event("demo", 0)
    later = [build_memory_event("demo", n, id=first["id"], type="updated") for n in range(1, 500)]
    produce_events([first, *later])
    assert [json.loads(m.value())["payload"] for m in messages(kafka, topic, 500)] == list(range(500))


def test_a_topic_may_be_named(kafka: dict[str, str], plain: dict[str, str], topic: str) -> None:
    produce_event(build_memory_event("demo", {}), f"{topic}.other")
    assert len(messages(kafka, f"{topic}.other", 1)) == 1
    with pytest.raises(errors.BadConfig):
        produce_event(build_memory_event("demo", {}), "no topic")


LISTENERS: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "plaintext": ("KAFKA_BOOTSTRAP_SERVERS", {}, []),
    "tls": ("KAFKA_SSL_BOOTSTRAP_SERVERS", {"KAFKA_SECURITY_PROTOCOL": "SSL"}, ["KAFKA_SSL_CA_LOCATION"]),
    "mutual tls": (
        "KAFKA_SSL_BOOTSTRAP_SERVERS",
        {"KAFKA_SECURITY_PROTOCOL": "SSL"},
        ["KAFKA_SSL_CA_LOCATION", "KAFKA_SSL_CERTIFICATE_LOCATION", "KAFKA_SSL_KEY_LOCATION"],
    ),
    "plain over tls": (
        "KAFKA_SASL_SSL_BOOTSTRAP_SERVERS",
        {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"},
        ["KAFKA_SSL_CA_LOCATION", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"],
    ),
    "scram-256 over tls": (
        "KAFKA_SASL_SSL_BOOTSTRAP_SERVERS",
        {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"},
        ["KAFKA_SSL_CA_LOCATION", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"],
    ),
    "scram-512": (
        "KAFKA_SASL_PLAINTEXT_BOOTSTRAP_SERVERS",
        {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"},
        ["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"],
    ),
}


@pytest.mark.parametrize("listener", LISTENERS)
def test_the_documented_example_on_each_listener(
    kafka: dict[str, str], topic: str, listener: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers, variables, given = LISTENERS[listener]
    variables = {**variables, "KAFKA_BOOTSTRAP_SERVERS": kafka[servers], "KAFKA_MEMORY_EVENTS_TOPIC": topic}
    use(monkeypatch, **variables, **{name: kafka[name] for name in given})
    event = build_memory_event(namespace="demo", payload={"example": True})
    produce_event(event)
    (message,) = messages(kafka, topic, 1)
    assert json.loads(message.value()) == event


class Tokens(http.server.BaseHTTPRequestHandler):
    """A token endpoint: it gives an unsigned token to the client that it knows."""

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["content-length"])).decode()
        known = "Basic " + base64.b64encode(b"soma:a secret").decode()
        if self.headers["authorization"] != known or "grant_type=client_credentials" not in form:
            self.send_response(401)
            self.end_headers()
            return

        def part(value: dict[str, Any]) -> str:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

        claims = {"sub": "soma", "exp": time.time() + 300, "iat": time.time()}
        body = {"access_token": f"{part({'alg': 'none'})}.{part(claims)}.", "expires_in": 300, "token_type": "bearer"}
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def tokens() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/token"
    server.shutdown()
    server.server_close()


def oauth(kafka: dict[str, str], topic: str, tokens: str, secret: str) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka["KAFKA_SASL_PLAINTEXT_BOOTSTRAP_SERVERS"],
        "KAFKA_MEMORY_EVENTS_TOPIC": topic,
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": tokens,
        "KAFKA_SASL_OAUTHBEARER_CLIENT_ID": "soma",
        "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": secret,
    }


def test_a_bearer_token_is_fetched_for_the_client(
    kafka: dict[str, str], topic: str, tokens: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, **oauth(kafka, topic, tokens, "a secret"))
    produce_event(build_memory_event("demo", {}))
    assert len(messages(kafka, topic, 1)) == 1


def test_a_refused_token_is_an_error_within_the_bound(
    kafka: dict[str, str], topic: str, tokens: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, **oauth(kafka, topic, tokens, "wrong"))
    with pytest.raises(DeliveryError):
        produce_event(build_memory_event("demo", {}), timeout=2.0)


def test_a_wrong_password_is_an_error_within_the_bound(
    kafka: dict[str, str], topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, KAFKA_BOOTSTRAP_SERVERS=kafka["KAFKA_SASL_PLAINTEXT_BOOTSTRAP_SERVERS"],
        KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT", KAFKA_SASL_USERNAME="soma", KAFKA_SASL_PASSWORD="wrong",
        KAFKA_MEMORY_EVENTS_TOPIC=topic)  # fmt: skip
    with pytest.raises(DeliveryError):
        produce_event(build_memory_event("demo", {}), timeout=2.0)


def test_a_broker_that_is_away_is_told_within_the_bound(
    kafka: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        use(monkeypatch, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{closed.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(DeliveryTimeout) as told:
            produce_event(build_memory_event("demo", {}), timeout=2.0)
        assert time.monotonic() - started < 6.0
        assert isinstance(told.value, TimeoutError)
        assert list(told.value.failed) == [0]
        close(0.0)
    # The log tells it once, and nothing is printed.
    told_by_log = [record.message for record in caplog.records if record.name == "somafractalmemory.kafka"]
    assert ["refused" in message for message in told_by_log] == [True, False]
    assert "1 events were not acknowledged" in told_by_log[1]
    assert capfd.readouterr().err == ""


def test_ten_thousand_events_of_eight_threads_are_all_there_once(
    kafka: dict[str, str], plain: dict[str, str], topic: str
) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for start in range(0, 1250, 50):
                several = [build_memory_event("demo", [number, n]) for n in range(start, start + 49)]
                produce_events(several)
                produce_event(build_memory_event("demo", [number, start + 49]))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    found = [tuple(json.loads(message.value())["payload"]) for message in messages(kafka, topic, 10_000)]
    assert sorted(found) == [(number, n) for number in range(8) for n in range(1250)]


def test_asyncio_publishes_many_at_once(kafka: dict[str, str], plain: dict[str, str], topic: str) -> None:
    import asyncio

    from eventing.producer import aproduce_event

    async def play() -> None:
        await asyncio.gather(*(aproduce_event(build_memory_event("demo", n)) for n in range(500)))

    asyncio.run(play())
    assert sorted(json.loads(m.value())["payload"] for m in messages(kafka, topic, 500)) == list(range(500))


def test_forked_workers_publish_and_end(kafka: dict[str, str], plain: dict[str, str], topic: str) -> None:
    code = """
import os, sys
from eventing.producer import build_memory_event, produce_event, produce_events
produce_event(build_memory_event("demo", "parent"))
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        produce_events([build_memory_event("demo", f"{number}-{n}") for n in range(100)])
        sys.exit(0)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
produce_event(build_memory_event("demo", "parent again"))
print(codes)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **plain}, capture_output=True, text=True, timeout=WAIT_SECONDS
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "[0, 0, 0, 0]"), ran.stderr
    found = [json.loads(message.value())["payload"] for message in messages(kafka, topic, 402)]
    expected = ["parent", "parent again", *(f"{number}-{n}" for number in range(4) for n in range(100))]
    assert sorted(found) == sorted(expected)


def test_a_pool_of_processes_publishes(kafka: dict[str, str], plain: dict[str, str], topic: str) -> None:
    code = """
import multiprocessing
from eventing.producer import build_memory_event, produce_event
def work(n):
    produce_event(build_memory_event("demo", n))
    return n
if __name__ == "__main__":
    produce_event(build_memory_event("demo", -1))
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(sum(pool.map(work, range(60))))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **plain}, capture_output=True, text=True, timeout=WAIT_SECONDS
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "1770"), ran.stderr
    assert len(messages(kafka, topic, 61)) == 61


def test_what_is_on_its_way_is_flushed_at_exit(kafka: dict[str, str], plain: dict[str, str], topic: str) -> None:
    code = """
from eventing.producer import DeliveryTimeout, build_memory_event, produce_event
produce_event(build_memory_event("demo", "first"))
try:
    produce_event(build_memory_event("demo", "late"), timeout=0.0)
except DeliveryTimeout:
    print("late")
"""
    variables = {**os.environ, **plain, "KAFKA_CONFIG_LINGER_MS": "1500"}
    ran = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "late"
    assert {json.loads(m.value())["payload"] for m in messages(kafka, topic, 2)} == {"first", "late"}
