"""How events leave the process: to Kafka where it is configured, else to the service.

There is one `Delivery` per process, made when the first event is sent. A forked child makes its own; what a process
has not yet handed over when it ends is flushed then, within a bound.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Sequence
from typing import Final, Protocol

from .. import errors, limits
from ..settings import Settings

Record = tuple[str, bytes]
"""Key and value of one event."""

_EXIT_SECONDS: Final = 10.0


class Delivery(Protocol):
    """Takes checked events to where they are kept."""

    bytes_max: int

    def send(self, records: Sequence[Record], topic: str | None, timeout: float) -> None:
        """Returns once every event is acknowledged; raises `DeliveryError` otherwise, within the timeout."""

    async def asend(self, records: Sequence[Record], topic: str | None, timeout: float) -> None:
        """As `send`, without blocking the event loop."""

    def is_usable(self) -> bool:
        """Whether another call can succeed on it."""

    def close(self, timeout: float) -> None:
        """Waits for what is on its way, then lets go."""

    def abandon(self) -> None:
        """Forgets everything without touching it: it belongs to the parent of this process."""


def make(settings: Settings, timeout: float = 10.0) -> Delivery:
    """The delivery that the settings ask for. Raises `BadConfig`, and `DeliveryError` when a token is refused."""
    brokers, eventing = settings.text("KAFKA_BOOTSTRAP_SERVERS"), settings.switch("EVENTING_ENABLED")
    bytes_max = settings.number("SOMA_EVENT_BYTES_MAX", limits.VALUE_BYTES_DEFAULT, 1024, limits.VALUE_BYTES_MAX)
    if eventing and brokers is None:
        raise errors.BadConfig(
            "EVENTING_ENABLED=true needs Kafka; set KAFKA_BOOTSTRAP_SERVERS, or unset it", field="EVENTING_ENABLED"
        )
    if brokers is not None and eventing is not False:
        from .kafka import KafkaDelivery

        return KafkaDelivery(settings, bytes_max, timeout)
    from .service import ServiceDelivery

    return ServiceDelivery(settings, bytes_max)


_lock = threading.Lock()
_current: Delivery | None = None


def current(timeout: float) -> Delivery:
    """The delivery of this process; to make it may take that many seconds."""
    global _current
    found = _current
    if found is not None and found.is_usable():
        return found
    with _lock:
        if _current is not None and not _current.is_usable():
            _current.close(0.0)
            _current = None
        if _current is None:
            _current = make(Settings.of_process(), timeout)
        return _current


def close(timeout: float = _EXIT_SECONDS) -> None:
    """Flushes, and lets the next event begin anew with the settings of that moment."""
    global _current
    with _lock:
        found, _current = _current, None
    if found is not None:
        found.close(timeout)


def _after_fork() -> None:
    global _current, _lock
    # The lock may have been held by a thread that does not exist here.
    _lock = threading.Lock()
    found, _current = _current, None
    if found is not None:
        found.abandon()


atexit.register(close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
