"""`SomaStore`: the interface of LangGraph's stores, alone and in a compiled graph."""

from __future__ import annotations

import asyncio
import operator
import uuid
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore, GetOp, PutOp, SearchOp
from langgraph.store.memory import InMemoryStore

from running import Soma
from somafractalmemory import errors
from somafractalmemory.langgraph import SomaStore


@pytest.fixture
def store(soma: Soma) -> Iterator[SomaStore]:
    """A store with a root of its own."""
    opened = SomaStore(soma.url, root=f"lg-{uuid.uuid4().hex}")
    yield opened
    opened.close()


def keys(found: Any) -> list[str]:
    return sorted(item.key for item in found)


def test_what_is_put_is_got(store: SomaStore) -> None:
    store.put(("users", "ana"), "prefs", {"theme": "dark", "n": 1.5})
    item = store.get(("users", "ana"), "prefs")
    assert item is not None
    assert (item.namespace, item.key, item.value) == (("users", "ana"), "prefs", {"theme": "dark", "n": 1.5})
    assert item.created_at == item.updated_at
    store.put(("users", "ana"), "prefs", {"theme": "light"})
    again = store.get(("users", "ana"), "prefs")
    assert again is not None
    assert again.value == {"theme": "light"}
    assert again.created_at == item.created_at < again.updated_at
    assert store.get(("users", "ana"), "other") is None
    assert store.get(("users",), "prefs") is None


def test_what_is_deleted_is_gone_and_may_come_back(store: SomaStore) -> None:
    store.put(("a",), "k", {"v": 1})
    store.delete(("a",), "k")
    assert store.get(("a",), "k") is None
    store.delete(("a",), "k")
    store.delete(("a",), "never there")
    store.put(("a",), "k", {"v": 2})
    item = store.get(("a",), "k")
    assert item is not None
    assert item.value == {"v": 2}


def test_a_prefix_is_of_whole_labels(store: SomaStore) -> None:
    store.put(("users", "an"), "1", {"x": 1})
    store.put(("users", "ana"), "2", {"x": 1})
    store.put(("users", "ana", "notes"), "3", {"x": 1})
    store.put(("users/ana",), "4", {"x": 1})
    assert keys(store.search(("users", "ana"))) == ["2", "3"]
    assert keys(store.search(("users",))) == ["1", "2", "3"]
    assert keys(store.search(())) == ["1", "2", "3", "4"]
    assert store.search(("users/ana",))[0].namespace == ("users/ana",)


def test_a_question_finds_the_item_that_answers_it(store: SomaStore) -> None:
    store.put(("docs",), "lamp", {"text": "the lamp is in the attic"})
    store.put(("docs",), "tea", {"text": "tea is at four"})
    store.put(("docs",), "hidden", {"text": "another lamp in the attic"}, index=False)
    found = store.search(("docs",), query="where is the lamp in the attic?", limit=2)
    assert found[0].key == "lamp"
    assert found[0].score is not None
    assert "hidden" not in keys(found)
    assert "hidden" in keys(store.search(("docs",)))


FILTERS: list[dict[str, Any]] = [
    {"n": 2}, {"n": {"$gt": 1}}, {"n": {"$gte": 2, "$lt": 3}}, {"kind": {"$ne": "a"}}, {"kind": "a", "n": {"$lte": 1}},
    {"deep": {"x": 1}}, {"missing": {"$ne": 1}}, {"n": {"$eq": 3}}, {"flag": True},
]  # fmt: skip


@pytest.mark.parametrize("condition", FILTERS, ids=str)
def test_filters_mean_what_they_mean_in_memory(store: SomaStore, condition: dict[str, Any]) -> None:
    model = InMemoryStore()
    values = {"1": {"n": 1, "kind": "a"}, "2": {"n": 2, "kind": "b", "deep": {"x": 1, "y": 2}},
              "3": {"n": 3, "kind": "b", "flag": True, "deep": {"x": 2}}}  # fmt: skip
    for one in (store, model):
        for key, value in values.items():
            one.put(("f",), key, value)
    assert keys(store.search(("f",), filter=condition)) == keys(model.search(("f",), filter=condition))


