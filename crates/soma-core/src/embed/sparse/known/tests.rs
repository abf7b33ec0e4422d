//! What is remembered is what would be made again.

use super::*;
use crate::testing::sample::namespace;

/// Without remembering anything.
fn made(words: &Words, lexicon: &Lexicon) -> Vec<u32> {
    lexicon.stems.content(words).map(|word| lexicon.term(word)).collect()
}

#[test]
fn words_give_the_same_terms_the_first_time_and_the_next() {
    let text =
        "Boats, boating and the boat; Überraschungen über Übersetzungen, internationalisation, a\u{301}ngel 'tis 42";
    let words = Words::of(text);
    for language in [Language::English, Language::German, Language::None, Language::English] {
        for name in ["demo", "other"] {
            let lexicon = Lexicon::of(&namespace(name), language);
            assert_eq!(terms(&words, &lexicon), made(&words, &lexicon), "{language:?}");
            assert_eq!(terms(&words, &lexicon), made(&words, &lexicon), "{language:?}, again");
        }
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
    let lexicon = Lexicon::of(&namespace("demo"), Language::English);
    assert_eq!(terms(&words, &lexicon), made(&words, &lexicon));
    assert!(KNOWN.with_borrow(|known| known.stems.len() <= WORDS_MAX));
}
