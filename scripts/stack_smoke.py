"""Walks through docs/operations/kafka.md: runs its blocks in their order and compares what they answer, then
compares log, records, index and metrics with what was written. `scripts/stack-smoke` starts it."""

import json
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import time
import urllib.request

import pg8000.native
from confluent_kafka import Consumer, TopicPartition

import stack_engine as engine

GUIDE = pathlib.Path("docs/operations/kafka.md").read_text(encoding="utf-8")
API, METRICS = f"http://127.0.0.1:{engine.API_PORT}", f"http://127.0.0.1:{engine.METRICS_PORT}"
ENV = {
    **{name: value for name, value in os.environ.items() if not re.match("KAFKA_|POSTGRES_|QDRANT_|SOMA_API|EVENTING", name)},
    "KAFKA_BOOTSTRAP_SERVERS": engine.KAFKA, "SOMA_URL": API, "PYTHONPATH": str(pathlib.Path("python/src").resolve()),
    "TMPDIR": str(engine.DIR / "tmp"),
}
# Where the guide says `localhost`, and what it must answer: a text that the block holds, and patterns of the answer.
HERE = [("localhost:9595", API[7:]), ("localhost:8001", METRICS[7:]), ("localhost:9092", engine.KAFKA), ("localhost:8081", engine.REGISTRY),
        ("broker.example.com:9094", f"127.0.0.1:{os.environ['SOMA_KAFKA_SASL_SSL_PORT']}"),
        ("deploy/certs/ca.pem", f"{os.environ['SOMA_SERVICES_DIR']}/kafka/tls/ca.pem")]
EXPECTED = [
    ("produce_event", [r"published [0-9a-f-]{36}"]),
    ("the ladder is in the shed", [r'"stored": ?true']),
    ("from memory_events", [r"created \| demo +\| .*the lamp is in the attic", r"created \| demo +\| .*the ladder is in the shed", r"(?m)^\s+2$"]),
    ("/v1/points?limit", [r'"namespace": ?"demo"']),
    ("where is the lamp?", [r"the lamp is in the attic"]),
    ("grep -E '^(consumer_messages", [
        r'consumer_messages_consumed_total\{topic="memory.events"\} [1-9]', r'consumer_process_success_total\{component="kv_writer"\} [1-9]',
        r'consumer_process_success_total\{component="vector_indexer"\} [1-9]', r'consumer_process_failure_total\{component="kv_writer"\} 0',
        r'consumer_processing_latency_seconds_count\{component="both"\} [1-9]', r"consumer_lag_messages\{.*\} 0"]),
    ("kafka-get-offsets.sh", [r"memory\.events:0:\d+", r"memory\.events:2:\d+"]),
    ("kafka-topics.sh", [r"PartitionCount: ?3", r"retention\.ms=-1"]),
    ("from positions", [r"memory"]),
    ("start_stack.sh evented_enterprise", [r"healthy: kafka kafka-topics", rf"export KAFKA_BOOTSTRAP_SERVERS=localhost:{engine.KAFKA.split(':')[1]}"]),
    ("docker-compose.dev.yml", [r'"memory\.events-value"']),
    ("SASL_SSL", [r"published over TLS"]),
    ("EVENTING_ENABLED=false", [r"false"]),
    ("the rope is in the boat", [r'"stored": ?true', r'"hits".*the rope is in the boat']),
    ('"eventing_enabled": ?true', [r"the rope is in the boat"]),
    ("pg_dump", []),
    ("kafka-configs.sh", [r"(?i)completed updating config"]),
]


def until(what, holds, seconds=120):
    """Waits for it, bounded."""
    end = time.monotonic() + seconds
    while True:
        try:
            if value := holds():
                return value
        except OSError:
            pass
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.2)


def get(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=35) as answer:
        return json.loads(answer.read())


def records(statement):
    host, port = engine.POSTGRES.split(":")
    connection = pg8000.native.Connection("soma", host=host, port=int(port), password="soma", database="soma")
    try:
        return connection.run(statement)
    finally:
        connection.close()


def events():
    """The values of the topic, from the beginning to where it ends."""
    consumer = Consumer({"bootstrap.servers": engine.KAFKA, "group.id": "stack-smoke", "enable.auto.commit": False})
    try:
        values = []
        for partition in consumer.list_topics("memory.events", 10).topics["memory.events"].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition("memory.events", partition), 10)
            consumer.assign([TopicPartition("memory.events", partition, low)])
            while low < high:
                message = consumer.poll(10)
                assert message is not None and not message.error(), f"partition {partition} cannot be read"
                values.append(json.loads(message.value()))
                low = message.offset() + 1
        return values
    finally:
        consumer.close()


