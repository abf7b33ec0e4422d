use serde_json::json;

use super::*;
use crate::testing::sample::namespace;

/// 8 May 2023, 13:56 UTC.
const MAY_8: Timestamp = Timestamp(1_683_554_160_000_000);

fn lexicon() -> Lexicon {
    Lexicon::of(&namespace("demo"), Language::English)
}

fn weight(sparse: &Sparse, word: &str) -> Option<f32> {
    let at = sparse.indices.binary_search(&lexicon().term(word)).ok()?;
    Some(sparse.values[at])
}

fn saturated(tf: f64) -> f32 {
    (tf * 1.9 / (tf + 0.9)) as f32
}

#[test]
fn a_word_counts_by_its_frequency_and_the_length_of_its_text() {
    let sparse = memory(&Turn::of(&json!({"text": "boats and boats sail", "actor": "Ann"})), MAY_8, &lexicon());
    // "and" is a function word: four content words.
    let share = 1.0 / (0.25 + 0.75 * 4.0 / 12.0);
    assert_eq!(weight(&sparse, "boat"), Some(saturated(2.0 * share)));
    assert_eq!(weight(&sparse, "ann"), Some(saturated(share)));
    assert_eq!(weight(&sparse, "and"), None);
}

#[test]
fn the_words_of_the_day_count_half_and_do_not_lengthen_the_text() {
    let sparse = memory(&Turn::of(&json!("in may")), MAY_8, &lexicon());
    let share = 1.0 / (0.25 + 0.75 / 12.0);
    assert_eq!(weight(&sparse, "2023"), Some(saturated(0.5)));
    assert_eq!(weight(&sparse, "may"), Some(saturated(share + 0.5)));
}

#[test]
fn other_fields_count_half_and_do_not_lengthen_the_text() {
    let alone = memory(&Turn::of(&json!({"text": "lunch outside"})), MAY_8, &lexicon());
    let sparse = memory(&Turn::of(&json!({"text": "lunch outside", "tags": ["vegan"]})), MAY_8, &lexicon());
    assert_eq!(weight(&sparse, "lunch"), weight(&alone, "lunch"));
    assert_eq!(weight(&sparse, "vegan"), Some(saturated(0.5 / (0.25 + 0.75 / 12.0))));
}

#[test]
fn field_names_and_the_thread_are_not_words_of_a_memory() {
    let sparse = memory(&Turn::of(&json!({"text": "x", "thread": "regatta", "mood": "glad"})), MAY_8, &lexicon());
    assert_eq!(weight(&sparse, "regatta"), None);
    assert_eq!(weight(&sparse, "mood"), None);
    assert!(weight(&sparse, "glad").is_some());
}

#[test]
fn a_question_asks_for_each_stem_once() {
    let asked = |text: &str| question(&Words::of(text), Language::English);
    assert_eq!(asked("Boats, boat! What about the sea?"), ["boat", "about", "sea"]);
    assert!(asked("what is it").is_empty());
    let long: String = (0..1_000).map(|n| format!("word{n} ")).collect();
    assert_eq!(asked(&long).len(), limits::QUESTION_WORDS_MAX);
}

#[test]
fn a_word_has_another_number_in_each_namespace() {
    let (ours, theirs) = (lexicon(), Lexicon::of(&namespace("other"), Language::English));
    assert_eq!(ours.term("boats"), ours.number("boat"));
    assert_ne!(ours.term("boat"), theirs.term("boat"));
    assert_ne!(ours.everywhere(), theirs.everywhere());
}

#[test]
fn every_memory_holds_the_term_of_its_namespace_once() {
    for text in ["", "of the", "boats"] {
        let sparse = memory(&Turn::of(&json!({ "text": text })), MAY_8, &lexicon());
        let at = sparse.indices.binary_search(&lexicon().everywhere()).expect("it is there");
        assert_eq!(sparse.values[at], 1.0);
    }
}

#[test]
fn the_bits_are_fixed() {
    let sparse = memory(
        &Turn::of(&json!({"text": "Ann bought a red boat in Zürich", "actor": "Ben", "n": 7})),
        MAY_8,
        &lexicon(),
    );
    let bytes: Vec<u8> = sparse
        .indices
        .iter()
        .zip(&sparse.values)
        .flat_map(|(index, value)| [index.to_le_bytes(), value.to_bits().to_le_bytes()].concat())
        .collect();
    assert_eq!(format!("{:016x}", xxh3_64(&bytes)), "fc26ef40525ccc37");
}

proptest::proptest! {
    #[test]
    fn every_vector_is_ascending_and_finite(text in ".{0,80}", micros: i64) {
        let sparse = memory(&Turn::of(&json!({"text": text, "other": text})), Timestamp(micros), &lexicon());
        proptest::prop_assert!(sparse.indices.is_sorted_by(|a, b| a < b));
        proptest::prop_assert_eq!(sparse.indices.len(), sparse.values.len());
        proptest::prop_assert!(sparse.values.iter().all(|value| value.is_finite() && *value > 0.0));
    }
}
