"""Measures the producer against bare confluent-kafka that sends the same bytes, in one run.

    KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 python bench/produce.py [events] [rounds]

All use the same client settings and wait for every acknowledgement; the rounds alternate, and medians count. Bare
means `produce` and `flush` alone: once with key and value only and no look at what became of each message, once with
the same records (a header too) and a delivery callback, which is what it takes to learn of a failure.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable

import confluent_kafka

from eventing.producer import build_memory_event, produce_event, produce_events
from somafractalmemory import event
from somafractalmemory.delivery import kafka_settings

TEXT = "the lamp is in the attic, beside the box with the old letters and the broken clock; "


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Time that passed, and time that the processors of this process worked."""
    started, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - worked


def main(count: int, rounds: int) -> None:
    run = uuid.uuid4().hex
    os.environ["KAFKA_MEMORY_EVENTS_TOPIC"] = f"bench.{run}"
    payloads = [{"text": TEXT, "user_id": "ana", "n": n} for n in range(count)]
    building, _ = seconds(lambda: [build_memory_event("bench", payload) for payload in payloads])
    events = [build_memory_event("bench", payload) for payload in payloads]
    encoded = [event.encode(one) for one in events]
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    bare = confluent_kafka.Producer({**kafka_settings.PRODUCER, "bootstrap.servers": servers})

    def bare_values() -> None:
        for key, value in encoded:
            bare.produce(f"bench.{run}", value, key)
        assert bare.flush(60) == 0

    delivered = [0]

    def count_one(error: object, _message: object) -> None:
        assert error is None
        delivered[0] += 1

    def bare_records() -> None:
        delivered[0] = 0
        header = [("content-type", b"application/json")]
        for number, (key, value) in enumerate(encoded):
            bare.produce(f"bench.{run}", value, key, headers=header, on_delivery=count_one)
            if number % 1000 == 0:
                bare.poll(0)
        assert bare.flush(60) == 0
        assert delivered[0] == count

    produce_events(events[:1000])
    bare.produce(f"bench.{run}", b"warm")
    bare.flush(60)
    works = {
        "bare, values": bare_values,
        "bare, records": bare_records,
        "produce_events": lambda: produce_events(events),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    single = [seconds(lambda: produce_event(events[0]))[0] for _ in range(200)]
    ours = statistics.median(passed for passed, _ in times["produce_events"])
    print(f"{count} events of {len(encoded[0][1])} bytes, median of {rounds} rounds; processor time of all threads")
    print(f"{'build_memory_event':20}{count / building:12,.0f}/s")
    for name, taken in times.items():
        passed, worked = (statistics.median(one[which] for one in taken) for which in (0, 1))
        share = f"{passed / ours:6.0%} is what produce_events reaches of it" if name != "produce_events" else ""
        print(f"{name:20}{count / passed:12,.0f}/s{worked / count * 1e6:8.1f} us/event {share}")
    print(f"{'produce_event':20}{statistics.median(single) * 1000:12.1f} ms until acknowledged, one by one")


main(*(int(argument) for argument in (*sys.argv[1:], *("100000", "5")[len(sys.argv) - 1 :])))
