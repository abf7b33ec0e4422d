"""Carries requests to the service and repeats them within a bound: for threads, and for asyncio."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Generator
from typing import TypeVar

import httpx

from . import errors, http
from .http import Answer, Request, Service

T = TypeVar("T")
Operation = Generator[Request, Answer, T]
"""An operation as a generator: it yields requests, takes answers, and returns its result.

Errors are thrown into it where it waits.
"""


class Transport:
    """For threads; safe to share, and after a fork."""

    def __init__(self, service: Service, timeout: float, attempts: int, transport: httpx.BaseTransport | None) -> None:
        self.service, self._timeout, self._attempts = service, timeout, attempts
        self._given = transport
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._pid = os.getpid()

    def run(self, operation: Operation[T]) -> T:
        """Runs an operation to its end."""
        try:
            request = next(operation)
            while True:
                try:
                    answer = self.call(request)
                except errors.SomaError as error:
                    request = operation.throw(error)
                else:
                    request = operation.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def call(self, request: Request, timeout: float | None = None) -> Answer:
        """Carries one request, more than once if need be."""
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        attempt = 0
        while True:
            attempt += 1
            outcome = self._once(request, max(0.001, deadline - time.monotonic()))
            if isinstance(outcome, Answer):
                return outcome
            left = deadline - time.monotonic()
            pause = http.pause_before(attempt, outcome, left) if attempt < self._attempts else None
            if pause is None:
                raise outcome
            time.sleep(pause)

    def close(self) -> None:
        """Closes the connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            client.close()

    def _once(self, request: Request, seconds: float) -> Answer | errors.SomaError:
        content = request.content()
        try:
            response = self._connected().request(
                request.method, request.path, params=request.params, content=content, headers=request.headers,
                timeout=seconds,
            )  # fmt: skip
        except httpx.HTTPError as error:
            return http.unreachable(self.service, error)
        return http.read(response)

    def _connected(self) -> httpx.Client:
        with self._lock:
            if self._client is None or self._pid != os.getpid():
                # Connections that a parent opened are the parent's.
                self._client = httpx.Client(transport=self._given, **self.service.client_options())
                self._pid = os.getpid()
            return self._client

    def renew(self) -> None:
        """Makes it usable in a forked child, where its lock may be held by nobody."""
        self._lock = threading.Lock()
        self._client = None


class AsyncTransport:
    """For asyncio; safe to share between the tasks of one loop."""

    def __init__(
        self, service: Service, timeout: float, attempts: int, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self.service, self._timeout, self._attempts = service, timeout, attempts
        self._given = transport
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, operation: Operation[T]) -> T:
        """Runs an operation to its end."""
        try:
            request = next(operation)
            while True:
                try:
                    answer = await self.call(request)
                except errors.SomaError as error:
                    request = operation.throw(error)
                else:
                    request = operation.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    async def call(self, request: Request) -> Answer:
        """Carries one request, more than once if need be."""
        deadline = time.monotonic() + self._timeout
        attempt = 0
        while True:
            attempt += 1
            outcome = await self._once(request, max(0.001, deadline - time.monotonic()))
            if isinstance(outcome, Answer):
                return outcome
            left = deadline - time.monotonic()
            pause = http.pause_before(attempt, outcome, left) if attempt < self._attempts else None
            if pause is None:
                raise outcome
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """Closes the connections."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    async def _once(self, request: Request, seconds: float) -> Answer | errors.SomaError:
        content = request.content()
        try:
            response = await self._connected().request(
                request.method, request.path, params=request.params, content=content, headers=request.headers,
                timeout=seconds,
            )  # fmt: skip
        except httpx.HTTPError as error:
            return http.unreachable(self.service, error)
        return http.read(response)

    def _connected(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            # Connections belong to the loop in which they were opened.
            self._client = httpx.AsyncClient(transport=self._given, **self.service.client_options())
            self._loop = loop
        return self._client
