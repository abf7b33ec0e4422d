"""Delivery to the service: `POST /v1/events`, in requests of bounded size.

A request is repeated while time lasts. That is safe: an event takes effect once, by its `event_id`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import httpx

from .. import errors, limits
from ..http import Request, Service
from ..settings import Settings
from ..tracing import traceparent
from ..transport import Transport
from . import Record

_ATTEMPTS: Final = 100


class ServiceDelivery:
    """The connection of this process to the service."""

    def __init__(self, settings: Settings, bytes_max: int, transport: httpx.BaseTransport | None = None) -> None:
        self.bytes_max = bytes_max
        service = Service.of(settings.text("SOMA_URL"), settings.secret("SOMA_API_TOKEN"), settings)
        self._transport = Transport(service, 10.0, _ATTEMPTS, transport)

    def send(self, records: Sequence[Record], topic: str | None, timeout: float) -> None:
        if topic is not None:
            what = "a topic is named, and events go to the service, which has one log"
            raise errors.BadConfig(what, field="KAFKA_BOOTSTRAP_SERVERS", remedy="set it, or name no topic")
        deadline = time.monotonic() + timeout
        trace = traceparent()
        headers = {"content-type": "application/x-ndjson", **({"traceparent": trace} if trace else {})}
        refused: dict[int, errors.SomaError] = {}
        for first, part in _parts(records):
            request = Request("POST", "/v1/events", lines=b"\n".join(part), headers=headers)
            try:
                answer = self._transport.call(request, max(0.001, deadline - time.monotonic()))
            except errors.Unavailable as error:
                late = time.monotonic() >= deadline
                raise _unsent(error, range(first, len(records)), late) from error
            refused |= {first + index: _refusal(item) for index, item in enumerate(answer.body["items"]) if _bad(item)}
        if refused:
            if len(records) == 1:
                raise refused[0]
            reasons = {place: str(error) for place, error in refused.items()}
            what = f"{len(refused)} of {len(records)} events were refused: {next(iter(reasons.values()))}"
            raise errors.DeliveryError(what, failed=reasons)

    async def asend(self, records: Sequence[Record], topic: str | None, timeout: float) -> None:
        await asyncio.to_thread(self.send, records, topic, timeout)

    def is_usable(self) -> bool:
        return True

    def close(self, timeout: float) -> None:
        self._transport.close()

    def abandon(self) -> None:
        self._transport.renew()


def _parts(records: Sequence[Record]) -> Iterator[tuple[int, list[bytes]]]:
    """The place of the first event of each request, and its events."""
    first, size = 0, 0
    part: list[bytes] = []
    for place, (_, value) in enumerate(records):
        if part and (len(part) == limits.BATCH_ITEMS_MAX or size + len(value) > limits.REQUEST_BYTES):
            yield first, part
            first, part, size = place, [], 0
        part.append(value)
        size += len(value)
    yield first, part


def _bad(item: dict[str, Any]) -> bool:
    return bool(item["status"] >= 400)


def _refusal(item: dict[str, Any]) -> errors.SomaError:
    error = item["error"]
    return errors.from_code(
        error["code"], error["detail"], field=error.get("field"), remedy=error.get("remedy"), status=item["status"]
    )


def _unsent(error: errors.SomaError, places: range, late: bool) -> errors.DeliveryError:
    cls = errors.DeliveryTimeout if late else errors.DeliveryError
    return cls(error.detail, failed=dict.fromkeys(places, error.detail), remedy=error.remedy)
