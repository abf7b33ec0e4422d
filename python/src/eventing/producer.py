"""Builds memory events and publishes them.

    from eventing.producer import build_memory_event, produce_event

    event = build_memory_event(namespace="demo", payload={"example": True})
    produce_event(event)

With `KAFKA_BOOTSTRAP_SERVERS` set an event goes to the topic `memory.events`; without it, or with
`EVENTING_ENABLED=false`, to the service at `SOMA_URL`, by default the one on this machine. Either way a call returns
once the event is durable, and raises otherwise. The variables are those of the service; `./.env` is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from somafractalmemory import delivery
from somafractalmemory.delivery import close
from somafractalmemory.errors import BadConfig, DeliveryError, DeliveryTimeout, InvalidEvent
from somafractalmemory.event import MemoryEvent, build_memory_event, encode, parse

__all__ = [
    "BadConfig",
    "DeliveryError",
    "DeliveryTimeout",
    "InvalidEvent",
    "MemoryEvent",
    "aproduce_event",
    "build_memory_event",
    "close",
    "produce_event",
    "produce_events",
]

Producible = Mapping[str, Any] | str | bytes
"""An event, or its JSON."""


def produce_event(event: Producible, topic: str | None = None, *, timeout: float = 10.0) -> None:
    """Publishes one event and waits until it is acknowledged, for at most `timeout` seconds.

    Raises `InvalidEvent` for what is no event (nothing is sent then), `BadConfig` for settings that cannot work,
    `DeliveryTimeout` and `DeliveryError` when the event was not acknowledged. To produce the same event again is safe:
    it takes effect once.
    """
    produce_events((event,), topic, timeout=timeout)


def produce_events(events: Iterable[Producible], topic: str | None = None, *, timeout: float = 60.0) -> int:
    """Publishes many events with one wait for all acknowledgements, and returns their number.

    All are checked before the first is sent. Events of one memory keep their order. Raises as `produce_event` does;
    `DeliveryError.failed` tells the place of each event that was not acknowledged.
    """
    chosen = delivery.current(timeout)
    bytes_max = chosen.bytes_max
    records = [
        encode(event, bytes_max=bytes_max) if type(event) is dict else _encoded(event, bytes_max) for event in events
    ]
    if records:
        chosen.send(records, topic, timeout)
    return len(records)


async def aproduce_event(event: Producible, topic: str | None = None, *, timeout: float = 10.0) -> None:
    """As `produce_event`, for asyncio."""
    chosen = delivery.current(timeout)
    await chosen.asend([_encoded(event, chosen.bytes_max)], topic, timeout)


def _encoded(event: Producible, bytes_max: int) -> tuple[str, bytes]:
    if isinstance(event, (str, bytes)):
        event = parse(event, bytes_max=bytes_max)
    return encode(event, bytes_max=bytes_max)
