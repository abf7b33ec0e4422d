"""Breaks the cluster profile in every way that an operator fears, while clients write, and counts afterwards.

    soak.py SOMA STAND_IN SERVICES FOLDER [--outage SECONDS] [--rounds N] [--seed TEXT] [--corpus FOLDER]

After every round: each acknowledged write is in both stores exactly once (`soma verify`), each memory shows
its writer's last write, no good event is a dead letter, and no bad event is missing from the dead letters.
"""

import argparse
import base64
import json
import random
import signal
import subprocess
import time
from pathlib import Path

from confluent_kafka import Producer

from soak_world import START_SECONDS, Cluster, Pulses, Writers, until

CONSUMERS = 3
WRITERS = 6
# How soon the successor of a consumer that stopped in the middle of a batch goes on.
SUCCESSOR_SECONDS = 30


def faults(cluster, outage, chance):
    """Every fault once, in an order of chance: name and deed."""

    def kill_consumer():
        chance.choice(cluster.consumers).again()

    def kill_api():
        cluster.api.again()

    def service(verb_down, name):
        def broken():
            cluster.services.run(verb_down, name)
            time.sleep(outage)
            cluster.services.run("start", name)

        return broken

    def stand_in_away():
        cluster.qdrant.kill()
        time.sleep(outage)
        cluster.qdrant.start()

    def come_and_go():
        for _ in range(3):
            consumer = chance.choice(cluster.consumers)
            until("a consumer has started", START_SECONDS, lambda: cluster.started(consumer))
            assert consumer.end() == 0, f"a consumer did not end well: {consumer.text()[-2000:]}"
            consumer.start()
            time.sleep(outage / 4)

    def paused():
        """A consumer stops between staging and commit, perhaps, is replaced, and goes on later."""
        consumer = chance.choice(cluster.consumers)
        consumer.signal(signal.SIGSTOP)
        time.sleep(outage)
        consumer.signal(signal.SIGCONT)

    listed = [
        ("a consumer is killed", kill_consumer),
        ("the API is killed", kill_api),
        ("Kafka stops", service("stop", "kafka")),
        ("Kafka is killed", service("kill", "kafka")),
        ("PostgreSQL stops", service("stop", "postgres")),
        ("the vector index is away", stand_in_away),
        ("consumers come and go", come_and_go),
        ("a consumer is paused and replaced", paused),
    ]
    chance.shuffle(listed)
    return listed


class Poison:
    """Records that are no events, mixed into the traffic; remembers where each lies."""

    def __init__(self, cluster, corpus):
        self.producer = Producer(
            {"bootstrap.servers": cluster.environment["KAFKA_BOOTSTRAP_SERVERS"], "partitioner": "murmur2_random", "acks": "all", "log_level": 2}
        )
        self.values = list(self.invalid(corpus))
        self.places, self.failed = set(), []

    @staticmethod
    def invalid(corpus):
        """Key and value of every event of the corpus that readers refuse, and of some more."""
        key = b"0190b6a0-7c1e-7d3a-9f2b-1c2d3e4f5a6b"
        for case in json.loads((corpus / "events.json").read_text()):
            value = spelled(case["value"])
            if case["read"] != "ok" and value is not None and len(value) < 900_000:
                yield key, value
        yield key, b"not json"
        yield key, b"\xff\xfe\x00broken"
        yield key, b""
        yield key, b'{"event_id": 1}'
        yield b"no uuid", b"{}"
        yield key, b'"' + b"x" * 900_000 + b'"'
        yield key, b"[" * 200 + b"]" * 200

    def send(self, topic):
        def delivered(error, message):
            if error is not None:
                self.failed.append(str(error))
            else:
                self.places.add((message.partition(), message.offset()))

        for key, value in self.values:
            self.producer.produce(topic, key=key, value=value, on_delivery=delivered)
        assert self.producer.flush(60) == 0, "poison could not be sent"


