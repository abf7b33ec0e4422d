"""The client says and understands what `docs/openapi.json` says."""

from __future__ import annotations

import uuid

import pytest

import openapi
from running import Soma
from somafractalmemory import Memory, build_memory_event, errors, event
from somafractalmemory.client.shapes import Hit, Record, Step, Written
from somafractalmemory.delivery.service import ServiceDelivery
from somafractalmemory.settings import Settings

# Of use to operators, pages and probes; `append` is what `eventing` uses.
OF_THE_CLIENT = {"remember", "rememberBatch", "get", "replace", "forget", "forgetSelected", "list"}
OF_THE_CLIENT |= {"history", "recall", "namespaces"}


def test_every_request_and_answer_is_as_the_document_says(soma: Soma) -> None:
    ledger = openapi.Ledger()
    with Memory(soma.url, namespace=f"oa-{uuid.uuid4().hex}", transport=openapi.Checked(ledger)) as memory:
        made = memory.add("the lamp is in the attic", user_id="ana", run_id="r", metadata={"n": 1})["results"][0]["id"]
        memory.add([{"role": "user", "content": "a"}, "b"], agent_id="scout")
        memory.search("lamp", user_id="ana", filters={"n": {"gte": 1}}, limit=3)
        memory.search("lamp", agent_id="scout")
        memory.get(made)
        memory.get_all(run_id="r", limit=5)
        list(memory.iter_all(user_id="ana", page_size=1))
        memory.update(made, "the lamp is in the hall", metadata={"n": 2})
        memory.history(made)
        memory.delete(made)
        memory.delete_all(agent_id="scout", wait_stored=True)
        written = memory.remember({"a": [1, None]}, coordinate=[0.5, 1], importance=1, wait_stored=True)
        memory.remember_many([{"payload": 1, "coordinate": "1,2"}, {"payload": "x", "model_revision": "m"}])
        memory.recall("a", explain=True, mode="lexical", filter={"field": "payload.a", "exists": True})
        memory.recall("a", namespaces=[memory.namespace, "other"])
        memory.record(written.id)
        list(memory.iter_records(order="importance"))
        list(memory.iter_namespaces(memory.namespace))
        memory.forget(written.id, namespace=memory.namespace, wait_stored=True)
        with pytest.raises(errors.NotFound):
            memory.record(str(uuid.uuid4()))
    assert ledger.seen == OF_THE_CLIENT


def test_events_go_as_the_document_says(soma: Soma) -> None:
    ledger = openapi.Ledger()
    delivery = ServiceDelivery(Settings({"SOMA_URL": soma.url}), 1 << 20, openapi.Checked(ledger))
    delivery.send([event.encode(build_memory_event("oa", {"n": n}, importance=n)) for n in range(3)], None, 10.0)
    assert ledger.seen == {"append"}


def test_every_code_of_the_document_has_its_error() -> None:
    codes = set(openapi.DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
    assert set(errors.BY_CODE) == codes
    assert all(cls.code == code for code, cls in errors.BY_CODE.items())


@pytest.mark.parametrize(
    ("name", "shape"), [("Memory", Record), ("Hit", Hit), ("HistoryEntry", Step), ("Written", Written)]
)
def test_shapes_have_the_fields_of_the_document(name: str, shape: type) -> None:
    assert set(shape.__dataclass_fields__) == set(openapi.DOCUMENT["components"]["schemas"][name]["properties"])


def test_the_document_is_that_of_the_running_service(soma: Soma) -> None:
    import httpx

    served = httpx.get(f"{soma.url}/openapi.json").json()
    assert set(served["paths"]) == set(openapi.DOCUMENT["paths"])
