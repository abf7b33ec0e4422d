use serde_json::json;

use super::{first_bytes, of};

#[test]
fn a_turn_is_read_as_recall_reads_it() {
    let turn = json!({"actor": "Ann", "text": "I moved", "caption": "a van", "thread": "t1", "seq": 4});
    assert_eq!(of(&turn), "Ann: I moved\na van");
    assert_eq!(of(&json!({})), "{}");
    assert_eq!(of(&json!("  ")), "\"  \"");
}

#[test]
fn a_long_text_is_cut_between_characters() {
    assert_eq!(first_bytes("aéb", 2), "a");
    assert_eq!(first_bytes("aéb", 3), "aé");
    assert_eq!(first_bytes("aéb", 4), "aéb");
}