def spelled(value):
    """The bytes of a value of the corpus (schemas/corpus/README.md)."""
    if value is None:
        return None
    if "json" in value:
        return json.dumps(value["json"]).encode()
    if "text" in value:
        return value["text"].encode()
    if "base64" in value:
        return base64.b64decode(value["base64"])
    parts = [part if isinstance(part, str) else part["repeat"][0] * part["repeat"][1] for part in value["parts"]]
    return "".join(parts).encode()


def check(cluster, writers, poison):
    """What must hold whenever nobody writes."""
    code, report = cluster.command("verify")
    assert code == 0 and report["ok"], f"the stores are not what the log says: {json.dumps(report)[:3000]}"
    shown = {}
    cursor = ""
    while True:
        status, page = cluster.call("GET", f"/v1/memories?namespace=soak&limit=1000{cursor}", timeout=60)
        assert status == 200, page
        shown |= {memory["id"]: memory["payload"] for memory in page["items"]}
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    expected = {key: value for state in writers.state for key, value in state.items() if value is not None}
    missing, more = expected.keys() - shown.keys(), shown.keys() - expected.keys()
    wrong = [key for key in expected.keys() & shown.keys() if expected[key] != shown[key]]
    assert not (missing or more or wrong), f"missing {sorted(missing)[:3]}, deleted yet there {sorted(more)[:3]}, wrong {wrong[:3]}"
    code, letters = cluster.command("dlq", "list", "--limit", "100000")
    assert code == 0, letters
    # A source is spelled <log>/<partition>@<offset>.
    found = {tuple(map(int, letter["source"].rsplit("/", 1)[1].split("@"))) for letter in letters["items"]}
    assert found == poison.places, f"good events refused {sorted(found - poison.places)[:3]}, bad ones missing {sorted(poison.places - found)[:3]}"
    return report


def stopped_in_a_batch(cluster):
    """A consumer stops between staging and commit, with rows and threads locked: its successor goes on all the same, and
    when the consumer continues it is refused. Answers with the seconds that the successor took."""
    staged = (
        "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'soma-consumer-%' "
        "AND state = 'idle in transaction' AND backend_xid IS NOT NULL"
    )
    until("every consumer has started", START_SECONDS, lambda: all(map(cluster.started, cluster.consumers)))
    # Whoever has taken a partition mends the index first; only then does it stage batches.
    before = cluster.positions()

    def moved():
        now = cluster.positions()
        return all(of in now and now[of][0] > before[of][0] for of in before)

    until("every partition moves", START_SECONDS, moved)
    own = [cluster.owned(number) for number in range(CONSUMERS)]
    # Whoever has staged a batch waits for the index until its deadline; meanwhile it can be stopped there.
    cluster.qdrant.signal(signal.SIGSTOP)
    try:
        names = until("a batch is staged", START_SECONDS, lambda: [name for (name,) in cluster.sql(staged)])
        number = next(number for number in range(CONSUMERS) if f"soma-consumer-{number}" in names and own[number])
        consumer = cluster.consumers[number]
        consumer.signal(signal.SIGSTOP)
        stopped, start = cluster.positions(), time.monotonic()
        assert [f"soma-consumer-{number}"] in cluster.sql(staged), "it was stopped behind its commit"
    finally:
        cluster.qdrant.signal(signal.SIGCONT)
    # The server itself would wait for ever: what bounds it is what we ask for in each transaction.
    [[setting]] = cluster.sql("SHOW idle_in_transaction_session_timeout")
    assert setting == "0", f"this server ends idle transactions by itself after {setting}, which proves nothing of ours"

    def goes_on():
        return all(tuple(cluster.positions()[of]) > stopped[of] and cluster.positions()[of][1] > stopped[of][1] for of in own[number])

    until(f"the successor of {sorted(own[number])} goes on", SUCCESSOR_SECONDS, goes_on)
    seconds = time.monotonic() - start
    consumer.signal(signal.SIGCONT)
    until("the consumer that was stopped works again", START_SECONDS, lambda: cluster.started(consumer))
    return seconds


