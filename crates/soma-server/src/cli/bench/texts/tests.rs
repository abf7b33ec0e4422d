//! The texts are the same everywhere, and like real ones where it counts.

use std::collections::HashSet;

use soma_core::embed::language::Language;
use soma_core::embed::words::{Words, is_stop};

use super::*;

#[test]
fn equal_seeds_give_equal_texts_and_other_seeds_other_ones() {
    let of = |seed| Texts::new(seed).items(50);
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
    let question = |seed| Texts::new(seed).question();
    assert_eq!(question(7), question(7));
}

#[test]
fn the_first_text_of_a_seed_never_changes() {
    let item = Texts::new(7).item();
    assert_eq!(item.namespace, "bench-0");
    let text = item.payload["text"].as_str().expect("a text");
    assert_eq!(text.split(' ').take(8).collect::<Vec<_>>().join(" "), FIRST_WORDS);
}

/// Pinned: figures of two versions compare only while they are measured with the same texts.
const FIRST_WORDS: &str = "luvu welidi qitu govu the cezura why the";

#[test]
fn no_two_ranks_share_a_word() {
    let words: HashSet<String> = (0..VOCABULARY).map(word).collect();
    assert_eq!(words.len() as u64, VOCABULARY);
}

#[test]
fn the_most_frequent_words_are_not_indexed() {
    for word in FUNCTION_WORDS {
        assert!(is_stop(word, Language::English), "{word} would be indexed");
    }
    let mut texts = Texts::new(1);
    let text = texts.text();
    let all = Words::of(&text);
    let (words, content) = (all.iter().count(), all.content(Language::English).count());
    assert!((30..=75).contains(&(content * 100 / words)), "{content} of {words} words are indexed");
}

#[test]
fn a_payload_has_about_a_kilobyte() {
    for item in Texts::new(3).items(100) {
        let bytes = item.payload.to_string().len();
        assert!((950..=1_050).contains(&bytes), "{bytes} bytes");
    }
}

#[test]
fn every_question_names_something_that_is_indexed() {
    let mut texts = Texts::new(5);
    for question in (0..500).map(|_| texts.question()) {
        assert!(Words::of(&question).content(Language::English).next().is_some(), "{question}");
    }
}

#[test]
fn texts_for_a_model_have_its_words_and_so_many() {
    let known = || ["river", "the", "stone", "wind", "harbour"].map(str::to_owned).to_vec();
    let mut texts = Texts::known(7, known()).of_words(12);
    let text = texts.text();
    assert_eq!(text.split(' ').count(), 12);
    let is_known = |word: &str| FUNCTION_WORDS.contains(&word) || known().contains(&word.to_owned());
    assert!(text.split(' ').all(is_known), "{text}");
    assert!(Words::of(&texts.question()).content(Language::English).next().is_some());
    assert_eq!(Texts::known(7, known()).items(9), Texts::known(7, known()).items(9));
}

#[test]
fn memories_spread_evenly_over_namespaces_and_owners() {
    let items = Texts::new(2).items(1_000);
    let of_one = items.iter().filter(|item| item.namespace == namespace(3)).count();
    let of_owner = items.iter().filter(|item| item.payload["owner"]["id"] == 7).count();
    assert_eq!((of_one, of_owner), (100, 10));
}
