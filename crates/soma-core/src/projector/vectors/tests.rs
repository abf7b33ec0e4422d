//! What is kept, and for how long.

use serde_json::json;

use super::{KEPT, Vectors};

#[test]
fn a_vector_is_found_by_its_payload_whatever_the_order_of_its_keys() {
    let mut vectors = Vectors::default();
    vectors.keep(&json!({"a": 1, "b": 2}), &[1.0]);
    assert_eq!(vectors.of(&json!({"b": 2, "a": 1})), Some(vec![1.0]));
    assert_eq!(vectors.of(&json!({"a": 1})), None);
}

#[test]
fn what_is_asked_for_stays_and_the_rest_goes() {
    let mut vectors = Vectors::default();
    vectors.keep(&json!("asked for"), &[1.0]);
    vectors.keep(&json!("forgotten"), &[2.0]);
    for n in 0..2 * KEPT {
        vectors.keep(&json!(n), &[0.0]);
        if n % 1_000 == 0 {
            assert!(vectors.of(&json!("asked for")).is_some());
        }
    }
    assert!(vectors.young.len() + vectors.old.len() <= 2 * KEPT);
    assert_eq!(vectors.of(&json!("asked for")), Some(vec![1.0]));
    assert_eq!(vectors.of(&json!("forgotten")), None);
}