def test_limits_and_offsets_page_through(store: SomaStore) -> None:
    for number in range(7):
        store.put(("p",), str(number), {"n": number})
    pages = [keys(store.search(("p",), limit=3, offset=offset)) for offset in (0, 3, 6, 9)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert sorted(key for page in pages for key in page) == [str(number) for number in range(7)]


def test_namespaces_are_listed_as_in_memory(store: SomaStore) -> None:
    model = InMemoryStore()
    paths = [("a", "b", "c"), ("a", "b", "d"), ("a", "x", "c"), ("z",)]
    for one in (store, model):
        for path in paths:
            one.put(path, "k", {"v": 1})
    questions: list[dict[str, Any]] = [
        {}, {"prefix": ("a",)}, {"suffix": ("c",)}, {"prefix": ("a", "*", "c")}, {"prefix": ("a",), "suffix": ("d",)},
        {"max_depth": 2}, {"prefix": ("a",), "max_depth": 1}, {"limit": 2}, {"limit": 2, "offset": 1},
    ]  # fmt: skip
    for question in questions:
        assert sorted(store.list_namespaces(**question)) == sorted(model.list_namespaces(**question)), question


def test_a_batch_answers_in_order_and_the_last_write_counts(store: SomaStore) -> None:
    store.put(("b",), "k", {"v": 0})
    results = store.batch(
        [GetOp(("b",), "k"), PutOp(("b",), "k", {"v": 1}), PutOp(("b",), "k", {"v": 2}), PutOp(("b",), "j", {"v": 3}),
         PutOp(("b",), "never", None), SearchOp(("b",))]
    )  # fmt: skip
    assert results[0].value == {"v": 0}  # type: ignore[union-attr]
    assert results[1:5] == [None] * 4
    assert len(results[5]) == 1  # type: ignore[arg-type]
    assert {item.key: item.value["v"] for item in store.search(("b",))} == {"k": 2, "j": 3}


def test_items_do_not_expire(store: SomaStore) -> None:
    with pytest.raises(NotImplementedError):
        store.put(("a",), "k", {"v": 1}, ttl=5)
    with pytest.raises(errors.BadFilter):
        store.search(("a",), filter={"n": {"$like": 1}})


def test_asyncio_has_the_same(store: SomaStore) -> None:
    async def play() -> None:
        await asyncio.gather(*(store.aput(("a",), str(n), {"text": f"note {n}"}) for n in range(5)))
        item = await store.aget(("a",), "3")
        assert item is not None
        assert item.value == {"text": "note 3"}
        assert len(await store.asearch(("a",), query="note")) == 5
        await store.adelete(("a",), "3")
        assert await store.aget(("a",), "3") is None
        assert await store.alist_namespaces() == [("a",)]
        await store.aclose()

    asyncio.run(play())


class State(TypedDict):
    user: str
    said: str
    heard: Annotated[list[str], operator.add]


def listen(state: State, *, store: BaseStore) -> dict[str, list[str]]:
    found = store.search(("memories", state["user"]), query=state["said"], limit=1)
    store.put(("memories", state["user"]), str(uuid.uuid4()), {"text": state["said"]})
    return {"heard": [item.value["text"] for item in found]}


async def alisten(state: State, *, store: BaseStore) -> dict[str, list[str]]:
    found = await store.asearch(("memories", state["user"]), query=state["said"], limit=1)
    await store.aput(("memories", state["user"]), str(uuid.uuid4()), {"text": state["said"]})
    return {"heard": [item.value["text"] for item in found]}


def graph(store: BaseStore, node: Any) -> Any:
    builder = StateGraph(State)
    builder.add_node("listen", node)
    builder.add_edge(START, "listen")
    builder.add_edge("listen", END)
    return builder.compile(store=store)


def test_a_compiled_graph_remembers_between_runs(store: SomaStore, soma: Soma) -> None:
    said = [("ana", "the lamp is in the attic"), ("ana", "where is the lamp?"), ("bo", "where is the lamp?")]
    heard = []
    for user, words in said:
        heard.append(graph(store, listen).invoke({"user": user, "said": words, "heard": []})["heard"])
    assert heard == [[], ["the lamp is in the attic"], []]

    async def play() -> list[str]:
        answer = await graph(store, alisten).ainvoke({"user": "ana", "said": "the attic lamp", "heard": []})
        await store.aclose()
        return answer["heard"]  # type: ignore[no-any-return]

    assert asyncio.run(play()) == ["the lamp is in the attic"]
