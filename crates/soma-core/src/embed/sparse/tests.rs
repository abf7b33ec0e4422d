use serde_json::json;

use super::*;

/// 8 May 2023, 13:56 UTC.
const MAY_8: Timestamp = Timestamp(1_683_554_160_000_000);

fn weight(sparse: &Sparse, word: &str) -> Option<f32> {
    let at = sparse.indices.binary_search(&term(&Stems::in_language(Language::English).of(word))).ok()?;
    Some(sparse.values[at])
}

fn saturated(tf: f64) -> f32 {
    (tf * 1.9 / (tf + 0.9)) as f32
}

#[test]
fn a_word_counts_by_its_frequency_and_the_length_of_its_text() {
    let sparse = memory(&Turn::of(&json!({"text": "boats and boats sail", "actor": "Ann"})), MAY_8, Language::English);
    // "and" is a function word: four content words.
    let share = 1.0 / (0.25 + 0.75 * 4.0 / 12.0);
    assert_eq!(weight(&sparse, "boat"), Some(saturated(2.0 * share)));
    assert_eq!(weight(&sparse, "ann"), Some(saturated(share)));
    assert_eq!(weight(&sparse, "and"), None);
}

#[test]
fn the_words_of_the_day_count_half_and_do_not_lengthen_the_text() {
    let sparse = memory(&Turn::of(&json!("in may")), MAY_8, Language::English);
    let share = 1.0 / (0.25 + 0.75 / 12.0);
    assert_eq!(weight(&sparse, "2023"), Some(saturated(0.5)));
    assert_eq!(weight(&sparse, "may"), Some(saturated(share + 0.5)));
}

#[test]
fn other_fields_count_half_and_do_not_lengthen_the_text() {
    let alone = memory(&Turn::of(&json!({"text": "lunch outside"})), MAY_8, Language::English);
    let sparse = memory(&Turn::of(&json!({"text": "lunch outside", "tags": ["vegan"]})), MAY_8, Language::English);
    assert_eq!(weight(&sparse, "lunch"), weight(&alone, "lunch"));
    assert_eq!(weight(&sparse, "vegan"), Some(saturated(0.5 / (0.25 + 0.75 / 12.0))));
}

#[test]
fn field_names_and_the_thread_are_not_words_of_a_memory() {
    let sparse =
        memory(&Turn::of(&json!({"text": "x", "thread": "regatta", "mood": "glad"})), MAY_8, Language::English);
    assert_eq!(weight(&sparse, "regatta"), None);
    assert_eq!(weight(&sparse, "mood"), None);
    assert!(weight(&sparse, "glad").is_some());
}

#[test]
fn a_question_counts_each_word_once() {
    let sparse = query(&Words::of("Boats, boat! What about the sea?"), Language::English);
    assert_eq!(sparse.values, [1.0; 3]);
    assert!(sparse.indices.is_sorted_by(|a, b| a < b));
    assert_eq!(query(&Words::of("what is it"), Language::English), Sparse::default());
}

#[test]
fn explained_words_are_those_of_the_question_that_the_memory_holds() {
    let turn = Turn::of(&json!("Sailing boats at sea"));
    assert_eq!(
        shared(&Words::of("Did the sail of a boat, boat, tear in 2023?"), &turn, MAY_8, Language::English),
        ["sail", "boat", "2023"]
    );
}

#[test]
fn the_bits_are_fixed() {
    let sparse = memory(
        &Turn::of(&json!({"text": "Ann bought a red boat in Zürich", "actor": "Ben", "n": 7})),
        MAY_8,
        Language::English,
    );
    let bytes: Vec<u8> = sparse
        .indices
        .iter()
        .zip(&sparse.values)
        .flat_map(|(index, value)| [index.to_le_bytes(), value.to_bits().to_le_bytes()].concat())
        .collect();
    assert_eq!(format!("{:016x}", xxh3_64(&bytes)), "662b679321f668a6");
}

proptest::proptest! {
    #[test]
    fn every_vector_is_ascending_and_finite(text in ".{0,80}", micros: i64) {
        let sparse = memory(&Turn::of(&json!({"text": text, "other": text})), Timestamp(micros), Language::English);
        proptest::prop_assert!(sparse.indices.is_sorted_by(|a, b| a < b));
        proptest::prop_assert_eq!(sparse.indices.len(), sparse.values.len());
        proptest::prop_assert!(sparse.values.iter().all(|value| value.is_finite() && *value > 0.0));
    }
}
