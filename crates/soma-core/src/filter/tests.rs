//! Filters one by one. The shared table of cases runs in `soma-testkit`, which holds it as data.

use serde_json::{Value, json};

use super::{Field, Filter, Test};
use crate::error::Code;
use crate::limits::{FILTER_DEPTH_MAX, FILTER_TERMS_MAX};

fn parse(json: &Value) -> Filter {
    Filter::parse(json).unwrap_or_else(|e| panic!("{json}: {e} at {:?}", e.field))
}

fn payload(path: &[&str]) -> Field {
    Field::Payload(path.iter().map(|segment| (*segment).to_owned()).collect())
}

#[test]
fn paths_and_their_text_are_inverse() {
    let cases = [
        ("payload", payload(&[])),
        ("payload.a", payload(&["a"])),
        ("payload.\"a.b\".c", payload(&["a.b", "c"])),
        ("payload.\"\"", payload(&[""])),
        ("payload.\"q\\\"\\\\\"", payload(&["q\"\\"])),
        ("payload.back\\slash", payload(&["back\\slash"])),
        ("payload.\"tags[0]\".é", payload(&["tags[0]", "é"])),
        ("updated_at", Field::UpdatedAt),
        ("model_revision", Field::ModelRevision),
    ];
    for (text, field) in cases {
        assert_eq!(Field::parse(text).expect(text), field);
        assert_eq!(field.to_string(), text);
    }
}

#[test]
fn operands_become_canonical() {
    let id = "0000000000004000800000000000000A";
    let Filter::Field(Field::Id, tests) = parse(&json!({"field": "id", "eq": id})) else { panic!("a field") };
    assert_eq!(tests, [Test::Eq(json!("00000000-0000-4000-8000-00000000000a"))]);

    let time = json!({"field": "created_at", "gte": "1970-01-01T01:00:00.000001+01:00"});
    let Filter::Field(Field::CreatedAt, tests) = parse(&time) else { panic!("a field") };
    assert_eq!(tests, [Test::Gte(json!(1))]);
}

#[test]
fn tests_stand_in_one_order_however_they_were_written() {
    let one: Value = serde_json::from_str(r#"{"lt": 3, "field": "payload.a", "exists": true, "gt": 1}"#).expect("json");
    let two: Value = serde_json::from_str(r#"{"exists": true, "gt": 1, "lt": 3, "field": "payload.a"}"#).expect("json");
    assert_eq!(parse(&one), parse(&two));
    assert_eq!(parse(&one).to_string(), r#"{"exists":true,"field":"payload.a","gt":1,"lt":3}"#);
}

#[test]
fn times_are_sent_on_as_times() {
    let filter = parse(&json!({"field": "updated_at", "lt": "2024-06-01T14:00:00.5+02:00"}));
    assert_eq!(filter.to_string(), r#"{"field":"updated_at","lt":"2024-06-01T12:00:00.500000Z"}"#);
    let earliest = parse(&json!({"field": "updated_at", "gt": "0001-01-01T00:00:00Z"}));
    assert_eq!(parse(&earliest.to_json()), earliest);
    for text in ["0000-12-31T23:59:59Z", "-000001-01-01T00:00:00Z", "2024-06-01 14:00:00Z", "20240601T140000Z"] {
        let error = Filter::parse(&json!({"field": "updated_at", "gt": text})).expect_err("refused");
        assert_eq!(error.code, Code::BadFilter, "{text}");
    }
}

#[test]
fn a_test_that_stands_twice_is_sent_on_apart() {
    let field = payload(&["a"]);
    let twice = Filter::Field(field, vec![Test::Eq(json!(1)), Test::Eq(json!(2))]);
    let both = json!({"and": [{"field": "payload.a", "eq": 1}, {"field": "payload.a", "eq": 2}]});
    assert_eq!(twice.to_json(), both);
}

#[test]
fn fields_are_named_once_in_the_order_of_the_filter() {
    let filter = parse(&json!({"and": [
        {"field": "version", "eq": 1},
        {"or": [{"field": "payload.a", "eq": 1}, {"not": {"field": "version", "gt": 1}}]},
        {"field": "payload.b", "exists": true},
    ]}));
    assert_eq!(filter.fields(), [&Field::Version, &payload(&["a"]), &payload(&["b"])]);
}

#[test]
fn conditions_and_values_are_bounded() {
    let values: Vec<usize> = (0..FILTER_TERMS_MAX).collect();
    parse(&json!({"field": "payload.a", "in": values}));
    let one_more = json!({"and": [{"field": "payload.a", "in": values}, {"field": "payload.b", "eq": 1}]});
    let error = Filter::parse(&one_more).expect_err("one too many");
    assert_eq!((error.code, error.field.as_deref()), (Code::BadFilter, Some("and[1].eq")));
}

#[test]
fn depth_is_bounded_before_the_stack_is() {
    let mut deep = json!({"field": "payload.a", "exists": true});
    for _ in 1..FILTER_DEPTH_MAX {
        deep = json!({"not": deep});
    }
    parse(&deep);
    let error = Filter::parse(&json!({"not": deep})).expect_err("one level too many");
    assert!(error.to_string().contains("deeper"), "{error}");
}

#[test]
fn a_refusal_says_what_to_do() {
    let error = Filter::parse(&json!({"field": "tags", "eq": "x"})).expect_err("unknown");
    assert_eq!(error.field.as_deref(), Some("field"));
    assert!(error.to_string().contains("payload.tags"), "{error}");
}