def recalled(words):
    answer = get(f"{API}/v1/recall", {"namespace": "demo", "query": words, "top_k": 3})
    return [hit["memory"]["payload"].get("text") if "memory" in hit else hit["payload"].get("text") for hit in answer["hits"]]


def lag():
    """What the consumer says that it has not projected yet."""
    with urllib.request.urlopen(f"{METRICS}/metrics", timeout=10) as answer:
        return sum(float(value) for value in re.findall(r"^consumer_lag_messages\{.*\} (\S+)$", answer.read().decode(), re.M))


def run(mark, text):
    """One block, as a reader runs it."""
    print("\n".join("    " + line for line in text.splitlines()), flush=True)
    for there, here in HERE:
        text = text.replace(there, here)
    words = [os.environ["STACK_PYTHON"], "-c", text] if mark == "python" else ["bash", "-euo", "pipefail", "-c", text]
    done = subprocess.run(words, env=ENV, capture_output=True, text=True, timeout=300)
    said = [line for line in done.stdout.splitlines() + done.stderr.splitlines() if not re.match("SLF4J|curl: \\(7\\)|Warning: Problem", line)]
    print("\n".join("  > " + line[:300] for line in said[-40:]), flush=True)
    assert done.returncode == 0, f"the block ended with {done.returncode}"
    return done.stdout


def after(text):
    """What the guide promises beyond the answer of a block."""
    if "produce_event" in text:
        until("the event of the Python package is recalled", lambda: "the lamp is in the attic" in recalled("where is the lamp?"))
    if "SASL_SSL" in text:
        until("what came over TLS is recalled", lambda: "the letter came by a safe road" in recalled("which road did the letter come by?"))
    if "EVENTING_ENABLED=false" in text:
        written["before"] = len(events())
        assert written["before"] == 3, f"{written['before']} events in the topic"
    if "the rope is in the boat" in text:
        assert len(events()) == written["before"], "eventing is off and the topic grew"
        rows = records("select count(*) from memories where payload::text like '%rope%'")
        assert rows == [[1]], rows
    if "compose --profile consumer up" in text and "eventing_enabled" in text:
        until("the topic is whole", lambda: len(events()) == written["before"] + 1)
        ids = [event["event_id"] for event in events()]
        assert len(set(ids)) == len(ids), "the topic holds an event twice"
        stored = {str(row[0]) for row in records("select event_id from memory_events")}
        assert stored == set(ids), f"log and records differ: {stored ^ set(ids)}"
        until("the consumer has caught up", lambda: lag() == 0)


written = {}


def main():
    (engine.DIR / "tmp").mkdir(exist_ok=True)
    blocks = re.findall(r"^ *```([^\n`]+)\n(.*?)^ *```$", GUIDE, re.M | re.S)
    passed, expected = 0, list(EXPECTED)
    try:
        for mark, text in blocks:
            if mark not in ("sh", "python"):
                continue
            text = textwrap.dedent(text)
            print(f"\n━━ {mark}", flush=True)
            answer = run(mark, text)
            while expected and expected[0][0] in text:
                for pattern in expected[0][1]:
                    assert re.search(pattern, answer), f"the answer lacks {pattern}"
                expected.pop(0)
            after(text)
            passed += 1
        assert not expected, f"the guide lacks the block with: {expected[0][0]}"
        rows, points = records("select count(*) from memories where namespace = 'demo'"), get(f"{API}/v1/points?limit=100")["items"]
        assert rows == [[4]] and len(points) == 4, f"{rows} records, {len(points)} points"
        for name in ("somafractalmemory_kube", "api"):
            engine.stop(name)
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        print(f"\nFAILED after {passed} blocks: {error}")
        for name in ("api", "somafractalmemory_kube", "qdrant"):
            log = engine.DIR / f"{name}.log"
            if log.exists():
                print(f"━━ the last lines of {name}\n" + "\n".join(log.read_text().splitlines()[-25:]))
        sys.exit(1)
    print(f"\nthe {passed} tested blocks of docs/operations/kafka.md work; 4 memories, each once in log, records and index")


main()
