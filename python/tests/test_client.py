"""The client against a running `soma up`: every method, for threads and for asyncio."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator

import pytest

from running import Soma
from somafractalmemory import AsyncMemory, Memory, errors


@pytest.fixture
def memory(soma: Soma) -> Iterator[Memory]:
    """A client with a namespace of its own."""
    with Memory(soma.url, namespace=f"test-{uuid.uuid4().hex}") as client:
        yield client


def texts(found: dict[str, list[dict[str, str]]]) -> list[str]:
    return [item["memory"] for item in found["results"]]


def test_what_was_added_is_found_at_once(memory: Memory) -> None:
    added = memory.add("the lamp is in the attic", user_id="ana", metadata={"room": "attic"})
    assert [(one["memory"], one["event"]) for one in added["results"]] == [("the lamp is in the attic", "ADD")]
    found = memory.search("where is the lamp?", user_id="ana")["results"]
    assert found[0]["id"] == added["results"][0]["id"]
    assert found[0]["metadata"] == {"room": "attic"}
    assert found[0]["user_id"] == "ana"
    assert found[0]["score"] > 0


def test_messages_become_memories_in_their_order(memory: Memory) -> None:
    messages = [{"role": "user", "content": "I moved to Lisbon"}, {"role": "assistant", "content": "noted"}]
    added = memory.add(messages, user_id="ana", run_id="r1")
    assert [one["memory"] for one in added["results"]] == ["I moved to Lisbon", "noted"]
    got = memory.get(added["results"][0]["id"])
    assert got is not None
    assert (got["role"], got["run_id"], got["memory"]) == ("user", "r1", "I moved to Lisbon")


def test_users_do_not_see_each_other(memory: Memory) -> None:
    memory.add("likes tea", user_id="ana")
    memory.add("likes tea too", user_id="bo/ana")
    assert texts(memory.get_all(user_id="ana")) == ["likes tea"]
    assert texts(memory.search("tea", user_id="bo/ana")) == ["likes tea too"]
    assert texts(memory.get_all()) == []
    assert texts(memory.get_all(filters={"user_id": "ana"})) == ["likes tea"]


def test_an_agent_is_found_across_its_users_and_nowhere_else(memory: Memory, soma: Soma) -> None:
    memory.add("seen by scout for ana", user_id="ana", agent_id="scout")
    memory.add("seen by scout for nobody", agent_id="scout")
    memory.add("seen by another", user_id="ana", agent_id="other")
    with Memory(soma.url, namespace=f"{memory.namespace}2") as neighbour:
        neighbour.add("seen by scout elsewhere", agent_id="scout")
    expected = ["seen by scout for ana", "seen by scout for nobody"]
    assert sorted(texts(memory.get_all(agent_id="scout"))) == expected
    assert sorted(texts(memory.search("seen by scout", agent_id="scout"))) == expected
    assert memory.delete_all(agent_id="scout")["deleted"] == 2
    assert texts(memory.get_all(user_id="ana")) == ["seen by another"]


def test_filters_narrow_a_search(memory: Memory) -> None:
    for room, year in (("attic", 2019), ("shed", 2021), ("hall", 2023)):
        memory.add(f"a lamp in the {room}", user_id="ana", metadata={"room": room, "year": year})
    assert texts(memory.search("lamp", user_id="ana", filters={"room": "shed"})) == ["a lamp in the shed"]
    later = memory.search("lamp", user_id="ana", filters={"year": {"gte": 2020}, "room": {"ne": "hall"}})
    assert texts(later) == ["a lamp in the shed"]
    either = memory.get_all(user_id="ana", filters={"OR": [{"room": "attic"}, {"room": ["hall"]}]})
    assert sorted(texts(either)) == ["a lamp in the attic", "a lamp in the hall"]
    own = memory.get_all(user_id="ana", filters={"field": "payload.metadata.year", "lt": 2020})
    assert texts(own) == ["a lamp in the attic"]
    none = memory.get_all(user_id="ana", filters={"NOT": {"year": {"exists": True}}})
    assert texts(none) == []


def test_an_update_keeps_what_it_does_not_name(memory: Memory) -> None:
    made = memory.add("the lamp is in the attic", user_id="ana", metadata={"room": "attic"})["results"][0]["id"]
    assert "message" in memory.update(made, "the lamp is in the hall")
    got = memory.get(made)
    assert got is not None
    assert (got["memory"], got["metadata"], got["user_id"]) == ("the lamp is in the hall", {"room": "attic"}, "ana")
    memory.update(made, {"text": "gone to the shed"}, metadata={"room": "shed"})
    assert texts(memory.search("shed", user_id="ana"))[0] == "gone to the shed"


def test_a_history_tells_each_change(memory: Memory) -> None:
    made = memory.add("one", user_id="ana")["results"][0]["id"]
    memory.update(made, "two")
    told = [(step["event"], step["old_memory"], step["new_memory"]) for step in memory.history(made)]
    assert told == [("ADD", None, "one"), ("UPDATE", "one", "two")]
    assert {step["memory_id"] for step in memory.history(made)} == {made}


def test_what_is_deleted_is_gone(memory: Memory) -> None:
    made = memory.add("to forget", user_id="ana")["results"][0]["id"]
    assert "message" in memory.delete(made)
    assert memory.get(made) is None
    assert texts(memory.search("forget", user_id="ana")) == []
    with pytest.raises(errors.NotFound) as told:
        memory.update(made, "again")
    assert told.value.code == "not_found"
    with pytest.raises(errors.NotFound):
        memory.delete(str(uuid.uuid4()))


def test_deleting_everything_says_whose(memory: Memory) -> None:
    memory.add(["a", "b"], user_id="ana")
    memory.add("c", user_id="bo")
    with pytest.raises(errors.BadRequest):
        memory.delete_all()
    assert memory.delete_all(user_id="ana")["deleted"] == 2
    assert texts(memory.get_all(user_id="ana")) == []
    assert texts(memory.get_all(user_id="bo")) == ["c"]
    memory.remember("plain")
    assert memory.delete_all(namespace=memory.namespace)["deleted"] == 1


def test_pages_are_gone_through(memory: Memory) -> None:
    memory.add([f"note {number}" for number in range(25)], user_id="ana")
    assert len(memory.get_all(user_id="ana", limit=10)["results"]) == 10
    assert len(list(memory.iter_all(user_id="ana", page_size=7))) == 25
    records = list(memory.iter_records(namespace_prefix=f"{memory.namespace}/", order="oldest", page_size=4))
    assert len({record.id for record in records}) == 25
    assert dict(memory.iter_namespaces(memory.namespace)) == {f"{memory.namespace}/ana": 25}


def test_the_services_own_words(memory: Memory) -> None:
    written = memory.remember({"text": "the rope is in the boat", "n": 1.0}, importance=2, wait_stored=True)
    assert written.stored is True
    record = memory.record(written.id)
    assert (record.payload, record.importance, record.version) == ({"text": "the rope is in the boat", "n": 1}, 2, 1)
    placed = [memory.remember({"text": text}, coordinate=[1.0, 2.5]).id for text in ("first", "second")]
    assert placed[0] == placed[1] == memory.remember({"text": "third"}, coordinate="1,2.5").id
    hit = memory.recall("rope", explain=True, top_k=1)[0]
    assert (hit.id, hit.explain is not None) == (written.id, True)
    assert memory.recall("rope", mode="lexical", filter={"field": "payload.n", "eq": 1})[0].id == written.id
    many = memory.remember_many([{"payload": None}, {"payload": [1, 2], "importance": 1}])
    assert [memory.record(one.id).payload for one in many] == [None, [1, 2]]
    memory.forget(written.id)
    assert memory.get(written.id) is None


def test_a_repeated_key_makes_nothing_twice(memory: Memory) -> None:
    first = memory.remember({"text": "once"}, idempotency_key="k1")
    assert memory.remember({"text": "once"}, idempotency_key="k1") == first
    with pytest.raises(errors.IdempotencyConflict):
        memory.remember({"text": "something else"}, idempotency_key="k1")
    assert len(list(memory.iter_records())) == 1


def test_refusals_are_typed_and_name_the_field(memory: Memory) -> None:
    with pytest.raises(errors.NumberRange) as told:
        memory.remember({"n": 1.5e308})
    assert (told.value.field, told.value.code) == ("payload.n", "number_range")
    with pytest.raises(errors.SchemaViolation) as told_by_service:
        memory.remember("x", importance=-1)
    assert told_by_service.value.field == "importance"
    with pytest.raises(errors.BadFilter):
        memory.search("x", filters={"field": "payload.a", "like": "b"})
    with pytest.raises(errors.BadRequest):
        memory.add("x", infer=True)
    with pytest.raises(errors.BadRequest):
        list(memory.iter_records(page_size=5000))
    with pytest.raises(errors.DeliveryError) as partly:
        memory.remember_many([{"payload": 1}, {"payload": 2, "importance": -1}])
    assert list(partly.value.failed) == [1]


def test_many_writes_and_then_a_read(memory: Memory) -> None:
    for number in range(200):
        memory.remember({"text": f"line {number}"})
    assert sum(1 for _ in memory.iter_records()) == 200


def test_threads_share_a_client(memory: Memory) -> None:
    def add(number: int) -> None:
        for step in range(10):
            memory.add(f"thread {number} step {step}", user_id="ana")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(memory.get_all(user_id="ana", limit=1000)["results"]) == 80


def test_asyncio_has_the_same_words(soma: Soma) -> None:
    async def play() -> None:
        async with AsyncMemory(soma.url, namespace=f"test-{uuid.uuid4().hex}") as memory:
            added = await memory.add(["the lamp is in the attic", "tea at four"], user_id="ana", metadata={"a": 1})
            made = added["results"][0]["id"]
            found = await memory.search("where is the lamp?", user_id="ana", filters={"a": 1})
            assert found["results"][0]["id"] == made
            await memory.update(made, "the lamp is in the hall")
            got = await memory.get(made)
            assert got is not None
            assert got["memory"] == "the lamp is in the hall"
            assert [step["event"] for step in await memory.history(made)] == ["ADD", "UPDATE"]
            assert len((await memory.get_all(user_id="ana"))["results"]) == 2
            assert len([item async for item in memory.iter_all(user_id="ana", page_size=1)]) == 2
            await memory.delete(made)
            assert await memory.get(made) is None
            assert (await memory.delete_all(user_id="ana")).get("deleted") == 1
            written = await asyncio.gather(*(memory.remember({"text": f"n {n}"}) for n in range(20)))
            assert len({one.id for one in written}) == 20
            assert (await memory.record(written[3].id)).payload == {"text": "n 3"}
            assert len(await memory.recall("n", top_k=30)) == 20
            await memory.forget(written[0].id)
            assert len([record async for record in memory.iter_records()]) == 19
            await memory.remember_many([{"payload": 1}])
            assert [pair async for pair in memory.iter_namespaces(memory.namespace)] == [(memory.namespace, 20)]

    asyncio.run(play())


def test_every_method_has_its_twin() -> None:
    names = {name for name in vars(Memory) if not name.startswith("_")}
    assert names == {name for name in vars(AsyncMemory) if not name.startswith("_")}
