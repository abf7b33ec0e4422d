"""What the client does when the service fails: it repeats what may be repeated, and says what happened."""

from __future__ import annotations

import json
import pickle

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider

from somafractalmemory import Memory, errors
from somafractalmemory.http import Service
from somafractalmemory.settings import Settings

WRITTEN = {"id": "i", "event_id": "e", "position": "p1AA"}


class Script:
    """A service that answers as it is told, one answer after the other."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.requests = list(answers), []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"type": f"urn:soma:problem:{code}", "title": code, "status": status, "code": code, "detail": "why"}
    return httpx.Response(status, json={**body, "remedy": "do this", "field": "f"}, headers=headers)


def client(script: Script, **options: float) -> Memory:
    return Memory("http://soma.test", transport=httpx.MockTransport(script), **options)  # type: ignore[arg-type]


def test_a_write_is_repeated_under_one_key() -> None:
    script = Script(httpx.ConnectError("refused"), problem(503, "unavailable"), httpx.Response(201, json=WRITTEN))
    assert client(script).remember("x").id == "i"
    keys = {request.headers["idempotency-key"] for request in script.requests}
    assert len(script.requests) == 3
    assert len(keys) == 1


def test_a_refusal_is_not_repeated() -> None:
    script = Script(problem(422, "schema"))
    with pytest.raises(errors.SchemaViolation) as told:
        client(script).remember("x")
    assert (told.value.field, told.value.remedy, told.value.status) == ("f", "do this", 422)
    assert isinstance(told.value, ValueError)


def test_attempts_and_time_are_bounded() -> None:
    script = Script(*(httpx.ConnectError("refused") for _ in range(3)))
    with pytest.raises(errors.Unavailable, match="soma up"):
        client(script, attempts=3).remember("x")
    script = Script(problem(429, "rate_limited", **{"retry-after": "60"}))
    with pytest.raises(errors.RateLimited) as told:
        client(script, timeout=5).remember("x")
    assert told.value.retry_after == 60


def test_a_read_names_the_writes_before_it_until_one_read_has_passed_them() -> None:
    record = {
        "id": "i", "namespace": "default", "payload": {"text": "x"}, "importance": None, "model_revision": None,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "version": 1, "event_id": "e",
    }  # fmt: skip
    script = Script(
        httpx.Response(201, json={**WRITTEN, "position": "p1AA"}),
        httpx.Response(201, json={**WRITTEN, "position": "p1BB"}),
        problem(503, "position_not_reached"),
        httpx.Response(200, json=record),
        httpx.Response(200, json=record),
        httpx.Response(200, json={"hits": [], "position": "p1BB"}),
    )
    memory = client(script)
    memory.remember("x")
    memory.remember("y")
    memory.get("i")
    memory.get("i")
    memory.search("x")
    waits = [request.url.params.get("after") for request in script.requests]
    assert waits == [None, None, "p1AA,p1BB", "p1AA,p1BB", None, None]
    assert "after" not in json.loads(script.requests[-1].content)


def test_more_writes_than_one_request_can_name_are_waited_for_in_parts() -> None:
    page = {"items": [], "next_cursor": None}
    writes = [httpx.Response(201, json={**WRITTEN, "position": f"p1A{n}"}) for n in range(150)]
    script = Script(*writes, *(httpx.Response(200, json=page) for _ in range(3)))
    memory = client(script)
    for _ in writes:
        memory.remember("x")
    assert list(memory.iter_records()) == []
    waits = [request.url.params["after"].split(",") for request in script.requests[150:]]
    assert [len(part) for part in waits] == [64, 64, 22]
    assert sorted(one for part in waits for one in part) == sorted(f"p1A{n}" for n in range(150))


def test_a_write_tells_the_trace_that_it_belongs_to() -> None:
    script = Script(*(httpx.Response(201, json=WRITTEN) for _ in range(2)))
    memory = client(script)
    memory.remember("x")
    with TracerProvider().get_tracer("test").start_as_current_span("work") as span:
        memory.remember("y")
    context = span.get_span_context()
    told = [request.headers.get("traceparent") for request in script.requests]
    flags = f"{int(context.trace_flags):02x}"
    assert told == [None, f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags}"]


def test_an_answer_that_is_no_problem_document_is_an_error_all_the_same() -> None:
    script = Script(httpx.Response(500, text="<html>"), httpx.Response(200, text="<html>"))
    with pytest.raises(errors.Internal):
        client(script).remember("x")
    with pytest.raises(errors.Internal):
        client(script).remember("x")


def test_errors_survive_another_process() -> None:
    error = errors.from_code("bad_filter", "why", field="filter", remedy="so", status=400)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.field) == (errors.BadFilter, str(error), "filter")
    failed = pickle.loads(pickle.dumps(errors.DeliveryTimeout("late", failed={3: "x"})))
    assert (failed.failed, isinstance(failed, TimeoutError)) == ({3: "x"}, True)


def test_an_unknown_code_says_so() -> None:
    assert str(errors.from_code("brand_new", "why")) == "internal: brand_new: why"


def test_where_the_service_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Service.of(None, None).url == "http://127.0.0.1:9595"
    monkeypatch.setenv("SOMA_URL", "https://soma.test/")
    monkeypatch.setenv("SOMA_API_TOKEN", "secret-secret-secret")
    service = Service.of(None, None)
    assert (service.url, service.token) == ("https://soma.test", "secret-secret-secret")
    assert "secret" not in repr(service)
    assert Service.of("http://other.test:1", "t", Settings({})).url == "http://other.test:1"
    with pytest.raises(errors.BadConfig):
        Service.of("soma.test", None)
