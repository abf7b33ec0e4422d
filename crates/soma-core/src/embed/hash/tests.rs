use futures::executor::block_on;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn vector(payload: &Value) -> Vec<f32> {
    HashEmbedder::default().document(payload)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn bits(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect()
}

#[test]
fn the_bits_are_fixed() {
    let payload = json!({"text": "Ann bought a red boat in Zürich", "actor": "Ben", "tags": [1, true, "東京"]});
    let document = vector(&payload);
    let question = HashEmbedder::default().question("What did Ann buy?");
    let pinned: Vec<String> = [&document, &question]
        .into_iter()
        .map(|v| format!("{:08x} {:08x} {:016x}", v[0].to_bits(), v[767].to_bits(), xxh3_64_with_seed(&bits(v), 0)))
        .collect();
    assert_eq!(pinned, ["00000000 3a8abf8c 7749759000efd18a", "00000000 00000000 6b929674ee7549aa"]);
}

#[test]
fn a_shared_word_makes_texts_alike_and_a_shared_stem_a_little() {
    let question = HashEmbedder::default().question("sailing a boat");
    let near = cosine(&question, &vector(&json!("we went sailing with the boat")));
    let akin = cosine(&question, &vector(&json!("she sails boats")));
    let far = cosine(&question, &vector(&json!("quarterly tax report")));
    assert!(near > akin && akin > far + 0.1, "{near} {akin} {far}");
}

#[test]
fn what_holds_no_word_still_has_a_vector() {
    for payload in [json!(null), json!(""), json!({}), json!([]), json!("!?"), json!("\u{301}")] {
        let vector = vector(&payload);
        assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-6, "{payload}");
    }
    let question = HashEmbedder::default().question("?!");
    assert!((cosine(&question, &question) - 1.0).abs() < 1e-6);
}

#[test]
fn equal_words_in_different_payloads_give_different_vectors() {
    let payloads = [
        json!("1"),
        json!(1),
        json!([1]),
        json!([[1]]),
        json!({"a": 1}),
        json!({"b": 1}),
        json!({"b": "1"}),
        json!(true),
    ];
    for (at, one) in payloads.iter().enumerate() {
        for other in &payloads[..at] {
            assert_ne!(bits(&vector(one)), bits(&vector(other)), "{one} {other}");
        }
    }
}

#[test]
fn the_number_of_dimensions_is_checked_and_kept() {
    for dims in [64, 100, 4096] {
        let embedder = HashEmbedder::new(dims).expect("within bounds");
        let vectors = block_on(embedder.documents(&[&json!("a"), &json!("b")])).expect("needs nothing");
        assert_eq!(vectors.iter().map(Vec::len).collect::<Vec<_>>(), [dims, dims]);
    }
    assert_eq!(HashEmbedder::new(63).expect_err("too few").code, Code::BadConfig);
    assert_eq!(HashEmbedder::new(4097).expect_err("too many").code, Code::BadConfig);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1_000_000_i64..1_000_000).prop_map(Value::from),
        (-1e6..1e6_f64).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-e]|text|actor|seq", inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The same value with the keys of every object put in backwards.
fn permuted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(permuted).collect(),
        Value::Object(fields) => {
            let mut pairs: Vec<(String, Value)> = fields.iter().map(|(k, v)| (k.clone(), permuted(v))).collect();
            pairs.sort_by(|a, b| b.0.cmp(&a.0));
            Value::Object(pairs.into_iter().collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

proptest! {
    #[test]
    fn every_vector_has_norm_1_and_no_bad_number(payload in any_json(), text in ".{0,40}") {
        for vector in [vector(&payload), HashEmbedder::default().question(&text)] {
            prop_assert!(vector.iter().all(|value| value.is_finite()));
            prop_assert!((cosine(&vector, &vector).sqrt() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn the_order_of_keys_changes_no_bit(payload in any_json()) {
        prop_assert_eq!(bits(&vector(&payload)), bits(&vector(&permuted(&payload))));
    }

    #[test]
    fn different_payloads_have_different_vectors(one in any_json(), other in any_json()) {
        if json::canonical(&one) != json::canonical(&other) {
            prop_assert_ne!(bits(&vector(&one)), bits(&vector(&other)));
        }
    }
}
