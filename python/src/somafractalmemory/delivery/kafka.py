"""Delivery to Kafka: keyed by the memory's id, idempotent, acknowledged before a call returns.

One client per process. Of the threads that wait, one serves the acknowledgements of all; when its own events are
done, the next takes over. For asyncio, where none waits, a thread is started. A topic that is missing is created as
the service creates it, because what a broker creates by itself forgets after seven days.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ctypes
import functools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import confluent_kafka
from confluent_kafka import admin

from .. import errors
from ..settings import Settings
from ..tracing import traceparent
from . import Record, kafka_settings
from .oauth import TokenRefusedError

_LOG: Final = logging.getLogger("somafractalmemory.kafka")
_POLL_SECONDS: Final = 0.2
_FULL_SECONDS: Final = 0.005
_SERVED_AT_ONCE: Final = 1000
_CREATE_SECONDS: Final = 5.0
_QUIET_SECONDS: Final = 30.0
_PARTITIONS: Final = 3
_TOPIC_CONFIG: Final = {"retention.ms": "-1", "cleanup.policy": "delete"}
_Headers = list[tuple[str, str | bytes | None]]
_TIMED_OUT: Final = frozenset((confluent_kafka.KafkaError._MSG_TIMED_OUT, confluent_kafka.KafkaError._TIMED_OUT))

_REMEDY: Final = "once the cause is gone, produce the same again: an event takes effect once"


class _Waiting:
    """What one call waits for."""

    def __init__(self, records: Sequence[Record], on_done: Callable[[], Any]) -> None:
        self.records = records
        # One step of an iterator is atomic, whichever thread takes it.
        self._left = iter(range(len(records) - 1, -1, -1))
        self._on_done = on_done
        self._failed: list[tuple[bytes, Any]] = []
        self.is_done = False

    def report(self, error: Any, message: Any) -> None:
        """The client has come to an end with one event."""
        if error is not None:
            self._failed.append((message.value(), error))
        self._count()

    def refuse(self, value: bytes, error: Any) -> None:
        """The client did not take one event."""
        self._failed.append((value, error))
        self._count()

    def failed(self) -> dict[int, Any]:
        """What happened to each event that was not acknowledged, by its place."""
        if not self._failed:
            return {}
        failed = dict(self._failed)
        return {index: failed[value] for index, (_, value) in enumerate(self.records) if value in failed}

    def _count(self) -> None:
        if next(self._left) == 0:
            self.is_done = True
            self._on_done()


class KafkaDelivery:
    """The producer of this process."""

    def __init__(self, settings: Settings, bytes_max: int, timeout: float) -> None:
        self.bytes_max = bytes_max
        self._connection, further, tokens = kafka_settings.connection(settings)
        self._topic = kafka_settings.events_topic(settings)
        self._creates = settings.switch("KAFKA_CREATE_TOPICS") is not False
        bounds = {"message.max.bytes": bytes_max + 65_536}
        self._quiet_until = 0.0
        conf = {**kafka_settings.PRODUCER, **bounds, **further, **self._connection, "error_cb": self._on_error}
        try:
            if tokens is not None:
                tokens.prepare(timeout)
            self._producer = confluent_kafka.Producer(conf, logger=_LOG)
        except TokenRefusedError as error:
            raise errors.DeliveryError(str(error), remedy="check KAFKA_SASL_OAUTHBEARER_*") from error
        except confluent_kafka.KafkaException as error:
            raise errors.BadConfig(f"the Kafka client refuses its settings: {error.args[0].str()}") from error
        # Beyond that, handing one event over may have to wait for room.
        self._roomy = int(conf["queue.buffering.max.messages"]) // 2
        self._ready: set[str] = set()
        self._ready_lock = threading.Lock()
        self._ended = threading.Event()
        self._fatal = False
        self._serving = threading.Lock()
        self._waiting: deque[threading.Event] = deque(maxlen=1024)
        self._thread: threading.Thread | None = None

    def send(self, records: Sequence[Record], topic: str | None, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        name = self._named(topic, deadline)
        done = threading.Event()
        waiting = self._hand_over(name, records, done.set, deadline)
        self._wait(waiting, done, deadline)
        self._judge(waiting, timeout)

    async def asend(self, records: Sequence[Record], topic: str | None, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        name = await asyncio.to_thread(self._named, topic, deadline)
        self._serve_for_asyncio()
        done = asyncio.Event()
        on_done = functools.partial(self._wake, asyncio.get_running_loop(), done)
        if len(records) == 1 and len(self._producer) < self._roomy:
            waiting = self._hand_over(name, records, on_done, deadline)
        else:
            waiting = await asyncio.to_thread(self._hand_over, name, records, on_done, deadline)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(done.wait(), max(0.0, deadline - time.monotonic()))
        self._judge(waiting, timeout)

    def is_usable(self) -> bool:
        return not self._fatal and not self._ended.is_set()

    def close(self, timeout: float) -> None:
        left = self._producer.flush(timeout)
        if left:
            _LOG.warning("%d events were not acknowledged when the process let go of them", left)
        self._ended.set()
        if self._thread is not None:
            self._thread.join(_POLL_SECONDS * 5)

    def abandon(self) -> None:
        # To destroy the client here would wait for threads that only the parent has: it stays for ever.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))

    @staticmethod
    def _wake(loop: asyncio.AbstractEventLoop, done: asyncio.Event) -> None:
        # The loop may have ended without waiting.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    def _wait(self, waiting: _Waiting, done: threading.Event, deadline: float) -> None:
        """Waits for one's own events: serving the acknowledgements of all, or while another thread does."""
        while not waiting.is_done and (left := deadline - time.monotonic()) > 0:
            if self._serving.acquire(blocking=False):
                try:
                    while not waiting.is_done and (left := deadline - time.monotonic()) > 0:
                        self._producer.poll(min(left, _POLL_SECONDS))
                finally:
                    self._serving.release()
                    with contextlib.suppress(IndexError):
                        self._waiting.popleft().set()
            else:
                # Its events are done, or the one who served has left, or has left just before.
                done.clear()
                self._waiting.append(done)
                if not waiting.is_done:
                    done.wait(min(left, _POLL_SECONDS))

    def _serve_for_asyncio(self) -> None:
        if self._thread is None:
            with self._ready_lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._serve, name="soma-kafka", daemon=True)
                    self._thread.start()

    def _serve(self) -> None:
        while not self._ended.is_set():
            self._producer.poll(_POLL_SECONDS)

    def _on_error(self, error: Any) -> None:
        if error.fatal():
            self._fatal = True
        # A broker that is away is reported at every attempt to reach it: one line tells as much.
        now = time.monotonic()
        if error.fatal() or now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            _LOG.warning("the Kafka client reports: %s", error.str())

    def _hand_over(
        self, topic: str, records: Sequence[Record], on_done: Callable[[], Any], deadline: float
    ) -> _Waiting:
        """Gives events to the client; what it does not take in time is reported as failed."""
        waiting = _Waiting(records, on_done)
        produce, report, headers = self._producer.produce, waiting.report, _headers()
        for index, (key, value) in enumerate(records, 1):
            try:
                produce(topic, value, key, on_delivery=report, headers=headers)
            except BufferError as error:
                self._squeeze_in(topic, (key, value), waiting, error, deadline)
            except confluent_kafka.KafkaException as error:
                waiting.refuse(value, error.args[0])
            if index % _SERVED_AT_ONCE == 0:
                self._producer.poll(0)
        return waiting

    def _squeeze_in(self, topic: str, record: Record, waiting: _Waiting, full: Exception, deadline: float) -> None:
        """Hands an event over once acknowledgements have made room."""
        key, value = record
        while time.monotonic() < deadline:
            self._producer.poll(_FULL_SECONDS)
            try:
                self._producer.produce(topic, value, key, on_delivery=waiting.report, headers=_headers())
            except BufferError:
                continue
            except confluent_kafka.KafkaException as error:
                waiting.refuse(value, error.args[0])
            return
        waiting.refuse(value, full)

    def _judge(self, waiting: _Waiting, timeout: float) -> None:
        """Returns if every event was acknowledged."""
        count = len(waiting.records)
        if not waiting.is_done:
            what = "the event was" if count == 1 else f"{count} events were"
            raise errors.DeliveryTimeout(
                f"{what} not acknowledged within {timeout:g} seconds, and may still arrive",
                failed=dict.fromkeys(range(count), "not acknowledged in time"),
                remedy=_REMEDY,
            )
        failed = waiting.failed()
        if not failed:
            return
        causes = [error for error in failed.values() if isinstance(error, confluent_kafka.KafkaError)]
        self._fatal = self._fatal or any(error.fatal() for error in causes)
        late = len(causes) == len(failed) and all(error.code() in _TIMED_OUT for error in causes)
        reasons = {place: _reason(error) for place, error in failed.items()}
        cls = errors.DeliveryTimeout if late else errors.DeliveryError
        what = f"{len(failed)} of {count} events were not acknowledged: {next(iter(reasons.values()))}"
        raise cls(what, failed=reasons, remedy=_REMEDY)

    def _named(self, topic: str | None, deadline: float) -> str:
        name = self._topic if topic is None else kafka_settings.topic(topic)
        if self._creates and name not in self._ready:
            with self._ready_lock:
                if name not in self._ready:
                    self._create(name, min(_CREATE_SECONDS, (deadline - time.monotonic()) / 2))
        return name

    def _create(self, name: str, seconds: float) -> None:
        # Whether the topic can be used is for the delivery to find out.
        client = admin.AdminClient({**self._connection, "log_level": kafka_settings.LOG_LEVEL}, logger=_LOG)
        wanted = admin.NewTopic(  # type: ignore[attr-defined]
            name, num_partitions=_PARTITIONS, replication_factor=-1, config=dict(_TOPIC_CONFIG)
        )
        try:
            future = client.create_topics([wanted], operation_timeout=max(0.1, seconds))[name]
            future.result(max(0.1, seconds))
        except confluent_kafka.KafkaException as error:
            known = confluent_kafka.KafkaError
            settled = (known.TOPIC_ALREADY_EXISTS, known.TOPIC_AUTHORIZATION_FAILED, known.CLUSTER_AUTHORIZATION_FAILED)
            if error.args[0].code() not in settled:
                return
        except (TimeoutError, concurrent.futures.TimeoutError):
            return
        self._ready.add(name)


def _headers() -> _Headers:
    headers: _Headers = [("content-type", b"application/json")]
    trace = traceparent()
    return [*headers, ("traceparent", trace)] if trace else headers


def _reason(error: Any) -> str:
    return error.str() if hasattr(error, "str") else str(error)
