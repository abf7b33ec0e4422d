"""Publishes memories as an agent's events, and finds them again through the client.

    pip install ./python
    soma up &
    python examples/python/remember_and_recall.py

`SOMA_URL` names another service; with `KAFKA_BOOTSTRAP_SERVERS` the events go to Kafka, whose consumer brings them to
the same service.
"""

from __future__ import annotations

import sys
import time

from eventing.producer import build_memory_event, produce_events
from somafractalmemory import Memory

NAMESPACE = "example-house"
NOTES = [
    "The lamp is in the attic, beside the old letters.",
    "Tea is at four, in the garden when it is dry.",
    "The spare key hangs behind the blue door.",
]


def main() -> int:
    events = [build_memory_event(NAMESPACE, {"text": note}) for note in NOTES]
    print(f"published {produce_events(events)} events")
    with Memory(namespace=NAMESPACE) as memory:
        # Events travel: they are durable at once, and found a moment later.
        deadline = time.monotonic() + 30
        while (arrived := sum(memory.get(event["id"]) is not None for event in events)) < len(events):
            if time.monotonic() > deadline:
                print(f"only {arrived} of {len(events)} arrived in time", file=sys.stderr)
                return 1
            time.sleep(0.1)
        print(f"{arrived} arrived")
        # What this client writes itself, it sees at once.
        memory.add("The blue door is painted green now.", user_id="ana")
        for question in ("Where is the lamp?", "Where is the spare key?"):
            best = memory.search(question, limit=1)["results"][0]
            print(f"{question} {best['memory']}")
        print(f"ana: {memory.search('Which colour is the door?', user_id='ana')['results'][0]['memory']}")
        memory.delete_all(namespace=NAMESPACE)
        memory.delete_all(user_id="ana")
    return 0


if __name__ == "__main__":
    sys.exit(main())