def main():
    options = argparse.ArgumentParser()
    for name in ["soma", "stand_in", "services", "folder"]:
        options.add_argument(name, type=Path)
    options.add_argument("--outage", type=float, default=10)
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--seed", default="soma")
    options.add_argument("--corpus", type=Path, default=Path("schemas/corpus"))
    options = options.parse_args()
    chance = random.Random(options.seed)
    print(f"seed {options.seed}, outages of {options.outage:.0f} s, rounds {options.rounds}", flush=True)

    passed = 0
    cluster = Cluster(options.soma, options.stand_in, options.services, options.folder, CONSUMERS)
    try:
        cluster.ready()
        for round_number in range(options.rounds):
            poison = poison if round_number else Poison(cluster, options.corpus)
            writers = writers if round_number else Writers(cluster, WRITERS, options.seed)
            pulses = pulses if round_number else Pulses(cluster)
            successors = successors if round_number else []
            for name, deed in faults(cluster, options.outage, chance):
                before = sum(writers.acknowledged)
                poison.send("memory.events")
                deed()
                until(f"writes go on after: {name}", START_SECONDS, lambda: sum(writers.acknowledged) > before + WRITERS)
                print(f"  {name}: {sum(writers.acknowledged) - before} writes acknowledged meanwhile", flush=True)
                passed += 1
            successors.append(stopped_in_a_batch(cluster))
            print(f"  a consumer stops between staging and commit: its successor went on after {successors[-1]:.1f} s", flush=True)
            passed += 1
        pulses.end()
        passed += 1
        writers.end(120)
        assert not poison.failed, poison.failed[:3]
        cluster.ready()
        cluster.caught_up(240)
        report = check(cluster, writers, poison)
        passed += 1
        counts = {name: report[name] for name in ["events", "memories", "deleted", "points", "dead_letters", "differences"]}
        print(f"acknowledged {sum(writers.acknowledged)}; {counts}", flush=True)
        lost_log(cluster)
        passed += 1
        print(f"the longest that a loop stood still, pauses of its process included: {pulses.longest}", flush=True)
        print(
            f"successors of a consumer that was stopped in a batch went on after {max(successors):.1f} s at most, "
            f"of {SUCCESSOR_SECONDS} s",
            flush=True,
        )
        print(f"{passed} passed, 0 failed", flush=True)
    except BaseException:
        for process in [cluster.api, *cluster.consumers, cluster.qdrant]:
            print(f"── {process.log.name}\n{process.text()[-3000:]}", flush=True)
        raise
    finally:
        cluster.close()


def lost_log(cluster):
    """The broker loses its data while PostgreSQL keeps its own: consumers halt, and say what to do."""
    cluster.services.run("down", "kafka")
    cluster.services.run("up", "kafka")
    for consumer in cluster.consumers:
        consumer.again()
    consumer = cluster.consumers[0]

    def halted():
        ended = [one for one in cluster.consumers if one.process.poll() not in (None, 0)]
        return ended and any("log" in one.text().splitlines()[-1] for one in ended)

    until("a consumer halts on a log that was replaced", START_SECONDS, halted)
    said = consumer.text() if consumer.process.poll() is not None else next(
        one.text() for one in cluster.consumers if one.process.poll() is not None
    )
    assert "soma log renew" in said, said[-2000:]
    # What the operator does: the log is taken as it is, from its beginning, and nothing of it is passed over.
    done = subprocess.run(
        [cluster.soma, "log", "renew", "--json", "--no-env-file"], env=cluster.environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and json.loads(done.stdout)["generation"] == 2, done.stdout + done.stderr
    for process in [cluster.api, *cluster.consumers]:
        process.again()
    cluster.ready()
    for number in range(20):
        body = {"namespace": "renewed", "payload": {"text": f"after the loss {number}"}}
        status, answer = cluster.call("POST", "/v1/memories?wait=stored&wait_ms=30000", body, timeout=60)
        assert status == 201, answer
    cluster.caught_up(60)
    print("  a broker without its data: consumers halt and name the remedy, and go on when the log is renewed", flush=True)


if __name__ == "__main__":
    main()
