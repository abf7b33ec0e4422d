"""The same verdicts and the same derived ids as every other language, case by case."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import jsonschema
import pytest

import corpus
from somafractalmemory import derive, errors, event, jsontext, limits

EVENTS = corpus.file("events.json")
DERIVED = corpus.file("derived.json")


def verdict(case: dict[str, Any], judge: Any) -> Any:
    try:
        understood = judge()
    except errors.InvalidEvent as error:
        return {"code": error.code} | ({"field": error.field} if error.field else {})
    expected = case["event"] if "event" in case else json.loads(corpus.spelled(case["value"]))
    # As text, because 1 and 1.0 are different spellings.
    if jsontext.canonical(understood) == jsontext.canonical(expected):
        return "ok"
    return {"understood": understood}


@pytest.mark.parametrize("case", EVENTS, ids=lambda case: case["name"])
def test_a_builder_of_bytes_says_what_the_corpus_says(case: dict[str, Any]) -> None:
    assert verdict(case, lambda: event.parse(corpus.spelled(case["value"]))) == case["strict"]


@pytest.mark.parametrize("case", EVENTS, ids=lambda case: case["name"])
def test_a_builder_of_values_agrees_with_one_of_bytes(case: dict[str, Any]) -> None:
    try:
        value = jsontext.parse(corpus.spelled(case["value"]))
    except errors.InvalidEvent as error:
        # What no value can be made of is refused by the reader of JSON, for the same reason.
        refusal = {"code": error.code} | ({"field": error.field} if error.field else {})
        assert refusal == case["strict"] or case["strict"] == {"code": "too_large"}
        return
    assert verdict(case, lambda: json.loads(event.encode(value)[1])) == case["strict"]


# The checker of `date-time` that comes with jsonschema goes through a clock that knows neither.
UNKNOWN_TO_THE_VALIDATOR = {"timestamp of a leap second", "timestamp of the year 0"}


@pytest.mark.parametrize("case", EVENTS, ids=lambda case: case["name"])
def test_the_schema_says_what_the_corpus_says(case: dict[str, Any]) -> None:
    accepts = case.get("schema", case["strict"]) in ("ok", "accepts")
    validator = jsonschema.Draft7Validator(event.SCHEMA, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)
    try:
        text = corpus.spelled(case["value"]).decode()
        value = json.loads(text, parse_constant=refuse, parse_float=finite)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        assert not accepts
        return
    assert validator.is_valid(value) == (accepts and case["name"] not in UNKNOWN_TO_THE_VALIDATOR)


def refuse(word: str) -> None:
    raise ValueError(word)


def finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else refuse(text)  # type: ignore[func-returns-value]


@pytest.mark.parametrize("case", corpus.file("canonical.json"), ids=lambda case: case["name"])
def test_json_is_written_in_the_spelling_of_the_corpus(case: dict[str, Any]) -> None:
    assert jsontext.canonical(jsontext.parse(case["text"])) == case["canonical"]


def test_the_packaged_schema_is_the_one_of_the_repository() -> None:
    packaged = event.resources.files("somafractalmemory").joinpath("schema/memory.event.json").read_bytes()
    assert packaged == (corpus.SCHEMAS / "memory.event.json").read_bytes()
    jsonschema.Draft7Validator.check_schema(event.SCHEMA)


def test_the_namespace_of_derived_ids_is_the_published_one() -> None:
    assert str(derive.NAMESPACE) == DERIVED["namespace_uuid"]


@pytest.mark.parametrize("case", DERIVED["coordinate"], ids=lambda case: case["coordinate"])
def test_a_coordinate_has_the_id_of_the_corpus(case: dict[str, Any]) -> None:
    assert derive.coordinate_id(case["namespace"], case["coordinate"]) == case["id"]
    numbers = derive.coordinate_numbers(case["coordinate"])
    built = event.build_memory_event(case["namespace"], None, coordinate=numbers)
    assert built["id"] == case["id"]


@pytest.mark.parametrize("case", DERIVED["idempotency"], ids=lambda case: f"{case['target']} {case['item']}")
def test_an_idempotency_key_has_the_ids_of_the_corpus(case: dict[str, Any]) -> None:
    ids = derive.idempotency_ids(case["namespace"], case["method"], case["target"], case["item"], case["key"])
    assert ids == (case["event_id"], case["memory_id"])


@pytest.mark.parametrize("case", DERIVED["tombstone"], ids=lambda case: case["log"])
def test_a_tombstone_has_the_id_of_the_corpus(case: dict[str, Any]) -> None:
    assert derive.tombstone_id(case["log"], case["partition"], case["offset"]) == case["event_id"]


@pytest.mark.parametrize("case", DERIVED["import"], ids=lambda case: f"{case['json']} {case['occurrence']}")
def test_an_import_has_the_ids_of_the_corpus(case: dict[str, Any]) -> None:
    canonical = jsontext.canonical(jsontext.parse(case["json"]))
    assert canonical == case["canonical"]
    ids = derive.import_ids(case["namespace"], canonical, case["occurrence"])
    assert ids == (case["event_id"], case["memory_id"])


@pytest.mark.parametrize("case", DERIVED["record"], ids=lambda case: f"{case['key']} {case['value']}")
def test_a_record_has_the_id_of_the_corpus(case: dict[str, Any]) -> None:
    key = None if case["key"] is None else case["key"].encode()
    assert derive.record_id(key, case["value"].encode()) == case["event_id"]


@pytest.mark.parametrize("case", DERIVED["restore"], ids=lambda case: case["shown"])
def test_a_restored_event_has_the_id_of_the_corpus(case: dict[str, Any]) -> None:
    assert derive.restored_event_id(case["shown"]) == case["event_id"]


def test_bounds_are_those_of_the_service() -> None:
    text = (corpus.SCHEMAS.parent / "crates" / "soma-core" / "src" / "limits.rs").read_text("utf-8")
    found = dict(re.findall(r"pub const (\w+): (?:usize|f64|i64) = ([0-9_e]+(?: << [0-9]+)?);", text))
    shared = {name for name in vars(limits) if name.isupper()} & set(found)
    assert len(shared) >= 8
    for name in shared:
        number, _, shift = found[name].replace("_", "").partition(" << ")
        expected = int(number) << int(shift) if shift else float(number)
        assert getattr(limits, name) == expected, name
