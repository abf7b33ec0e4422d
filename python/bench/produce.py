"""Measures the producer against bare confluent-kafka that sends the same bytes, in one run.

    KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 python bench/produce.py [events] [rounds]

Both use the same client settings and wait for every acknowledgement; the rounds alternate, and medians count.
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

    def send_bare() -> None:
        for key, value in encoded:
            bare.produce(f"bench.{run}", value, key)
        assert bare.flush(60) == 0

    produce_events(events[:1000])
    bare.produce(f"bench.{run}", b"warm")
    bare.flush(60)
    times: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
    for _ in range(rounds):
        times["bare"].append(seconds(send_bare))
        times["ours"].append(seconds(lambda: produce_events(events)))
    single = [seconds(lambda: produce_event(events[0]))[0] for _ in range(200)]
    passed = {name: statistics.median(one for one, _ in taken) for name, taken in times.items()}
    worked = {name: statistics.median(one for _, one in taken) for name, taken in times.items()}
    shares = [b / o for (b, _), (o, _) in zip(times["bare"], times["ours"], strict=True)]
    print(f"{count} events of {len(encoded[0][1])} bytes, median of {rounds} rounds")
    print(f"build_memory_event        {count / building:12,.0f} per second")
    print(f"bare confluent-kafka      {count / passed['bare']:12,.0f} per second")
    print(f"produce_events            {count / passed['ours']:12,.0f} per second")
    print(f"share                     {passed['bare'] / passed['ours']:12.0%}")
    print(f"share in each round       {', '.join(f'{share:.0%}' for share in shares)}")
    for name, taken in worked.items():
        print(f"processor time, {name}      {taken / count * 1e6:12.1f} microseconds per event, all threads")
    print(f"produce_event, one by one {statistics.median(single) * 1000:12.1f} ms until acknowledged (median)")


main(*(int(argument) for argument in (*sys.argv[1:], *("100000", "5")[len(sys.argv) - 1 :])))
