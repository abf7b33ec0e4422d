//! How values are spelled for PostgreSQL.

use serde_json::{Value, json};

use super::{array, spelled};

#[test]
fn a_double_never_reads_back_as_an_integer() {
    let doubles = [1e17, 9_007_199_254_740_994.0, 1e18, -1e19, 18_446_744_073_709_551_616.0, 1.0, 0.0];
    for double in doubles {
        let text = spelled(&json!(double)).expect("it has a spelling");
        let back: Value = serde_json::from_str(&text).expect("it is JSON");
        assert!(back.is_f64() && back == json!(double), "{text}");
        assert!(!text.contains('e'), "PostgreSQL drops exponents: {text}");
    }
}

#[test]
fn everything_else_keeps_its_usual_spelling() {
    let payload = json!({"a": [1, -1, u64::MAX, i64::MIN, 0.5, 1e300, 5e-324], "b": "ü\n\"", "c": null, "d": true});
    assert_eq!(spelled(&payload).expect("it has a spelling"), serde_json::to_string(&payload).expect("it is JSON"));
}

#[test]
fn numbers_of_an_array_are_exact() {
    let numbers = [0.1, -2.0, 1e-300, 5e-324, f64::MAX, 0.0];
    let text = array(&numbers);
    let read: Vec<f64> = text.trim_matches(['{', '}']).split(',').map(|n| n.parse().expect("a number")).collect();
    assert_eq!(read, numbers);
    assert_eq!(array(&[]), "{}");
}
