use serde_json::json;

use super::*;

fn code(bytes: &[u8]) -> Code {
    parse(bytes).expect_err("refused").code
}

fn field(text: &str) -> Option<String> {
    parse(text.as_bytes()).expect_err("refused").field
}

fn respelled(text: &str) -> String {
    canonical(&parse(text.as_bytes()).expect("valid"))
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn what_is_not_one_json_text_is_refused() {
    for text in ["", " ", "{", "nul", "1 2", "{}x", "'a'", "[1,]", "NaN", "01", "\"\\ud800\"", "\"\\udc00\\ud800\""] {
        assert_eq!(code(text.as_bytes()), Code::NotJson, "{text}");
    }
    assert_eq!(code(b"\"\xff\""), Code::NotJson);
    assert_eq!(code("\"a\tb\"".as_bytes()), Code::NotJson, "a control character must be escaped");
}

#[test]
fn sixty_four_levels_are_read_and_sixty_five_refused() {
    assert!(parse(nested(64).as_bytes()).is_ok());
    assert_eq!(code(nested(65).as_bytes()), Code::TooDeep);
    assert_eq!(code("{\"a\":".repeat(65).as_bytes()), Code::TooDeep);
}

#[test]
fn ten_megabytes_of_brackets_end_in_an_error_and_not_in_an_exhausted_stack() {
    assert_eq!(code("[".repeat(10 << 20).as_bytes()), Code::TooDeep);
    assert_eq!(code("{\"\":".repeat(2 << 20).as_bytes()), Code::TooDeep);
}

#[test]
fn a_fault_names_the_path_of_its_field() {
    assert_eq!(field(r#"{"a":{"b":[0,1e309]}}"#).as_deref(), Some("a.b[1]"));
    assert_eq!(field(r#"{"a":{"b":[0,1.1e308]}}"#).as_deref(), Some("a.b[1]"));
    assert_eq!(field(r#"{"a":{"b c":"\u0000"}}"#).as_deref(), Some(r#"a["b c"]"#));
    assert_eq!(field(r#"{"a":{"b":1,"b":2}}"#).as_deref(), Some("a.b"));
    assert_eq!(field(r#"{"a":{"\u0000":1}}"#).as_deref(), Some("a"));
    assert_eq!(field("1e400"), None);
}

#[test]
fn a_very_long_key_does_not_make_a_very_long_error() {
    let key = "k".repeat(1 << 20);
    let error = parse(format!(r#"{{"{key}":1,"{key}":2}}"#).as_bytes()).expect_err("refused");
    assert_eq!(error.code, Code::DuplicateKey);
    assert!(error.to_string().len() + error.field.expect("a path").len() < 500);
}

#[test]
fn keys_that_differ_only_in_their_escapes_are_one_key() {
    assert_eq!(code(br#"{"a":1,"\u0061":2}"#), Code::DuplicateKey);
}

#[test]
fn numbers_keep_their_value_and_not_their_spelling() {
    for (spelled, value) in [
        ("1.0", "1"),
        ("-0.0", "0"),
        ("-0", "0"),
        ("1e2", "100"),
        ("100E-2", "1"),
        ("9007199254740992.0", "9007199254740992"),
        ("9007199254740994.0", "9007199254740994.0"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("18446744073709551616", "1.8446744073709552e+19"),
        ("1e17", "1e+17"),
        ("0.1000", "0.1"),
        ("5e-324", "5e-324"),
        ("1e-400", "0"),
        ("1e308", "1e+308"),
        ("-1e308", "-1e+308"),
    ] {
        assert_eq!(respelled(spelled), value, "{spelled}");
    }
    assert_eq!(code(b"1.0000000000000002e308"), Code::NumberRange);
    assert_eq!(code(b"-1e309"), Code::NumberRange);
}

#[test]
fn keys_are_written_in_the_order_of_their_code_points() {
    // UTF-16 order would put U+1F600 before U+FF5E.
    let text = r#"{"～":1,"😀":2,"b":3,"a":4,"B":{"z":1,"y":2},"":5}"#;
    assert_eq!(respelled(text), r#"{"":5,"B":{"y":2,"z":1},"a":4,"b":3,"～":1,"😀":2}"#);
}

#[test]
fn a_value_parsed_elsewhere_is_held_to_the_same_bounds() {
    let deep: Value = serde_json::from_str(&nested(64)).expect("valid");
    assert!(check(&deep, "", 0).is_ok());
    assert_eq!(check(&deep, "payload", 1).expect_err("refused").code, Code::TooDeep);

    let fault = check(&json!({"a": [{"b": "x\0"}]}), "payload", 1).expect_err("refused");
    assert_eq!((fault.code, fault.field.as_deref()), (Code::NulCharacter, Some("payload.a[0].b")));
    let fault = check(&json!([1.7e308]), "payload", 1).expect_err("refused");
    assert_eq!((fault.code, fault.field.as_deref()), (Code::NumberRange, Some("payload[0]")));
    assert_eq!(check(&json!({"\0": 1}), "", 0).expect_err("refused").code, Code::NulCharacter);
}

#[test]
fn normalising_a_value_gives_what_parsing_its_text_gives() {
    let text = r#"{"b":[1.0,-0.0,2.5,1e17],"a":{"c":3e0}}"#;
    let elsewhere: Value = serde_json::from_str(text).expect("valid");
    assert_eq!(normalise(elsewhere, "", 0).expect("valid"), parse(text.as_bytes()).expect("valid"));
}
