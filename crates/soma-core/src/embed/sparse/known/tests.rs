//! What is remembered is what would be made again.

use super::*;

/// Without remembering anything.
fn made(words: &Words, language: Language) -> Vec<u32> {
    let stems = Stems::in_language(language);
    words.content().map(|word| term(&stems.of(word))).collect()
}

#[test]
fn words_give_the_same_terms_the_first_time_and_the_next() {
    let text =
        "Boats, boating and the boat; Überraschungen über Übersetzungen, internationalisation, a\u{301}ngel 'tis 42";
    let words = Words::of(text);
    for language in [Language::English, Language::German, Language::None, Language::English] {
        assert_eq!(terms(&words, language), made(&words, language), "{language:?}");
        assert_eq!(terms(&words, language), made(&words, language), "{language:?}, again");
    }
}

#[test]
fn short_words_are_told_apart_and_long_ones_are_not_remembered() {
    let words = ["", "a", "ab", "a\0", "a\0\0", "fifteen letters", "fifteen-letters"];
    let shorts: std::collections::BTreeSet<Short> = words.iter().filter_map(|word| short(word)).collect();
    assert_eq!(shorts.len(), words.len());
    assert_eq!(short("sixteen letters!"), None);
}

#[test]
fn more_words_than_are_remembered_are_read_all_the_same() {
    let text: Vec<String> = (0..WORDS_MAX + 10).map(|n| format!("word{n}s")).collect();
    let words = Words::of(&text.join(" "));
    assert_eq!(terms(&words, Language::English), made(&words, Language::English));
    assert!(KNOWN.with_borrow(|known| known.terms.len() <= WORDS_MAX));
}
