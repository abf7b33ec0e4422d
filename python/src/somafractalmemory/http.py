"""Talking to the service: requests as values, problems as errors, and when to try again.

Nothing here waits: `transport` does, once for threads and once for asyncio.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import orjson

from . import __about__, errors, jsontext
from .settings import Settings

DEFAULT_URL: Final = "http://127.0.0.1:9595"
_AGAIN: Final = frozenset((408, 429, 502, 503, 504))
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


@dataclass
class Request:
    """One request. It may be repeated: a read, or a write under a key or an id that makes it take effect once."""

    method: str
    path: str
    params: dict[str, str] = field(default_factory=dict)
    body: Any = None
    lines: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes | None:
        """The bytes of the body. Raises `InvalidEvent` for what is no JSON."""
        if self.lines is not None:
            return self.lines
        if self.body is None:
            return None
        jsontext.check(self.body)
        return jsontext.dumps(self.body).encode()


@dataclass(frozen=True)
class Answer:
    """A successful answer."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Service:
    """Where the service is, and who asks."""

    url: str
    token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str | None, token: str | None, settings: Settings | None = None) -> Service:
        """What the caller says, else `SOMA_URL` and `SOMA_API_TOKEN`, else the service on this machine."""
        if url is None or token is None:
            settings = settings or Settings.of_process()
            url = url or settings.text("SOMA_URL") or DEFAULT_URL
            token = token or settings.secret("SOMA_API_TOKEN")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise errors.BadConfig(f"{url} is not the address of a service; write http://host:port", field="SOMA_URL")
        return cls(url.rstrip("/"), token)

    def client_options(self) -> dict[str, Any]:
        """What an httpx client needs to reach it."""
        headers = {"user-agent": f"somafractalmemory-python/{__about__.__version__}", "accept": "application/json"}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        # A proxy of the environment cannot reach this machine's own addresses.
        return {"base_url": self.url, "headers": headers, "trust_env": not self._is_local()}

    def _is_local(self) -> bool:
        host = urlsplit(self.url).hostname or ""
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


def read(response: httpx.Response) -> Answer | errors.SomaError:
    """What a response says."""
    if response.is_success:
        try:
            body = orjson.loads(response.content) if response.content else None
        except ValueError:
            return errors.Internal("the service answered something else than JSON", status=response.status_code)
        return Answer(response.status_code, body, response.headers)
    return _problem(response)


def _problem(response: httpx.Response) -> errors.SomaError:
    status, pause = response.status_code, _seconds(response.headers.get("retry-after"))
    try:
        body = orjson.loads(response.content)
        code, detail = str(body["code"]), str(body["detail"])
    except (ValueError, TypeError, KeyError):
        cls = errors.Unavailable if status in _AGAIN else errors.Internal
        return cls(f"the answer has status {status} and says nothing more", status=status, retry_after=pause)
    return errors.from_code(
        code, detail, field=body.get("field"), remedy=body.get("remedy"), status=status, retry_after=pause
    )


def unreachable(service: Service, error: httpx.HTTPError) -> errors.Unavailable:
    """The error of a service that does not answer."""
    why = str(error) or type(error).__name__
    remedy = "start it with `soma up`, or set SOMA_URL"
    return errors.Unavailable(f"the service at {service.url} does not answer: {why}", remedy=remedy)


def pause_before(attempt: int, error: errors.SomaError, seconds_left: float) -> float | None:
    """How long to wait before the next attempt, counted from 1; `None` when none can help in time."""
    if not (isinstance(error, errors.Unavailable) or error.status in _AGAIN):
        return None
    spread = random.uniform(0.5, 1.0)
    pause = max(error.retry_after or 0.0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1)) * spread)
    return pause if pause < seconds_left else None


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None
